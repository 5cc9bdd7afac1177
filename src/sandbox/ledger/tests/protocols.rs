//! Where protocols differ from one another.

use stellar_xdr::{
    ClaimAtom, InnerTransactionResultResult, LedgerKeyTrustLine, LiquidityPoolConstantProductParameters,
    LiquidityPoolDepositOp, LiquidityPoolParameters, ManageSellOfferResult, PathPaymentStrictSendOp,
    RevokeSponsorshipOp,
};

use super::*;

/// A ledger of so old a protocol, with two traders that hold USD.
fn market_at(protocol: u32) -> (Ledger, SigningKey, SigningKey, SigningKey, Asset) {
    let mut ledger = Ledger::genesis(GenesisConfig::default());
    let upgrades =
        [LedgerUpgrade::Version(protocol), LedgerUpgrade::MaxTxSetSize(1000), LedgerUpgrade::BaseReserve(5_000_000)];
    ledger.close(1_000, &upgrades);
    let (root, issuer, a, b) = (ledger.root_key(), key(1), key(2), key(3));
    let usd = usd(&issuer);
    let xlm = 100_000_000_000;
    results(&mut ledger, &root, vec![create(&issuer, xlm), create(&a, xlm), create(&b, xlm)]);
    results(&mut ledger, &a, vec![trust(&usd)]);
    results(&mut ledger, &b, vec![trust(&usd)]);
    results(&mut ledger, &issuer, vec![pay(&a, usd.clone(), 10_000_000), pay(&b, usd.clone(), 10_000_000)]);
    (ledger, issuer, a, b, usd)
}

/// Applies a transaction that must succeed, whatever the meta's version.
fn results(ledger: &mut Ledger, source: &SigningKey, operations: Vec<OperationBody>) -> Vec<OperationResult> {
    match apply_at_any(ledger, source, operations) {
        TransactionResultResult::TxSuccess(results) => results.to_vec(),
        other => panic!("{other:?}"),
    }
}

fn apply_at_any(ledger: &mut Ledger, source: &SigningKey, operations: Vec<OperationBody>) -> TransactionResultResult {
    let tx = transaction(source, sequence(ledger, source) + 1, operations);
    let envelope = sign(ledger, tx, &[source]);
    match ledger.submit(envelope) {
        SubmitOutcome::Error { result, .. } => return result.result,
        outcome => assert!(matches!(outcome, SubmitOutcome::Pending { .. }), "{outcome:?}"),
    }
    match ledger.close(0, &[]).meta {
        LedgerCloseMeta::V0(meta) => meta.tx_processing[0].result.result.result.clone(),
        LedgerCloseMeta::V1(meta) => meta.tx_processing[0].result.result.result.clone(),
        LedgerCloseMeta::V2(meta) => meta.tx_processing[0].result.result.result.clone(),
    }
}

fn pool_line(usd: &Asset) -> OperationBody {
    let parameters = LiquidityPoolConstantProductParameters { asset_a: Asset::Native, asset_b: usd.clone(), fee: 30 };
    let line = ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters));
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX })
}

fn deposit(usd: &Asset, native: i64, credit: i64) -> OperationBody {
    OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
        liquidity_pool_id: pool_id(&Asset::Native, usd),
        max_amount_a: native,
        max_amount_b: credit,
        min_price: Price { n: 1, d: i32::MAX },
        max_price: Price { n: i32::MAX, d: 1 },
    })
}

