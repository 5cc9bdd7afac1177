//! Offers, kept small: assets are numbered, rows lie in one array, and each pair of assets has a tree in book order.
//!
//! A resting offer costs a row (88 bytes), a slot in the table of ids and a place in two trees: below 300 bytes. Finding,
//! adding and removing an offer, and the best of a pair, cost O(log n).

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;
use stellar_xdr::{
    AccountId, Asset, LedgerEntry, LedgerEntryData, LedgerEntryExt, LedgerEntryExtensionV1, LedgerEntryExtensionV1Ext,
    OfferEntry, OfferEntryExt, Price, SponsorshipDescriptor,
};

/// An asset by its number in [`Assets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct AssetNumber(u32);

/// Every asset that an offer ever named, numbered in the order of appearance. Never forgets.
#[derive(Clone, Debug, Default)]
struct Assets {
    numbers: FxHashMap<Asset, AssetNumber>,
    assets: Vec<Asset>,
}

impl Assets {
    fn number(&self, asset: &Asset) -> Option<AssetNumber> {
        self.numbers.get(asset).copied()
    }

    #[expect(clippy::expect_used, reason = "four billion assets do not fit in memory")]
    fn number_or_new(&mut self, asset: &Asset) -> AssetNumber {
        if let Some(number) = self.number(asset) {
            return number;
        }
        let number = AssetNumber(u32::try_from(self.assets.len()).expect("fewer than 2^32 assets"));
        self.assets.push(asset.clone());
        self.numbers.insert(asset.clone(), number);
        number
    }

    fn asset(&self, number: AssetNumber) -> &Asset {
        &self.assets[number.0 as usize]
    }
}

/// Who sponsors an offer's reserve, and whether its entry has the extension that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sponsor {
    NoExtension,
    Nobody,
    Account(Box<AccountId>),
}

/// One resting offer.
#[derive(Clone, Debug)]
struct Row {
    seller: AccountId,
    id: i64,
    amount: i64,
    price: Price,
    selling: AssetNumber,
    buying: AssetNumber,
    flags: u32,
    last_modified: u32,
    sponsor: Sponsor,
}

/// A place in a book: the price as core's double, whose bits order as it does because it is positive, then the id.
type BookKey = (u64, i64);

/// All offers of a ledger.
#[derive(Clone, Debug, Default)]
pub(crate) struct OfferTable {
    assets: Assets,
    rows: Vec<Option<Row>>,
    free: Vec<u32>,
    slots: FxHashMap<i64, u32>,
    books: FxHashMap<(AssetNumber, AssetNumber), BTreeMap<BookKey, u32>>,
    /// Ids of each account's offers, ascending.
    owners: FxHashMap<AccountId, Vec<i64>>,
}

fn book_key(price: &Price, id: i64) -> BookKey {
    ((f64::from(price.n) / f64::from(price.d)).to_bits(), id)
}

impl OfferTable {
    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// The offer with this id as a ledger entry.
    pub(crate) fn get(&self, id: i64) -> Option<LedgerEntry> {
        self.slots.get(&id).map(|slot| self.entry(self.row(*slot)))
    }

    pub(crate) fn contains(&self, id: i64) -> bool {
        self.slots.contains_key(&id)
    }

    /// The cheapest offer that sells `selling` for `buying`; the oldest of those that share its price.
    pub(crate) fn best(&self, selling: &Asset, buying: &Asset) -> Option<LedgerEntry> {
        let (_, slot) = self.book(selling, buying)?.first_key_value()?;
        Some(self.entry(self.row(*slot)))
    }

