//! ManageSellOffer, ManageBuyOffer and CreatePassiveSellOffer, which are one operation with three faces
//! (`ManageOfferOpFrameBase`). A buy offer is entered as the sell offer at the inverse price.

use stellar_xdr::{
    Asset, ClaimAtom, CreatePassiveSellOfferOp, LedgerEntry, LedgerEntryData, LedgerEntryExt, ManageBuyOfferOp,
    ManageBuyOfferResult, ManageOfferSuccessResult, ManageOfferSuccessResultOffer, ManageSellOfferOp,
    ManageSellOfferResult, OfferEntry, OfferEntryExt, OfferEntryFlags, OperationResultTr, Price,
};

use super::Context;
use crate::sandbox::ledger::assets;
use crate::sandbox::ledger::crossing::{Conversion, Ended, MAX_CROSSINGS, PriceLimit, convert};
use crate::sandbox::ledger::header::vec_m;
use crate::sandbox::ledger::holdings::{Holding, acquire_liabilities, exact_price, release_liabilities};
use crate::sandbox::ledger::outcome::{Applied, Stop, ensure};
use crate::sandbox::ledger::sponsorship::{Reserve, create_entry, remove_entry};
use crate::sandbox::ledger::store::{Key, offer_in};
use crate::stellar::exchange::{
    ExchangeMode, OfferLiabilities, adjust_offer, buy_offer_liabilities, offer_liabilities,
};

const PASSIVE: u32 = OfferEntryFlags::PassiveFlag as u32;

/// How an offer's size is given.
#[derive(Clone, Copy, Debug)]
enum Size {
    /// Sell at most so much.
    Sell(i64),
    /// Buy at most so much.
    Buy(i64),
}

/// The common form of the three operations.
#[derive(Clone, Debug)]
pub(super) struct Offer<'a> {
    selling: &'a Asset,
    buying: &'a Asset,
    size: Size,
    /// Bought per sold.
    price: Price,
    id: i64,
    passive_if_new: bool,
}

/// The common form of their results.
#[derive(Clone, Debug)]
pub(super) enum OfferResult {
    Success(ManageOfferSuccessResult),
    Malformed,
    SellNoTrust,
    BuyNoTrust,
    SellNotAuthorised,
    BuyNotAuthorised,
    LineFull,
    Underfunded,
    CrossSelf,
    NotFound,
    LowReserve,
}

impl OfferResult {
    /// As the result of a sell offer, passive or not.
    pub(super) fn of_sell(self) -> OperationResultTr {
        use ManageSellOfferResult as R;
        OperationResultTr::ManageSellOffer(match self {
            Self::Success(success) => R::Success(success),
            Self::Malformed => R::Malformed,
            Self::SellNoTrust => R::SellNoTrust,
            Self::BuyNoTrust => R::BuyNoTrust,
            Self::SellNotAuthorised => R::SellNotAuthorized,
            Self::BuyNotAuthorised => R::BuyNotAuthorized,
            Self::LineFull => R::LineFull,
            Self::Underfunded => R::Underfunded,
            Self::CrossSelf => R::CrossSelf,
            Self::NotFound => R::NotFound,
            Self::LowReserve => R::LowReserve,
        })
    }

    /// As the result of a buy offer.
    pub(super) fn of_buy(self) -> OperationResultTr {
        use ManageBuyOfferResult as R;
        OperationResultTr::ManageBuyOffer(match self {
            Self::Success(success) => R::Success(success),
            Self::Malformed => R::Malformed,
            Self::SellNoTrust => R::SellNoTrust,
            Self::BuyNoTrust => R::BuyNoTrust,
            Self::SellNotAuthorised => R::SellNotAuthorized,
            Self::BuyNotAuthorised => R::BuyNotAuthorized,
            Self::LineFull => R::LineFull,
            Self::Underfunded => R::Underfunded,
            Self::CrossSelf => R::CrossSelf,
            Self::NotFound => R::NotFound,
            Self::LowReserve => R::LowReserve,
        })
    }
}

/// What becomes of the offer's entry: where it comes from.
#[derive(Clone, Debug)]
struct Origin {
    is_new: bool,
    flags: u32,
    ext: LedgerEntryExt,
}

/// What the offer takes from the book before it rests there.
#[derive(Clone, Debug, Default)]
struct Taken {
    claimed: Vec<ClaimAtom>,
    /// What is left to rest.
    rest: i64,
}

