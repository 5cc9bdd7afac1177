//! A quote is what the payment then does.

use proptest::prelude::*;
use stellar_xdr::{
    AccountFlags, BeginSponsoringFutureReservesOp, LiquidityPoolConstantProductParameters, LiquidityPoolDepositOp,
    LiquidityPoolParameters, PathPaymentStrictReceiveOp, PathPaymentStrictReceiveResult, PathPaymentStrictSendOp,
    PathPaymentStrictSendResult, SetOptionsOp, SetTrustLineFlagsOp, TrustLineFlags,
};

use super::*;

/// What the taker has of everything: more than all makers could ever want, and room for more than they could ever give.
const PLENTY: i64 = 100_000_000_000_000_000;
const MAKERS: usize = 3;
const ASSETS: usize = 4;

/// A market of lumens and three credits, some makers with limited means, and a taker.
struct Bazaar {
    ledger: Ledger,
    issuer: SigningKey,
    makers: Vec<SigningKey>,
    taker: SigningKey,
    assets: Vec<Asset>,
}

impl Bazaar {
    fn new() -> Self {
        let mut ledger = new_ledger();
        let (root, issuer, taker) = (ledger.root_key(), key(1), key(2));
        let makers: Vec<SigningKey> = (3..).take(MAKERS).map(key).collect();
        let mut founding = vec![create(&issuer, 1_000_000_000), create(&taker, PLENTY)];
        founding.extend(makers.iter().map(|maker| create(maker, 1_000_000_000)));
        succeed(&mut ledger, &root, founding);
        let credit = |code: &[u8; 4]| {
            Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*code), issuer: account_id(&issuer) })
        };
        let assets = vec![Asset::Native, credit(b"AAA\0"), credit(b"BBB\0"), credit(b"CCC\0")];
        let revocable = SetOptionsOp { set_flags: Some(AccountFlags::RevocableFlag as u32), ..SetOptionsOp::default() };
        succeed(&mut ledger, &issuer, vec![OperationBody::SetOptions(revocable)]);
        for (owner, amount) in makers.iter().map(|maker| (maker, 1_000_000_000)).chain([(&taker, PLENTY)]) {
            succeed(&mut ledger, owner, assets[1..].iter().map(trust).collect());
            succeed(&mut ledger, &issuer, assets[1..].iter().map(|asset| pay(owner, asset.clone(), amount)).collect());
        }
        Self { ledger, issuer, makers, taker, assets }
    }

    /// Does something in a ledger of its own, or tries to.
    fn attempt(&mut self, source: &SigningKey, signers: &[&SigningKey], operations: Vec<Operation>) {
        let mut tx = transaction(source, sequence(&self.ledger, source) + 1, Vec::new());
        tx.fee = 100 * u32::try_from(operations.len()).unwrap();
        tx.operations = header::vec_m(operations);
        let envelope = sign(&self.ledger, tx, signers);
        self.ledger.submit(envelope);
        self.ledger.close(0, &[]);
    }

    fn act(&mut self, action: &Action) {
        let maker = |index: usize| self.makers[index].clone();
        let pair =
            |(first, step): (usize, usize)| (self.assets[first].clone(), self.assets[(first + step) % ASSETS].clone());
        match *action {
            Action::Offer { who, assets, amount, price: (n, d), sponsored } => {
                let (who, sponsor) = (maker(who), maker((who + 1) % MAKERS));
                let (selling, buying) = pair(assets);
                let offer = by(&who, sell(selling, buying, amount, n, d));
                if sponsored {
                    let begin = BeginSponsoringFutureReservesOp { sponsored_id: account_id(&who) };
                    let begin = by(&sponsor, OperationBody::BeginSponsoringFutureReserves(begin));
                    let end = by(&who, OperationBody::EndSponsoringFutureReserves);
                    self.attempt(&who, &[&who, &sponsor], vec![begin, offer, end]);
                } else {
                    self.attempt(&who, &[&who], vec![offer]);
                }
            }
            Action::IssuersOffer { assets, amount, price: (n, d) } => {
                let (selling, buying) = pair(assets);
                let issuer = self.issuer.clone();
                self.attempt(&issuer, &[&issuer], vec![by(&issuer, sell(selling, buying, amount, n, d))]);
            }
            Action::Deposit { who, assets, amounts } => {
                let who = maker(who);
                let operations = deposit(pair(assets), amounts).into_iter().map(|body| by(&who, body)).collect();
                self.attempt(&who, &[&who], operations);
            }
            Action::Narrow { who, asset, slack } => {
                let (who, asset) = (maker(who), &self.assets[asset]);
                let key = assets::trust_line_asset(asset);
                let held = self.ledger.trustline(&account_id(&who), &key).unwrap();
                let OperationBody::ChangeTrust(mut line) = trust(asset) else { unreachable!() };
                line.limit = held.balance + entries::line_liabilities(held).buying + slack;
                self.attempt(&who, &[&who], vec![by(&who, OperationBody::ChangeTrust(line))]);
            }
            Action::Spend { who, asset, slack } => {
                let (who, asset) = (maker(who), self.assets[asset].clone());
                let means = self.ledger.can_pay(&account_id(&who));
                let (_, most) = means.iter().find(|(held, _)| *held == asset).unwrap();
                let payment = pay(&self.taker, asset, most - slack);
                self.attempt(&who, &[&who], vec![by(&who, payment)]);
            }
            Action::Restrict { who, asset } => {
                let (trustor, asset) = (account_id(&maker(who)), self.assets[asset].clone());
                let restrict = SetTrustLineFlagsOp {
                    trustor,
                    asset,
                    clear_flags: TrustLineFlags::AuthorizedFlag as u32,
                    set_flags: TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32,
                };
                let issuer = self.issuer.clone();
                let restrict = by(&issuer, OperationBody::SetTrustLineFlags(restrict));
                self.attempt(&issuer, &[&issuer], vec![restrict]);
            }
            Action::Reserve { base_reserve } => {
                self.ledger.close(0, &[LedgerUpgrade::BaseReserve(base_reserve)]);
            }
        }
    }

    fn path(&self, indexes: &[usize]) -> Vec<Asset> {
        indexes.iter().map(|index| self.assets[*index].clone()).collect()
    }

    /// Sends along a path, on a ledger of its own.
    fn send(&self, path: &[Asset], amount: i64, dest_min: i64) -> TransactionResultResult {
        let [send_asset, path @ .., dest_asset] = path else { unreachable!("a path has two ends") };
        let op = PathPaymentStrictSendOp {
            send_asset: send_asset.clone(),
            send_amount: amount,
            destination: account_id(&self.taker).into(),
            dest_asset: dest_asset.clone(),
            dest_min,
            path: header::vec_m(path.to_vec()),
        };
        apply(&mut self.ledger.clone(), &self.taker, vec![OperationBody::PathPaymentStrictSend(op)])
    }

    /// Receives along a path, on a ledger of its own.
    fn receive(&self, path: &[Asset], amount: i64, send_max: i64) -> TransactionResultResult {
        let [send_asset, path @ .., dest_asset] = path else { unreachable!("a path has two ends") };
        let op = PathPaymentStrictReceiveOp {
            send_asset: send_asset.clone(),
            send_max,
            destination: account_id(&self.taker).into(),
            dest_asset: dest_asset.clone(),
            dest_amount: amount,
            path: header::vec_m(path.to_vec()),
        };
        apply(&mut self.ledger.clone(), &self.taker, vec![OperationBody::PathPaymentStrictReceive(op)])
    }

    /// Holds the quote of a strict send to what is then sent.
    fn check_send(&self, path: &[Asset], amount: i64) -> Option<i64> {
        use PathPaymentStrictSendResult as R;
        let quote = self.ledger.quote_path_send(path, amount, Some(&account_id(&self.taker)));
        let outcome = |dest_min| match self.send(path, amount, dest_min) {
            TransactionResultResult::TxSuccess(results) | TransactionResultResult::TxFailed(results) => {
                match &results[0] {
                    OperationResult::OpInner(OperationResultTr::PathPaymentStrictSend(result)) => Some(result.clone()),
                    OperationResult::OpExceededWorkLimit => None,
                    other => panic!("{other:?}"),
                }
            }
            TransactionResultResult::TxInternalError => None,
            other => panic!("{other:?}"),
        };
        match quote {
            Some(quote) => {
                let Some(R::Success(success)) = outcome(quote) else { panic!("{quote}: {:?}", outcome(quote)) };
                assert_eq!(success.last.amount, quote);
                assert_eq!(outcome(quote + 1), Some(R::UnderDestmin));
            }
            None => assert!(matches!(outcome(1), None | Some(R::TooFewOffers | R::UnderDestmin)), "{:?}", outcome(1)),
        }
        quote
    }

    /// Holds the quote of a strict receive to what is then paid.
    fn check_receive(&self, path: &[Asset], amount: i64) -> Option<i64> {
        use PathPaymentStrictReceiveResult as R;
        let quote = self.ledger.quote_path_receive(path, amount, Some(&account_id(&self.taker)));
        let outcome = |send_max| match self.receive(path, amount, send_max) {
            TransactionResultResult::TxSuccess(results) | TransactionResultResult::TxFailed(results) => {
                match &results[0] {
                    OperationResult::OpInner(OperationResultTr::PathPaymentStrictReceive(result)) => {
                        Some(result.clone())
                    }
                    OperationResult::OpExceededWorkLimit => None,
                    other => panic!("{other:?}"),
                }
            }
            TransactionResultResult::TxInternalError => None,
            other => panic!("{other:?}"),
        };
        match quote {
            Some(quote) => {
                assert!(matches!(outcome(quote), Some(R::Success(_))), "{quote}: {:?}", outcome(quote));
                if quote > 1 {
                    assert_eq!(outcome(quote - 1), Some(R::OverSendmax));
                }
            }
            None => assert!(matches!(outcome(PLENTY), None | Some(R::TooFewOffers)), "{:?}", outcome(PLENTY)),
        }
        quote
    }
}

