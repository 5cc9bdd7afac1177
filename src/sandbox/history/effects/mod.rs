//! Effects: what an operation did to accounts, derived from it, its result and its changes.
//!
//! Source: Horizon's `EffectProcessor`, whose order is kept: first the operation's own effects, then those of sponsorship,
//! then those of pools that came or went.

mod accounts;
mod balances;
mod lines;
mod payments;
mod pools;
mod sponsorship;

pub(crate) use lines::asset_of;
pub(crate) use payments::strict_receive_sent;
pub(crate) use pools::pool_delta;

use super::changes::{Change, changes};
use super::claims::Taken;
use super::record::{TransactionRecord, account_of};
use stellar_xdr::{
    AccountId, Asset, ClaimPredicate, ClaimableBalanceId, LiquidityPoolEntryBody, LiquidityPoolEntryConstantProduct,
    MuxedAccount, Operation, OperationBody, OperationResult, OperationResultTr, PoolId, TrustLineAsset,
};

/// What happened to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Effect {
    /// To whom, as it was addressed.
    pub(crate) account: MuxedAccount,
    pub(crate) kind: EffectKind,
}

/// What happened. Amounts are stroops.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EffectKind {
    AccountCreated { starting_balance: i64 },
    AccountRemoved,
    AccountCredited(Money),
    AccountDebited(Money),
    ThresholdsUpdated { low: Option<u32>, medium: Option<u32>, high: Option<u32> },
    HomeDomainUpdated(String),
    FlagsUpdated { set: u32, cleared: u32 },
    InflationDestinationUpdated(AccountId),
    SignerCreated { key: String, weight: u32 },
    SignerRemoved { key: String },
    SignerUpdated { key: String, weight: u32 },
    TrustlineCreated { line: TrustLineAsset, limit: i64 },
    TrustlineRemoved { line: TrustLineAsset, limit: i64 },
    TrustlineUpdated { line: TrustLineAsset, limit: i64 },
    TrustlineAuthorised { trustor: AccountId, asset: Asset },
    TrustlineDeauthorised { trustor: AccountId, asset: Asset },
    TrustlineAuthorisedToMaintainLiabilities { trustor: AccountId, asset: Asset },
    TrustlineFlagsUpdated { trustor: AccountId, asset: Asset, set: u32, cleared: u32 },
    Trade(TradeEffect),
    DataCreated { name: String, value: Vec<u8> },
    DataRemoved { name: String },
    DataUpdated { name: String, value: Vec<u8> },
    SequenceBumped(i64),
    BalanceCreated { id: ClaimableBalanceId, money: Money },
    BalanceClaimantCreated { id: ClaimableBalanceId, money: Money, predicate: ClaimPredicate },
    BalanceClaimed { id: ClaimableBalanceId, money: Money },
    BalanceClawedBack { id: ClaimableBalanceId },
    SponsorshipCreated { of: Sponsored, sponsor: AccountId },
    SponsorshipUpdated { of: Sponsored, former: AccountId, sponsor: AccountId },
    SponsorshipRemoved { of: Sponsored, former: AccountId },
    PoolDeposited { pool: Pool, amounts: [i64; 2], shares: i64 },
    PoolWithdrew { pool: Pool, amounts: [i64; 2], shares: i64 },
    PoolTrade { pool: Pool, sold: Money, bought: Money },
    PoolCreated(Pool),
    PoolRemoved(PoolId),
    PoolRevoked { pool: Pool, revoked: Vec<(Money, ClaimableBalanceId)>, shares: i64 },
}

/// So much of an asset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Money {
    pub(crate) asset: Asset,
    pub(crate) amount: i64,
}

/// A trade with an account, as either of both sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TradeEffect {
    /// The other one.
    pub(crate) seller: MuxedAccount,
    /// The offer that was crossed.
    pub(crate) offer_id: i64,
    pub(crate) sold: Money,
    pub(crate) bought: Money,
}

/// What is sponsored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sponsored {
    Account,
    Trustline(TrustLineAsset),
    Data(String),
    Balance(ClaimableBalanceId),
    Signer(String),
}

