//! Paths are what Horizon would answer, and what a payment along them does.

mod refusals;

use super::search::MAX_HOPS;
use super::*;
use crate::sandbox::actor::{Actor, account_to_xdr, asset_to_xdr, create_account, pay, transaction, trust};
use crate::sandbox::fixture::Fixture;
use crate::sandbox::history::{History, HistoryBounds};
use crate::sandbox::horizon::{ObjectOf, words};
use crate::sandbox::ledger::{GenesisConfig, SubmitOutcome, first_upgrades};
use crate::stellar;
use proptest::prelude::*;

use stellar_xdr::{
    ChangeTrustAsset, ChangeTrustOp, LedgerCloseMeta, LiquidityPoolConstantProductParameters, LiquidityPoolDepositOp,
    LiquidityPoolParameters, ManageSellOfferOp, OperationBody, OperationResult, OperationResultTr,
    PathPaymentStrictReceiveOp, PathPaymentStrictReceiveResult, PathPaymentStrictSendOp, PathPaymentStrictSendResult,
    Price, TransactionResultResult, WriteXdr as _,
};

const UNIT: i64 = 10_000_000;

/// A ledger made by hand: an issuer of some assets, two makers and a payer who trust them all.
struct Town {
    ledger: Ledger,
    issuer: Actor,
    makers: [Actor; 2],
    payer: Actor,
    /// Lumens, then credits `AAA`, `BBB`, `CCC`, …
    assets: Vec<Asset>,
}

impl Town {
    fn with_credits(credits: usize) -> Self {
        let mut ledger = Ledger::genesis(GenesisConfig::default());
        ledger.close(1_000, &first_upgrades());
        let actor = |role| Actor::derive(1, role, 0);
        let (issuer, payer) = (actor("issuer"), actor("payer"));
        let makers = [Actor::derive(1, "maker", 0), Actor::derive(1, "maker", 1)];
        let root = Actor::new(ledger.root_key());
        let everyone = [&issuer, &makers[0], &makers[1], &payer];
        let founding = everyone.map(|actor| create_account(actor.id(), Stroops(1_000_000 * UNIT))).to_vec();
        succeed(&mut ledger, &root, founding);
        let credits: Vec<stellar::Asset> = (b'A'..)
            .take(credits)
            .map(|letter| stellar::Asset::Credit {
                code: stellar::AssetCode::Four([letter, letter, letter, 0]),
                issuer: issuer.id(),
            })
            .collect();
        for actor in [&makers[0], &makers[1], &payer] {
            succeed(&mut ledger, actor, credits.iter().map(trust).collect());
            let gifts = credits.iter().map(|credit| pay(actor.id(), credit, Stroops(1_000_000 * UNIT)));
            succeed(&mut ledger, &issuer, gifts.collect());
        }
        let assets = [Asset::Native].into_iter().chain(credits.iter().map(asset_to_xdr)).collect();
        Self { ledger, issuer, makers, payer, assets }
    }

    /// A maker sells an asset for another at `n/d`.
    fn sell(&mut self, maker: usize, (selling, buying): (usize, usize), amount: i64, (n, d): (i32, i32)) {
        let offer = offer(&self.assets[selling], &self.assets[buying], amount, (n, d));
        succeed(&mut self.ledger, &self.makers[maker], vec![offer]);
    }

    fn ask(&self, of: ObjectOf, query: &str) -> Answer {
        let history = History::new(self.ledger.network(), HistoryBounds::default());
        ask(&Chain { ledger: &self.ledger, history: &history, now_s: 2_000 }, of, query)
    }

    fn word(&self, asset: usize) -> String {
        words::asset_word(&self.assets[asset])
    }
}

type Answer = Result<Vec<Value>, Problem>;

fn ask(chain: &Chain<'_>, of: ObjectOf, query: &str) -> Answer {
    let target = Target {
        variables: Vec::new(),
        query: Query::parse(query),
        base_url: "http://localhost".into(),
        path: "/paths".into(),
    };
    let answer = of(chain, &target)?;
    Ok(answer["_embedded"]["records"].as_array().unwrap().clone())
}

/// An asset as parameters.
fn parameters(prefix: &str, asset: &Asset) -> String {
    let (kind, code, issuer) = asset_parts(asset);
    format!("{prefix}asset_type={kind}&{prefix}asset_code={code}&{prefix}asset_issuer={issuer}")
}