fn by(source: &SigningKey, body: OperationBody) -> Operation {
    Operation { source_account: Some(account_id(source).into()), body }
}

/// A trust line to the pool of two assets, and a deposit at whatever price it has.
fn deposit((x, y): (Asset, Asset), amounts: (i64, i64)) -> Vec<OperationBody> {
    let (asset_a, asset_b) = if x < y { (x, y) } else { (y, x) };
    let parameters = LiquidityPoolConstantProductParameters { asset_a, asset_b, fee: 30 };
    let liquidity_pool_id = pool_id_of(&parameters);
    let line = ChangeTrustAsset::PoolShare(LiquidityPoolParameters::LiquidityPoolConstantProduct(parameters));
    vec![
        OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX }),
        OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
            liquidity_pool_id,
            max_amount_a: amounts.0,
            max_amount_b: amounts.1,
            min_price: Price { n: 1, d: i32::MAX },
            max_price: Price { n: i32::MAX, d: 1 },
        }),
    ]
}

/// Something that changes books, pools, or what makers can do. `assets` are the first's index and how many after it the
/// second is.
#[derive(Clone, Debug)]
enum Action {
    Offer {
        who: usize,
        assets: (usize, usize),
        amount: i64,
        price: (i32, i32),
        sponsored: bool,
    },
    IssuersOffer {
        assets: (usize, usize),
        amount: i64,
        price: (i32, i32),
    },
    Deposit {
        who: usize,
        assets: (usize, usize),
        amounts: (i64, i64),
    },
    /// Room for what offers buy, and little more.
    Narrow {
        who: usize,
        asset: usize,
        slack: i64,
    },
    /// All but what offers sell, and a little more.
    Spend {
        who: usize,
        asset: usize,
        slack: i64,
    },
    Restrict {
        who: usize,
        asset: usize,
    },
    Reserve {
        base_reserve: u32,
    },
}

