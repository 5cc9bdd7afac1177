use super::*;
use crate::stellar::{AccountId, MarketId};
use serde_json::{Value, json};

fn handover() -> Handover {
    let usdc = Asset::Credit { code: "USDC".parse().unwrap(), issuer: AccountId([3; 32]) };
    let offer =
        |id, selling, buying| HandedOffer { id: OfferId(id), selling, buying, price: Price::new(7, 3).unwrap() };
    Handover {
        network: "a network".to_owned(),
        signer: LocalSigner::from_seed(&[9; 32]),
        core: Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: 11626 },
        meta: Some(Endpoint::Unix { path: "/run/meta.sock".into() }),
        sequence: SequenceNumber(77),
        last_ledger: LedgerSeq(12),
        base_fee: 100,
        offers: vec![offer(5, Asset::Native, usdc), offer(6, usdc, Asset::Native)],
    }
}

fn written() -> Value {
    serde_json::from_slice(&handover().to_json().unwrap()).unwrap()
}

fn read(value: &Value) -> Result<Handover, HandoverError> {
    Handover::read(&mut value.to_string().as_bytes())
}

#[test]
fn a_handover_reads_back_as_written() {
    let (given, json) = (handover(), handover().to_json().unwrap());
    let read = Handover::read(&mut json.as_slice()).unwrap();
    assert_eq!(read.network, given.network);
    assert_eq!(read.account(), given.account());
    assert_eq!((read.core, read.meta), (given.core, given.meta));
    assert_eq!((read.sequence, read.last_ledger, read.base_fee), (given.sequence, given.last_ledger, given.base_fee));
    assert_eq!(read.offers, given.offers);
    for core in ["http://localhost:1", "http://[::1]:11626/", "http://core-0.stellar:80"] {
        let mut value = written();
        value["core"] = core.into();
        assert!(self::read(&value).is_ok(), "{core}");
    }
}

#[test]
fn the_largest_handover_never_outgrows_its_memory_and_can_be_read() {
    let asset = |seed| Asset::Credit { code: "TWELVECHARS1".parse().unwrap(), issuer: AccountId([seed; 32]) };
    let mut large = handover();
    let offer = |id| HandedOffer {
        id: OfferId(i64::MAX - id),
        selling: asset(1),
        buying: asset(2),
        price: Price::new(i32::MAX, i32::MAX).unwrap(),
    };
    large.offers = (0..).take(MAX_OFFERS).map(offer).collect();
    let json = large.to_json().unwrap();
    assert_eq!(
        json.capacity(),
        HEAD_BYTES + OFFER_BYTES * MAX_OFFERS,
        "the JSON was moved, its old place not zeroised"
    );
    assert_eq!(Handover::read(&mut json.as_slice()).unwrap().offers.len(), MAX_OFFERS);
    large.offers.push(offer(1 << 20));
    assert!(matches!(large.to_json(), Err(HandoverError::TooManyOffers(1_001))));
}

#[test]
fn what_is_wrong_is_named_and_no_part_of_it_is_repeated() {
    let secret = handover().signer.expose_strkey().to_string();
    let first = written()["offers"][0].clone();
    let many = vec![first.clone(); MAX_OFFERS + 1];
    for (field, value, expected) in [
        ("secret", json!("SABC"), "secret seed"),
        ("secret", json!(7), "of the wrong kind"),
        ("sequence", json!(secret), "of the wrong kind"),
        ("sequence", json!(-1), "sequence"),
        ("sequence", json!(i64::MAX), "sequence"),
        ("core", json!(secret), "http://HOST:PORT"),
        ("core", json!("http://core"), "http://HOST:PORT"),
        ("core", json!("http://a b:1"), "http://HOST:PORT"),
        ("core", json!("http://core:0"), "http://HOST:PORT"),
        ("meta", json!("unix:"), "unix:PATH"),
        ("meta", json!(secret), "unix:PATH"),
        (&secret, json!(1), "unknown"),
        ("offers", json!([first, first]), "offer 2 (from 1): its id is that of another"),
        ("offers", json!(many), "more than the 1000"),
        ("offers", json!({}), "of the wrong kind"),
    ] {
        let mut wrong = written();
        wrong[field] = value;
        let error = read(&wrong).unwrap_err().to_string();
        assert!(error.contains(expected), "{expected}: {error}");
        assert!(!error.contains(&secret), "{error}");
    }
    for (field, value, expected) in [
        ("id", json!(0), "not positive"),
        ("n", json!(0), "not positive"),
        ("d", json!(-1), "not positive"),
        ("selling", json!(secret), "sells is no asset"),
        ("buying", json!("USDC"), "buys is no asset"),
        ("buying", json!("XLM"), "buys what it sells"),
    ] {
        let mut wrong = written();
        wrong["offers"][0][field] = value;
        let error = read(&wrong).unwrap_err().to_string();
        assert!(error.contains(expected) && !error.contains(&secret), "{expected}: {error}");
    }
}

