//! What core's own invariants say must hold after every ledger, whatever was done in it: `AccountSubEntriesCountIsValid`,
//! `SponsorshipCountIsValid`, `ConservationOfLumens`, `LiabilitiesMatchOffers`.

use std::collections::BTreeMap;

use proptest::prelude::*;
use stellar_xdr::{
    AccountFlags, BeginSponsoringFutureReservesOp, ClaimClaimableBalanceOp, ClaimPredicate, ClaimableBalanceId,
    Claimant, ClaimantV0, CreateClaimableBalanceOp, DataValue, LiquidityPoolConstantProductParameters,
    LiquidityPoolDepositOp, LiquidityPoolParameters, LiquidityPoolWithdrawOp, ManageDataOp, RevokeSponsorshipOp,
    RevokeSponsorshipOpSigner, SetOptionsOp, SetTrustLineFlagsOp, Signer, SignerKey, String64, Uint256,
};

use super::*;

/// Something that one of four accounts does.
#[derive(Clone, Debug)]
enum Deed {
    Data { name: u8, keep: bool },
    Line { open: bool },
    PoolLine { open: bool },
    Deposit { amount: i64 },
    Withdraw { amount: i64 },
    Offer { buys: bool, amount: i64, n: i32 },
    Signer { seed: u8, weight: u32 },
    Balance { amount: i64, native: bool, claimants: u8 },
    Claim { which: usize },
    Revoke { which: usize },
    RevokeSigner { of: u8, seed: u8 },
    Authorise { whom: u8, how: u32 },
    Merge { into: u8 },
    Create { whom: u8, balance: i64 },
    Pay { whom: u8, amount: i64, native: bool },
}

fn deed() -> impl Strategy<Value = Deed> {
    let one = 0_u8..4;
    prop_oneof![
        (0_u8..3, any::<bool>()).prop_map(|(name, keep)| Deed::Data { name, keep }),
        any::<bool>().prop_map(|open| Deed::Line { open }),
        any::<bool>().prop_map(|open| Deed::PoolLine { open }),
        (1_i64..5_000).prop_map(|amount| Deed::Deposit { amount }),
        (1_i64..5_000).prop_map(|amount| Deed::Withdraw { amount }),
        (any::<bool>(), 0_i64..3_000, 1_i32..4).prop_map(|(buys, amount, n)| Deed::Offer { buys, amount, n }),
        (0_u8..4, 0_u32..3).prop_map(|(seed, weight)| Deed::Signer { seed, weight }),
        (1_i64..2_000, any::<bool>(), 1_u8..4).prop_map(|(amount, native, claimants)| Deed::Balance {
            amount,
            native,
            claimants
        }),
        (0_usize..8).prop_map(|which| Deed::Claim { which }),
        (0_usize..40).prop_map(|which| Deed::Revoke { which }),
        (one.clone(), 0_u8..4).prop_map(|(of, seed)| Deed::RevokeSigner { of, seed }),
        (one.clone(), 0_u32..3).prop_map(|(whom, how)| Deed::Authorise { whom, how }),
        one.clone().prop_map(|into| Deed::Merge { into }),
        (one.clone(), prop_oneof![Just(0_i64), 9_000_000_i64..90_000_000])
            .prop_map(|(whom, balance)| Deed::Create { whom, balance }),
        (one, 1_i64..5_000, any::<bool>()).prop_map(|(whom, amount, native)| Deed::Pay { whom, amount, native }),
    ]
}

fn actor(number: u8) -> SigningKey {
    key(2 + number)
}

fn balances(ledger: &Ledger) -> Vec<ClaimableBalanceId> {
    let mut found: Vec<ClaimableBalanceId> = ledger
        .entries()
        .filter_map(|entry| match entry.data {
            LedgerEntryData::ClaimableBalance(balance) => Some(balance.balance_id),
            _ => None,
        })
        .collect();
    found.sort();
    found
}

