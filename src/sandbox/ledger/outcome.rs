//! How applying an operation can end early.

use stellar_xdr::OperationResult;

/// Why an operation goes no further, beside its own result codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// stellar-core throws here: the transaction ends with `txINTERNAL_ERROR`.
    Internal(&'static str),
    /// A result that any operation may have, as `opTOO_MANY_SUBENTRIES`.
    Operation(OperationResult),
}

/// What applying gives, or why it stopped.
pub(crate) type Applied<T> = Result<T, Stop>;

/// Stops where core throws.
pub(crate) fn internal<T>(what: &'static str) -> Applied<T> {
    Err(Stop::Internal(what))
}

/// Stops where core throws, unless the condition holds.
pub(crate) fn ensure(condition: bool, what: &'static str) -> Applied<()> {
    if condition { Ok(()) } else { internal(what) }
}
