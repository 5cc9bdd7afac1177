//! What trading wants to know of a ledger, found twice: by the skim, and slowly by `stellar-xdr`'s full decode.
#![allow(dead_code, reason = "each test uses its own part")]

use stellar_connector::stellar::NetworkId;
use stellar_connector::wire::ledger::{
    Change, ChangePhase, Envelope, FailedOperation, LedgerHeader, LedgerVisitor, RawClaim, RawVenue, TransactionResult,
    skim,
};
use stellar_xdr::{
    AccountEntryExt, AccountEntryExtensionV1Ext, ClaimAtom, FeeBumpTransactionInnerTx, GeneralizedTransactionSet,
    InnerTransactionResultResult, LedgerCloseMeta, LedgerEntry, LedgerEntryChange, LedgerEntryChanges, LedgerEntryData,
    LedgerHeaderHistoryEntry, LedgerKey, Limits, LiquidityPoolEntryBody, ManageBuyOfferResult, ManageSellOfferResult,
    MuxedAccount, OperationResult, OperationResultTr, PathPaymentStrictReceiveResult, PathPaymentStrictSendResult,
    TransactionEnvelope, TransactionMeta, TransactionPhase, TransactionResultPair, TransactionResultResult,
    TrustLineAsset, TrustLineEntryExt, TxSetComponent, UpgradeEntryMeta, WriteXdr,
};

type Key = [u8; 32];

/// The network that hashes are made for where it does not matter which.
pub(crate) const SOME_NETWORK: NetworkId = NetworkId([9; 32]);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    Header {
        seq: u32,
        protocol: u32,
        close_time_s: u64,
        base_fee: u32,
        base_reserve: u32,
        hash: Key,
        previous: Key,
    },
    Source {
        operation: u32,
        source: Key,
    },
    Envelope {
        source: Key,
        fee_source: Option<Key>,
        hash: Key,
        outer_hash: Key,
    },
    Transaction {
        hash: Key,
        fee: i64,
        code: i32,
        inner: Option<(Key, i32)>,
    },
    Failed {
        operation: u32,
        outer: i32,
        inner: Option<i32>,
    },
    Claim {
        undone: bool,
        operation: u32,
        seller: Key,
        offer: Option<i64>,
        sold: (Vec<u8>, i64),
        bought: (Vec<u8>, i64),
    },
    Offer {
        phase: ChangePhase,
        seller: Key,
        id: i64,
        pair: [Vec<u8>; 2],
        amount: i64,
        price: (i32, i32),
        flags: u32,
    },
    OfferGone {
        phase: ChangePhase,
        seller: Key,
        id: i64,
        pair: Option<[Vec<u8>; 2]>,
    },
    Account {
        phase: ChangePhase,
        key: Key,
        numbers: [i64; 7],
    },
    AccountGone {
        phase: ChangePhase,
        key: Key,
    },
    TrustLine {
        phase: ChangePhase,
        key: Key,
        asset: Option<Vec<u8>>,
        numbers: [i64; 5],
    },
    TrustLineGone {
        phase: ChangePhase,
        key: Key,
        asset: Option<Vec<u8>>,
    },
    Pool {
        phase: ChangePhase,
        id: Key,
        pair: [Vec<u8>; 2],
        numbers: [i64; 4],
    },
    PoolGone {
        phase: ChangePhase,
        id: Key,
    },
}

