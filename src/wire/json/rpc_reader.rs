//! Stellar RPC's answers on the line: the same as [`rpc`](super::rpc) reads, in memory that is kept.

use super::tape::TapeReader;
use simd_json::prelude::{TypedScalarValue, ValueAsScalar, ValueIntoString};
use simd_json::tape::{Object, Value};

/// Why an answer is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcAnswerError {
    /// Not JSON, or not UTF-8, or nested too deep.
    #[error("the answer is not JSON")]
    NotJson,
    /// A member that is missing or cannot be.
    #[error("the answer is not what Stellar RPC gives: {0} is missing or cannot be")]
    Bad(&'static str),
    /// The server refuses, by this code of JSON-RPC.
    #[error("the server refuses: JSON-RPC error {0}")]
    Refused(i64),
}

/// What a page of ledgers says beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerPage {
    /// How many ledgers it has.
    pub ledgers: usize,
    /// The newest that the server has.
    pub latest: u32,
}

/// Reads answers. Its buffers are kept, so that nothing is allocated once they have grown.
pub struct RpcReader(TapeReader);

impl core::fmt::Debug for RpcReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("RpcReader")
    }
}

impl Default for RpcReader {
    fn default() -> Self {
        Self(TapeReader::new())
    }
}

impl RpcReader {
    /// Copies an answer, to be read once, by one of the others.
    pub fn load(&mut self, body: &[u8]) {
        self.0.load(body);
    }

    /// The newest ledger's number, if the answer is one to `getLatestLedger`.
    ///
    /// # Errors
    /// If it is none, or a refusal.
    pub fn latest(&mut self) -> Result<u32, RpcAnswerError> {
        self.read(|result| number(result, "sequence"))
    }

    /// Calls `each` with the `LedgerCloseMeta` (XDR in base64) of every ledger, oldest first, until it says `false`; the
    /// whole answer has been looked at by then. An answer to `getLedgers`.
    ///
    /// # Errors
    /// If it is none, or a refusal (which it is for a ledger that is not there yet, or no more).
    pub fn ledgers(&mut self, mut each: impl FnMut(&[u8]) -> bool) -> Result<LedgerPage, RpcAnswerError> {
        self.read(|result| {
            let ledgers = result.get("ledgers").ok_or(RpcAnswerError::Bad("ledgers"))?;
            let ledgers = ledgers.as_array().ok_or(RpcAnswerError::Bad("ledgers"))?;
            let page = LedgerPage { ledgers: ledgers.len(), latest: number(result, "latestLedger")? };
            for ledger in &ledgers {
                metadata(&ledger)?;
            }
            for ledger in &ledgers {
                if !each(metadata(&ledger)?) {
                    break;
                }
            }
            Ok(page)
        })
    }

    fn read<T>(
        &mut self,
        read: impl FnOnce(&Object<'_, '_>) -> Result<T, RpcAnswerError>,
    ) -> Result<T, RpcAnswerError> {
        let answer = |answer: Value<'_, '_>| {
            let answer = answer.as_object().ok_or(RpcAnswerError::Bad("object"))?;
            if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
                let code = error.as_object().and_then(|error| error.get("code")?.as_i64());
                return Err(code.map_or(RpcAnswerError::Bad("error"), RpcAnswerError::Refused));
            }
            let result = answer.get("result").ok_or(RpcAnswerError::Bad("result"))?;
            read(&result.as_object().ok_or(RpcAnswerError::Bad("result"))?)
        };
        self.0.read_loaded(answer).ok_or(RpcAnswerError::NotJson)?
    }
}

fn metadata<'v>(ledger: &Value<'_, 'v>) -> Result<&'v [u8], RpcAnswerError> {
    let bad = RpcAnswerError::Bad("metadataXdr");
    let ledger = ledger.as_object().ok_or(bad)?;
    number(&ledger, "sequence")?;
    let metadata = ledger.get("metadataXdr").ok_or(bad)?;
    metadata.into_string().map(str::as_bytes).ok_or(bad)
}

fn number(object: &Object<'_, '_>, name: &'static str) -> Result<u32, RpcAnswerError> {
    object.get(name).and_then(|value| value.as_u32()).ok_or(RpcAnswerError::Bad(name))
}

#[cfg(test)]
mod tests {
    use super::super::rpc;
    use super::*;
    use proptest::prelude::*;

    const PAGE: &str = r#"{"jsonrpc":"2.0","id":1,"result":{"ledgers":[{"hash":"aa","sequence":116,"ledgerCloseTime":"1",
        "headerXdr":"AA==","metadataXdr":"AAAB"},{"sequence":117,"metadataXdr":""}],"latestLedger":118,"cursor":"117"}}"#;

    fn read(body: &[u8]) -> Result<(Vec<Vec<u8>>, u32), RpcAnswerError> {
        let (mut reader, mut found) = (RpcReader::default(), Vec::new());
        reader.load(body);
        let page = reader.ledgers(|ledger| {
            found.push(ledger.to_vec());
            true
        })?;
        Ok((found, page.latest))
    }

    #[test]
    fn a_page_is_read_once_and_as_far_as_is_wanted() {
        assert_eq!(read(PAGE.as_bytes()), Ok((vec![b"AAAB".to_vec(), vec![]], 118)));
        let (mut reader, mut seen) = (RpcReader::default(), 0);
        reader.load(PAGE.as_bytes());
        let page = reader.ledgers(|_| {
            seen += 1;
            false
        });
        assert_eq!((page, seen), (Ok(LedgerPage { ledgers: 2, latest: 118 }), 1));
        assert_eq!(reader.latest(), Err(RpcAnswerError::NotJson));
        reader.load(br#"{"result":{"id":"a","protocolVersion":23,"sequence":7}}"#);
        assert_eq!(reader.latest(), Ok(7));
    }

    #[test]
    fn a_refusal_and_what_is_no_answer_are_told_apart() {
        let refused = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"start ledger must be between"}}"#;
        assert_eq!(read(refused), Err(RpcAnswerError::Refused(-32_600)));
        // A ledger that is none spoils the page before its first one is told.
        let spoilt = PAGE.replace("\"metadataXdr\":\"\"", "\"metadataXdr\":5");
        assert_eq!(read(spoilt.as_bytes()), Err(RpcAnswerError::Bad("metadataXdr")));
        for body in ["[]", "{}", "null", r#"{"result":{}}"#, r#"{"error":5}"#] {
            assert!(matches!(read(body.as_bytes()), Err(RpcAnswerError::Bad(_))), "{body}");
        }
        assert_eq!(read(b""), Err(RpcAnswerError::NotJson));
    }

    proptest! {
        #[test]
        fn what_both_readers_accept_is_the_same(damage in prop::collection::vec((0..PAGE.len(), any::<u8>()), 0..4)) {
            let mut body = PAGE.as_bytes().to_vec();
            damage.iter().for_each(|(at, byte)| body[*at] = *byte);
            if let (Ok((found, latest)), Ok(page)) = (read(&body), rpc::ledgers(&body)) {
                let slow: Vec<_> = page.ledgers.iter().map(|ledger| ledger.metadata_xdr.as_bytes().to_vec()).collect();
                prop_assert_eq!((found, latest), (slow, page.latest));
            }
        }
    }
}
