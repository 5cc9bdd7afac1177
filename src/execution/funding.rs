//! What the account can afford, as the ledger reckons it: balance less liabilities less reserve, and a trustline's room.

use crate::events::WithheldReason;
use crate::events::views::{AccountView, LineView};
use crate::stellar::{Asset, AssetIndex, Side};

/// Base reserves that an account needs before any subentry (`LedgerManager::getMinBalance`).
const BASE_ENTRIES: i64 = 2;

/// What can still be sold and received of one asset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holding {
    /// What may still be promised, stroops.
    pub sellable: i64,
    /// What may still be received, stroops.
    pub receivable: i64,
}

/// The two holdings of a market, and the lumens that new offers may lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Funds {
    /// Of the base asset.
    pub base: Holding,
    /// Of the quote asset.
    pub quote: Holding,
    /// Lumens above the minimum balance, less what offers have promised.
    pub spare_lumens: i64,
    /// Lumens that each new offer locks.
    pub base_reserve: i64,
    /// The side whose offers sell lumens, if the market trades them.
    pub sells_lumens: Option<Side>,
}

/// The account's spare lumens: balance less minimum balance less selling liabilities, never negative.
#[must_use]
pub fn spare_lumens(account: &AccountView, base_reserve: i64) -> i64 {
    let entries = BASE_ENTRIES + i64::from(account.subentries) + i64::from(account.sponsoring);
    let locked = (entries - i64::from(account.sponsored)).max(0).saturating_mul(base_reserve);
    account.balance.saturating_sub(locked).saturating_sub(account.selling_liabilities).max(0)
}

/// The holding of one asset.
///
/// # Errors
/// If the account has no trustline for it, or may not trade on it.
pub fn holding(
    asset: &Asset,
    index: AssetIndex,
    account: &AccountView,
    issued_by_us: bool,
    base_reserve: i64,
    line: impl FnOnce(AssetIndex) -> LineView,
) -> Result<Holding, WithheldReason> {
    if account.exists == 0 {
        return Err(WithheldReason::NoAccount);
    }
    match asset {
        Asset::Native => Ok(Holding {
            sellable: spare_lumens(account, base_reserve),
            receivable: i64::MAX - account.balance.saturating_add(account.buying_liabilities).max(0),
        }),
        // An issuer makes what it sells, and unmakes what it receives.
        Asset::Credit { .. } if issued_by_us => Ok(Holding { sellable: i64::MAX, receivable: i64::MAX }),
        Asset::Credit { .. } => {
            let line = line(index);
            if line.exists == 0 || line.authorized == 0 {
                return Err(WithheldReason::NoTrust);
            }
            Ok(Holding {
                sellable: line.balance.saturating_sub(line.selling_liabilities).max(0),
                receivable: line.limit.saturating_sub(line.balance).saturating_sub(line.buying_liabilities).max(0),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stellar::AccountId;

    const USDC: Asset = Asset::Credit { code: crate::stellar::AssetCode::Four(*b"USDC"), issuer: AccountId([1; 32]) };

    #[test]
    fn lumens_keep_the_reserve_and_what_is_promised() {
        let account = AccountView {
            exists: 1,
            balance: 100,
            selling_liabilities: 20,
            subentries: 3,
            sponsored: 1,
            ..Default::default()
        };
        let holding = holding(&Asset::Native, AssetIndex(0), &account, false, 5, |_| LineView::default()).unwrap();
        assert_eq!(holding.sellable, 100 - (2 + 3 - 1) * 5 - 20);
    }

    #[test]
    fn a_line_keeps_its_limit_and_wants_authorisation() {
        let account = AccountView { exists: 1, ..Default::default() };
        let line = LineView {
            exists: 1,
            authorized: 1,
            balance: 10,
            limit: 30,
            buying_liabilities: 5,
            selling_liabilities: 4,
        };
        let look = |line: LineView| holding(&USDC, AssetIndex(1), &account, false, 5, move |_| line);
        assert_eq!(look(line), Ok(Holding { sellable: 6, receivable: 15 }));
        assert_eq!(look(LineView { authorized: 0, ..line }), Err(WithheldReason::NoTrust));
        assert_eq!(look(LineView { exists: 0, ..line }), Err(WithheldReason::NoTrust));
    }
}
