//! Reserves that others pay: entries, accounts, signers and balances, begun, handed on, given back (`SponsorshipUtils`,
//! `RevokeSponsorshipOpFrame`, `MergeOpFrame`).

use stellar_xdr::{
    AccountFlags, BeginSponsoringFutureReservesOp, ClaimPredicate, Claimant, ClaimantV0, CreateClaimableBalanceOp,
    DataValue, LedgerKeyAccount, LedgerKeyClaimableBalance, LedgerKeyData, LedgerKeyLiquidityPool, LedgerKeyOffer,
    LedgerKeyTrustLine, LiquidityPoolConstantProductParameters, LiquidityPoolDepositOp, LiquidityPoolParameters,
    ManageDataOp, RevokeSponsorshipOp, RevokeSponsorshipOpSigner, SetOptionsOp, SetTrustLineFlagsOp, Signer, SignerKey,
    String64, TrustLineFlags, Uint256,
};

use super::*;

fn begin(sponsored: &SigningKey) -> OperationBody {
    OperationBody::BeginSponsoringFutureReserves(BeginSponsoringFutureReservesOp {
        sponsored_id: account_id(sponsored),
    })
}

const END: OperationBody = OperationBody::EndSponsoringFutureReserves;

fn revoke(key: LedgerKey) -> OperationBody {
    OperationBody::RevokeSponsorship(RevokeSponsorshipOp::LedgerEntry(key))
}

fn name() -> String64 {
    String64("name".try_into().unwrap())
}

fn data() -> OperationBody {
    OperationBody::ManageData(ManageDataOp { data_name: name(), data_value: Some(DataValue::default()) })
}

fn data_key(owner: &SigningKey) -> LedgerKey {
    LedgerKey::Data(LedgerKeyData { account_id: account_id(owner), data_name: name() })
}

fn account_key(owner: &SigningKey) -> LedgerKey {
    LedgerKey::Account(LedgerKeyAccount { account_id: account_id(owner) })
}

fn line_key(owner: &SigningKey, asset: &Asset) -> LedgerKey {
    let asset = assets::trust_line_asset(asset);
    LedgerKey::Trustline(LedgerKeyTrustLine { account_id: account_id(owner), asset })
}

/// How many reserves an account pays for others, and others for it.
fn counts(ledger: &Ledger, key: &SigningKey) -> (u32, u32) {
    let account = ledger.account(&account_id(key)).unwrap();
    (entries::num_sponsoring(account), entries::num_sponsored(account))
}

fn sponsor_of(ledger: &Ledger, key: &LedgerKey) -> Option<AccountId> {
    entries::sponsor(&ledger.entry(key).unwrap()).cloned()
}

fn succeed_as(ledger: &mut Ledger, source: &SigningKey, operations: Vec<(&SigningKey, OperationBody)>) {
    let result = apply_as(ledger, source, operations);
    assert!(matches!(result, TransactionResultResult::TxSuccess(_)), "{result:?}");
}

fn code(ledger: &mut Ledger, source: &SigningKey, body: OperationBody) -> String {
    failed(&apply_as(ledger, source, vec![(source, body)]))
}

#[test]
fn an_entrys_sponsor_hands_it_on_gives_it_back_and_nobody_else_can() {
    let (mut ledger, a, b, usd) = market();
    let c = key(4);
    succeed(&mut ledger, &a, vec![create(&c, 1_000_000_000)]);
    for (key, make) in [(data_key(&a), Some(data())), (line_key(&a, &usd), None)] {
        // Begun as its owner's own, then established, handed on and given back.
        make.into_iter().for_each(|body| succeed(&mut ledger, &a, vec![body]));
        succeed(&mut ledger, &a, vec![revoke(key.clone())]);
        assert_eq!((sponsor_of(&ledger, &key), counts(&ledger, &a)), (None, (0, 0)));
        assert_eq!(code(&mut ledger, &b, revoke(key.clone())), "RevokeSponsorship(NotSponsor)");
        succeed_as(&mut ledger, &b, vec![(&b, begin(&a)), (&a, revoke(key.clone())), (&a, END)]);
        assert_eq!(sponsor_of(&ledger, &key), Some(account_id(&b)));
        assert_eq!((counts(&ledger, &a), counts(&ledger, &b)), ((0, 1), (1, 0)));
        assert_eq!(code(&mut ledger, &a, revoke(key.clone())), "RevokeSponsorship(NotSponsor)");
        succeed_as(&mut ledger, &c, vec![(&c, begin(&b)), (&b, revoke(key.clone())), (&b, END)]);
        assert_eq!(sponsor_of(&ledger, &key), Some(account_id(&c)));
        assert_eq!((counts(&ledger, &a), counts(&ledger, &b), counts(&ledger, &c)), ((0, 1), (0, 0), (1, 0)));
        // Its owner sponsors the sponsor: it becomes the owner's own.
        succeed_as(&mut ledger, &a, vec![(&a, begin(&c)), (&c, revoke(key.clone())), (&c, END)]);
        assert_eq!((sponsor_of(&ledger, &key), counts(&ledger, &a), counts(&ledger, &c)), (None, (0, 0), (0, 0)));
    }
}

