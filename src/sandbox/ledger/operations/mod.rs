//! The operations, one file each.
//!
//! Every operation has two parts, as in stellar-core: `check`, which judges its form alone, and `apply`, which changes the
//! ledger or says why not. Both give the operation's own result; what ends it otherwise is a [`Stop`].

mod change_trust;
mod create_account;
mod manage_offer;
mod payment;

use stellar_xdr::{AccountId, Operation, OperationBody, OperationResult, OperationResultTr};

use super::apply::Environment;
use super::frame::Frame;
use super::outcome::{Applied, Stop};
use super::sponsorship::Sponsorships;
use super::store::{Key, Store};
use super::upgrades::header_flags;

/// `DISABLE_LIQUIDITY_POOL_DEPOSIT_FLAG`, `DISABLE_LIQUIDITY_POOL_WITHDRAWAL_FLAG` in the header's flags.
const POOL_DEPOSIT_DISABLED: u32 = 2;
const POOL_WITHDRAWAL_DISABLED: u32 = 4;

/// Where an operation is applied.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) store: &'a mut Store,
    pub(crate) sponsorships: &'a mut Sponsorships,
    pub(crate) environment: &'a Environment,
    pub(crate) frame: &'a Frame,
    /// The operation's source.
    pub(crate) source: AccountId,
    /// Its place in the transaction.
    pub(crate) index: u32,
}

/// How much signing an operation needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threshold {
    Low,
    Medium,
    High,
}

