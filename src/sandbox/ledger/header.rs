//! Headers, hashes and the small conversions that XDR's bounded lists ask for.

use aws_lc_rs::digest::{SHA256, digest};
use stellar_xdr::{
    Hash, LedgerEntryChange, LedgerEntryChanges, LedgerHeader, LedgerHeaderExt, LedgerHeaderHistoryEntry,
    LedgerHeaderHistoryEntryExt, Limited, Limits, StellarValue, StellarValueExt, TimePoint, VecM, WriteXdr,
};

/// How often the header's skip list is updated (`SKIP_1` to `SKIP_4` in `BucketManager`).
const SKIPS: [u32; 4] = [50, 5_000, 50_000, 500_000];

/// A list within its XDR bound; whoever builds one has checked the bound.
pub(crate) fn vec_m<T, const MAX: u32>(items: Vec<T>) -> VecM<T, MAX> {
    match items.try_into() {
        Ok(items) => items,
        Err(_) => unreachable!("a list beyond its XDR bound of {MAX}"),
    }
}

/// Changes as the protocol wraps them.
pub(crate) fn entry_changes(changes: Vec<LedgerEntryChange>) -> LedgerEntryChanges {
    LedgerEntryChanges(vec_m(changes))
}

/// A value's XDR.
#[expect(clippy::expect_used, reason = "writing to memory without limits cannot fail")]
pub(crate) fn xdr_bytes(value: &impl WriteXdr) -> Vec<u8> {
    value.to_xdr(Limits::none()).expect("XDR is written to memory")
}

/// Appends a value's XDR.
#[expect(clippy::expect_used, reason = "writing to memory without limits cannot fail")]
pub(crate) fn append_xdr(bytes: &mut Vec<u8>, value: &impl WriteXdr) {
    value.write_xdr(&mut Limited::new(bytes, Limits::none())).expect("XDR is written to memory");
}

/// SHA-256. This one is fast also on processors without instructions for it, where `sha2` would take two fifths of a
/// crossing's (`cargo bench --bench ledger_instructions`).
#[expect(clippy::expect_used, reason = "SHA-256 gives 32 bytes")]
pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Hash(digest(&SHA256, bytes).as_ref().try_into().expect("32 bytes"))
}

/// The hash of a header, by which the next ledger names it.
pub(crate) fn header_hash(header: &LedgerHeader) -> Hash {
    sha256(&xdr_bytes(header))
}

/// The header of ledger 1, as core's `genesisLedger` makes it.
pub(crate) fn genesis_header(total_coins: i64) -> LedgerHeader {
    LedgerHeader {
        ledger_version: 0,
        previous_ledger_hash: Hash([0; 32]),
        scp_value: StellarValue {
            tx_set_hash: Hash([0; 32]),
            close_time: TimePoint(0),
            upgrades: VecM::default(),
            ext: StellarValueExt::Basic,
        },
        tx_set_result_hash: Hash([0; 32]),
        bucket_list_hash: Hash([0; 32]),
        ledger_seq: 1,
        total_coins,
        fee_pool: 0,
        inflation_seq: 0,
        id_pool: 0,
        base_fee: 100,
        base_reserve: 100_000_000,
        max_tx_set_size: 100,
        skip_list: [Hash([0; 32]), Hash([0; 32]), Hash([0; 32]), Hash([0; 32])],
        ext: LedgerHeaderExt::V0,
    }
}

/// Moves the header's skip list on, once its bucket list hash is known (`calculateSkipValues`).
pub(crate) fn update_skip_list(header: &mut LedgerHeader) {
    let seq = header.ledger_seq;
    if !seq.is_multiple_of(SKIPS[0]) {
        return;
    }
    // An element passes its value on when the ledgers before it fill the next element's step.
    let mut before = 0;
    let mut moved = 0;
    for step in 1..SKIPS.len() {
        before += SKIPS[step - 1];
        if seq <= before || !(seq - before).is_multiple_of(SKIPS[step]) {
            break;
        }
        moved = step;
    }
    for element in (1..=moved).rev() {
        header.skip_list[element] = header.skip_list[element - 1].clone();
    }
    header.skip_list[0] = header.bucket_list_hash.clone();
}

/// A header with its hash, as history and meta keep it.
pub(crate) fn history_entry(header: &LedgerHeader) -> LedgerHeaderHistoryEntry {
    LedgerHeaderHistoryEntry { hash: header_hash(header), header: header.clone(), ext: LedgerHeaderHistoryEntryExt::V0 }
}
