//! No answer of Horizon or Stellar RPC makes a parser panic; and a book that is parsed after another one, or skipped
//! because it is the same, is the book that a fresh parser reads. RPC's two readers agree.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::json::horizon_book::{BookLevel, HorizonBookParser};
use stellar_connector::wire::json::horizon_record::HorizonRecordParser;
use stellar_connector::wire::json::rpc_reader::RpcReader;
use stellar_connector::wire::json::{horizon, rpc};

const DEPTH: usize = 4;

fn book(parser: &mut HorizonBookParser, message: &[u8]) -> Option<(Vec<BookLevel>, Vec<BookLevel>, bool)> {
    let book = parser.parse(message).ok()?;
    assert!(book.bids.len() <= DEPTH && book.asks.len() <= DEPTH);
    assert!(book.bids.iter().chain(book.asks).all(|level| level.amount.0 > 0));
    Some((book.bids.to_vec(), book.asks.to_vec(), book.is_new))
}

fn books(bytes: &[u8]) {
    const OTHER: &[u8] = br#"{"bids":[{"price_r":{"n":1,"d":2},"price":"0.5000000","amount":"1.0000000"}],"asks":[]}"#;
    let mut parser = HorizonBookParser::new(DEPTH);
    let _ = book(&mut parser, OTHER);
    let after_another = book(&mut parser, bytes);
    let again = book(&mut parser, bytes);
    let fresh = book(&mut HorizonBookParser::new(DEPTH), bytes);
    assert_eq!(
        after_another.as_ref().map(|(bids, asks, _)| (bids, asks)),
        fresh.as_ref().map(|(bids, asks, _)| (bids, asks))
    );
    assert_eq!(again, fresh.map(|(bids, asks, _)| (bids, asks, false)));
}

/// What both readers of RPC's answers accept is the same; and what was read before leaves no trace.
fn rpc_answer(bytes: &[u8]) {
    const LATEST: &[u8] = br#"{"result":{"id":"a","protocolVersion":23,"sequence":7}}"#;
    let (mut reader, mut ledgers) = (RpcReader::default(), Vec::new());
    reader.load(bytes);
    let read = reader.ledgers(|ledger| {
        ledgers.push(ledger.to_vec());
        true
    });
    if let (Ok(read), Ok(page)) = (read, rpc::ledgers(bytes)) {
        let slow: Vec<_> = page.ledgers.iter().map(|ledger| ledger.metadata_xdr.as_bytes().to_vec()).collect();
        assert_eq!((ledgers, read.latest), (slow, page.latest));
    }
    reader.load(bytes);
    let _ = reader.latest();
    reader.load(LATEST);
    assert_eq!(reader.latest(), Ok(7));
}

fuzz_target!(|bytes: &[u8]| {
    books(bytes);
    let _ = horizon::offers(bytes);
    let _ = horizon::account(bytes);
    let _ = horizon::pool(bytes);
    let mut records = HorizonRecordParser::default();
    if let Ok(price) = records.trade_price(bytes) {
        assert!(price > 0.0 && price.is_finite());
    }
    let _ = records.account(bytes);
    rpc_answer(bytes);
});
