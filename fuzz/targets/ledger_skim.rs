//! What the skim accepts, `stellar-xdr` decodes, and the other way round. The exceptions are the skim's own bounds: a
//! protocol that is not known, and values nested deeper than it goes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::ledger::{LedgerVisitor, SkimError, skim};
use stellar_xdr::{Error, LedgerCloseMeta, Limits, ReadXdr};

struct Nobody;
impl LedgerVisitor for Nobody {}

fuzz_target!(|bytes: &[u8]| {
    let skimmed = skim(bytes, &mut Nobody);
    let decoded = LedgerCloseMeta::from_xdr(bytes, Limits { depth: 1_000, len: bytes.len() });
    let own_bound = matches!(
        skimmed,
        Err(SkimError::UnknownProtocol { union: "protocol version", .. }
            | SkimError::Malformed { expected: "values nested at most 256 deep", .. })
    );
    if own_bound || matches!(decoded, Err(Error::DepthLimitExceeded)) {
        return;
    }
    assert_eq!(skimmed.is_ok(), decoded.is_ok(), "skim {skimmed:?}, decode {:?}", decoded.err());
});
