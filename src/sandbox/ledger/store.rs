//! The entries of a ledger, with nested undo and a record of what was touched.
//!
//! This is stellar-core's `LedgerTxn` turned around: instead of layers of pending changes there is one current state, and
//! each open *level* remembers what the entries that it touched were before. That gives lookups and books that are always
//! current, a rollback that restores, and for each level the exact `LedgerEntryChanges` that core would emit: an entry
//! that was loaded for writing counts as updated even if nothing in it changed.

use core::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet};
use stellar_xdr::{
    AccountEntry, AccountId, Asset, ClaimableBalanceEntry, ClaimableBalanceId, LedgerEntry, LedgerEntryChange,
    LedgerEntryChanges, LedgerEntryData, LedgerHeader, LedgerKey, LiquidityPoolEntry, OfferEntry, PoolId, PublicKey,
    String64, TrustLineAsset, TrustLineEntry,
};

use super::offers::OfferTable;
use super::owned::Owned;

/// What a classic entry is found by: [`LedgerKey`] without the arms that hold contracts, and an offer by its id alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Account(AccountId),
    TrustLine(AccountId, TrustLineAsset),
    Offer(i64),
    Data(AccountId, String64),
    Balance(ClaimableBalanceId),
    Pool(PoolId),
}

/// Public keys and hashes are as good as random: eight bytes of each are hash enough.
impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Account(account) => state.write_u64(account_bits(account)),
            Self::TrustLine(account, asset) => {
                state.write_u64(account_bits(account));
                state.write_u64(match asset {
                    TrustLineAsset::Native => 0,
                    TrustLineAsset::CreditAlphanum4(credit) => {
                        account_bits(&credit.issuer) ^ bits(&credit.asset_code.0)
                    }
                    TrustLineAsset::CreditAlphanum12(credit) => {
                        account_bits(&credit.issuer) ^ bits(&credit.asset_code.0)
                    }
                    TrustLineAsset::PoolShare(pool) => bits(&pool.0.0),
                });
            }
            Self::Offer(id) => state.write_i64(*id),
            Self::Data(account, name) => {
                state.write_u64(account_bits(account));
                state.write(name);
            }
            Self::Balance(ClaimableBalanceId::ClaimableBalanceIdTypeV0(hash)) => state.write_u64(bits(&hash.0)),
            Self::Pool(pool) => state.write_u64(bits(&pool.0.0)),
        }
    }
}

/// Up to eight bytes as a number.
fn bits(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

fn account_bits(account: &AccountId) -> u64 {
    let PublicKey::PublicKeyTypeEd25519(key) = &account.0;
    bits(&key.0)
}

impl Key {
    /// The key of an entry.
    pub(crate) fn of(entry: &LedgerEntry) -> Self {
        match &entry.data {
            LedgerEntryData::Account(account) => Self::Account(account.account_id.clone()),
            LedgerEntryData::Trustline(line) => Self::TrustLine(line.account_id.clone(), line.asset.clone()),
            LedgerEntryData::Offer(offer) => Self::Offer(offer.offer_id),
            LedgerEntryData::Data(data) => Self::Data(data.account_id.clone(), data.data_name.clone()),
            LedgerEntryData::ClaimableBalance(balance) => Self::Balance(balance.balance_id.clone()),
            LedgerEntryData::LiquidityPool(pool) => Self::Pool(pool.liquidity_pool_id.clone()),
            other => unreachable!("no classic entry: {}", other.name()),
        }
    }

    /// From the protocol's key; `None` for what only contracts have.
    pub(crate) fn from_ledger_key(key: &LedgerKey) -> Option<Self> {
        Some(match key {
            LedgerKey::Account(key) => Self::Account(key.account_id.clone()),
            LedgerKey::Trustline(key) => Self::TrustLine(key.account_id.clone(), key.asset.clone()),
            LedgerKey::Offer(key) => Self::Offer(key.offer_id),
            LedgerKey::Data(key) => Self::Data(key.account_id.clone(), key.data_name.clone()),
            LedgerKey::ClaimableBalance(key) => Self::Balance(key.balance_id.clone()),
            LedgerKey::LiquidityPool(key) => Self::Pool(key.liquidity_pool_id.clone()),
            _ => return None,
        })
    }

    /// The key of an account's line for an asset that is not native.
    pub(crate) fn line(account: &AccountId, asset: &Asset) -> Self {
        Self::TrustLine(account.clone(), super::assets::trust_line_asset(asset))
    }
}

/// An open nesting level.
#[derive(Clone, Debug, Default)]
struct Level {
    /// What was touched, in order, as it was before.
    touched: Vec<(Key, Option<Box<LedgerEntry>>)>,
    seen: FxHashSet<Key>,
    id_pool: u64,
    fee_pool: i64,
}

/// The current entries and header.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) header: LedgerHeader,
    entries: FxHashMap<Key, Box<LedgerEntry>>,
    offers: OfferTable,
    /// Which accounts hold pool shares, by account: revoking an authorisation must find them.
    pool_shares: FxHashMap<AccountId, Vec<PoolId>>,
    owned: Owned,
    levels: Vec<Level>,
    /// Levels that were closed, kept for their memory.
    spare: Vec<Level>,
}

