//! A market on the exact ledger, for its benchmarks: makers whose offers rest, and takers who are about to trade.

#![allow(dead_code, unreachable_pub, reason = "each benchmark uses a part, and is a crate of its own")]

use ed25519_dalek::{Signer, SigningKey};
use stellar_connector::sandbox::ledger::{ClosedLedger, GenesisConfig, Ledger, SubmitOutcome, account_id};
use stellar_connector::stellar::{Market, NetworkId};
use stellar_xdr::{
    AlphaNum4, Asset, AssetCode4, ChangeTrustAsset, ChangeTrustOp, CreateAccountOp, DecoratedSignature,
    LedgerCloseMeta, ManageBuyOfferOp, ManageBuyOfferResult, ManageSellOfferOp, Memo, Operation, OperationBody,
    OperationResult, OperationResultTr, PaymentOp, Preconditions, Price, SequenceNumber, Signature, SignatureHint,
    Transaction, TransactionEnvelope, TransactionExt, TransactionResultResult, TransactionV1Envelope,
};

/// Operations of each transaction, which is the most that the protocol allows.
pub const OPERATIONS_EACH: i32 = 100;

/// What each resting offer sells, in stroops.
pub const OFFERED: i64 = 1_000_000;

/// How large a market is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Accounts that have resting offers.
    pub makers: u16,
    /// How many offers each of them has.
    pub offers_each: i32,
    /// Accounts that trade in the measured ledger, with [`OPERATIONS_EACH`].
    pub takers: u16,
}

fn key(number: u16) -> SigningKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

fn issuer() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn usd() -> AlphaNum4 {
    AlphaNum4 { asset_code: AssetCode4(*b"USD\0"), issuer: account_id(&issuer()) }
}

/// Signs operations and hands them in; they must be taken.
fn submit(ledger: &mut Ledger, source: &SigningKey, operations: Vec<OperationBody>) {
    let sequence = ledger.account(&account_id(source)).unwrap().seq_num.0 + 1;
    let operations = operations.into_iter().map(|body| Operation { source_account: None, body }).collect::<Vec<_>>();
    let tx = Transaction {
        source_account: account_id(source).into(),
        fee: 100 * u32::try_from(operations.len()).unwrap(),
        seq_num: SequenceNumber(sequence),
        cond: Preconditions::None,
        memo: Memo::None,
        operations: operations.try_into().unwrap(),
        ext: TransactionExt::V0,
    };
    let mut envelope = TransactionV1Envelope { tx, signatures: vec![].try_into().unwrap() };
    let hash = TransactionEnvelope::Tx(envelope.clone()).hash(ledger.network().0).unwrap();
    let public = source.verifying_key().to_bytes();
    let signature = DecoratedSignature {
        hint: SignatureHint([public[28], public[29], public[30], public[31]]),
        signature: Signature(source.sign(&hash).to_bytes().to_vec().try_into().unwrap()),
    };
    envelope.signatures = vec![signature].try_into().unwrap();
    let outcome = ledger.submit(TransactionEnvelope::Tx(envelope));
    assert!(matches!(outcome, SubmitOutcome::Pending { .. }), "{outcome:?}");
}

/// An offer that sells `amount` of native for USD at `n/d`.
pub fn sell(amount: i64, n: i32, d: i32, offer_id: i64) -> OperationBody {
    let (selling, buying) = (Asset::Native, Asset::CreditAlphanum4(usd()));
    OperationBody::ManageSellOffer(ManageSellOfferOp { selling, buying, amount, price: Price { n, d }, offer_id })
}

/// An offer that buys `buy_amount` of native for USD at any price: as many resting offers are crossed, and used up, as
/// that is times [`OFFERED`].
pub fn buy(buy_amount: i64) -> OperationBody {
    let (selling, buying) = (Asset::CreditAlphanum4(usd()), Asset::Native);
    let price = Price { n: 1_000, d: 1 };
    OperationBody::ManageBuyOffer(ManageBuyOfferOp { selling, buying, buy_amount, price, offer_id: 0 })
}