/// By the skim.
pub(crate) fn skimmed_facts(bytes: &[u8]) -> Vec<Fact> {
    struct Collector(Vec<Fact>);
    impl LedgerVisitor for Collector {
        fn header(&mut self, h: &LedgerHeader<'_>) {
            let (seq, protocol, close_time_s, base_fee, base_reserve) =
                (h.seq, h.protocol, h.close_time_s, h.base_fee, h.base_reserve);
            let (hash, previous) = (*h.hash, *h.previous_hash);
            self.0.push(Fact::Header { seq, protocol, close_time_s, base_fee, base_reserve, hash, previous });
        }
        fn operation_source(&mut self, operation: u32, source: &Key) {
            self.0.push(Fact::Source { operation, source: *source });
        }
        fn envelope(&mut self, e: &Envelope<'_>) {
            let (hash, outer_hash) = (e.hash(&SOME_NETWORK).0, e.outer_hash(&SOME_NETWORK).0);
            let fee_source = e.fee_bump.map(|fee_bump| *fee_bump.fee_source);
            self.0.push(Fact::Envelope { source: *e.source, fee_source, hash, outer_hash });
        }
        fn transaction(&mut self, t: &TransactionResult<'_>) {
            let inner = t.inner.map(|(hash, code)| (*hash, code.0));
            self.0.push(Fact::Transaction { hash: *t.hash, fee: t.fee_charged, code: t.code.0, inner });
        }
        fn failed_operation(&mut self, f: FailedOperation) {
            self.0.push(Fact::Failed { operation: f.operation, outer: f.outer, inner: f.inner });
        }
        fn claim(&mut self, operation: u32, claim: &RawClaim<'_>) {
            self.0.push(skimmed_claim(false, operation, claim));
        }
        fn undone_claim(&mut self, operation: u32, claim: &RawClaim<'_>) {
            self.0.push(skimmed_claim(true, operation, claim));
        }
        fn change(&mut self, phase: ChangePhase, change: &Change<'_>) {
            self.0.push(skimmed_change(phase, change));
        }
    }
    let mut collector = Collector(Vec::new());
    skim(bytes, &mut collector).unwrap();
    collector.0
}

fn skimmed_claim(undone: bool, operation: u32, c: &RawClaim<'_>) -> Fact {
    let (seller, offer) = match c.venue {
        RawVenue::Offer { seller, id } => (*seller, Some(id)),
        RawVenue::Pool(id) => (*id, None),
    };
    let sold = (c.sold.as_bytes().to_vec(), c.amount_sold);
    let bought = (c.bought.as_bytes().to_vec(), c.amount_bought);
    Fact::Claim { undone, operation, seller, offer, sold, bought }
}

fn skimmed_change(phase: ChangePhase, change: &Change<'_>) -> Fact {
    match *change {
        Change::Offer(o) => {
            let pair = [o.selling.as_bytes().to_vec(), o.buying.as_bytes().to_vec()];
            let price = (o.price_n, o.price_d);
            Fact::Offer { phase, seller: *o.seller, id: o.id, pair, amount: o.amount, price, flags: o.flags }
        }
        Change::OfferGone { seller, id, pair } => {
            let pair = pair.map(|(sold, bought)| [sold.as_bytes().to_vec(), bought.as_bytes().to_vec()]);
            Fact::OfferGone { phase, seller: *seller, id, pair }
        }
        Change::Account(a) => {
            let (subentries, sponsored, sponsoring) = (a.subentries.into(), a.sponsored.into(), a.sponsoring.into());
            let liabilities = (a.buying_liabilities, a.selling_liabilities);
            let numbers = [a.balance, a.sequence, subentries, liabilities.0, liabilities.1, sponsored, sponsoring];
            Fact::Account { phase, key: *a.account, numbers }
        }
        Change::AccountGone(key) => Fact::AccountGone { phase, key: *key },
        Change::TrustLine(t) => {
            let asset = t.asset.map(|asset| asset.as_bytes().to_vec());
            let numbers = [t.balance, t.limit, t.flags.into(), t.buying_liabilities, t.selling_liabilities];
            Fact::TrustLine { phase, key: *t.account, asset, numbers }
        }
        Change::TrustLineGone { account, asset } => {
            Fact::TrustLineGone { phase, key: *account, asset: asset.map(|asset| asset.as_bytes().to_vec()) }
        }
        Change::Pool(p) => {
            let pair = [p.asset_a.as_bytes().to_vec(), p.asset_b.as_bytes().to_vec()];
            Fact::Pool { phase, id: *p.id, pair, numbers: [p.fee_bp.into(), p.reserve_a, p.reserve_b, p.total_shares] }
        }
        Change::PoolGone(id) => Fact::PoolGone { phase, id: *id },
    }
}

