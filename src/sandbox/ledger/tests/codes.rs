//! Codes that no recording holds, in the order in which core checks for them (the operations' `doCheckValid` and `doApply`).

use stellar_xdr::{
    AccountFlags, AllowTrustOp, AssetCode, BumpSequenceOp, ChangeTrustAsset, ClaimClaimableBalanceOp, ClaimPredicate,
    ClaimableBalanceId, Claimant, ClaimantV0, ClawbackClaimableBalanceOp, ClawbackOp, CreateClaimableBalanceOp,
    CreateClaimableBalanceResult, LiquidityPoolConstantProductParameters, LiquidityPoolParameters, ManageDataOp,
    SetOptionsOp, SetTrustLineFlagsOp, Signer, SignerKey, TrustLineFlags, Uint256,
};

use super::*;

fn set_options(change: impl FnOnce(&mut SetOptionsOp)) -> OperationBody {
    let mut op = SetOptionsOp::default();
    change(&mut op);
    OperationBody::SetOptions(op)
}

fn signer(seed: u8, weight: u32) -> Option<Signer> {
    Some(Signer { key: SignerKey::Ed25519(Uint256(key(seed).verifying_key().to_bytes())), weight })
}

/// Applies an operation of `source` and tells which code it failed with.
fn code(ledger: &mut Ledger, source: &SigningKey, body: OperationBody) -> String {
    failed(&apply_as(ledger, source, vec![(source, body)]))
}

#[test]
fn set_options_has_its_codes() {
    let (mut ledger, a, ..) = market();
    let flags = |flag: AccountFlags| Some(flag as u32);
    let own = Signer { key: SignerKey::Ed25519(Uint256(a.verifying_key().to_bytes())), weight: 1 };
    let cases: Vec<(&str, OperationBody)> = vec![
        ("SetOptions(UnknownFlag)", set_options(|op| op.set_flags = Some(16))),
        ("SetOptions(UnknownFlag)", set_options(|op| (op.set_flags, op.clear_flags) = (Some(1), Some(17)))),
        ("SetOptions(BadFlags)", set_options(|op| (op.set_flags, op.clear_flags) = (Some(3), Some(2)))),
        ("SetOptions(ThresholdOutOfRange)", set_options(|op| op.master_weight = Some(256))),
        ("SetOptions(ThresholdOutOfRange)", set_options(|op| op.high_threshold = Some(256))),
        ("SetOptions(BadSigner)", set_options(|op| op.signer = Some(own))),
        ("SetOptions(BadSigner)", set_options(|op| op.signer = signer(50, 256))),
        (
            "SetOptions(InvalidHomeDomain)",
            set_options(|op| op.home_domain = Some(stellar_xdr::String32("a\n".try_into().unwrap()))),
        ),
        ("SetOptions(InvalidInflation)", set_options(|op| op.inflation_dest = Some(account_id(&key(77))))),
        (
            "SetOptions(AuthRevocableRequired)",
            set_options(|op| op.set_flags = flags(AccountFlags::ClawbackEnabledFlag)),
        ),
    ];
    for (wanted, body) in cases {
        assert_eq!(code(&mut ledger, &a, body), wanted);
    }
    // To be one's own inflation destination is fine, and to remove a signer that there is not, too.
    succeed(&mut ledger, &a, vec![set_options(|op| op.inflation_dest = Some(account_id(&a)))]);
    succeed(&mut ledger, &a, vec![set_options(|op| op.signer = signer(50, 0))]);
    succeed(&mut ledger, &a, (1..=20).map(|seed| set_options(|op| op.signer = signer(100 + seed, 1))).collect());
    assert_eq!(code(&mut ledger, &a, set_options(|op| op.signer = signer(99, 1))), "SetOptions(TooManySigners)");
    succeed(&mut ledger, &a, vec![set_options(|op| op.signer = signer(101, 2))]);
    succeed(&mut ledger, &a, vec![set_options(|op| op.set_flags = flags(AccountFlags::ImmutableFlag))]);
    assert_eq!(code(&mut ledger, &a, set_options(|op| op.clear_flags = Some(0xf))), "SetOptions(CantChange)");
    succeed(&mut ledger, &a, vec![set_options(|op| op.set_flags = Some(0))]);
}

fn data(name: &str, value: Option<&[u8]>) -> OperationBody {
    OperationBody::ManageData(ManageDataOp {
        data_name: stellar_xdr::String64(name.try_into().unwrap()),
        data_value: value.map(|value| stellar_xdr::DataValue(value.to_vec().try_into().unwrap())),
    })
}

