//! What an account holds of an asset, wherever that is kept: its own balance for the native asset, a trust line for a
//! credit, nothing (and without end) for its issuer (`TrustLineWrapper`).

use stellar_xdr::{AccountEntry, AccountId, Asset, Liabilities, OfferEntry, Price, TrustLineEntry};

use crate::stellar::exchange::{self, OfferLiabilities};

use super::assets::is_issuer;
use super::entries::{
    account_add_balance, account_add_buying, account_add_selling, account_available, account_liabilities, account_room,
    is_authorised, line_add_balance, line_add_buying, line_add_selling, line_available, line_liabilities, line_room,
    may_maintain,
};
use super::outcome::{Applied, ensure, internal};
use super::store::{Key, Place, Store};

const BAD_AUTHORISATION: &str = "Invalid authorization";
const NO_ACCOUNT: &str = "account does not exist";
const NO_LINE: &str = "trustline does not exist";

/// Where an account keeps an asset: found once, used as long as the operation that asked for it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Holding {
    /// In its account entry, which may not exist.
    Native(Option<Place>),
    /// Nowhere: it issues it.
    Issuer,
    /// In a trust line, which may not exist.
    Line(Option<Place>),
}

impl Holding {
    pub(crate) fn of(store: &Store, account: &AccountId, asset: &Asset) -> Self {
        match asset {
            Asset::Native => Self::Native(store.account_place(account)),
            _ if is_issuer(account, asset) => Self::Issuer,
            _ => Self::Line(store.place(&Key::line(account, asset))),
        }
    }

    fn account(self, store: &Store) -> Option<&AccountEntry> {
        match self {
            Self::Native(place) => store.account_at(place?),
            Self::Issuer | Self::Line(_) => None,
        }
    }

    fn line(self, store: &Store) -> Option<&TrustLineEntry> {
        match self {
            Self::Line(place) => store.line_at(place?),
            Self::Native(_) | Self::Issuer => None,
        }
    }

    /// Whether it exists: a missing trust line does not.
    pub(crate) fn exists(self, store: &Store) -> bool {
        match self {
            Self::Native(_) | Self::Issuer => true,
            Self::Line(_) => self.line(store).is_some(),
        }
    }

    /// Whether the issuer lets it be used in full.
    pub(crate) fn is_authorised(self, store: &Store) -> bool {
        match self {
            Self::Native(_) | Self::Issuer => true,
            Self::Line(_) => self.line(store).is_some_and(is_authorised),
        }
    }

    /// Whether the issuer lets it stay in offers and pools.
    pub(crate) fn may_maintain(self, store: &Store) -> bool {
        match self {
            Self::Native(_) | Self::Issuer => true,
            Self::Line(_) => self.line(store).is_some_and(may_maintain),
        }
    }

    /// The balance, reserves and liabilities included.
    pub(crate) fn balance(self, store: &Store) -> i64 {
        match self {
            Self::Native(_) => self.account(store).map_or(0, |account| account.balance),
            Self::Issuer => i64::MAX,
            Self::Line(_) => self.line(store).map_or(0, |line| line.balance),
        }
    }

