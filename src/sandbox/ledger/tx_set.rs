//! Sets of transactions: their hash, the order in which they apply, and what they pay.

use std::collections::BTreeMap;

use stellar_xdr::{
    AccountId, GeneralizedTransactionSet, Hash, LedgerCloseMeta, ParallelTxsComponent, TransactionEnvelope,
    TransactionPhase, TransactionResultPair, TransactionSet, TransactionSetV1, TxSetComponent,
    TxSetComponentTxsMaybeDiscountedFee,
};

use super::assets::hash_xdr;
use super::frame::Frame;
use super::header::{append_xdr, sha256, vec_m, xdr_bytes};

/// The first protocol whose sets of transactions have phases and components.
pub(crate) const GENERALIZED_FROM: u32 = 20;

/// The first protocol whose contract phase has parallel stages.
const PARALLEL_FROM: u32 = 23;

/// The most operations in one transaction, which surge pricing before protocol 20 keeps free.
const MAX_OPERATIONS: u32 = 100;

/// A set of transactions in either form.
#[derive(Clone, Debug)]
pub(crate) enum TxSet {
    /// Until protocol 19.
    Legacy(TransactionSet),
    /// Since protocol 20.
    Generalized(GeneralizedTransactionSet),
}

impl TxSet {
    /// The hash by which a ledger's header names its set.
    pub(crate) fn hash(&self) -> Hash {
        match self {
            Self::Legacy(set) => {
                let mut bytes = set.previous_ledger_hash.0.to_vec();
                set.txs.iter().for_each(|tx| bytes.extend(xdr_bytes(tx)));
                sha256(&bytes)
            }
            Self::Generalized(set) => hash_xdr(set),
        }
    }
}

/// Makes the set of these transactions. `base_fee` is what those in the lane pay that has it.
pub(crate) fn build(protocol: u32, previous: Hash, frames: &[Priced]) -> TxSet {
    if protocol < GENERALIZED_FROM {
        let txs = sorted_envelopes(frames.iter().map(|priced| &priced.frame));
        return TxSet::Legacy(TransactionSet { previous_ledger_hash: previous, txs: vec_m(txs) });
    }
    let mut components: BTreeMap<Option<i64>, Vec<&Frame>> = BTreeMap::new();
    for priced in frames {
        components.entry(priced.base_fee).or_default().push(&priced.frame);
    }
    let components = components
        .into_iter()
        .map(|(base_fee, frames)| {
            let txs = vec_m(sorted_envelopes(frames.into_iter()));
            TxSetComponent::TxsetCompTxsMaybeDiscountedFee(TxSetComponentTxsMaybeDiscountedFee { base_fee, txs })
        })
        .collect();
    let contracts = if protocol < PARALLEL_FROM {
        TransactionPhase::V0(vec_m(Vec::new()))
    } else {
        TransactionPhase::V1(ParallelTxsComponent { base_fee: None, execution_stages: vec_m(Vec::new()) })
    };
    TxSet::Generalized(GeneralizedTransactionSet::V1(TransactionSetV1 {
        previous_ledger_hash: previous,
        phases: vec_m(vec![TransactionPhase::V0(vec_m(components)), contracts]),
    }))
}

/// A transaction and the base fee that it pays by; without one, all that it bid.
#[derive(Clone, Debug)]
pub(crate) struct Priced {
    pub(crate) frame: Frame,
    pub(crate) base_fee: Option<i64>,
}

fn sorted_envelopes<'a>(frames: impl Iterator<Item = &'a Frame>) -> Vec<TransactionEnvelope> {
    let mut frames: Vec<&Frame> = frames.collect();
    frames.sort_by(|a, b| a.full_hash.cmp(&b.full_hash));
    frames.into_iter().map(|frame| frame.envelope().clone()).collect()
}

/// The transactions of a set that was made elsewhere, each with its base fee. `header_fee` and `max_size` are of the
/// ledger before.
pub(crate) fn unpack(set: &TxSet, network_id: &[u8; 32], header_fee: u32, max_size: u32) -> Vec<Priced> {
    let frame = |envelope: &TransactionEnvelope| Frame::new(envelope.clone(), network_id);
    match set {
        TxSet::Legacy(set) => {
            let frames: Vec<Frame> = set.txs.iter().map(frame).collect();
            let base_fee = Some(legacy_base_fee(frames.iter(), header_fee, max_size));
            frames.into_iter().map(|frame| Priced { frame, base_fee }).collect()
        }
        TxSet::Generalized(GeneralizedTransactionSet::V1(set)) => {
            let mut priced = Vec::new();
            for phase in set.phases.iter() {
                match phase {
                    TransactionPhase::V0(components) => {
                        for component in components.iter() {
                            let TxSetComponent::TxsetCompTxsMaybeDiscountedFee(component) = component;
                            let base_fee = component.base_fee;
                            priced.extend(component.txs.iter().map(|tx| Priced { frame: frame(tx), base_fee }));
                        }
                    }
                    TransactionPhase::V1(stages) => {
                        let txs = stages.execution_stages.iter().flat_map(|stage| stage.0.iter());
                        let txs = txs.flat_map(|cluster| cluster.0.iter());
                        priced.extend(txs.map(|tx| Priced { frame: frame(tx), base_fee: stages.base_fee }));
                    }
                }
            }
            priced
        }
    }
}

