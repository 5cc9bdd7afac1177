//! Accounts as clients see them.

use crate::sandbox::actor::{self, Actor};
use crate::sandbox::fixture::Fixture;
use crate::sandbox::horizon::scene::{
    BASE_URL, Scene, deposit, get, members, operation, pool_id, records, refusal, set_data, sponsored, trust_pool,
};
use crate::sandbox::horizon::words;
use crate::stellar::{Asset, Price, Stroops};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use stellar_xdr::{
    AccountFlags, LedgerEntryData, OperationBody, SetOptionsOp, SetTrustLineFlagsOp, Signer, SignerKey, String32,
    TrustLineAsset, TrustLineFlags, Uint256,
};

fn account(scene: &Scene, actor: &Actor) -> Value {
    get(&scene.chain(), &format!("/accounts/{}", actor.id())).unwrap()
}

#[test]
fn a_new_account_has_what_every_account_has() {
    let mut scene = Scene::new();
    let alice = scene.account(1);
    let shown = account(&scene, &alice);
    let address = alice.id().to_string();
    let expected = [
        "_links",
        "account_id",
        "balances",
        "data",
        "flags",
        "id",
        "last_modified_ledger",
        "last_modified_time",
        "num_sponsored",
        "num_sponsoring",
        "paging_token",
        "sequence",
        "signers",
        "subentry_count",
        "thresholds",
    ];
    assert_eq!(members(&shown), expected);
    let ledger = scene.chain().latest();
    assert_eq!(shown["id"], json!(address));
    assert_eq!(shown["account_id"], json!(address));
    assert_eq!(shown["paging_token"], json!(address));
    assert_eq!(shown["sequence"], json!((u64::from(ledger) << 32).to_string()));
    assert_eq!(shown["subentry_count"], json!(0));
    assert_eq!(shown["last_modified_ledger"], json!(ledger));
    let closed_at_s = scene.fixture.history.newest().unwrap().closed_at_s();
    assert_eq!(shown["last_modified_time"], json!(words::time(closed_at_s)));
    assert_eq!(shown["thresholds"], json!({"low_threshold": 0, "med_threshold": 0, "high_threshold": 0}));
    assert_eq!(
        shown["flags"],
        json!({
            "auth_required": false, "auth_revocable": false, "auth_immutable": false, "auth_clawback_enabled": false,
        })
    );
    assert_eq!(
        shown["balances"],
        json!([{
            "balance": "1000000.0000000", "buying_liabilities": "0.0000000", "selling_liabilities": "0.0000000",
            "asset_type": "native",
        }])
    );
    assert_eq!(shown["signers"], json!([{"weight": 1, "key": address, "type": "ed25519_public_key"}]));
    assert_eq!(shown["data"], json!({}));
    assert_eq!((&shown["num_sponsoring"], &shown["num_sponsored"]), (&json!(0), &json!(0)));
}

#[test]
fn links_of_an_account_are_templates_where_they_take_variables() {
    let mut scene = Scene::new();
    let alice = scene.account(1);
    let links = account(&scene, &alice)["_links"].clone();
    let own = format!("{BASE_URL}/accounts/{}", alice.id());
    assert_eq!(
        members(&links),
        ["data", "effects", "offers", "operations", "payments", "self", "trades", "transactions"]
    );
    assert_eq!(links["self"], json!({"href": own}));
    assert_eq!(links["trades"], json!({"href": format!("{own}/trades{{?cursor,limit,order}}"), "templated": true}));
    assert_eq!(links["data"], json!({"href": format!("{own}/data/{{key}}"), "templated": true}));
}

