//! What an operation took from books and pools, as its result says.

use super::record::TransactionRecord;
use stellar_xdr::{
    AccountId, Asset, ClaimAtom, ManageBuyOfferResult, ManageOfferSuccessResult, ManageOfferSuccessResultOffer,
    ManageSellOfferResult, OperationResult, OperationResultTr, PathPaymentStrictReceiveResult,
    PathPaymentStrictSendResult, PoolId, PublicKey,
};

/// What an operation took, and the offer of its own that then rested.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken<'m> {
    pub(crate) claims: &'m [ClaimAtom],
    pub(crate) rests: Option<i64>,
}

impl TransactionRecord {
    /// What its operation of this index (from 0) took; nothing if the transaction failed.
    pub(crate) fn taken(&self, index: usize) -> Taken<'_> {
        if !self.succeeded() {
            return Taken::default();
        }
        match self.operation_results().get(index) {
            Some(OperationResult::OpInner(result)) => taken(result),
            _ => Taken::default(),
        }
    }
}

fn taken(result: &OperationResultTr) -> Taken<'_> {
    use OperationResultTr as R;
    match result {
        R::ManageSellOffer(ManageSellOfferResult::Success(done))
        | R::CreatePassiveSellOffer(ManageSellOfferResult::Success(done))
        | R::ManageBuyOffer(ManageBuyOfferResult::Success(done)) => by_offer(done),
        R::PathPaymentStrictReceive(PathPaymentStrictReceiveResult::Success(done)) => {
            Taken { claims: &done.offers, rests: None }
        }
        R::PathPaymentStrictSend(PathPaymentStrictSendResult::Success(done)) => {
            Taken { claims: &done.offers, rests: None }
        }
        _ => Taken::default(),
    }
}

fn by_offer(done: &ManageOfferSuccessResult) -> Taken<'_> {
    let rests = match &done.offer {
        ManageOfferSuccessResultOffer::Created(offer) | ManageOfferSuccessResultOffer::Updated(offer) => {
            Some(offer.offer_id)
        }
        ManageOfferSuccessResultOffer::Deleted => None,
    };
    Taken { claims: &done.offers_claimed, rests }
}

/// Who gave what was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    Offer { account: AccountId, id: i64 },
    Pool(PoolId),
}

/// A claim in the one form: what the maker sold, and what it bought for that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Claim<'m> {
    pub(crate) maker: Maker,
    pub(crate) sold: &'m Asset,
    pub(crate) amount_sold: i64,
    pub(crate) bought: &'m Asset,
    pub(crate) amount_bought: i64,
}

impl<'m> Claim<'m> {
    /// `None` if nothing changed hands: so the result names offers that were found unfunded and removed.
    pub(crate) fn of(atom: &'m ClaimAtom) -> Option<Self> {
        let (maker, sold, amount_sold, bought, amount_bought) = match atom {
            ClaimAtom::V0(atom) => {
                let account = AccountId(PublicKey::PublicKeyTypeEd25519(atom.seller_ed25519.clone()));
                let maker = Maker::Offer { account, id: atom.offer_id };
                (maker, &atom.asset_sold, atom.amount_sold, &atom.asset_bought, atom.amount_bought)
            }
            ClaimAtom::OrderBook(atom) => {
                let maker = Maker::Offer { account: atom.seller_id.clone(), id: atom.offer_id };
                (maker, &atom.asset_sold, atom.amount_sold, &atom.asset_bought, atom.amount_bought)
            }
            ClaimAtom::LiquidityPool(atom) => {
                let maker = Maker::Pool(atom.liquidity_pool_id.clone());
                (maker, &atom.asset_sold, atom.amount_sold, &atom.asset_bought, atom.amount_bought)
            }
        };
        (amount_sold != 0 || amount_bought != 0).then_some(Self { maker, sold, amount_sold, bought, amount_bought })
    }
}
