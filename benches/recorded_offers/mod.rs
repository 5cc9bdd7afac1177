//! The offer changes of a recording by stellar-core, spread over a thousand markets.
//!
//! The recording's markets are copied until there are a thousand; every copy begins in the same state, that of the
//! recording before its last ledgers. The change of an offer then goes to one of the copies, chosen by the offer's id.
//! So each market is as deep as it was recorded, and the changes of a ledger lie as far apart in memory as they do on a
//! network with a thousand markets. After the ledgers come the changes that restore the beginning: the whole is a
//! circle that a benchmark can go around as often as it likes.

use std::collections::BTreeMap;
use stellar_connector::book::{BookLimits, Books};
use stellar_connector::events::OfferChange;
use stellar_connector::stellar::{LedgerSeq, MarketId, OfferId, Orientation, Price, Side, Stroops};
use stellar_xdr::{
    LedgerCloseMeta, LedgerEntryChange, LedgerEntryData, LedgerKey, Limited, Limits, OfferEntry, ReadXdr,
    TransactionMeta, TransactionResultMeta,
};

/// How many markets the book has.
pub(crate) const MARKETS: u16 = 1_000;
/// How many of the recording's last ledgers are applied.
const LEDGERS: usize = 40;
const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/recordings/seed-01.xdr.zst");

/// One offer change.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Put(OfferChange),
    Gone(OfferId),
}

/// A warm state and a circle of changes that leads back to it.
pub(crate) struct Workload {
    /// Every offer that stands at the start.
    pub(crate) standing: Vec<OfferChange>,
    /// The changes, ledger by ledger, then those that restore the start.
    pub(crate) ledgers: Vec<Vec<Change>>,
}

impl Workload {
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.ledgers.iter().flatten()
    }

    /// The book in its state at the start.
    pub(crate) fn books(&self) -> Books {
        let limits = BookLimits { offers: self.standing.len() * 2, levels_per_side: 1_024, own_offers: 0 };
        let mut books = Books::new(usize::from(MARKETS), 0, limits);
        books.begin(LedgerSeq(1));
        for offer in &self.standing {
            assert!(books.offer(offer).is_ok());
        }
        books.clear_changed();
        books
    }

    /// Reads the recording and spreads it.
    pub(crate) fn load() -> Self {
        let mut recorded = Recorded::default();
        let mut ledgers: Vec<Vec<Change>> = read().map(|meta| recorded.changes(&meta)).collect();
        let last = ledgers.split_off(ledgers.len() - LEDGERS);
        let mut start = BTreeMap::new();
        ledgers.iter().flatten().for_each(|change| apply(&mut start, change));
        Self::spread(&start, &last, recorded.markets())
    }

    fn spread(start: &BTreeMap<OfferId, OfferChange>, ledgers: &[Vec<Change>], recorded_markets: u16) -> Self {
        let copies = MARKETS / recorded_markets;
        let place = Place { copies, recorded_markets };
        let all_copies = |offer: &OfferChange| (0..copies).map(|copy| place.in_copy(offer, copy)).collect::<Vec<_>>();
        let standing: Vec<OfferChange> = start.values().flat_map(all_copies).collect();
        let to_copy = |changes: &Vec<Change>| changes.iter().map(|change| place.change(change)).collect();
        let mut ledgers: Vec<Vec<Change>> = ledgers.iter().map(to_copy).collect();
        ledgers.push(way_back(&standing, &ledgers));
        Self { standing, ledgers }
    }
}

/// The changes that lead from after `ledgers` back to `standing`.
fn way_back(standing: &[OfferChange], ledgers: &[Vec<Change>]) -> Vec<Change> {
    let before: BTreeMap<OfferId, OfferChange> = standing.iter().map(|offer| (offer.id, *offer)).collect();
    let mut after = before.clone();
    ledgers.iter().flatten().for_each(|change| apply(&mut after, change));
    let gone = after.keys().filter(|id| !before.contains_key(id)).map(|id| Change::Gone(*id));
    let put = before.values().filter(|offer| after.get(&offer.id) != Some(offer)).map(|offer| Change::Put(*offer));
    gone.chain(put).collect()
}

