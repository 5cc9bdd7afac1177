//! A second witness of our account: whatever Horizon says has changed it, the ledgers must show, and soon.

use crate::events::MonoNanos;
use crate::feed::ledgers::{Ledgers, Shown};
use crate::stellar::AccountIndex;
use crate::wire::json::horizon_record::AccountMark;

/// How far the ledgers may be behind Horizon, which itself is behind the network.
const LEDGERS_BEHIND: u32 = 3;
/// How long they may take to come to a ledger that Horizon has.
const WITHIN_NS: u64 = 10_000_000_000;
/// Between two looks at whether they have.
const LOOK_NS: u64 = 250_000_000;

/// Remembers what Horizon said, until the ledgers have shown it.
#[derive(Debug)]
pub(super) struct Witness {
    account: AccountIndex,
    /// The oldest word that the ledgers have not confirmed, and until when they may.
    open: Option<(AccountMark, MonoNanos)>,
    /// The newest word.
    newest: Option<AccountMark>,
    look_at: MonoNanos,
}

impl Witness {
    pub(super) fn new(account: AccountIndex) -> Self {
        Self { account, open: None, newest: None, look_at: MonoNanos(0) }
    }

    /// Horizon has told how far the account has come.
    pub(super) fn told(&mut self, mark: AccountMark, now: MonoNanos) {
        if self.newest.is_none_or(|newest| mark > newest) {
            self.newest = Some(mark);
            self.open.get_or_insert((mark, now.plus(WITHIN_NS)));
        }
        self.look_at = now;
    }

    /// Whether a word of Horizon's is found not to be confirmed by the ledgers. Each is found once.
    pub(super) fn finds(&mut self, ledgers: &Ledgers, now: MonoNanos) -> bool {
        self.look_at = now.plus(LOOK_NS);
        let Some((mark, until)) = self.open else { return false };
        let found = match ledgers.shows(self.account, mark.sequence, mark.modified_in) {
            Shown::Yes => false,
            Shown::Behind(ledgers) if ledgers <= LEDGERS_BEHIND && now < until => return false,
            Shown::Behind(_) | Shown::No => true,
        };
        let later = self.newest.filter(|newest| *newest > mark && !found);
        self.open = later.map(|newest| (newest, now.plus(WITHIN_NS)));
        found
    }

    pub(super) fn deadline(&self) -> Option<MonoNanos> {
        self.open.map(|_| self.look_at)
    }
}
