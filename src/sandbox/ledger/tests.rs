//! The ledger as its users see it.

use ed25519_dalek::Signer as _;
use stellar_xdr::{
    AlphaNum4, AssetCode4, ChangeTrustAsset, ChangeTrustOp, CreateAccountOp, DecoratedSignature, FeeBumpTransaction,
    FeeBumpTransactionEnvelope, FeeBumpTransactionExt, FeeBumpTransactionInnerTx, ManageSellOfferOp, Memo,
    MuxedAccount, Operation, OperationBody, OperationResult, OperationResultTr, PaymentOp, PaymentResult,
    Preconditions, Price, SequenceNumber, Signature, SignatureHint, TimeBounds, Transaction, TransactionExt,
    TransactionResultResult, TransactionV1Envelope,
};

use super::*;

mod applying;
mod codes;
mod invariants;
mod protocols;
mod queue;
mod quotes;
mod sponsors;

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn new_ledger() -> Ledger {
    let mut ledger = Ledger::genesis(GenesisConfig::default());
    ledger.close(1_000, &first_upgrades());
    ledger
}

fn sequence(ledger: &Ledger, source: &SigningKey) -> i64 {
    ledger.account(&account_id(source)).unwrap().seq_num.0
}

fn transaction(source: &SigningKey, sequence: i64, operations: Vec<OperationBody>) -> Transaction {
    Transaction {
        source_account: account_id(source).into(),
        fee: 100 * u32::try_from(operations.len()).unwrap(),
        seq_num: SequenceNumber(sequence),
        cond: Preconditions::None,
        memo: Memo::None,
        operations: header::vec_m(
            operations.into_iter().map(|body| Operation { source_account: None, body }).collect(),
        ),
        ext: TransactionExt::V0,
    }
}

fn decorated(key: &SigningKey, hash: [u8; 32]) -> DecoratedSignature {
    let public = key.verifying_key().to_bytes();
    DecoratedSignature {
        hint: SignatureHint([public[28], public[29], public[30], public[31]]),
        signature: Signature(key.sign(&hash).to_bytes().try_into().unwrap()),
    }
}

fn sign(ledger: &Ledger, tx: Transaction, keys: &[&SigningKey]) -> TransactionEnvelope {
    let mut envelope = TransactionV1Envelope { tx, signatures: header::vec_m(Vec::new()) };
    let hash = TransactionEnvelope::Tx(envelope.clone()).hash(ledger.network().0).unwrap();
    envelope.signatures = header::vec_m(keys.iter().map(|key| decorated(key, hash)).collect());
    TransactionEnvelope::Tx(envelope)
}

fn bump(ledger: &Ledger, inner: &TransactionEnvelope, payer: &SigningKey, fee: i64) -> TransactionEnvelope {
    let TransactionEnvelope::Tx(inner) = inner else { panic!("only transactions are bumped") };
    let mut envelope = FeeBumpTransactionEnvelope {
        tx: FeeBumpTransaction {
            fee_source: account_id(payer).into(),
            fee,
            inner_tx: FeeBumpTransactionInnerTx::Tx(inner.clone()),
            ext: FeeBumpTransactionExt::V0,
        },
        signatures: header::vec_m(Vec::new()),
    };
    let hash = TransactionEnvelope::TxFeeBump(envelope.clone()).hash(ledger.network().0).unwrap();
    envelope.signatures = header::vec_m(vec![decorated(payer, hash)]);
    TransactionEnvelope::TxFeeBump(envelope)
}

fn create(destination: &SigningKey, starting_balance: i64) -> OperationBody {
    OperationBody::CreateAccount(CreateAccountOp { destination: account_id(destination), starting_balance })
}

fn pay(destination: &SigningKey, asset: Asset, amount: i64) -> OperationBody {
    OperationBody::Payment(PaymentOp { destination: account_id(destination).into(), asset, amount })
}

fn usd(issuer: &SigningKey) -> Asset {
    Asset::CreditAlphanum4(AlphaNum4 { asset_code: AssetCode4(*b"USD\0"), issuer: account_id(issuer) })
}

