//! What recordings hold, found the plain way: every ledger decoded by `stellar-xdr`, and counted.

use super::recorded::ledgers_of;
use std::collections::BTreeMap;
use std::path::Path;
use stellar_connector::stellar::Price;
use stellar_xdr::{
    Asset, ClaimAtom, InnerTransactionResultResult, LedgerCloseMeta, LedgerEntryChange, LedgerEntryChanges,
    LedgerEntryData, LedgerKey, Limits, ManageBuyOfferResult, ManageSellOfferResult, OfferEntry, OperationResult,
    OperationResultTr, PathPaymentStrictReceiveResult, PathPaymentStrictSendResult, ReadXdr, TransactionMeta,
    TransactionResult, TransactionResultResult,
};

/// What a recording holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) ledgers: u64,
    pub(crate) transactions: u64,
    pub(crate) failed: u64,
    /// Claims of failed transactions: against offers, and against pools.
    pub(crate) undone: (u64, u64),
    /// By base and quote.
    pub(crate) markets: BTreeMap<(String, String), Market>,
}

/// What a recording holds of a market.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Market {
    pub(crate) book_claims: u64,
    pub(crate) pool_claims: u64,
    pub(crate) base: i128,
    pub(crate) quote: i128,
    pub(crate) last_trade: Option<(i64, i64)>,
}

/// An offer at the end of a recording.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) selling: String,
    pub(crate) buying: String,
    pub(crate) price: Price,
}

impl Decoded {
    pub(crate) fn of(file: &Path) -> Self {
        let mut decoded = Self::default();
        ledgers_of(file, |_, bytes| decoded.ledger(&LedgerCloseMeta::from_xdr(bytes, Limits::none()).unwrap()));
        decoded
    }

    fn ledger(&mut self, meta: &LedgerCloseMeta) {
        self.ledgers += 1;
        let results: Vec<&TransactionResult> = match meta {
            LedgerCloseMeta::V0(meta) => meta.tx_processing.iter().map(|tx| &tx.result.result).collect(),
            LedgerCloseMeta::V1(meta) => meta.tx_processing.iter().map(|tx| &tx.result.result).collect(),
            LedgerCloseMeta::V2(meta) => meta.tx_processing.iter().map(|tx| &tx.result.result).collect(),
        };
        for result in results {
            self.transactions += 1;
            let (success, operations) = operations(result);
            self.failed += u64::from(!success);
            for claim in operations.iter().flat_map(claims) {
                match (success, claim) {
                    (true, claim) => self.claim(claim),
                    (false, ClaimAtom::LiquidityPool(_)) => self.undone.1 += 1,
                    (false, _) => self.undone.0 += 1,
                }
            }
        }
    }

    fn claim(&mut self, claim: &ClaimAtom) {
        let (sold, amount_sold, bought, amount_bought) = match claim {
            ClaimAtom::V0(atom) => (&atom.asset_sold, atom.amount_sold, &atom.asset_bought, atom.amount_bought),
            ClaimAtom::OrderBook(atom) => (&atom.asset_sold, atom.amount_sold, &atom.asset_bought, atom.amount_bought),
            ClaimAtom::LiquidityPool(atom) => {
                (&atom.asset_sold, atom.amount_sold, &atom.asset_bought, atom.amount_bought)
            }
        };
        let sells_base = sold < bought;
        let (base, quote) = if sells_base { (sold, bought) } else { (bought, sold) };
        let amounts = if sells_base { (amount_sold, amount_bought) } else { (amount_bought, amount_sold) };
        let market = self.markets.entry((name(base), name(quote))).or_default();
        match claim {
            ClaimAtom::LiquidityPool(_) => market.pool_claims += 1,
            _ => market.book_claims += 1,
        }
        market.base += i128::from(amounts.0);
        market.quote += i128::from(amounts.1);
        if amounts.0 > 0 && amounts.1 > 0 {
            market.last_trade = Some(amounts);
        }
    }
}

/// Whether a transaction was applied, and the results of its operations.
fn operations(result: &TransactionResult) -> (bool, &[OperationResult]) {
    match &result.result {
        TransactionResultResult::TxSuccess(operations) => (true, operations),
        TransactionResultResult::TxFailed(operations) => (false, operations),
        TransactionResultResult::TxFeeBumpInnerSuccess(inner)
        | TransactionResultResult::TxFeeBumpInnerFailed(inner) => match &inner.result.result {
            InnerTransactionResultResult::TxSuccess(operations) => (true, operations),
            InnerTransactionResultResult::TxFailed(operations) => (false, operations),
            _ => (false, &[]),
        },
        _ => (false, &[]),
    }
}

