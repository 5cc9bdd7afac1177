//! PathPaymentStrictReceive and PathPaymentStrictSend: payments that are exchanged on the way, hop by hop, each hop by the
//! book or by the pool.

use stellar_xdr::{
    Asset, ClaimAtom, PathPaymentStrictReceiveOp, PathPaymentStrictReceiveResult,
    PathPaymentStrictReceiveResultSuccess, PathPaymentStrictSendOp, PathPaymentStrictSendResult,
    PathPaymentStrictSendResultSuccess, SimplePaymentResult,
};

use super::Context;
use super::payment::{CreditRefused, DebitRefused, credit, debit};
use crate::sandbox::ledger::assets;
use crate::sandbox::ledger::crossing::{Conversion, Converted, Ended, MAX_CROSSINGS, convert};
use crate::sandbox::ledger::frame::account_of;
use crate::sandbox::ledger::header::vec_m;
use crate::sandbox::ledger::outcome::{Applied, Stop};
use crate::sandbox::ledger::store::Key;
use crate::stellar::exchange::ExchangeMode;

/// Why a hop cannot be made.
#[derive(Clone, Copy, Debug)]
enum HopRefused {
    TooFewOffers,
    OwnOffer,
}

/// Converts one hop in full.
fn hop(
    context: &mut Context<'_>,
    sheep: &Asset,
    wheat: &Asset,
    amount: i64,
    mode: ExchangeMode,
    crossed: usize,
) -> Applied<Result<Converted, HopRefused>> {
    let strict_send = mode == ExchangeMode::StrictSend;
    let source = context.source.clone();
    let converted = convert(
        context.store,
        &Conversion {
            sheep,
            wheat,
            max_sheep_send: if strict_send { amount } else { i64::MAX },
            max_wheat_receive: if strict_send { i64::MAX } else { amount },
            mode,
            taker: &source,
            limit: None,
            max_crossings: MAX_CROSSINGS.saturating_sub(crossed),
        },
    )?;
    let exact = if strict_send { converted.sheep_sent } else { converted.wheat_received };
    Ok(match converted.ended {
        Ended::Done if exact == amount => Ok(converted),
        Ended::Done | Ended::Partial | Ended::BadPrice => Err(HopRefused::TooFewOffers),
        Ended::OwnOffer => Err(HopRefused::OwnOffer),
        Ended::TooMany => return Err(Stop::ExceededWorkLimit),
    })
}

/// Whether credits go straight back to their issuer, who then need not exist.
fn returns_to_issuer(send: &Asset, receive: &Asset, path: &[Asset], destination: &stellar_xdr::AccountId) -> bool {
    path.is_empty() && send == receive && assets::is_issuer(destination, receive)
}

pub(super) fn check_receive(op: &PathPaymentStrictReceiveOp) -> Result<(), PathPaymentStrictReceiveResult> {
    let assets_valid =
        assets::is_valid(&op.send_asset) && assets::is_valid(&op.dest_asset) && op.path.iter().all(assets::is_valid);
    if op.dest_amount <= 0 || op.send_max <= 0 || !assets_valid {
        return Err(PathPaymentStrictReceiveResult::Malformed);
    }
    Ok(())
}

