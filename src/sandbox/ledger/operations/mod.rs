//! The operations, one file each.
//!
//! Every operation has two parts, as in stellar-core: `check`, which judges its form alone, and `apply`, which changes the
//! ledger or says why not. Both give the operation's own result; what ends it otherwise is a [`Stop`].

mod account;
mod change_trust;
mod claimable_balance;
mod clawback;
mod create_account;
mod manage_offer;
mod path_payment;
mod payment;
mod pool_shares;
mod set_options;
mod sponsoring;
mod trust_flags;

use stellar_xdr::{AccountId, Operation, OperationBody, OperationResult, OperationResultTr};

use super::apply::Environment;
use super::frame::Frame;
use super::outcome::{Applied, Internal, Stop};
use super::sponsorship::Sponsorships;
use super::store::{Key, Store};
use super::upgrades::header_flags;
use manage_offer::{Offer, OfferResult};

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
pub(crate) fn check_supported(store: &Store, operation: &Operation) -> Result<(), Box<OperationResult>> {
    if is_supported(&operation.body, store) { Ok(()) } else { Err(Box::new(OperationResult::OpNotSupported)) }
}

/// Whether an operation is well-formed.
///
/// # Errors
/// The result that says how it is not.
pub(crate) fn check_form(store: &Store, source: &AccountId, operation: &Operation) -> Result<(), Box<OperationResult>> {
    check_body(store.protocol(), source, &operation.body).map_err(|result| Box::new(OperationResult::OpInner(*result)))
}

/// Applies an operation, whose source was authorised before.
///
/// # Errors
/// Where stellar-core throws.
pub(crate) fn apply(context: &mut Context<'_>, operation: &Operation) -> Result<OperationResult, Internal> {
    if !is_supported(&operation.body, context.store) {
        return Ok(OperationResult::OpNotSupported);
    }
    if !context.store.exists(&Key::Account(context.source.clone())) {
        return Ok(OperationResult::OpNoAccount);
    }
    if let Err(result) = check_body(context.store.protocol(), &context.source, &operation.body) {
        return Ok(OperationResult::OpInner(*result));
    }
    match apply_body(context, &operation.body) {
        Ok(result) => Ok(OperationResult::OpInner(result)),
        Err(stop) => stop.into_result(),
    }
}

fn check_body(protocol: u32, source: &AccountId, body: &OperationBody) -> Result<(), Box<OperationResultTr>> {
    let malformed_offer = |offer: &Offer<'_>, result: fn(OfferResult) -> OperationResultTr| {
        if offer.is_malformed() { Err(Box::new(result(OfferResult::Malformed))) } else { Ok(()) }
    };
    use OperationResultTr as Tr;
    match body {
        OperationBody::CreateAccount(op) => {
            create_account::check(source, op).map_err(|result| Box::new(Tr::CreateAccount(result)))
        }
        OperationBody::Payment(op) => payment::check(op).map_err(|result| Box::new(Tr::Payment(result))),
        OperationBody::PathPaymentStrictReceive(op) => {
            path_payment::check_receive(op).map_err(|result| Box::new(Tr::PathPaymentStrictReceive(result)))
        }
        OperationBody::PathPaymentStrictSend(op) => {
            path_payment::check_send(op).map_err(|result| Box::new(Tr::PathPaymentStrictSend(result)))
        }
        OperationBody::ManageSellOffer(op) => malformed_offer(&Offer::sell(op), OfferResult::of_sell),
        OperationBody::ManageBuyOffer(op) => malformed_offer(&Offer::buy(op), OfferResult::of_buy),
        OperationBody::CreatePassiveSellOffer(op) => malformed_offer(&Offer::passive(op), OfferResult::of_sell),
        OperationBody::SetOptions(op) => {
            set_options::check(protocol, source, op).map_err(|result| Box::new(Tr::SetOptions(result)))
        }
        OperationBody::ChangeTrust(op) => {
            change_trust::check(protocol, source, op).map_err(|result| Box::new(Tr::ChangeTrust(result)))
        }
        OperationBody::AllowTrust(op) => {
            trust_flags::check_allow(source, op).map_err(|result| Box::new(Tr::AllowTrust(result)))
        }
        OperationBody::SetTrustLineFlags(op) => {
            trust_flags::check_set(source, op).map_err(|result| Box::new(Tr::SetTrustLineFlags(result)))
        }
        OperationBody::AccountMerge(destination) => {
            account::check_merge(source, destination).map_err(|result| Box::new(Tr::AccountMerge(result)))
        }
        OperationBody::ManageData(op) => account::check_data(op).map_err(|result| Box::new(Tr::ManageData(result))),
        OperationBody::BumpSequence(op) => account::check_bump(op).map_err(|result| Box::new(Tr::BumpSequence(result))),
        OperationBody::CreateClaimableBalance(op) => {
            claimable_balance::check_create(op).map_err(|result| Box::new(Tr::CreateClaimableBalance(result)))
        }
        OperationBody::BeginSponsoringFutureReserves(op) => {
            sponsoring::check_begin(source, op).map_err(|result| Box::new(Tr::BeginSponsoringFutureReserves(result)))
        }
        OperationBody::RevokeSponsorship(op) => {
            sponsoring::check_revoke(protocol, op).map_err(|result| Box::new(Tr::RevokeSponsorship(result)))
        }
        OperationBody::Clawback(op) => clawback::check(source, op).map_err(|result| Box::new(Tr::Clawback(result))),
        OperationBody::LiquidityPoolDeposit(op) => {
            pool_shares::check_deposit(op).map_err(|result| Box::new(Tr::LiquidityPoolDeposit(result)))
        }
        OperationBody::LiquidityPoolWithdraw(op) => {
            pool_shares::check_withdraw(op).map_err(|result| Box::new(Tr::LiquidityPoolWithdraw(result)))
        }
        OperationBody::ClaimClaimableBalance(_)
        | OperationBody::EndSponsoringFutureReserves
        | OperationBody::ClawbackClaimableBalance(_)
        | OperationBody::Inflation
        | OperationBody::InvokeHostFunction(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => Ok(()),
    }
}