/// By the full decode.
pub(crate) fn decoded_facts(meta: &LedgerCloseMeta, network: NetworkId) -> Vec<Fact> {
    let mut facts = Vec::new();
    match meta {
        LedgerCloseMeta::V0(v) => {
            header(&v.ledger_header, &mut facts);
            v.tx_set.txs.iter().for_each(|one| envelope(one, network, &mut facts));
            for tx in v.tx_processing.iter() {
                transaction(&tx.result, &tx.fee_processing, &tx.tx_apply_processing, &mut facts);
            }
            upgrades(&v.upgrades_processing, &mut facts);
        }
        LedgerCloseMeta::V1(v) => {
            header(&v.ledger_header, &mut facts);
            transaction_set(&v.tx_set, network, &mut facts);
            for tx in v.tx_processing.iter() {
                transaction(&tx.result, &tx.fee_processing, &tx.tx_apply_processing, &mut facts);
            }
            upgrades(&v.upgrades_processing, &mut facts);
        }
        LedgerCloseMeta::V2(v) => {
            header(&v.ledger_header, &mut facts);
            transaction_set(&v.tx_set, network, &mut facts);
            for tx in v.tx_processing.iter() {
                transaction(&tx.result, &tx.fee_processing, &tx.tx_apply_processing, &mut facts);
                changes(ChangePhase::Refunds, &tx.post_tx_apply_fee_processing, &mut facts);
            }
            upgrades(&v.upgrades_processing, &mut facts);
        }
    }
    facts
}

fn header(entry: &LedgerHeaderHistoryEntry, facts: &mut Vec<Fact>) {
    let h = &entry.header;
    facts.push(Fact::Header {
        seq: h.ledger_seq,
        protocol: h.ledger_version,
        close_time_s: h.scp_value.close_time.0,
        base_fee: h.base_fee,
        base_reserve: h.base_reserve,
        hash: entry.hash.0,
        previous: h.previous_ledger_hash.0,
    });
}

fn transaction_set(set: &GeneralizedTransactionSet, network: NetworkId, facts: &mut Vec<Fact>) {
    let GeneralizedTransactionSet::V1(set) = set;
    for phase in set.phases.iter() {
        match phase {
            TransactionPhase::V0(components) => {
                for TxSetComponent::TxsetCompTxsMaybeDiscountedFee(component) in components.iter() {
                    component.txs.iter().for_each(|one| envelope(one, network, facts));
                }
            }
            TransactionPhase::V1(parallel) => {
                let clusters = parallel.execution_stages.iter().flat_map(|stage| stage.0.iter());
                clusters.flat_map(|cluster| cluster.0.iter()).for_each(|one| envelope(one, network, facts));
            }
        }
    }
}

fn key_of(account: &MuxedAccount) -> Key {
    match account {
        MuxedAccount::Ed25519(key) => key.0,
        MuxedAccount::MuxedEd25519(muxed) => muxed.ed25519.0,
    }
}

fn envelope(envelope: &TransactionEnvelope, network: NetworkId, facts: &mut Vec<Fact>) {
    let (source, fee_source, operations, hash) = match envelope {
        TransactionEnvelope::TxV0(e) => {
            (e.tx.source_account_ed25519.0, None, &e.tx.operations, e.tx.hash(network.0).unwrap())
        }
        TransactionEnvelope::Tx(e) => {
            (key_of(&e.tx.source_account), None, &e.tx.operations, e.tx.hash(network.0).unwrap())
        }
        TransactionEnvelope::TxFeeBump(e) => {
            let FeeBumpTransactionInnerTx::Tx(inner) = &e.tx.inner_tx;
            let fee_source = Some(key_of(&e.tx.fee_source));
            (key_of(&inner.tx.source_account), fee_source, &inner.tx.operations, inner.tx.hash(network.0).unwrap())
        }
    };
    for (operation, index) in operations.iter().zip(0..) {
        if let Some(source) = &operation.source_account {
            facts.push(Fact::Source { operation: index, source: key_of(source) });
        }
    }
    let outer_hash = match envelope {
        TransactionEnvelope::TxFeeBump(e) => e.tx.hash(network.0).unwrap(),
        _ => hash,
    };
    facts.push(Fact::Envelope { source, fee_source, hash, outer_hash });
}