pub(super) fn receive(
    context: &mut Context<'_>,
    op: &PathPaymentStrictReceiveOp,
) -> Applied<PathPaymentStrictReceiveResult> {
    use PathPaymentStrictReceiveResult as R;
    let destination = account_of(&op.destination);
    let bypass = returns_to_issuer(&op.send_asset, &op.dest_asset, &op.path, &destination);
    if !bypass && !context.store.exists(&Key::Account(destination.clone())) {
        return Ok(R::NoDestination);
    }
    if let Err(refused) = credit(context, &destination, &op.dest_asset, op.dest_amount)? {
        return Ok(match refused {
            CreditRefused::NoTrust => R::NoTrust,
            CreditRefused::NotAuthorised => R::NotAuthorized,
            CreditRefused::Full => R::LineFull,
        });
    }
    // From the destination back to the source: what each hop costs is what the hop before it must deliver.
    let mut offers: Vec<ClaimAtom> = Vec::new();
    let (mut wheat, mut amount, mut crossed) = (&op.dest_asset, op.dest_amount, 0);
    for sheep in op.path.iter().rev().chain([&op.send_asset]) {
        if sheep == wheat {
            continue;
        }
        let converted = match hop(context, sheep, wheat, amount, ExchangeMode::StrictReceive, crossed)? {
            Ok(converted) => converted,
            Err(HopRefused::TooFewOffers) => return Ok(R::TooFewOffers),
            Err(HopRefused::OwnOffer) => return Ok(R::OfferCrossSelf),
        };
        (wheat, amount) = (sheep, converted.sheep_sent);
        crossed += converted.crossings;
        offers.splice(0..0, converted.trail);
    }
    if amount > op.send_max {
        return Ok(R::OverSendmax);
    }
    if let Err(refused) = debit(context, &op.send_asset, amount)? {
        return Ok(match refused {
            DebitRefused::NoTrust => R::SrcNoTrust,
            DebitRefused::NotAuthorised => R::SrcNotAuthorized,
            DebitRefused::Underfunded => R::Underfunded,
        });
    }
    Ok(R::Success(PathPaymentStrictReceiveResultSuccess {
        offers: vec_m(offers),
        last: SimplePaymentResult { destination, asset: op.dest_asset.clone(), amount: op.dest_amount },
    }))
}

pub(super) fn check_send(op: &PathPaymentStrictSendOp) -> Result<(), PathPaymentStrictSendResult> {
    let assets_valid =
        assets::is_valid(&op.send_asset) && assets::is_valid(&op.dest_asset) && op.path.iter().all(assets::is_valid);
    if op.send_amount <= 0 || op.dest_min <= 0 || !assets_valid {
        return Err(PathPaymentStrictSendResult::Malformed);
    }
    Ok(())
}

pub(super) fn send(context: &mut Context<'_>, op: &PathPaymentStrictSendOp) -> Applied<PathPaymentStrictSendResult> {
    use PathPaymentStrictSendResult as R;
    let destination = account_of(&op.destination);
    let bypass = returns_to_issuer(&op.send_asset, &op.dest_asset, &op.path, &destination);
    if !bypass && !context.store.exists(&Key::Account(destination.clone())) {
        return Ok(R::NoDestination);
    }
    if let Err(refused) = debit(context, &op.send_asset, op.send_amount)? {
        return Ok(match refused {
            DebitRefused::NoTrust => R::SrcNoTrust,
            DebitRefused::NotAuthorised => R::SrcNotAuthorized,
            DebitRefused::Underfunded => R::Underfunded,
        });
    }
    let mut offers: Vec<ClaimAtom> = Vec::new();
    let (mut sheep, mut amount, mut crossed) = (&op.send_asset, op.send_amount, 0);
    for wheat in op.path.iter().chain([&op.dest_asset]) {
        if sheep == wheat {
            continue;
        }
        let converted = match hop(context, sheep, wheat, amount, ExchangeMode::StrictSend, crossed)? {
            Ok(converted) => converted,
            Err(HopRefused::TooFewOffers) => return Ok(R::TooFewOffers),
            Err(HopRefused::OwnOffer) => return Ok(R::OfferCrossSelf),
        };
        (sheep, amount) = (wheat, converted.wheat_received);
        crossed += converted.crossings;
        offers.extend(converted.trail);
    }
    if amount < op.dest_min {
        return Ok(R::UnderDestmin);
    }
    if let Err(refused) = credit(context, &destination, &op.dest_asset, amount)? {
        return Ok(match refused {
            CreditRefused::NoTrust => R::NoTrust,
            CreditRefused::NotAuthorised => R::NotAuthorized,
            CreditRefused::Full => R::LineFull,
        });
    }
    Ok(R::Success(PathPaymentStrictSendResultSuccess {
        offers: vec_m(offers),
        last: SimplePaymentResult { destination, asset: op.dest_asset.clone(), amount },
    }))
}