impl<'a> Offer<'a> {
    pub(super) fn sell(op: &'a ManageSellOfferOp) -> Self {
        Self {
            selling: &op.selling,
            buying: &op.buying,
            size: Size::Sell(op.amount),
            price: op.price.clone(),
            id: op.offer_id,
            passive_if_new: false,
        }
    }

    pub(super) fn buy(op: &'a ManageBuyOfferOp) -> Self {
        Self {
            selling: &op.selling,
            buying: &op.buying,
            size: Size::Buy(op.buy_amount),
            price: Price { n: op.price.d, d: op.price.n },
            id: op.offer_id,
            passive_if_new: false,
        }
    }

    pub(super) fn passive(op: &'a CreatePassiveSellOfferOp) -> Self {
        Self {
            selling: &op.selling,
            buying: &op.buying,
            size: Size::Sell(op.amount),
            price: op.price.clone(),
            id: 0,
            passive_if_new: true,
        }
    }

    fn amount(&self) -> i64 {
        match self.size {
            Size::Sell(amount) | Size::Buy(amount) => amount,
        }
    }

    fn deletes(&self) -> bool {
        self.amount() == 0
    }

    pub(super) fn is_malformed(&self) -> bool {
        !assets::is_valid(self.selling)
            || !assets::is_valid(self.buying)
            || self.selling == self.buying
            || self.amount() < 0
            || self.price.n <= 0
            || self.price.d <= 0
            || self.id < 0
            || (self.id == 0 && self.deletes())
    }

    pub(super) fn apply(&self, context: &mut Context<'_>) -> Applied<OfferResult> {
        if let Some(refused) = self.refused_for_lines(context) {
            return Ok(refused);
        }
        let origin = match self.prepare(context)? {
            Ok(origin) => origin,
            Err(refused) => return Ok(refused),
        };
        let taken = if self.deletes() {
            Taken::default()
        } else {
            match self.take(context, &origin)? {
                Ok(taken) => taken,
                Err(refused) => return Ok(refused),
            }
        };
        let offer = self.rest(context, origin, taken.rest)?;
        Ok(OfferResult::Success(ManageOfferSuccessResult { offers_claimed: vec_m(taken.claimed), offer }))
    }

    /// Both assets must be held and usable; who deletes needs neither.
    fn refused_for_lines(&self, context: &Context<'_>) -> Option<OfferResult> {
        if self.deletes() {
            return None;
        }
        let store = &*context.store;
        let sold = Holding::of(context.store, &context.source, self.selling);
        if *self.selling != Asset::Native {
            if !sold.exists(store) {
                return Some(OfferResult::SellNoTrust);
            }
            if sold.balance(store) == 0 {
                return Some(OfferResult::Underfunded);
            }
            if !sold.is_authorised(store) {
                return Some(OfferResult::SellNotAuthorised);
            }
        }
        let bought = Holding::of(context.store, &context.source, self.buying);
        if !bought.exists(store) {
            return Some(OfferResult::BuyNoTrust);
        }
        if !bought.is_authorised(store) {
            return Some(OfferResult::BuyNotAuthorised);
        }
        None
    }

    /// Takes an existing offer out of the book, or the reserve for a new one.
    fn prepare(&self, context: &mut Context<'_>) -> Applied<Result<Origin, OfferResult>> {
        if self.id != 0 {
            let Some(entry) = context.store.offer_of(&context.source, self.id) else {
                return Ok(Err(OfferResult::NotFound));
            };
            context.store.touch_offer(self.id);
            release_liabilities(context.store, offer_in(&entry))?;
            context.store.erase(&Key::Offer(self.id));
            return Ok(Ok(Origin { is_new: false, flags: offer_in(&entry).flags, ext: entry.ext }));
        }
        let flags = if self.passive_if_new { PASSIVE } else { 0 };
        let mut entry = self.entry(context, 0, 0, flags, LedgerEntryExt::V0);
        if create_entry(context.store, context.sponsorships, &mut entry, &context.source)? == Reserve::Low {
            return Ok(Err(OfferResult::LowReserve));
        }
        Ok(Ok(Origin { is_new: true, flags, ext: entry.ext }))
    }

