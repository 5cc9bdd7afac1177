//! Whom a transaction and its operations concern, as Horizon has it (`ParticipantsProcessor`,
//! `LiquidityPoolsTransactionProcessor`): the owners of crossed offers are not among them, only in effects and trades.

use super::changes::changes;
use super::record::{TransactionRecord, account_of};
use super::sponsors::new_sponsor;
use stellar_xdr::{
    AccountId, LedgerEntryChange, LedgerEntryData, LedgerKey, MuxedAccount, OperationBody, PoolId, RevokeSponsorshipOp,
    SignerKey,
};

impl TransactionRecord {
    /// Its source, who pays the fee, and the participants of its operations; each once.
    pub(crate) fn participants(&self) -> Vec<AccountId> {
        let mut accounts = vec![account_of(&self.source()), account_of(&self.fee_source())];
        accounts.extend(self.fee_changes.iter().filter_map(changed_account).cloned());
        accounts.extend((0..self.operations().len()).flat_map(|index| self.operation_participants(index)));
        once_each(accounts)
    }

    /// The participants of its operation of this index (from 0), each once.
    pub(crate) fn operation_participants(&self, index: usize) -> Vec<AccountId> {
        let Some(operation) = self.operations().get(index) else { return Vec::new() };
        let mut accounts = vec![account_of(&self.operation_source(index))];
        accounts.extend(named(&operation.body));
        if operation.body == OperationBody::EndSponsoringFutureReserves {
            accounts.extend(self.begin_sponsor(index).as_ref().map(account_of));
        }
        accounts.extend(self.operation_sponsor(index));
        once_each(accounts)
    }

    /// Who sponsors what its operation of this index (from 0) created.
    pub(crate) fn operation_sponsor(&self, index: usize) -> Option<AccountId> {
        let signer = self.operations().get(index).and_then(|operation| set_signer(&operation.body));
        new_sponsor(&changes(self.operation_changes(index)), signer).cloned()
    }

    /// Who began the sponsorship that its operation of this index (from 0) ends; not known if the transaction failed.
    pub(crate) fn begin_sponsor(&self, index: usize) -> Option<MuxedAccount> {
        if !self.succeeded() {
            return None;
        }
        let sponsored = account_of(&self.operation_source(index));
        let begins = |body: &OperationBody| match body {
            OperationBody::BeginSponsoringFutureReserves(begin) => begin.sponsored_id == sponsored,
            _ => false,
        };
        let begin = self.operations().iter().take(index).rposition(|operation| begins(&operation.body))?;
        Some(self.operation_source(begin))
    }

    /// The pools that its operation of this index (from 0) changed, each once.
    pub(crate) fn operation_pools(&self, index: usize) -> Vec<PoolId> {
        let pools = self.operation_changes(index).iter().filter_map(|change| match change {
            LedgerEntryChange::Removed(LedgerKey::LiquidityPool(key)) => Some(key.liquidity_pool_id.clone()),
            LedgerEntryChange::Removed(_) => None,
            LedgerEntryChange::Created(entry)
            | LedgerEntryChange::Updated(entry)
            | LedgerEntryChange::State(entry)
            | LedgerEntryChange::Restored(entry) => match &entry.data {
                LedgerEntryData::LiquidityPool(pool) => Some(pool.liquidity_pool_id.clone()),
                _ => None,
            },
        });
        once_each(pools.collect())
    }
}

fn once_each<T: Ord>(mut of: Vec<T>) -> Vec<T> {
    of.sort();
    of.dedup();
    of
}

fn changed_account(change: &LedgerEntryChange) -> Option<&AccountId> {
    match change {
        LedgerEntryChange::Removed(LedgerKey::Account(key)) => Some(&key.account_id),
        LedgerEntryChange::Removed(_) => None,
        LedgerEntryChange::Created(entry)
        | LedgerEntryChange::Updated(entry)
        | LedgerEntryChange::State(entry)
        | LedgerEntryChange::Restored(entry) => match &entry.data {
            LedgerEntryData::Account(account) => Some(&account.account_id),
            _ => None,
        },
    }
}

/// The signer that an operation sets.
fn set_signer(body: &OperationBody) -> Option<&SignerKey> {
    match body {
        OperationBody::SetOptions(set) => set.signer.as_ref().map(|signer| &signer.key),
        _ => None,
    }
}

/// Whom an operation names beside its source.
fn named(body: &OperationBody) -> Vec<AccountId> {
    use OperationBody as B;
    match body {
        B::CreateAccount(op) => vec![op.destination.clone()],
        B::Payment(op) => vec![account_of(&op.destination)],
        B::PathPaymentStrictReceive(op) => vec![account_of(&op.destination)],
        B::PathPaymentStrictSend(op) => vec![account_of(&op.destination)],
        B::AllowTrust(op) => vec![op.trustor.clone()],
        B::AccountMerge(into) => vec![account_of(into)],
        B::CreateClaimableBalance(op) => op.claimants.iter().map(|claimant| claimant_of(claimant).clone()).collect(),
        B::BeginSponsoringFutureReserves(op) => vec![op.sponsored_id.clone()],
        B::RevokeSponsorship(RevokeSponsorshipOp::LedgerEntry(key)) => owner(key).into_iter().cloned().collect(),
        B::RevokeSponsorship(RevokeSponsorshipOp::Signer(signer)) => vec![signer.account_id.clone()],
        B::Clawback(op) => vec![account_of(&op.from)],
        B::SetTrustLineFlags(op) => vec![op.trustor.clone()],
        _ => Vec::new(),
    }
}

fn claimant_of(claimant: &stellar_xdr::Claimant) -> &AccountId {
    let stellar_xdr::Claimant::ClaimantTypeV0(claimant) = claimant;
    &claimant.destination
}

fn owner(key: &LedgerKey) -> Option<&AccountId> {
    match key {
        LedgerKey::Account(key) => Some(&key.account_id),
        LedgerKey::Data(key) => Some(&key.account_id),
        LedgerKey::Offer(key) => Some(&key.seller_id),
        LedgerKey::Trustline(key) => Some(&key.account_id),
        _ => None,
    }
}