#[test]
fn options_data_and_the_sequence_show_once_they_are_set() {
    let mut scene = Scene::new();
    let (alice, bob) = (scene.account(1), scene.account(2));
    let key = SignerKey::HashX(Uint256([9; 32]));
    let options = SetOptionsOp {
        inflation_dest: Some(actor::account_to_xdr(bob.id())),
        set_flags: Some(AccountFlags::RequiredFlag as u32 | AccountFlags::RevocableFlag as u32),
        low_threshold: Some(1),
        med_threshold: Some(2),
        high_threshold: Some(3),
        home_domain: Some(String32("example.org".try_into().unwrap())),
        signer: Some(Signer { key: key.clone(), weight: 5 }),
        master_weight: Some(4),
        ..SetOptionsOp::default()
    };
    scene.act(&alice, vec![set_data("name", b"Alice"), OperationBody::SetOptions(options)]);
    let shown = account(&scene, &alice);
    let chain = scene.chain();
    assert_eq!(shown["home_domain"], json!("example.org"));
    assert_eq!(shown["inflation_destination"], json!(bob.id().to_string()));
    assert_eq!(shown["thresholds"], json!({"low_threshold": 1, "med_threshold": 2, "high_threshold": 3}));
    assert_eq!((&shown["flags"]["auth_required"], &shown["flags"]["auth_immutable"]), (&json!(true), &json!(false)));
    assert_eq!(shown["data"], json!({"name": "QWxpY2U="}));
    assert_eq!(shown["subentry_count"], json!(2));
    assert_eq!(shown["sequence_ledger"], json!(chain.latest()));
    let closed_at_s = chain.history.newest().unwrap().closed_at_s();
    assert_eq!(shown["sequence_time"], json!(closed_at_s.to_string()));
    assert_eq!(
        shown["signers"],
        json!([
            {"weight": 4, "key": alice.id().to_string(), "type": "ed25519_public_key"},
            {"weight": 5, "key": key.to_string(), "type": "sha256_hash"},
        ])
    );
}

#[test]
fn a_master_key_without_weight_comes_last() {
    let mut scene = Scene::new();
    let (alice, bob) = (scene.account(1), scene.account(2));
    let key = SignerKey::PreAuthTx(Uint256([9; 32]));
    let signer = Some(Signer { key: SignerKey::Ed25519(Uint256(bob.id().0)), weight: 1 });
    scene.act(&alice, vec![OperationBody::SetOptions(SetOptionsOp { signer, ..SetOptionsOp::default() })]);
    let signer = Some(Signer { key, weight: 1 });
    let options = SetOptionsOp { signer, master_weight: Some(0), ..SetOptionsOp::default() };
    scene.act(&alice, vec![OperationBody::SetOptions(options)]);
    let signers = account(&scene, &alice)["signers"].clone();
    let kinds: Vec<_> = signers.as_array().unwrap().iter().map(|signer| signer["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ed25519_public_key", "preauth_tx", "ed25519_public_key"]);
    assert_eq!(signers[2], json!({"weight": 0, "key": alice.id().to_string(), "type": "ed25519_public_key"}));
}

#[test]
fn balances_are_pool_shares_then_credits_by_code_then_lumens() {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let clawback = AccountFlags::RevocableFlag as u32 | AccountFlags::ClawbackEnabledFlag as u32;
    let options = SetOptionsOp { set_flags: Some(clawback), ..SetOptionsOp::default() };
    let usd = scene.credit(b"USD\0", &issuer, &[&alice]);
    scene.act(&issuer, vec![OperationBody::SetOptions(options)]);
    let eur = scene.credit(b"EUR\0", &bob, &[&alice]);
    let gbp = scene.credit(b"GBP\0", &issuer, &[]);
    scene.apply(&[&bob, &alice], sponsored(&bob, &alice, vec![actor::trust(&gbp)]));
    scene.act(&alice, vec![trust_pool(&usd, &eur), deposit(&usd, &eur, 1_000, 1_000)]);
    scene.ask(&alice, &usd, &Asset::Native, 20_000_000, (3, 2));
    let shown = account(&scene, &alice);
    let balances = shown["balances"].as_array().unwrap();
    let kinds: Vec<_> = balances
        .iter()
        .map(|balance| balance["asset_code"].as_str().or(balance["asset_type"].as_str()).unwrap().to_owned())
        .collect();
    assert_eq!(kinds, ["liquidity_pool_shares", "EUR", "GBP", "USD", "native"]);
    let share = &balances[0];
    assert_eq!(
        members(share),
        [
            "asset_type",
            "balance",
            "is_authorized",
            "is_authorized_to_maintain_liabilities",
            "last_modified_ledger",
            "limit",
            "liquidity_pool_id",
        ]
    );
    assert_eq!(share["balance"], json!("0.0001000"));
    assert_eq!(share["liquidity_pool_id"], json!(hex::encode(pool_id(&usd, &eur).0.0)));
    let sponsored = &balances[2];
    assert_eq!(sponsored["sponsor"], json!(bob.id().to_string()));
    assert_eq!(sponsored["is_clawback_enabled"], json!(true));
    assert_eq!(shown["num_sponsored"], json!(1));
    let mut usd = balances[3].clone();
    usd.as_object_mut().unwrap().remove("last_modified_ledger").unwrap();
    assert_eq!(
        usd,
        json!({
            "balance": "999999.9999000", "limit": "922337203685.4775807", "buying_liabilities": "0.0000000",
            "selling_liabilities": "2.0000000", "asset_type": "credit_alphanum4", "asset_code": "USD",
            "asset_issuer": issuer.id().to_string(), "is_authorized": true,
            "is_authorized_to_maintain_liabilities": true,
        })
    );
    assert_eq!(balances[4]["buying_liabilities"], json!("3.0000000"));
}