impl Store {
    pub(crate) fn new(header: LedgerHeader) -> Self {
        Self {
            header,
            entries: FxHashMap::default(),
            offers: OfferTable::default(),
            pool_shares: FxHashMap::default(),
            owned: Owned::default(),
            levels: Vec::new(),
            spare: Vec::new(),
        }
    }

    pub(crate) fn protocol(&self) -> u32 {
        self.header.ledger_version
    }

    // Levels.

    /// Opens a nested level.
    pub(crate) fn begin(&mut self) {
        let mut level = self.spare.pop().unwrap_or_default();
        level.id_pool = self.header.id_pool;
        level.fee_pool = self.header.fee_pool;
        self.levels.push(level);
    }

    /// Closes the innermost level and keeps its changes, as the enclosing level's own.
    pub(crate) fn commit(&mut self) {
        let Some(mut level) = self.levels.pop() else { unreachable!("no open level") };
        if let Some(parent) = self.levels.last_mut() {
            for (key, before) in level.touched.drain(..) {
                if parent.seen.insert(key.clone()) {
                    parent.touched.push((key, before));
                }
            }
        }
        self.recycle(level);
    }

    /// Closes the innermost level and undoes what was done in it.
    pub(crate) fn rollback(&mut self) {
        let Some(mut level) = self.levels.pop() else { unreachable!("no open level") };
        for (key, before) in level.touched.drain(..).rev() {
            match before {
                Some(entry) => self.write(&key, *entry),
                None => self.delete(&key),
            }
        }
        self.header.id_pool = level.id_pool;
        self.header.fee_pool = level.fee_pool;
        self.recycle(level);
    }

    fn recycle(&mut self, mut level: Level) {
        level.touched.clear();
        level.seen.clear();
        self.spare.push(level);
    }

    /// What the innermost level changed, as core says it: an old entry's state, then what became of it.
    pub(crate) fn changes(&self) -> LedgerEntryChanges {
        let Some(level) = self.levels.last() else { unreachable!("no open level") };
        let mut changes = Vec::with_capacity(2 * level.touched.len());
        for (key, before) in &level.touched {
            let after = self.entry(key);
            if let Some(before) = before {
                changes.push(LedgerEntryChange::State((**before).clone()));
                changes.push(match after {
                    Some(after) => LedgerEntryChange::Updated(after),
                    None => LedgerEntryChange::Removed(before.to_key()),
                });
            } else if let Some(after) = after {
                changes.push(LedgerEntryChange::Created(after));
            }
        }
        super::header::entry_changes(changes)
    }

    // Reading, without a trace.

    /// Any classic entry.
    pub(crate) fn entry(&self, key: &Key) -> Option<LedgerEntry> {
        match key {
            Key::Offer(id) => self.offers.get(*id),
            _ => self.entries.get(key).map(|entry| (**entry).clone()),
        }
    }

    pub(crate) fn exists(&self, key: &Key) -> bool {
        match key {
            Key::Offer(id) => self.offers.contains(*id),
            _ => self.entries.contains_key(key),
        }
    }