#[test]
fn what_cannot_exist_is_malformed_and_what_does_not_is_said_not_to() {
    let (mut ledger, a, _, usd) = market();
    let offer = |offer_id| LedgerKey::Offer(LedgerKeyOffer { seller_id: account_id(&a), offer_id });
    let bad_name = LedgerKey::Data(LedgerKeyData { account_id: account_id(&a), data_name: String64::default() });
    let pool = LedgerKey::LiquidityPool(LedgerKeyLiquidityPool { liquidity_pool_id: PoolId(Hash([1; 32])) });
    for key in [line_key(&a, &Asset::Native), line_key(&key(1), &usd), offer(0), offer(-1), bad_name, pool] {
        assert_eq!(code(&mut ledger, &a, revoke(key)), "RevokeSponsorship(Malformed)");
    }
    for key in [line_key(&key(77), &usd), offer(1), data_key(&a), account_key(&key(77))] {
        assert_eq!(code(&mut ledger, &a, revoke(key)), "RevokeSponsorship(DoesNotExist)");
    }
    // An offer is found by its seller, too.
    succeed(&mut ledger, &a, vec![sell(Asset::Native, usd.clone(), 10, 1, 1)]);
    let id = ledger.offers_of(&account_id(&a))[0].offer_id;
    let anothers = LedgerKey::Offer(LedgerKeyOffer { seller_id: account_id(&key(3)), offer_id: id });
    assert_eq!(code(&mut ledger, &a, revoke(anothers)), "RevokeSponsorship(DoesNotExist)");
    succeed(&mut ledger, &a, vec![revoke(offer(id))]);
}

#[test]
fn an_account_may_live_on_anothers_reserve_alone_and_cannot_lose_it_without_means() {
    let (mut ledger, a, b, _) = market();
    let c = key(4);
    succeed_as(&mut ledger, &a, vec![(&a, begin(&c)), (&a, create(&c, 0)), (&c, END)]);
    assert_eq!((counts(&ledger, &a), counts(&ledger, &c)), ((2, 0), (0, 2)));
    assert_eq!(ledger.account(&account_id(&c)).unwrap().balance, 0);
    assert_eq!(code(&mut ledger, &a, revoke(account_key(&c))), "RevokeSponsorship(LowReserve)");
    // Handed on to another, then given back once it can pay.
    succeed_as(&mut ledger, &b, vec![(&b, begin(&a)), (&a, revoke(account_key(&c))), (&a, END)]);
    assert_eq!((counts(&ledger, &a), counts(&ledger, &b)), ((0, 0), (2, 0)));
    succeed_as(&mut ledger, &b, vec![(&b, pay(&c, Asset::Native, 10_000_000)), (&b, revoke(account_key(&c)))]);
    assert_eq!((counts(&ledger, &b), counts(&ledger, &c)), ((0, 0), (0, 0)));
    // A new sponsor without means.
    let poor = key(5);
    succeed(&mut ledger, &a, vec![create(&poor, 10_000_000 + 9_999_999), pay(&c, Asset::Native, 1_000)]);
    let operations = vec![(&poor, begin(&c)), (&c, revoke(account_key(&c))), (&c, END)];
    assert_eq!(failed(&apply_as(&mut ledger, &a, operations)), "RevokeSponsorship(LowReserve)");
}

