//! The entries of a ledger, with nested undo and a record of what was touched.
//!
//! This is stellar-core's `LedgerTxn` turned around: instead of layers of pending changes there is one current state, and
//! each open *level* remembers what the entries that it touched were before. That gives lookups and books that are always
//! current, a rollback that restores, and for each level the exact `LedgerEntryChanges` that core would emit: an entry
//! that was loaded for writing counts as updated even if nothing in it changed.
//!
//! All levels share one log, of which each has the part from where it began. An entry knows its last place in that log, so
//! that touching it again costs a comparison, and closing a level moves what was before out of the log instead of copying
//! it (`cargo bench --bench ledger_instructions`: a crossing touches each of five entries several times).

use rustc_hash::FxHashMap;
use stellar_xdr::{
    AccountEntry, AccountId, ClaimableBalanceEntry, ClaimableBalanceId, LedgerEntry, LedgerEntryChange,
    LedgerEntryChanges, LedgerEntryData, LedgerHeader, LiquidityPoolEntry, OfferEntry, PoolId, TrustLineAsset,
    TrustLineEntry,
};

pub(crate) use super::keys::Key;
use super::offers::OfferTable;
use super::owned::Owned;

/// Where an entry that is no offer is kept. Good while a level is open: what is erased meanwhile keeps its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// A place with what it holds.
#[derive(Clone, Debug)]
struct Slot {
    entry: Option<LedgerEntry>,
    /// Where in the log it was noted last; nowhere if no open level touched it.
    noted: Option<usize>,
}

/// What levels take note of.
#[derive(Clone, Copy, Debug)]
enum Subject {
    Entry(Place),
    Offer(i64),
}

/// What something was before a level first touched it.
#[derive(Clone, Debug)]
struct Noted {
    subject: Subject,
    before: Option<LedgerEntry>,
    /// Where in the log an enclosing level noted it.
    earlier: Option<usize>,
}

/// An open nesting level.
#[derive(Clone, Copy, Debug)]
struct Level {
    /// Where its part of the log begins.
    start: usize,
    id_pool: u64,
    fee_pool: i64,
}

/// The current entries and header.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) header: LedgerHeader,
    places: FxHashMap<Key, Place>,
    slots: Vec<Slot>,
    free: Vec<Place>,
    /// What was erased since the outermost level began, and may have come back.
    erased: Vec<(Key, Place)>,
    offers: OfferTable,
    /// Where in the log offers were noted last.
    offers_noted: FxHashMap<i64, usize>,
    /// Which accounts hold pool shares, by account: revoking an authorisation must find them.
    pool_shares: FxHashMap<AccountId, Vec<PoolId>>,
    owned: Owned,
    levels: Vec<Level>,
    /// What open levels touched, in order.
    log: Vec<Noted>,
}

impl Store {
    pub(crate) fn new(header: LedgerHeader) -> Self {
        Self {
            header,
            places: FxHashMap::default(),
            slots: Vec::new(),
            free: Vec::new(),
            erased: Vec::new(),
            offers: OfferTable::default(),
            offers_noted: FxHashMap::default(),
            pool_shares: FxHashMap::default(),
            owned: Owned::default(),
            levels: Vec::new(),
            log: Vec::new(),
        }
    }

    pub(crate) fn protocol(&self) -> u32 {
        self.header.ledger_version
    }

    // Levels.

    /// Opens a nested level.
    pub(crate) fn begin(&mut self) {
        let LedgerHeader { id_pool, fee_pool, .. } = self.header;
        self.levels.push(Level { start: self.log.len(), id_pool, fee_pool });
    }

    fn end(&mut self) -> Level {
        let Some(level) = self.levels.pop() else { unreachable!("no open level") };
        level
    }

    /// Closes the innermost level and keeps its changes, as the enclosing level's own.
    pub(crate) fn commit(&mut self) {
        let level = self.end();
        self.hand_on(level);
    }

    /// [`commit`](Self::commit), telling what the level changed, as core says it: an old entry's state, then what became of
    /// it.
    pub(crate) fn commit_with_changes(&mut self) -> LedgerEntryChanges {
        let level = self.end();
        let noted = &self.log[level.start..];
        let mut changes = Vec::with_capacity(noted.iter().map(|noted| 1 + usize::from(noted.before.is_some())).sum());
        for at in level.start..self.log.len() {
            self.push_changes(&mut changes, at);
        }
        self.hand_on(level);
        super::header::entry_changes(changes)
    }

