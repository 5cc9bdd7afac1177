//! Off the line: every signature that was made with a nonce made ahead is verified, and its point compared with those
//! before.

use super::TxHash;
use ed25519_dalek::{Signature, VerifyingKey};
use rustc_hash::FxHashSet;
use std::collections::VecDeque;

/// Points that are remembered. A nonce waits for seconds at most, so that one which was used twice is used again soon.
const REMEMBERED: usize = 1 << 16;

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It does not verify.
    #[error("a signature does not verify")]
    Invalid,
    /// Its nonce was used before: with another message, the two give the key away.
    #[error("a nonce was used twice: the key must be taken for known; replace it as a signer of its account")]
    Reused,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Checker {
    key: VerifyingKey,
    seen: FxHashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Checker {
    pub(super) fn new(key: VerifyingKey) -> Self {
        Self { key, seen: FxHashSet::default(), order: VecDeque::new() }
    }

    pub(super) fn check(&mut self, hash: &TxHash, signature: &[u8; 64]) -> Result<(), SignatureFault> {
        let [point, _] = split(signature);
        if !self.seen.insert(point) {
            return Err(SignatureFault::Reused);
        }
        self.order.push_back(point);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        let signature = Signature::from_bytes(signature);
        self.key.verify_strict(&hash.0, &signature).map_err(|_| SignatureFault::Invalid)
    }
}

fn split(signature: &[u8; 64]) -> [[u8; 32]; 2] {
    let mut halves = [[0; 32]; 2];
    halves[0].copy_from_slice(&signature[..32]);
    halves[1].copy_from_slice(&signature[32..]);
    halves
}
