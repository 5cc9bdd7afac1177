//! Views: what book and account publish once a ledger, for anyone to read in place.
//!
//! All views together are guarded by one sequence lock: the single writer makes the version odd, writes what a ledger
//! changed, and makes it even again; a reader takes what it needs and tries again if the version moved. So whatever a
//! reader sees, of any number of markets and accounts, is of one and the same ledger. The words are atomics, hence
//! there is no data race to argue away and no `unsafe` (H.-J. Boehm, "Can seqlocks get along with programming language
//! memory models?", MSPC 2012).

use crate::stellar::depth::{PoolQuote, Swept, sweep};
use crate::stellar::exchange::POOL_FEE_BPS;
use crate::stellar::{AccountIndex, AssetIndex, LedgerSeq, MarketId, OfferId, Price, SequenceNumber, Side, Stroops};
use bytemuck::{Pod, Zeroable};
use std::sync::Arc;

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

/// Price levels a side that a view shows; the book behind it is as deep as the ledger.
pub const VIEW_DEPTH: usize = 16;

/// How often a reader tries before it gives up (a writer writes for microseconds, once a ledger).
#[cfg(not(loom))]
const READ_ATTEMPTS: u32 = 100_000;
/// Loom runs every interleaving of them; the second shows what trying again does.
#[cfg(loom)]
const READ_ATTEMPTS: u32 = 2;

/// A price level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LevelView {
    /// Numerator of the price in units of quote for one base, zero where there is no level.
    pub n: i32,
    /// Its denominator.
    pub d: i32,
    /// What the level's offers sell together: base on the ask side, quote on the bid side. Saturates at `i64::MAX`.
    pub amount: i64,
    /// The part of it that is ours.
    pub own_amount: i64,
}

impl LevelView {
    /// The price, if there is a level.
    #[must_use]
    pub fn price(&self) -> Option<Price> {
        Price::new(self.n, self.d).ok()
    }
}

/// A market as of the ledger in [`ViewsHeader::ledger`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct MarketView {
    /// The ledger in which it last changed.
    pub changed_in: u32,
    /// 1 while the book of this market is known to be what the ledger has.
    pub whole: u32,
    /// Zero.
    pub reserved: u32,
    /// Offers on the bid side, all levels.
    pub bid_offers: u32,
    /// Offers on the ask side, all levels.
    pub ask_offers: u32,
    /// Price of the last trade, quote amount over base amount as two i64 would not fit: see the two fields below.
    pub last_trade_ledger: u32,
    /// Base amount of the last trade, zero if none was seen.
    pub last_base: i64,
    /// Quote amount of the last trade.
    pub last_quote: i64,
    /// The pool's reserve of base, zero if there is no pool.
    pub pool_base: i64,
    /// The pool's reserve of quote.
    pub pool_quote: i64,
    /// Best first.
    pub bids: [LevelView; VIEW_DEPTH],
    /// Best first.
    pub asks: [LevelView; VIEW_DEPTH],
}

impl Default for MarketView {
    fn default() -> Self {
        Self::zeroed()
    }
}

impl MarketView {
    /// The levels of a side, best first.
    pub fn levels(&self, side: Side) -> impl Iterator<Item = &LevelView> {
        let levels = match side {
            Side::Bid => &self.bids,
            Side::Ask => &self.asks,
        };
        levels.iter().take_while(|level| level.n != 0)
    }

    /// The best price of a side.
    #[must_use]
    pub fn best(&self, side: Side) -> Option<Price> {
        self.levels(side).next().and_then(LevelView::price)
    }

    /// The best price of a side among offers that are not ours alone.
    #[must_use]
    pub fn best_foreign(&self, side: Side) -> Option<Price> {
        self.levels(side).find(|level| level.amount > level.own_amount).and_then(LevelView::price)
    }

    /// What taking up to `base` stroops of base out of a side's offers that are not ours gives, as far as the view shows
    /// levels; see [`sweep`].
    #[must_use]
    pub fn sweep(&self, side: Side, base: i128) -> Swept {
        let foreign =
            |level: &LevelView| Some((level.price()?, i128::from(level.amount) - i128::from(level.own_amount)));
        sweep(side, self.levels(side).filter_map(foreign), base)
    }

    /// What the pool's reserves imply, if the market has one that is not empty.
    #[must_use]
    pub fn pool_quote(&self) -> Option<PoolQuote> {
        PoolQuote::of(self.pool_base, self.pool_quote, POOL_FEE_BPS)
    }
}