#[test]
fn names_of_data_are_printable_and_erasing_gives_the_reserve_back() {
    let (mut ledger, a, ..) = market();
    assert_eq!(code(&mut ledger, &a, data("", Some(b"1"))), "ManageData(InvalidName)");
    assert_eq!(code(&mut ledger, &a, data("a\u{7f}", Some(b"1"))), "ManageData(InvalidName)");
    assert_eq!(code(&mut ledger, &a, data("ä", None)), "ManageData(InvalidName)");
    assert_eq!(code(&mut ledger, &a, data("name", None)), "ManageData(NameNotFound)");
    let entries = |ledger: &Ledger| ledger.account(&account_id(&a)).unwrap().num_sub_entries;
    succeed(&mut ledger, &a, vec![data("name", Some(b"")), data("name", Some(b"2"))]);
    assert_eq!(entries(&ledger), 2);
    succeed(&mut ledger, &a, vec![data("name", None)]);
    assert_eq!(entries(&ledger), 1);
}

#[test]
fn a_sequence_number_is_never_bumped_below_zero_and_not_back() {
    let (mut ledger, a, ..) = market();
    let bump = |to| OperationBody::BumpSequence(BumpSequenceOp { bump_to: SequenceNumber(to) });
    assert_eq!(code(&mut ledger, &a, bump(-1)), "BumpSequence(BadSeq)");
    let before = sequence(&ledger, &a);
    succeed(&mut ledger, &a, vec![bump(5)]);
    assert_eq!(sequence(&ledger, &a), before + 1);
}

/// Makes the issuer of USD one that can claw back, which lines opened from then on tell.
fn with_clawback(ledger: &mut Ledger, issuer: &SigningKey) {
    let flags = AccountFlags::RevocableFlag as u32 | AccountFlags::ClawbackEnabledFlag as u32;
    succeed(ledger, issuer, vec![set_options(|op| op.set_flags = Some(flags))]);
}

fn balance_for(ledger: &mut Ledger, source: &SigningKey, claimant: &SigningKey, asset: &Asset) -> ClaimableBalanceId {
    let op = CreateClaimableBalanceOp {
        asset: asset.clone(),
        amount: 10,
        claimants: header::vec_m(vec![Claimant::ClaimantTypeV0(ClaimantV0 {
            destination: account_id(claimant),
            predicate: ClaimPredicate::Unconditional,
        })]),
    };
    let result = apply_as(ledger, source, vec![(source, OperationBody::CreateClaimableBalance(op))]);
    let TransactionResultResult::TxSuccess(results) = result else { panic!("{result:?}") };
    match &results[0] {
        OperationResult::OpInner(OperationResultTr::CreateClaimableBalance(CreateClaimableBalanceResult::Success(
            id,
        ))) => id.clone(),
        other => panic!("{other:?}"),
    }
}

fn claim(id: &ClaimableBalanceId) -> OperationBody {
    OperationBody::ClaimClaimableBalance(ClaimClaimableBalanceOp { balance_id: id.clone() })
}

#[test]
fn a_balance_is_claimed_into_a_line_with_room_and_clawed_back_by_its_issuer_alone() {
    let (mut ledger, a, b, usd) = market();
    let (issuer, c) = (key(1), key(4));
    let claw_back = |id: &ClaimableBalanceId| {
        OperationBody::ClawbackClaimableBalance(ClawbackClaimableBalanceOp { balance_id: id.clone() })
    };
    succeed(&mut ledger, &a, vec![create(&c, 100_000_000)]);
    let id = balance_for(&mut ledger, &a, &c, &usd);
    assert_eq!(code(&mut ledger, &c, claim(&id)), "ClaimClaimableBalance(NoTrust)");
    let narrow = |limit| {
        let OperationBody::ChangeTrust(mut op) = trust(&usd) else { panic!("a trust line") };
        op.limit = limit;
        OperationBody::ChangeTrust(op)
    };
    succeed(&mut ledger, &c, vec![narrow(9)]);
    assert_eq!(code(&mut ledger, &c, claim(&id)), "ClaimClaimableBalance(LineFull)");
    assert_eq!(code(&mut ledger, &b, claim(&id)), "ClaimClaimableBalance(CannotClaim)");
    assert_eq!(code(&mut ledger, &issuer, claw_back(&id)), "ClawbackClaimableBalance(NotClawbackEnabled)");
    assert_eq!(code(&mut ledger, &b, claw_back(&id)), "ClawbackClaimableBalance(NotIssuer)");
    succeed(&mut ledger, &c, vec![narrow(10), claim(&id)]);
    assert_eq!(code(&mut ledger, &c, claim(&id)), "ClaimClaimableBalance(DoesNotExist)");

    let native = balance_for(&mut ledger, &a, &c, &Asset::Native);
    assert_eq!(code(&mut ledger, &issuer, claw_back(&native)), "ClawbackClaimableBalance(NotIssuer)");

    with_clawback(&mut ledger, &issuer);
    let sponsoring = |ledger: &Ledger| entries::num_sponsoring(ledger.account(&account_id(&issuer)).unwrap());
    let id = balance_for(&mut ledger, &issuer, &c, &usd);
    assert_eq!(sponsoring(&ledger), 1);
    succeed(&mut ledger, &issuer, vec![claw_back(&id)]);
    assert_eq!(sponsoring(&ledger), 0);
    assert_eq!(code(&mut ledger, &issuer, claw_back(&id)), "ClawbackClaimableBalance(DoesNotExist)");
}

