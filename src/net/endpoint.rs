//! Where a connection goes.

use super::failure::NetError;
use core::fmt;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where a connection goes, and through what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// TCP.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
    /// TLS over TCP.
    Tls {
        /// Name or address; the certificate must be for it.
        host: String,
        /// Port.
        port: u16,
        /// Whom to trust.
        roots: Roots,
    },
    /// A Unix stream socket.
    Unix {
        /// Its path.
        path: PathBuf,
    },
    /// A named pipe, of which this is the reading end. It is open from its first byte until its last writer is gone;
    /// whatever is to be sent to it stays where it is.
    Pipe {
        /// Its path.
        path: PathBuf,
    },
}

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Roots {
    /// The operating system's.
    #[default]
    System,
    /// Those in this PEM file, and no others.
    PemFile(PathBuf),
}

/// How a connection ends when all is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It does not. When it goes before it has settled ([`Timing::settled`](super::Timing::settled)), back-off applies.
    Lasting,
    /// The peer answers once and closes, as stellar-core's HTTP does: opened again at once after each answer, so that
    /// it stands when it is next needed.
    AnswersOnce,
}

/// A connection, as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnSettings {
    /// Where it goes.
    pub endpoint: Endpoint,
    /// How it ends.
    pub manner: Manner,
}

impl ConnSettings {
    /// A connection that lasts.
    #[must_use]
    pub const fn lasting(endpoint: Endpoint) -> Self {
        Self { endpoint, manner: Manner::Lasting }
    }

    /// A connection whose peer answers once.
    #[must_use]
    pub const fn answers_once(endpoint: Endpoint) -> Self {
        Self { endpoint, manner: Manner::AnswersOnce }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Tls { host, port, .. } => write!(f, "tls://{host}:{port}"),
            Self::Unix { path } => write!(f, "unix:{}", path.display()),
            Self::Pipe { path } => write!(f, "pipe:{}", path.display()),
        }
    }
}

/// What a TLS connection is made from.
#[derive(Clone, Debug)]
pub(super) struct TlsSettings {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// Makes TLS settings, loading each set of roots once.
#[derive(Debug, Default)]
pub(super) struct TlsLoader {
    loaded: Vec<(Roots, Arc<ClientConfig>)>,
}

impl TlsLoader {
    /// The settings for an endpoint, if it wants TLS.
    pub(super) fn settings(&mut self, endpoint: &Endpoint) -> Result<Option<TlsSettings>, NetError> {
        let Endpoint::Tls { host, roots, .. } = endpoint else { return Ok(None) };
        let name = ServerName::try_from(host.clone()).map_err(|_| NetError::ServerName { host: host.clone() })?;
        Ok(Some(TlsSettings { config: self.config(roots)?, name }))
    }

    fn config(&mut self, roots: &Roots) -> Result<Arc<ClientConfig>, NetError> {
        if let Some((_, config)) = self.loaded.iter().find(|(known, _)| known == roots) {
            return Ok(Arc::clone(config));
        }
        let store = match roots {
            Roots::System => system_roots()?,
            Roots::PemFile(path) => file_roots(path)?,
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(NetError::Provider)?
            .with_root_certificates(store)
            .with_no_client_auth();
        let config = Arc::new(config);
        self.loaded.push((roots.clone(), Arc::clone(&config)));
        Ok(config)
    }
}

fn system_roots() -> Result<RootCertStore, NetError> {
    let found = rustls_native_certs::load_native_certs();
    let mut store = RootCertStore::empty();
    // Systems carry certificates that no longer parse; what can be used is used.
    store.add_parsable_certificates(found.certs);
    if store.is_empty() {
        let why = found.errors.first().map_or_else(|| "none were found".to_owned(), ToString::to_string);
        return Err(NetError::SystemRoots { why });
    }
    Ok(store)
}

fn file_roots(path: &Path) -> Result<RootCertStore, NetError> {
    let refused = |why: String| NetError::PemFile { path: path.to_owned(), why };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))? {
        let certificate = certificate.map_err(|error| refused(error.to_string()))?;
        store.add(certificate).map_err(|error| refused(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    Ok(store)
}
