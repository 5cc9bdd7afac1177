//! All markets and all their offers.

use super::levels::Share;
use super::market::{MarketBook, MarketState, Pools};
use super::offers::{Offer, OfferTable, Slot};
use crate::events::{OfferChange, PoolChange, Trade};
use crate::stellar::{LedgerSeq, MarketId, OfferId};

/// How much a book holds. Memory for it is taken at the start, and touched when it is first used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BookLimits {
    /// Offers of others on all configured markets together, about 350 bytes each at the most. Beyond: [`Bound::Offers`].
    pub offers: usize,
    /// Price levels a side of a market. Beyond: [`Bound::Levels`]. (They take room from what all markets share.)
    pub levels_per_side: usize,
    /// Offers that an account of ours may have on configured markets; the ledger allows 1,000 subentries. They have
    /// room of their own, whatever others do. Beyond: [`Bound::OwnOffers`].
    pub own_offers: usize,
}

impl Default for BookLimits {
    /// Room for the whole public network's offers on a few markets.
    fn default() -> Self {
        Self { offers: 262_144, levels_per_side: 8_192, own_offers: 1_000 }
    }
}

/// Which limit an offer did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// [`BookLimits::offers`].
    Offers,
    /// [`BookLimits::levels_per_side`].
    Levels,
    /// [`BookLimits::own_offers`].
    OwnOffers,
}

/// How often each limit turned an offer away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusals {
    /// By [`Bound::Offers`].
    pub offers: u64,
    /// By [`Bound::Levels`].
    pub levels: u64,
    /// By [`Bound::OwnOffers`].
    pub own_offers: u64,
}

/// Every configured market's book.
///
/// An offer that does not fit a limit is not recorded (nor is its former state kept, if it had one); it is counted in
/// [`refusals`](Self::refusals), and its market is not [whole](MarketBook::is_whole) from then on.
#[derive(Debug)]
pub struct Books {
    limits: BookLimits,
    markets: Box<[MarketState]>,
    pools: Pools,
    offers: OfferTable,
    foreign_offers: usize,
    own_offers: Box<[usize]>,
    ledger: LedgerSeq,
    changed: Vec<MarketId>,
    refusals: Refusals,
}

impl Books {
    /// Empty books of so many markets, for so many accounts of ours.
    #[must_use]
    pub fn new(markets: usize, accounts: usize, limits: BookLimits) -> Self {
        let offers = limits.offers + accounts * limits.own_offers;
        Self {
            limits,
            markets: (0..markets).map(|_| MarketState::new(limits.levels_per_side)).collect(),
            pools: Pools::new(offers, 2 * markets),
            offers: OfferTable::new(offers),
            foreign_offers: 0,
            own_offers: vec![0; accounts].into_boxed_slice(),
            ledger: LedgerSeq(0),
            changed: Vec::with_capacity(markets),
            refusals: Refusals::default(),
        }
    }

    /// What comes now is of this ledger.
    pub fn begin(&mut self, ledger: LedgerSeq) {
        self.ledger = ledger;
    }

    /// Forgets which markets have [changed](Self::changed): they are published.
    pub fn clear_changed(&mut self) {
        for id in self.changed.drain(..) {
            self.markets[usize::from(id.0)].changed = false;
        }
    }

    /// An offer was created or changed.
    ///
    /// # Errors
    /// If a limit leaves no room for it; see [`Books`].
    pub fn offer(&mut self, change: &OfferChange) -> Result<(), Bound> {
        let OfferChange { id, place, price, amount, owner } = *change;
        let offer = Offer { id, amount, price, place, owner };
        self.touch(place.market);
        match self.offers.find(id) {
            Slot::Taken(at, old) => {
                debug_assert_eq!(old.owner, owner, "offer {id:?} changed hands, which the protocol does not allow");
                self.change(at, &old, offer)
            }
            Slot::Free(at) => self.insert(at, offer),
        }
        .inspect_err(|bound| self.refuse(place.market, *bound))
    }

    fn change(&mut self, at: usize, old: &Offer, new: Offer) -> Result<(), Bound> {
        if (old.place, old.price) == (new.place, new.price) {
            let more = i128::from(new.amount.0) - i128::from(old.amount.0);
            let levels = &mut self.markets[usize::from(new.place.market.0)].side_mut(new.place.side).levels;
            let more = Share { amount: more, own: new.owner.is_some() };
            levels.adjust(&mut self.pools.levels, new.price, more);
            self.offers.replace(at, new);
            return Ok(());
        }
        self.touch(old.place.market);
        self.leave_level(old);
        let joined = self.join_level(&new);
        match joined {
            Ok(()) => self.offers.replace(at, new),
            Err(_) => self.forget(at, old),
        }
        joined
    }