fn address(actor: &Actor) -> String {
    actor.id().to_string()
}

fn offer(selling: &Asset, buying: &Asset, amount: i64, (n, d): (i32, i32)) -> OperationBody {
    OperationBody::ManageSellOffer(ManageSellOfferOp {
        selling: selling.clone(),
        buying: buying.clone(),
        amount,
        price: Price { n, d },
        offer_id: 0,
    })
}

fn deposit(x: &Asset, y: &Asset, amount_a: i64, amount_b: i64) -> Vec<OperationBody> {
    let (asset_a, asset_b) = if x < y { (x.clone(), y.clone()) } else { (y.clone(), x.clone()) };
    let parameters = LiquidityPoolParameters::LiquidityPoolConstantProduct(LiquidityPoolConstantProductParameters {
        asset_a,
        asset_b,
        fee: 30,
    });
    let hash = <sha2::Sha256 as sha2::Digest>::digest(parameters.to_xdr(stellar_xdr::Limits::none()).unwrap());
    vec![
        OperationBody::ChangeTrust(ChangeTrustOp { line: ChangeTrustAsset::PoolShare(parameters), limit: i64::MAX }),
        OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
            liquidity_pool_id: stellar_xdr::PoolId(stellar_xdr::Hash(hash.into())),
            max_amount_a: amount_a,
            max_amount_b: amount_b,
            min_price: Price { n: 1, d: i32::MAX },
            max_price: Price { n: i32::MAX, d: 1 },
        }),
    ]
}

/// Applies a transaction in a ledger of its own.
fn apply(ledger: &mut Ledger, actor: &Actor, operations: Vec<OperationBody>) -> TransactionResultResult {
    let sequence = ledger.account(&account_to_xdr(actor.id())).unwrap().seq_num.0 + 1;
    let envelope = actor.sign(ledger.network(), transaction(actor.id(), sequence, 100, operations)).unwrap();
    let outcome = ledger.submit(envelope);
    assert!(matches!(outcome, SubmitOutcome::Pending { .. }), "{outcome:?}");
    let LedgerCloseMeta::V2(meta) = ledger.close(0, &[]).meta else { panic!("protocol 27 writes version 2") };
    meta.tx_processing[0].result.result.result.clone()
}

fn succeed(ledger: &mut Ledger, actor: &Actor, operations: Vec<OperationBody>) {
    let result = apply(ledger, actor, operations);
    assert!(matches!(result, TransactionResultResult::TxSuccess(_)), "{result:?}");
}

// Records, read back and paid.

fn stroops(record: &Value, name: &str) -> i64 {
    record[name].as_str().unwrap().parse::<Stroops>().unwrap().0
}

fn asset_in(record: &Value, prefix: &str) -> Asset {
    let part = |name: &str| record[format!("{prefix}asset_{name}")].as_str();
    if part("type") == Some("native") {
        Asset::Native
    } else {
        credit(part("code").unwrap(), part("issuer").unwrap()).unwrap()
    }
}

/// Pays along a path, on a ledger of its own, exactly what its record says.
fn pay_along(
    ledger: &Ledger,
    record: &Value,
    mode: ExchangeMode,
    payer: &Actor,
    to: stellar::AccountId,
) -> OperationResult {
    let (send_asset, dest_asset) = (asset_in(record, "source_"), asset_in(record, "destination_"));
    let (sent, arrived) = (stroops(record, "source_amount"), stroops(record, "destination_amount"));
    let path: Vec<Asset> = record["path"].as_array().unwrap().iter().map(|asset| asset_in(asset, "")).collect();
    let path = path.try_into().unwrap();
    let destination = account_to_xdr(to).into();
    let payment = match mode {
        ExchangeMode::StrictSend => OperationBody::PathPaymentStrictSend(PathPaymentStrictSendOp {
            send_asset,
            send_amount: sent,
            destination,
            dest_asset,
            dest_min: arrived,
            path,
        }),
        _ => OperationBody::PathPaymentStrictReceive(PathPaymentStrictReceiveOp {
            send_asset,
            send_max: sent,
            destination,
            dest_asset,
            dest_amount: arrived,
            path,
        }),
    };
    match apply(&mut ledger.clone(), payer, vec![payment]) {
        TransactionResultResult::TxSuccess(results) | TransactionResultResult::TxFailed(results) => results[0].clone(),
        other => panic!("{other:?}"),
    }
}

