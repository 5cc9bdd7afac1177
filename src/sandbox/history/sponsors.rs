//! Who pays for whose reserve, as entries say.

use super::changes::Change;
use stellar_xdr::{
    AccountEntry, AccountEntryExt, AccountEntryExtensionV1Ext, AccountId, LedgerEntry, LedgerEntryData, LedgerEntryExt,
    SignerKey,
};

/// Who sponsors an entry.
pub(crate) fn sponsor_of(entry: &LedgerEntry) -> Option<&AccountId> {
    match &entry.ext {
        LedgerEntryExt::V0 => None,
        LedgerEntryExt::V1(ext) => ext.sponsoring_id.0.as_ref(),
    }
}

/// Who sponsors a signer of an account; `None` also if there is no such signer.
pub(crate) fn signer_sponsor<'m>(account: &'m AccountEntry, key: &SignerKey) -> Option<&'m AccountId> {
    let AccountEntryExt::V1(v1) = &account.ext else { return None };
    let AccountEntryExtensionV1Ext::V2(v2) = &v1.ext else { return None };
    let place = account.signers.iter().position(|signer| signer.key == *key)?;
    v2.signer_sponsoring_i_ds.get(place)?.0.as_ref()
}

impl<'m> Change<'m> {
    /// The account before and after, if it is one's.
    pub(crate) fn accounts(&self) -> (Option<&'m AccountEntry>, Option<&'m AccountEntry>) {
        let account = |entry: Option<&'m LedgerEntry>| match &entry?.data {
            LedgerEntryData::Account(account) => Some(account),
            _ => None,
        };
        (account(self.before), account(self.after))
    }

    /// The account that began to sponsor this signer, if there is one.
    fn new_signer_sponsor(&self, key: &SignerKey) -> Option<&'m AccountId> {
        let (before, after) = self.accounts();
        let now = signer_sponsor(after?, key)?;
        (before.and_then(|account| signer_sponsor(account, key)) != Some(now)).then_some(now)
    }

    /// The sponsor of an entry that was created.
    fn creation_sponsor(&self) -> Option<&'m AccountId> {
        if self.before.is_some() { None } else { sponsor_of(self.after?) }
    }
}

/// Who sponsors what an operation created; `signer` is the one that it set (Horizon's `getSponsor`).
pub(crate) fn new_sponsor<'m>(changes: &[Change<'m>], signer: Option<&SignerKey>) -> Option<&'m AccountId> {
    changes
        .iter()
        .find_map(|change| signer.and_then(|key| change.new_signer_sponsor(key)).or_else(|| change.creation_sponsor()))
}
