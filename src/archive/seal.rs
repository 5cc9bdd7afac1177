//! What ties a ledger to its chain: its number, its hash, and the hash of the ledger before it.

use crate::wire::ledger::{LedgerVisitor, SkimError, skim};
use sha2::{Digest, Sha256};
use stellar_xdr::{LedgerHeaderHistoryEntry, Limited, Limits, ReadXdr, WriteXdr};

/// More than any ledger header has.
const HEADER_LIMITS: Limits = Limits { depth: 50, len: 8 * 1024 };

/// What ties a ledger to its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seal {
    /// The ledger's number.
    pub seq: u32,
    /// SHA-256 of its header.
    pub hash: [u8; 32],
    /// The hash that it gives for the ledger before it.
    pub previous_hash: [u8; 32],
    /// Close time, seconds since 1970.
    pub closed_at_s: u64,
}

/// Why bytes are no ledger that can be sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// No header where a ledger has it.
    #[error("not a LedgerCloseMeta: {0}")]
    Header(String),
    /// What follows the header contradicts the protocol.
    #[error("ledger {seq}: {error}")]
    Body {
        /// The number in its header.
        seq: u32,
        /// What is wrong.
        error: SkimError,
    },
    /// The header does not have the hash that stands beside it.
    #[error("ledger {seq}: its header hashes to {computed}, not to {given} as it says: its bytes have been changed")]
    Hash {
        /// The number in its header.
        seq: u32,
        /// What stands there.
        given: String,
        /// What it should be.
        computed: String,
    },
}

/// Why a ledger is not the one after another.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainBreak {
    /// Another number.
    #[error("ledger {found} stands where ledger {expected} was expected")]
    Number {
        /// The number that should be there.
        expected: u32,
        /// The one that is.
        found: u32,
    },
    /// Another chain.
    #[error(
        "ledger {after} names {named} as the hash of the ledger before it, but ledger {before} here has {has}: they \
         are of two networks, or of two histories of one"
    )]
    Hash {
        /// The earlier ledger.
        before: u32,
        /// Its hash.
        has: String,
        /// The later ledger.
        after: u32,
        /// What it says.
        named: String,
    },
    /// The same number, and another ledger.
    #[error(
        "there are two ledgers {seq}: {held}, which is held, and {found}: they are of two networks, or of two \
         histories of one"
    )]
    Twin {
        /// The number.
        seq: u32,
        /// The hash that is held.
        held: String,
        /// The hash that came.
        found: String,
    },
}

impl Seal {
    /// Looks at a `LedgerCloseMeta`: decodes its header, checks the header's hash, and walks over the rest. A protocol
    /// that is newer than this program is let through, since bytes can be kept that nobody here can trade on.
    ///
    /// # Errors
    /// If the bytes are no ledger, or its header was changed.
    pub fn of(ledger: &[u8]) -> Result<Self, SealError> {
        let entry = header_entry(ledger)?;
        let seq = entry.header.ledger_seq;
        let header = entry.header.to_xdr(Limits::none()).map_err(|error| SealError::Header(error.to_string()))?;
        let computed: [u8; 32] = Sha256::digest(header).into();
        if computed != entry.hash.0 {
            let (given, computed) = (short(&entry.hash.0), short(&computed));
            return Err(SealError::Hash { seq, given, computed });
        }
        struct Nobody;
        impl LedgerVisitor for Nobody {}
        match skim(ledger, &mut Nobody) {
            Ok(()) | Err(SkimError::UnknownProtocol { .. }) => {}
            Err(error) => return Err(SealError::Body { seq, error }),
        }
        let (previous_hash, closed_at_s) = (entry.header.previous_ledger_hash.0, entry.header.scp_value.close_time.0);
        Ok(Self { seq, hash: entry.hash.0, previous_hash, closed_at_s })
    }

    /// Checks that this is the ledger after `before`.
    ///
    /// # Errors
    /// If it has another number, or names another ledger as the one before it.
    pub fn follows(&self, before: &Self) -> Result<(), ChainBreak> {
        let expected = before.seq.saturating_add(1);
        if self.seq != expected {
            return Err(ChainBreak::Number { expected, found: self.seq });
        }
        if self.previous_hash != before.hash {
            return Err(ChainBreak::Hash {
                before: before.seq,
                has: short(&before.hash),
                after: self.seq,
                named: short(&self.previous_hash),
            });
        }
        Ok(())
    }
}

/// `LedgerCloseMeta` begins with its version; from version 1 on an extension comes before the header.
fn header_entry(ledger: &[u8]) -> Result<LedgerHeaderHistoryEntry, SealError> {
    let word = |at: usize| ledger.get(at..).and_then(<[u8]>::first_chunk::<4>).map(|word| u32::from_be_bytes(*word));
    let header_at = match (word(0), word(4)) {
        (Some(0), _) => 4,
        (Some(1..=2), Some(0)) => 8,
        // The extension's own version, and a fee.
        (Some(1..=2), Some(1)) => 20,
        (Some(version), Some(extension)) => {
            let why = format!("version {version} with extension {extension} is not known to this program");
            return Err(SealError::Header(why));
        }
        _ => return Err(SealError::Header(format!("{} bytes are fewer than one has", ledger.len()))),
    };
    let mut rest = Limited::new(ledger.get(header_at..).unwrap_or_default(), HEADER_LIMITS);
    LedgerHeaderHistoryEntry::read_xdr(&mut rest).map_err(|error| SealError::Header(format!("its header: {error}")))
}

/// As much of a hash as tells it from others at a glance.
pub(super) fn short(hash: &[u8; 32]) -> String {
    format!("{}..", hex::encode(&hash[..8]))
}
