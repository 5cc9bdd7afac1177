//! The queue at its limits (`TransactionQueue`, `TxQueueLimiter`, `SurgePricingPriorityQueue`).

use super::*;

/// A ledger of so few operations, so many of them for those who trade, and twelve accounts.
fn crowded(operations: u32, dex: Option<u32>) -> (Ledger, Vec<SigningKey>, Asset) {
    let mut ledger = Ledger::genesis(GenesisConfig { max_dex_operations: dex, ..GenesisConfig::default() });
    ledger.close(1_000, &first_upgrades());
    let root = ledger.root_key();
    let keys: Vec<SigningKey> = (1..=12).map(key).collect();
    succeed(&mut ledger, &root, keys.iter().map(|key| create(key, 10_000_000_000)).collect());
    let usd = usd(&root);
    for key in &keys {
        succeed(&mut ledger, key, vec![trust(&usd)]);
    }
    ledger.close(0, &[LedgerUpgrade::MaxTxSetSize(operations)]);
    (ledger, keys, usd)
}

fn with_fee(ledger: &Ledger, source: &SigningKey, body: OperationBody, fee: u32) -> TransactionEnvelope {
    let mut tx = transaction(source, sequence(ledger, source) + 1, vec![body]);
    tx.fee = fee;
    sign(ledger, tx, &[source])
}

fn payment(ledger: &Ledger, source: &SigningKey, fee: u32) -> TransactionEnvelope {
    with_fee(ledger, source, pay(&ledger.root_key(), Asset::Native, 5), fee)
}

fn offer(ledger: &Ledger, source: &SigningKey, usd: &Asset, fee: u32) -> TransactionEnvelope {
    with_fee(ledger, source, sell(Asset::Native, usd.clone(), 1_000, 1, 1), fee)
}

/// How the answer reads: waiting, "later", or the refusal's code and the fee it names.
fn answer(outcome: SubmitOutcome) -> (&'static str, i64) {
    match outcome {
        SubmitOutcome::Pending { .. } => ("Pending", 0),
        SubmitOutcome::Duplicate { .. } => ("Duplicate", 0),
        SubmitOutcome::TryAgainLater { .. } => ("TryAgainLater", 0),
        SubmitOutcome::Error { result, .. } => (result.result.name(), result.fee_charged),
    }
}

fn fees(closed: &ClosedLedger) -> Vec<i64> {
    let LedgerCloseMeta::V2(meta) = &closed.meta else { panic!("protocol 27 writes version 2") };
    let mut fees: Vec<i64> = meta.tx_processing.iter().map(|tx| tx.result.result.fee_charged).collect();
    fees.sort_unstable();
    fees
}

#[test]
fn it_holds_two_ledgers_and_then_only_who_bids_more_than_the_cheapest_which_must_go() {
    let (mut ledger, keys, _) = crowded(2, None);
    for (key, fee) in keys.iter().zip([100, 200, 300, 400]) {
        let envelope = payment(&ledger, key, fee);
        assert_eq!(answer(ledger.submit(envelope)), ("Pending", 0));
    }
    let low = payment(&ledger, &keys[4], 100);
    assert_eq!(answer(ledger.submit(low.clone())), ("TxInsufficientFee", 101));
    assert_eq!(answer(ledger.submit(low)), ("TryAgainLater", 0), "who found no room is refused for a while");
    let enough = payment(&ledger, &keys[5], 250);
    assert_eq!(answer(ledger.submit(enough)), ("Pending", 0));
    let gone = payment(&ledger, &keys[0], 100);
    assert_eq!(answer(ledger.submit(gone)), ("TryAgainLater", 0), "so is who had to go");
}

#[test]
fn who_was_displaced_must_be_outbid_until_the_ledger_closes_even_where_there_is_room() {
    let (mut ledger, keys, _) = crowded(2, None);
    for (key, fee) in keys.iter().zip([300, 200, 300, 300]) {
        let envelope = payment(&ledger, key, fee);
        assert_eq!(answer(ledger.submit(envelope)), ("Pending", 0));
    }
    let displacing = payment(&ledger, &keys[4], 900);
    assert_eq!(answer(ledger.submit(displacing)), ("Pending", 0));
    let equal = payment(&ledger, &keys[5], 200);
    assert_eq!(answer(ledger.submit(equal)), ("TxInsufficientFee", 201));
    let closed = ledger.close(0, &[]);
    assert_eq!(
        (fees(&closed), closed.still_waiting),
        (vec![300, 300], 2),
        "the cheapest of a full ledger is the price"
    );
    let equal = payment(&ledger, &keys[6], 200);
    assert_eq!(answer(ledger.submit(equal)), ("Pending", 0));
}

