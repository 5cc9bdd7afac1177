//! What no well-behaved core does, or not when asked: a core that answers by a script, and ledgers made by hand.

use super::*;
use crate::net::Endpoint;
use crate::wire::ledger::{FailedOperation, TransactionResultCode};
use base64::Engine as _;
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use stellar_xdr::{Limits, Preconditions, ReadXdr as _, TransactionEnvelope};

const PENDING: &str = r#"{"status":"PENDING"}"#;
const TRY_AGAIN_LATER: &str = r#"{"status":"TRY_AGAIN_LATER"}"#;
const REFUSED_AS_BAD_SEQ: &str = r#"{"status":"ERROR","error":"AAAAAAAAAGT////7AAAAAA=="}"#;
const REFUSED_FOR_ITS_FEE: &str = r#"{"status":"ERROR","error":"AAAAAAAAAGT////3AAAAAA=="}"#;
/// No answer of core's: what became of the transaction is unknown.
const NONSENSE: &str = "{}";

/// What core was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    sequence: i64,
    max_ledger: u32,
    fee: u32,
    offers: Vec<i64>,
    signature: Vec<u8>,
}

/// A core that gives these answers, one a request, and tells what it was sent.
fn scripted(answers: &'static [&'static str]) -> (Core, Receiver<Sent>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, sent) = channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut chunk = [0; 4096];
                let count = socket.read(&mut chunk).unwrap();
                assert!(count > 0, "the request ended early");
                request.extend_from_slice(&chunk[..count]);
            }
            sender.send(decode(&String::from_utf8(request).unwrap())).unwrap();
            write!(socket, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{answer}", answer.len()).unwrap();
        }
    });
    (Core::new(&Endpoint::Tcp { host: "127.0.0.1".to_owned(), port }).unwrap(), sent)
}

fn decode(request: &str) -> Sent {
    let blob = request.strip_prefix("GET /tx?blob=").unwrap().split(' ').next().unwrap();
    let blob = blob.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let xdr = base64::engine::general_purpose::STANDARD.decode(blob).unwrap();
    let TransactionEnvelope::Tx(envelope) = TransactionEnvelope::from_xdr(xdr, Limits::none()).unwrap() else {
        panic!("not a v1 envelope")
    };
    let Preconditions::V2(conditions) = &envelope.tx.cond else { panic!("no bounds") };
    let offers = envelope.tx.operations.iter().map(|operation| {
        let stellar_xdr::OperationBody::ManageSellOffer(body) = &operation.body else { panic!("no deletion") };
        assert_eq!(body.amount, 0);
        body.offer_id
    });
    Sent {
        sequence: envelope.tx.seq_num.0,
        max_ledger: conditions.ledger_bounds.as_ref().unwrap().max_ledger,
        fee: envelope.tx.fee,
        offers: offers.collect(),
        signature: envelope.signatures[0].signature.0.to_vec(),
    }
}

fn offer(id: i64) -> HandedOffer {
    let buying = Asset::Credit { code: AssetCode::Four(*b"USDC"), issuer: AccountId([3; 32]) };
    HandedOffer { id: OfferId(id), selling: Asset::Native, buying, price: Price::new(1, 2).unwrap() }
}

/// An account that has consumed number 50 by ledger 10, with offers 1 and 2.
fn cancel<'o>(core: Core, out: &'o mut dyn Write) -> CancelAll<'o> {
    let handover = Handover {
        network: "a network".to_owned(),
        signer: LocalSigner::from_seed(&[9; 32]),
        core: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 1 },
        meta: None,
        sequence: SequenceNumber(50),
        last_ledger: LedgerSeq(10),
        base_fee: 100,
        offers: vec![offer(1), offer(2)],
    };
    CancelAll::new(handover, core, NetworkId::from_passphrase("a network"), Instant::now() + WITHIN, out)
}

fn empty_ledger(seq: u32) -> SeenLedger {
    SeenLedger { seq: LedgerSeq(seq), base_fee: 100, ..SeenLedger::default() }
}

#[test]
fn the_next_is_signed_only_when_the_last_can_apply_no_more_and_then_bids_more() {
    let (core, sent) = scripted(&[PENDING, PENDING]);
    let mut out = Vec::new();
    let mut cancel = cancel(core, &mut out);
    cancel.act();
    let first = sent.recv().unwrap();
    assert_eq!((first.sequence, first.max_ledger, first.fee), (51, 13, 200));
    assert_eq!(first.offers, [1, 2]);
    cancel.on_ledger(&empty_ledger(11));
    cancel.act();
    assert!(sent.try_recv().is_err(), "it may still apply in ledger 12");
    cancel.on_ledger(&empty_ledger(12));
    cancel.act();
    let second = sent.recv().unwrap();
    assert_eq!((second.sequence, second.max_ledger, second.fee), (51, 15, 400));
}

