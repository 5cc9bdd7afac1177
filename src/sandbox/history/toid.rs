//! Horizon's ids of what happened: ledger, transaction and operation in one number (its `toid` package).

/// Bits of the operation's place (1 is the first, 0 the transaction itself), and of the transaction's before it.
const OPERATION_BITS: u32 = 12;
const TRANSACTION_BITS: u32 = 20;

/// Where something happened; its order is that of the ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Toid(pub(crate) i64);

impl Toid {
    /// `transaction` and `operation` count from 1; 0 means the whole ledger, the whole transaction.
    pub(crate) fn new(ledger: u32, transaction: u32, operation: u32) -> Self {
        assert!(transaction < 1 << TRANSACTION_BITS, "a transaction's place in a ledger");
        assert!(operation < 1 << OPERATION_BITS, "an operation's place in a transaction");
        let ledger = i64::from(ledger) << (OPERATION_BITS + TRANSACTION_BITS);
        Self(ledger | i64::from(transaction) << OPERATION_BITS | i64::from(operation))
    }

    /// The ledger; 0 for what is no place.
    pub(crate) fn ledger(self) -> u32 {
        u32::try_from(self.0 >> (OPERATION_BITS + TRANSACTION_BITS)).unwrap_or(0)
    }

    /// The transaction's place, from 1.
    pub(crate) fn transaction(self) -> u32 {
        u32::try_from(self.0 >> OPERATION_BITS & ((1 << TRANSACTION_BITS) - 1)).unwrap_or(0)
    }

    /// The operation's place, from 1; 0 for the transaction itself.
    pub(crate) fn operation(self) -> u32 {
        u32::try_from(self.0 & ((1 << OPERATION_BITS) - 1)).unwrap_or(0)
    }

    /// The operation's index, from 0; `None` for the transaction itself.
    pub(crate) fn operation_index(self) -> Option<usize> {
        usize::try_from(self.operation().checked_sub(1)?).ok()
    }

    /// The same transaction's operation.
    pub(crate) fn at(self, operation: u32) -> Self {
        Self::new(self.ledger(), self.transaction(), operation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_its_number() {
        let id = Toid::new(53_312_000, 7, 3);
        assert_eq!(id.0, 228_973_296_484_380_675);
        assert_eq!((id.ledger(), id.transaction(), id.operation()), (53_312_000, 7, 3));
        assert_eq!(id.at(0), Toid::new(53_312_000, 7, 0));
    }
}
