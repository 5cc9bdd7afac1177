//! Clawback: an issuer takes back what a line holds.

use stellar_xdr::{AccountId, Asset, ClawbackOp, ClawbackResult};

use super::Context;
use crate::sandbox::ledger::assets::{self, is_issuer};
use crate::sandbox::ledger::entries::{line_add_balance, line_clawback};
use crate::sandbox::ledger::frame::account_of;
use crate::sandbox::ledger::outcome::Applied;
use crate::sandbox::ledger::store::Key;

pub(super) fn check(source: &AccountId, op: &ClawbackOp) -> Result<(), ClawbackResult> {
    // Core compares addresses here: a multiplexed one of the source itself passes, and finds no line.
    let from_self = op.from == stellar_xdr::MuxedAccount::from(source.clone());
    let malformed = from_self
        || op.amount < 1
        || op.asset == Asset::Native
        || !assets::is_valid(&op.asset)
        || !is_issuer(source, &op.asset);
    if malformed { Err(ClawbackResult::Malformed) } else { Ok(()) }
}

pub(super) fn apply(context: &mut Context<'_>, op: &ClawbackOp) -> Applied<ClawbackResult> {
    let Some(line) = context.store.line_mut(&Key::line(&account_of(&op.from), &op.asset)) else {
        return Ok(ClawbackResult::NoTrust);
    };
    Ok(if !line_clawback(line) {
        ClawbackResult::NotClawbackEnabled
    } else if !line_add_balance(line, -op.amount) {
        ClawbackResult::Underfunded
    } else {
        ClawbackResult::Success
    })
}