fn amount() -> impl Strategy<Value = i64> {
    prop_oneof![1_i64..20, 1_i64..5_000, 1_i64..1_000_000_000]
}

fn price() -> impl Strategy<Value = (i32, i32)> {
    prop_oneof![3 => (1..30, 1..30), 1 => (1..=i32::MAX, 1..=i32::MAX).prop_filter("not too steep", |(n, d)| {
        n / d < 1_000 && d / n < 1_000
    })]
}

fn action() -> impl Strategy<Value = Action> {
    let assets = || (0..ASSETS, 1..ASSETS);
    prop_oneof![
        12 => (0..MAKERS, assets(), amount(), price(), prop::bool::weighted(0.2)).prop_map(
            |(who, assets, amount, price, sponsored)| Action::Offer { who, assets, amount, price, sponsored }
        ),
        2 => (assets(), amount(), price()).prop_map(
            |(assets, amount, price)| Action::IssuersOffer { assets, amount, price }
        ),
        4 => (0..MAKERS, assets(), (amount(), amount())).prop_map(
            |(who, assets, amounts)| Action::Deposit { who, assets, amounts }
        ),
        3 => (0..MAKERS, 1..ASSETS, 0_i64..200).prop_map(|(who, asset, slack)| Action::Narrow { who, asset, slack }),
        2 => (0..MAKERS, 0..ASSETS, 0_i64..200).prop_map(|(who, asset, slack)| Action::Spend { who, asset, slack }),
        1 => (0..MAKERS, 1..ASSETS).prop_map(|(who, asset)| Action::Restrict { who, asset }),
        1 => (1_000_000_u32..30_000_000).prop_map(|base_reserve| Action::Reserve { base_reserve }),
    ]
}