#[test]
fn what_is_cut_short_too_long_or_no_json_is_refused() {
    let json = handover().to_json().unwrap();
    for end in 0..json.len() {
        assert!(matches!(Handover::read(&mut &json[..end]), Err(HandoverError::Form { .. })), "{end} bytes");
    }
    let long = [json.as_slice(), &vec![b' '; MAX_BYTES]].concat();
    assert!(matches!(Handover::read(&mut long.as_slice()), Err(HandoverError::TooLong)));
    assert!(Handover::read(&mut &long[..MAX_BYTES]).is_ok());
}

#[test]
fn the_secret_is_not_shown() {
    let handover = handover();
    let shown = format!("{handover:?}");
    assert!(!shown.contains(&*handover.signer.expose_strkey()) && !shown.contains("0909"), "{shown}");
}

#[test]
fn other_endpoints_than_the_process_can_use_are_refused() {
    let mut wrong = handover();
    wrong.core = Endpoint::Unix { path: "/x".into() };
    assert!(matches!(wrong.to_json(), Err(HandoverError::Core)));
    let mut wrong = handover();
    wrong.meta = Some(Endpoint::Tcp { host: "x".to_owned(), port: 1 });
    assert!(matches!(wrong.to_json(), Err(HandoverError::Meta)));
}

#[test]
fn an_offer_of_the_views_sells_what_its_side_says() {
    let given = handover();
    let market = Market { base: given.offers[0].selling, quote: given.offers[0].buying };
    let price = Price::new(7, 3).unwrap();
    let view = |id, side| OwnOfferView::new(OfferId(id), MarketId(0), side, price, crate::stellar::Stroops(1));
    assert_eq!(HandedOffer::from_view(&view(5, Side::Ask), &market), Some(given.offers[0]));
    assert_eq!(HandedOffer::from_view(&view(6, Side::Bid), &market), Some(given.offers[1]));
    assert_eq!(HandedOffer::from_view(&OwnOfferView::default(), &market), None);
}

#[test]
fn what_the_views_say_is_taken_and_views_that_say_nothing_change_nothing() {
    use crate::events::views::{AccountView, ViewLimits, ViewsHeader, views};
    let given = handover();
    let market = Market { base: given.offers[0].selling, quote: given.offers[0].buying };
    let table = MarketTable::new(&[market]).unwrap();
    let (mut writer, reader) = views(ViewLimits { markets: 1, accounts: 1, assets: 2, offers_per_account: 4 });
    let mut taken = handover();
    assert!(!taken.take_views(&reader, AccountIndex(0), &table));
    assert_eq!((taken.sequence, taken.offers.len()), (given.sequence, 2));
    let price = Price::new(7, 3).unwrap();
    let bid = OwnOfferView::new(OfferId(6), MarketId(0), Side::Bid, price, crate::stellar::Stroops(1));
    writer.publish(|views| {
        views.header(&ViewsHeader { ledger: 40, base_fee: 200, ..Default::default() });
        views.account(AccountIndex(0), &AccountView { exists: 1, sequence: 90, offers: 1, ..Default::default() });
        views.own_offer(AccountIndex(0), 0, &bid);
    });
    assert!(taken.take_views(&reader, AccountIndex(0), &table));
    assert_eq!((taken.sequence, taken.last_ledger, taken.base_fee), (SequenceNumber(90), LedgerSeq(40), 200));
    assert_eq!(taken.offers, given.offers[1..]);
}
