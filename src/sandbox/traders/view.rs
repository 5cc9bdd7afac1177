//! What a trader sees: the book as of the last ledger, its own offers, the reference.

use super::super::actor::{self, asset_to_xdr};
use super::super::ledger::Ledger;
use super::super::reference::Reference;
use super::super::setup::TRADER_CREDIT;
use crate::stellar::{AccountId, Asset, Market, Price, STROOPS_PER_UNIT, Side, Stroops};
use stellar_xdr::{OfferEntry, OperationBody};

/// The price of an offer that is taken back: the protocol wants one, and does not look at it.
const ANY_PRICE: Price = match Price::new(1, 1) {
    Ok(price) => price,
    Err(_) => unreachable!(),
};

/// The world as a trader sees it.
#[derive(Clone, Copy)]
pub(crate) struct View<'w> {
    pub(crate) ledger: &'w Ledger,
    pub(crate) markets: &'w [Market],
    pub(crate) reference: &'w Reference,
}

/// An offer of one's own, as its market sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnOffer {
    pub(crate) id: i64,
    pub(crate) side: Side,
    /// Units of quote for one base.
    pub(crate) price: f64,
    /// What it would exchange, in units of base.
    pub(crate) base_units: f64,
}

impl View<'_> {
    /// The reference price of a market.
    pub(crate) fn mid(&self, market: usize) -> f64 {
        self.reference.mid(market)
    }

    /// What a unit of a market's base is worth in lumens.
    pub(crate) fn base_in_xlm(&self, market: usize) -> f64 {
        if self.markets[market].base == Asset::Native { 1.0 } else { self.mid(market) }
    }

    /// An account's offers on a market.
    pub(crate) fn own_offers(&self, account: AccountId, market: usize) -> Vec<OwnOffer> {
        let Market { base, quote } = &self.markets[market];
        let (base, quote) = (asset_to_xdr(base), asset_to_xdr(quote));
        let offers = self.ledger.offers_of(&actor::account_to_xdr(account));
        offers.into_iter().filter_map(|offer| own_offer(&offer, &base, &quote)).collect()
    }

    /// The best price of a side, if there is an offer.
    pub(crate) fn best(&self, market: usize, side: Side) -> Option<f64> {
        let Market { base, quote } = &self.markets[market];
        let (base, quote) = (asset_to_xdr(base), asset_to_xdr(quote));
        let (selling, buying) = match side {
            Side::Ask => (&base, &quote),
            Side::Bid => (&quote, &base),
        };
        let best = self.ledger.offers(selling, buying).next()?;
        own_offer(&best, &base, &quote).map(|offer| offer.price)
    }

    /// How much of the credit of a market whose base is XLM a trader has given away since the founding, in units: what it
    /// has bought the base with. Zero on markets whose base is the credit, where nobody leans.
    pub(crate) fn credit_sold(&self, account: AccountId, market: usize) -> f64 {
        let Market { base, quote } = &self.markets[market];
        if *base != Asset::Native {
            return 0.0;
        }
        let line = self.ledger.trustline(&actor::account_to_xdr(account), &actor::line_to_xdr(quote));
        line.map_or(0.0, |line| units(TRADER_CREDIT.0 - line.balance))
    }

    /// What a market's liquidity pool holds: units of base, and of quote.
    pub(crate) fn pool(&self, market: usize) -> Option<(f64, f64)> {
        let Market { base, quote } = &self.markets[market];
        let (base, quote) = (asset_to_xdr(base), asset_to_xdr(quote));
        let stellar_xdr::LiquidityPoolEntryBody::LiquidityPoolConstantProduct(pool) =
            &self.ledger.pool_of(&base, &quote)?.body;
        let (a, b) = (units(pool.reserve_a), units(pool.reserve_b));
        Some(if pool.params.asset_a == base { (a, b) } else { (b, a) })
    }

    /// The operation that offers so much base, anew (id 0) or in place of an older offer.
    pub(crate) fn offer(&self, market: usize, side: Side, amount: Stroops, price: Price, id: i64) -> OperationBody {
        let Market { base, quote } = &self.markets[market];
        match side {
            Side::Ask => actor::ask(base, quote, amount, price, id),
            Side::Bid => actor::bid(base, quote, amount, price, id),
        }
    }

    /// The operation that takes an offer back.
    pub(crate) fn cancel(&self, market: usize, offer: &OwnOffer) -> OperationBody {
        self.offer(market, offer.side, Stroops::ZERO, ANY_PRICE, offer.id)
    }
}

fn own_offer(offer: &OfferEntry, base: &stellar_xdr::Asset, quote: &stellar_xdr::Asset) -> Option<OwnOffer> {
    let price = f64::from(offer.price.n) / f64::from(offer.price.d);
    let amount = units(offer.amount);
    if offer.selling == *base && offer.buying == *quote {
        Some(OwnOffer { id: offer.offer_id, side: Side::Ask, price, base_units: amount })
    } else if offer.selling == *quote && offer.buying == *base {
        Some(OwnOffer { id: offer.offer_id, side: Side::Bid, price: 1.0 / price, base_units: amount * price })
    } else {
        None
    }
}

#[expect(clippy::cast_precision_loss, reason = "a trader's judgement is an approximation")]
fn units(stroops: i64) -> f64 {
    stroops as f64 / STROOPS_PER_UNIT as f64
}
