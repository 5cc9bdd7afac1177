//! Where ledgers, and what came before them, come from.

use super::failure::ConfigError;
use super::source::Node;
use super::values::{self, HttpUrl, integer, parse_duration};
use super::{Horizon, Rpc};
use crate::net::Roots;
use std::path::PathBuf;

pub(super) fn rpc(node: &Node<'_>) -> Result<Option<Rpc>, ConfigError> {
    let endpoints = servers(node)?;
    let roots = roots(node, endpoints.iter().any(|url| url.secure))?;
    let (least_interval, answer_timeout) =
        (node.get("least_interval", parse_duration)?, node.get("answer_timeout", parse_duration)?);
    Ok((!endpoints.is_empty()).then_some(Rpc { endpoints, roots, least_interval, answer_timeout }))
}

pub(super) fn horizon(node: &Node<'_>) -> Result<Option<Horizon>, ConfigError> {
    let servers = servers(node)?;
    let roots = roots(node, servers.iter().any(|url| url.secure))?;
    let check_every = node.get("check_every", parse_duration)?;
    let requests_per_hour = node.get("requests_per_hour", integer(60..=1_000_000))?;
    let answer_timeout = node.get("answer_timeout", parse_duration)?;
    let some = !servers.is_empty();
    Ok(some.then_some(Horizon { servers, roots, check_every, requests_per_hour, answer_timeout }))
}

/// A section's `url` and `backup_url`: none, one or both.
fn servers(node: &Node<'_>) -> Result<Vec<HttpUrl>, ConfigError> {
    let primary = node.maybe("url", values::http_url)?;
    let backup = node.maybe("backup_url", values::http_url)?;
    if backup.is_some() && primary.is_none() {
        let why = "is a backup of nothing: name url as well";
        return Err(node.place_of("backup_url").refuse_value("backup_url", why));
    }
    if backup.is_some() && backup == primary {
        let why = "is url once more: name another server, or none";
        return Err(node.place_of("backup_url").refuse_value("backup_url", why));
    }
    Ok(primary.into_iter().chain(backup).collect())
}

/// Whom to trust, in a section whose addresses go through TLS or not.
fn roots(node: &Node<'_>, secure: bool) -> Result<Roots, ConfigError> {
    let file: Option<PathBuf> = node.maybe("ca_file", str::parse)?;
    if file.is_some() && !secure {
        let why = "certificates are for https: addresses, and there is none: strike one or change the other";
        return Err(node.place_of("ca_file").refuse_value("ca_file", why));
    }
    Ok(file.map_or(Roots::System, Roots::PemFile))
}
