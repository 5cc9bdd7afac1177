//! What an operation changed, entry by entry: before and after side by side.

use stellar_xdr::{LedgerEntry, LedgerEntryChange, LedgerKey};

/// An entry before and after; one of them is missing if it was created or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'m> {
    pub(crate) before: Option<&'m LedgerEntry>,
    pub(crate) after: Option<&'m LedgerEntry>,
}

impl<'m> Change<'m> {
    /// The entry as it is, or was last.
    pub(crate) fn entry(&self) -> &'m LedgerEntry {
        match (self.after, self.before) {
            (Some(entry), _) | (None, Some(entry)) => entry,
            (None, None) => unreachable!("a change without an entry"),
        }
    }

    /// Which entry it is of.
    pub(crate) fn key(&self) -> LedgerKey {
        self.entry().to_key()
    }
}

/// Pairs of states and what became of them, ordered by key: core emits an operation's changes in the order of a hash map.
pub(crate) fn changes(of: &[LedgerEntryChange]) -> Vec<Change<'_>> {
    let mut state = None;
    let mut changes = Vec::with_capacity(of.len() / 2 + 1);
    for change in of {
        let (before, after) = match change {
            LedgerEntryChange::State(entry) => {
                state = Some(entry);
                continue;
            }
            LedgerEntryChange::Created(entry) | LedgerEntryChange::Restored(entry) => (None, Some(entry)),
            LedgerEntryChange::Updated(entry) => (state.take(), Some(entry)),
            LedgerEntryChange::Removed(_) => (state.take(), None),
        };
        if before.is_some() || after.is_some() {
            changes.push(Change { before, after });
        }
    }
    changes.sort_by_cached_key(Change::key);
    changes
}