fn apply_body(context: &mut Context<'_>, body: &OperationBody) -> Applied<OperationResultTr> {
    use OperationResultTr as Tr;
    Ok(match body {
        OperationBody::CreateAccount(op) => Tr::CreateAccount(create_account::apply(context, op)?),
        OperationBody::Payment(op) => Tr::Payment(payment::apply(context, op)?),
        OperationBody::PathPaymentStrictReceive(op) => {
            Tr::PathPaymentStrictReceive(path_payment::receive(context, op)?)
        }
        OperationBody::PathPaymentStrictSend(op) => Tr::PathPaymentStrictSend(path_payment::send(context, op)?),
        OperationBody::ManageSellOffer(op) => Offer::sell(op).apply(context)?.of_sell(),
        OperationBody::ManageBuyOffer(op) => Offer::buy(op).apply(context)?.of_buy(),
        OperationBody::CreatePassiveSellOffer(op) => Offer::passive(op).apply(context)?.of_sell(),
        OperationBody::SetOptions(op) => Tr::SetOptions(set_options::apply(context, op)?),
        OperationBody::ChangeTrust(op) => Tr::ChangeTrust(change_trust::apply(context, op)?),
        OperationBody::AllowTrust(op) => Tr::AllowTrust(trust_flags::allow(context, op)?),
        OperationBody::SetTrustLineFlags(op) => Tr::SetTrustLineFlags(trust_flags::set(context, op)?),
        OperationBody::AccountMerge(destination) => Tr::AccountMerge(account::merge(context, destination)?),
        OperationBody::ManageData(op) => Tr::ManageData(account::data(context, op)?),
        OperationBody::BumpSequence(op) => Tr::BumpSequence(account::bump(context, op)?),
        OperationBody::CreateClaimableBalance(op) => {
            Tr::CreateClaimableBalance(claimable_balance::create(context, op)?)
        }
        OperationBody::ClaimClaimableBalance(op) => Tr::ClaimClaimableBalance(claimable_balance::claim(context, op)?),
        OperationBody::ClawbackClaimableBalance(op) => {
            Tr::ClawbackClaimableBalance(claimable_balance::claw_back(context, op)?)
        }
        OperationBody::BeginSponsoringFutureReserves(op) => {
            Tr::BeginSponsoringFutureReserves(sponsoring::begin(context, op))
        }
        OperationBody::EndSponsoringFutureReserves => Tr::EndSponsoringFutureReserves(sponsoring::end(context)),
        OperationBody::RevokeSponsorship(op) => Tr::RevokeSponsorship(sponsoring::revoke(context, op)?),
        OperationBody::Clawback(op) => Tr::Clawback(clawback::apply(context, op)?),
        OperationBody::LiquidityPoolDeposit(op) => Tr::LiquidityPoolDeposit(pool_shares::deposit(context, op)?),
        OperationBody::LiquidityPoolWithdraw(op) => Tr::LiquidityPoolWithdraw(pool_shares::withdraw(context, op)?),
        OperationBody::Inflation
        | OperationBody::InvokeHostFunction(_)
        | OperationBody::ExtendFootprintTtl(_)
        | OperationBody::RestoreFootprint(_) => return Err(Stop::NotSupported),
    })
}

/// `isStringValid`: ASCII without control characters.
fn is_printable(text: &[u8]) -> bool {
    text.iter().all(|byte| byte.is_ascii() && !byte.is_ascii_control())
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
