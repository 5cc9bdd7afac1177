//! Keys, and signatures by them.
//!
//! A secret is read once, zeroised when dropped, and has no `Display`; its `Debug` shows the public key alone.

mod local;
pub mod precomputed;

pub use local::{LocalSigner, SecretKeyError};

use crate::events::Now;
use crate::stellar::{AccountId, TxHash};
use precomputed::PrecomputedSigner;

/// Signs transaction hashes.
pub trait Signer {
    /// The public key, by which signatures are found valid.
    fn public_key(&self) -> AccountId;

    /// Signs a transaction's hash (RFC 8032). `now` is the moment, by which what was made ahead is fresh or not.
    fn sign(&mut self, now: Now, hash: &TxHash) -> [u8; 64];
}

/// The signer of an account, as it was configured.
#[derive(Debug)]
pub enum AccountSigner {
    /// The default.
    Local(LocalSigner),
    /// Nonces made ahead.
    Precomputed(PrecomputedSigner),
}

impl Signer for AccountSigner {
    fn public_key(&self) -> AccountId {
        match self {
            Self::Local(signer) => signer.public_key(),
            Self::Precomputed(signer) => signer.public_key(),
        }
    }

    fn sign(&mut self, now: Now, hash: &TxHash) -> [u8; 64] {
        match self {
            Self::Local(signer) => signer.sign(now, hash),
            Self::Precomputed(signer) => signer.sign(now, hash),
        }
    }
}
