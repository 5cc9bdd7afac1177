//! What can go wrong, in words for whoever has to mend it.

use rustls::CertificateError;
use std::io;
use std::path::PathBuf;

/// A reactor cannot be made: the configuration, or the machine, does not allow it.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// More connections than ids.
    #[error("{0} connections are configured for one thread; at most 255 can be")]
    TooMany(usize),
    /// The system refuses an event queue or a thread, or to wait.
    #[error("cannot {what}: {source}; check the limits on open files and threads (ulimit -n, -u)")]
    System {
        /// What was to be done.
        what: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// No certificate could be for this host.
    #[error("`{host}` is neither a host name nor an address, so no TLS certificate can be for it")]
    ServerName {
        /// The host.
        host: String,
    },
    /// The system has no roots.
    #[error("the system's root certificates cannot be used: {why}; install ca-certificates, or name a PEM file")]
    SystemRoots {
        /// Why.
        why: String,
    },
    /// A PEM file cannot be used.
    #[error("{path} cannot be used as root certificates: {why}", path = .path.display())]
    PemFile {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The cryptography does not fit the protocol versions.
    #[error("TLS cannot be set up: {0}")]
    Provider(rustls::Error),
}

/// A connection could not be opened, or is gone. Kept as text in the statistics.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the name `{host}` cannot be resolved: {source}")]
    Resolve { host: String, source: io::Error },
    #[error("the name `{host}` has no address")]
    NoAddress { host: String },
    #[error("cannot connect: {0}")]
    Connect(io::Error),
    #[error("no connection within the time allowed, while {0}")]
    Timeout(&'static str),
    #[error("{path} is not a named pipe; make one with mkfifo", path = .0.display())]
    NotAPipe(PathBuf),
    #[error("{0}{hint}", hint = hint(.0))]
    Tls(rustls::Error),
    #[error("cannot read: {0}")]
    Read(io::Error),
    #[error("cannot write: {0}")]
    Write(io::Error),
    #[error("the peer closed the connection")]
    PeerClosed,
    #[error("the peer closed the connection without TLS's good-bye: what it sent last may be missing")]
    PeerVanished,
    #[error("the pipe's writer is gone")]
    WriterGone,
    #[error("the stage asked for a new connection")]
    Reset,
}

impl Failure {
    /// Whether only somebody's doing can mend it, so that trying soon again is no use.
    pub(super) fn is_certificate(&self) -> bool {
        matches!(self, Self::Tls(rustls::Error::InvalidCertificate(_)))
    }
}

/// What next, where TLS says only what.
fn hint(error: &rustls::Error) -> &'static str {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(reason) = error else { return "" };
    match reason {
        E::Expired | E::ExpiredContext { .. } => "; the server must renew it, or this machine's clock is wrong",
        E::NotValidYet | E::NotValidYetContext { .. } => "; is this machine's clock right?",
        E::UnknownIssuer => "; if the server has a private authority, name its root's PEM file",
        E::NotValidForName | E::NotValidForNameContext { .. } => "; use a host name that the certificate is for",
        _ => "",
    }
}
