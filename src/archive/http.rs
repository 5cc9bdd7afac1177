//! Requests of servers that keep ledgers: blocking, bounded in time and bytes. TLS is rustls with aws-lc-rs, as on the
//! line, and trusts whom the operating system trusts, or a file's certificates alone.

use super::failure::ArchiveError;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use ureq::http::Response;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::{Agent, Body};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
const BODY_TIMEOUT: Duration = Duration::from_secs(120);
/// The error bodies that are shown.
const SHOWN_BYTES: u64 = 300;

/// How servers are reached. The environment's proxies are used, as everywhere on a system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Trust the certificates of this PEM file, instead of the operating system's.
    pub ca_file: Option<PathBuf>,
}

/// Asks servers. Keeps connections.
#[derive(Clone, Debug)]
pub(super) struct Client {
    agent: Agent,
}

/// Whether this is the address of an HTTP server.
pub(super) fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

impl Client {
    /// Certificates are loaded for `https:` only.
    pub(super) fn new(url: &str, access: &Access) -> Result<Self, ArchiveError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_recv_response(Some(ANSWER_TIMEOUT))
            .timeout_recv_body(Some(BODY_TIMEOUT))
            .user_agent(concat!("stellar-connector/", env!("CARGO_PKG_VERSION")));
        let config = match url.starts_with("https://") {
            true => config.tls_config(tls(access)?),
            false => config,
        };
        Ok(Self { agent: config.build().new_agent() })
    }

    /// An object's bytes; `None` if there is none of this name.
    pub(super) fn get(&self, url: &str, most_bytes: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        let response = self.agent.get(url).call().map_err(|error| server(url, error.to_string()))?;
        if response.status() == 404 {
            return Ok(None);
        }
        body(url, response, most_bytes).map(Some)
    }

    /// The answer to a JSON body.
    pub(super) fn post_json(&self, url: &str, json: &[u8], most_bytes: usize) -> Result<Vec<u8>, ArchiveError> {
        let response = self.agent.post(url).content_type("application/json").send(json);
        body(url, response.map_err(|error| server(url, error.to_string()))?, most_bytes)
    }
}

fn server(url: &str, why: impl Into<String>) -> ArchiveError {
    ArchiveError::Server { url: url.to_owned(), why: why.into() }
}

fn body(url: &str, mut response: Response<Body>, most_bytes: usize) -> Result<Vec<u8>, ArchiveError> {
    let status = response.status();
    let body = response.body_mut();
    if !status.is_success() {
        let shown = body.with_config().limit(SHOWN_BYTES).lossy_utf8(true).read_to_string().unwrap_or_default();
        return Err(server(url, format!("status {status}: {}", shown.trim())));
    }
    let read = body.with_config().limit(most_bytes as u64).read_to_vec();
    read.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(most) => server(url, format!("the answer is longer than {most} bytes")),
        other => server(url, other.to_string()),
    })
}

fn tls(access: &Access) -> Result<TlsConfig, ArchiveError> {
    let roots = match &access.ca_file {
        Some(file) => file_roots(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    if roots.is_empty() {
        let why = "this system trusts no certificate: install ca-certificates, or name a --ca-file";
        return Err(ArchiveError::Asked(why.to_owned()));
    }
    let roots: Vec<_> = roots.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .build())
}

fn file_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, ArchiveError> {
    let refused = |why: String| ArchiveError::Asked(format!("--ca-file {}: {why}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| refused(error.to_string()))?;
    let certificates = certificates.collect::<Result<Vec<_>, _>>().map_err(|error| refused(error.to_string()))?;
    if certificates.is_empty() {
        return Err(refused("it holds no certificate".to_owned()));
    }
    Ok(certificates)
}
