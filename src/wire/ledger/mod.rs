//! Reads `LedgerCloseMeta` (versions 0, 1, 2; `Stellar-ledger.x` of protocol 28) without decoding it: a walk over the
//! bytes that allocates nothing, tells a [`LedgerVisitor`] what trading needs, and passes over the rest.
//!
//! XDR carries no lengths for its structures, so passing over something means to know its shape: each file here knows
//! one subject's. Every length is checked against what remains, every enumeration against its values, every padding
//! for zeros; what [`skim`] accepts, `stellar-xdr` decodes, and the other way round, with two exceptions that are
//! ours on purpose: a ledger of a protocol beyond [`KNOWN_PROTOCOL`] and values nested beyond 256 are refused.
//!
//! The visitor hears things while the walk goes on, hence before the last byte was checked: who must not act on half a
//! ledger keeps what was told until [`skim`] has returned.

mod close_meta;
mod config_setting;
mod cursor;
mod entries;
mod envelopes;
mod error;
mod events;
mod meta;
mod operations;
mod pool_id;
mod raw;
mod results;
mod scp;
mod scval;
mod soroban;
mod transaction_set;
mod visitor;

pub use close_meta::{KNOWN_PROTOCOL, skim};
pub use error::SkimError;
pub use pool_id::{POOL_FEE_BP, pool_id};
pub use raw::{
    Envelope, FeeBump, LedgerHeader, RawAccount, RawAsset, RawClaim, RawOffer, RawPool, RawTrustLine, RawVenue,
    TransactionResult, TransactionResultCode,
};
pub use visitor::{Change, ChangePhase, FailedOperation, LedgerVisitor};

use cursor::Cursor;

/// Walks over one `LedgerCloseMeta` at the front of `bytes` and says how long it is.
pub(super) fn measure(bytes: &[u8]) -> Result<usize, SkimError> {
    struct Nobody;
    impl LedgerVisitor for Nobody {}
    let mut cursor = Cursor::new(bytes);
    close_meta::ledger_close_meta(&mut cursor, &mut Nobody)?;
    Ok(cursor.at())
}