fn trust(asset: &Asset) -> OperationBody {
    let Asset::CreditAlphanum4(credit) = asset else { panic!("a credit of four letters") };
    OperationBody::ChangeTrust(ChangeTrustOp {
        line: ChangeTrustAsset::CreditAlphanum4(credit.clone()),
        limit: i64::MAX,
    })
}

fn sell(selling: Asset, buying: Asset, amount: i64, n: i32, d: i32) -> OperationBody {
    OperationBody::ManageSellOffer(ManageSellOfferOp { selling, buying, amount, price: Price { n, d }, offer_id: 0 })
}

/// Applies one transaction in a ledger of its own and gives its result.
fn apply(ledger: &mut Ledger, source: &SigningKey, operations: Vec<OperationBody>) -> TransactionResultResult {
    let tx = transaction(source, sequence(ledger, source) + 1, operations);
    let envelope = sign(ledger, tx, &[source]);
    let outcome = ledger.submit(envelope);
    assert!(matches!(outcome, SubmitOutcome::Pending { .. }), "{outcome:?}");
    let closed = ledger.close(0, &[]);
    let LedgerCloseMeta::V2(meta) = closed.meta else { panic!("protocol 27 writes version 2") };
    meta.tx_processing[0].result.result.result.clone()
}

fn succeed(ledger: &mut Ledger, source: &SigningKey, operations: Vec<OperationBody>) {
    let result = apply(ledger, source, operations);
    assert!(matches!(result, TransactionResultResult::TxSuccess(_)), "{result:?}");
}

/// Applies one transaction whose operations have sources of their own, signed by all of them, in a ledger of its own. Gives
/// its result, or the refusal's if it was not let in.
fn apply_as(
    ledger: &mut Ledger,
    source: &SigningKey,
    operations: Vec<(&SigningKey, OperationBody)>,
) -> TransactionResultResult {
    let mut signers = vec![source];
    for (key, _) in &operations {
        if !signers.iter().any(|signer| signer.to_bytes() == key.to_bytes()) {
            signers.push(key);
        }
    }
    let mut tx = transaction(source, sequence(ledger, source) + 1, Vec::new());
    tx.fee = 100 * u32::try_from(operations.len()).unwrap();
    let operations = operations.into_iter();
    let with_source = operations.map(|(key, body)| Operation { source_account: Some(account_id(key).into()), body });
    tx.operations = header::vec_m(with_source.collect());
    let envelope = sign(ledger, tx, &signers);
    match ledger.submit(envelope) {
        SubmitOutcome::Error { result, .. } => return result.result,
        outcome => assert!(matches!(outcome, SubmitOutcome::Pending { .. }), "{outcome:?}"),
    }
    let LedgerCloseMeta::V2(meta) = ledger.close(0, &[]).meta else { panic!("protocol 27 writes version 2") };
    meta.tx_processing[0].result.result.result.clone()
}

/// The result of the operation that failed, as it is written for debugging: its kind and its code.
fn failed(result: &TransactionResultResult) -> String {
    let TransactionResultResult::TxFailed(results) = result else { panic!("{result:?}") };
    let wrong = results.iter().find(|result| !operations::is_success(result));
    match wrong.unwrap() {
        OperationResult::OpInner(inner) => format!("{inner:?}"),
        other => format!("{other:?}"),
    }
}

/// A ledger with two traders that trust USD and hold some.
fn market() -> (Ledger, SigningKey, SigningKey, Asset) {
    let mut ledger = new_ledger();
    let (root, issuer, a, b) = (ledger.root_key(), key(1), key(2), key(3));
    let usd = usd(&issuer);
    let xlm = 10_000_000_000;
    succeed(&mut ledger, &root, vec![create(&issuer, xlm), create(&a, xlm), create(&b, xlm)]);
    succeed(&mut ledger, &a, vec![trust(&usd)]);
    succeed(&mut ledger, &b, vec![trust(&usd)]);
    succeed(&mut ledger, &issuer, vec![pay(&a, usd.clone(), 1_000_000), pay(&b, usd.clone(), 1_000_000)]);
    (ledger, a, b, usd)
}

