//! What an account holds of an asset, wherever that is kept: its own balance for the native asset, a trust line for a
//! credit, nothing (and without end) for its issuer (`TrustLineWrapper`).

use stellar_xdr::{AccountId, Asset, Liabilities, OfferEntry, Price};

use crate::stellar::exchange::{self, OfferLiabilities};

use super::assets::is_issuer;
use super::entries::{
    account_add_balance, account_add_buying, account_add_selling, account_available, account_liabilities, account_room,
    is_authorised, line_add_balance, line_add_buying, line_add_selling, line_available, line_liabilities, line_room,
    may_maintain,
};
use super::outcome::{Applied, ensure, internal};
use super::store::{Key, Store};

const BAD_AUTHORISATION: &str = "Invalid authorization";
const NO_ACCOUNT: &str = "account does not exist";
const NO_LINE: &str = "trustline does not exist";

/// Where an account keeps an asset.
#[derive(Clone, Debug)]
pub(crate) enum Holding {
    /// In its account entry.
    Native(AccountId),
    /// Nowhere: it issues it.
    Issuer,
    /// In a trust line, which may not exist.
    Line(Key),
}

impl Holding {
    pub(crate) fn of(account: &AccountId, asset: &Asset) -> Self {
        match asset {
            Asset::Native => Self::Native(account.clone()),
            _ if is_issuer(account, asset) => Self::Issuer,
            _ => Self::Line(Key::line(account, asset)),
        }
    }

    /// Whether it exists: a missing trust line does not.
    pub(crate) fn exists(&self, store: &Store) -> bool {
        match self {
            Self::Native(_) | Self::Issuer => true,
            Self::Line(key) => store.exists(key),
        }
    }

    /// Whether the issuer lets it be used in full.
    pub(crate) fn is_authorised(&self, store: &Store) -> bool {
        match self {
            Self::Native(_) | Self::Issuer => true,
            Self::Line(key) => store.line(key).is_some_and(is_authorised),
        }
    }

    /// Whether the issuer lets it stay in offers and pools.
    pub(crate) fn may_maintain(&self, store: &Store) -> bool {
        match self {
            Self::Native(_) | Self::Issuer => true,
            Self::Line(key) => store.line(key).is_some_and(may_maintain),
        }
    }

    /// The balance, reserves and liabilities included.
    pub(crate) fn balance(&self, store: &Store) -> i64 {
        match self {
            Self::Native(id) => store.account(id).map_or(0, |account| account.balance),
            Self::Issuer => i64::MAX,
            Self::Line(key) => store.line(key).map_or(0, |line| line.balance),
        }
    }

