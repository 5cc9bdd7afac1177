//! Operations in few words.

use stellar_xdr::{
    AccountId, AllowTrustOp, AlphaNum4, Asset, AssetCode, AssetCode4, BeginSponsoringFutureReservesOp, BumpSequenceOp,
    ChangeTrustAsset, ChangeTrustOp, ClaimClaimableBalanceOp, ClaimPredicate, ClaimableBalanceId, Claimant, ClaimantV0,
    ClawbackClaimableBalanceOp, ClawbackOp, CreateAccountOp, CreateClaimableBalanceOp, CreatePassiveSellOfferOp,
    LedgerKey, LiquidityPoolConstantProductParameters, LiquidityPoolDepositOp, LiquidityPoolParameters,
    LiquidityPoolWithdrawOp, ManageBuyOfferOp, ManageDataOp, ManageSellOfferOp, MuxedAccount, OperationBody,
    PathPaymentStrictReceiveOp, PathPaymentStrictSendOp, PaymentOp, PoolId, Price, RevokeSponsorshipOp, SequenceNumber,
    SetOptionsOp, SetTrustLineFlagsOp, Signer, SignerKey, Uint256,
};

pub(super) const XLM: Asset = Asset::Native;
/// A whole unit.
pub(super) const UNIT: i64 = 10_000_000;

pub(super) fn credit(code: [u8; 4], issuer: &AccountId) -> Asset {
    Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(code), issuer: issuer.clone() })
}

pub(super) fn create_account(destination: &AccountId, units: i64) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp { destination: destination.clone(), starting_balance: units * UNIT })
}

pub(super) fn pay(destination: &MuxedAccount, asset: &Asset, amount: i64) -> OperationBody {
    OperationBody::Payment(PaymentOp { destination: destination.clone(), asset: asset.clone(), amount })
}

pub(super) fn strict_receive(
    destination: &MuxedAccount,
    (send_asset, send_max): (&Asset, i64),
    (dest_asset, dest_amount): (&Asset, i64),
    path: &[Asset],
) -> OperationBody {
    OperationBody::PathPaymentStrictReceive(PathPaymentStrictReceiveOp {
        send_asset: send_asset.clone(),
        send_max,
        destination: destination.clone(),
        dest_asset: dest_asset.clone(),
        dest_amount,
        path: path.to_vec().try_into().unwrap(),
    })
}

pub(super) fn strict_send(
    destination: &MuxedAccount,
    (send_asset, send_amount): (&Asset, i64),
    (dest_asset, dest_min): (&Asset, i64),
) -> OperationBody {
    OperationBody::PathPaymentStrictSend(PathPaymentStrictSendOp {
        send_asset: send_asset.clone(),
        send_amount,
        destination: destination.clone(),
        dest_asset: dest_asset.clone(),
        dest_min,
        path: Vec::new().try_into().unwrap(),
    })
}

pub(super) fn sell(selling: &Asset, buying: &Asset, amount: i64, price: (i32, i32)) -> OperationBody {
    OperationBody::ManageSellOffer(ManageSellOfferOp {
        selling: selling.clone(),
        buying: buying.clone(),
        amount,
        price: Price { n: price.0, d: price.1 },
        offer_id: 0,
    })
}

pub(super) fn buy(buying: &Asset, selling: &Asset, buy_amount: i64, price: (i32, i32)) -> OperationBody {
    OperationBody::ManageBuyOffer(ManageBuyOfferOp {
        selling: selling.clone(),
        buying: buying.clone(),
        buy_amount,
        price: Price { n: price.0, d: price.1 },
        offer_id: 0,
    })
}

pub(super) fn sell_passively(selling: &Asset, buying: &Asset, amount: i64, price: (i32, i32)) -> OperationBody {
    OperationBody::CreatePassiveSellOffer(CreatePassiveSellOfferOp {
        selling: selling.clone(),
        buying: buying.clone(),
        amount,
        price: Price { n: price.0, d: price.1 },
    })
}

pub(super) fn set_signer(key: [u8; 32], weight: u32) -> OperationBody {
    let signer = Signer { key: SignerKey::HashX(Uint256(key)), weight };
    OperationBody::SetOptions(SetOptionsOp { signer: Some(signer), ..SetOptionsOp::default() })
}

