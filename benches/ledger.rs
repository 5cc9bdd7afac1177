//! How fast the exact ledger applies offers: whole ledgers are closed with 100,000 offers resting, their transactions handed
//! in (and their signatures verified) before the clock starts. Everything else counts: judging again, fees, sequence
//! numbers, crossing, liabilities, changes, hashes, meta.
//!
//! `cargo bench --bench ledger`. Before the measurements it says how much memory a resting offer takes.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use ed25519_dalek::{Signer, SigningKey};
use stellar_connector::sandbox::ledger::{GenesisConfig, Ledger, SubmitOutcome, account_id};
use stellar_xdr::{
    AlphaNum4, Asset, AssetCode4, ChangeTrustAsset, ChangeTrustOp, CreateAccountOp, DecoratedSignature,
    ManageSellOfferOp, Memo, Operation, OperationBody, PaymentOp, Preconditions, Price, SequenceNumber, Signature,
    SignatureHint, Transaction, TransactionEnvelope, TransactionExt, TransactionV1Envelope,
};

/// Accounts that have resting offers, and how many each.
const MAKERS: u16 = 1_000;
const OFFERS_EACH: i32 = 100;

/// Accounts that trade in the measured ledger, and operations of each.
const TAKERS: u16 = 100;
const OPERATIONS_EACH: i32 = 100;

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

fn sell(native: bool, amount: i64, n: i32, d: i32, offer_id: i64) -> OperationBody {
    let usd = Asset::CreditAlphanum4(usd());
    let (selling, buying) = if native { (Asset::Native, usd) } else { (usd, Asset::Native) };
    OperationBody::ManageSellOffer(ManageSellOfferOp { selling, buying, amount, price: Price { n, d }, offer_id })
}

/// A market whose makers sell native from 1.0001 upwards, each price taken by several.
fn market() -> Ledger {
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
    let everybody: Vec<SigningKey> = (0..MAKERS + TAKERS).map(key).collect();
    for some in everybody.chunks(100) {
        submit(&mut ledger, &root, some.iter().map(create).collect());
        ledger.close(0, &[]);
    }
    for one in &everybody {
        let line = ChangeTrustAsset::CreditAlphanum4(usd());
        submit(&mut ledger, one, vec![OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX })]);
    }
    ledger.close(0, &[]);
    for some in everybody.chunks(100) {
        let asset = Asset::CreditAlphanum4(usd());
        let pay = |key: &SigningKey| {
            let (destination, amount) = (account_id(key).into(), 1_000_000_000_000);
            OperationBody::Payment(PaymentOp { destination, asset: asset.clone(), amount })
        };
        submit(&mut ledger, &issuer(), some.iter().map(pay).collect());
        ledger.close(0, &[]);
    }
    let before = resident_bytes();
    for maker in 0..MAKERS {
        let offers = (0..OFFERS_EACH).map(|i| {
            let above = i * i32::from(MAKERS) + i32::from(maker) % 97;
            sell(true, 1_000_000, 1_000_100 + above, 1_000_000, 0)
        });
        submit(&mut ledger, &everybody[usize::from(maker)], offers.collect());
        ledger.close(0, &[]);
    }
    let offers = ledger.num_offers() as u64;
    println!("{offers} offers rest, in {} bytes each", (resident_bytes() - before) / offers);
    ledger
}

/// Hands in what each taker does.
fn prepared(base: &Ledger, operations: impl Fn(&Ledger, u16, i32) -> OperationBody) -> Ledger {
    let mut ledger = base.clone();
    for taker in 0..TAKERS {
        let bodies = (0..OPERATIONS_EACH).map(|i| operations(base, taker, i)).collect();
        submit(&mut ledger, &key(MAKERS + taker), bodies);
    }
    ledger
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    4096 * statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap()
}

fn ledger(criterion: &mut Criterion) {
    let base = market();
    let mut group = criterion.benchmark_group("close a ledger with 100,000 resting offers");
    group.sample_size(10).measurement_time(Duration::from_secs(10));
    group.throughput(Throughput::Elements(u64::from(TAKERS) * u64::try_from(OPERATIONS_EACH).unwrap()));
    let mut measure = |name: &str, prepared: &Ledger| {
        group.bench_function(name, |bencher| {
            bencher.iter_batched_ref(
                || prepared.clone(),
                |ledger| black_box(ledger.close(0, &[])),
                BatchSize::LargeInput,
            );
        });
    };
    let rests = |_: &Ledger, taker: u16, i: i32| sell(true, 1_000_000, 2_000_000 + i, 1_000 + i32::from(taker), 0);
    let resting = prepared(&base, rests);
    measure("offers that rest", &resting);
    let mut rested = resting;
    rested.close(0, &[]);
    measure(
        "offers that are moved",
        &prepared(&rested, |ledger, taker, i| {
            let own = ledger.offers_of(&account_id(&key(MAKERS + taker)));
            sell(true, 1_000_000, 2_100_000 + i, 1_000, own[usize::try_from(i).unwrap()].offer_id)
        }),
    );
    measure("offers that cross one", &prepared(&base, |_, _, _| sell(false, 1_000_000, 1, 1_000, 0)));
    measure("offers that cross ten", &prepared(&base, |_, _, _| sell(false, 10_000_000, 1, 1_000, 0)));
    group.finish();
}

criterion_group!(benches, ledger);
criterion_main!(benches);