    /// What can be spent beside reserve and liabilities; negative if the reserve was raised.
    pub(crate) fn available(&self, store: &Store) -> Applied<i64> {
        match self {
            Self::Native(id) => match store.account(id) {
                Some(account) => Ok(account_available(&store.header, account)),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(i64::MAX),
            Self::Line(key) => match store.line(key) {
                Some(line) if may_maintain(line) => Ok(line_available(line)),
                Some(_) => internal(BAD_AUTHORISATION),
                None => internal(NO_LINE),
            },
        }
    }

    /// What can still be received beside liabilities.
    pub(crate) fn room(&self, store: &Store) -> Applied<i64> {
        match self {
            Self::Native(id) => match store.account(id) {
                Some(account) => Ok(account_room(account)),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(i64::MAX),
            Self::Line(key) => match store.line(key) {
                Some(line) if may_maintain(line) => Ok(line_room(line)),
                Some(_) => internal(BAD_AUTHORISATION),
                None => internal(NO_LINE),
            },
        }
    }

    /// What offers have promised of it.
    pub(super) fn liabilities(&self, store: &Store) -> Liabilities {
        const NONE: Liabilities = Liabilities { buying: 0, selling: 0 };
        match self {
            Self::Native(id) => store.account(id).map_or(NONE, account_liabilities),
            Self::Issuer => NONE,
            Self::Line(key) => store.line(key).map_or(NONE, line_liabilities),
        }
    }

    /// `canSellAtMost`.
    pub(crate) fn can_sell(&self, store: &Store) -> Applied<i64> {
        if self.may_maintain(store) { Ok(self.available(store)?.max(0)) } else { Ok(0) }
    }

    /// `canBuyAtMost`.
    pub(crate) fn can_buy(&self, store: &Store) -> Applied<i64> {
        if self.exists(store) { Ok(self.room(store)?.max(0)) } else { Ok(0) }
    }

    /// Changes the balance within reserve, limit and liabilities; `false` if that cannot be. Touches the entry.
    pub(crate) fn add_balance(&self, store: &mut Store, delta: i64) -> Applied<bool> {
        match self {
            Self::Native(id) => match store.account_mut_with_header(id) {
                Some((account, header)) => Ok(account_add_balance(header, account, delta)),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(true),
            Self::Line(key) => match store.line_mut(key) {
                None => internal(NO_LINE),
                Some(_) if delta == 0 => Ok(true),
                Some(line) => {
                    ensure(may_maintain(line), BAD_AUTHORISATION)?;
                    Ok(line_add_balance(line, delta))
                }
            },
        }
    }

    /// Changes what is promised for sale. Touches the entry.
    pub(super) fn add_selling(&self, store: &mut Store, delta: i64) -> Applied<()> {
        const FAILED: &str = "could not add selling liabilities";
        match self {
            Self::Native(id) => match store.account_mut_with_header(id) {
                Some((account, header)) => ensure(account_add_selling(header, account, delta), FAILED),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(()),
            Self::Line(key) => match store.line_mut(key) {
                None => internal(NO_LINE),
                Some(line) => {
                    ensure(delta == 0 || may_maintain(line), BAD_AUTHORISATION)?;
                    ensure(line_add_selling(line, delta), FAILED)
                }
            },
        }
    }

    /// Changes the room that is promised for purchases. Touches the entry.
    pub(super) fn add_buying(&self, store: &mut Store, delta: i64) -> Applied<()> {
        const FAILED: &str = "could not add buying liabilities";
        match self {
            Self::Native(id) => match store.account_mut(id) {
                Some(account) => ensure(account_add_buying(account, delta), FAILED),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(()),
            Self::Line(key) => match store.line_mut(key) {
                None => internal(NO_LINE),
                Some(line) => {
                    ensure(delta == 0 || may_maintain(line), BAD_AUTHORISATION)?;
                    ensure(line_add_buying(line, delta), FAILED)
                }
            },
        }
    }
}

/// A price as this crate's arithmetic wants it; prices in the ledger are positive.
pub(crate) fn exact_price(price: &Price) -> crate::stellar::Price {
    match crate::stellar::Price::new(price.n, price.d) {
        Ok(price) => price,
        Err(_) => unreachable!("a price in the ledger is positive: {}/{}", price.n, price.d),
    }
}

/// What an offer reserves of its owner's balances.
pub(crate) fn liabilities_of(offer: &OfferEntry) -> OfferLiabilities {
    exchange::offer_liabilities(exact_price(&offer.price), offer.amount)
}

/// Reserves an offer's liabilities.
pub(crate) fn acquire_liabilities(store: &mut Store, offer: &OfferEntry) -> Applied<()> {
    let liabilities = liabilities_of(offer);
    Holding::of(&offer.seller_id, &offer.buying).add_buying(store, liabilities.buying)?;
    Holding::of(&offer.seller_id, &offer.selling).add_selling(store, liabilities.selling)
}

/// Gives an offer's liabilities back.
pub(crate) fn release_liabilities(store: &mut Store, offer: &OfferEntry) -> Applied<()> {
    let liabilities = liabilities_of(offer);
    Holding::of(&offer.seller_id, &offer.buying).add_buying(store, -liabilities.buying)?;
    Holding::of(&offer.seller_id, &offer.selling).add_selling(store, -liabilities.selling)
}