    /// What can be spent beside reserve and liabilities; negative if the reserve was raised.
    pub(crate) fn available(self, store: &Store) -> Applied<i64> {
        match self {
            Self::Native(_) => match self.account(store) {
                Some(account) => Ok(account_available(&store.header, account)),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(i64::MAX),
            Self::Line(_) => match self.line(store) {
                Some(line) if may_maintain(line) => Ok(line_available(line)),
                Some(_) => internal(BAD_AUTHORISATION),
                None => internal(NO_LINE),
            },
        }
    }

    /// What can still be received beside liabilities.
    pub(crate) fn room(self, store: &Store) -> Applied<i64> {
        match self {
            Self::Native(_) => match self.account(store) {
                Some(account) => Ok(account_room(account)),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(i64::MAX),
            Self::Line(_) => match self.line(store) {
                Some(line) if may_maintain(line) => Ok(line_room(line)),
                Some(_) => internal(BAD_AUTHORISATION),
                None => internal(NO_LINE),
            },
        }
    }

    /// What offers have promised of it.
    pub(super) fn liabilities(self, store: &Store) -> Liabilities {
        const NONE: Liabilities = Liabilities { buying: 0, selling: 0 };
        match self {
            Self::Native(_) => self.account(store).map_or(NONE, account_liabilities),
            Self::Issuer => NONE,
            Self::Line(_) => self.line(store).map_or(NONE, line_liabilities),
        }
    }

    /// `canSellAtMost`.
    pub(crate) fn can_sell(self, store: &Store) -> Applied<i64> {
        if self.may_maintain(store) { Ok(self.available(store)?.max(0)) } else { Ok(0) }
    }

    /// `canBuyAtMost`.
    pub(crate) fn can_buy(self, store: &Store) -> Applied<i64> {
        if self.exists(store) { Ok(self.room(store)?.max(0)) } else { Ok(0) }
    }

    /// Changes the balance within reserve, limit and liabilities; `false` if that cannot be. Touches the entry.
    pub(crate) fn add_balance(self, store: &mut Store, delta: i64) -> Applied<bool> {
        match self {
            Self::Native(place) => match place.and_then(|place| store.account_at_mut_with_header(place)) {
                Some((account, header)) => Ok(account_add_balance(header, account, delta)),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(true),
            Self::Line(place) => match place.and_then(|place| store.line_at_mut(place)) {
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
    pub(super) fn add_selling(self, store: &mut Store, delta: i64) -> Applied<()> {
        const FAILED: &str = "could not add selling liabilities";
        match self {
            Self::Native(place) => match place.and_then(|place| store.account_at_mut_with_header(place)) {
                Some((account, header)) => ensure(account_add_selling(header, account, delta), FAILED),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(()),
            Self::Line(place) => match place.and_then(|place| store.line_at_mut(place)) {
                None => internal(NO_LINE),
                Some(line) => {
                    ensure(delta == 0 || may_maintain(line), BAD_AUTHORISATION)?;
                    ensure(line_add_selling(line, delta), FAILED)
                }
            },
        }
    }

    /// Changes the room that is promised for purchases. Touches the entry.
    pub(super) fn add_buying(self, store: &mut Store, delta: i64) -> Applied<()> {
        const FAILED: &str = "could not add buying liabilities";
        match self {
            Self::Native(place) => match place.and_then(|place| store.account_at_mut_with_header(place)) {
                Some((account, _)) => ensure(account_add_buying(account, delta), FAILED),
                None => internal(NO_ACCOUNT),
            },
            Self::Issuer => Ok(()),
            Self::Line(place) => match place.and_then(|place| store.line_at_mut(place)) {
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

/// Where the owner of an offer keeps what it sells and what it buys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sides {
    pub(crate) selling: Holding,
    pub(crate) buying: Holding,
}

impl Sides {
    pub(crate) fn of(store: &Store, offer: &OfferEntry) -> Self {
        Self {
            selling: Holding::of(store, &offer.seller_id, &offer.selling),
            buying: Holding::of(store, &offer.seller_id, &offer.buying),
        }
    }

    /// Reserves what an offer promises.
    pub(crate) fn acquire(self, store: &mut Store, promised: OfferLiabilities) -> Applied<()> {
        self.buying.add_buying(store, promised.buying)?;
        self.selling.add_selling(store, promised.selling)
    }

    /// Gives back what an offer promised.
    pub(crate) fn release(self, store: &mut Store, promised: OfferLiabilities) -> Applied<()> {
        self.buying.add_buying(store, -promised.buying)?;
        self.selling.add_selling(store, -promised.selling)
    }
}

/// Reserves an offer's liabilities.
pub(crate) fn acquire_liabilities(store: &mut Store, offer: &OfferEntry) -> Applied<()> {
    Sides::of(store, offer).acquire(store, liabilities_of(offer))
}

/// Gives an offer's liabilities back.
pub(crate) fn release_liabilities(store: &mut Store, offer: &OfferEntry) -> Applied<()> {
    Sides::of(store, offer).release(store, liabilities_of(offer))
}
