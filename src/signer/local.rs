//! The stock signer: the whole signature is made when it is asked for.

use super::{AccountId, Now, Signer, TxHash};
use core::fmt;
use ed25519_dalek::hazmat::ExpandedSecretKey;
use ed25519_dalek::{Signer as _, SigningKey};
use zeroize::Zeroizing;

/// The stock signer: ed25519-dalek, with the secret in this process.
pub struct LocalSigner {
    key: SigningKey,
    public: AccountId,
}

/// Why a text is no secret key. It never repeats the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretKeyError {
    /// Not 56 characters of a strkey that begins with S.
    #[error("the secret key is not a Stellar secret seed: 56 characters that begin with S are wanted")]
    NotASeed,
}

impl LocalSigner {
    /// From a raw 32-byte seed.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(seed);
        let public = AccountId(key.verifying_key().to_bytes());
        Self { key, public }
    }

    /// From a strkey, `S…` (SEP-23). White space around it is ignored, since files end with a newline.
    ///
    /// # Errors
    /// If it is none.
    pub fn from_strkey(text: &str) -> Result<Self, SecretKeyError> {
        let seed = stellar_strkey::ed25519::PrivateKey::from_string(text.trim())
            .map(|key| Zeroizing::new(key.0))
            .map_err(|_| SecretKeyError::NotASeed)?;
        Ok(Self::from_seed(&seed))
    }

    /// The same key once more, for the one who must act when the engine cannot.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self { key: self.key.clone(), public: self.public }
    }

    /// Signs a transaction's hash.
    #[must_use]
    pub fn sign_hash(&self, hash: &TxHash) -> [u8; 64] {
        self.key.sign(&hash.0).to_bytes()
    }

    /// What signatures are made with: the scalar, and the prefix that nonces are made with.
    pub(super) fn expanded(&self) -> ExpandedSecretKey {
        ExpandedSecretKey::from(self.key.as_bytes())
    }

    /// The secret as a strkey, for the one process that must have it: `cancel-all`, through a pipe.
    #[must_use]
    pub fn expose_strkey(&self) -> Zeroizing<String> {
        let text = stellar_strkey::ed25519::PrivateKey(self.key.to_bytes()).as_unredacted().to_string();
        Zeroizing::new(text.as_str().to_owned())
    }
}

impl Signer for LocalSigner {
    fn public_key(&self) -> AccountId {
        self.public
    }

    fn sign(&mut self, _now: Now, hash: &TxHash) -> [u8; 64] {
        self.sign_hash(hash)
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LocalSigner({})", self.public)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_verify_strictly() {
        let signer = LocalSigner::from_seed(&[9; 32]);
        let hash = TxHash([3; 32]);
        let signature = ed25519_dalek::Signature::from_bytes(&signer.sign_hash(&hash));
        let key = ed25519_dalek::VerifyingKey::from_bytes(&signer.public_key().0).unwrap();
        key.verify_strict(&hash.0, &signature).unwrap();
    }

    #[test]
    fn the_secret_reads_back_and_is_not_shown() {
        let signer = LocalSigner::from_seed(&[9; 32]);
        let secret = signer.expose_strkey();
        let again = LocalSigner::from_strkey(&format!("{}\n", *secret)).unwrap();
        assert_eq!(again.public_key(), signer.public_key());
        let shown = format!("{signer:?}");
        assert!(!shown.contains(&*secret) && !shown.contains("0909"));
    }

    #[test]
    fn what_is_no_seed_is_refused_without_being_repeated() {
        for text in ["", "SABC", "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"] {
            let error = LocalSigner::from_strkey(text).unwrap_err().to_string();
            assert!(text.is_empty() || !error.contains(text));
        }
    }
}
