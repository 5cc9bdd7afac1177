//! Which trust lines and data entries each account has.
//!
//! Applying transactions never asks this; faces that show an account do. Two maps of what rarely changes, kept where an
//! entry appears or goes, so that nothing that trades pays for them.

use rustc_hash::FxHashMap;
use stellar_xdr::{AccountId, String64, TrustLineAsset};

use super::store::Key;

/// Trust lines and data entries, by account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Owned {
    lines: FxHashMap<AccountId, Vec<TrustLineAsset>>,
    data: FxHashMap<AccountId, Vec<String64>>,
}

impl Owned {
    /// An entry that was not there before.
    pub(crate) fn appeared(&mut self, key: &Key) {
        match key {
            Key::TrustLine(account, asset) => self.lines.entry(account.clone()).or_default().push(asset.clone()),
            Key::Data(account, name) => self.data.entry(account.clone()).or_default().push(name.clone()),
            _ => {}
        }
    }

    /// An entry that is gone, if it was there.
    pub(crate) fn went(&mut self, key: &Key) {
        match key {
            Key::TrustLine(account, asset) => forget(&mut self.lines, account, asset),
            Key::Data(account, name) => forget(&mut self.data, account, name),
            _ => {}
        }
    }

    /// The keys of an account's trust lines, pool shares included, in no order.
    pub(crate) fn lines_of(&self, account: &AccountId) -> impl Iterator<Item = Key> + '_ {
        let lines = self.lines.get(account).into_iter().flatten();
        let account = account.clone();
        lines.map(move |asset| Key::TrustLine(account.clone(), asset.clone()))
    }

    /// The keys of an account's data entries, in no order.
    pub(crate) fn data_of(&self, account: &AccountId) -> impl Iterator<Item = Key> + '_ {
        let names = self.data.get(account).into_iter().flatten();
        let account = account.clone();
        names.map(move |name| Key::Data(account.clone(), name.clone()))
    }
}

fn forget<T: PartialEq>(of: &mut FxHashMap<AccountId, Vec<T>>, account: &AccountId, what: &T) {
    let Some(list) = of.get_mut(account) else { return };
    if let Some(place) = list.iter().position(|known| known == what) {
        list.swap_remove(place);
    }
    if list.is_empty() {
        of.remove(account);
    }
}
