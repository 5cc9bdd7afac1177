//! Crossing resting offers and trading with pools (`OfferExchange.cpp`): converting sheep that somebody sends into wheat
//! that they receive.

use core::cmp::Ordering;

use stellar_xdr::{
    AccountId, Asset, ClaimAtom, ClaimLiquidityAtom, ClaimOfferAtom, ClaimOfferAtomV0, LedgerEntry,
    LiquidityPoolEntryBody, LiquidityPoolEntryConstantProduct, OfferEntry, PoolId, PublicKey,
};

use crate::stellar::Price;
use crate::stellar::exchange::{
    ExchangeError, ExchangeLimits, ExchangeMode, POOL_FEE_BPS, adjust_offer, exchange, pool_receive, pool_send,
};

use super::assets::pool_id;
use super::holdings::{Sides, exact_price, liabilities_of, release_liabilities};
use super::outcome::{Applied, Stop, ensure, internal};
use super::sponsorship::remove_entry;
use super::store::{Key, Store, offer_in, offer_in_mut};

/// The most offers that one operation may cross (`MAX_OFFERS_TO_CROSS`), from protocol 11.
pub(crate) const MAX_CROSSINGS: usize = 1000;

/// `DISABLE_LIQUIDITY_POOL_TRADING_FLAG` in the header's flags.
const POOL_TRADING_DISABLED: u32 = 1;

/// What is wanted: up to `max_sheep_send` of `sheep` for up to `max_wheat_receive` of `wheat`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conversion<'a> {
    pub(crate) sheep: &'a Asset,
    pub(crate) wheat: &'a Asset,
    pub(crate) max_sheep_send: i64,
    pub(crate) max_wheat_receive: i64,
    pub(crate) mode: ExchangeMode,
    /// Who converts: an offer of theirs is never crossed.
    pub(crate) taker: &'a AccountId,
    /// Where to stop.
    pub(crate) limit: Option<PriceLimit>,
    /// How many more offers this operation may cross.
    pub(crate) max_crossings: usize,
}

/// The worst price a taker accepts, in sheep per wheat.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PriceLimit {
    pub(crate) price: Price,
    /// Whether an equal price is too bad already.
    pub(crate) passive: bool,
}

/// Why converting ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All that was wanted is done.
    #[default]
    Done,
    /// The book has no more.
    Partial,
    /// The next offer is too dear.
    BadPrice,
    /// The next offer is the taker's own.
    OwnOffer,
    /// The limit of crossings is reached.
    TooMany,
}

/// What converting gave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Converted {
    pub(crate) ended: Ended,
    pub(crate) sheep_sent: i64,
    pub(crate) wheat_received: i64,
    pub(crate) trail: Vec<ClaimAtom>,
    /// Crossings that count against the operation's limit (from protocol 27 also those given up for a pool).
    pub(crate) crossings: usize,
}

/// Converts with the book or with the pool, whichever is better for the taker (`convertWithOffersAndPools`).
pub(crate) fn convert(store: &mut Store, wanted: &Conversion<'_>) -> Applied<Converted> {
    let Some(from_pool) = pool_trade(store, wanted) else {
        return convert_with_book(store, wanted);
    };
    store.begin();
    let from_book = match convert_with_book(store, wanted) {
        Ok(from_book) => from_book,
        Err(stop) => {
            store.rollback();
            return Err(stop);
        }
    };
    if from_book.ended == Ended::Done && book_is_better(&from_pool, &from_book) {
        store.commit();
        return Ok(from_book);
    }
    store.rollback();
    let discarded = if store.protocol() >= 27 { from_book.crossings } else { 0 };
    if discarded >= wanted.max_crossings {
        // Nothing would be left for the pool, which counts as one.
        return Ok(Converted { ended: Ended::TooMany, ..Converted::default() });
    }
    Ok(trade_with_pool(store, wanted, from_pool, discarded))
}

/// What a pool would do.
#[derive(Clone, Copy, Debug)]
struct PoolTrade {
    sheep_sent: i64,
    wheat_received: i64,
}

/// The book wins only with a strictly better price.
fn book_is_better(pool: &PoolTrade, book: &Converted) -> bool {
    let product = |a: i64, b: i64| i128::from(a) * i128::from(b);
    product(pool.sheep_sent, book.wheat_received) > product(pool.wheat_received, book.sheep_sent)
}