#[test]
fn a_network_begins_as_cores_standalone_one_does() {
    let ledger = Ledger::genesis(GenesisConfig::default());
    assert_eq!((ledger.header().ledger_seq, ledger.header().ledger_version), (1, 0));
    assert_eq!(ledger.account(&account_id(&ledger.root_key())).unwrap().balance, ledger.header().total_coins);
    let ledger = new_ledger();
    let header = ledger.header();
    assert_eq!((header.ledger_version, header.base_reserve, header.max_tx_set_size), (27, 5_000_000, 1000));
}

#[test]
fn headers_form_a_chain_of_real_hashes() {
    let mut ledger = new_ledger();
    let root = ledger.root_key();
    for i in 1..60 {
        let before = ledger.hash();
        let tx = transaction(&root, sequence(&ledger, &root) + 1, vec![create(&key(i), 10_000_000)]);
        let envelope = sign(&ledger, tx, &[&root]);
        ledger.submit(envelope);
        let closed = ledger.close(0, &[]);
        let LedgerCloseMeta::V2(meta) = closed.meta else { panic!("protocol 27 writes version 2") };
        let header = &meta.ledger_header.header;
        assert_eq!(header.previous_ledger_hash, before);
        assert_eq!(meta.ledger_header.hash, header::header_hash(header));
        assert_eq!(header.scp_value.tx_set_hash, assets::hash_xdr(&meta.tx_set));
        assert_eq!(closed.hash, meta.ledger_header.hash);
    }
}

#[test]
fn offers_cross_at_the_resting_price_and_the_rest_stays() {
    let (mut ledger, a, b, usd) = market();
    succeed(&mut ledger, &a, vec![sell(Asset::Native, usd.clone(), 1_000, 2, 1)]);
    succeed(&mut ledger, &b, vec![sell(usd.clone(), Asset::Native, 600, 1, 2)]);
    let resting: Vec<OfferEntry> = ledger.offers(&Asset::Native, &usd).collect();
    assert_eq!(
        resting.iter().map(|offer| (offer.amount, &offer.seller_id)).collect::<Vec<_>>(),
        [(700, &account_id(&a))]
    );
    let line = ledger.trustline(&account_id(&b), &assets::trust_line_asset(&usd)).unwrap();
    assert_eq!(line.balance, 1_000_000 - 600);
    assert_eq!(ledger.offers_of(&account_id(&a)), resting);
    assert!(ledger.offers(&usd, &Asset::Native).next().is_none());
}

#[test]
fn a_failed_transaction_pays_its_fee_and_changes_nothing_else() {
    let (mut ledger, a, b, _) = market();
    let before = ledger.account(&account_id(&a)).unwrap().clone();
    let result = apply(&mut ledger, &a, vec![pay(&b, Asset::Native, 5), pay(&b, Asset::Native, i64::MAX)]);
    let TransactionResultResult::TxFailed(results) = result else { panic!("{result:?}") };
    assert_eq!(
        results.to_vec(),
        [
            OperationResult::OpInner(OperationResultTr::Payment(PaymentResult::Success)),
            OperationResult::OpInner(OperationResultTr::Payment(PaymentResult::LineFull)),
        ]
    );
    let after = ledger.account(&account_id(&a)).unwrap();
    assert_eq!((after.balance, after.seq_num.0), (before.balance - 200, before.seq_num.0 + 1));
}

#[test]
fn what_cannot_apply_is_refused_when_it_is_handed_in() {
    let (mut ledger, a, b, _) = market();
    let next = sequence(&ledger, &a) + 1;
    let good = transaction(&a, next, vec![pay(&b, Asset::Native, 5)]);
    let mut late = good.clone();
    late.cond = Preconditions::Time(TimeBounds { min_time: TimePoint(0), max_time: TimePoint(1) });
    let mut cheap = good.clone();
    cheap.fee = 99;
    let cases = [
        (sign(&ledger, transaction(&a, next + 1, vec![pay(&b, Asset::Native, 5)]), &[&a]), "TxBadSeq"),
        (sign(&ledger, good.clone(), &[&b]), "TxBadAuth"),
        (sign(&ledger, good.clone(), &[&a, &b]), "TxBadAuthExtra"),
        (sign(&ledger, late, &[&a]), "TxTooLate"),
        (sign(&ledger, cheap, &[&a]), "TxInsufficientFee"),
        (sign(&ledger, transaction(&a, next, vec![]), &[&a]), "TxMissingOperation"),
        (sign(&ledger, transaction(&a, next, vec![pay(&b, Asset::Native, 0)]), &[&a]), "TxFailed"),
        (sign(&ledger, transaction(&key(77), 1, vec![pay(&b, Asset::Native, 5)]), &[&key(77)]), "TxNoAccount"),
    ];
    for (envelope, wanted) in cases {
        let outcome = ledger.submit(envelope);
        let SubmitOutcome::Error { result, .. } = outcome else { panic!("{wanted}: {outcome:?}") };
        assert_eq!(result.result.name(), wanted);
    }
}