#[test]
fn a_line_that_may_only_maintain_says_so() {
    let mut scene = Scene::new();
    let (issuer, alice) = (scene.account(0), scene.account(1));
    let options = SetOptionsOp { set_flags: Some(AccountFlags::RevocableFlag as u32), ..SetOptionsOp::default() };
    scene.act(&issuer, vec![OperationBody::SetOptions(options)]);
    let usd = scene.credit(b"USD\0", &issuer, &[&alice]);
    let flags = SetTrustLineFlagsOp {
        trustor: actor::account_to_xdr(alice.id()),
        asset: actor::asset_to_xdr(&usd),
        clear_flags: TrustLineFlags::AuthorizedFlag as u32,
        set_flags: TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32,
    };
    scene.act(&issuer, vec![OperationBody::SetTrustLineFlags(flags)]);
    let balance = account(&scene, &alice)["balances"][0].clone();
    assert_eq!(balance["is_authorized"], json!(false));
    assert_eq!(balance["is_authorized_to_maintain_liabilities"], json!(true));
    assert_eq!(balance["is_clawback_enabled"], Value::Null);
}

#[test]
fn accounts_that_are_not_there_and_words_that_are_no_accounts_differ() {
    let scene = Scene::new();
    let chain = scene.chain();
    let nobody = Actor::derive(1, "nobody", 0).id();
    assert_eq!(refusal(&chain, &format!("/accounts/{nobody}")).0, "not_found");
    let (kind, field, reason) = refusal(&chain, "/accounts/GNOBODY");
    assert_eq!((kind, field.as_str()), ("bad_request", "account_id"));
    assert_eq!(reason, "Account ID must start with `G` and contain 56 alphanum characters");
}

#[test]
fn a_data_entry_is_found_by_its_name() {
    let mut scene = Scene::new();
    let (alice, bob) = (scene.account(1), scene.account(2));
    scene.act(&alice, vec![set_data("name", b"Alice")]);
    scene.apply(&[&bob, &alice], sponsored(&bob, &alice, vec![set_data("town", b"Ulm")]));
    let chain = scene.chain();
    let data = |name: &str| get(&chain, &format!("/accounts/{}/data/{name}", alice.id()));
    assert_eq!(data("name").unwrap(), json!({"value": "QWxpY2U="}));
    assert_eq!(data("town").unwrap(), json!({"value": "VWxt", "sponsor": bob.id().to_string()}));
    assert_eq!(data("age").unwrap_err().kind, "not_found");
    assert_eq!(data(&"n".repeat(65)).unwrap_err().extras["invalid_field"], json!("key"));
}

#[test]
fn accounts_are_listed_by_exactly_one_filter() {
    let mut scene = Scene::new();
    let (issuer, alice, bob) = (scene.account(0), scene.account(1), scene.account(2));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice, &bob]);
    let signer = Some(Signer { key: SignerKey::Ed25519(Uint256(bob.id().0)), weight: 1 });
    let options = OperationBody::SetOptions(SetOptionsOp { signer, ..SetOptionsOp::default() });
    scene.apply(&[&issuer, &alice], sponsored(&issuer, &alice, vec![options]));
    scene.act(&alice, vec![trust_pool(&usd, &Asset::Native)]);
    let chain = scene.chain();
    let listed = |filter: String| -> BTreeSet<String> {
        let records = records(&chain, &format!("/accounts?{filter}"));
        records.iter().map(|account| account["id"].as_str().unwrap().to_owned()).collect()
    };
    let these = |actors: &[&Actor]| actors.iter().map(|actor| actor.id().to_string()).collect::<BTreeSet<_>>();
    assert_eq!(listed(format!("asset={usd}")), these(&[&alice, &bob]));
    assert_eq!(listed(format!("signer={}", bob.id())), these(&[&alice, &bob]));
    assert_eq!(listed(format!("sponsor={}", issuer.id())), these(&[&alice]));
    let pool = hex::encode(pool_id(&usd, &Asset::Native).0.0);
    assert_eq!(listed(format!("liquidity_pool={pool}")), these(&[&alice]));
    for none_or_two in [String::new(), format!("signer={}&sponsor={}", bob.id(), bob.id())] {
        assert_eq!(refusal(&chain, &format!("/accounts?{none_or_two}")).0, "invalid_accounts_params");
    }
    assert_eq!(refusal(&chain, "/accounts?asset=native").2, "you can't filter by asset: native");
    assert_eq!(refusal(&chain, "/accounts?asset=USD").1, "asset");
    assert_eq!(refusal(&chain, "/accounts?signer=GNOBODY").1, "signer");
    assert_eq!(refusal(&chain, "/accounts?liquidity_pool=ab").2, "ab does not validate as sha256");
}