    /// Crosses what can be crossed and settles the taker's side.
    fn take(&self, context: &mut Context<'_>, origin: &Origin) -> Applied<Result<Taken, OfferResult>> {
        let sold = Holding::of(context.store, &context.source, self.selling);
        let bought = Holding::of(context.store, &context.source, self.buying);
        let liabilities = self.liabilities();
        if bought.room(context.store)? < liabilities.buying {
            return Ok(Err(OfferResult::LineFull));
        }
        if sold.available(context.store)? < liabilities.selling {
            return Ok(Err(OfferResult::Underfunded));
        }
        let (max_sheep_send, max_wheat_receive) =
            self.limited(sold.can_sell(context.store)?, 0, bought.can_buy(context.store)?, 0);
        if max_wheat_receive == 0 {
            return Ok(Err(OfferResult::LineFull));
        }
        let price = exact_price(&self.price);
        let source = context.source.clone();
        let converted = convert(
            context.store,
            &Conversion {
                sheep: self.selling,
                wheat: self.buying,
                max_sheep_send,
                max_wheat_receive,
                mode: ExchangeMode::Normal,
                taker: &source,
                limit: Some(PriceLimit { price: price.inverse(), passive: origin.flags & PASSIVE != 0 }),
                max_crossings: MAX_CROSSINGS,
            },
        )?;
        match converted.ended {
            Ended::OwnOffer => return Ok(Err(OfferResult::CrossSelf)),
            Ended::TooMany => return Err(Stop::ExceededWorkLimit),
            Ended::Done | Ended::Partial | Ended::BadPrice => {}
        }
        let (sheep_sent, wheat_received) = (converted.sheep_sent, converted.wheat_received);
        if wheat_received > 0 {
            ensure(bought.add_balance(context.store, wheat_received)?, "offer claimed over limit")?;
            ensure(sold.add_balance(context.store, -sheep_sent)?, "offer sold more than balance")?;
        }
        let rest = if converted.ended == Ended::Done {
            0
        } else {
            let (send, receive) =
                self.limited(sold.can_sell(context.store)?, sheep_sent, bought.can_buy(context.store)?, wheat_received);
            adjust_offer(price, send, receive)
        };
        Ok(Ok(Taken { claimed: converted.trail, rest }))
    }

    /// Puts what is left into the book, or gives the reserve back.
    fn rest(&self, context: &mut Context<'_>, origin: Origin, amount: i64) -> Applied<ManageOfferSuccessResultOffer> {
        if amount == 0 {
            let entry = self.entry(context, self.id, 0, origin.flags, origin.ext);
            remove_entry(context.store, &entry, &context.source)?;
            return Ok(ManageOfferSuccessResultOffer::Deleted);
        }
        let id = if origin.is_new { context.store.next_id() } else { self.id };
        let entry = self.entry(context, id, amount, origin.flags, origin.ext);
        let offer = offer_in(&entry).clone();
        context.store.put(entry);
        acquire_liabilities(context.store, &offer)?;
        Ok(if origin.is_new {
            ManageOfferSuccessResultOffer::Created(offer)
        } else {
            ManageOfferSuccessResultOffer::Updated(offer)
        })
    }

    /// What the whole offer would reserve.
    fn liabilities(&self) -> OfferLiabilities {
        match self.size {
            Size::Sell(amount) => offer_liabilities(exact_price(&self.price), amount),
            Size::Buy(amount) => buy_offer_liabilities(exact_price(&self.price).inverse(), amount),
        }
    }

    /// What may be sent and received, given what the account can and what was done already.
    fn limited(&self, send: i64, sent: i64, receive: i64, received: i64) -> (i64, i64) {
        match self.size {
            Size::Sell(amount) => (send.min(amount - sent), receive),
            Size::Buy(amount) => (send, receive.min(amount - received)),
        }
    }

    fn entry(&self, context: &Context<'_>, id: i64, amount: i64, flags: u32, ext: LedgerEntryExt) -> LedgerEntry {
        LedgerEntry {
            last_modified_ledger_seq: 0,
            data: LedgerEntryData::Offer(OfferEntry {
                seller_id: context.source.clone(),
                offer_id: id,
                selling: self.selling.clone(),
                buying: self.buying.clone(),
                amount,
                price: self.price.clone(),
                flags,
                ext: OfferEntryExt::V0,
            }),
            ext,
        }
    }
}
