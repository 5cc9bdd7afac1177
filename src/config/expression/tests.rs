use super::*;
use crate::stellar::Stroops;
use proptest::prelude::*;

fn term(text: &str) -> Result<Term, String> {
    text.parse::<PriceExpression>().map(|expression| expression.term)
}

fn exchange(exchange: &str, symbol: &str, what: Quoted, stale_s: Option<u64>) -> Term {
    let stale_after = stale_s.map(Duration::from_secs);
    Term::Exchange { exchange: exchange.to_owned(), symbol: symbol.to_owned(), what, stale_after }
}

#[test]
fn what_is_written_is_what_is_understood() {
    assert_eq!(term("0.5"), Ok(Term::Fixed(0.5)));
    assert_eq!(term("fixed( 2 )"), Ok(Term::Fixed(2.0)));
    assert_eq!(term("XLM/USD"), Ok(exchange("reference", "XLM/USD", Quoted::Mid, None)));
    assert_eq!(term("exchange(binance, XLMUSDT)"), Ok(exchange("binance", "XLMUSDT", Quoted::Mid, None)));
    let micro = exchange("coinbase", "XLM-USD", Quoted::Micro, Some(2));
    assert_eq!(term("exchange(coinbase,XLM-USD,micro,stale=2s)"), Ok(micro.clone()));
    assert_eq!(term("exchange(coinbase,XLM-USD,stale = 2s, micro)"), Ok(micro.clone()));
    let usdc = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN";
    let assets = Market { base: Asset::Native, quote: usdc.parse().unwrap() };
    let vwap = Term::Sdex { assets, what: Quoted::Vwap(Stroops(50_000_000_000)), stale_after: None };
    assert_eq!(term(&format!("sdex(XLM, {usdc}, vwap=5000)")), Ok(vwap.clone()));
    let all = format!(
        "median(invert(times(2, 0.25)), max(sdex(XLM,{usdc},vwap=5000),1), min(exchange(coinbase,XLM-USD,micro,stale=2s)))"
    );
    let expected = Term::Median(vec![
        Term::Invert(Box::new(Term::Times(vec![Term::Fixed(2.0), Term::Fixed(0.25)]))),
        Term::Max(vec![vwap, Term::Fixed(1.0)]),
        Term::Min(vec![micro]),
    ]);
    assert_eq!(term(&all), Ok(expected));
    assert_eq!(all.parse::<PriceExpression>().unwrap().to_string(), all);
}

#[test]
fn what_cannot_be_understood_is_named() {
    for (text, expected) in [
        ("", "ends where a name or a number"),
        ("max(1", "ends where a comma or a closing bracket"),
        ("max()", "has ')' where a name"),
        ("max(1,,2)", "has ',2)' where a name"),
        ("maximum(1)", "'maximum' is no function"),
        ("1 2", "goes on with '2'"),
        ("max(1))", "goes on with ')'"),
        ("0", "'0' is no price"),
        ("fixed(-1)", "'-1' is no price"),
        ("inf", "'inf' is no price"),
        ("invert(1, 2)", "'invert' takes one price"),
        ("exchange(kraken)", "'exchange' lacks its symbol"),
        ("exchange(kraken, XLM/USD, best)", "'best' is no price of it: write mid, bid, ask, last, micro or"),
        ("exchange(kraken, XLM/USD, vwap=5)", "'vwap' is no price of it"),
        ("exchange(kraken, XLM/USD, mid, bid)", "says with 'bid' what it has said before"),
        ("exchange(kraken, XLM/USD, stale=soon)", "soon"),
        ("sdex(XLM, USDC)", "USDC"),
        ("exchange(horizon, XLM/USDC)", "'XLM/USDC' is no pair of assets"),
    ] {
        let error = term(text).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert!(term(&format!("{}1{}", "invert(".repeat(20), ")".repeat(20))).unwrap_err().contains("nests deeper"));
    assert!(term(&"1".repeat(MAX_BYTES + 1)).is_err());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(max|min|exchange|sdex|invert|[(),=. 0-9aX/:-]|stale|vwap){0,40}") {
        let _ = term(&text);
    }
}