/// One of our accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct AccountView {
    /// Lumens, stroops.
    pub balance: i64,
    /// Lumens that buy offers may yet bring.
    pub buying_liabilities: i64,
    /// Lumens that sell offers have promised.
    pub selling_liabilities: i64,
    /// Sequence number last consumed.
    pub sequence: i64,
    /// 1 once the account has been seen on the ledger, 0 before and after it is merged.
    pub exists: u32,
    /// Subentries.
    pub subentries: u32,
    /// Reserves that it pays for others.
    pub sponsoring: u32,
    /// Reserves that others pay for it.
    pub sponsored: u32,
    /// How many of the account's own-offer slots are in use.
    pub offers: u32,
    /// 1 if it has more offers on configured markets than there are slots.
    pub offers_truncated: u32,
}

/// A trustline of ours (the native asset has none: see [`AccountView`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct LineView {
    /// Balance.
    pub balance: i64,
    /// Limit.
    pub limit: i64,
    /// What offers may yet bring.
    pub buying_liabilities: i64,
    /// What offers have promised.
    pub selling_liabilities: i64,
    /// 1 if the trustline exists.
    pub exists: u32,
    /// 1 if the issuer lets it trade.
    pub authorized: u32,
}

/// An offer of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct OwnOfferView {
    /// Its id.
    pub id: i64,
    /// What it still sells: base for an ask, quote for a bid.
    pub amount: i64,
    /// Numerator of its own price (what it buys for one of what it sells).
    pub n: i32,
    /// Denominator.
    pub d: i32,
    /// Its market.
    pub market: u16,
    /// 1 for an ask.
    pub is_ask: u16,
    /// Zero.
    pub reserved: u32,
}

impl OwnOfferView {
    /// A slot's content for an offer.
    #[must_use]
    pub fn new(id: OfferId, market: MarketId, side: Side, price: Price, amount: Stroops) -> Self {
        Self {
            id: id.0,
            amount: amount.0,
            n: price.n(),
            d: price.d(),
            market: market.0,
            is_ask: u16::from(side == Side::Ask),
            reserved: 0,
        }
    }

    /// Its side.
    #[must_use]
    pub fn side(&self) -> Side {
        if self.is_ask == 1 { Side::Ask } else { Side::Bid }
    }

    /// Its price in units of quote for one base; `None` in a torn read.
    #[must_use]
    pub fn market_price(&self) -> Option<Price> {
        let own = Price::new(self.n, self.d).ok()?;
        Some(if self.is_ask == 1 { own } else { own.inverse() })
    }
}

/// What all views are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct ViewsHeader {
    /// The ledger.
    pub ledger: u32,
    /// Its protocol version.
    pub protocol: u32,
    /// Its close time, seconds since 1970.
    pub close_time_s: u64,
    /// Base fee, stroops.
    pub base_fee: u32,
    /// Base reserve, stroops.
    pub base_reserve: u32,
    /// 1 while the book can be trusted.
    pub whole: u32,
    /// Zero.
    pub reserved: u32,
}

/// How much the views hold. Fixed for the life of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ViewLimits {
    /// Markets.
    pub markets: usize,
    /// Own accounts.
    pub accounts: usize,
    /// Assets of the configured markets: each own account has a trustline slot for each.
    pub assets: usize,
    /// Own offers an account.
    pub offers_per_account: usize,
}

const HEADER_WORDS: usize = size_of::<ViewsHeader>() / 8;
const MARKET_WORDS: usize = size_of::<MarketView>() / 8;
const ACCOUNT_WORDS: usize = size_of::<AccountView>() / 8;
const LINE_WORDS: usize = size_of::<LineView>() / 8;
const OFFER_WORDS: usize = size_of::<OwnOfferView>() / 8;

#[derive(Debug)]
struct Shared {
    version: crossbeam::utils::CachePadded<AtomicU64>,
    words: Box<[AtomicU64]>,
    limits: ViewLimits,
}

impl Shared {
    fn market_at(&self, market: MarketId) -> usize {
        assert!(usize::from(market.0) < self.limits.markets, "market {market:?} is not configured");
        HEADER_WORDS + usize::from(market.0) * MARKET_WORDS
    }

    fn account_at(&self, account: AccountIndex) -> usize {
        assert!(usize::from(account.0) < self.limits.accounts, "account {account:?} is not configured");
        let per_account =
            ACCOUNT_WORDS + self.limits.assets * LINE_WORDS + self.limits.offers_per_account * OFFER_WORDS;
        HEADER_WORDS + self.limits.markets * MARKET_WORDS + usize::from(account.0) * per_account
    }

