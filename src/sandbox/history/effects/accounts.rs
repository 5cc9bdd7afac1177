//! Effects on accounts themselves: options, signers, data, sequence numbers.

use super::{EffectKind, Effects};
use std::collections::BTreeMap;
use stellar_xdr::{AccountEntry, LedgerEntry, LedgerEntryData, ManageDataOp, SetOptionsOp};

impl Effects<'_> {
    pub(super) fn set_options(&mut self, op: &SetOptionsOp) {
        if let Some(domain) = &op.home_domain {
            self.own(EffectKind::HomeDomainUpdated(domain.0.to_utf8_string_lossy()));
        }
        let (low, medium, high) = (op.low_threshold, op.med_threshold, op.high_threshold);
        if low.is_some() || medium.is_some() || high.is_some() {
            self.own(EffectKind::ThresholdsUpdated { low, medium, high });
        }
        let (set, cleared) = (op.set_flags.unwrap_or(0), op.clear_flags.unwrap_or(0));
        if set != 0 || cleared != 0 {
            self.own(EffectKind::FlagsUpdated { set, cleared });
        }
        if let Some(destination) = &op.inflation_dest {
            self.own(EffectKind::InflationDestinationUpdated(destination.clone()));
        }
        self.signers();
    }

    /// Signers that came, went, or weigh otherwise; removals and updates first, each by key.
    fn signers(&mut self) {
        let accounts: Vec<_> = self.changes.iter().map(super::Change::accounts).collect();
        for (before, after) in accounts {
            let (Some(before), Some(after)) = (before.map(weights), after.map(weights)) else { continue };
            for (key, old) in &before {
                match after.get(key) {
                    None => self.own(EffectKind::SignerRemoved { key: key.clone() }),
                    Some(weight) if weight != old => {
                        self.own(EffectKind::SignerUpdated { key: key.clone(), weight: *weight });
                    }
                    Some(_) => {}
                }
            }
            for (key, weight) in after.into_iter().filter(|(key, _)| !before.contains_key(key)) {
                self.own(EffectKind::SignerCreated { key, weight });
            }
        }
    }

    pub(super) fn manage_data(&mut self, op: &ManageDataOp) {
        let data = |entry: Option<&LedgerEntry>| match &entry?.data {
            LedgerEntryData::Data(data) => Some(data.data_value.0.to_vec()),
            _ => None,
        };
        let name = op.data_name.0.to_utf8_string_lossy();
        let change = self.changes.iter().map(|change| (data(change.before), data(change.after)));
        let kind = match change.into_iter().find(|(before, after)| before.is_some() || after.is_some()) {
            Some((None, Some(value))) => EffectKind::DataCreated { name, value },
            Some((Some(_), Some(value))) => EffectKind::DataUpdated { name, value },
            Some((Some(_), None)) => EffectKind::DataRemoved { name },
            _ => return,
        };
        self.own(kind);
    }

    pub(super) fn bump_sequence(&mut self) {
        let accounts = self.changes.iter().map(super::Change::accounts);
        let bumped = accounts.into_iter().find_map(|(before, after)| Some((before?.seq_num.0, after?.seq_num.0)));
        if let Some((before, after)) = bumped
            && before != after
        {
            self.own(EffectKind::SequenceBumped(after));
        }
    }
}

/// An account's keys and what they weigh, its own included unless it weighs nothing.
fn weights(account: &AccountEntry) -> BTreeMap<String, u32> {
    let [master, ..] = account.thresholds.0;
    let own = (master > 0).then(|| (account.account_id.to_string(), u32::from(master)));
    let others = account.signers.iter().map(|signer| (signer.key.to_string(), signer.weight));
    own.into_iter().chain(others).collect()
}