#[test]
fn a_balance_needs_a_line_to_come_from_claimants_and_predicates_that_end() {
    let (mut ledger, a, b, _) = market();
    let claimant = |destination: &SigningKey, predicate| {
        Claimant::ClaimantTypeV0(ClaimantV0 { destination: account_id(destination), predicate })
    };
    let create = |claimants: Vec<Claimant>| {
        OperationBody::CreateClaimableBalance(CreateClaimableBalanceOp {
            asset: usd(&key(2)),
            amount: 10,
            claimants: header::vec_m(claimants),
        })
    };
    let not = |inner| ClaimPredicate::Not(Some(Box::new(inner)));
    let unconditional = ClaimPredicate::Unconditional;
    let deep = not(not(not(unconditional.clone())));
    let malformed = [
        create(vec![]),
        create(vec![claimant(&a, unconditional.clone()), claimant(&a, unconditional.clone())]),
        create(vec![claimant(&a, ClaimPredicate::BeforeRelativeTime(-1))]),
        create(vec![claimant(&a, ClaimPredicate::Not(None))]),
        create(vec![claimant(&a, ClaimPredicate::And(header::vec_m(vec![unconditional.clone()])))]),
        create(vec![claimant(&a, not(deep.clone()))]),
    ];
    for body in malformed {
        assert_eq!(code(&mut ledger, &b, body), "CreateClaimableBalance(Malformed)");
    }
    assert_eq!(code(&mut ledger, &b, create(vec![claimant(&a, deep)])), "CreateClaimableBalance(NoTrust)");
}

#[test]
fn clawback_needs_a_line_that_was_opened_under_it() {
    let (mut ledger, a, _, usd) = market();
    let (issuer, c) = (key(1), key(4));
    let claw_back = |from: &SigningKey, amount| {
        OperationBody::Clawback(ClawbackOp { asset: usd.clone(), from: account_id(from).into(), amount })
    };
    assert_eq!(code(&mut ledger, &issuer, claw_back(&c, 1)), "Clawback(NoTrust)");
    assert_eq!(code(&mut ledger, &issuer, claw_back(&a, 1)), "Clawback(NotClawbackEnabled)");
    assert_eq!(code(&mut ledger, &issuer, claw_back(&issuer, 1)), "Clawback(Malformed)");
    assert_eq!(code(&mut ledger, &issuer, claw_back(&a, 0)), "Clawback(Malformed)");
    assert_eq!(code(&mut ledger, &a, claw_back(&c, 1)), "Clawback(Malformed)");
    // A multiplexed address of the issuer is not the address that core compares with; it has no line.
    let muxed = MuxedAccount::MuxedEd25519(stellar_xdr::MuxedAccountMed25519 {
        id: 7,
        ed25519: Uint256(issuer.verifying_key().to_bytes()),
    });
    let body = OperationBody::Clawback(ClawbackOp { asset: usd.clone(), from: muxed, amount: 1 });
    assert_eq!(code(&mut ledger, &issuer, body), "Clawback(NoTrust)");
}

fn pool_line(x: &Asset, y: &Asset, limit: i64) -> OperationBody {
    let (a, b) = if x < y { (x, y) } else { (y, x) };
    OperationBody::ChangeTrust(ChangeTrustOp {
        line: ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(
            LiquidityPoolConstantProductParameters { asset_a: a.clone(), asset_b: b.clone(), fee: 30 },
        )),
        limit,
    })
}