#[test]
fn protocol_17_names_sellers_by_key_and_knows_no_pools() {
    let (mut ledger, _, a, b, usd) = market_at(17);
    results(&mut ledger, &a, vec![sell(Asset::Native, usd.clone(), 1_000, 1, 1)]);
    let crossed = results(&mut ledger, &b, vec![sell(usd.clone(), Asset::Native, 400, 1, 1)]);
    let OperationResult::OpInner(OperationResultTr::ManageSellOffer(ManageSellOfferResult::Success(success))) =
        &crossed[0]
    else {
        panic!("{crossed:?}")
    };
    assert!(matches!(&success.offers_claimed[..], [ClaimAtom::V0(atom)] if atom.amount_sold == 400));
    let pool = pool_id(&Asset::Native, &usd);
    let shares = LedgerKeyTrustLine { account_id: account_id(&a), asset: TrustLineAsset::PoolShare(pool) };
    let revoke = RevokeSponsorshipOp::LedgerEntry(LedgerKey::Trustline(shares));
    for (body, wanted) in [
        (pool_line(&usd), "ChangeTrust(Malformed)"),
        (deposit(&usd, 1, 1), "OpNotSupported"),
        (OperationBody::RevokeSponsorship(revoke), "RevokeSponsorship(Malformed)"),
    ] {
        assert_eq!(failed(&apply_at_any(&mut ledger, &a, vec![body])), wanted);
    }
    // The same offers go on at the newest protocol.
    for protocol in 18..=CURRENT_PROTOCOL {
        ledger.close(0, &[LedgerUpgrade::Version(protocol)]);
        let crossed = results(&mut ledger, &b, vec![sell(usd.clone(), Asset::Native, 10, 1, 1)]);
        let OperationResult::OpInner(OperationResultTr::ManageSellOffer(ManageSellOfferResult::Success(success))) =
            &crossed[0]
        else {
            panic!("{crossed:?}")
        };
        assert!(matches!(&success.offers_claimed[..], [ClaimAtom::OrderBook(atom)] if atom.amount_sold == 10));
    }
}

#[test]
fn from_protocol_27_offers_that_a_pool_outdoes_count_against_the_thousand() {
    let (mut ledger, _, a, b, usd) = market_at(26);
    for seller in [&a, &b] {
        for _ in 0..5 {
            results(&mut ledger, seller, vec![sell(usd.clone(), Asset::Native, 10, 1, 1); 100]);
        }
    }
    results(&mut ledger, &a, vec![pool_line(&usd), deposit(&usd, 1_000_000, 2_000_000)]);
    let c = key(4);
    results(&mut ledger, &a, vec![create(&c, 1_000_000_000)]);
    results(&mut ledger, &c, vec![trust(&usd)]);
    let send = |send_amount| {
        OperationBody::PathPaymentStrictSend(PathPaymentStrictSendOp {
            send_asset: Asset::Native,
            send_amount,
            destination: account_id(&c).into(),
            dest_asset: usd.clone(),
            dest_min: 1,
            path: header::vec_m(Vec::new()),
        })
    };
    // Each offer gives 10 for 10; the pool gives nearly twice as much for all of it.
    results(&mut ledger, &c, vec![send(10_000)]);
    let quoted =
        |ledger: &Ledger, amount| ledger.quote_path_send(&[Asset::Native, usd.clone()], amount, None).is_some();
    assert!(quoted(&ledger, 10_000));
    ledger.close(0, &[LedgerUpgrade::Version(27)]);
    assert!(!quoted(&ledger, 10_000) && quoted(&ledger, 9_990), "a quote says what the payment then does");
    assert_eq!(failed(&apply_at_any(&mut ledger, &c, vec![send(10_000)])), "OpExceededWorkLimit");
    results(&mut ledger, &c, vec![send(9_990)]);
    assert_eq!(ledger.num_offers(), 1_000, "none was crossed");
}

#[test]
fn what_a_bumped_transaction_says_it_cost_is_nothing_from_protocol_25() {
    for (protocol, wanted) in [(23, 100), (24, 100), (25, 0), (26, 0)] {
        let (mut ledger, _, a, b, _) = market_at(protocol);
        let tx = transaction(&a, sequence(&ledger, &a) + 1, vec![pay(&b, Asset::Native, 5)]);
        let inner = sign(&ledger, tx, &[&a]);
        let bumped = bump(&ledger, &inner, &b, 1_000);
        assert!(matches!(ledger.submit(bumped), SubmitOutcome::Pending { .. }));
        let LedgerCloseMeta::V2(meta) = ledger.close(0, &[]).meta else { panic!("version 2 from protocol 23") };
        let result = &meta.tx_processing[0].result.result;
        let TransactionResultResult::TxFeeBumpInnerSuccess(pair) = &result.result else { panic!("{result:?}") };
        assert!(matches!(pair.result.result, InnerTransactionResultResult::TxSuccess(_)));
        assert_eq!((result.fee_charged, pair.result.fee_charged), (200, wanted), "protocol {protocol}");
    }
}