/// A pool as it was after the operation, or before if it is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pool {
    pub(crate) id: PoolId,
    pub(crate) product: LiquidityPoolEntryConstantProduct,
}

impl Pool {
    fn of(entry: &stellar_xdr::LiquidityPoolEntry) -> Self {
        let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(product) = &entry.body;
        Self { id: entry.liquidity_pool_id.clone(), product: product.clone() }
    }
}

impl TransactionRecord {
    /// The effects of its operation of this index (from 0); none if the transaction failed.
    pub(crate) fn effects(&self, index: usize) -> Vec<Effect> {
        if !self.succeeded() {
            return Vec::new();
        }
        let (Some(operation), Some(OperationResult::OpInner(result))) =
            (self.operations().get(index), self.operation_results().get(index))
        else {
            return Vec::new();
        };
        let mut effects = Effects {
            operation,
            source: self.operation_source(index),
            result,
            changes: changes(self.operation_changes(index)),
            taken: self.taken(index),
            list: Vec::new(),
        };
        effects.of_operation();
        effects.of_sponsorship();
        effects.of_pools_come_and_gone();
        effects.list
    }
}

/// The effects of one operation in the making.
struct Effects<'m> {
    operation: &'m Operation,
    source: MuxedAccount,
    result: &'m OperationResultTr,
    changes: Vec<Change<'m>>,
    taken: Taken<'m>,
    list: Vec<Effect>,
}

impl Effects<'_> {
    fn of_operation(&mut self) {
        use OperationBody as B;
        match &self.operation.body {
            B::CreateAccount(op) => self.create_account(op),
            B::Payment(op) => self.payment(op),
            B::PathPaymentStrictReceive(op) => self.path_payment_strict_receive(op),
            B::PathPaymentStrictSend(op) => self.path_payment_strict_send(op),
            B::ManageSellOffer(_) | B::ManageBuyOffer(_) | B::CreatePassiveSellOffer(_) => self.trades(),
            B::SetOptions(op) => self.set_options(op),
            B::ChangeTrust(op) => self.change_trust(op),
            B::AllowTrust(op) => self.allow_trust(op),
            B::AccountMerge(into) => self.account_merge(into),
            B::Inflation => self.inflation(),
            B::ManageData(op) => self.manage_data(op),
            B::BumpSequence(_) => self.bump_sequence(),
            B::CreateClaimableBalance(op) => self.create_claimable_balance(op),
            B::ClaimClaimableBalance(op) => self.claim_claimable_balance(op),
            B::Clawback(op) => self.clawback(op),
            B::ClawbackClaimableBalance(op) => self.clawback_claimable_balance(op),
            B::SetTrustLineFlags(op) => self.set_trust_line_flags(op),
            B::LiquidityPoolDeposit(op) => self.pool_deposit(op),
            B::LiquidityPoolWithdraw(op) => self.pool_withdraw(op),
            B::BeginSponsoringFutureReserves(_)
            | B::EndSponsoringFutureReserves
            | B::RevokeSponsorship(_)
            | B::InvokeHostFunction(_)
            | B::ExtendFootprintTtl(_)
            | B::RestoreFootprint(_) => {}
        }
    }

    /// On the operation's source.
    fn own(&mut self, kind: EffectKind) {
        self.list.push(Effect { account: self.source.clone(), kind });
    }

    fn on(&mut self, account: &MuxedAccount, kind: EffectKind) {
        self.list.push(Effect { account: account.clone(), kind });
    }

    fn on_account(&mut self, account: &AccountId, kind: EffectKind) {
        self.list.push(Effect { account: plain(account), kind });
    }

    fn source_account(&self) -> AccountId {
        account_of(&self.source)
    }
}

/// An account's address without an id of its own.
fn plain(account: &AccountId) -> MuxedAccount {
    let stellar_xdr::PublicKey::PublicKeyTypeEd25519(key) = &account.0;
    MuxedAccount::Ed25519(key.clone())
}