    pub(crate) fn account(&self, id: &AccountId) -> Option<&AccountEntry> {
        match &self.entries.get(&Key::Account(id.clone()))?.data {
            LedgerEntryData::Account(account) => Some(account),
            _ => unreachable!("an account's key finds an account"),
        }
    }

    pub(crate) fn line(&self, key: &Key) -> Option<&TrustLineEntry> {
        match &self.entries.get(key)?.data {
            LedgerEntryData::Trustline(line) => Some(line),
            _ => unreachable!("a line's key finds a line"),
        }
    }

    pub(crate) fn pool(&self, id: &PoolId) -> Option<&LiquidityPoolEntry> {
        match &self.entries.get(&Key::Pool(id.clone()))?.data {
            LedgerEntryData::LiquidityPool(pool) => Some(pool),
            _ => unreachable!("a pool's key finds a pool"),
        }
    }

    pub(crate) fn balance(&self, id: &ClaimableBalanceId) -> Option<&ClaimableBalanceEntry> {
        match &self.entries.get(&Key::Balance(id.clone()))?.data {
            LedgerEntryData::ClaimableBalance(balance) => Some(balance),
            _ => unreachable!("a balance's key finds a balance"),
        }
    }

    pub(crate) fn offers(&self) -> &OfferTable {
        &self.offers
    }

    /// The offer with this id, if it is this seller's.
    pub(crate) fn offer_of(&self, seller: &AccountId, id: i64) -> Option<LedgerEntry> {
        self.offers.get(id).filter(|entry| offer_in(entry).seller_id == *seller)
    }

    /// The pools of which an account holds shares, in the order in which it trusted them.
    pub(crate) fn pool_shares_of(&self, account: &AccountId) -> &[PoolId] {
        self.pool_shares.get(account).map_or(&[], Vec::as_slice)
    }

    /// What trust lines and data entries accounts have.
    pub(crate) fn owned(&self) -> &Owned {
        &self.owned
    }

    /// Every entry that is no offer, in no order.
    pub(crate) fn entries_but_offers(&self) -> impl Iterator<Item = &LedgerEntry> {
        self.entries.values().map(|entry| &**entry)
    }

