//! Effects of sponsorship: of entries, and of signers.

use super::{Effect, EffectKind, Effects, Sponsored, plain};
use crate::sandbox::history::changes::Change;
use crate::sandbox::history::sponsors::{signer_sponsor, sponsor_of};
use std::collections::{BTreeMap, BTreeSet};
use stellar_xdr::{AccountEntry, AccountId, LedgerEntryData, MuxedAccount};

impl Effects<'_> {
    pub(super) fn of_sponsorship(&mut self) {
        let source = &self.source;
        let effects: Vec<Effect> = self
            .changes
            .iter()
            .flat_map(|change| of_entry(change, source).into_iter().chain(of_signers(change)))
            .collect();
        self.list.extend(effects);
    }
}

/// What became of a sponsor.
fn kind(of: Sponsored, former: Option<&AccountId>, sponsor: Option<&AccountId>) -> Option<EffectKind> {
    match (former.cloned(), sponsor.cloned()) {
        (None, Some(sponsor)) => Some(EffectKind::SponsorshipCreated { of, sponsor }),
        (Some(former), None) => Some(EffectKind::SponsorshipRemoved { of, former }),
        (Some(former), Some(sponsor)) if former != sponsor => {
            Some(EffectKind::SponsorshipUpdated { of, former, sponsor })
        }
        _ => None,
    }
}

/// Offers are not among it: Horizon has no effects of their sponsorship.
fn of_entry(change: &Change<'_>, source: &MuxedAccount) -> Option<Effect> {
    let (account, of) = match &change.entry().data {
        LedgerEntryData::Account(account) => (plain(&account.account_id), Sponsored::Account),
        LedgerEntryData::Trustline(line) => (plain(&line.account_id), Sponsored::Trustline(line.asset.clone())),
        LedgerEntryData::Data(data) => (source.clone(), Sponsored::Data(data.data_name.0.to_utf8_string_lossy())),
        LedgerEntryData::ClaimableBalance(balance) => (source.clone(), Sponsored::Balance(balance.balance_id.clone())),
        _ => return None,
    };
    let kind = kind(of, change.before.and_then(sponsor_of), change.after.and_then(sponsor_of))?;
    Some(Effect { account, kind })
}

fn of_signers(change: &Change<'_>) -> Vec<Effect> {
    let (before, after) = change.accounts();
    let Some(account) = after.or(before) else { return Vec::new() };
    let (former, sponsor) = (before.map(sponsors).unwrap_or_default(), after.map(sponsors).unwrap_or_default());
    let keys: BTreeSet<&String> = former.keys().chain(sponsor.keys()).collect();
    let kinds = keys.into_iter().filter_map(|key| {
        let of = Sponsored::Signer(key.clone());
        kind(of, former.get(key).copied(), sponsor.get(key).copied())
    });
    kinds.map(|kind| Effect { account: plain(&account.account_id), kind }).collect()
}

/// The sponsors of an account's signers, by key.
fn sponsors(account: &AccountEntry) -> BTreeMap<String, &AccountId> {
    let sponsored =
        |signer: &stellar_xdr::Signer| Some((signer.key.to_string(), signer_sponsor(account, &signer.key)?));
    account.signers.iter().filter_map(sponsored).collect()
}
