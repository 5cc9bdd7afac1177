//! Effects on trust lines.

use super::{EffectKind, Effects};
use stellar_xdr::{
    AccountId, AllowTrustOp, AlphaNum4, AlphaNum12, Asset, AssetCode, ChangeTrustAsset, ChangeTrustOp, LedgerEntry,
    LedgerEntryData, SetTrustLineFlagsOp, TrustLineAsset, TrustLineFlags,
};

const AUTHORISED: u32 = TrustLineFlags::AuthorizedFlag as u32;
const MAINTAINS: u32 = TrustLineFlags::AuthorizedToMaintainLiabilitiesFlag as u32;

impl Effects<'_> {
    /// One effect, on the line that the operation names: with pool shares, lines of the pool's assets change too.
    pub(super) fn change_trust(&mut self, op: &ChangeTrustOp) {
        let wants_shares = matches!(op.line, ChangeTrustAsset::PoolShare(_));
        let line = |entry: Option<&LedgerEntry>| match &entry?.data {
            LedgerEntryData::Trustline(line) => Some(line.asset.clone()),
            _ => None,
        };
        let changes = self.changes.iter().map(|change| (line(change.before), line(change.after)));
        let fits = |line: &TrustLineAsset| matches!(line, TrustLineAsset::PoolShare(_)) == wants_shares;
        let change = changes.into_iter().find(|(before, after)| before.as_ref().or(after.as_ref()).is_some_and(fits));
        let limit = op.limit;
        let kind = match change {
            Some((None, Some(line))) => EffectKind::TrustlineCreated { line, limit },
            Some((Some(_), Some(line))) => EffectKind::TrustlineUpdated { line, limit },
            Some((Some(line), None)) => EffectKind::TrustlineRemoved { line, limit },
            _ => return,
        };
        self.own(kind);
    }

    pub(super) fn allow_trust(&mut self, op: &AllowTrustOp) {
        let asset = asset_of(&op.asset, self.source_account());
        let trustor = op.trustor.clone();
        let (kind, set, cleared) = if op.authorize & AUTHORISED != 0 {
            (EffectKind::TrustlineAuthorised { trustor, asset: asset.clone() }, AUTHORISED, 0)
        } else if op.authorize & MAINTAINS != 0 {
            let kind = EffectKind::TrustlineAuthorisedToMaintainLiabilities { trustor, asset: asset.clone() };
            (kind, MAINTAINS, 0)
        } else {
            (EffectKind::TrustlineDeauthorised { trustor, asset: asset.clone() }, 0, AUTHORISED | MAINTAINS)
        };
        self.own(kind);
        self.own(EffectKind::TrustlineFlagsUpdated { trustor: op.trustor.clone(), asset, set, cleared });
        self.pools_revoked();
    }

    pub(super) fn set_trust_line_flags(&mut self, op: &SetTrustLineFlagsOp) {
        self.own(EffectKind::TrustlineFlagsUpdated {
            trustor: op.trustor.clone(),
            asset: op.asset.clone(),
            set: op.set_flags,
            cleared: op.clear_flags,
        });
        self.pools_revoked();
    }
}

/// The asset of this code and issuer.
pub(crate) fn asset_of(code: &AssetCode, issuer: AccountId) -> Asset {
    match code.clone() {
        AssetCode::CreditAlphanum4(asset_code) => Asset::CreditAlphanum4(AlphaNum4 { asset_code, issuer }),
        AssetCode::CreditAlphanum12(asset_code) => Asset::CreditAlphanum12(AlphaNum12 { asset_code, issuer }),
    }
}