#[test]
fn one_transaction_an_account_waits_and_only_a_tenfold_bump_replaces_it() {
    let (mut ledger, a, b, _) = market();
    let next = sequence(&ledger, &a) + 1;
    let first = sign(&ledger, transaction(&a, next, vec![pay(&b, Asset::Native, 5)]), &[&a]);
    let second = sign(&ledger, transaction(&a, next + 1, vec![pay(&b, Asset::Native, 5)]), &[&a]);
    assert!(matches!(ledger.submit(first.clone()), SubmitOutcome::Pending { .. }));
    assert!(matches!(ledger.submit(first.clone()), SubmitOutcome::Duplicate { .. }));
    assert!(matches!(ledger.submit(second), SubmitOutcome::TryAgainLater { .. }));
    // A bump counts one operation more: ten times the rate of 100 an operation is 2000 for two.
    let low = bump(&ledger, &first, &b, 1_999);
    let SubmitOutcome::Error { result, .. } = ledger.submit(low) else { panic!("too low") };
    assert_eq!((result.result.name(), result.fee_charged), ("TxInsufficientFee", 2_000));
    let enough = bump(&ledger, &first, &b, 2_000);
    assert!(matches!(ledger.submit(enough), SubmitOutcome::Pending { .. }));
    assert!(matches!(ledger.submit(first), SubmitOutcome::Duplicate { .. }), "it is inside of the bump");
    let closed = ledger.close(0, &[]);
    let LedgerCloseMeta::V2(meta) = closed.meta else { panic!("protocol 27 writes version 2") };
    let results: Vec<_> = meta.tx_processing.iter().map(|tx| tx.result.result.result.name()).collect();
    assert_eq!(results, ["TxFeeBumpInnerSuccess"]);
    assert_eq!(meta.tx_processing[0].result.result.fee_charged, 200);
}

#[test]
fn the_dearest_transactions_go_first_when_a_ledger_is_full() {
    let (mut ledger, a, b, _) = market();
    ledger.close(0, &[LedgerUpgrade::MaxTxSetSize(1)]);
    let mut dear = transaction(&a, sequence(&ledger, &a) + 1, vec![pay(&b, Asset::Native, 5)]);
    dear.fee = 500;
    let cheap = transaction(&b, sequence(&ledger, &b) + 1, vec![pay(&a, Asset::Native, 5)]);
    for (tx, key) in [(cheap, &b), (dear, &a)] {
        let envelope = sign(&ledger, tx, &[key]);
        assert!(matches!(ledger.submit(envelope), SubmitOutcome::Pending { .. }));
    }
    let before = ledger.account(&account_id(&a)).unwrap().balance;
    let closed = ledger.close(0, &[]);
    assert_eq!(closed.still_waiting, 1);
    assert_eq!(ledger.account(&account_id(&a)).unwrap().balance, before - 505, "it pays what it bid");
}

#[test]
fn a_transaction_that_waits_too_long_is_given_up_and_refused_for_a_while() {
    let (mut ledger, a, b, _) = market();
    ledger.close(0, &[LedgerUpgrade::MaxTxSetSize(1)]);
    let tx = transaction(&a, sequence(&ledger, &a) + 1, vec![pay(&b, Asset::Native, 5), pay(&b, Asset::Native, 5)]);
    let envelope = sign(&ledger, tx, &[&a]);
    assert!(matches!(ledger.submit(envelope.clone()), SubmitOutcome::Pending { .. }));
    let waiting: Vec<usize> = (0..4).map(|_| ledger.close(0, &[]).still_waiting).collect();
    assert_eq!(waiting, [1, 1, 1, 0]);
    for _ in 0..10 {
        assert!(matches!(ledger.submit(envelope.clone()), SubmitOutcome::TryAgainLater { .. }));
        ledger.close(0, &[]);
    }
    assert!(matches!(ledger.submit(envelope), SubmitOutcome::Pending { .. }));
}

