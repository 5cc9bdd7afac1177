//! AccountMerge, BumpSequence and ManageData.

use stellar_xdr::{
    AccountEntry, AccountFlags, AccountId, AccountMergeResult, BumpSequenceOp, BumpSequenceResult, DataEntry,
    DataEntryExt, LedgerEntry, LedgerEntryData, LedgerEntryExt, ManageDataOp, ManageDataResult, MuxedAccount,
};

use super::{Context, is_printable};
use crate::sandbox::ledger::entries::{has_flag, note_sequence_change, num_sponsoring};
use crate::sandbox::ledger::frame::account_of;
use crate::sandbox::ledger::holdings::Holding;
use crate::sandbox::ledger::outcome::{Applied, internal};
use crate::sandbox::ledger::sponsorship::{Reserve, create_entry, remove_entry, remove_signer, touch_account};
use crate::sandbox::ledger::store::Key;
use stellar_xdr::Asset;

const NO_SOURCE: &str = "the source does not exist";

pub(super) fn check_merge(source: &AccountId, destination: &MuxedAccount) -> Result<(), AccountMergeResult> {
    if account_of(destination) == *source { Err(AccountMergeResult::Malformed) } else { Ok(()) }
}

/// Moves an account's lumens to another and erases it.
pub(super) fn merge(context: &mut Context<'_>, destination: &MuxedAccount) -> Applied<AccountMergeResult> {
    let destination = account_of(destination);
    if context.store.account(&destination).is_none() {
        return Ok(AccountMergeResult::NoAccount);
    }
    let Some(account) = context.store.account(&context.source) else { return internal(NO_SOURCE) };
    if let Err(refused) = may_be_merged(context, account) {
        return Ok(refused);
    }
    let balance = account.balance;
    for index in (0..account.signers.len()).rev() {
        remove_signer(context.store, &context.source, index)?;
    }
    touch_account(context.store, &context.source)?;
    if !Holding::of(context.store, &destination, &Asset::Native).add_balance(context.store, balance)? {
        return Ok(AccountMergeResult::DestFull);
    }
    let key = Key::Account(context.source.clone());
    let Some(entry) = context.store.entry(&key) else { return internal(NO_SOURCE) };
    remove_entry(context.store, &entry, &context.source)?;
    context.store.erase(&key);
    Ok(AccountMergeResult::Success(balance))
}

fn may_be_merged(context: &Context<'_>, account: &AccountEntry) -> Result<(), AccountMergeResult> {
    if has_flag(account, AccountFlags::ImmutableFlag) {
        return Err(AccountMergeResult::ImmutableSet);
    }
    if account.num_sub_entries as usize != account.signers.len() {
        return Err(AccountMergeResult::HasSubEntries);
    }
    if is_sequence_too_far(context, account) {
        return Err(AccountMergeResult::SeqnumTooFar);
    }
    let sponsors_now = context.sponsorships.values().any(|sponsor| *sponsor == context.source);
    if sponsors_now || num_sponsoring(account) != 0 {
        return Err(AccountMergeResult::IsSponsor);
    }
    Ok(())
}

/// An account that is created again begins with its ledger's number: none may go back by that. Since protocol 19, what this
/// ledger still has to apply for the account counts, too.
fn is_sequence_too_far(context: &Context<'_>, account: &AccountEntry) -> bool {
    let mut sequence = account.seq_num.0;
    if context.store.protocol() >= 19
        && let Some(max) = context.environment.max_sequences.get(&context.source)
    {
        sequence = sequence.max(*max);
    }
    sequence >= i64::from(context.store.header.ledger_seq) << 32
}

pub(super) fn check_bump(op: &BumpSequenceOp) -> Result<(), BumpSequenceResult> {
    if op.bump_to.0 < 0 { Err(BumpSequenceResult::BadSeq) } else { Ok(()) }
}

/// Moves the sequence number up; nothing happens if it is there already, except that from protocol 19 its age restarts.
pub(super) fn bump(context: &mut Context<'_>, op: &BumpSequenceOp) -> Applied<BumpSequenceResult> {
    let Some(account) = context.store.account(&context.source) else { return internal(NO_SOURCE) };
    let raises = op.bump_to > account.seq_num;
    if raises || context.store.protocol() >= 19 {
        let Some((account, header)) = context.store.account_mut_with_header(&context.source) else {
            return internal(NO_SOURCE);
        };
        note_sequence_change(header, account);
        if raises {
            account.seq_num = op.bump_to.clone();
        }
    }
    Ok(BumpSequenceResult::Success)
}

pub(super) fn check_data(op: &ManageDataOp) -> Result<(), ManageDataResult> {
    if op.data_name.is_empty() || !is_printable(&op.data_name) { Err(ManageDataResult::InvalidName) } else { Ok(()) }
}

pub(super) fn data(context: &mut Context<'_>, op: &ManageDataOp) -> Applied<ManageDataResult> {
    let key = Key::Data(context.source.clone(), op.data_name.clone());
    let existing = context.store.entry(&key);
    match (&op.data_value, existing) {
        (Some(value), Some(mut entry)) => {
            if let LedgerEntryData::Data(data) = &mut entry.data {
                data.data_value = value.clone();
            }
            context.store.put(entry);
        }
        (Some(value), None) => {
            let mut entry = LedgerEntry {
                last_modified_ledger_seq: 0,
                data: LedgerEntryData::Data(DataEntry {
                    account_id: context.source.clone(),
                    data_name: op.data_name.clone(),
                    data_value: value.clone(),
                    ext: DataEntryExt::V0,
                }),
                ext: LedgerEntryExt::V0,
            };
            if create_entry(context.store, context.sponsorships, &mut entry, &context.source)? == Reserve::Low {
                return Ok(ManageDataResult::LowReserve);
            }
            context.store.put(entry);
        }
        (None, None) => return Ok(ManageDataResult::NameNotFound),
        (None, Some(entry)) => {
            remove_entry(context.store, &entry, &context.source)?;
            context.store.erase(&key);
        }
    }
    Ok(ManageDataResult::Success)
}
