//! How applying an operation can end early.

use stellar_xdr::OperationResult;

/// Why an operation goes no further, beside its own result codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// stellar-core throws here: the transaction ends with `txINTERNAL_ERROR`.
    Internal(&'static str),
    /// `opTOO_MANY_SUBENTRIES`.
    TooManySubentries,
    /// `opTOO_MANY_SPONSORING`.
    TooManySponsoring,
    /// `opEXCEEDED_WORK_LIMIT`.
    ExceededWorkLimit,
    /// `opNOT_SUPPORTED`.
    NotSupported,
}

/// What applying gives, or why it stopped.
pub(crate) type Applied<T> = Result<T, Stop>;

impl Stop {
    /// The operation's result, if it is one of those that any operation may have.
    ///
    /// # Errors
    /// Where core throws: what it says.
    pub(crate) fn into_result(self) -> Result<OperationResult, Internal> {
        match self {
            Self::Internal(what) => Err(Internal(what)),
            Self::TooManySubentries => Ok(OperationResult::OpTooManySubentries),
            Self::TooManySponsoring => Ok(OperationResult::OpTooManySponsoring),
            Self::ExceededWorkLimit => Ok(OperationResult::OpExceededWorkLimit),
            Self::NotSupported => Ok(OperationResult::OpNotSupported),
        }
    }
}

/// stellar-core throws here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Internal(pub(crate) &'static str);

/// Stops where core throws.
pub(crate) fn internal<T>(what: &'static str) -> Applied<T> {
    Err(Stop::Internal(what))
}

/// Stops where core throws, unless the condition holds.
pub(crate) fn ensure(condition: bool, what: &'static str) -> Applied<()> {
    if condition { Ok(()) } else { internal(what) }
}