fn transaction(pair: &TransactionResultPair, fees: &LedgerEntryChanges, meta: &TransactionMeta, facts: &mut Vec<Fact>) {
    use InnerTransactionResultResult as Inner;
    use TransactionResultResult as Outer;
    let (code, inner, operations) = match &pair.result.result {
        outer @ (Outer::TxSuccess(operations) | Outer::TxFailed(operations)) => {
            (outer.discriminant() as i32, None, Some(operations))
        }
        outer @ (Outer::TxFeeBumpInnerSuccess(inner) | Outer::TxFeeBumpInnerFailed(inner)) => {
            let result = &inner.result.result;
            let operations = match result {
                Inner::TxSuccess(operations) | Inner::TxFailed(operations) => Some(operations),
                _ => None,
            };
            let inner = (inner.transaction_hash.0, result.discriminant() as i32);
            (outer.discriminant() as i32, Some(inner), operations)
        }
        outer => (outer.discriminant() as i32, None, None),
    };
    facts.push(Fact::Transaction { hash: pair.transaction_hash.0, fee: pair.result.fee_charged, code, inner });
    let mut failed = None;
    for (result, operation) in operations.into_iter().flat_map(|all| all.iter()).zip(0..) {
        let (outer, inner, claims) = operation_result(result);
        facts.extend(claims.into_iter().map(|atom| claim(code < 0, operation, atom)));
        if code < 0 && failed.is_none() && (outer != 0 || inner != Some(0)) {
            failed = Some(Fact::Failed { operation, outer, inner });
        }
    }
    facts.extend(failed);
    changes(ChangePhase::Fees, fees, facts);
    let mut apply = |all: &LedgerEntryChanges| changes(ChangePhase::Apply, all, facts);
    match meta {
        TransactionMeta::V0(operations) => operations.iter().for_each(|operation| apply(&operation.changes)),
        TransactionMeta::V1(v) => {
            apply(&v.tx_changes);
            v.operations.iter().for_each(|operation| apply(&operation.changes));
        }
        TransactionMeta::V2(v) => {
            apply(&v.tx_changes_before);
            v.operations.iter().for_each(|operation| apply(&operation.changes));
            apply(&v.tx_changes_after);
        }
        TransactionMeta::V3(v) => {
            apply(&v.tx_changes_before);
            v.operations.iter().for_each(|operation| apply(&operation.changes));
            apply(&v.tx_changes_after);
        }
        TransactionMeta::V4(v) => {
            apply(&v.tx_changes_before);
            v.operations.iter().for_each(|operation| apply(&operation.changes));
            apply(&v.tx_changes_after);
        }
    }
}

/// Outer code, inner code, claims. The inner code is the first word of the operation's own result.
fn operation_result(result: &OperationResult) -> (i32, Option<i32>, Vec<&ClaimAtom>) {
    use OperationResultTr as Tr;
    let OperationResult::OpInner(inner) = result else { return (result.discriminant() as i32, None, Vec::new()) };
    let xdr = inner.to_xdr(Limits::none()).unwrap();
    let code = i32::from_be_bytes(xdr[4..8].try_into().unwrap());
    let claims = match inner {
        Tr::ManageSellOffer(ManageSellOfferResult::Success(s))
        | Tr::CreatePassiveSellOffer(ManageSellOfferResult::Success(s))
        | Tr::ManageBuyOffer(ManageBuyOfferResult::Success(s)) => s.offers_claimed.iter().collect(),
        Tr::PathPaymentStrictReceive(PathPaymentStrictReceiveResult::Success(s)) => s.offers.iter().collect(),
        Tr::PathPaymentStrictSend(PathPaymentStrictSendResult::Success(s)) => s.offers.iter().collect(),
        _ => Vec::new(),
    };
    (0, Some(code), claims)
}

fn xdr(value: &impl WriteXdr) -> Vec<u8> {
    value.to_xdr(Limits::none()).unwrap()
}

fn account_key(account: &stellar_xdr::AccountId) -> Key {
    let stellar_xdr::PublicKey::PublicKeyTypeEd25519(key) = &account.0;
    key.0
}

fn claim(undone: bool, operation: u32, atom: &ClaimAtom) -> Fact {
    let (seller, offer, sold, bought) = match atom {
        ClaimAtom::V0(a) => (
            a.seller_ed25519.0,
            Some(a.offer_id),
            (xdr(&a.asset_sold), a.amount_sold),
            (xdr(&a.asset_bought), a.amount_bought),
        ),
        ClaimAtom::OrderBook(a) => (
            account_key(&a.seller_id),
            Some(a.offer_id),
            (xdr(&a.asset_sold), a.amount_sold),
            (xdr(&a.asset_bought), a.amount_bought),
        ),
        ClaimAtom::LiquidityPool(a) => (
            a.liquidity_pool_id.0.0,
            None,
            (xdr(&a.asset_sold), a.amount_sold),
            (xdr(&a.asset_bought), a.amount_bought),
        ),
    };
    Fact::Claim { undone, operation, seller, offer, sold, bought }
}

fn upgrades(all: &[UpgradeEntryMeta], facts: &mut Vec<Fact>) {
    all.iter().for_each(|upgrade| changes(ChangePhase::Upgrades, &upgrade.changes, facts));
}