/// What the pool of the two assets would do; `None` if there is none, or it cannot do all that is wanted.
fn pool_trade(store: &Store, wanted: &Conversion<'_>) -> Option<PoolTrade> {
    let forbidden = store.protocol() < 18
        || super::upgrades::header_flags(&store.header) & POOL_TRADING_DISABLED != 0
        || wanted.mode == ExchangeMode::Normal
        || wanted.max_crossings == 0;
    if forbidden {
        return None;
    }
    let pool = constant_product(&store.pool(&pool_id(wanted.sheep, wanted.wheat))?.body);
    if pool.reserve_a <= 0 || pool.reserve_b <= 0 {
        return None;
    }
    let (reserve_in, reserve_out) = if pool.params.asset_a == *wanted.sheep {
        (pool.reserve_a, pool.reserve_b)
    } else {
        (pool.reserve_b, pool.reserve_a)
    };
    Some(match wanted.mode {
        ExchangeMode::StrictSend => PoolTrade {
            sheep_sent: wanted.max_sheep_send,
            wheat_received: pool_send(reserve_in, reserve_out, wanted.max_sheep_send, POOL_FEE_BPS)?,
        },
        _ => PoolTrade {
            sheep_sent: pool_receive(reserve_in, reserve_out, wanted.max_wheat_receive, POOL_FEE_BPS)?,
            wheat_received: wanted.max_wheat_receive,
        },
    })
}

fn trade_with_pool(store: &mut Store, wanted: &Conversion<'_>, trade: PoolTrade, discarded: usize) -> Converted {
    let id = pool_id(wanted.sheep, wanted.wheat);
    let Some(entry) = store.pool_mut(&id) else { unreachable!("the pool was just asked") };
    let pool = constant_product_mut(&mut entry.body);
    if pool.params.asset_a == *wanted.sheep {
        pool.reserve_a += trade.sheep_sent;
        pool.reserve_b -= trade.wheat_received;
    } else {
        pool.reserve_a -= trade.wheat_received;
        pool.reserve_b += trade.sheep_sent;
    }
    Converted {
        ended: Ended::Done,
        sheep_sent: trade.sheep_sent,
        wheat_received: trade.wheat_received,
        trail: vec![pool_atom(id, wanted, trade)],
        crossings: 1 + discarded,
    }
}

fn pool_atom(id: PoolId, wanted: &Conversion<'_>, trade: PoolTrade) -> ClaimAtom {
    ClaimAtom::LiquidityPool(ClaimLiquidityAtom {
        liquidity_pool_id: id,
        asset_sold: wanted.wheat.clone(),
        amount_sold: trade.wheat_received,
        asset_bought: wanted.sheep.clone(),
        amount_bought: trade.sheep_sent,
    })
}

/// `convertWithOffers`.
fn convert_with_book(store: &mut Store, wanted: &Conversion<'_>) -> Applied<Converted> {
    let mut done = Converted::default();
    let (mut sheep_left, mut wheat_left) = (wanted.max_sheep_send, wanted.max_wheat_receive);
    if sheep_left == 0 || wheat_left == 0 {
        return Ok(done);
    }
    if wanted.max_crossings == 0 && store.protocol() >= 18 {
        done.ended = Ended::TooMany;
        return Ok(done);
    }
    loop {
        let Some(entry) = store.offers().best(wanted.wheat, wanted.sheep) else {
            done.ended = Ended::Partial;
            return Ok(done);
        };
        let offer = offer_in(&entry);
        if let Some(ended) = filter(wanted, offer) {
            done.ended = ended;
            return Ok(done);
        }
        if done.crossings >= wanted.max_crossings {
            done.ended = Ended::TooMany;
            return Ok(done);
        }
        let crossed = cross(store, &entry, sheep_left, wheat_left, wanted.mode)?;
        if done.trail.is_empty() {
            // Most cross one; a list that grows by itself begins with four.
            done.trail.reserve_exact(1);
        }
        done.trail.push(offer_atom(store.protocol(), offer, &crossed));
        done.crossings += 1;
        done.sheep_sent += crossed.sheep_sent;
        sheep_left -= crossed.sheep_sent;
        done.wheat_received += crossed.wheat_received;
        wheat_left -= crossed.wheat_received;
        if crossed.wheat_stays || sheep_left == 0 || wheat_left == 0 {
            return Ok(done);
        }
    }
}

/// Whether a taker stops before an offer: at a worse price first, then at an own offer.
fn filter(wanted: &Conversion<'_>, offer: &OfferEntry) -> Option<Ended> {
    if let Some(limit) = wanted.limit {
        let too_dear = match exact_price(&offer.price).cmp_exact(limit.price) {
            Ordering::Greater => true,
            Ordering::Equal => limit.passive,
            Ordering::Less => false,
        };
        if too_dear {
            return Some(Ended::BadPrice);
        }
    }
    (offer.seller_id == *wanted.taker).then_some(Ended::OwnOffer)
}

/// One crossing.
#[derive(Clone, Copy, Debug)]
struct Crossed {
    sheep_sent: i64,
    wheat_received: i64,
    wheat_stays: bool,
}