/// Ids of a taker's offers.
pub fn offers_of(ledger: &Ledger, taker: u16, size: Size) -> Vec<i64> {
    ledger.offers_of(&account_id(&key(size.makers + taker))).iter().map(|offer| offer.offer_id).collect()
}

/// A ledger with funded accounts, and no offers.
fn funded(accounts: &[SigningKey]) -> Ledger {
    funded_with(accounts, |_| usd())
}

/// The same, each account with the asset that `asset` says for its number.
fn funded_with(accounts: &[SigningKey], asset_of: impl Fn(u16) -> AlphaNum4) -> Ledger {
    let config = GenesisConfig {
        protocol: 27,
        base_reserve: 5_000_000,
        max_tx_set_size: 10_000_000,
        ..GenesisConfig::default()
    };
    let mut ledger = Ledger::genesis(config);
    let root = ledger.root_key();
    let create = |key: &SigningKey| {
        let starting_balance = 1_000_000_000_000;
        OperationBody::CreateAccount(CreateAccountOp { destination: account_id(key), starting_balance })
    };
    submit(&mut ledger, &root, vec![create(&issuer())]);
    ledger.close(0, &[]);
    for some in accounts.chunks(100) {
        submit(&mut ledger, &root, some.iter().map(create).collect());
        ledger.close(0, &[]);
    }
    for (number, one) in (0..).zip(accounts) {
        let line = ChangeTrustAsset::CreditAlphanum4(asset_of(number));
        submit(&mut ledger, one, vec![OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX })]);
    }
    ledger.close(0, &[]);
    let numbered: Vec<(u16, &SigningKey)> = (0..).zip(accounts).collect();
    for some in numbered.chunks(100) {
        let pay = |(number, key): &(u16, &SigningKey)| {
            let (destination, amount) = (account_id(key).into(), 1_000_000_000_000);
            OperationBody::Payment(PaymentOp { destination, asset: Asset::CreditAlphanum4(asset_of(*number)), amount })
        };
        submit(&mut ledger, &issuer(), some.iter().map(pay).collect());
        ledger.close(0, &[]);
    }
    ledger
}

/// A market whose makers sell native from 1.0001 upwards; in the order of prices one maker follows another.
pub fn market(size: Size) -> Ledger {
    let accounts: Vec<SigningKey> = (0..size.makers + size.takers).map(key).collect();
    let mut ledger = funded(&accounts);
    for maker in 0..size.makers {
        let offers = (0..size.offers_each).map(|i| {
            let above = i * i32::from(size.makers) + i32::from(maker) % 97;
            sell(OFFERED, 1_000_100 + above, 1_000_000, 0)
        });
        submit(&mut ledger, &accounts[usize::from(maker)], offers.collect());
        ledger.close(0, &[]);
    }
    assert_eq!(ledger.num_offers(), usize::from(size.makers) * usize::try_from(size.offers_each).unwrap());
    ledger
}

/// Hands in what each taker does: transactions wait, their signatures verified.
pub fn prepared(base: &Ledger, size: Size, operations: impl Fn(u16, i32) -> OperationBody) -> Ledger {
    let mut ledger = base.clone();
    for taker in 0..size.takers {
        let bodies = (0..OPERATIONS_EACH).map(|i| operations(taker, i)).collect();
        submit(&mut ledger, &key(size.makers + taker), bodies);
    }
    ledger
}

/// How many resting offers the buy offers of a ledger crossed; all operations must have succeeded.
pub fn crossings(closed: &ClosedLedger) -> usize {
    let LedgerCloseMeta::V2(meta) = &closed.meta else { panic!("protocol 27 writes version 2") };
    let mut crossed = 0;
    for transaction in meta.tx_processing.iter() {
        let TransactionResultResult::TxSuccess(results) = &transaction.result.result.result else {
            panic!("a transaction failed: {:?}", transaction.result.result.result)
        };
        for result in results.iter() {
            if let OperationResult::OpInner(OperationResultTr::ManageBuyOffer(ManageBuyOfferResult::Success(success))) =
                result
            {
                crossed += success.offers_claimed.len();
            }
        }
    }
    crossed
}