#[test]
fn what_core_may_have_is_sent_again_as_it_was_until_its_number_is_consumed() {
    let (core, sent) = scripted(&[NONSENSE, TRY_AGAIN_LATER, REFUSED_AS_BAD_SEQ, PENDING]);
    let mut out = Vec::new();
    let mut cancel = cancel(core, &mut out);
    cancel.act();
    let first = sent.recv().unwrap();
    for _again in 0..2 {
        cancel.act();
        assert_eq!(sent.recv().unwrap(), first, "the same bytes");
    }
    assert!(cancel.flight.is_some(), "a refusal of what was sent before says nothing of the first time");
    // The engine's last transaction is what had this number. It made an offer, and offer 2 was taken meanwhile.
    let offers = vec![OfferNews::Stands(offer(7)), OfferNews::Gone(OfferId(2))];
    let stranger = SeenTransaction { hash: TxHash([1; 32]), code: TransactionResultCode::SUCCESS, failed: None };
    cancel.on_ledger(&SeenLedger { sequence: Some(51), offers, transactions: vec![stranger], ..empty_ledger(11) });
    cancel.act();
    let second = sent.recv().unwrap();
    assert_eq!((second.sequence, second.fee, second.offers), (52, 200, vec![1, 7]));
}

#[test]
fn a_refusal_for_the_fee_bids_more_and_a_wrong_number_is_the_streams_to_tell() {
    let (core, sent) = scripted(&[REFUSED_FOR_ITS_FEE, REFUSED_AS_BAD_SEQ, PENDING]);
    let mut out = Vec::new();
    let mut cancel = cancel(core, &mut out);
    let seen: Vec<_> = (0..3)
        .map(|_| {
            cancel.act();
            let sent = sent.recv().unwrap();
            (sent.sequence, sent.fee)
        })
        .collect();
    assert_eq!(seen, [(51, 200), (51, 400), (51, 400)]);
}

#[test]
fn without_the_stream_the_numbers_that_may_come_next_are_tried() {
    let (core, sent) = scripted(&[REFUSED_AS_BAD_SEQ, REFUSED_AS_BAD_SEQ, PENDING]);
    let mut out = Vec::new();
    let mut cancel = cancel(core, &mut out);
    cancel.lost("a test");
    for expected in 51..54 {
        cancel.act();
        assert_eq!(sent.recv().unwrap().sequence, expected);
    }
    assert_eq!(cancel.sequence, 52, "core has taken the next number, so this was the last");
}

#[test]
fn an_offer_that_was_gone_is_left_out_and_other_failures_are_counted() {
    let (core, sent) = scripted(&[PENDING, PENDING]);
    let mut out = Vec::new();
    let mut cancel = cancel(core, &mut out);
    let fail = |cancel: &mut CancelAll<'_>, seq: u32, inner| {
        let failed = Some(FailedOperation { operation: 1, outer: 0, inner: Some(inner) });
        let hash = cancel.flight.as_ref().unwrap().hash;
        let transactions = vec![SeenTransaction { hash, code: TransactionResultCode::FAILED, failed }];
        let sequence = Some(40 + i64::from(seq));
        cancel.on_ledger(&SeenLedger { sequence, transactions, ..empty_ledger(seq) });
    };
    cancel.act();
    fail(&mut cancel, 11, -7);
    assert_eq!((cancel.failures, cancel.standing.len()), (1, 2));
    assert_eq!(sent.recv().unwrap().offers, [1, 2]);
    cancel.act();
    fail(&mut cancel, 12, OFFER_NOT_FOUND);
    assert_eq!(cancel.standing.keys().collect::<Vec<_>>(), [&OfferId(1)]);
    assert_eq!(cancel.failures, 1);
    assert!(!cancel.is_done());
}

#[test]
fn it_is_over_only_when_nothing_stands_and_the_engines_number_is_consumed() {
    let (core, sent) = scripted(&[PENDING]);
    let mut out = Vec::new();
    let mut cancel = cancel(core, &mut out);
    let offers = vec![OfferNews::Gone(OfferId(1)), OfferNews::Gone(OfferId(2))];
    cancel.on_ledger(&SeenLedger { offers, ..empty_ledger(11) });
    assert!(!cancel.is_done(), "what the engine sent last may make an offer yet");
    cancel.act();
    assert_eq!(sent.recv().unwrap().offers, [NO_OFFER.0]);
    cancel.on_ledger(&SeenLedger { sequence: Some(51), ..empty_ledger(12) });
    assert!(cancel.is_done());
    cancel.missed = true;
    assert!(!cancel.conclude(), "not where ledgers went unseen");
}