/// The threshold that an operation's source must reach.
pub(crate) fn threshold(body: &OperationBody) -> Threshold {
    match body {
        OperationBody::AllowTrust(_)
        | OperationBody::SetTrustLineFlags(_)
        | OperationBody::BumpSequence(_)
        | OperationBody::Inflation
        | OperationBody::ClaimClaimableBalance(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => Threshold::Low,
        OperationBody::AccountMerge(_) => Threshold::High,
        OperationBody::SetOptions(options) => {
            let guards_the_account = options.master_weight.is_some()
                || options.low_threshold.is_some()
                || options.med_threshold.is_some()
                || options.high_threshold.is_some()
                || options.signer.is_some();
            if guards_the_account { Threshold::High } else { Threshold::Medium }
        }
        _ => Threshold::Medium,
    }
}

/// Whether this protocol knows the operation. Contracts are never supported here: this ledger has no host for them.
fn is_supported(body: &OperationBody, store: &Store) -> bool {
    let protocol = store.protocol();
    let flags = header_flags(&store.header);
    match body {
        OperationBody::Inflation
        | OperationBody::InvokeHostFunction(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => false,
        OperationBody::Clawback(_)
        | OperationBody::ClawbackClaimableBalance(_)
        | OperationBody::SetTrustLineFlags(_) => protocol >= 17,
        OperationBody::LiquidityPoolDeposit(_) => protocol >= 18 && flags & POOL_DEPOSIT_DISABLED == 0,
        OperationBody::LiquidityPoolWithdraw(_) => protocol >= 18 && flags & POOL_WITHDRAWAL_DISABLED == 0,
        _ => true,
    }
}

/// Whether this protocol and this ledger know the operation.
///
/// # Errors
/// `opNOT_SUPPORTED`.
pub(crate) fn check_supported(store: &Store, operation: &Operation) -> Result<(), OperationResult> {
    if is_supported(&operation.body, store) { Ok(()) } else { Err(OperationResult::OpNotSupported) }
}

/// Whether an operation is well-formed.
///
/// # Errors
/// The result that says how it is not.
pub(crate) fn check_form(store: &Store, source: &AccountId, operation: &Operation) -> Result<(), OperationResult> {
    check_body(store.protocol(), source, &operation.body).map_err(OperationResult::OpInner)
}

/// Applies an operation, whose source was authorised before.
pub(crate) fn apply(context: &mut Context<'_>, operation: &Operation) -> Applied<OperationResult> {
    if !is_supported(&operation.body, context.store) {
        return Ok(OperationResult::OpNotSupported);
    }
    if !context.store.exists(&Key::Account(context.source.clone())) {
        return Ok(OperationResult::OpNoAccount);
    }
    if let Err(result) = check_body(context.store.protocol(), &context.source, &operation.body) {
        return Ok(OperationResult::OpInner(result));
    }
    match apply_body(context, &operation.body) {
        Ok(result) => Ok(OperationResult::OpInner(result)),
        Err(Stop::Operation(result)) => Ok(result),
        Err(internal) => Err(internal),
    }
}

fn check_body(protocol: u32, source: &AccountId, body: &OperationBody) -> Result<(), OperationResultTr> {
    use OperationResultTr as Tr;
    match body {
        OperationBody::CreateAccount(op) => create_account::check(source, op).map_err(Tr::CreateAccount),
        OperationBody::Payment(op) => payment::check(op).map_err(Tr::Payment),
        OperationBody::ChangeTrust(op) => change_trust::check(protocol, source, op).map_err(Tr::ChangeTrust),
        OperationBody::ManageSellOffer(op) => manage_offer::Offer::sell(op).check().map_err(|r| r.of_sell()),
        OperationBody::ManageBuyOffer(op) => manage_offer::Offer::buy(op).check().map_err(|r| r.of_buy()),
        OperationBody::CreatePassiveSellOffer(op) => manage_offer::Offer::passive(op).check().map_err(|r| r.of_sell()),
        _ => Ok(()),
    }
}

fn apply_body(context: &mut Context<'_>, body: &OperationBody) -> Applied<OperationResultTr> {
    use OperationResultTr as Tr;
    Ok(match body {
        OperationBody::CreateAccount(op) => Tr::CreateAccount(create_account::apply(context, op)?),
        OperationBody::Payment(op) => Tr::Payment(payment::apply(context, op)?),
        OperationBody::ChangeTrust(op) => Tr::ChangeTrust(change_trust::apply(context, op)?),
        OperationBody::ManageSellOffer(op) => manage_offer::Offer::sell(op).apply(context)?.of_sell(),
        OperationBody::ManageBuyOffer(op) => manage_offer::Offer::buy(op).apply(context)?.of_buy(),
        OperationBody::CreatePassiveSellOffer(op) => manage_offer::Offer::passive(op).apply(context)?.of_sell(),
        _ => return Err(Stop::Operation(OperationResult::OpNotSupported)),
    })
}

/// Whether a result is of the kind that all results of its operation begin as, which is success.
fn is_default_kind<T: Default>(result: &T) -> bool {
    use core::mem::discriminant;
    discriminant(result) == discriminant(&T::default())
}

/// Names every operation once. The passive offer is missing: its results are those of a sell offer.
macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// The result of an operation that was not reached: core's results begin as a success of nothing.
        pub(crate) fn untouched_result(body: &OperationBody) -> OperationResult {
            OperationResult::OpInner(match body {
                $(OperationBody::$name { .. } => OperationResultTr::$name(Default::default()),)*
                OperationBody::CreatePassiveSellOffer(_) => OperationResultTr::ManageSellOffer(Default::default()),
            })
        }

        /// Whether an operation did what it should.
        pub(crate) fn is_success(result: &OperationResult) -> bool {
            let OperationResult::OpInner(inner) = result else { return false };
            match inner {
                $(OperationResultTr::$name(result) => is_default_kind(result),)*
                OperationResultTr::CreatePassiveSellOffer(result) => is_default_kind(result),
            }
        }
    };
}

operations!(
    CreateAccount,
    Payment,
    PathPaymentStrictReceive,
    ManageSellOffer,
    SetOptions,
    ChangeTrust,
    AllowTrust,
    AccountMerge,
    Inflation,
    ManageData,
    BumpSequence,
    ManageBuyOffer,
    PathPaymentStrictSend,
    CreateClaimableBalance,
    ClaimClaimableBalance,
    BeginSponsoringFutureReserves,
    EndSponsoringFutureReserves,
    RevokeSponsorship,
    Clawback,
    ClawbackClaimableBalance,
    SetTrustLineFlags,
    LiquidityPoolDeposit,
    LiquidityPoolWithdraw,
    InvokeHostFunction,
    ExtendFootprintTtl,
    RestoreFootprint,
);
