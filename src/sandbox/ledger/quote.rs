//! What a path payment would cost or deliver, found out beside a ledger that stays as it is.
//!
//! A quote repeats what [`super::crossing`] does (the same order, roundings, limits and choice between book and pool), but
//! notes what it changes in a scratch of its own. So it can follow a whole path, where a later hop may meet the same
//! owners, books and pools as an earlier one, and costs nothing but the offers that it crosses: at most 1000, as in the
//! payment itself, whose own limit that is.

use rustc_hash::FxHashMap;
use stellar_xdr::{AccountId, Asset, OfferEntry, PoolId};

use crate::stellar::exchange::{
    Exchange, ExchangeLimits, ExchangeMode, POOL_FEE_BPS, adjust_offer, exchange, offer_liabilities, pool_receive,
    pool_send,
};

use super::Ledger;
use super::assets::{is_issuer, pool_id};
use super::crossing::{MAX_CROSSINGS, constant_product};
use super::entries::{account_available, account_room, line_available, line_room, may_maintain};
use super::holdings::exact_price;
use super::store::{Key, Store};
use super::upgrades::header_flags;

/// `DISABLE_LIQUIDITY_POOL_TRADING_FLAG` in the header's flags.
const POOL_TRADING_DISABLED: u32 = 1;

impl Ledger {
    /// What a PathPaymentStrictSend of `amount` from `from` straight to `to` would deliver now; `None` if there is no such
    /// payment. See [`Self::quote_path_send`].
    #[must_use]
    pub fn quote_send(&self, from: &Asset, to: &Asset, amount: i64) -> Option<i64> {
        self.quote_path_send(&[from.clone(), to.clone()], amount, None)
    }

    /// What a PathPaymentStrictReceive of `amount` of `to` straight from `from` would cost now; `None` if there is no such
    /// payment. See [`Self::quote_path_receive`].
    #[must_use]
    pub fn quote_receive(&self, from: &Asset, to: &Asset, amount: i64) -> Option<i64> {
        self.quote_path_receive(&[from.clone(), to.clone()], amount, None)
    }

    /// What a PathPaymentStrictSend of `amount` stroops along `path`, both ends included, would deliver on the current
    /// state, in stroops of the last asset; `None` if the path lacks offers, meets an offer of `taker`, crosses more than
    /// 1000 offers, or delivers nothing.
    ///
    /// Only the way is judged: whether `taker` has the amount, and the destination has room for what arrives, is not. The
    /// destination must own none of the offers on the way, since what arrives may narrow them.
    #[must_use]
    pub fn quote_path_send(&self, path: &[Asset], amount: i64, taker: Option<&AccountId>) -> Option<i64> {
        self.quote(ExchangeMode::StrictSend, path.iter(), amount, taker).amount
    }

    /// What a PathPaymentStrictReceive of `amount` stroops of the last asset of `path`, both ends included, would cost on
    /// the current state, in stroops of the first. `None` and what is not judged are as in [`Self::quote_path_send`].
    #[must_use]
    pub fn quote_path_receive(&self, path: &[Asset], amount: i64, taker: Option<&AccountId>) -> Option<i64> {
        self.quote(ExchangeMode::StrictReceive, path.iter(), amount, taker).amount
    }

    /// Either of the two, and what it took to find out.
    pub(crate) fn quote<'a>(
        &self,
        mode: ExchangeMode,
        path: impl DoubleEndedIterator<Item = &'a Asset>,
        amount: i64,
        taker: Option<&AccountId>,
    ) -> Quoted {
        let mut quote = Quote { store: &self.store, mode, taker, counted: 0, crossed: 0, scratch: Scratch::default() };
        let amount = match mode {
            ExchangeMode::StrictSend => {
                quote.follow(path, amount, |quote, at, next, amount| quote.hop(at, next, amount))
            }
            _ => quote.follow(path.rev(), amount, |quote, at, next, amount| quote.hop(next, at, amount)),
        };
        Quoted { amount, crossed: quote.crossed }
    }
}

/// A quote, and how many offers were crossed to make it, those of books that lost to a pool included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quoted {
    pub(crate) amount: Option<i64>,
    pub(crate) crossed: usize,
}

/// A path that is being followed.
struct Quote<'l> {
    store: &'l Store,
    mode: ExchangeMode,
    taker: Option<&'l AccountId>,
    /// Crossings that count against the operation's limit.
    counted: usize,
    /// Crossings that were looked at.
    crossed: usize,
    scratch: Scratch,
}

/// What the quote has changed so far.
#[derive(Clone, Debug, Default)]
struct Scratch {
    positions: FxHashMap<Key, Position>,
    /// What is left of crossed offers, by id; nothing of those that are gone.
    offers: FxHashMap<i64, i64>,
    pools: FxHashMap<PoolId, Reserves>,
}

/// What an account can give and take of an asset beside reserve, limit and liabilities.
#[derive(Clone, Copy, Debug)]
struct Position {
    available: i64,
    room: i64,
}

/// A pool's reserves, in the order of its assets.
#[derive(Clone, Copy, Debug)]
struct Reserves {
    a: i64,
    b: i64,
}