#[test]
fn a_balance_is_handed_on_but_never_left_without_a_sponsor() {
    let (mut ledger, a, b, _) = market();
    let claimants = [&a, &b].map(|key| {
        Claimant::ClaimantTypeV0(ClaimantV0 { destination: account_id(key), predicate: ClaimPredicate::Unconditional })
    });
    let op = CreateClaimableBalanceOp { asset: Asset::Native, amount: 7, claimants: header::vec_m(claimants.to_vec()) };
    // Paid for by whoever sponsors its creator: a reserve a claimant.
    let create = OperationBody::CreateClaimableBalance(op);
    succeed_as(&mut ledger, &b, vec![(&b, begin(&a)), (&a, create), (&a, END)]);
    assert_eq!((counts(&ledger, &a), counts(&ledger, &b)), ((0, 0), (2, 0)));
    let balance = ledger.entries().find_map(|entry| match entry.data {
        LedgerEntryData::ClaimableBalance(balance) => Some(balance.balance_id),
        _ => None,
    });
    let key = LedgerKey::ClaimableBalance(LedgerKeyClaimableBalance { balance_id: balance.unwrap() });
    assert_eq!(code(&mut ledger, &a, revoke(key.clone())), "RevokeSponsorship(NotSponsor)");
    assert_eq!(code(&mut ledger, &b, revoke(key.clone())), "RevokeSponsorship(OnlyTransferable)");
    succeed_as(&mut ledger, &a, vec![(&a, begin(&b)), (&b, revoke(key.clone())), (&b, END)]);
    assert_eq!((counts(&ledger, &a), counts(&ledger, &b)), ((2, 0), (0, 0)));
    assert_eq!(sponsor_of(&ledger, &key), Some(account_id(&a)));
}

#[test]
fn a_signers_reserve_is_sponsored_handed_on_and_given_back_with_the_account() {
    let (mut ledger, a, b, _) = market();
    let (c, other) = (key(4), key(5));
    succeed(&mut ledger, &a, vec![create(&c, 1_000_000_000)]);
    let key_of = |seed: u8| SignerKey::HashX(Uint256([seed; 32]));
    let add = |seed| {
        let signer = Some(Signer { key: key_of(seed), weight: 1 });
        OperationBody::SetOptions(SetOptionsOp { signer, ..SetOptionsOp::default() })
    };
    let revoke_signer = |seed| {
        let signer = RevokeSponsorshipOpSigner { account_id: account_id(&c), signer_key: key_of(seed) };
        OperationBody::RevokeSponsorship(RevokeSponsorshipOp::Signer(signer))
    };
    succeed(&mut ledger, &c, vec![add(9)]);
    // Signers are kept in the order of their keys, each with its sponsor beside it.
    succeed_as(&mut ledger, &a, vec![(&a, begin(&c)), (&c, add(5)), (&c, END)]);
    let sponsors = |ledger: &Ledger| {
        let account = ledger.account(&account_id(&c)).unwrap();
        entries::signer_sponsors(account).iter().map(|sponsor| sponsor.0.clone()).collect::<Vec<_>>()
    };
    assert_eq!(sponsors(&ledger), [Some(account_id(&a)), None]);
    assert_eq!(code(&mut ledger, &a, revoke_signer(1)), "RevokeSponsorship(DoesNotExist)");
    assert_eq!(code(&mut ledger, &b, revoke_signer(5)), "RevokeSponsorship(NotSponsor)");
    assert_eq!(code(&mut ledger, &a, revoke_signer(9)), "RevokeSponsorship(NotSponsor)");
    succeed_as(&mut ledger, &b, vec![(&b, begin(&c)), (&c, revoke_signer(9)), (&c, END)]);
    succeed_as(&mut ledger, &b, vec![(&b, begin(&a)), (&a, revoke_signer(5)), (&a, END)]);
    assert_eq!(sponsors(&ledger), [Some(account_id(&b)), Some(account_id(&b))]);
    succeed_as(&mut ledger, &b, vec![(&b, revoke_signer(5))]);
    assert_eq!((counts(&ledger, &a), counts(&ledger, &b), counts(&ledger, &c)), ((0, 0), (1, 0), (0, 1)));

    // Merged away, it gives every reserve back: its signers', and its own to who sponsors the account.
    succeed_as(&mut ledger, &a, vec![(&a, begin(&c)), (&c, revoke(account_key(&c))), (&c, END)]);
    assert_eq!(counts(&ledger, &a), (2, 0));
    succeed(&mut ledger, &a, vec![create(&other, 100_000_000)]);
    ledger.close(0, &[]);
    succeed(&mut ledger, &c, vec![OperationBody::AccountMerge(account_id(&other).into())]);
    assert_eq!((counts(&ledger, &a), counts(&ledger, &b)), ((0, 0), (0, 0)));
    assert!(ledger.account(&account_id(&c)).is_none());
}