#[test]
fn a_line_that_a_pool_needs_cannot_be_closed_and_a_line_that_cannot_be_is_malformed() {
    let (mut ledger, a, _, usd) = market();
    let issuer = key(1);
    let close = |asset: &Asset| {
        let OperationBody::ChangeTrust(mut op) = trust(asset) else { panic!("a trust line") };
        op.limit = 0;
        OperationBody::ChangeTrust(op)
    };
    succeed(&mut ledger, &a, vec![pay(&issuer, usd.clone(), 1_000_000), pool_line(&Asset::Native, &usd, 100)]);
    assert_eq!(code(&mut ledger, &a, close(&usd)), "ChangeTrust(CannotDelete)");
    succeed(&mut ledger, &a, vec![pool_line(&Asset::Native, &usd, 0), close(&usd)]);
    assert_eq!(ledger.account(&account_id(&a)).unwrap().num_sub_entries, 0);
    assert!(ledger.pool_of(&Asset::Native, &usd).is_none());

    let native = OperationBody::ChangeTrust(ChangeTrustOp { line: ChangeTrustAsset::Native, limit: 1 });
    assert_eq!(code(&mut ledger, &a, native), "ChangeTrust(Malformed)");
    assert_eq!(code(&mut ledger, &issuer, trust(&usd)), "ChangeTrust(Malformed)");
    assert_eq!(code(&mut ledger, &a, close(&usd)), "ChangeTrust(InvalidLimit)");
    assert_eq!(code(&mut ledger, &a, trust(&super::usd(&key(77)))), "ChangeTrust(NoIssuer)");
    assert_eq!(code(&mut ledger, &a, pool_line(&Asset::Native, &usd, 1)), "ChangeTrust(TrustLineMissing)");
}

#[test]
fn an_issuer_that_is_not_revocable_takes_no_authorisation_away() {
    let (mut ledger, a, _, usd) = market();
    let issuer = key(1);
    let allow = |authorize| {
        OperationBody::AllowTrust(AllowTrustOp {
            trustor: account_id(&a),
            asset: AssetCode::CreditAlphanum4(AssetCode4(*b"USD\0")),
            authorize,
        })
    };
    let set = |set_flags, clear_flags| {
        OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
            trustor: account_id(&a),
            asset: usd.clone(),
            clear_flags,
            set_flags,
        })
    };
    assert_eq!(code(&mut ledger, &issuer, allow(3)), "AllowTrust(Malformed)");
    assert_eq!(code(&mut ledger, &a, allow(1)), "AllowTrust(Malformed)");
    assert_eq!(code(&mut ledger, &issuer, allow(0)), "AllowTrust(CantRevoke)");
    assert_eq!(code(&mut ledger, &issuer, allow(2)), "AllowTrust(CantRevoke)");
    succeed(&mut ledger, &issuer, vec![allow(1)]);
    let (authorised, maintain) =
        (TrustLineFlags::AuthorizedFlag as u32, TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32);
    for (set_flags, clear_flags) in [(3, 0), (4, 0), (1, 1), (0, 8), (8, 0)] {
        assert_eq!(code(&mut ledger, &issuer, set(set_flags, clear_flags)), "SetTrustLineFlags(Malformed)");
    }
    assert_eq!(code(&mut ledger, &issuer, set(0, authorised)), "SetTrustLineFlags(CantRevoke)");
    assert_eq!(code(&mut ledger, &issuer, set(maintain, authorised)), "SetTrustLineFlags(CantRevoke)");
    assert_eq!(code(&mut ledger, &issuer, set(maintain, 0)), "SetTrustLineFlags(InvalidState)");
    succeed(&mut ledger, &issuer, vec![set(authorised, maintain)]);
}

#[test]
fn an_account_has_at_most_a_thousand_subentries_of_which_a_pool_line_is_two() {
    let (mut ledger, a, _, usd) = market();
    let name = |index: usize| data(&format!("n{index}"), Some(b"1"));
    for chunk in (0..998).collect::<Vec<usize>>().chunks(100) {
        succeed(&mut ledger, &a, chunk.iter().map(|index| name(*index)).collect());
    }
    assert_eq!(ledger.account(&account_id(&a)).unwrap().num_sub_entries, 999);
    assert_eq!(code(&mut ledger, &a, pool_line(&Asset::Native, &usd, 1)), "OpTooManySubentries");
    succeed(&mut ledger, &a, vec![name(998)]);
    let beyond = [
        name(999),
        sell(Asset::Native, usd.clone(), 1, 1, 1),
        trust(&super::usd(&key(3))),
        set_options(|op| op.signer = signer(50, 1)),
    ];
    for body in beyond {
        assert_eq!(code(&mut ledger, &a, body), "OpTooManySubentries");
    }
}

#[test]
fn inflation_is_not_supported_any_more() {
    let (mut ledger, a, ..) = market();
    assert_eq!(code(&mut ledger, &a, OperationBody::Inflation), "OpNotSupported");
}
