//! What happened where: transactions and operations, of all or of one account, pool, ledger or transaction.

use super::History;
use super::index::Index;
use super::record::{LedgerRecord, TransactionRecord, account_of};
use super::toid::Toid;
use std::ops::Range;
use stellar_xdr::{AccountId, PoolId};

/// Of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Account(AccountId),
    Pool(PoolId),
    Ledger(u32),
    /// The place of any of its operations will do.
    Transaction(Toid),
    Operation(Toid),
}

/// After one place and before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Between {
    pub(crate) after: Toid,
    pub(crate) before: Toid,
}

impl Between {
    /// Everywhere.
    pub(crate) const ALL: Self = Self { after: Toid(-1), before: Toid(i64::MAX) };

    fn holds(self, place: Toid) -> bool {
        self.after < place && place < self.before
    }
}

/// Places, in ascending order.
type Places<'h> = Box<dyn DoubleEndedIterator<Item = Toid> + 'h>;

/// By whom transactions and operations are found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Account(AccountId),
    Pool(PoolId),
}

/// Where each account and each pool took part.
#[derive(Debug, Default)]
pub(super) struct Involved {
    transactions: Index<Key, Toid>,
    operations: Index<Key, Toid>,
    /// Operations with effects on the account, or on the pool.
    effects: Index<Key, Toid>,
}

impl Involved {
    /// Adds the ledger that closed after the last one.
    pub(super) fn record(&mut self, ledger: &LedgerRecord) {
        involved(ledger, |part, key, place| self.index(part).add(&key, place));
    }

    /// Takes away the oldest one.
    pub(super) fn forget(&mut self, ledger: &LedgerRecord) {
        involved(ledger, |part, key, place| self.index(part).forget(&key, place));
    }

    fn index(&mut self, part: Part) -> &mut Index<Key, Toid> {
        match part {
            Part::Transaction => &mut self.transactions,
            Part::Operation => &mut self.operations,
            Part::Effects => &mut self.effects,
        }
    }
}

/// What took place where somebody was involved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Transaction,
    Operation,
    Effects,
}

/// Tells who took part in what of a ledger, in order of place; maybe more than once.
fn involved(ledger: &LedgerRecord, mut tell: impl FnMut(Part, Key, Toid)) {
    for tx in &ledger.transactions {
        tx.participants().into_iter().for_each(|account| tell(Part::Transaction, Key::Account(account), tx.id));
        for index in 0..tx.operations().len() {
            let place = tx.operation_id(index);
            for account in tx.operation_participants(index) {
                tell(Part::Operation, Key::Account(account), place);
            }
            for pool in tx.operation_pools(index) {
                tell(Part::Transaction, Key::Pool(pool.clone()), tx.id);
                tell(Part::Operation, Key::Pool(pool.clone()), place);
                tell(Part::Effects, Key::Pool(pool), place);
            }
            for effect in tx.effects(index) {
                tell(Part::Effects, Key::Account(account_of(&effect.account)), place);
            }
        }
    }
}

impl History {
    /// Where transactions are, oldest first.
    pub(crate) fn transactions_of(&self, scope: &Scope, between: Between) -> Places<'_> {
        match self.key(scope) {
            Some(key) => Box::new(self.involved.transactions.between(&key, between.after, between.before)),
            None => Box::new(self.scan(scope, between).map(|tx| tx.id).filter(move |id| between.holds(*id))),
        }
    }

    /// Where operations are, oldest first.
    pub(crate) fn operations_of(&self, scope: &Scope, between: Between) -> Places<'_> {
        match self.key(scope) {
            Some(key) => Box::new(self.involved.operations.between(&key, between.after, between.before)),
            None => self.scan_operations(scope, between),
        }
    }

    /// Where operations with effects are, oldest first; without an account or a pool also those that have none.
    pub(crate) fn operations_with_effects_of(&self, scope: &Scope, between: Between) -> Places<'_> {
        match self.key(scope) {
            Some(key) => Box::new(self.involved.effects.between(&key, between.after, between.before)),
            None => self.scan_operations(scope, between),
        }
    }

    /// Whether anything of this account is kept.
    pub(crate) fn knows_account(&self, account: &AccountId) -> bool {
        let key = Key::Account(account.clone());
        self.involved.transactions.knows(&key) || self.involved.effects.knows(&key)
    }

    /// Whether anything of this pool is kept.
    pub(crate) fn knows_pool(&self, pool: &PoolId) -> bool {
        self.involved.transactions.knows(&Key::Pool(pool.clone()))
    }

    fn key(&self, scope: &Scope) -> Option<Key> {
        match scope {
            Scope::Account(account) => Some(Key::Account(account.clone())),
            Scope::Pool(pool) => Some(Key::Pool(pool.clone())),
            _ => None,
        }
    }

    fn scan_operations(&self, scope: &Scope, between: Between) -> Places<'_> {
        let only = match scope {
            Scope::Operation(place) => Some(*place),
            _ => None,
        };
        let places = self.scan(scope, between).flat_map(|tx| (0..tx.operations().len()).map(|at| tx.operation_id(at)));
        Box::new(places.filter(move |place| between.holds(*place) && only.is_none_or(|only| only == *place)))
    }

    /// Transactions by which the place can be, oldest first.
    fn scan(&self, scope: &Scope, between: Between) -> impl DoubleEndedIterator<Item = &TransactionRecord> + use<'_> {
        let (ledgers, only) = match scope {
            Scope::Ledger(seq) => (self.positions(*seq, *seq), None),
            Scope::Transaction(place) | Scope::Operation(place) => {
                (self.positions(place.ledger(), place.ledger()), Some(place.at(0)))
            }
            Scope::All | Scope::Account(_) | Scope::Pool(_) => {
                (self.positions(between.after.ledger(), between.before.ledger()), None)
            }
        };
        let transactions = self.ledgers.range(ledgers).flat_map(|ledger| &ledger.transactions);
        transactions.filter(move |tx| only.is_none_or(|only| tx.id == only))
    }

    /// Where the ledgers of these numbers are among those that are kept.
    fn positions(&self, first: u32, last: u32) -> Range<usize> {
        let oldest = self.oldest().map_or(0, LedgerRecord::seq);
        let position = |seq: u32| usize::try_from(seq.saturating_sub(oldest)).unwrap_or(usize::MAX);
        let end = if last < oldest { 0 } else { position(last).saturating_add(1).min(self.ledgers.len()) };
        position(first).min(end)..end
    }
}