fn apply(offers: &mut BTreeMap<OfferId, OfferChange>, change: &Change) {
    match change {
        Change::Put(offer) => offers.insert(offer.id, *offer),
        Change::Gone(id) => offers.remove(id),
    };
}

struct Place {
    copies: u16,
    recorded_markets: u16,
}

impl Place {
    fn in_copy(&self, offer: &OfferChange, copy: u16) -> OfferChange {
        let market = MarketId(offer.place.market.0 + copy * self.recorded_markets);
        let place = Orientation { market, ..offer.place };
        OfferChange { id: self.id_in_copy(offer.id, copy), place, ..*offer }
    }

    /// Neighbours in the recording stay neighbours, as ids on a network are.
    fn id_in_copy(&self, id: OfferId, copy: u16) -> OfferId {
        OfferId(id.0 * i64::from(self.copies) + i64::from(copy))
    }

    fn copy_of(&self, id: OfferId) -> u16 {
        let spread = id.0.cast_unsigned().wrapping_mul(0xD6E8_FEB8_6659_FD93) >> 48;
        u16::try_from(spread % u64::from(self.copies)).unwrap_or_default()
    }

    fn change(&self, change: &Change) -> Change {
        match change {
            Change::Put(offer) => Change::Put(self.in_copy(offer, self.copy_of(offer.id))),
            Change::Gone(id) => Change::Gone(self.id_in_copy(*id, self.copy_of(*id))),
        }
    }
}

/// The recording's markets, numbered as they come.
#[derive(Default)]
struct Recorded {
    numbers: BTreeMap<(String, String), u16>,
}

impl Recorded {
    fn markets(&self) -> u16 {
        u16::try_from(self.numbers.len()).unwrap_or(u16::MAX)
    }

    fn changes(&mut self, meta: &LedgerCloseMeta) -> Vec<Change> {
        let transactions: &[TransactionResultMeta] = match meta {
            LedgerCloseMeta::V0(meta) => &meta.tx_processing,
            LedgerCloseMeta::V1(meta) => &meta.tx_processing,
            LedgerCloseMeta::V2(_) => &[],
        };
        let mut changes = Vec::new();
        for transaction in transactions {
            let TransactionMeta::V2(meta) = &transaction.tx_apply_processing else { continue };
            for change in meta.operations.iter().flat_map(|operation| operation.changes.iter()) {
                changes.extend(self.change(change));
            }
        }
        changes
    }

    fn change(&mut self, change: &LedgerEntryChange) -> Option<Change> {
        match change {
            LedgerEntryChange::Created(entry) | LedgerEntryChange::Updated(entry) => match &entry.data {
                LedgerEntryData::Offer(offer) => Some(Change::Put(self.offer(offer)?)),
                _ => None,
            },
            LedgerEntryChange::Removed(LedgerKey::Offer(key)) => Some(Change::Gone(OfferId(key.offer_id))),
            _ => None,
        }
    }

    fn offer(&mut self, offer: &OfferEntry) -> Option<OfferChange> {
        let (selling, buying) = (format!("{:?}", offer.selling), format!("{:?}", offer.buying));
        let side = if selling < buying { Side::Ask } else { Side::Bid };
        let pair = if side == Side::Ask { (selling, buying) } else { (buying, selling) };
        let next = self.markets();
        let market = MarketId(*self.numbers.entry(pair).or_insert(next));
        Some(OfferChange {
            id: OfferId(offer.offer_id),
            place: Orientation { market, side },
            price: Price::new(offer.price.n, offer.price.d).ok()?,
            amount: Stroops(offer.amount),
            owner: None,
        })
    }
}

fn read() -> impl Iterator<Item = LedgerCloseMeta> {
    let file = std::fs::File::open(RECORDING).map_err(|e| panic!("{RECORDING}: {e}"));
    let bytes = file.and_then(zstd::decode_all).unwrap_or_else(|e| panic!("{RECORDING}: {e}"));
    let mut rest = Limited::new(std::io::Cursor::new(bytes), Limits::none());
    std::iter::from_fn(move || {
        let end = rest.inner.position() == rest.inner.get_ref().len() as u64;
        let record = (!end).then(|| stellar_xdr::Frame::<LedgerCloseMeta>::read_xdr(&mut rest));
        record.map(|read| read.unwrap_or_else(|e| panic!("{RECORDING}: {e}")).0)
    })
}