/// Each path delivers what it says.
fn keep_promises(ledger: &Ledger, records: &[Value], mode: ExchangeMode, payer: &Actor, to: stellar::AccountId) {
    use PathPaymentStrictReceiveResult::Success as Received;
    use PathPaymentStrictSendResult::Success as Sent;
    for record in records {
        match pay_along(ledger, record, mode, payer, to) {
            OperationResult::OpInner(OperationResultTr::PathPaymentStrictSend(Sent(success))) => {
                assert_eq!(success.last.amount, stroops(record, "destination_amount"), "{record}");
            }
            OperationResult::OpInner(OperationResultTr::PathPaymentStrictReceive(Received(_))) => {
                let mut cheaper = record.clone();
                let cost = stroops(record, "source_amount");
                if cost > 1 {
                    cheaper["source_amount"] = json!(amount(cost - 1));
                    let result = pay_along(ledger, &cheaper, mode, payer, to);
                    let short =
                        OperationResultTr::PathPaymentStrictReceive(PathPaymentStrictReceiveResult::OverSendmax);
                    assert_eq!(result, OperationResult::OpInner(short), "{record} costs less");
                }
            }
            other => panic!("{record}: {other:?}"),
        }
    }
}

#[test]
fn a_record_reads_as_horizons() {
    let mut town = Town::with_credits(2);
    town.sell(0, (1, 0), 100 * UNIT, (2, 1));
    town.sell(0, (2, 1), 100 * UNIT, (1, 2));
    let issuer = address(&town.issuer);
    let query = format!("source_asset_type=native&source_amount=10&destination_assets=BBB:{issuer},native");
    let records = town.ask(strict_send, &query).unwrap();
    let through = json!({
        "source_asset_type": "native",
        "source_amount": "10.0000000",
        "destination_asset_type": "credit_alphanum4",
        "destination_asset_code": "BBB",
        "destination_asset_issuer": issuer,
        "destination_amount": "10.0000000",
        "path": [{"asset_type": "credit_alphanum4", "asset_code": "AAA", "asset_issuer": issuer}],
    });
    let straight = json!({
        "source_asset_type": "native",
        "source_amount": "10.0000000",
        "destination_asset_type": "native",
        "destination_amount": "10.0000000",
        "path": [],
    });
    assert_eq!(records, [through, straight]);
}

#[test]
fn a_path_back_from_the_destination_says_what_it_costs() {
    let mut town = Town::with_credits(2);
    town.sell(0, (1, 0), 100 * UNIT, (2, 1));
    town.sell(0, (2, 1), 100 * UNIT, (1, 2));
    let query =
        format!("{}&destination_amount=3.0000001&source_assets=native", parameters("destination_", &town.assets[2]));
    let records = town.ask(strict_receive, &query).unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["source_amount"], "3.0000002");
    assert_eq!(records[0]["destination_amount"], "3.0000001");
    assert_eq!(records[0]["path"][0]["asset_code"], "AAA");
    keep_promises(&town.ledger, &records, ExchangeMode::StrictReceive, &town.payer, town.payer.id());
}

#[test]
fn an_accounts_paths_begin_with_what_it_can_pay() {
    let mut town = Town::with_credits(2);
    town.sell(0, (2, 0), 2_000_000 * UNIT / 2, (1, 1));
    town.sell(1, (2, 1), 900_000 * UNIT, (1, 1));
    let query = |amount: i64, account: &Actor| {
        let asset = parameters("destination_", &town.assets[2]);
        format!("{asset}&destination_amount={amount}&source_account={}", address(account))
    };
    let sources = |amount: i64, account: &Actor| -> Vec<String> {
        let records = town.ask(strict_receive, &query(amount, account)).unwrap();
        keep_promises(&town.ledger, &records, ExchangeMode::StrictReceive, account, town.issuer.id());
        records.iter().map(|record| words::asset_word(&asset_in(record, "source_"))).collect()
    };
    let all = [town.word(1), town.word(2), town.word(0)];
    assert_eq!(sources(500_000, &town.payer), all);
    // Nearly all lumens there are, but for the reserve and the fee.
    assert_eq!(sources(999_999, &town.payer), [town.word(2)]);
    // What a maker has promised to others cannot be paid, and own offers cannot be met.
    assert_eq!(sources(500_000, &town.makers[0]), [town.word(1)]);
    assert_eq!(sources(50_000, &town.makers[1]), [town.word(2), town.word(0)]);
    let stranger = Actor::derive(9, "stranger", 0);
    assert_eq!(town.ask(strict_receive, &query(1, &stranger)), Ok(vec![]));
}