fn path() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        1 => prop::collection::vec(0..ASSETS, 2..3),
        2 => prop::collection::vec(0..ASSETS, 2..7),
        2 => Just((0..ASSETS).collect::<Vec<_>>()).prop_shuffle().prop_flat_map(|all| {
            (2..=ASSETS).prop_map(move |len| all[..len].to_vec())
        }),
    ]
}

proptest! {
    #[test]
    fn a_quote_is_what_the_payment_does(
        actions in prop::collection::vec(action(), 10..60),
        payments in prop::collection::vec((path(), amount()), 12),
    ) {
        let mut bazaar = Bazaar::new();
        actions.iter().for_each(|action| bazaar.act(action));
        let before = bazaar.ledger.entries().count();
        for (indexes, amount) in payments {
            let path = bazaar.path(&indexes);
            bazaar.check_send(&path, amount);
            bazaar.check_receive(&path, amount);
        }
        prop_assert_eq!(bazaar.ledger.entries().count(), before);
    }
}

impl Bazaar {
    /// So many offers of the same kind, in a world where a reserve costs next to nothing.
    fn crowd(&mut self, who: usize, (selling, buying): (usize, usize), count: usize, amount: i64, price: (i32, i32)) {
        self.act(&Action::Reserve { base_reserve: 1 });
        let maker = self.makers[who].clone();
        let (selling, buying) = (&self.assets[selling], &self.assets[buying]);
        let offer = sell(selling.clone(), buying.clone(), amount, price.0, price.1);
        for _ in 0..count / 100 {
            succeed(&mut self.ledger, &maker, vec![offer.clone(); 100]);
        }
    }
}

#[test]
fn a_quote_crosses_a_thousand_offers_and_no_more() {
    let mut bazaar = Bazaar::new();
    bazaar.crowd(0, (1, 0), 600, 1, (1, 1));
    bazaar.crowd(1, (1, 0), 600, 1, (1, 1));
    bazaar.crowd(2, (2, 1), 600, 1, (1, 1));
    let one_hop = bazaar.path(&[0, 1]);
    assert_eq!((bazaar.check_send(&one_hop, 1000), bazaar.check_send(&one_hop, 1001)), (Some(1000), None));
    assert_eq!((bazaar.check_receive(&one_hop, 1000), bazaar.check_receive(&one_hop, 1001)), (Some(1000), None));
    let two_hops = bazaar.path(&[0, 1, 2]);
    assert_eq!((bazaar.check_send(&two_hops, 500), bazaar.check_send(&two_hops, 501)), (Some(500), None));
    assert_eq!((bazaar.check_receive(&two_hops, 500), bazaar.check_receive(&two_hops, 501)), (Some(500), None));
}