/// A transaction of a closed ledger's set.
#[derive(Clone, Debug)]
pub(crate) struct SetTransaction {
    pub(crate) hash: Hash,
    /// Of the transaction inside of a fee bump.
    pub(crate) inner_hash: Option<Hash>,
    pub(crate) envelope: TransactionEnvelope,
}

/// The transactions of a closed ledger, in the order of its set, which is not that of application.
pub(crate) fn transactions_of(meta: &LedgerCloseMeta, network_id: &[u8; 32]) -> Vec<SetTransaction> {
    let set = match meta {
        LedgerCloseMeta::V0(meta) => TxSet::Legacy(meta.tx_set.clone()),
        LedgerCloseMeta::V1(meta) => TxSet::Generalized(meta.tx_set.clone()),
        LedgerCloseMeta::V2(meta) => TxSet::Generalized(meta.tx_set.clone()),
    };
    let frames = unpack(&set, network_id, 0, 0).into_iter().map(|priced| priced.frame);
    frames
        .map(|frame| SetTransaction {
            hash: frame.hash.clone(),
            inner_hash: frame.fee_bump().map(|_| frame.inner_hash.clone()),
            envelope: frame.envelope().clone(),
        })
        .collect()
}

/// What everybody pays in a set of before protocol 20: if it is nearly full, the lowest bid (`TxSetFrame::getBaseFee`).
pub(crate) fn legacy_base_fee<'a>(
    frames: impl Iterator<Item = &'a Frame> + Clone,
    header_fee: u32,
    max_size: u32,
) -> i64 {
    let operations: i64 = frames.clone().map(Frame::num_operations).sum();
    let lowest = frames.map(|frame| {
        let operations = frame.num_operations().max(1);
        // Rounded up.
        frame.fee_bid().saturating_add(operations - 1) / operations
    });
    if operations > i64::from(max_size.saturating_sub(MAX_OPERATIONS)) {
        lowest.min().unwrap_or(i64::from(header_fee))
    } else {
        i64::from(header_fee)
    }
}

/// The order in which the transactions of a set apply: pseudo-random by the set's hash, but those of one account in the
/// order of their sequence numbers, one in each round.
pub(crate) fn in_apply_order(mut frames: Vec<Priced>, set_hash: &Hash) -> Vec<Priced> {
    frames.sort_by_key(|priced| priced.frame.sequence());
    let mut rounds: BTreeMap<AccountId, usize> = BTreeMap::new();
    let mut keyed: Vec<(usize, [u8; 32], Priced)> = frames
        .into_iter()
        .map(|priced| {
            let round = rounds.entry(priced.frame.source()).or_default();
            let this = *round;
            *round += 1;
            (this, xored(&priced.frame.full_hash, set_hash), priced)
        })
        .collect();
    keyed.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    keyed.into_iter().map(|(_, _, priced)| priced).collect()
}

/// A hash that nobody can foresee before the set is known.
pub(crate) fn xored(a: &Hash, b: &Hash) -> [u8; 32] {
    core::array::from_fn(|i| a.0[i] ^ b.0[i])
}

/// SHA-256 of the results of a ledger: of a `TransactionResultSet`, which would take a copy of them all.
pub(crate) fn results_hash<'a>(results: impl ExactSizeIterator<Item = &'a TransactionResultPair>) -> Hash {
    let count = u32::try_from(results.len()).unwrap_or(u32::MAX);
    let mut bytes = count.to_be_bytes().to_vec();
    results.for_each(|result| append_xdr(&mut bytes, result));
    sha256(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stellar_xdr::{TransactionResult, TransactionResultResult, TransactionResultSet};

    #[test]
    fn the_hash_of_results_is_that_of_their_set() {
        let pair = |byte: u8, fee_charged| TransactionResultPair {
            transaction_hash: Hash([byte; 32]),
            result: TransactionResult {
                fee_charged,
                result: TransactionResultResult::TxBadSeq,
                ext: stellar_xdr::TransactionResultExt::V0,
            },
        };
        for results in [vec![], vec![pair(1, 100)], vec![pair(1, 100), pair(2, i64::MAX), pair(3, 0)]] {
            let ours = results_hash(results.iter());
            assert_eq!(ours, hash_xdr(&TransactionResultSet { results: vec_m(results) }));
        }
    }
}
