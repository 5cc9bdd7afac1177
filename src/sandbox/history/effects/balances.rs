//! Effects of claimable balances.

use super::{EffectKind, Effects, Money};
use stellar_xdr::{
    ClaimClaimableBalanceOp, ClaimableBalanceEntry, ClaimableBalanceId, Claimant, ClawbackClaimableBalanceOp,
    CreateClaimableBalanceOp, LedgerEntry, LedgerEntryData,
};

impl Effects<'_> {
    pub(super) fn create_claimable_balance(&mut self, op: &CreateClaimableBalanceOp) {
        let created = self.changes.iter().find_map(|change| balance(change.after)).cloned();
        let Some(created) = created else {
            unreachable!("a claimable balance was created, and is not among the changes")
        };
        // As the operation says, not as the ledger keeps it: there, relative times have become absolute.
        self.balance_created(&created, &op.claimants);
        self.own(EffectKind::AccountDebited(money(&created)));
    }

    /// A balance and its claimants.
    pub(super) fn balance_created(&mut self, created: &ClaimableBalanceEntry, claimants: &[Claimant]) {
        let id = &created.balance_id;
        self.own(EffectKind::BalanceCreated { id: id.clone(), money: money(created) });
        for Claimant::ClaimantTypeV0(claimant) in claimants {
            self.on_account(
                &claimant.destination,
                EffectKind::BalanceClaimantCreated {
                    id: id.clone(),
                    money: money(created),
                    predicate: claimant.predicate.clone(),
                },
            );
        }
    }

    pub(super) fn claim_claimable_balance(&mut self, op: &ClaimClaimableBalanceOp) {
        let Some(money) = self.removed(&op.balance_id) else { return };
        self.own(EffectKind::BalanceClaimed { id: op.balance_id.clone(), money: money.clone() });
        self.own(EffectKind::AccountCredited(money));
    }

    pub(super) fn clawback_claimable_balance(&mut self, op: &ClawbackClaimableBalanceOp) {
        let Some(money) = self.removed(&op.balance_id) else { return };
        self.own(EffectKind::BalanceClawedBack { id: op.balance_id.clone() });
        self.own(EffectKind::AccountCredited(money));
    }

    /// What was in a balance that is gone.
    fn removed(&self, id: &ClaimableBalanceId) -> Option<Money> {
        let gone = self.changes.iter().filter(|change| change.after.is_none());
        gone.filter_map(|change| balance(change.before)).find(|balance| balance.balance_id == *id).map(money)
    }
}

pub(super) fn balance(entry: Option<&LedgerEntry>) -> Option<&ClaimableBalanceEntry> {
    match &entry?.data {
        LedgerEntryData::ClaimableBalance(balance) => Some(balance),
        _ => None,
    }
}

pub(super) fn money(of: &ClaimableBalanceEntry) -> Money {
    Money { asset: of.asset.clone(), amount: of.amount }
}
