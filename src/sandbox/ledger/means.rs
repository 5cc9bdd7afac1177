//! What an account can pay, and what can be paid to it.

use stellar_xdr::{AccountEntry, AccountId, Asset, LedgerEntryData, TrustLineAsset, TrustLineEntry};

use super::Ledger;
use super::entries::{account_available, account_room, is_authorised, line_available, line_room};

impl Ledger {
    /// The assets that an account holds, with what it can pay of each, in stroops: beside reserve, liabilities and, of
    /// lumens, the base fee of one operation; nothing or less where it may not or cannot pay. None if there is no such
    /// account. Shares of pools are left out: they cannot be paid.
    pub(crate) fn can_pay(&self, account: &AccountId) -> Vec<(Asset, i64)> {
        let header = &self.store.header;
        let lumens = |account: &AccountEntry| account_available(header, account) - i64::from(header.base_fee);
        self.means(account, lumens, line_available)
    }

    /// The assets that an account holds, with what can be paid to it of each, in stroops: beside limit and liabilities;
    /// nothing where it may not take any. None if there is no such account. Shares of pools are left out.
    pub(crate) fn can_take(&self, account: &AccountId) -> Vec<(Asset, i64)> {
        self.means(account, account_room, line_room)
    }

    fn means(
        &self,
        account: &AccountId,
        lumens: impl Fn(&AccountEntry) -> i64,
        credit: impl Fn(&TrustLineEntry) -> i64,
    ) -> Vec<(Asset, i64)> {
        let Some(own) = self.store.account(account) else { return Vec::new() };
        let lines = self.lines_of(account).filter_map(|entry| match entry.data {
            LedgerEntryData::Trustline(line) => Some(line),
            _ => None,
        });
        let credits = lines.filter_map(|line| {
            let amount = if is_authorised(&line) { credit(&line) } else { 0 };
            Some((payable(&line.asset)?, amount))
        });
        credits.chain([(Asset::Native, lumens(own))]).collect()
    }
}

/// The asset of a trust line, if it can be paid.
fn payable(asset: &TrustLineAsset) -> Option<Asset> {
    match asset {
        TrustLineAsset::Native => Some(Asset::Native),
        TrustLineAsset::CreditAlphanum4(credit) => Some(Asset::CreditAlphanum4(credit.clone())),
        TrustLineAsset::CreditAlphanum12(credit) => Some(Asset::CreditAlphanum12(credit.clone())),
        TrustLineAsset::PoolShare(_) => None,
    }
}