pub(super) fn trust(asset: &Asset, limit: i64) -> OperationBody {
    let line = match asset.clone() {
        Asset::CreditAlphanum4(credit) => ChangeTrustAsset::CreditAlphanum4(credit),
        other => panic!("no line for {other:?}"),
    };
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit })
}

pub(super) fn pool_of(a: &Asset, b: &Asset) -> LiquidityPoolConstantProductParameters {
    LiquidityPoolConstantProductParameters { asset_a: a.clone(), asset_b: b.clone(), fee: 30 }
}

pub(super) fn trust_pool(pool: &LiquidityPoolConstantProductParameters, limit: i64) -> OperationBody {
    let line = LiquidityPoolParameters::LiquidityPoolConstantProduct(pool.clone());
    OperationBody::ChangeTrust(ChangeTrustOp { line: ChangeTrustAsset::PoolShare(line), limit })
}

pub(super) fn deposit(id: &PoolId, a: i64, b: i64) -> OperationBody {
    OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
        liquidity_pool_id: id.clone(),
        max_amount_a: a,
        max_amount_b: b,
        min_price: Price { n: 1, d: 1000 },
        max_price: Price { n: 1000, d: 1 },
    })
}

pub(super) fn withdraw(id: &PoolId, amount: i64) -> OperationBody {
    OperationBody::LiquidityPoolWithdraw(LiquidityPoolWithdrawOp {
        liquidity_pool_id: id.clone(),
        amount,
        min_amount_a: 1,
        min_amount_b: 1,
    })
}

pub(super) fn allow_trust(trustor: &AccountId, code: [u8; 4], authorize: u32) -> OperationBody {
    let asset = AssetCode::CreditAlphanum4(AssetCode4(code));
    OperationBody::AllowTrust(AllowTrustOp { trustor: trustor.clone(), asset, authorize })
}

pub(super) fn line_flags(trustor: &AccountId, asset: &Asset, set_flags: u32, clear_flags: u32) -> OperationBody {
    OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
        trustor: trustor.clone(),
        asset: asset.clone(),
        clear_flags,
        set_flags,
    })
}

pub(super) fn data(name: &str, value: Option<&[u8]>) -> OperationBody {
    OperationBody::ManageData(ManageDataOp {
        data_name: name.parse::<stellar_xdr::StringM<64>>().unwrap().into(),
        data_value: value.map(|value| stellar_xdr::DataValue(value.to_vec().try_into().unwrap())),
    })
}

pub(super) fn bump(to: i64) -> OperationBody {
    OperationBody::BumpSequence(BumpSequenceOp { bump_to: SequenceNumber(to) })
}

pub(super) fn create_balance(asset: &Asset, amount: i64, claimants: &[(&AccountId, ClaimPredicate)]) -> OperationBody {
    let claimants = claimants.iter().map(|(destination, predicate)| {
        Claimant::ClaimantTypeV0(ClaimantV0 { destination: (*destination).clone(), predicate: predicate.clone() })
    });
    OperationBody::CreateClaimableBalance(CreateClaimableBalanceOp {
        asset: asset.clone(),
        amount,
        claimants: claimants.collect::<Vec<_>>().try_into().unwrap(),
    })
}

pub(super) fn claim(balance_id: &ClaimableBalanceId) -> OperationBody {
    OperationBody::ClaimClaimableBalance(ClaimClaimableBalanceOp { balance_id: balance_id.clone() })
}

pub(super) fn claw_balance_back(balance_id: &ClaimableBalanceId) -> OperationBody {
    OperationBody::ClawbackClaimableBalance(ClawbackClaimableBalanceOp { balance_id: balance_id.clone() })
}

pub(super) fn claw_back(from: &MuxedAccount, asset: &Asset, amount: i64) -> OperationBody {
    OperationBody::Clawback(ClawbackOp { asset: asset.clone(), from: from.clone(), amount })
}

pub(super) fn begin_sponsoring(sponsored: &AccountId) -> OperationBody {
    OperationBody::BeginSponsoringFutureReserves(BeginSponsoringFutureReservesOp { sponsored_id: sponsored.clone() })
}

pub(super) fn end_sponsoring() -> OperationBody {
    OperationBody::EndSponsoringFutureReserves
}

pub(super) fn revoke(key: LedgerKey) -> OperationBody {
    OperationBody::RevokeSponsorship(RevokeSponsorshipOp::LedgerEntry(key))
}