    fn insert(&mut self, at: usize, offer: Offer) -> Result<(), Bound> {
        match offer.owner {
            Some(account) if self.own_offers[usize::from(account.0)] == self.limits.own_offers => {
                return Err(Bound::OwnOffers);
            }
            None if self.foreign_offers == self.limits.offers => return Err(Bound::Offers),
            _ => {}
        }
        self.join_level(&offer)?;
        *self.count_of(&offer) += 1;
        self.offers.insert(at, offer);
        Ok(())
    }

    /// An offer is gone. Returns it, if it was known.
    pub fn offer_gone(&mut self, id: OfferId) -> Option<Offer> {
        let Slot::Taken(at, offer) = self.offers.find(id) else { return None };
        self.touch(offer.place.market);
        self.leave_level(&offer);
        self.forget(at, &offer);
        Some(offer)
    }

    /// A pool was created or changed.
    pub fn pool(&mut self, change: &PoolChange) {
        self.touch(change.market);
        self.market_mut(change.market).pool = Some(*change);
    }

    /// A pool is gone.
    pub fn pool_gone(&mut self, market: MarketId) {
        self.touch(market);
        self.market_mut(market).pool = None;
    }

    /// Two parties traded.
    pub fn trade(&mut self, trade: &Trade) {
        self.touch(trade.market);
        let ledger = self.ledger;
        self.market_mut(trade.market).trade(trade, ledger);
    }

    /// The markets that have changed since [`clear_changed`](Self::clear_changed), in the order in which it came to them.
    #[must_use]
    pub fn changed(&self) -> &[MarketId] {
        &self.changed
    }

    /// A market.
    ///
    /// # Panics
    /// If it is not configured.
    #[must_use]
    pub fn market(&self, id: MarketId) -> MarketBook<'_> {
        self.look(&self.markets[usize::from(id.0)])
    }

    /// All markets, in the order of their ids.
    pub fn markets(&self) -> impl Iterator<Item = MarketBook<'_>> {
        self.markets.iter().map(|state| self.look(state))
    }

    fn look<'b>(&'b self, state: &'b MarketState) -> MarketBook<'b> {
        MarketBook { state, pools: &self.pools, table: &self.offers }
    }

    /// An offer, if it is known.
    #[must_use]
    pub fn find(&self, id: OfferId) -> Option<Offer> {
        self.offers.get(id)
    }

    /// How many offers are known, ours included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offers.len()
    }

    /// Whether no offer is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every market is [whole](MarketBook::is_whole).
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.markets.iter().all(|market| market.whole)
    }

    /// No market is whole any more.
    pub(super) fn lose_all(&mut self) {
        for market in &mut self.markets {
            (market.whole, market.suspect, market.told_whole) = (false, false, false);
        }
    }

    /// Says whether a market is whole, and that it is to be published.
    pub(super) fn set_whole(&mut self, id: MarketId, whole: bool) {
        self.touch(id);
        self.market_mut(id).whole = whole;
    }

    /// What is to be told about whether a market is whole, once.
    pub(super) fn news_of_whole(&mut self, id: MarketId) -> Option<bool> {
        let market = self.market_mut(id);
        let whole = market.whole;
        (core::mem::replace(&mut market.told_whole, whole) != whole).then_some(whole)
    }

    /// What was turned away.
    #[must_use]
    pub fn refusals(&self) -> Refusals {
        self.refusals
    }

    pub(super) fn market_mut(&mut self, id: MarketId) -> &mut MarketState {
        &mut self.markets[usize::from(id.0)]
    }

    fn touch(&mut self, id: MarketId) {
        let market = &mut self.markets[usize::from(id.0)];
        market.changed_in = self.ledger;
        if !core::mem::replace(&mut market.changed, true) {
            self.changed.push(id);
        }
    }

    fn join_level(&mut self, offer: &Offer) -> Result<(), Bound> {
        let side = self.markets[usize::from(offer.place.market.0)].side_mut(offer.place.side);
        side.add(&mut self.pools, offer).map_err(|_| Bound::Levels)
    }

    fn leave_level(&mut self, offer: &Offer) {
        let side = self.markets[usize::from(offer.place.market.0)].side_mut(offer.place.side);
        side.remove(&mut self.pools, offer);
    }

    fn forget(&mut self, at: usize, offer: &Offer) {
        self.offers.remove(at);
        *self.count_of(offer) -= 1;
    }

    fn count_of(&mut self, offer: &Offer) -> &mut usize {
        match offer.owner {
            Some(account) => &mut self.own_offers[usize::from(account.0)],
            None => &mut self.foreign_offers,
        }
    }

    fn refuse(&mut self, market: MarketId, bound: Bound) {
        match bound {
            Bound::Offers => self.refusals.offers += 1,
            Bound::Levels => self.refusals.levels += 1,
            Bound::OwnOffers => self.refusals.own_offers += 1,
        }
        self.market_mut(market).whole = false;
    }
}
