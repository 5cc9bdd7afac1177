//! CreateAccount.

use stellar_xdr::{
    AccountEntry, AccountEntryExt, AccountId, CreateAccountOp, CreateAccountResult, LedgerEntry, LedgerEntryData,
    LedgerEntryExt, SequenceNumber, String32, Thresholds, VecM,
};

use super::Context;
use crate::sandbox::ledger::entries::{account_add_balance, account_available};
use crate::sandbox::ledger::outcome::{Applied, ensure, internal};
use crate::sandbox::ledger::sponsorship::{Reserve, create_entry};
use crate::sandbox::ledger::store::Key;

pub(super) fn check(source: &AccountId, op: &CreateAccountOp) -> Result<(), CreateAccountResult> {
    if op.starting_balance < 0 || op.destination == *source {
        return Err(CreateAccountResult::Malformed);
    }
    Ok(())
}

pub(super) fn apply(context: &mut Context<'_>, op: &CreateAccountOp) -> Applied<CreateAccountResult> {
    if context.store.exists(&Key::Account(op.destination.clone())) {
        return Ok(CreateAccountResult::AlreadyExist);
    }
    let mut entry = new_account(op, context.store.header.ledger_seq);
    if create_entry(context.store, context.sponsorships, &mut entry, &op.destination)? == Reserve::Low {
        return Ok(CreateAccountResult::LowReserve);
    }
    let Some((source, header)) = context.store.account_mut_with_header(&context.source) else {
        return internal("the source does not exist");
    };
    if account_available(header, source) < op.starting_balance {
        return Ok(CreateAccountResult::Underfunded);
    }
    ensure(account_add_balance(header, source, -op.starting_balance), "the balance was just checked")?;
    context.store.put(entry);
    Ok(CreateAccountResult::Success)
}

/// An account that can be signed for by its own key, whose sequence numbers begin with the ledger it was born in.
fn new_account(op: &CreateAccountOp, ledger_seq: u32) -> LedgerEntry {
    LedgerEntry {
        last_modified_ledger_seq: ledger_seq,
        data: LedgerEntryData::Account(AccountEntry {
            account_id: op.destination.clone(),
            balance: op.starting_balance,
            seq_num: SequenceNumber(i64::from(ledger_seq) << 32),
            num_sub_entries: 0,
            inflation_dest: None,
            flags: 0,
            home_domain: String32::default(),
            thresholds: Thresholds([1, 0, 0, 0]),
            signers: VecM::default(),
            ext: AccountEntryExt::V0,
        }),
        ext: LedgerEntryExt::V0,
    }
}
