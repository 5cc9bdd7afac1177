//! Upgrades of the header, and what a higher base reserve does to offers (`Upgrades.cpp`).

use std::collections::BTreeMap;

use stellar_xdr::{
    AccountId, Asset, LedgerHeader, LedgerHeaderExt, LedgerHeaderExtensionV1, LedgerHeaderExtensionV1Ext,
    LedgerUpgrade, OfferEntry,
};

use crate::stellar::exchange::adjust_offer;

use super::CURRENT_PROTOCOL;
use super::assets::is_issuer;
use super::entries::min_balance;
use super::holdings::{Holding, exact_price, liabilities_of};
use super::outcome::{Applied, ensure, internal};
use super::sponsorship::{remove_entry, touch_account};
use super::store::{Key, Store, offer_in, offer_in_mut};

/// The header's flags; none before protocol 18 set some.
pub(crate) fn header_flags(header: &LedgerHeader) -> u32 {
    match &header.ext {
        LedgerHeaderExt::V0 => 0,
        LedgerHeaderExt::V1(v1) => v1.flags,
    }
}

/// All flags that a header may have: pool trading, deposits and withdrawals disabled.
const ALL_HEADER_FLAGS: u32 = 7;

/// The first protocol whose headers have flags, and the first with contracts.
const FLAGS_FROM: u32 = 18;
const CONTRACTS_FROM: u32 = 20;

/// Whether an upgrade may be applied at this protocol version (`Upgrades::isValidForApply`).
fn is_valid(version: u32, newest: u32, upgrade: &LedgerUpgrade) -> bool {
    match upgrade {
        LedgerUpgrade::Version(new) => (version + 1..=newest).contains(new),
        LedgerUpgrade::BaseFee(value) | LedgerUpgrade::BaseReserve(value) => *value != 0,
        LedgerUpgrade::MaxTxSetSize(_) => true,
        LedgerUpgrade::Flags(flags) => version >= FLAGS_FROM && flags & !ALL_HEADER_FLAGS == 0,
        LedgerUpgrade::Config(_) | LedgerUpgrade::MaxSorobanTxSetSize(_) => version >= CONTRACTS_FROM,
    }
}

/// The upgrades of these that this ledger can apply after one another; none of the contract engine's.
pub(crate) fn allowed(header: &LedgerHeader, newest: u32, upgrades: &[LedgerUpgrade]) -> Vec<LedgerUpgrade> {
    let mut version = header.ledger_version;
    let mut is_allowed = |upgrade: &LedgerUpgrade| {
        let of_contracts = matches!(upgrade, LedgerUpgrade::Config(_) | LedgerUpgrade::MaxSorobanTxSetSize(_));
        let valid = is_valid(version, newest, upgrade) && !of_contracts;
        if let (true, LedgerUpgrade::Version(new)) = (valid, upgrade) {
            version = *new;
        }
        valid
    };
    upgrades.iter().filter(|upgrade| is_allowed(upgrade)).cloned().collect()
}

/// Applies one upgrade. Those of the contract engine change nothing here. What is not valid is not applied, and core writes
/// nothing about it.
pub(crate) fn apply(store: &mut Store, upgrade: &LedgerUpgrade) -> Applied<()> {
    ensure(is_valid(store.protocol(), CURRENT_PROTOCOL, upgrade), "an upgrade that is not valid")?;
    match upgrade {
        LedgerUpgrade::Version(version) => {
            store.header.ledger_version = *version;
            Ok(())
        }
        LedgerUpgrade::BaseFee(fee) => {
            store.header.base_fee = *fee;
            Ok(())
        }
        LedgerUpgrade::MaxTxSetSize(size) => {
            store.header.max_tx_set_size = *size;
            Ok(())
        }
        LedgerUpgrade::BaseReserve(reserve) => {
            let raised = *reserve > store.header.base_reserve;
            store.header.base_reserve = *reserve;
            if raised && store.protocol() >= 10 { fit_offers(store) } else { Ok(()) }
        }
        LedgerUpgrade::Flags(flags) => {
            store.header.ext =
                LedgerHeaderExt::V1(LedgerHeaderExtensionV1 { flags: *flags, ext: LedgerHeaderExtensionV1Ext::V0 });
            Ok(())
        }
        LedgerUpgrade::Config(_) | LedgerUpgrade::MaxSorobanTxSetSize(_) => Ok(()),
    }
}

/// Liabilities by asset; `None` where they exceed what an amount can be.
type Totals = BTreeMap<Asset, Option<i64>>;

/// Selling and buying liabilities of the offers that remain, by asset.
type Remaining = BTreeMap<Asset, (i64, i64)>;

