//! What applying a transaction does that should not have been in a ledger, or fails in it: which code, whether its sequence
//! number is consumed, and what becomes of one-time signers (`TransactionFrame::commonValid`, `processSignatures`).

use stellar_xdr::{
    Duration, LedgerBounds, LedgerEntryChange, PreconditionsV2, SetOptionsOp, Signer, SignerKey,
    SignerKeyEd25519SignedPayload, TransactionV0, TransactionV0Envelope, TransactionV0Ext, Uint256,
};

use super::super::apply::{Environment, Outcome, apply as apply_frame, charge};
use super::*;

/// What makes a good transaction another one.
type Change = Box<dyn Fn(&mut Transaction)>;

/// Applies an envelope in the next ledger, whether it is valid or not.
fn apply_unjudged(ledger: &mut Ledger, envelope: TransactionEnvelope) -> Outcome {
    let frame = Frame::new(envelope, &ledger.network.0);
    ledger.store.header.ledger_seq += 1;
    let (charged, _) = charge(&mut ledger.store, &frame, Some(100));
    apply_frame(&mut ledger.store, &Environment::default(), &frame, charged)
}

fn no_conditions() -> PreconditionsV2 {
    PreconditionsV2 {
        time_bounds: None,
        ledger_bounds: None,
        min_seq_num: None,
        min_seq_age: Duration(0),
        min_seq_ledger_gap: 0,
        extra_signers: header::vec_m(Vec::new()),
    }
}

fn on(conditions: PreconditionsV2) -> impl Fn(&mut Transaction) {
    move |tx| tx.cond = Preconditions::V2(conditions.clone())
}

#[test]
fn what_should_not_have_been_in_a_ledger_gets_cores_code_and_consumes_its_sequence_number_only_if_that_was_right() {
    let (ledger, a, b, _) = market();
    let (seq, close_time) = (ledger.header().ledger_seq, ledger.header().scp_value.close_time.0);
    let extra = |keys: Vec<SignerKey>| PreconditionsV2 { extra_signers: header::vec_m(keys), ..no_conditions() };
    let b_key = SignerKey::Ed25519(Uint256(b.verifying_key().to_bytes()));
    let empty_payload = SignerKey::Ed25519SignedPayload(SignerKeyEd25519SignedPayload {
        ed25519: Uint256(b.verifying_key().to_bytes()),
        payload: Vec::new().try_into().unwrap(),
    });
    let times = |min, max| TimeBounds { min_time: TimePoint(min), max_time: TimePoint(max) };
    let bounds = |min_ledger, max_ledger| Some(LedgerBounds { min_ledger, max_ledger });
    let cases: Vec<(&str, bool, Change)> = vec![
        ("TxSuccess", true, Box::new(|_| {})),
        ("TxMissingOperation", false, Box::new(|tx| tx.operations = header::vec_m(Vec::new()))),
        ("TxTooEarly", false, Box::new(move |tx| tx.cond = Preconditions::Time(times(close_time + 1, 0)))),
        ("TxTooLate", false, Box::new(move |tx| tx.cond = Preconditions::Time(times(0, close_time - 1)))),
        ("TxTooEarly", false, Box::new(on(PreconditionsV2 { ledger_bounds: bounds(seq + 2, 0), ..no_conditions() }))),
        ("TxTooLate", false, Box::new(on(PreconditionsV2 { ledger_bounds: bounds(0, seq + 1), ..no_conditions() }))),
        ("TxInsufficientFee", false, Box::new(|tx| tx.fee = 99)),
        ("TxBadSeq", false, Box::new(|tx| tx.seq_num.0 += 1)),
        ("TxBadSeq", false, Box::new(move |tx| tx.seq_num.0 = i64::from(seq + 1) << 32)),
        ("TxMalformed", false, Box::new(on(extra(vec![b_key.clone(), b_key.clone()])))),
        ("TxMalformed", false, Box::new(on(extra(vec![empty_payload])))),
        ("TxBadAuth", true, Box::new(on(extra(vec![b_key.clone()])))),
        (
            "TxBadMinSeqAgeOrGap",
            true,
            Box::new(on(PreconditionsV2 { min_seq_age: Duration(close_time + 1), ..no_conditions() })),
        ),
        ("TxBadMinSeqAgeOrGap", true, Box::new(on(PreconditionsV2 { min_seq_ledger_gap: seq + 2, ..no_conditions() }))),
    ];
    for (wanted, consumed, change) in cases {
        let mut ledger = ledger.clone();
        let before = sequence(&ledger, &a);
        let mut tx = transaction(&a, before + 1, vec![pay(&b, Asset::Native, 5)]);
        change(&mut tx);
        let envelope = sign(&ledger, tx, &[&a]);
        let outcome = apply_unjudged(&mut ledger, envelope);
        assert_eq!(outcome.result.result.result.name(), wanted);
        assert_eq!(sequence(&ledger, &a) - before, i64::from(consumed), "{wanted}");
        assert_eq!(outcome.changes_before.0.is_empty(), !consumed, "{wanted}");
    }
}

