//! Which signatures of an envelope are good for what (`SignatureChecker`).

use core::cell::RefCell;

use ed25519_dalek::{Signature, VerifyingKey};
use stellar_xdr::{
    AccountEntry, AccountId, DecoratedSignature, Hash, PublicKey, Signer, SignerKey, SignerKeyEd25519SignedPayload,
    Uint256,
};

use super::header::sha256;

/// The most that one signer weighs.
const MAX_WEIGHT: u32 = 255;

/// Ed25519 verifications that were done for an envelope: which signature, by which key, and whether it is good.
pub(crate) type Verified = Vec<(usize, Uint256, bool)>;

/// Checks one envelope's signatures, and remembers which were of use.
#[derive(Debug)]
pub(crate) struct SignatureChecker<'a> {
    hash: &'a Hash,
    signatures: &'a [DecoratedSignature],
    used: Vec<bool>,
    verified: &'a RefCell<Verified>,
    /// The account that was checked last, what it needed, and whether it had it: mostly all operations have one source.
    last: Option<(AccountId, u8, bool)>,
}

impl<'a> SignatureChecker<'a> {
    pub(crate) fn new(hash: &'a Hash, signatures: &'a [DecoratedSignature], verified: &'a RefCell<Verified>) -> Self {
        Self { hash, signatures, used: vec![false; signatures.len()], verified, last: None }
    }

    /// Whether the account's signers reach `needed`. Even a threshold of zero needs one good signature.
    ///
    /// A checker lives for one look at a transaction, in which no account's signers change.
    pub(crate) fn check_account(&mut self, account: &AccountEntry, needed: u8) -> bool {
        if let Some((last, last_needed, signed)) = &self.last
            && (last, *last_needed) == (&account.account_id, needed)
        {
            return *signed;
        }
        let signed = self.check_signers_of(account, needed);
        self.last = Some((account.account_id.clone(), needed, signed));
        signed
    }

    fn check_signers_of(&mut self, account: &AccountEntry, needed: u8) -> bool {
        let PublicKey::PublicKeyTypeEd25519(master) = &account.account_id.0;
        let master_weight = u32::from(account.thresholds.0[0]);
        let master =
            (master_weight > 0).then(|| Signer { key: SignerKey::Ed25519(master.clone()), weight: master_weight });
        let signers: Vec<&Signer> = master.iter().chain(account.signers.iter()).collect();
        self.check(&signers, u32::from(needed))
    }

    /// Whether an account that does not exist signed with its own key.
    pub(crate) fn check_missing_account(&mut self, account: &AccountId) -> bool {
        let PublicKey::PublicKeyTypeEd25519(key) = &account.0;
        self.check(&[&Signer { key: SignerKey::Ed25519(key.clone()), weight: 1 }], 0)
    }

    /// Whether all of these extra signers signed.
    pub(crate) fn check_extra_signers(&mut self, keys: &[SignerKey]) -> bool {
        let signers: Vec<Signer> = keys.iter().map(|key| Signer { key: key.clone(), weight: 1 }).collect();
        signers.is_empty()
            || self.check(&signers.iter().collect::<Vec<_>>(), u32::try_from(signers.len()).unwrap_or(u32::MAX))
    }

    /// Whether no signature was for nothing.
    pub(crate) fn all_used(&self) -> bool {
        self.used.iter().all(|used| *used)
    }

    fn check(&mut self, signers: &[&Signer], needed: u32) -> bool {
        let mut total = 0;
        for signer in signers {
            if matches!(&signer.key, SignerKey::PreAuthTx(hash) if hash.0 == self.hash.0) {
                total += signer.weight.min(MAX_WEIGHT);
                if total >= needed {
                    return true;
                }
            }
        }
        // In core's order: by kind of signer, then by signature; each signer counts once.
        let kinds: [fn(&SignerKey) -> bool; 3] = [
            |key| matches!(key, SignerKey::HashX(_)),
            |key| matches!(key, SignerKey::Ed25519(_)),
            |key| matches!(key, SignerKey::Ed25519SignedPayload(_)),
        ];
        for is_kind in kinds {
            let mut left: Vec<&Signer> = signers.iter().copied().filter(|signer| is_kind(&signer.key)).collect();
            for index in 0..self.signatures.len() {
                let Some(position) = left.iter().position(|signer| self.verify(index, &signer.key)) else { continue };
                self.used[index] = true;
                total += left.remove(position).weight.min(MAX_WEIGHT);
                if total >= needed {
                    return true;
                }
            }
        }
        false
    }

    fn verify(&self, index: usize, key: &SignerKey) -> bool {
        let signature = &self.signatures[index];
        match key {
            SignerKey::PreAuthTx(_) => false,
            SignerKey::HashX(hash) => signature.hint.0 == hint(&hash.0) && sha256(&signature.signature).0 == hash.0,
            SignerKey::Ed25519(key) => {
                signature.hint.0 == hint(&key.0)
                    && self.verify_once(index, key, || verify_ed25519(key, &signature.signature, &self.hash.0))
            }
            SignerKey::Ed25519SignedPayload(signer) => {
                signature.hint.0 == payload_hint(signer)
                    && verify_ed25519(&signer.ed25519, &signature.signature, &signer.payload)
            }
        }
    }

    /// Verifying costs far more than all else: each signature is verified once by each key.
    fn verify_once(&self, index: usize, key: &Uint256, verify: impl FnOnce() -> bool) -> bool {
        let known = self.verified.borrow().iter().find(|(i, k, _)| *i == index && k == key).map(|(_, _, good)| *good);
        known.unwrap_or_else(|| {
            let good = verify();
            self.verified.borrow_mut().push((index, key.clone(), good));
            good
        })
    }
}

fn verify_ed25519(key: &Uint256, signature: &[u8], message: &[u8]) -> bool {
    let (Ok(key), Ok(signature)) = (VerifyingKey::from_bytes(&key.0), Signature::from_slice(signature)) else {
        return false;
    };
    key.verify_strict(message, &signature).is_ok()
}

/// The last four bytes of a key, by which signatures are matched to signers.
fn hint(bytes: &[u8]) -> [u8; 4] {
    let mut hint = [0; 4];
    let tail = &bytes[bytes.len().saturating_sub(4)..];
    hint[..tail.len()].copy_from_slice(tail);
    hint
}

fn payload_hint(signer: &SignerKeyEd25519SignedPayload) -> [u8; 4] {
    let (key, payload) = (hint(&signer.ed25519.0), hint(&signer.payload));
    core::array::from_fn(|i| key[i] ^ payload[i])
}
