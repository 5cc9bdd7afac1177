//! Stellar RPC's answers to `getLedgers` (JSON-RPC 2.0), with the server's own words where it refuses: for what asks beside
//! the line. On it [`rpc_reader`](super::rpc_reader) reads them.

use serde::Deserialize;
use std::borrow::Cow;
use std::io::Write as _;

/// Why an answer is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// Not JSON, or not of the shape that the API has.
    #[error("the answer is not what Stellar RPC gives: {0}")]
    Shape(String),
    /// The server's own word.
    #[error("the server refuses: {0}")]
    Refused(String),
}

/// Ledgers, oldest first.
#[derive(Debug, Deserialize)]
pub struct Ledgers<'b> {
    /// The ledgers of this page.
    #[serde(borrow)]
    pub ledgers: Vec<Ledger<'b>>,
    /// The newest that the server has.
    #[serde(rename = "latestLedger")]
    pub latest: u32,
}

/// A ledger.
#[derive(Debug, Deserialize)]
pub struct Ledger<'b> {
    /// Its number.
    pub sequence: u32,
    /// Its `LedgerCloseMeta`, XDR in base64.
    #[serde(rename = "metadataXdr", borrow)]
    pub metadata_xdr: Cow<'b, str>,
}

#[derive(Deserialize)]
struct Answer<T> {
    result: Option<T>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// The request for the newest ledger's number.
pub const LATEST_REQUEST: &[u8] = br#"{"jsonrpc":"2.0","id":1,"method":"getLatestLedger"}"#;

/// Writes the request for at most so many ledgers from this one on.
pub fn write_ledgers_request(request: &mut Vec<u8>, from: u32, limit: u32) {
    request.clear();
    // Writing into memory does not fail.
    let _ = write!(
        request,
        r#"{{"jsonrpc":"2.0","id":1,"method":"getLedgers","params":{{"startLedger":{from},"pagination":{{"limit":{limit}}}}}}}"#
    );
}

/// Reads a page of ledgers.
///
/// # Errors
/// If the answer is none, or a refusal (which it is for a ledger that is not there yet, or no more).
pub fn ledgers(body: &[u8]) -> Result<Ledgers<'_>, RpcError> {
    let answer: Answer<Ledgers<'_>> = read(body)?;
    result(answer)
}

fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, RpcError> {
    serde_json::from_slice(body).map_err(|error| RpcError::Shape(error.to_string()))
}

fn result<T>(answer: Answer<T>) -> Result<T, RpcError> {
    match (answer.result, answer.error) {
        (_, Some(refusal)) => Err(RpcError::Refused(refusal.message)),
        (Some(result), None) => Ok(result),
        (None, None) => Err(RpcError::Shape("neither result nor error".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_takes_the_place_of_the_one_before() {
        let mut request = b"before".to_vec();
        write_ledgers_request(&mut request, 7, 10);
        let wanted = serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "getLedgers",
            "params": { "startLedger": 7, "pagination": { "limit": 10 } },
        });
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&request).unwrap(), wanted);
    }

    #[test]
    fn a_page_has_its_ledgers_and_the_newest() {
        let body = br#"{"jsonrpc":"2.0","id":1,"result":{"ledgers":[{"hash":"aa","sequence":116,"ledgerCloseTime":"1",
            "headerXdr":"AA==","metadataXdr":"AAAB"}],"latestLedger":118,"latestLedgerCloseTime":1,"oldestLedger":2,
            "oldestLedgerCloseTime":1,"cursor":"116"}}"#;
        let page = ledgers(body).unwrap();
        assert_eq!((page.latest, page.ledgers.len()), (118, 1));
        assert_eq!((page.ledgers[0].sequence, &*page.ledgers[0].metadata_xdr), (116, "AAAB"));
    }

    #[test]
    fn a_refusal_and_what_is_no_answer_are_told_apart() {
        let refused = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"start ledger must be between"}}"#;
        assert!(matches!(ledgers(refused), Err(RpcError::Refused(_))));
        for body in ["", "[]", "{}", "null", r#"{"result":{}}"#, r#"{"result":{"ledgers":[{}],"latestLedger":1}}"#] {
            assert!(matches!(ledgers(body.as_bytes()), Err(RpcError::Shape(_))), "{body}");
        }
    }
}
