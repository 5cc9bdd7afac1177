//! Whether an account is ours: the question that is asked most often of a ledger.

use crate::stellar::{AccountId, AccountIndex};
use rustc_hash::FxHashMap;

/// Our accounts by their keys. A table of the keys' first bytes turns most strangers away before anything is hashed.
#[derive(Debug)]
pub(super) struct OwnAccounts {
    first_bytes: Box<[bool; 256]>,
    by_key: FxHashMap<[u8; 32], AccountIndex>,
}

impl OwnAccounts {
    /// At most 65,536 accounts, whose places in the list are their indexes.
    pub(super) fn new(accounts: &[AccountId]) -> Self {
        let mut first_bytes = Box::new([false; 256]);
        let mut by_key = FxHashMap::default();
        for (account, index) in accounts.iter().zip(0_u16..=u16::MAX) {
            first_bytes[usize::from(account.0[0])] = true;
            by_key.insert(account.0, AccountIndex(index));
        }
        Self { first_bytes, by_key }
    }

    #[inline]
    pub(super) fn find(&self, key: &[u8; 32]) -> Option<AccountIndex> {
        if self.first_bytes[usize::from(key[0])] { self.by_key.get(key).copied() } else { None }
    }

    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }
}
