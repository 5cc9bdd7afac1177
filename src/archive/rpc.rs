//! Ledgers from Stellar RPC (`getLedgers`), which has those of the last days.

use super::failure::ArchiveError;
use super::http::{Access, Client};
use super::origin::Range;
use super::verified::Source;
use crate::wire::json::rpc::{self, RpcError};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::collections::VecDeque;

/// Ledgers that are asked for at once.
const PAGE: u32 = 20;
/// The longest answer: twenty ledgers of pubnet are far shorter.
const MOST_BYTES: usize = 256 << 20;

/// See the [module](self).
pub(super) struct Rpc {
    client: Client,
    url: String,
    next: u32,
    to: Option<u32>,
    page: VecDeque<Vec<u8>>,
}

impl Rpc {
    /// The ledgers of a range, whose beginning must be named.
    pub(super) fn open(url: &str, access: &Access, range: Range) -> Result<Self, ArchiveError> {
        let Some(next) = range.from else {
            return Err(ArchiveError::Asked(format!("{url} has a window of ledgers: say where to begin (--from)")));
        };
        let client = Client::new(url, access)?;
        Ok(Self { client, url: url.to_owned(), next, to: range.to, page: VecDeque::new() })
    }

    fn fetch(&mut self) -> Result<(), ArchiveError> {
        let left = self.to.map_or(PAGE, |to| (to - self.next).saturating_add(1));
        let mut request = Vec::new();
        rpc::write_ledgers_request(&mut request, self.next, left.min(PAGE));
        let answer = self.client.post_json(&self.url, &request, MOST_BYTES)?;
        let server = |why: String| ArchiveError::Server { url: self.url.clone(), why };
        let ledgers = match rpc::ledgers(&answer) {
            Ok(answer) => answer.ledgers,
            Err(RpcError::Refused(why)) => {
                let hint = format!(": it says '{why}'; a data lake reaches back farther");
                return Err(ArchiveError::Missing { place: self.url.clone(), ledger: self.next, hint });
            }
            Err(error) => return Err(server(error.to_string())),
        };
        for ledger in ledgers {
            let xdr = STANDARD.decode(ledger.metadata_xdr.as_bytes());
            let xdr = xdr.map_err(|error| server(format!("ledger {}: metadataXdr: {error}", ledger.sequence)))?;
            self.page.push_back(xdr);
        }
        Ok(())
    }
}

impl Source for Rpc {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        if self.to.is_some_and(|to| self.next > to) {
            return Ok(false);
        }
        if self.page.is_empty() {
            self.fetch()?;
        }
        let Some(ledger) = self.page.pop_front() else { return Ok(false) };
        *into = ledger;
        self.next = self.next.saturating_add(1);
        Ok(true)
    }

    fn place(&self) -> String {
        self.url.clone()
    }
}