#[test]
fn an_operations_source_can_be_another_account_with_its_own_signature() {
    let (mut ledger, a, b, _) = market();
    let mut tx = transaction(&a, sequence(&ledger, &a) + 1, vec![pay(&a, Asset::Native, 5)]);
    let mut operations = tx.operations.to_vec();
    operations[0].source_account = Some(MuxedAccount::from(account_id(&b)));
    tx.operations = header::vec_m(operations);
    let unsigned = sign(&ledger, tx.clone(), &[&a]);
    let SubmitOutcome::Error { result, .. } = ledger.submit(unsigned) else { panic!("b has not signed") };
    let TransactionResultResult::TxFailed(results) = result.result else { panic!("{result:?}") };
    assert_eq!(results.to_vec(), [OperationResult::OpBadAuth]);
    let signed = sign(&ledger, tx, &[&a, &b]);
    assert!(matches!(ledger.submit(signed), SubmitOutcome::Pending { .. }));
    let before = ledger.account(&account_id(&b)).unwrap().balance;
    ledger.close(0, &[]);
    assert_eq!(ledger.account(&account_id(&b)).unwrap().balance, before - 5);
}

#[test]
fn a_restored_ledger_goes_on_as_the_first_would_have() {
    let (mut ledger, a, b, usd) = market();
    succeed(&mut ledger, &a, vec![sell(Asset::Native, usd.clone(), 1_000, 2, 1)]);
    let config = GenesisConfig::default();
    let mut restored = Ledger::restore(config, ledger.header().clone(), ledger.entries()).unwrap();
    assert_eq!(restored.hash(), ledger.hash());
    for ledger in [&mut ledger, &mut restored] {
        succeed(ledger, &b, vec![sell(usd.clone(), Asset::Native, 600, 1, 2)]);
    }
    assert_eq!(restored.hash(), ledger.hash());
    assert_eq!(restored.offers_of(&account_id(&a)), ledger.offers_of(&account_id(&a)));
}

#[test]
fn contracts_are_not_supported_and_said_so() {
    use stellar_xdr::{
        ExtendFootprintTtlOp, ExtensionPoint, LedgerFootprint, SorobanResources, SorobanTransactionData,
        SorobanTransactionDataExt,
    };
    let (mut ledger, a, ..) = market();
    let body = OperationBody::ExtendFootprintTtl(ExtendFootprintTtlOp { ext: ExtensionPoint::V0, extend_to: 100 });
    let mut tx = transaction(&a, sequence(&ledger, &a) + 1, vec![body]);
    tx.ext = TransactionExt::V1(SorobanTransactionData {
        ext: SorobanTransactionDataExt::V0,
        resources: SorobanResources {
            footprint: LedgerFootprint { read_only: header::vec_m(Vec::new()), read_write: header::vec_m(Vec::new()) },
            instructions: 0,
            disk_read_bytes: 0,
            write_bytes: 0,
        },
        resource_fee: 0,
    });
    let envelope = sign(&ledger, tx, &[&a]);
    let SubmitOutcome::Error { result, .. } = ledger.submit(envelope) else { panic!("no host for contracts") };
    let TransactionResultResult::TxFailed(results) = result.result else { panic!("{result:?}") };
    assert_eq!(results.to_vec(), [OperationResult::OpNotSupported]);
}