#[test]
fn an_accounts_paths_end_with_what_it_can_take() {
    let mut town = Town::with_credits(2);
    town.sell(0, (1, 0), 1_000 * UNIT, (1, 1));
    town.sell(0, (2, 0), 1_000 * UNIT, (1, 1));
    let OperationBody::ChangeTrust(mut line) =
        trust(&stellar::Asset::Credit { code: stellar::AssetCode::Four(*b"BBB\0"), issuer: town.issuer.id() })
    else {
        unreachable!()
    };
    line.limit = 1_000_005 * UNIT;
    succeed(&mut town.ledger, &town.payer, vec![OperationBody::ChangeTrust(line)]);
    let ends = |amount: i64| -> Vec<String> {
        let query =
            format!("source_asset_type=native&source_amount={amount}&destination_account={}", address(&town.payer));
        let records = town.ask(strict_send, &query).unwrap();
        keep_promises(&town.ledger, &records, ExchangeMode::StrictSend, &town.payer, town.payer.id());
        records.iter().map(|record| words::asset_word(&asset_in(record, "destination_"))).collect()
    };
    assert_eq!(ends(5), [town.word(1), town.word(2), town.word(0)]);
    assert_eq!(ends(6), [town.word(1), town.word(0)]);
}

#[test]
fn a_path_has_three_hops_at_most() {
    assert_eq!(MAX_HOPS, 3);
    let mut town = Town::with_credits(4);
    for hop in 0..4 {
        town.sell(hop % 2, (hop + 1, hop), 100 * UNIT, (1, 1));
    }
    let hops = |end: usize| -> Vec<usize> {
        let query = format!("source_asset_type=native&source_amount=1&destination_assets={}", town.word(end));
        let back = parameters("destination_", &town.assets[end]) + "&destination_amount=1&source_assets=native";
        let records = town.ask(strict_send, &query).unwrap();
        assert_eq!(town.ask(strict_receive, &back).unwrap(), records, "there and back");
        records.iter().map(|record| record["path"].as_array().unwrap().len() + 1).collect()
    };
    assert_eq!((hops(1), hops(2), hops(3), hops(4)), (vec![1], vec![2], vec![3], vec![]));
}

#[test]
fn of_each_asset_the_five_best_paths_are_shown() {
    let mut town = Town::with_credits(8);
    // From lumens to HHH, straight and by way of AAA to GGG, each way better than the one before.
    town.sell(0, (8, 0), 100 * UNIT, (20, 1));
    for way in 1..8_usize {
        town.sell(0, (way, 0), 100 * UNIT, (1, 1));
        town.sell(1, (8, way), 100 * UNIT, (i32::try_from(20 - way).unwrap(), 1));
    }
    let query = format!("source_asset_type=native&source_amount=26&destination_assets={},native", town.word(8));
    let records = town.ask(strict_send, &query).unwrap();
    let ways: Vec<Option<&str>> = records.iter().map(|record| record["path"][0]["asset_code"].as_str()).collect();
    assert_eq!(ways, [Some("GGG"), Some("FFF"), Some("EEE"), Some("DDD"), Some("CCC"), None]);
    assert_eq!(
        (&records[0]["destination_amount"], &records[5]["destination_amount"]),
        (&json!("2.0000000"), &json!("26.0000000"))
    );
    keep_promises(&town.ledger, &records, ExchangeMode::StrictSend, &town.payer, town.payer.id());
}

#[test]
fn a_lively_worlds_paths_keep_their_promise() {
    let fixture = Fixture::lively(20);
    let root = Actor::new(fixture.world.ledger().root_key());
    let usdc = fixture.world.markets()[0].quote;
    let query = format!("source_asset_type=native&source_amount=123.4567891&destination_assets={usdc}");
    let records = ask(&fixture.chain(), strict_send, &query).unwrap();
    assert_eq!(records.len(), 1, "one market, one path");
    let issuer = usdc.issuer().unwrap();
    keep_promises(fixture.world.ledger(), &records, ExchangeMode::StrictSend, &root, issuer);
    let query = format!(
        "{}&destination_amount=12.3456789&source_account={}",
        parameters("destination_", &asset_to_xdr(&usdc)),
        address(&root)
    );
    let records = ask(&fixture.chain(), strict_receive, &query).unwrap();
    assert_eq!(records.len(), 1);
    keep_promises(fixture.world.ledger(), &records, ExchangeMode::StrictReceive, &root, issuer);
}

