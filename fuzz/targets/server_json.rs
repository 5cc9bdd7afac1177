//! No answer of Horizon or Stellar RPC makes a parser panic; and a book that is parsed after another one, or skipped
//! because it is the same, is the book that a fresh parser reads.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stellar_connector::wire::json::horizon_book::{BookLevel, HorizonBookParser};
use stellar_connector::wire::json::horizon_record::HorizonRecordParser;
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
    let _ = rpc::latest(bytes);
    let _ = rpc::ledgers(bytes);
});