/// The operation, and whether the issuer must do it.
fn operation(ledger: &Ledger, who: &SigningKey, usd: &Asset, deed: &Deed) -> (OperationBody, bool) {
    let asset = |native: bool| if native { Asset::Native } else { usd.clone() };
    let pool = pool_id(&Asset::Native, usd);
    let limit = |open: bool| if open { i64::MAX } else { 0 };
    let hash = |seed: u8| SignerKey::HashX(Uint256([seed; 32]));
    let body = match *deed {
        Deed::Data { name, keep } => OperationBody::ManageData(ManageDataOp {
            data_name: String64(vec![b'a' + name].try_into().unwrap()),
            data_value: keep.then(DataValue::default),
        }),
        Deed::Line { open } => {
            let OperationBody::ChangeTrust(mut op) = trust(usd) else { panic!("a trust line") };
            op.limit = limit(open);
            OperationBody::ChangeTrust(op)
        }
        Deed::PoolLine { open } => {
            let parameters =
                LiquidityPoolConstantProductParameters { asset_a: Asset::Native, asset_b: usd.clone(), fee: 30 };
            let parameters = LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters);
            OperationBody::ChangeTrust(ChangeTrustOp {
                line: ChangeTrustAsset::PoolShare(parameters),
                limit: limit(open),
            })
        }
        Deed::Deposit { amount } => OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
            liquidity_pool_id: pool,
            max_amount_a: amount,
            max_amount_b: amount,
            min_price: Price { n: 1, d: 100 },
            max_price: Price { n: 100, d: 1 },
        }),
        Deed::Withdraw { amount } => OperationBody::LiquidityPoolWithdraw(LiquidityPoolWithdrawOp {
            liquidity_pool_id: pool,
            amount,
            min_amount_a: 0,
            min_amount_b: 0,
        }),
        Deed::Offer { buys, amount, n } => {
            let own = ledger.offers_of(&account_id(who));
            let (selling, buying) = (asset(buys), asset(!buys));
            let offer_id = if amount % 3 == 0 { own.first().map_or(0, |offer| offer.offer_id) } else { 0 };
            let price = Price { n, d: 2 };
            OperationBody::ManageSellOffer(ManageSellOfferOp { selling, buying, amount, price, offer_id })
        }
        Deed::Signer { seed, weight } => OperationBody::SetOptions(SetOptionsOp {
            signer: Some(Signer { key: hash(seed), weight }),
            ..SetOptionsOp::default()
        }),
        Deed::Balance { amount, native, claimants } => {
            let claimants = (0..claimants).map(|number| {
                Claimant::ClaimantTypeV0(ClaimantV0 {
                    destination: account_id(&actor(number)),
                    predicate: ClaimPredicate::Unconditional,
                })
            });
            OperationBody::CreateClaimableBalance(CreateClaimableBalanceOp {
                asset: asset(native),
                amount,
                claimants: header::vec_m(claimants.collect()),
            })
        }
        Deed::Claim { which } => {
            let balances = balances(ledger);
            let none = ClaimableBalanceId::ClaimableBalanceIdTypeV0(Hash([0; 32]));
            let balance_id = balances.get(which % balances.len().max(1)).cloned().unwrap_or(none);
            OperationBody::ClaimClaimableBalance(ClaimClaimableBalanceOp { balance_id })
        }
        Deed::Revoke { which } => {
            let mut keys: Vec<LedgerKey> = ledger.entries().map(|entry| entry.to_key()).collect();
            keys.sort();
            OperationBody::RevokeSponsorship(RevokeSponsorshipOp::LedgerEntry(keys[which % keys.len()].clone()))
        }
        Deed::RevokeSigner { of, seed } => {
            let signer = RevokeSponsorshipOpSigner { account_id: account_id(&actor(of)), signer_key: hash(seed) };
            OperationBody::RevokeSponsorship(RevokeSponsorshipOp::Signer(signer))
        }
        Deed::Authorise { whom, how } => OperationBody::SetTrustLineFlags(SetTrustLineFlagsOp {
            trustor: account_id(&actor(whom)),
            asset: usd.clone(),
            clear_flags: 3 & !how,
            set_flags: how,
        }),
        Deed::Merge { into } => OperationBody::AccountMerge(account_id(&actor(into)).into()),
        Deed::Create { whom, balance } => create(&actor(whom), balance),
        Deed::Pay { whom, amount, native } => pay(&actor(whom), asset(native), amount),
    };
    (body, matches!(deed, Deed::Authorise { .. }))
}