#[test]
fn upgrades_that_the_protocol_does_not_allow_are_left_out() {
    let mut ledger = new_ledger();
    let before = ledger.header().clone();
    let upgrades = [
        LedgerUpgrade::Version(26),
        LedgerUpgrade::Version(CURRENT_PROTOCOL + 1),
        LedgerUpgrade::BaseFee(0),
        LedgerUpgrade::BaseReserve(0),
        LedgerUpgrade::Flags(8),
    ];
    ledger.close(0, &upgrades);
    let after = ledger.header();
    assert_eq!((after.ledger_version, after.base_fee), (before.ledger_version, before.base_fee));
    assert_eq!((after.base_reserve, &after.ext), (before.base_reserve, &before.ext));
    assert!(after.scp_value.upgrades.is_empty());
    ledger.close(0, &[LedgerUpgrade::Flags(1), LedgerUpgrade::BaseFee(200)]);
    assert_eq!((ledger.header().base_fee, upgrades::header_flags(ledger.header())), (200, 1));
}

/// What must hold after every ledger, whatever was traded.
fn check_invariants(ledger: &Ledger, usd: &Asset, issued: i64) {
    let (mut native, mut held) = (ledger.header().fee_pool, 0);
    for entry in ledger.entries() {
        match &entry.data {
            LedgerEntryData::Account(account) => {
                native += account.balance;
                let reserved = entries::min_balance(ledger.header(), account);
                let promised = entries::account_liabilities(account);
                assert!(account.balance >= reserved + promised.selling, "an account lives below its promises");
                assert_eq!(promised, promised_by(ledger, &account.account_id, &Asset::Native));
            }
            LedgerEntryData::Trustline(line) => {
                held += line.balance;
                let promised = entries::line_liabilities(line);
                assert!(line.balance >= promised.selling && line.limit - line.balance >= promised.buying);
                assert_eq!(promised, promised_by(ledger, &line.account_id, usd));
            }
            _ => {}
        }
    }
    assert_eq!(native, ledger.header().total_coins, "lumens come from nowhere");
    assert_eq!(held, issued, "only the issuer makes or burns credit");
}

/// The liabilities that an account's offers add up to.
fn promised_by(ledger: &Ledger, account: &AccountId, asset: &Asset) -> stellar_xdr::Liabilities {
    let mut sum = stellar_xdr::Liabilities { buying: 0, selling: 0 };
    for offer in ledger.offers_of(account) {
        let liabilities = holdings::liabilities_of(&offer);
        if offer.selling == *asset {
            sum.selling += liabilities.selling;
        }
        if offer.buying == *asset {
            sum.buying += liabilities.buying;
        }
    }
    sum
}

/// One random thing that a trader does: sell or buy either asset at some price, or change or cancel an own offer.
fn trade() -> impl proptest::strategy::Strategy<Value = (bool, bool, i64, i32, i32, Option<usize>)> {
    use proptest::prelude::*;
    let amount = prop_oneof![0_i64..20, 0_i64..200_000, 0_i64..=i64::MAX];
    (any::<bool>(), any::<bool>(), amount, 1_i32..30, 1_i32..30, proptest::option::of(0_usize..4))
}

fn trade_operation(
    ledger: &Ledger,
    who: &SigningKey,
    usd: &Asset,
    trade: (bool, i64, i32, i32, Option<usize>),
) -> OperationBody {
    let (native, amount, n, d, update) = trade;
    let own = ledger.offers_of(&account_id(who));
    let offer_id = update.and_then(|index| own.get(index)).map_or(0, |offer| offer.offer_id);
    let (selling, buying) = if native { (Asset::Native, usd.clone()) } else { (usd.clone(), Asset::Native) };
    OperationBody::ManageSellOffer(ManageSellOfferOp { selling, buying, amount, price: Price { n, d }, offer_id })
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_is_traded_nothing_is_made_or_lost_and_promises_add_up(
        trades in proptest::collection::vec(trade(), 1..60),
    ) {
        let (mut ledger, a, b, usd) = market();
        check_invariants(&ledger, &usd, 2_000_000);
        for (first, native, amount, n, d, update) in trades {
            let who = if first { &a } else { &b };
            let body = trade_operation(&ledger, who, &usd, (native, amount, n, d, update));
            let tx = transaction(who, sequence(&ledger, who) + 1, vec![body]);
            let envelope = sign(&ledger, tx, &[who]);
            ledger.submit(envelope);
            ledger.close(0, &[]);
            check_invariants(&ledger, &usd, 2_000_000);
        }
    }
}
