//! Why bytes are no ledger.

/// Why bytes are no `LedgerCloseMeta` that this program can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SkimError {
    /// The bytes contradict the protocol: they end too early, or a length, a mark or a padding is impossible.
    #[error("not a LedgerCloseMeta: {expected} was expected at byte {offset}")]
    Malformed {
        /// Where, counted from the ledger's first byte.
        offset: usize,
        /// What the protocol has there.
        expected: &'static str,
    },
    /// A version or a union's arm that this program does not know: the network has moved on, so trading must stop
    /// until the program has too. (Bytes damaged in such a place look the same.)
    #[error("{union} {found} at byte {offset} is not known to this program: is there a newer one?")]
    UnknownProtocol {
        /// Where, counted from the ledger's first byte.
        offset: usize,
        /// The union, enumeration or version.
        union: &'static str,
        /// What was found.
        found: i32,
    },
}