/// Reserves by account: owned, of these paid by others, and paid for others.
fn count_reserves(ledger: &Ledger) -> BTreeMap<AccountId, (u32, u32, u32)> {
    let mut counts: BTreeMap<AccountId, (u32, u32, u32)> = BTreeMap::new();
    for entry in ledger.entries() {
        let reserves = sponsorship::reserves_of(&entry);
        let sponsor = entries::sponsor(&entry).cloned();
        let owner = match &entry.data {
            LedgerEntryData::Account(account) => {
                let sponsors = entries::signer_sponsors(account);
                for index in 0..account.signers.len() {
                    let sponsor = sponsors.get(index).and_then(|sponsor| sponsor.0.clone());
                    let own = counts.entry(account.account_id.clone()).or_default();
                    own.0 += 1;
                    own.1 += u32::from(sponsor.is_some());
                    if let Some(sponsor) = sponsor {
                        counts.entry(sponsor).or_default().2 += 1;
                    }
                }
                if sponsor.is_some() {
                    counts.entry(account.account_id.clone()).or_default().1 += 2;
                }
                None
            }
            LedgerEntryData::Trustline(line) => Some(line.account_id.clone()),
            LedgerEntryData::Offer(offer) => Some(offer.seller_id.clone()),
            LedgerEntryData::Data(data) => Some(data.account_id.clone()),
            LedgerEntryData::LiquidityPool(_) => continue,
            _ => None,
        };
        if let Some(owner) = owner {
            let own = counts.entry(owner).or_default();
            own.0 += reserves;
            own.1 += if sponsor.is_some() { reserves } else { 0 };
        }
        if let Some(sponsor) = sponsor {
            counts.entry(sponsor).or_default().2 += reserves;
        }
    }
    counts
}

fn check(ledger: &Ledger, usd: &Asset) {
    let counts = count_reserves(ledger);
    let mut lumens = ledger.header().fee_pool;
    for entry in ledger.entries() {
        match &entry.data {
            LedgerEntryData::Account(account) => {
                lumens += account.balance;
                let counted = counts.get(&account.account_id).copied().unwrap_or_default();
                let said = (account.num_sub_entries, entries::num_sponsored(account), entries::num_sponsoring(account));
                assert_eq!(said, counted, "{account:?}");
                let promised = promised_by(ledger, &account.account_id, &Asset::Native);
                assert_eq!(entries::account_liabilities(account), promised);
                assert!(account.balance >= 0);
            }
            LedgerEntryData::Trustline(line) if !matches!(line.asset, TrustLineAsset::PoolShare(_)) => {
                assert_eq!(entries::line_liabilities(line), promised_by(ledger, &line.account_id, usd));
                let shares = TrustLineAsset::PoolShare(pool_id(&Asset::Native, usd));
                let uses = i32::from(ledger.trustline(&line.account_id, &shares).is_some());
                assert_eq!(entries::pool_use_count(line), uses);
            }
            LedgerEntryData::ClaimableBalance(balance) if balance.asset == Asset::Native => lumens += balance.amount,
            LedgerEntryData::LiquidityPool(pool) => {
                let pool = crossing::constant_product(&pool.body);
                lumens += pool.reserve_a;
                assert!(pool.pool_shares_trust_line_count > 0 && pool.reserve_a >= 0 && pool.reserve_b >= 0);
            }
            _ => {}
        }
    }
    assert_eq!(lumens, ledger.header().total_coins, "lumens come from nowhere");
    for account in counts.keys() {
        assert!(ledger.account(account).is_some(), "an entry of nobody's");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_pays_for_whatever_the_counts_of_reserves_add_up_and_no_lumen_is_lost(
        deeds in proptest::collection::vec((0_u8..4, proptest::option::of(0_u8..4), deed()), 1..80),
    ) {
        let (mut ledger, _, _, usd) = market();
        let (root, issuer) = (ledger.root_key(), key(1));
        let set_flags = Some(AccountFlags::RevocableFlag as u32);
        succeed(&mut ledger, &issuer, vec![OperationBody::SetOptions(SetOptionsOp { set_flags, ..SetOptionsOp::default() })]);
        for (who, sponsor, deed) in deeds {
            let who = actor(who);
            let (body, by_issuer) = operation(&ledger, &who, &usd, &deed);
            let doer = if by_issuer { &issuer } else { &who };
            // A new account's reserve is its own matter, every other the doer's or that of whose shares are taken apart.
            let sponsored = match deed {
                Deed::Create { whom, .. } | Deed::Authorise { whom, .. } => actor(whom),
                _ => who.clone(),
            };
            let operations = match sponsor.map(actor) {
                Some(sponsor) => {
                    let begin = OperationBody::BeginSponsoringFutureReserves(BeginSponsoringFutureReservesOp {
                        sponsored_id: account_id(&sponsored),
                    });
                    vec![(sponsor, begin), (doer.clone(), body), (sponsored, OperationBody::EndSponsoringFutureReserves)]
                }
                None => vec![(doer.clone(), body)],
            };
            let operations = operations.iter().map(|(key, body)| (key, body.clone())).collect();
            let result = apply_as(&mut ledger, &root, operations);
            prop_assert_ne!(result.name(), "TxInternalError");
            check(&ledger, &usd);
        }
    }
}