fn claims(operation: &OperationResult) -> &[ClaimAtom] {
    let OperationResult::OpInner(result) = operation else { return &[] };
    match result {
        OperationResultTr::ManageSellOffer(ManageSellOfferResult::Success(success))
        | OperationResultTr::CreatePassiveSellOffer(ManageSellOfferResult::Success(success))
        | OperationResultTr::ManageBuyOffer(ManageBuyOfferResult::Success(success)) => &success.offers_claimed,
        OperationResultTr::PathPaymentStrictReceive(PathPaymentStrictReceiveResult::Success(success)) => {
            &success.offers
        }
        OperationResultTr::PathPaymentStrictSend(PathPaymentStrictSendResult::Success(success)) => &success.offers,
        _ => &[],
    }
}

fn name(asset: &Asset) -> String {
    let credit = |code: &[u8], issuer: &stellar_xdr::AccountId| {
        let code: Vec<u8> = code.iter().copied().take_while(|&byte| byte != 0).collect();
        format!("{}:{issuer}", String::from_utf8(code).unwrap())
    };
    match asset {
        Asset::Native => "XLM".to_owned(),
        Asset::CreditAlphanum4(asset) => credit(&asset.asset_code.0, &asset.issuer),
        Asset::CreditAlphanum12(asset) => credit(&asset.asset_code.0, &asset.issuer),
    }
}

/// The offers that stand at the end of a recording that begins with its network, by id.
pub(crate) fn standing_offers(file: &Path) -> BTreeMap<i64, Standing> {
    let mut standing = BTreeMap::new();
    ledgers_of(file, |_, bytes| {
        each_change(bytes, |change| match (offer_of(change), change) {
            (Some(offer), _) => {
                let price = Price::new(offer.price.n, offer.price.d).unwrap();
                let (selling, buying) = (name(&offer.selling), name(&offer.buying));
                standing.insert(offer.offer_id, Standing { selling, buying, price });
            }
            (None, LedgerEntryChange::Removed(LedgerKey::Offer(key))) => _ = standing.remove(&key.offer_id),
            _ => {}
        });
    });
    standing
}

/// Every state of an offer that a ledger tells.
pub(crate) fn offers_changed(ledger: &[u8]) -> Vec<OfferEntry> {
    let mut offers = Vec::new();
    each_change(ledger, |change| offers.extend(offer_of(change).cloned()));
    offers
}

fn offer_of(change: &LedgerEntryChange) -> Option<&OfferEntry> {
    match change {
        LedgerEntryChange::Created(entry) | LedgerEntryChange::Updated(entry) => match &entry.data {
            LedgerEntryData::Offer(offer) => Some(offer),
            _ => None,
        },
        _ => None,
    }
}

/// Calls `see` with the changes of a ledger's operations, then of its upgrades.
fn each_change(ledger: &[u8], mut see: impl FnMut(&LedgerEntryChange)) {
    let meta = LedgerCloseMeta::from_xdr(ledger, Limits::none()).unwrap();
    let (metas, upgrades): (Vec<&TransactionMeta>, _) = match &meta {
        LedgerCloseMeta::V0(meta) => {
            (meta.tx_processing.iter().map(|tx| &tx.tx_apply_processing).collect(), &meta.upgrades_processing)
        }
        LedgerCloseMeta::V1(meta) => {
            (meta.tx_processing.iter().map(|tx| &tx.tx_apply_processing).collect(), &meta.upgrades_processing)
        }
        LedgerCloseMeta::V2(meta) => {
            (meta.tx_processing.iter().map(|tx| &tx.tx_apply_processing).collect(), &meta.upgrades_processing)
        }
    };
    let operations = metas.into_iter().flat_map(operation_changes);
    let all = operations.chain(upgrades.iter().map(|upgrade| &upgrade.changes));
    all.flat_map(|changes| changes.iter()).for_each(&mut see);
}

fn operation_changes(meta: &TransactionMeta) -> Vec<&LedgerEntryChanges> {
    match meta {
        TransactionMeta::V0(operations) => operations.iter().map(|operation| &operation.changes).collect(),
        TransactionMeta::V1(meta) => meta.operations.iter().map(|operation| &operation.changes).collect(),
        TransactionMeta::V2(meta) => meta.operations.iter().map(|operation| &operation.changes).collect(),
        TransactionMeta::V3(meta) => meta.operations.iter().map(|operation| &operation.changes).collect(),
        TransactionMeta::V4(meta) => meta.operations.iter().map(|operation| &operation.changes).collect(),
    }
}

/// Numerator and denominator without their common divisor.
pub(crate) fn reduced(price: Price) -> (i32, i32) {
    let (mut divisor, mut rest) = (price.n(), price.d());
    while rest != 0 {
        (divisor, rest) = (rest, divisor % rest);
    }
    (price.n() / divisor, price.d() / divisor)
}