#[test]
fn those_who_trade_are_limited_in_their_own_lane_and_pay_its_price_while_others_pay_the_base_fee() {
    let (mut ledger, keys, usd) = crowded(10, Some(2));
    for (key, fee) in keys.iter().zip([500, 400, 300, 200]) {
        let envelope = offer(&ledger, key, &usd, fee);
        assert_eq!(answer(ledger.submit(envelope)), ("Pending", 0));
    }
    let low = offer(&ledger, &keys[4], &usd, 200);
    assert_eq!(answer(ledger.submit(low)), ("TxInsufficientFee", 201), "their lane is full twice over");
    let other = payment(&ledger, &keys[5], 150);
    assert_eq!(answer(ledger.submit(other)), ("Pending", 0), "the others' is not, and nobody there must go for them");
    let enough = offer(&ledger, &keys[6], &usd, 201);
    assert_eq!(answer(ledger.submit(enough)), ("Pending", 0));
    // Only those who trade must outbid whoever had to go from their lane.
    let (trading, paying) = (offer(&ledger, &keys[7], &usd, 150), payment(&ledger, &keys[8], 150));
    assert_eq!(answer(ledger.submit(trading)), ("TxInsufficientFee", 201));
    assert_eq!(answer(ledger.submit(paying)), ("Pending", 0));
    let closed = ledger.close(0, &[]);
    assert_eq!((fees(&closed), closed.still_waiting), (vec![100, 100, 400, 400], 2));
}

#[test]
fn the_same_transaction_signed_otherwise_is_no_duplicate_of_what_a_bump_holds() {
    let (mut ledger, keys, _) = crowded(10, None);
    let inner = payment(&ledger, &keys[0], 100);
    let bumped = bump(&ledger, &inner, &keys[1], 400);
    assert_eq!(answer(ledger.submit(bumped)), ("Pending", 0));
    assert_eq!(answer(ledger.submit(inner.clone())), ("Duplicate", 0));
    let TransactionEnvelope::Tx(v1) = inner else { panic!("a transaction") };
    let otherwise = sign(&ledger, v1.tx, &[&keys[0], &keys[2]]);
    assert_eq!(answer(ledger.submit(otherwise)), ("TryAgainLater", 0));
}

#[test]
fn what_became_invalid_goes_when_the_ledger_closes_and_its_account_can_hand_in_another() {
    use stellar_xdr::{BumpSequenceOp, BumpSequenceResult};
    let (mut ledger, keys, _) = crowded(1, None);
    let (a, b) = (&keys[0], &keys[1]);
    let waiting = payment(&ledger, a, 100);
    // Another account's transaction moves the sequence number on, and is alone in the next ledger.
    let mut tx = transaction(b, sequence(&ledger, b) + 1, vec![]);
    let bump_to = SequenceNumber(sequence(&ledger, a) + 10);
    tx.operations = header::vec_m(vec![Operation {
        source_account: Some(account_id(a).into()),
        body: OperationBody::BumpSequence(BumpSequenceOp { bump_to }),
    }]);
    tx.fee = 1_000;
    let moving = sign(&ledger, tx, &[a, b]);
    assert_eq!(answer(ledger.submit(waiting.clone())), ("Pending", 0));
    assert_eq!(answer(ledger.submit(moving)), ("Pending", 0));
    let closed = ledger.close(0, &[]);
    let LedgerCloseMeta::V2(meta) = &closed.meta else { panic!("protocol 27 writes version 2") };
    let TransactionResultResult::TxSuccess(results) = &meta.tx_processing[0].result.result.result else {
        panic!("the sequence number moves")
    };
    let moved = OperationResult::OpInner(OperationResultTr::BumpSequence(BumpSequenceResult::Success));
    assert_eq!((results.as_slice(), closed.still_waiting), (&[moved][..], 0));
    assert_eq!(answer(ledger.submit(waiting)), ("TryAgainLater", 0), "it is refused for a while");
    let next = payment(&ledger, a, 100);
    assert_eq!(answer(ledger.submit(next)), ("Pending", 0));
}

#[test]
fn before_protocol_20_a_nearly_full_set_makes_everybody_pay_its_lowest_bid() {
    let mut ledger = Ledger::genesis(GenesisConfig { max_tx_set_size: 101, ..GenesisConfig::default() });
    let upgrades =
        [LedgerUpgrade::Version(19), LedgerUpgrade::MaxTxSetSize(101), LedgerUpgrade::BaseReserve(5_000_000)];
    ledger.close(1_000, &upgrades);
    let root = ledger.root_key();
    let keys: Vec<SigningKey> = (1..=3).map(key).collect();
    let mut creation = transaction(&root, 1, keys.iter().map(|key| create(key, 10_000_000_000)).collect());
    creation.fee = 1_000;
    let envelope = sign(&ledger, creation, &[&root]);
    ledger.submit(envelope);
    let paid = |closed: &ClosedLedger| {
        let LedgerCloseMeta::V0(meta) = &closed.meta else { panic!("protocol 19 writes version 0") };
        meta.tx_processing.iter().map(|tx| tx.result.result.fee_charged).collect::<Vec<i64>>()
    };
    // 101 operations less the 100 kept free: three are more, one is not.
    assert_eq!(paid(&ledger.close(0, &[])), [1_000], "334 an operation, rounded up, of which it bid 1000");
    let alone = payment(&ledger, &keys[0], 900);
    ledger.submit(alone);
    assert_eq!(paid(&ledger.close(0, &[])), [100]);
    for (key, fee) in keys.iter().zip([300, 500, 700]) {
        let envelope = payment(&ledger, key, fee);
        ledger.submit(envelope);
    }
    assert_eq!(paid(&ledger.close(0, &[])), [300, 300, 300]);
}
