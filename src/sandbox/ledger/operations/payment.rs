//! Payment: a path payment without a path.

use stellar_xdr::{AccountId, Asset, PaymentOp, PaymentResult};

use super::Context;
use crate::sandbox::ledger::assets;
use crate::sandbox::ledger::frame::account_of;
use crate::sandbox::ledger::holdings::Holding;
use crate::sandbox::ledger::outcome::{Applied, ensure};
use crate::sandbox::ledger::store::Key;

pub(super) fn check(op: &PaymentOp) -> Result<(), PaymentResult> {
    if op.amount <= 0 || !assets::is_valid(&op.asset) { Err(PaymentResult::Malformed) } else { Ok(()) }
}

pub(super) fn apply(context: &mut Context<'_>, op: &PaymentOp) -> Applied<PaymentResult> {
    let destination = account_of(&op.destination);
    if destination == context.source && op.asset == Asset::Native {
        return Ok(PaymentResult::Success);
    }
    let to_issuer = assets::is_issuer(&destination, &op.asset);
    if !to_issuer && !context.store.exists(&Key::Account(destination.clone())) {
        return Ok(PaymentResult::NoDestination);
    }
    if let Err(refused) = credit(context, &destination, &op.asset, op.amount)? {
        return Ok(match refused {
            CreditRefused::NoTrust => PaymentResult::NoTrust,
            CreditRefused::NotAuthorised => PaymentResult::NotAuthorized,
            CreditRefused::Full => PaymentResult::LineFull,
        });
    }
    if let Err(refused) = debit(context, &op.asset, op.amount)? {
        return Ok(match refused {
            DebitRefused::NoTrust => PaymentResult::SrcNoTrust,
            DebitRefused::NotAuthorised => PaymentResult::SrcNotAuthorized,
            DebitRefused::Underfunded => PaymentResult::Underfunded,
        });
    }
    Ok(PaymentResult::Success)
}

/// Why a destination does not get what is sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum CreditRefused {
    NoTrust,
    NotAuthorised,
    Full,
}

/// Gives an amount to the destination of a payment.
pub(super) fn credit(
    context: &mut Context<'_>,
    destination: &AccountId,
    asset: &Asset,
    amount: i64,
) -> Applied<Result<(), CreditRefused>> {
    let holding = Holding::of(context.store, destination, asset);
    Ok(if !holding.exists(context.store) {
        Err(CreditRefused::NoTrust)
    } else if !holding.is_authorised(context.store) {
        Err(CreditRefused::NotAuthorised)
    } else if !holding.add_balance(context.store, amount)? {
        Err(CreditRefused::Full)
    } else {
        Ok(())
    })
}

/// Why a source cannot send.
#[derive(Clone, Copy, Debug)]
pub(super) enum DebitRefused {
    NoTrust,
    NotAuthorised,
    Underfunded,
}

/// Takes an amount from the source of a payment.
pub(super) fn debit(context: &mut Context<'_>, asset: &Asset, amount: i64) -> Applied<Result<(), DebitRefused>> {
    let holding = Holding::of(context.store, &context.source, asset);
    if *asset == Asset::Native {
        if amount > holding.available(context.store)? {
            return Ok(Err(DebitRefused::Underfunded));
        }
        ensure(holding.add_balance(context.store, -amount)?, "the balance was just checked")?;
        return Ok(Ok(()));
    }
    Ok(if !holding.exists(context.store) {
        Err(DebitRefused::NoTrust)
    } else if !holding.is_authorised(context.store) {
        Err(DebitRefused::NotAuthorised)
    } else if !holding.add_balance(context.store, -amount)? {
        Err(DebitRefused::Underfunded)
    } else {
        Ok(())
    })
}