/// What is wanted of one hop.
#[derive(Clone, Copy, Debug)]
struct Wanted<'a> {
    sheep: &'a Asset,
    wheat: &'a Asset,
    max_sheep_send: i64,
    max_wheat_receive: i64,
}

/// What a hop would do.
#[derive(Clone, Copy, Debug)]
struct Trade {
    sheep_sent: i64,
    wheat_received: i64,
}

/// What the book would do.
#[derive(Clone, Copy, Debug)]
struct FromBook {
    trade: Trade,
    crossings: usize,
    /// Whether nothing stopped it early.
    done: bool,
}

impl Quote<'_> {
    /// Hops from asset to asset; equal neighbours are no hop.
    fn follow<'a>(
        &mut self,
        mut path: impl Iterator<Item = &'a Asset>,
        amount: i64,
        hop: impl Fn(&mut Self, &Asset, &Asset, i64) -> Option<i64>,
    ) -> Option<i64> {
        let (mut at, mut amount) = (path.next()?, amount);
        for next in path {
            if amount <= 0 {
                return None;
            }
            if next != at {
                amount = hop(self, at, next, amount)?;
            }
            at = next;
        }
        (amount > 0).then_some(amount)
    }

    /// Converts `amount` in full: of sheep that are sent, or of wheat that is received. Gives the other side's.
    fn hop(&mut self, sheep: &Asset, wheat: &Asset, amount: i64) -> Option<i64> {
        let strict_send = self.mode == ExchangeMode::StrictSend;
        let (max_sheep_send, max_wheat_receive) = if strict_send { (amount, i64::MAX) } else { (i64::MAX, amount) };
        let trade = self.convert(Wanted { sheep, wheat, max_sheep_send, max_wheat_receive })?;
        let (exact, other) = if strict_send {
            (trade.sheep_sent, trade.wheat_received)
        } else {
            (trade.wheat_received, trade.sheep_sent)
        };
        (exact == amount).then_some(other)
    }

    /// The book or the pool, whichever is better for the taker.
    fn convert(&mut self, wanted: Wanted<'_>) -> Option<Trade> {
        let Some(from_pool) = self.pool_trade(wanted) else {
            let from_book = self.convert_with_book(wanted)?;
            self.counted += from_book.crossings;
            return from_book.done.then_some(from_book.trade);
        };
        let before = self.scratch.clone();
        let from_book = self.convert_with_book(wanted)?;
        if from_book.done && is_better(from_book.trade, from_pool) {
            self.counted += from_book.crossings;
            return Some(from_book.trade);
        }
        self.scratch = before;
        let discarded = if self.store.protocol() >= 27 { from_book.crossings } else { 0 };
        if discarded >= self.crossings_left() {
            // Nothing would be left for the pool, which counts as one.
            return None;
        }
        self.counted += 1 + discarded;
        self.trade_with_pool(wanted, from_pool);
        Some(from_pool)
    }

    fn crossings_left(&self) -> usize {
        MAX_CROSSINGS.saturating_sub(self.counted)
    }

    // The pool.

    fn reserves(&self, id: &PoolId) -> Option<Reserves> {
        self.scratch.pools.get(id).copied().or_else(|| {
            let pool = constant_product(&self.store.pool(id)?.body);
            Some(Reserves { a: pool.reserve_a, b: pool.reserve_b })
        })
    }

    /// What the pool of the two assets would do; `None` if there is none, or it cannot do all that is wanted.
    fn pool_trade(&self, wanted: Wanted<'_>) -> Option<Trade> {
        let forbidden = self.store.protocol() < 18
            || header_flags(&self.store.header) & POOL_TRADING_DISABLED != 0
            || self.crossings_left() == 0;
        if forbidden {
            return None;
        }
        let reserves = self.reserves(&pool_id(wanted.sheep, wanted.wheat))?;
        if reserves.a <= 0 || reserves.b <= 0 {
            return None;
        }
        let (x, y) = if wanted.sheep < wanted.wheat { (reserves.a, reserves.b) } else { (reserves.b, reserves.a) };
        let (sent, received) = (wanted.max_sheep_send, wanted.max_wheat_receive);
        Some(match self.mode {
            ExchangeMode::StrictSend => {
                Trade { sheep_sent: sent, wheat_received: pool_send(x, y, sent, POOL_FEE_BPS)? }
            }
            _ => Trade { sheep_sent: pool_receive(x, y, received, POOL_FEE_BPS)?, wheat_received: received },
        })
    }

    fn trade_with_pool(&mut self, wanted: Wanted<'_>, trade: Trade) {
        let id = pool_id(wanted.sheep, wanted.wheat);
        let Some(Reserves { a, b }) = self.reserves(&id) else { unreachable!("the pool was just asked") };
        let after = if wanted.sheep < wanted.wheat {
            Reserves { a: a + trade.sheep_sent, b: b - trade.wheat_received }
        } else {
            Reserves { a: a - trade.wheat_received, b: b + trade.sheep_sent }
        };
        self.scratch.pools.insert(id, after);
    }

    // The book.

    /// `None` where the payment would end with an internal error.
    fn convert_with_book(&mut self, wanted: Wanted<'_>) -> Option<FromBook> {
        let (mut sheep_left, mut wheat_left) = (wanted.max_sheep_send, wanted.max_wheat_receive);
        let mut crossings = 0;
        let mut done = false;
        let max_crossings = self.crossings_left();
        for mut offer in self.store.offers().in_book_order(wanted.wheat, wanted.sheep) {
            offer.amount = self.scratch.offers.get(&offer.offer_id).copied().unwrap_or(offer.amount);
            if offer.amount == 0 {
                continue;
            }
            if self.taker == Some(&offer.seller_id) || crossings >= max_crossings {
                break;
            }
            let crossed = self.cross(&offer, sheep_left, wheat_left)?;
            crossings += 1;
            self.crossed += 1;
            sheep_left -= crossed.sheep_sent;
            wheat_left -= crossed.wheat_received;
            if crossed.wheat_stays || sheep_left == 0 || wheat_left == 0 {
                done = true;
                break;
            }
        }
        let trade = Trade {
            sheep_sent: wanted.max_sheep_send - sheep_left,
            wheat_received: wanted.max_wheat_receive - wheat_left,
        };
        Some(FromBook { trade, crossings, done })
    }

    /// Crosses one offer and settles its owner's side. Of an offer that is gone, the reserve comes back; nothing that the
    /// owner's other offers sell waits for it, since all of that is reserved already.
    fn cross(&mut self, offer: &OfferEntry, sheep_send: i64, wheat_receive: i64) -> Option<Exchange> {
        let price = exact_price(&offer.price);
        let (wheat, sheep) = (holding(&offer.seller_id, &offer.selling), holding(&offer.seller_id, &offer.buying));
        let promised = offer_liabilities(price, offer.amount);
        self.shift(sheep.as_ref(), 0, promised.buying)?;
        self.shift(wheat.as_ref(), promised.selling, 0)?;

        let sheep_receive = self.position(sheep.as_ref())?.room.max(0);
        let wheat_send = adjust_offer(price, offer.amount.min(self.can_sell(wheat.as_ref())?), sheep_receive);
        let limits = ExchangeLimits { wheat_send, wheat_receive, sheep_send, sheep_receive };
        let crossed = exchange(price, limits, self.mode).ok()?;
        self.shift(sheep.as_ref(), crossed.sheep_sent, -crossed.sheep_sent)?;
        self.shift(wheat.as_ref(), -crossed.wheat_received, crossed.wheat_received)?;

        let left = if crossed.wheat_stays {
            let rest = (wheat_send - crossed.wheat_received).min(self.can_sell(wheat.as_ref())?);
            adjust_offer(price, rest, self.position(sheep.as_ref())?.room.max(0))
        } else {
            0
        };
        self.scratch.offers.insert(offer.offer_id, left);
        if left > 0 {
            let promised = offer_liabilities(price, left);
            self.shift(sheep.as_ref(), 0, -promised.buying)?;
            self.shift(wheat.as_ref(), -promised.selling, 0)?;
        }
        Some(crossed)
    }

    // Positions. Issuers have no key, and no end.

    fn position(&self, key: Option<&Key>) -> Option<Position> {
        let Some(key) = key else { return Some(Position { available: i64::MAX, room: i64::MAX }) };
        if let Some(position) = self.scratch.positions.get(key) {
            return Some(*position);
        }
        if let Key::Account(id) = key {
            let account = self.store.account(id)?;
            let available = account_available(&self.store.header, account);
            return Some(Position { available, room: account_room(account) });
        }
        let line = self.store.line(key).filter(|line| may_maintain(line))?;
        Some(Position { available: line_available(line), room: line_room(line) })
    }

    fn can_sell(&self, key: Option<&Key>) -> Option<i64> {
        Some(self.position(key)?.available.max(0))
    }

    /// Changes a position; `None` if there is none, or it cannot give that much.
    fn shift(&mut self, key: Option<&Key>, available: i64, room: i64) -> Option<()> {
        let Some(key) = key else { return Some(()) };
        let before = self.position(Some(key))?;
        let after =
            Position { available: before.available.checked_add(available)?, room: before.room.checked_add(room)? };
        let overdrawn = (available < 0 && after.available < 0) || (room < 0 && after.room < 0);
        self.scratch.positions.insert(key.clone(), after);
        (!overdrawn).then_some(())
    }
}

/// Where an account keeps an asset; nowhere if it issues it.
fn holding(account: &AccountId, asset: &Asset) -> Option<Key> {
    match asset {
        Asset::Native => Some(Key::Account(account.clone())),
        _ if is_issuer(account, asset) => None,
        _ => Some(Key::line(account, asset)),
    }
}

/// The book wins only with a strictly better price.
fn is_better(book: Trade, pool: Trade) -> bool {
    let product = |a: i64, b: i64| i128::from(a) * i128::from(b);
    product(pool.sheep_sent, book.wheat_received) > product(pool.wheat_received, book.sheep_sent)
}