    /// Every entry, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = LedgerEntry> + '_ {
        let offers = self.offers.owners().flat_map(|(_, ids)| ids).filter_map(|id| self.offers.get(*id));
        self.entries.values().map(|entry| (**entry).clone()).chain(offers)
    }

    /// Adds an entry as it is, outside of any level.
    pub(crate) fn restore(&mut self, entry: LedgerEntry) {
        assert!(self.levels.is_empty(), "entries are restored before anything is applied");
        self.write(&Key::of(&entry), entry);
    }

    // Writing. Each of these counts the entry as touched by the innermost level.

    /// An entry that is no offer, to be written to.
    pub(crate) fn entry_mut(&mut self, key: &Key) -> Option<&mut LedgerEntry> {
        self.entry_mut_with_header(key).map(|(entry, _)| entry)
    }

    fn entry_mut_with_header(&mut self, key: &Key) -> Option<(&mut LedgerEntry, &LedgerHeader)> {
        let entry = self.entries.get_mut(key)?;
        remember(&mut self.levels, key, || Some(entry.clone()));
        entry.last_modified_ledger_seq = self.header.ledger_seq;
        Some((entry, &self.header))
    }

    /// An account to be written to, with the header that says what its reserve is.
    pub(crate) fn account_mut_with_header(&mut self, id: &AccountId) -> Option<(&mut AccountEntry, &LedgerHeader)> {
        let (entry, header) = self.entry_mut_with_header(&Key::Account(id.clone()))?;
        match &mut entry.data {
            LedgerEntryData::Account(account) => Some((account, header)),
            _ => unreachable!("an account's key finds an account"),
        }
    }

    pub(crate) fn account_mut(&mut self, id: &AccountId) -> Option<&mut AccountEntry> {
        self.account_mut_with_header(id).map(|(account, _)| account)
    }

    pub(crate) fn line_mut(&mut self, key: &Key) -> Option<&mut TrustLineEntry> {
        match &mut self.entry_mut(key)?.data {
            LedgerEntryData::Trustline(line) => Some(line),
            _ => unreachable!("a line's key finds a line"),
        }
    }

    pub(crate) fn pool_mut(&mut self, id: &PoolId) -> Option<&mut LiquidityPoolEntry> {
        match &mut self.entry_mut(&Key::Pool(id.clone()))?.data {
            LedgerEntryData::LiquidityPool(pool) => Some(pool),
            _ => unreachable!("a pool's key finds a pool"),
        }
    }

    /// Adds an entry, or writes the whole of an existing one.
    pub(crate) fn put(&mut self, mut entry: LedgerEntry) {
        entry.last_modified_ledger_seq = self.header.ledger_seq;
        let key = Key::of(&entry);
        self.touch(&key);
        self.write(&key, entry);
    }

    /// Removes an entry; it must exist.
    pub(crate) fn erase(&mut self, key: &Key) {
        assert!(self.exists(key), "erasing what does not exist: {key:?}");
        self.touch(key);
        self.delete(key);
    }

    /// Counts an entry as loaded for writing: as touched by the innermost level and modified in this ledger.
    pub(crate) fn touch_entry(&mut self, key: &Key) {
        match self.entry(key) {
            Some(entry) if matches!(key, Key::Offer(_)) => self.put(entry),
            _ => drop(self.entry_mut(key)),
        }
    }

    /// Counts an entry as touched by the innermost level.
    pub(crate) fn touch(&mut self, key: &Key) {
        let (entries, offers) = (&self.entries, &self.offers);
        remember(&mut self.levels, key, || match key {
            Key::Offer(id) => offers.get(*id).map(Box::new),
            _ => entries.get(key).cloned(),
        });
    }

    /// A new id for an offer.
    pub(crate) fn next_id(&mut self) -> i64 {
        self.header.id_pool += 1;
        i64::try_from(self.header.id_pool).unwrap_or(i64::MAX)
    }

    fn write(&mut self, key: &Key, entry: LedgerEntry) {
        if let LedgerEntryData::Offer(offer) = &entry.data {
            self.offers.put(&entry, offer);
            return;
        }
        if let Some(old) = self.entries.get_mut(key) {
            **old = entry;
            return;
        }
        if let Key::TrustLine(account, TrustLineAsset::PoolShare(pool)) = key {
            self.pool_shares.entry(account.clone()).or_default().push(pool.clone());
        }
        self.owned.appeared(key);
        self.entries.insert(key.clone(), Box::new(entry));
    }

    /// Removes an entry if it exists.
    fn delete(&mut self, key: &Key) {
        if let Key::Offer(id) = key {
            if self.offers.contains(*id) {
                self.offers.remove(*id);
            }
            return;
        }
        self.entries.remove(key);
        self.owned.went(key);
        if let Key::TrustLine(account, TrustLineAsset::PoolShare(pool)) = key
            && let Some(pools) = self.pool_shares.get_mut(account)
        {
            pools.retain(|other| other != pool);
            if pools.is_empty() {
                self.pool_shares.remove(account);
            }
        }
    }
}

/// Notes what an entry was before the innermost level first touched it.
fn remember(levels: &mut [Level], key: &Key, before: impl FnOnce() -> Option<Box<LedgerEntry>>) {
    if let Some(level) = levels.last_mut()
        && level.seen.insert(key.clone())
    {
        level.touched.push((key.clone(), before()));
    }
}

/// The offer in an offer's entry.
pub(crate) fn offer_in(entry: &LedgerEntry) -> &OfferEntry {
    match &entry.data {
        LedgerEntryData::Offer(offer) => offer,
        other => unreachable!("{} is no offer", other.name()),
    }
}

/// The offer in an offer's entry, to be written to.
pub(crate) fn offer_in_mut(entry: &mut LedgerEntry) -> &mut OfferEntry {
    match &mut entry.data {
        LedgerEntryData::Offer(offer) => offer,
        other => unreachable!("{} is no offer", other.name()),
    }
}