    fn line_at(&self, account: AccountIndex, asset: AssetIndex) -> usize {
        assert!(usize::from(asset.0) < self.limits.assets, "asset {asset:?} is not configured");
        self.account_at(account) + ACCOUNT_WORDS + usize::from(asset.0) * LINE_WORDS
    }

    fn offer_at(&self, account: AccountIndex, slot: usize) -> usize {
        assert!(slot < self.limits.offers_per_account, "no own-offer slot {slot}");
        self.account_at(account) + ACCOUNT_WORDS + self.limits.assets * LINE_WORDS + slot * OFFER_WORDS
    }

    fn load<T: Pod>(&self, at: usize) -> T {
        let mut value = T::zeroed();
        let words: &mut [u64] = bytemuck::cast_slice_mut(core::slice::from_mut(&mut value));
        for (word, cell) in words.iter_mut().zip(&self.words[at..]) {
            *word = cell.load(Ordering::Relaxed);
        }
        value
    }

    fn store<T: Pod>(&self, at: usize, value: &T) {
        let words: &[u64] = bytemuck::cast_slice(core::slice::from_ref(value));
        for (word, cell) in words.iter().zip(&self.words[at..]) {
            cell.store(*word, Ordering::Relaxed);
        }
    }
}

/// The single writer's end.
#[derive(Debug)]
pub struct ViewsWriter {
    shared: Arc<Shared>,
}

/// A reader's end; clone it for each reader.
#[derive(Clone, Debug)]
pub struct ViewsReader {
    shared: Arc<Shared>,
}

/// Makes the views, all zero (no ledger, not whole).
#[must_use]
pub fn views(limits: ViewLimits) -> (ViewsWriter, ViewsReader) {
    let per_account = ACCOUNT_WORDS + limits.assets * LINE_WORDS + limits.offers_per_account * OFFER_WORDS;
    let words = HEADER_WORDS + limits.markets * MARKET_WORDS + limits.accounts * per_account;
    let shared = Arc::new(Shared {
        version: crossbeam::utils::CachePadded::new(AtomicU64::new(0)),
        words: (0..words).map(|_| AtomicU64::new(0)).collect(),
        limits,
    });
    (ViewsWriter { shared: Arc::clone(&shared) }, ViewsReader { shared })
}

/// An open publication: what is written through it becomes visible together.
#[derive(Debug)]
pub struct Publication<'w> {
    shared: &'w Shared,
}

impl ViewsWriter {
    /// Publishes what `write` writes, all at once.
    pub fn publish<R>(&mut self, write: impl FnOnce(&mut Publication<'_>) -> R) -> R {
        let version = self.shared.version.load(Ordering::Relaxed);
        self.shared.version.store(version + 1, Ordering::Relaxed);
        fence(Ordering::Release);
        let result = write(&mut Publication { shared: &self.shared });
        self.shared.version.store(version + 2, Ordering::Release);
        result
    }

    /// What the views hold room for.
    #[must_use]
    pub fn limits(&self) -> ViewLimits {
        self.shared.limits
    }
}

impl Publication<'_> {
    /// Writes the header.
    pub fn header(&mut self, header: &ViewsHeader) {
        self.shared.store(0, header);
    }

    /// Writes a market.
    pub fn market(&mut self, market: MarketId, view: &MarketView) {
        self.shared.store(self.shared.market_at(market), view);
    }

    /// Writes an account.
    pub fn account(&mut self, account: AccountIndex, view: &AccountView) {
        self.shared.store(self.shared.account_at(account), view);
    }

    /// Writes a trustline.
    pub fn line(&mut self, account: AccountIndex, asset: AssetIndex, view: &LineView) {
        self.shared.store(self.shared.line_at(account, asset), view);
    }

    /// Writes an own offer's slot.
    pub fn own_offer(&mut self, account: AccountIndex, slot: usize, view: &OwnOfferView) {
        self.shared.store(self.shared.offer_at(account, slot), view);
    }
}

/// A read in progress. What it returns may be torn until [`ViewsReader::read`] has returned it.
#[derive(Debug)]
pub struct Reading<'r> {
    shared: &'r Shared,
}

