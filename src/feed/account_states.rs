//! What our accounts are at a ledger's end.

use crate::events::{FeedEvent, OwnAccount};
use crate::stellar::AccountIndex;
use crate::wire::ledger::ChangePhase;

/// Our accounts' states at a ledger's end. They are kept apart from the other events because a ledger's bytes do not
/// tell them in their order: see [`ChangePhase`].
#[derive(Debug)]
pub(super) struct AccountStates {
    newest: Box<[Option<Newest>]>,
    /// Those of `newest` that are set, each once. Room for all is set aside at start.
    touched: Vec<AccountIndex>,
}

/// An account's newest state so far.
#[derive(Clone, Copy, Debug)]
struct Newest {
    phase: ChangePhase,
    /// `None`: the account is gone.
    state: Option<OwnAccount>,
}

impl AccountStates {
    pub(super) fn new(accounts: usize) -> Self {
        Self { newest: vec![None; accounts].into_boxed_slice(), touched: Vec::with_capacity(accounts) }
    }

    pub(super) fn clear(&mut self) {
        for account in self.touched.drain(..) {
            self.newest[usize::from(account.0)] = None;
        }
    }

    /// A state (`None`: gone) that an account had at some phase.
    pub(super) fn set(&mut self, account: AccountIndex, phase: ChangePhase, state: Option<OwnAccount>) {
        let newest = &mut self.newest[usize::from(account.0)];
        match newest {
            None => self.touched.push(account),
            Some(known) if known.phase > phase => return,
            Some(_) => {}
        }
        *newest = Some(Newest { phase, state });
    }

    pub(super) fn for_each(&self, tell: &mut impl FnMut(FeedEvent)) {
        for account in &self.touched {
            match self.newest[usize::from(account.0)] {
                Some(Newest { state: Some(state), .. }) => tell(FeedEvent::Account(state)),
                Some(Newest { state: None, .. }) => tell(FeedEvent::AccountGone(*account)),
                None => {}
            }
        }
    }
}