#[test]
fn a_sponsorship_that_does_not_end_fails_the_transaction_and_none_can_be_begun_twice_or_in_a_circle() {
    let (mut ledger, a, b, _) = market();
    let c = key(4);
    assert_eq!(apply_as(&mut ledger, &a, vec![(&a, begin(&c))]).name(), "TxBadSponsorship");
    assert_eq!(code(&mut ledger, &a, begin(&a)), "BeginSponsoringFutureReserves(Malformed)");
    let twice = vec![(&a, begin(&c)), (&b, begin(&c))];
    assert_eq!(failed(&apply_as(&mut ledger, &a, twice)), "BeginSponsoringFutureReserves(AlreadySponsored)");
    for circle in [vec![(&a, begin(&b)), (&b, begin(&a))], vec![(&a, begin(&b)), (&b, begin(&c))]] {
        let result = apply_as(&mut ledger, &a, circle);
        assert_eq!(failed(&result), "BeginSponsoringFutureReserves(Recursive)");
    }
    assert_eq!(code(&mut ledger, &a, END), "EndSponsoringFutureReserves(NotSponsored)");
    let merging = vec![(&a, begin(&c)), (&a, OperationBody::AccountMerge(account_id(&b).into()))];
    assert_eq!(failed(&apply_as(&mut ledger, &a, merging)), "AccountMerge(HasSubEntries)");
    let bare = key(6);
    succeed(&mut ledger, &a, vec![create(&bare, 100_000_000)]);
    let merging = vec![(&bare, begin(&c)), (&bare, OperationBody::AccountMerge(account_id(&b).into()))];
    assert_eq!(failed(&apply_as(&mut ledger, &bare, merging)), "AccountMerge(IsSponsor)");
}

#[test]
fn pool_shares_that_an_issuer_takes_apart_are_sponsored_by_who_sponsors_their_lines_payer_and_need_its_means() {
    let (mut ledger, a, b, usd) = market();
    let (issuer, poor) = (key(1), key(5));
    let set_flags = Some(AccountFlags::RevocableFlag as u32);
    let revocable = OperationBody::SetOptions(SetOptionsOp { set_flags, ..SetOptionsOp::default() });
    succeed(&mut ledger, &issuer, vec![revocable]);
    let parameters = LiquidityPoolConstantProductParameters { asset_a: Asset::Native, asset_b: usd.clone(), fee: 30 };
    let line = ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters));
    let open = OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX });
    let one = Price { n: 1, d: 1 };
    let deposit = OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
        liquidity_pool_id: pool_id(&Asset::Native, &usd),
        max_amount_a: 100,
        max_amount_b: 100,
        min_price: one.clone(),
        max_price: one,
    });
    succeed(&mut ledger, &a, vec![open, deposit]);
    succeed(&mut ledger, &b, vec![create(&poor, 10_000_000 + 9_999_999)]);
    let take = OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
        trustor: account_id(&a),
        asset: usd.clone(),
        clear_flags: TrustLineFlags::AuthorizedFlag as u32,
        set_flags: 0,
    });
    let sandwich = |sponsor| vec![(sponsor, begin(&a)), (&issuer, take.clone()), (&a, END)];
    assert_eq!(failed(&apply_as(&mut ledger, &issuer, sandwich(&poor))), "SetTrustLineFlags(LowReserve)");
    let before = ledger.account(&account_id(&a)).unwrap().num_sub_entries;
    succeed_as(&mut ledger, &issuer, sandwich(&b));
    assert_eq!((counts(&ledger, &a), counts(&ledger, &b)), ((0, 0), (2, 0)));
    assert_eq!(ledger.account(&account_id(&a)).unwrap().num_sub_entries, before - 2);
    assert!(ledger.pool_of(&Asset::Native, &usd).is_none());
}