impl Reading<'_> {
    /// What all views are of.
    #[must_use]
    pub fn header(&self) -> ViewsHeader {
        self.shared.load(0)
    }

    /// A market.
    #[must_use]
    pub fn market(&self, market: MarketId) -> MarketView {
        self.shared.load(self.shared.market_at(market))
    }

    /// An account.
    #[must_use]
    pub fn account(&self, account: AccountIndex) -> AccountView {
        self.shared.load(self.shared.account_at(account))
    }

    /// A trustline.
    #[must_use]
    pub fn line(&self, account: AccountIndex, asset: AssetIndex) -> LineView {
        self.shared.load(self.shared.line_at(account, asset))
    }

    /// The account's own offers.
    pub fn own_offers(&self, account: AccountIndex) -> impl Iterator<Item = OwnOfferView> {
        let used = (self.account(account).offers as usize).min(self.shared.limits.offers_per_account);
        (0..used).map(move |slot| self.shared.load(self.shared.offer_at(account, slot)))
    }
}

impl ViewsReader {
    /// Runs `read` on views of one ledger, again if they changed meanwhile. `None` if the writer has died in the midst
    /// of a publication (or publishes without pause, which it does not).
    #[must_use]
    pub fn read<R>(&self, mut read: impl FnMut(&Reading<'_>) -> R) -> Option<R> {
        for _ in 0..READ_ATTEMPTS {
            let before = self.shared.version.load(Ordering::Acquire);
            if before & 1 == 0 {
                let result = read(&Reading { shared: &self.shared });
                fence(Ordering::Acquire);
                if self.shared.version.load(Ordering::Relaxed) == before {
                    return Some(result);
                }
            }
            core::hint::spin_loop();
        }
        None
    }

    /// The version, even between publications: equal versions mean equal views.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.shared.version.load(Ordering::Acquire)
    }

    /// What the views hold room for.
    #[must_use]
    pub fn limits(&self) -> ViewLimits {
        self.shared.limits
    }
}

impl ViewsHeader {
    /// The ledger's number.
    #[must_use]
    pub fn seq(&self) -> LedgerSeq {
        LedgerSeq(self.ledger)
    }
}

impl AccountView {
    /// Sequence number last consumed.
    #[must_use]
    pub fn sequence(&self) -> SequenceNumber {
        SequenceNumber(self.sequence)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering as StdOrdering};

    const LIMITS: ViewLimits = ViewLimits { markets: 2, accounts: 1, assets: 2, offers_per_account: 4 };

    #[test]
    fn a_reader_never_sees_two_ledgers_at_once() {
        let (mut writer, reader) = views(LIMITS);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for ledger in 1..=20_000_u32 {
                    writer.publish(|p| {
                        p.header(&ViewsHeader { ledger, ..Default::default() });
                        p.market(MarketId(0), &MarketView { changed_in: ledger, ..Default::default() });
                        p.market(MarketId(1), &MarketView { changed_in: ledger, ..Default::default() });
                        let sequence = i64::from(ledger);
                        p.account(AccountIndex(0), &AccountView { sequence, ..Default::default() });
                    });
                }
                done.store(true, StdOrdering::Release);
            });
            while !done.load(StdOrdering::Acquire) {
                let Some((header, first, second, account)) = reader
                    .read(|r| (r.header(), r.market(MarketId(0)), r.market(MarketId(1)), r.account(AccountIndex(0))))
                else {
                    continue;
                };
                assert_eq!(header.ledger, first.changed_in);
                assert_eq!(header.ledger, second.changed_in);
                assert_eq!(i64::from(header.ledger), account.sequence);
            }
        });
    }

    #[test]
    fn own_offers_are_as_many_as_the_account_says() {
        let (mut writer, reader) = views(LIMITS);
        let price = Price::new(1, 2).unwrap();
        let ask = OwnOfferView::new(OfferId(7), MarketId(1), Side::Ask, price, Stroops(5));
        let bid = OwnOfferView::new(OfferId(8), MarketId(1), Side::Bid, price, Stroops(6));
        writer.publish(|p| {
            p.account(AccountIndex(0), &AccountView { exists: 1, offers: 2, ..Default::default() });
            p.own_offer(AccountIndex(0), 0, &ask);
            p.own_offer(AccountIndex(0), 1, &bid);
        });
        let offers = reader.read(|r| r.own_offers(AccountIndex(0)).collect::<Vec<_>>()).unwrap();
        assert_eq!(offers, [ask, bid]);
        assert_eq!(offers[0].market_price(), Price::new(1, 2).ok());
        assert_eq!(offers[1].market_price(), Price::new(2, 1).ok());
    }
}
