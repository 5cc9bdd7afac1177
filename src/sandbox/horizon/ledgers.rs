//! Ledgers.

use super::past::{self, link, paged_link, xdr};
use super::words;
use super::{Chain, Order, Page, Problem, Target};
use crate::sandbox::history::{LedgerRecord, Toid};
use serde_json::{Value, json};

pub(crate) fn one(chain: &Chain<'_>, target: &Target) -> Result<Value, Problem> {
    let seq = past::ledger_number(target)?;
    if seq < past::elder(chain) {
        return Err(Problem::before_history());
    }
    let ledger = chain.history.ledger(seq).ok_or_else(Problem::not_found)?;
    Ok(resource(ledger, &target.base_url))
}

pub(crate) fn all(chain: &Chain<'_>, target: &Target, page: &Page) -> Result<Vec<Value>, Problem> {
    let between = past::between(chain, page)?;
    let (after, before) = (between.after, between.before);
    let within = |ledger: &&LedgerRecord| after < place(ledger) && place(ledger) < before;
    let ledgers = chain.history.ledgers();
    let shown: Vec<&LedgerRecord> = match page.order {
        Order::Asc => ledgers.filter(within).take(page.limit).collect(),
        Order::Desc => ledgers.rev().filter(within).take(page.limit).collect(),
    };
    Ok(shown.into_iter().map(|ledger| resource(ledger, &target.base_url)).collect())
}

fn place(ledger: &LedgerRecord) -> Toid {
    Toid::new(ledger.seq(), 0, 0)
}

fn resource(ledger: &LedgerRecord, base_url: &str) -> Value {
    let header = &ledger.header.header;
    let own = format!("/ledgers/{}", ledger.seq());
    let hash = hex::encode(ledger.header.hash.0);
    let operations = |succeeded: bool| {
        let transactions = ledger.transactions.iter().filter(move |tx| !succeeded || tx.succeeded());
        transactions.map(|tx| tx.operations().len()).sum::<usize>()
    };
    let succeeded = ledger.transactions.iter().filter(|tx| tx.succeeded()).count();
    json!({
        "_links": {
            "self": link(base_url, &own),
            "transactions": paged_link(base_url, &format!("{own}/transactions")),
            "operations": paged_link(base_url, &format!("{own}/operations")),
            "payments": paged_link(base_url, &format!("{own}/payments")),
            "effects": paged_link(base_url, &format!("{own}/effects")),
        },
        "id": hash,
        "paging_token": place(ledger).0.to_string(),
        "hash": hash,
        "prev_hash": hex::encode(header.previous_ledger_hash.0),
        "sequence": ledger.seq(),
        "successful_transaction_count": succeeded,
        "failed_transaction_count": ledger.transactions.len() - succeeded,
        "operation_count": operations(true),
        "tx_set_operation_count": operations(false),
        "closed_at": words::time(ledger.closed_at_s()),
        "total_coins": words::amount(header.total_coins),
        "fee_pool": words::amount(header.fee_pool),
        "base_fee_in_stroops": header.base_fee,
        "base_reserve_in_stroops": header.base_reserve,
        "max_tx_set_size": header.max_tx_set_size,
        "protocol_version": header.ledger_version,
        "header_xdr": xdr(header),
    })
}