/// After the base reserve rose: removes every offer whose owner has promised more than it now can, adjusts the others and
/// sets liabilities to what remains (`prepareLiabilities`). Core touches every offer and every owner on the way.
fn fit_offers(store: &mut Store) -> Applied<()> {
    let by_account: BTreeMap<AccountId, Vec<i64>> =
        store.offers().owners().map(|(account, ids)| (account.clone(), ids.to_vec())).collect();
    // Before any offer is removed, which may change the reserves of other accounts.
    let mut min_balances = BTreeMap::new();
    for account in by_account.keys() {
        let Some(entry) = store.account(account) else { return internal("account does not exist") };
        min_balances.insert(account.clone(), min_balance(&store.header, entry));
    }
    for (account, ids) in by_account {
        touch_account(store, &account)?;
        fit_offers_of(store, &account, &ids, min_balances[&account])?;
    }
    Ok(())
}

fn fit_offers_of(store: &mut Store, account: &AccountId, ids: &[i64], min_balance: i64) -> Applied<()> {
    let mut selling = Totals::new();
    let mut buying = Totals::new();
    for offer in ids.iter().filter_map(|id| store.entry(&Key::Offer(*id))) {
        let offer = offer_in(&offer);
        let liabilities = liabilities_of(offer);
        add_total(&mut selling, account, &offer.selling, liabilities.selling);
        add_total(&mut buying, account, &offer.buying, liabilities.buying);
    }
    let balance = Holding::of(store, account, &Asset::Native).balance(store);
    let mut remaining = Remaining::new();
    for id in ids {
        let Some(mut entry) = store.entry(&Key::Offer(*id)) else { return internal("an offer without an entry") };
        let offer = offer_in_mut(&mut entry);
        let sellable = cap_to_sell(store, account, &offer.selling, balance - min_balance);
        let buyable = cap_to_buy(store, account, &offer.buying, balance);
        let excess = exceeds(&selling, &offer.selling, sellable) || exceeds(&buying, &offer.buying, buyable);
        let adjusted = adjust_offer(exact_price(&offer.price), offer.amount, i64::MAX);
        if excess || adjusted == 0 {
            remove_entry(store, &entry, account)?;
            store.erase(&Key::Offer(*id));
            continue;
        }
        offer.amount = adjusted;
        count_remaining(&mut remaining, account, offer);
        store.put(entry);
    }
    set_liabilities(store, account, &remaining)
}

fn add_total(totals: &mut Totals, account: &AccountId, asset: &Asset, amount: i64) {
    let total = totals.entry(asset.clone()).or_insert(Some(0));
    if !is_issuer(account, asset) {
        *total = total.and_then(|total| total.checked_add(amount));
    }
}

fn exceeds(totals: &Totals, asset: &Asset, cap: i64) -> bool {
    totals.get(asset).copied().flatten().is_none_or(|total| total > cap)
}

/// What an account could sell if it had no offers.
fn cap_to_sell(store: &Store, account: &AccountId, asset: &Asset, native: i64) -> i64 {
    match Holding::of(store, account, asset) {
        Holding::Native(_) => native,
        Holding::Issuer => i64::MAX,
        holding if holding.may_maintain(store) => holding.balance(store),
        Holding::Line(_) => 0,
    }
}

/// What an account could buy if it had no offers.
fn cap_to_buy(store: &Store, account: &AccountId, asset: &Asset, native: i64) -> i64 {
    match Holding::of(store, account, asset) {
        Holding::Native(_) => i64::MAX - native,
        Holding::Issuer => i64::MAX,
        holding if !holding.may_maintain(store) => 0,
        Holding::Line(place) => {
            place.and_then(|place| store.line_at(place)).map_or(0, |line| line.limit - line.balance)
        }
    }
}

fn count_remaining(remaining: &mut Remaining, account: &AccountId, offer: &OfferEntry) {
    let liabilities = liabilities_of(offer);
    if !is_issuer(account, &offer.buying) {
        remaining.entry(offer.buying.clone()).or_default().1 += liabilities.buying;
    }
    if !is_issuer(account, &offer.selling) {
        remaining.entry(offer.selling.clone()).or_default().0 += liabilities.selling;
    }
}

/// Sets liabilities to those of the offers that remain. An asset of which no offer remains keeps what it had: core forgets
/// it here, and so do we.
fn set_liabilities(store: &mut Store, account: &AccountId, remaining: &Remaining) -> Applied<()> {
    for (asset, (selling, buying)) in remaining {
        let holding = Holding::of(store, account, asset);
        let now = holding.liabilities(store);
        holding.add_selling(store, selling - now.selling)?;
        holding.add_buying(store, buying - now.buying)?;
    }
    Ok(())
}