/// Markets of [`busy_ledgers`].
pub const BUSY_MARKETS: usize = 50;

/// Accounts of [`busy_ledgers`], and transactions of each ledger.
const BUSY_ACCOUNTS: u16 = 1_000;

/// Ledgers one after the other, each of a thousand transactions on [`BUSY_MARKETS`] markets.
pub struct BusyLedgers {
    /// Whose they are.
    pub network: NetworkId,
    /// The number of the first; before it there was no offer.
    pub first: u32,
    /// The ledgers.
    pub ledgers: Vec<LedgerCloseMeta>,
    /// The markets, native against one asset each.
    pub markets: Vec<Market>,
}

/// A token of [`busy_ledgers`].
fn token(number: u16) -> AlphaNum4 {
    let code = format!("T{number:03}");
    AlphaNum4 { asset_code: AssetCode4(code.into_bytes().try_into().unwrap()), issuer: account_id(&issuer()) }
}

/// A thousand accounts: four of five have an offer that they move in every ledger (or make anew, if it was taken), each
/// fifth takes half an offer. Every market changes in every ledger.
pub fn busy_ledgers(count: usize) -> BusyLedgers {
    let accounts: Vec<SigningKey> = (0..BUSY_ACCOUNTS).map(key).collect();
    let of = |account: u16| token(account % u16::try_from(BUSY_MARKETS).unwrap());
    let mut ledger = funded_with(&accounts, of);
    let mut ledgers = Vec::new();
    for round in 0..i32::try_from(count).unwrap() {
        for (account, key) in (0..).zip(&accounts) {
            let own = ledger.offers_of(&account_id(key)).first().map_or(0, |offer| offer.offer_id);
            let (native, asset) = (Asset::Native, Asset::CreditAlphanum4(of(account)));
            let nth = i32::from(account) / i32::try_from(BUSY_MARKETS).unwrap();
            let body = if nth % 5 == 4 && round > 0 {
                // At any price.
                let price = Price { n: 1_000, d: 1 };
                let (selling, buying, buy_amount) = (asset, native, OFFERED / 2);
                OperationBody::ManageBuyOffer(ManageBuyOfferOp { selling, buying, buy_amount, price, offer_id: 0 })
            } else {
                let price = Price { n: 1_000_000 + 1_000 * nth + 10 * (round % 7) + 100, d: 1_000_000 };
                let (selling, buying, amount) = (native, asset, OFFERED);
                OperationBody::ManageSellOffer(ManageSellOfferOp { selling, buying, amount, price, offer_id: own })
            };
            submit(&mut ledger, key, vec![body]);
        }
        let closed = ledger.close(0, &[]);
        let LedgerCloseMeta::V2(meta) = &closed.meta else { panic!("protocol 27 writes version 2") };
        let succeeded = |result: &TransactionResultResult| matches!(result, TransactionResultResult::TxSuccess(_));
        assert_eq!(meta.tx_processing.len(), accounts.len());
        // An offer that was taken before it could be moved fails, as it does on the real network.
        let failed =
            meta.tx_processing.iter().filter(|transaction| !succeeded(&transaction.result.result.result)).count();
        assert!(failed < accounts.len() / 8, "{failed} transactions failed");
        ledgers.push(closed.meta);
    }
    let LedgerCloseMeta::V2(first) = &ledgers[0] else { panic!("protocol 27 writes version 2") };
    BusyLedgers {
        network: ledger.network(),
        first: first.ledger_header.header.ledger_seq,
        markets: (0..u16::try_from(BUSY_MARKETS).unwrap()).map(|number| market_of(&token(number))).collect(),
        ledgers,
    }
}

fn market_of(token: &AlphaNum4) -> Market {
    let code = std::str::from_utf8(&token.asset_code.0).unwrap();
    Market { base: "XLM".parse().unwrap(), quote: format!("{code}:{}", token.issuer).parse().unwrap() }
}