/// Crosses one resting offer and settles its owner's side (`crossOfferV10`).
fn cross(
    store: &mut Store,
    entry: &LedgerEntry,
    max_sheep_send: i64,
    max_wheat_receive: i64,
    mode: ExchangeMode,
) -> Applied<Crossed> {
    let offer = offer_in(entry);
    let sides = Sides::of(store, offer);
    sides.release(store, liabilities_of(offer))?;
    let Sides { selling: wheat, buying: sheep } = sides;
    let price = exact_price(&offer.price);
    let sheep_receive = sheep.can_buy(store)?;
    let adjusted = adjust_offer(price, offer.amount.min(wheat.can_sell(store)?), sheep_receive);
    let limits = ExchangeLimits {
        wheat_send: adjusted,
        wheat_receive: max_wheat_receive,
        sheep_send: max_sheep_send,
        sheep_receive,
    };
    let exchanged = exchange(price, limits, mode).map_err(|error| {
        Stop::Internal(match error {
            ExchangeError::NothingSent => "invalid amount of sheep sent",
            ExchangeError::PriceErrorBound => "exceeded price error bound",
        })
    })?;
    if exchanged.sheep_sent != 0 {
        ensure(sheep.add_balance(store, exchanged.sheep_sent)?, "overflowed sheep balance")?;
    }
    if exchanged.wheat_received != 0 {
        ensure(wheat.add_balance(store, -exchanged.wheat_received)?, "overflowed wheat balance")?;
    }
    let left = if exchanged.wheat_stays {
        let rest = adjusted - exchanged.wheat_received;
        adjust_offer(price, rest.min(wheat.can_sell(store)?), sheep.can_buy(store)?)
    } else {
        0
    };
    settle(store, entry, sides, left)?;
    Ok(Crossed {
        sheep_sent: exchanged.sheep_sent,
        wheat_received: exchanged.wheat_received,
        wheat_stays: exchanged.wheat_stays,
    })
}

/// Keeps what is left of a crossed offer in the book, or removes it.
fn settle(store: &mut Store, entry: &LedgerEntry, sides: Sides, left: i64) -> Applied<()> {
    if left > 0 {
        let mut entry = entry.clone();
        offer_in_mut(&mut entry).amount = left;
        let promised = liabilities_of(offer_in(&entry));
        store.put(entry);
        return sides.acquire(store, promised);
    }
    let offer = offer_in(entry);
    remove_entry(store, entry, &offer.seller_id)?;
    store.erase(&Key::Offer(offer.offer_id));
    Ok(())
}

fn offer_atom(protocol: u32, offer: &OfferEntry, crossed: &Crossed) -> ClaimAtom {
    if protocol < 18 {
        let PublicKey::PublicKeyTypeEd25519(seller) = offer.seller_id.0.clone();
        return ClaimAtom::V0(ClaimOfferAtomV0 {
            seller_ed25519: seller,
            offer_id: offer.offer_id,
            asset_sold: offer.selling.clone(),
            amount_sold: crossed.wheat_received,
            asset_bought: offer.buying.clone(),
            amount_bought: crossed.sheep_sent,
        });
    }
    ClaimAtom::OrderBook(ClaimOfferAtom {
        seller_id: offer.seller_id.clone(),
        offer_id: offer.offer_id,
        asset_sold: offer.selling.clone(),
        amount_sold: crossed.wheat_received,
        asset_bought: offer.buying.clone(),
        amount_bought: crossed.sheep_sent,
    })
}

/// Removes every offer of an account that sells or buys an asset, as when its authorisation is revoked
/// (`removeOffersByAccountAndAsset`).
pub(crate) fn remove_offers(store: &mut Store, account: &AccountId, asset: &Asset) -> Applied<()> {
    for id in store.offers().ids_of(account).to_vec() {
        let Some(entry) = store.entry(&Key::Offer(id)) else { return internal("an offer without an entry") };
        let offer = offer_in(&entry);
        if offer.selling != *asset && offer.buying != *asset {
            continue;
        }
        release_liabilities(store, offer)?;
        remove_entry(store, &entry, account)?;
        store.erase(&Key::Offer(id));
    }
    Ok(())
}

/// The only kind of pool there is.
pub(crate) fn constant_product(body: &LiquidityPoolEntryBody) -> &LiquidityPoolEntryConstantProduct {
    let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(pool) = body;
    pool
}

/// The only kind of pool there is, to be written to.
pub(crate) fn constant_product_mut(body: &mut LiquidityPoolEntryBody) -> &mut LiquidityPoolEntryConstantProduct {
    let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(pool) = body;
    pool
}