    /// Offers that sell `selling` for `buying`, in book order.
    pub(crate) fn in_book_order(&self, selling: &Asset, buying: &Asset) -> impl Iterator<Item = OfferEntry> + '_ {
        let book = self.book(selling, buying);
        book.into_iter().flat_map(|book| book.values()).map(|slot| self.offer(self.row(*slot)))
    }

    /// Ids of an account's offers, ascending.
    pub(crate) fn ids_of(&self, seller: &AccountId) -> &[i64] {
        self.owners.get(seller).map_or(&[], Vec::as_slice)
    }

    /// Every account that has offers, with their ids, ascending; accounts in no order.
    pub(crate) fn owners(&self) -> impl Iterator<Item = (&AccountId, &[i64])> {
        self.owners.iter().map(|(owner, ids)| (owner, ids.as_slice()))
    }

    /// Every pair of assets that has offers: sold, bought.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Asset, &Asset)> {
        self.books.keys().map(|(selling, buying)| (self.assets.asset(*selling), self.assets.asset(*buying)))
    }

    /// Adds an offer, or replaces the one with its id.
    pub(crate) fn put(&mut self, entry: &LedgerEntry, offer: &OfferEntry) {
        let row = self.make_row(entry, offer);
        if let Some(slot) = self.slots.get(&offer.offer_id).copied() {
            let old = self.row(slot);
            let moves = old.price != row.price || (old.selling, old.buying) != (row.selling, row.buying);
            assert_eq!(old.seller, row.seller, "an offer never changes hands");
            if !moves {
                self.rows[slot as usize] = Some(row);
                return;
            }
            self.remove(offer.offer_id);
        }
        self.insert(row);
    }

    /// Removes an offer; `false` if it does not exist.
    pub(crate) fn remove(&mut self, id: i64) -> bool {
        let Some(slot) = self.slots.remove(&id) else { return false };
        let Some(row) = self.rows[slot as usize].take() else { unreachable!("slot {slot} is free") };
        self.free.push(slot);
        let pair = (row.selling, row.buying);
        let Some(book) = self.books.get_mut(&pair) else { unreachable!("offer {id} has no book") };
        book.remove(&book_key(&row.price, id));
        if book.is_empty() {
            self.books.remove(&pair);
        }
        let Some(ids) = self.owners.get_mut(&row.seller) else { unreachable!("offer {id} has no owner") };
        if let Ok(place) = ids.binary_search(&id) {
            ids.remove(place);
        }
        if ids.is_empty() {
            self.owners.remove(&row.seller);
        }
        true
    }

    #[expect(clippy::expect_used, reason = "four billion offers do not fit in memory")]
    fn insert(&mut self, row: Row) {
        let slot = self.free.pop().unwrap_or_else(|| {
            if self.rows.len() == self.rows.capacity() {
                // An eighth more instead of twice as much: a large book wastes little.
                self.rows.reserve_exact((self.rows.len() / 8).max(1024));
            }
            self.rows.push(None);
            u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 offers")
        });
        self.slots.insert(row.id, slot);
        self.books.entry((row.selling, row.buying)).or_default().insert(book_key(&row.price, row.id), slot);
        let ids = self.owners.entry(row.seller.clone()).or_default();
        if let Err(place) = ids.binary_search(&row.id) {
            ids.insert(place, row.id);
        }
        self.rows[slot as usize] = Some(row);
    }

    fn book(&self, selling: &Asset, buying: &Asset) -> Option<&BTreeMap<BookKey, u32>> {
        self.books.get(&(self.assets.number(selling)?, self.assets.number(buying)?))
    }

    fn row(&self, slot: u32) -> &Row {
        match &self.rows[slot as usize] {
            Some(row) => row,
            None => unreachable!("slot {slot} is free"),
        }
    }

    fn make_row(&mut self, entry: &LedgerEntry, offer: &OfferEntry) -> Row {
        Row {
            seller: offer.seller_id.clone(),
            id: offer.offer_id,
            amount: offer.amount,
            price: offer.price.clone(),
            selling: self.assets.number_or_new(&offer.selling),
            buying: self.assets.number_or_new(&offer.buying),
            flags: offer.flags,
            last_modified: entry.last_modified_ledger_seq,
            sponsor: match &entry.ext {
                LedgerEntryExt::V0 => Sponsor::NoExtension,
                LedgerEntryExt::V1(v1) => match &v1.sponsoring_id.0 {
                    None => Sponsor::Nobody,
                    Some(account) => Sponsor::Account(Box::new(account.clone())),
                },
            },
        }
    }

    fn offer(&self, row: &Row) -> OfferEntry {
        OfferEntry {
            seller_id: row.seller.clone(),
            offer_id: row.id,
            selling: self.assets.asset(row.selling).clone(),
            buying: self.assets.asset(row.buying).clone(),
            amount: row.amount,
            price: row.price.clone(),
            flags: row.flags,
            ext: OfferEntryExt::V0,
        }
    }

    fn entry(&self, row: &Row) -> LedgerEntry {
        let with_sponsor = |sponsor: Option<AccountId>| {
            LedgerEntryExt::V1(LedgerEntryExtensionV1 {
                sponsoring_id: SponsorshipDescriptor(sponsor),
                ext: LedgerEntryExtensionV1Ext::V0,
            })
        };
        LedgerEntry {
            last_modified_ledger_seq: row.last_modified,
            data: LedgerEntryData::Offer(self.offer(row)),
            ext: match &row.sponsor {
                Sponsor::NoExtension => LedgerEntryExt::V0,
                Sponsor::Nobody => with_sponsor(None),
                Sponsor::Account(account) => with_sponsor(Some((**account).clone())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellar_xdr::{AlphaNum4, AssetCode4, PublicKey, Uint256};

    fn account(byte: u8) -> AccountId {
        AccountId(PublicKey::PublicKeyTypeEd25519(Uint256([byte; 32])))
    }

    fn usd() -> Asset {
        Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USD\0"), issuer: account(9) })
    }

    fn put(table: &mut OfferTable, id: i64, n: i32, d: i32) {
        let offer = OfferEntry {
            seller_id: account(1),
            offer_id: id,
            selling: Asset::Native,
            buying: usd(),
            amount: 5,
            price: Price { n, d },
            flags: 0,
            ext: OfferEntryExt::V0,
        };
        let entry = LedgerEntry {
            last_modified_ledger_seq: 3,
            data: LedgerEntryData::Offer(offer.clone()),
            ext: LedgerEntryExt::V0,
        };
        table.put(&entry, &offer);
    }

    #[test]
    fn a_row_stays_small() {
        assert!(size_of::<Option<Row>>() <= 96, "{}", size_of::<Option<Row>>());
    }

    #[test]
    fn the_book_is_ordered_by_double_then_by_id() {
        let mut table = OfferTable::default();
        put(&mut table, 7, 2_147_483_647, 2_147_483_646);
        put(&mut table, 8, 2_147_483_646, 2_147_483_645);
        put(&mut table, 3, 3, 1);
        put(&mut table, 9, 1, 2);
        let ids = |table: &OfferTable| -> Vec<i64> {
            table.in_book_order(&Asset::Native, &usd()).map(|offer| offer.offer_id).collect()
        };
        assert_eq!(ids(&table), [9, 7, 8, 3]);
        put(&mut table, 9, 4, 1);
        assert_eq!(ids(&table), [7, 8, 3, 9]);
        table.remove(7);
        assert!(matches!(table.best(&Asset::Native, &usd()).map(|entry| entry.data),
            Some(LedgerEntryData::Offer(offer)) if offer.offer_id == 8));
        assert_eq!(table.ids_of(&account(1)), [3, 8, 9]);
        assert!(table.best(&usd(), &Asset::Native).is_none());
    }
}