#[test]
fn a_list_of_accounts_is_paged_by_address_both_ways() {
    let fixture = Fixture::lively(3);
    let chain = fixture.chain();
    let usdc = &fixture.world.markets()[0].quote;
    let page = |query: &str| -> Vec<String> {
        let records = records(&chain, &format!("/accounts?asset={usdc}&limit=3{query}"));
        records.iter().map(|account| account["paging_token"].as_str().unwrap().to_owned()).collect()
    };
    let mut all = Vec::new();
    loop {
        let next = page(&all.last().map_or(String::new(), |last| format!("&cursor={last}")));
        if next.is_empty() {
            break;
        }
        all.extend(next);
    }
    assert!(all.len() > 3 && all.is_sorted());
    let backwards: Vec<String> = all[all.len() - 4..all.len() - 1].iter().rev().cloned().collect();
    assert_eq!(page(&format!("&order=desc&cursor={}", all[all.len() - 1])), backwards);
}

#[test]
fn what_an_account_has_is_what_a_scan_over_all_entries_finds() {
    let mut scene = Scene::new();
    let (issuer, alice) = (scene.account(0), scene.account(1));
    let usd = scene.credit(b"USD\0", &issuer, &[&alice]);
    scene.act(&alice, vec![set_data("a", b"1"), set_data("b", b"2"), trust_pool(&usd, &Asset::Native)]);
    let nothing =
        stellar_xdr::ManageDataOp { data_name: stellar_xdr::String64("a".try_into().unwrap()), data_value: None };
    scene.act(&alice, vec![OperationBody::ManageData(nothing)]);
    failing_transaction(&mut scene, &alice);
    let ledger = scene.chain().ledger;
    let id = actor::account_to_xdr(alice.id());
    let of = |entry: &stellar_xdr::LedgerEntry| match &entry.data {
        LedgerEntryData::Trustline(line) => line.account_id == id,
        LedgerEntryData::Data(data) => data.account_id == id,
        _ => false,
    };
    let mut scan: Vec<_> = ledger.entries().filter(of).map(|entry| entry.to_key()).collect();
    let mut known: Vec<_> = ledger.lines_of(&id).chain(ledger.data_of(&id)).map(|entry| entry.to_key()).collect();
    scan.sort();
    known.sort();
    assert_eq!(known, scan);
    assert_eq!(known.len(), 3, "{known:?}");
    let lines: Vec<_> = ledger.lines_of(&id).map(|entry| entry.data).collect();
    assert!(lines.iter().any(
        |line| matches!(line, LedgerEntryData::Trustline(line) if matches!(line.asset, TrustLineAsset::PoolShare(_)))
    ));
}

/// Opens a line and sets data, then fails: all of it is undone.
fn failing_transaction(scene: &mut Scene, who: &Actor) {
    let eur = Asset::Credit { code: crate::stellar::AssetCode::Four(*b"EUR\0"), issuer: who.id() };
    let too_much = actor::ask(&Asset::Native, &eur, Stroops(i64::MAX), Price::new(1, 1).unwrap(), 7_777);
    let bodies = vec![set_data("c", b"3"), too_much];
    let operations: Vec<_> = bodies.into_iter().map(|body| operation(who, body)).collect();
    assert!(!scene.try_apply(&[who], operations), "the offer 7777 does not exist");
}