    /// Adds what became of something noted. Moves out of the log what no enclosing level needs.
    fn push_changes(&mut self, changes: &mut Vec<LedgerEntryChange>, at: usize) {
        let after = self.current(self.log[at].subject);
        let is_needed = self.is_needed_outside(self.log[at].earlier);
        let before = &mut self.log[at].before;
        let removed = before.as_ref().filter(|_| after.is_none()).map(LedgerEntry::to_key);
        let is_new = before.is_none();
        if let Some(before) = if is_needed { before.clone() } else { before.take() } {
            changes.push(LedgerEntryChange::State(before));
        }
        if let Some(after) = after {
            changes.push(if is_new { LedgerEntryChange::Created(after) } else { LedgerEntryChange::Updated(after) });
        } else if let Some(key) = removed {
            changes.push(LedgerEntryChange::Removed(key));
        }
    }

    /// Leaves to the enclosing level what it did not note itself.
    fn hand_on(&mut self, level: Level) {
        let mut kept = level.start;
        for at in level.start..self.log.len() {
            let Noted { subject, earlier, .. } = self.log[at];
            if !self.is_needed_outside(earlier) {
                self.set_noted(subject, earlier);
                continue;
            }
            if kept != at {
                self.log.swap(kept, at);
                self.set_noted(subject, Some(kept));
            }
            kept += 1;
        }
        self.log.truncate(kept);
        self.forget_erased();
    }

    /// Whether the innermost open level must know what a level inside of it noted: if it did not note the same before.
    fn is_needed_outside(&self, earlier: Option<usize>) -> bool {
        self.levels.last().is_some_and(|level| earlier.is_none_or(|earlier| earlier < level.start))
    }

    /// Closes the innermost level and undoes what was done in it.
    pub(crate) fn rollback(&mut self) {
        let level = self.end();
        while self.log.len() > level.start
            && let Some(Noted { subject, before, earlier }) = self.log.pop()
        {
            self.set_noted(subject, earlier);
            match (subject, before) {
                (Subject::Entry(place), before) => self.set(place, before),
                (Subject::Offer(_), Some(entry)) => self.offers.put(&entry, offer_in(&entry)),
                (Subject::Offer(id), None) => _ = self.offers.remove(id),
            }
        }
        self.header.id_pool = level.id_pool;
        self.header.fee_pool = level.fee_pool;
        self.forget_erased();
    }

    /// Notes what something was before the innermost level first touches it.
    fn note(&mut self, subject: Subject) {
        let Some(level) = self.levels.last() else { return };
        let earlier = match subject {
            Subject::Entry(place) => self.slot(place).noted,
            Subject::Offer(id) => self.offers_noted.get(&id).copied(),
        };
        if earlier.is_some_and(|earlier| earlier >= level.start) {
            return;
        }
        let before = self.current(subject);
        self.set_noted(subject, Some(self.log.len()));
        self.log.push(Noted { subject, before, earlier });
    }

    fn set_noted(&mut self, subject: Subject, noted: Option<usize>) {
        match (subject, noted) {
            (Subject::Entry(place), noted) => self.slot_mut(place).noted = noted,
            (Subject::Offer(id), Some(noted)) => _ = self.offers_noted.insert(id, noted),
            (Subject::Offer(id), None) => _ = self.offers_noted.remove(&id),
        }
    }

    fn current(&self, subject: Subject) -> Option<LedgerEntry> {
        match subject {
            Subject::Entry(place) => self.slot(place).entry.clone(),
            Subject::Offer(id) => self.offers.get(id),
        }
    }

    // Places.

    fn slot(&self, place: Place) -> &Slot {
        &self.slots[place.0 as usize]
    }

    fn slot_mut(&mut self, place: Place) -> &mut Slot {
        &mut self.slots[place.0 as usize]
    }

    /// Where an entry is kept that is no offer; `None` if there is none.
    pub(crate) fn place(&self, key: &Key) -> Option<Place> {
        self.places.get(key).copied().filter(|place| self.slot(*place).entry.is_some())
    }

    #[expect(clippy::expect_used, reason = "four billion entries do not fit in memory")]
    fn place_or_new(&mut self, key: Key) -> Place {
        let (slots, free) = (&mut self.slots, &mut self.free);
        *self.places.entry(key).or_insert_with(|| {
            free.pop().unwrap_or_else(|| {
                slots.push(Slot { entry: None, noted: None });
                Place(u32::try_from(slots.len() - 1).expect("fewer than 2^32 entries"))
            })
        })
    }