#[test]
fn signatures_too_many_and_a_balance_below_the_reserve_consume_the_sequence_number() {
    let (mut ledger, a, b, _) = market();
    let before = sequence(&ledger, &a);
    let envelope = sign(&ledger, transaction(&a, before + 1, vec![pay(&b, Asset::Native, 5)]), &[&a, &b]);
    let outcome = apply_unjudged(&mut ledger, envelope);
    assert_eq!((outcome.result.result.result.name(), sequence(&ledger, &a)), ("TxBadAuthExtra", before + 1));

    let poor = key(9);
    succeed(&mut ledger, &a, vec![create(&poor, 10_000_050)]);
    let before = sequence(&ledger, &poor);
    let envelope = sign(&ledger, transaction(&poor, before + 1, vec![pay(&b, Asset::Native, 5)]), &[&poor]);
    let outcome = apply_unjudged(&mut ledger, envelope);
    assert_eq!((outcome.result.result.result.name(), sequence(&ledger, &poor)), ("TxInsufficientBalance", before + 1));
    assert_eq!(outcome.result.result.fee_charged, 100, "the fee may eat into the reserve");
}

#[test]
fn an_envelope_of_the_old_form_is_not_supported_in_a_ledger() {
    let (mut ledger, a, b, _) = market();
    let tx = transaction(&a, sequence(&ledger, &a) + 1, vec![pay(&b, Asset::Native, 5)]);
    let TransactionEnvelope::Tx(v1) = sign(&ledger, tx, &[&a]) else { panic!("a transaction of today") };
    let old = TransactionEnvelope::TxV0(TransactionV0Envelope {
        tx: TransactionV0 {
            source_account_ed25519: Uint256(a.verifying_key().to_bytes()),
            fee: v1.tx.fee,
            seq_num: v1.tx.seq_num,
            time_bounds: None,
            memo: Memo::None,
            operations: v1.tx.operations,
            ext: TransactionV0Ext::V0,
        },
        signatures: v1.signatures,
    });
    let outcome = apply_unjudged(&mut ledger.clone(), old.clone());
    assert_eq!(outcome.result.result.result.name(), "TxNotSupported");
    // Handed in, it is taken as the new form.
    assert!(matches!(ledger.submit(old), SubmitOutcome::Pending { .. }));
}

#[test]
fn a_signer_that_stands_for_one_transaction_goes_with_it_even_if_it_fails_and_gives_its_sponsor_the_reserve_back() {
    use stellar_xdr::BeginSponsoringFutureReservesOp;
    let (mut ledger, a, b, _) = market();
    // What it stands for: a payment that fails, after the transaction that makes it a signer.
    let next = transaction(&a, sequence(&ledger, &a) + 2, vec![pay(&b, Asset::Native, i64::MAX)]);
    let envelope = sign(&ledger, next, &[]);
    let TransactionEnvelope::Tx(v1) = &envelope else { panic!("a transaction") };
    let hash = TransactionEnvelope::Tx(v1.clone()).hash(ledger.network().0).unwrap();
    let signer = Signer { key: SignerKey::PreAuthTx(Uint256(hash)), weight: 1 };
    let operations = vec![
        (
            &b,
            OperationBody::BeginSponsoringFutureReserves(BeginSponsoringFutureReservesOp {
                sponsored_id: account_id(&a),
            }),
        ),
        (&a, OperationBody::SetOptions(SetOptionsOp { signer: Some(signer), ..SetOptionsOp::default() })),
        (&a, OperationBody::EndSponsoringFutureReserves),
    ];
    assert_eq!(apply_as(&mut ledger, &a, operations).name(), "TxSuccess");
    let sponsoring = |ledger: &Ledger| entries::num_sponsoring(ledger.account(&account_id(&b)).unwrap());
    assert_eq!((ledger.account(&account_id(&a)).unwrap().signers.len(), sponsoring(&ledger)), (1, 1));

    let outcome = apply_unjudged(&mut ledger, envelope);
    assert_eq!(outcome.result.result.result.name(), "TxFailed");
    let account = ledger.account(&account_id(&a)).unwrap();
    assert_eq!((account.signers.len(), account.num_sub_entries, entries::num_sponsored(account)), (0, 1, 0));
    assert_eq!((sponsoring(&ledger), entries::signer_sponsors(account).len()), (0, 0));
    let touched = outcome.changes_before.0.iter().filter(|change| matches!(change, LedgerEntryChange::Updated(_)));
    assert_eq!(touched.count(), 2, "the account and its signer's sponsor");
}