fn changes(phase: ChangePhase, all: &LedgerEntryChanges, facts: &mut Vec<Fact>) {
    for (at, change) in all.0.iter().enumerate() {
        let before = match at.checked_sub(1).map(|at| &all.0[at]) {
            Some(LedgerEntryChange::State(entry)) => Some(&entry.data),
            _ => None,
        };
        match change {
            LedgerEntryChange::Created(e) | LedgerEntryChange::Updated(e) | LedgerEntryChange::Restored(e) => {
                if let (Some(LedgerEntryData::Offer(old)), LedgerEntryData::Offer(new)) = (before, &e.data)
                    && (&old.selling, &old.buying) != (&new.selling, &new.buying)
                {
                    let (seller, id) = (account_key(&old.seller_id), old.offer_id);
                    facts.push(Fact::OfferGone {
                        phase,
                        seller,
                        id,
                        pair: Some([xdr(&old.selling), xdr(&old.buying)]),
                    });
                }
                facts.extend(entry(phase, e));
            }
            LedgerEntryChange::Removed(key) => {
                let pair = match before {
                    Some(LedgerEntryData::Offer(old)) => Some([xdr(&old.selling), xdr(&old.buying)]),
                    _ => None,
                };
                facts.extend(removed(phase, key, pair));
            }
            LedgerEntryChange::State(_) => {}
        }
    }
}

fn entry(phase: ChangePhase, entry: &LedgerEntry) -> Option<Fact> {
    Some(match &entry.data {
        LedgerEntryData::Offer(o) => Fact::Offer {
            phase,
            seller: account_key(&o.seller_id),
            id: o.offer_id,
            pair: [xdr(&o.selling), xdr(&o.buying)],
            amount: o.amount,
            price: (o.price.n, o.price.d),
            flags: o.flags,
        },
        LedgerEntryData::Account(a) => {
            let mut numbers = [a.balance, a.seq_num.0, a.num_sub_entries.into(), 0, 0, 0, 0];
            if let AccountEntryExt::V1(one) = &a.ext {
                (numbers[3], numbers[4]) = (one.liabilities.buying, one.liabilities.selling);
                if let AccountEntryExtensionV1Ext::V2(two) = &one.ext {
                    (numbers[5], numbers[6]) = (two.num_sponsored.into(), two.num_sponsoring.into());
                }
            }
            Fact::Account { phase, key: account_key(&a.account_id), numbers }
        }
        LedgerEntryData::Trustline(t) => {
            let (buying, selling) = match &t.ext {
                TrustLineEntryExt::V0 => (0, 0),
                TrustLineEntryExt::V1(one) => (one.liabilities.buying, one.liabilities.selling),
            };
            let numbers = [t.balance, t.limit, t.flags.into(), buying, selling];
            Fact::TrustLine { phase, key: account_key(&t.account_id), asset: line_asset(&t.asset), numbers }
        }
        LedgerEntryData::LiquidityPool(p) => {
            let LiquidityPoolEntryBody::LiquidityPoolConstantProduct(body) = &p.body;
            let pair = [xdr(&body.params.asset_a), xdr(&body.params.asset_b)];
            let numbers = [body.params.fee.into(), body.reserve_a, body.reserve_b, body.total_pool_shares];
            Fact::Pool { phase, id: p.liquidity_pool_id.0.0, pair, numbers }
        }
        _ => return None,
    })
}

fn line_asset(asset: &TrustLineAsset) -> Option<Vec<u8>> {
    (!matches!(asset, TrustLineAsset::PoolShare(_))).then(|| xdr(asset))
}

fn removed(phase: ChangePhase, key: &LedgerKey, pair: Option<[Vec<u8>; 2]>) -> Option<Fact> {
    Some(match key {
        LedgerKey::Account(k) => Fact::AccountGone { phase, key: account_key(&k.account_id) },
        LedgerKey::Trustline(k) => {
            Fact::TrustLineGone { phase, key: account_key(&k.account_id), asset: line_asset(&k.asset) }
        }
        LedgerKey::Offer(k) => Fact::OfferGone { phase, seller: account_key(&k.seller_id), id: k.offer_id, pair },
        LedgerKey::LiquidityPool(k) => Fact::PoolGone { phase, id: k.liquidity_pool_id.0.0 },
        _ => return None,
    })
}