#[test]
fn crossings_that_were_given_up_for_a_pool_count() {
    let mut bazaar = Bazaar::new();
    bazaar.crowd(0, (1, 0), 600, 1, (2, 1));
    bazaar.crowd(1, (2, 1), 600, 2, (1, 1));
    bazaar.act(&Action::Deposit { who: 2, assets: (0, 1), amounts: (10_000_000, 10_000_000) });
    let path = bazaar.path(&[0, 1, 2]);
    // The pool gives 797 for 800, and 1195 for 1200; the book would have crossed 400 offers, and 600.
    assert_eq!((bazaar.check_send(&path, 800), bazaar.check_send(&path, 1200)), (Some(797), None));
}

#[test]
fn an_own_offer_stops_the_book_but_not_the_pool() {
    let mut bazaar = Bazaar::new();
    bazaar.act(&Action::Offer { who: 0, assets: (1, 3), amount: 50, price: (1, 2), sponsored: false });
    let (xlm, aaa) = (bazaar.assets[0].clone(), bazaar.assets[1].clone());
    let maker = account_id(&bazaar.makers[0]);
    let path = [xlm.clone(), aaa.clone()];
    assert_eq!(bazaar.ledger.quote_path_send(&path, 10, None), Some(20));
    assert_eq!(bazaar.ledger.quote_path_send(&path, 10, Some(&maker)), None);
    assert_eq!(bazaar.ledger.quote_path_receive(&path, 20, Some(&maker)), None);
    bazaar.act(&Action::Deposit { who: 1, assets: (0, 1), amounts: (1_000_000, 1_000_000) });
    assert_eq!(bazaar.ledger.quote_path_send(&path, 10, Some(&maker)), Some(9));
    assert_eq!(bazaar.ledger.quote_path_send(&path, 10, None), Some(20));
    assert_eq!(bazaar.ledger.quote_send(&xlm, &aaa, 10), Some(20));
    assert_eq!(bazaar.ledger.quote_receive(&xlm, &aaa, 20), Some(10));
}

#[test]
fn an_asset_is_worth_itself_and_nothing_buys_nothing() {
    let bazaar = Bazaar::new();
    let (xlm, aaa) = (bazaar.assets[0].clone(), bazaar.assets[1].clone());
    assert_eq!(
        (bazaar.ledger.quote_send(&xlm, &xlm, 7), bazaar.ledger.quote_receive(&aaa, &aaa, 7)),
        (Some(7), Some(7))
    );
    assert_eq!((bazaar.ledger.quote_send(&xlm, &aaa, 7), bazaar.ledger.quote_receive(&xlm, &aaa, 7)), (None, None));
    assert_eq!((bazaar.ledger.quote_send(&xlm, &xlm, 0), bazaar.ledger.quote_receive(&xlm, &xlm, -1)), (None, None));
}

/// At 2/3, 101 buy 152 of an offer whose owner has room for no more, which is then gone; with more room the offer is the
/// larger one, stays, and 101 buy 151. So much hangs on what an owner's other offers have done before.
#[test]
fn a_quote_sees_what_earlier_crossings_did_to_an_owner() {
    let mut bazaar = Bazaar::new();
    let bbb_for_aaa = Action::Offer { who: 0, assets: (2, 3), amount: 152, price: (2, 3), sponsored: false };
    bazaar.act(&bbb_for_aaa);
    bazaar.act(&bbb_for_aaa);
    bazaar.act(&Action::Narrow { who: 0, asset: 1, slack: 0 });
    let path = bazaar.path(&[1, 2]);
    assert_eq!((bazaar.check_send(&path, 101), bazaar.check_send(&path, 202)), (Some(152), Some(304)));
    bazaar.act(&Action::Offer { who: 0, assets: (1, 3), amount: 1_000, price: (1, 1), sponsored: false });
    assert_eq!(bazaar.check_send(&bazaar.path(&[0, 1, 2]), 101), Some(151));
}
