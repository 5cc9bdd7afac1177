//! Questions that Horizon refuses, and its words.

use super::*;

#[test]
fn what_cannot_be_asked_is_refused_as_horizon_does() {
    let town = Town::with_credits(1);
    let (payer, aaa) = (address(&town.payer), town.word(1));
    let from_lumens = "source_asset_type=native&source_amount=1";
    let sixteen = vec!["native"; 16].join(",");
    let cases = [
        (format!("source_amount=1&destination_assets={aaa}"), "source_asset_type", "Missing parameter"),
        (
            format!("source_asset_type=gold&source_amount=1&destination_assets={aaa}"),
            "source_asset_type",
            "Asset type must be native, credit_alphanum4 or credit_alphanum12",
        ),
        (
            format!(
                "source_asset_type=credit_alphanum4&source_asset_code=LONGER&source_asset_issuer={payer}&source_amount=1"
            ),
            "source_asset_code",
            "Asset code must be 1-12 alphanumeric characters",
        ),
        (
            "source_asset_type=credit_alphanum4&source_asset_code=AAA&source_amount=1".into(),
            "source_asset_issuer",
            "Missing parameter",
        ),
        (
            "source_asset_type=native&source_asset_code=XLM&source_amount=1".into(),
            "source_asset_code",
            "native asset does not have a code",
        ),
        (
            "source_asset_type=native&source_amount=0&destination_assets=native".into(),
            "source_amount",
            "Amount must be positive",
        ),
        ("source_asset_type=native&destination_assets=native".into(), "source_amount", "Amount must be positive"),
        (
            format!("{from_lumens}&destination_account=GNOBODY"),
            "destination_account",
            "Account ID must start with `G` and contain 56 alphanum characters",
        ),
        (format!("{from_lumens}&destination_assets=AAA"), "destination_assets", "AAA is not a valid asset"),
        (
            format!("{from_lumens}&destination_assets=A-A:{payer}"),
            "destination_assets",
            &format!("A-A:{payer} is not a valid asset, it contains an invalid asset code"),
        ),
        (
            format!("{from_lumens}&destination_assets=native,AAA:GNOBODY"),
            "destination_assets",
            "AAA:GNOBODY is not a valid asset, it contains an invalid issuer",
        ),
        (
            format!("{from_lumens}&destination_assets={sixteen}"),
            "destination_assets",
            "list of assets exceeds maximum length of 15",
        ),
    ];
    for (query, field, reason) in cases {
        assert_eq!(town.ask(strict_send, &query), Err(Problem::bad_request(field, reason)), "{query}");
    }
    for end in [String::new(), format!("&destination_account={payer}&destination_assets=native")] {
        let problem = town.ask(strict_send, &format!("{from_lumens}{end}")).unwrap_err();
        assert_eq!((problem.status, problem.kind, problem.extras.len()), (400, "bad_request", 0));
        assert_eq!(
            problem.detail,
            "The request requires either a list of destination assets or a destination account. Both fields cannot be present."
        );
    }
    let neither = town.ask(strict_receive, "destination_asset_type=native&destination_amount=1").unwrap_err();
    assert!(neither.detail.starts_with("The request requires either a list of source assets or a source account."));
}

#[test]
fn an_account_with_more_than_fifteen_assets_is_refused() {
    let town = Town::with_credits(15);
    let query = format!("source_asset_type=native&source_amount=1&destination_account={}", address(&town.payer));
    let problem = town.ask(strict_send, &query).unwrap_err();
    assert_eq!(problem.extras["invalid_field"], "destination_assets");
    let nearly = Town::with_credits(14);
    let query = format!("source_asset_type=native&source_amount=1&destination_account={}", address(&nearly.payer));
    assert_eq!(nearly.ask(strict_send, &query).unwrap().len(), 1);
}