    /// Puts an entry into its place, or empties that.
    fn set(&mut self, place: Place, entry: Option<LedgerEntry>) {
        let slot = &mut self.slots[place.0 as usize];
        let old = core::mem::replace(&mut slot.entry, entry);
        match (old, &slot.entry) {
            (Some(old), None) => {
                if let Some((account, pool)) = pool_share(&old) {
                    remove_pool_share(&mut self.pool_shares, account, pool);
                }
                let key = Key::of(&old);
                self.owned.went(&key);
                self.erased.push((key, place));
            }
            (None, Some(new)) => {
                if let Some((account, pool)) = pool_share(new) {
                    self.pool_shares.entry(account.clone()).or_default().push(pool.clone());
                }
                self.owned.appeared(&Key::of(new));
            }
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    /// Once no level is open, the places of what was erased and did not come back may be taken by others.
    fn forget_erased(&mut self) {
        if !self.levels.is_empty() {
            return;
        }
        for (key, place) in self.erased.drain(..) {
            // The same key may have been erased twice.
            if self.slots[place.0 as usize].entry.is_none() && self.places.remove(&key).is_some() {
                self.free.push(place);
            }
        }
    }

    // Reading, without a trace.

    /// Any classic entry.
    pub(crate) fn entry(&self, key: &Key) -> Option<LedgerEntry> {
        match key {
            Key::Offer(id) => self.offers.get(*id),
            _ => self.kept(key).cloned(),
        }
    }

    pub(crate) fn exists(&self, key: &Key) -> bool {
        match key {
            Key::Offer(id) => self.offers.contains(*id),
            _ => self.place(key).is_some(),
        }
    }

    fn kept(&self, key: &Key) -> Option<&LedgerEntry> {
        self.slot(*self.places.get(key)?).entry.as_ref()
    }

    /// Where an account is kept.
    pub(crate) fn account_place(&self, id: &AccountId) -> Option<Place> {
        self.place(&Key::Account(id.clone()))
    }

    pub(crate) fn account(&self, id: &AccountId) -> Option<&AccountEntry> {
        self.account_at(*self.places.get(&Key::Account(id.clone()))?)
    }

    /// The account at a place; `None` if it was erased.
    pub(crate) fn account_at(&self, place: Place) -> Option<&AccountEntry> {
        match &self.slot(place).entry.as_ref()?.data {
            LedgerEntryData::Account(account) => Some(account),
            _ => unreachable!("an account's place holds an account"),
        }
    }

    pub(crate) fn line(&self, key: &Key) -> Option<&TrustLineEntry> {
        self.line_at(*self.places.get(key)?)
    }

    /// The trust line at a place; `None` if it was erased.
    pub(crate) fn line_at(&self, place: Place) -> Option<&TrustLineEntry> {
        match &self.slot(place).entry.as_ref()?.data {
            LedgerEntryData::Trustline(line) => Some(line),
            _ => unreachable!("a line's place holds a line"),
        }
    }

    pub(crate) fn pool(&self, id: &PoolId) -> Option<&LiquidityPoolEntry> {
        match &self.kept(&Key::Pool(id.clone()))?.data {
            LedgerEntryData::LiquidityPool(pool) => Some(pool),
            _ => unreachable!("a pool's key finds a pool"),
        }
    }

    pub(crate) fn balance(&self, id: &ClaimableBalanceId) -> Option<&ClaimableBalanceEntry> {
        match &self.kept(&Key::Balance(id.clone()))?.data {
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
        self.slots.iter().filter_map(|slot| slot.entry.as_ref())
    }

    /// Every entry, in no order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = LedgerEntry> + '_ {
        let offers = self.offers.owners().flat_map(|(_, ids)| ids).filter_map(|id| self.offers.get(*id));
        self.slots.iter().filter_map(|slot| slot.entry.clone()).chain(offers)
    }

    /// Adds an entry as it is, outside of any level.
    pub(crate) fn restore(&mut self, entry: LedgerEntry) {
        assert!(self.levels.is_empty(), "entries are restored before anything is applied");
        self.write(entry);
    }

    // Writing. Each of these counts the entry as touched by the innermost level.

    /// An entry that is no offer, to be written to.
    pub(crate) fn entry_mut(&mut self, key: &Key) -> Option<&mut LedgerEntry> {
        self.entry_mut_at(*self.places.get(key)?).map(|(entry, _)| entry)
    }

    fn entry_mut_at(&mut self, place: Place) -> Option<(&mut LedgerEntry, &LedgerHeader)> {
        self.slot(place).entry.as_ref()?;
        self.note(Subject::Entry(place));
        let entry = self.slots[place.0 as usize].entry.as_mut()?;
        entry.last_modified_ledger_seq = self.header.ledger_seq;
        Some((entry, &self.header))
    }

    /// An account to be written to, with the header that says what its reserve is.
    pub(crate) fn account_mut_with_header(&mut self, id: &AccountId) -> Option<(&mut AccountEntry, &LedgerHeader)> {
        self.account_at_mut_with_header(*self.places.get(&Key::Account(id.clone()))?)
    }

    /// [`account_mut_with_header`](Self::account_mut_with_header) of the account at a place.
    pub(crate) fn account_at_mut_with_header(&mut self, place: Place) -> Option<(&mut AccountEntry, &LedgerHeader)> {
        let (entry, header) = self.entry_mut_at(place)?;
        match &mut entry.data {
            LedgerEntryData::Account(account) => Some((account, header)),
            _ => unreachable!("an account's place holds an account"),
        }
    }

    pub(crate) fn account_mut(&mut self, id: &AccountId) -> Option<&mut AccountEntry> {
        self.account_mut_with_header(id).map(|(account, _)| account)
    }

    pub(crate) fn line_mut(&mut self, key: &Key) -> Option<&mut TrustLineEntry> {
        self.line_at_mut(*self.places.get(key)?)
    }

    /// The trust line at a place, to be written to; `None` if it was erased.
    pub(crate) fn line_at_mut(&mut self, place: Place) -> Option<&mut TrustLineEntry> {
        match &mut self.entry_mut_at(place)?.0.data {
            LedgerEntryData::Trustline(line) => Some(line),
            _ => unreachable!("a line's place holds a line"),
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
        self.write(entry);
    }

    /// Removes an entry; it must exist.
    pub(crate) fn erase(&mut self, key: &Key) {
        let erased = match key {
            Key::Offer(id) => {
                self.note(Subject::Offer(*id));
                self.offers.remove(*id)
            }
            _ => self.place(key).is_some_and(|place| {
                self.note(Subject::Entry(place));
                self.set(place, None);
                true
            }),
        };
        assert!(erased, "erasing what does not exist: {key:?}");
        self.forget_erased();
    }

    /// Counts an existing entry as loaded for writing: as touched by the innermost level and modified in this ledger.
    pub(crate) fn touch_entry(&mut self, key: &Key) {
        match self.entry(key) {
            Some(entry) if matches!(key, Key::Offer(_)) => self.put(entry),
            _ => drop(self.entry_mut(key)),
        }
    }

    /// Counts an existing offer as touched by the innermost level.
    pub(crate) fn touch_offer(&mut self, id: i64) {
        self.note(Subject::Offer(id));
    }

    /// A new id for an offer.
    pub(crate) fn next_id(&mut self) -> i64 {
        self.header.id_pool += 1;
        i64::try_from(self.header.id_pool).unwrap_or(i64::MAX)
    }

    fn write(&mut self, entry: LedgerEntry) {
        if let LedgerEntryData::Offer(offer) = &entry.data {
            self.note(Subject::Offer(offer.offer_id));
            self.offers.put(&entry, offer);
        } else {
            let place = self.place_or_new(Key::of(&entry));
            self.note(Subject::Entry(place));
            self.set(place, Some(entry));
        }
    }
}

/// Of which pool an entry is a share, and whose.
fn pool_share(entry: &LedgerEntry) -> Option<(&AccountId, &PoolId)> {
    match &entry.data {
        LedgerEntryData::Trustline(TrustLineEntry { account_id, asset: TrustLineAsset::PoolShare(pool), .. }) => {
            Some((account_id, pool))
        }
        _ => None,
    }
}

fn remove_pool_share(pool_shares: &mut FxHashMap<AccountId, Vec<PoolId>>, account: &AccountId, pool: &PoolId) {
    if let Some(pools) = pool_shares.get_mut(account) {
        pools.retain(|other| other != pool);
        if pools.is_empty() {
            pool_shares.remove(account);
        }
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