/// A thousand markets against lumens, an offer a side, all of their issuers'.
fn thousand_markets() -> (Ledger, Vec<Asset>) {
    let mut town = Town::with_credits(1);
    let mut assets = Vec::new();
    for maker in &town.makers {
        for batch in 0..10_u32 {
            let mut offers = Vec::new();
            for number in batch * 50..(batch + 1) * 50 {
                let asset = credit(&format!("AST{number:04}"), &address(maker)).unwrap();
                offers.push(offer(&asset, &Asset::Native, 1_000 * UNIT, (3, 2)));
                offers.push(offer(&Asset::Native, &asset, 1_000 * UNIT, (1, 1)));
                assets.push(asset);
            }
            // A place each is taken by the line for AAA.
            if batch == 9 {
                offers.truncate(98);
            }
            succeed(&mut town.ledger, maker, offers);
        }
    }
    (town.ledger, assets)
}

#[test]
fn a_search_ends_at_its_bound_with_what_it_has() {
    let (ledger, assets) = thousand_markets();
    assert!(ledger.pairs().count() > 1_990);
    let ends: Vec<(Asset, i64)> = [1, 2, 3, 500, 501, 998].map(|index| (assets[index].clone(), i64::MAX)).to_vec();
    let wish = Wish { mode: ExchangeMode::StrictSend, asset: assets[0].clone(), amount: UNIT, ends, payer: None };
    let whole = find(&ledger, &wish, MAX_CROSSINGS, rank);
    assert_eq!(whole.len(), 6);
    assert!(whole.iter().all(|path| path.assets[1] == Asset::Native && path.assets.len() == 3));
    // Into lumens, and then into the first hundred credits: an offer and a conversion each count one.
    let bounded = find(&ledger, &wish, 202, rank);
    assert!((1..6).contains(&bounded.len()), "{}", bounded.len());
    assert!(bounded.iter().all(|path| whole.contains(path)));
    assert_eq!(find(&ledger, &wish, 0, rank), []);
    let straight = Wish { ends: vec![(assets[0].clone(), UNIT)], ..wish };
    assert_eq!(find(&ledger, &straight, 0, rank).len(), 1, "what needs no search is always found");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn each_path_does_what_it_says(
        offers in prop::collection::vec((0..2_usize, (0..5_usize, 1..5_usize), 1_i64..2_000, (1..12, 1..12)), 5..40),
        pools in prop::collection::vec(((0..5_usize, 1..5_usize), (1_i64..100_000, 1_i64..100_000)), 0..4),
        wishes in prop::collection::vec((0..5_usize, 1_i64..3_000), 4),
    ) {
        let mut town = Town::with_credits(4);
        for (maker, (first, step), amount, price) in offers {
            let body = offer(&town.assets[first], &town.assets[(first + step) % 5], amount, price);
            apply(&mut town.ledger, &town.makers[maker], vec![body]);
        }
        for ((first, step), (a, b)) in pools {
            let body = deposit(&town.assets[first], &town.assets[(first + step) % 5], a, b);
            apply(&mut town.ledger, &town.makers[0], body);
        }
        let all: Vec<String> = (0..5).map(|asset| town.word(asset)).collect();
        for (asset, wanted) in wishes {
            let (asset, wanted, payer) = (&town.assets[asset], amount(wanted), address(&town.payer));
            for end in [format!("destination_assets={}", all.join(",")), format!("destination_account={payer}")] {
                let query = format!("{}&source_amount={wanted}&{end}", parameters("source_", asset));
                let records = town.ask(strict_send, &query).unwrap();
                keep_promises(&town.ledger, &records, ExchangeMode::StrictSend, &town.payer, town.payer.id());
            }
            for end in [format!("source_assets={}", all.join(",")), format!("source_account={payer}")] {
                let query = format!("{}&destination_amount={wanted}&{end}", parameters("destination_", asset));
                let records = town.ask(strict_receive, &query).unwrap();
                keep_promises(&town.ledger, &records, ExchangeMode::StrictReceive, &town.payer, town.payer.id());
            }
        }
    }
}
