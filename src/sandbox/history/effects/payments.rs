//! Effects of what moves money: payments, trades, merges.

use super::{EffectKind, Effects, Money, TradeEffect, plain};
use crate::sandbox::history::claims::{Claim, Maker};
use stellar_xdr::{
    AccountMergeResult, Asset, ClawbackOp, CreateAccountOp, InflationResult, MuxedAccount, OperationResultTr,
    PathPaymentStrictReceiveOp, PathPaymentStrictSendOp, PathPaymentStrictSendResult, PaymentOp,
};

/// The weight of an account's own key at first.
const MASTER_WEIGHT: u32 = 1;

impl Effects<'_> {
    pub(super) fn create_account(&mut self, op: &CreateAccountOp) {
        let created = &op.destination;
        self.on_account(created, EffectKind::AccountCreated { starting_balance: op.starting_balance });
        self.own(EffectKind::AccountDebited(Money { asset: Asset::Native, amount: op.starting_balance }));
        self.on_account(created, EffectKind::SignerCreated { key: created.to_string(), weight: MASTER_WEIGHT });
    }

    pub(super) fn payment(&mut self, op: &PaymentOp) {
        let money = Money { asset: op.asset.clone(), amount: op.amount };
        self.on(&op.destination, EffectKind::AccountCredited(money.clone()));
        self.own(EffectKind::AccountDebited(money));
    }

    pub(super) fn path_payment_strict_receive(&mut self, op: &PathPaymentStrictReceiveOp) {
        let sent = self.sent(op);
        let received = Money { asset: op.dest_asset.clone(), amount: op.dest_amount };
        self.on(&op.destination, EffectKind::AccountCredited(received));
        self.own(EffectKind::AccountDebited(Money { asset: op.send_asset.clone(), amount: sent }));
        self.trades();
    }

    /// What was sent: what the first hop took, or, if nothing was converted, what was received.
    fn sent(&self, op: &PathPaymentStrictReceiveOp) -> i64 {
        strict_receive_sent(self.taken.claims, op)
    }

    pub(super) fn path_payment_strict_send(&mut self, op: &PathPaymentStrictSendOp) {
        let amount = match self.result {
            OperationResultTr::PathPaymentStrictSend(PathPaymentStrictSendResult::Success(done)) => done.last.amount,
            _ => 0,
        };
        let received = Money { asset: op.dest_asset.clone(), amount };
        self.on(&op.destination, EffectKind::AccountCredited(received));
        self.own(EffectKind::AccountDebited(Money { asset: op.send_asset.clone(), amount: op.send_amount }));
        self.trades();
    }

    /// Trades with offers and pools, as the result lists them.
    pub(super) fn trades(&mut self) {
        for atom in self.taken.claims {
            let Some(claim) = Claim::of(atom) else { continue };
            let sold = Money { asset: claim.sold.clone(), amount: claim.amount_sold };
            let bought = Money { asset: claim.bought.clone(), amount: claim.amount_bought };
            match claim.maker {
                Maker::Pool(id) => self.pool_trade(&id, sold, bought),
                Maker::Offer { account, id: offer_id } => {
                    let seller = plain(&account);
                    let of_taker = TradeEffect { seller, offer_id, sold: bought.clone(), bought: sold.clone() };
                    self.own(EffectKind::Trade(of_taker));
                    let of_maker = TradeEffect { seller: self.source.clone(), offer_id, sold, bought };
                    self.on_account(&account, EffectKind::Trade(of_maker));
                }
            }
        }
    }

    pub(super) fn account_merge(&mut self, into: &MuxedAccount) {
        let OperationResultTr::AccountMerge(AccountMergeResult::Success(amount)) = self.result else { return };
        let money = Money { asset: Asset::Native, amount: *amount };
        self.own(EffectKind::AccountDebited(money.clone()));
        self.on(into, EffectKind::AccountCredited(money));
        self.own(EffectKind::AccountRemoved);
    }

    pub(super) fn inflation(&mut self) {
        let OperationResultTr::Inflation(InflationResult::Success(payouts)) = self.result else { return };
        for payout in payouts.iter() {
            let money = Money { asset: Asset::Native, amount: payout.amount };
            self.on_account(&payout.destination, EffectKind::AccountCredited(money));
        }
    }

    /// What is clawed back is destroyed; the issuer is credited all the same.
    pub(super) fn clawback(&mut self, op: &ClawbackOp) {
        let money = Money { asset: op.asset.clone(), amount: op.amount };
        self.own(EffectKind::AccountCredited(money.clone()));
        self.on(&op.from, EffectKind::AccountDebited(money));
    }
}

/// What a strict receive sent (core's `PathPaymentStrictReceiveResult::sendAmount`): what the makers of the leading hop
/// bought, which are those before the asset changes; if there were none, what was received.
pub(crate) fn strict_receive_sent(claims: &[stellar_xdr::ClaimAtom], op: &PathPaymentStrictReceiveOp) -> i64 {
    let Some(first) = claims.first() else { return op.dest_amount };
    let bought = |atom: &stellar_xdr::ClaimAtom| match atom {
        stellar_xdr::ClaimAtom::V0(atom) => (atom.asset_bought.clone(), atom.amount_bought),
        stellar_xdr::ClaimAtom::OrderBook(atom) => (atom.asset_bought.clone(), atom.amount_bought),
        stellar_xdr::ClaimAtom::LiquidityPool(atom) => (atom.asset_bought.clone(), atom.amount_bought),
    };
    let (asset, _) = bought(first);
    claims.iter().map(bought).take_while(|(of, _)| *of == asset).map(|(_, amount)| amount).sum()
}
