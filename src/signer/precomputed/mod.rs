//! The fast signer: Ed25519 signatures whose nonces were made ahead.
//!
//! A signature (RFC 8032) is `R ‖ s` with `R = r·B`, `k = SHA-512(R ‖ A ‖ M)` and `s = r + k·a` (mod the group's order).
//! What costs is `R`, and it does not depend on the message: a thread of its own draws `r` and computes `R`, and on the
//! line remain one SHA-512 and one multiply-add (`benches/sign.rs`).
//!
//! # Why it is secure, and when it is not
//!
//! RFC 8032 derives `r` from the key and the message. Here it is random, as in Schnorr's own scheme, whose security is
//! proved for uniform, secret `r`, each used for one message. Verifiers see no difference. All then hangs on `r`: **two
//! signatures of different messages with one `r` give the key away** (`a = (s − s′)/(k − k′)`), and so does one whose `r`
//! is known. Hence:
//!
//! * **Uniform and secret.** `r` is SHA-512, reduced, of 64 bytes of the kernel's generator, behind the key's own prefix
//!   and a counter: it is unknown as long as one of generator and key is, and a generator that repeats itself does not
//!   repeat `r`. There is no seed to be set, in tests neither.
//! * **Once.** A nonce is moved out of its slot by the one thread that turned the slot, and the slot is wiped before it is
//!   free (`pool.rs`). It is not `Clone`, is wiped when dropped, and no error path gives it back.
//! * **In one process.** The pool is a page that is empty in a child of a fork, left out of core dumps, and never swapped
//!   (`vault.rs`).
//! * **In one time.** A nonce is replaced after 1.5 s and refused after 4 s, or when monotonic clock and wall clock have
//!   drifted apart by more than a second since it was made; those are wiped by whichever thread meets them first. When the
//!   kernel's boot id is another, all are wiped.
//! * **Watched.** Off the line every signature is verified strictly, and each `R` compared with 65,536 before it. The first
//!   fault ends the use of nonces and, through [`SignerWatch`], trading. While more signatures wait to be checked than
//!   there is room for, or nonces have run out, the stock signer signs.
//! * **Constant time.** Scalar arithmetic, SHA-512 and the making of `R` are those of `curve25519-dalek` and `sha2`: no
//!   branch and no index depends on a secret.
//!
//! **Not on machines that are snapshotted and run again**, or migrated by a copy that may run twice: within the lifetime of
//! a nonce both runs hold the same ones, and nothing in the guest shows it for sure. Use the stock signer there. In any
//! case the key of a trading process is better a replaceable signer of its account, under a master key that is kept cold.

mod checker;
mod pool;
mod vault;

pub use checker::SignatureFault;

use super::{AccountId, LocalSigner, Now, Signer, TxHash};
use crate::events::Clock;
use checker::Checker;
use core::fmt;
use curve25519_dalek::{EdwardsPoint, Scalar};
use ed25519_dalek::VerifyingKey;
use parking_lot::Mutex;
use pool::{Nonce, Pool};
use sha2::{Digest as _, Sha512};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use zeroize::Zeroizing;

/// Signatures that wait to be checked.
const UNCHECKED: usize = 64;
/// How often nonces are looked after and signatures checked.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How often it is asked whether this is still the same boot.
const BOOT_EVERY_NS: u64 = 1_000_000_000;
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// Why there is no such signer.
#[derive(Debug, thiserror::Error)]
pub enum PrecomputedError {
    /// The kernel does not protect a page.
    #[error(
        "no memory for nonces that is locked, wiped on fork and left out of dumps: {0}. Allow the process to lock memory \
         (ulimit -l, CAP_IPC_LOCK), or use the stock signer"
    )]
    Memory(io::Error),
    /// The key is no point of the curve, which that of a [`LocalSigner`] is.
    #[error("the public key is no point of the curve")]
    Key,
}

/// What the signer does, for whoever shows it, and its fault, if there ever was one.
#[derive(Debug, Default)]
pub struct SignerWatch {
    fast: AtomicU64,
    stock: AtomicU64,
    checked: AtomicU64,
    faulty: AtomicBool,
    fault: Mutex<Option<SignatureFault>>,
}

impl SignerWatch {
    /// Signatures with nonces made ahead.
    #[must_use]
    pub fn fast(&self) -> u64 {
        self.fast.load(Ordering::Relaxed)
    }

    /// Signatures by the stock signer, because there was no nonce.
    #[must_use]
    pub fn stock(&self) -> u64 {
        self.stock.load(Ordering::Relaxed)
    }

    /// Fast signatures that were checked, and found good.
    #[must_use]
    pub fn checked(&self) -> u64 {
        self.checked.load(Ordering::Relaxed)
    }

    /// The first fault: trading must stop.
    #[must_use]
    pub fn fault(&self) -> Option<SignatureFault> {
        if self.faulty.load(Ordering::Acquire) { *self.fault.lock() } else { None }
    }

    pub(crate) fn raise(&self, fault: SignatureFault) {
        self.fault.lock().get_or_insert(fault);
        self.faulty.store(true, Ordering::Release);
    }
}

/// The line's end. See the [module](self).
pub struct PrecomputedSigner {
    stock: LocalSigner,
    scalar: Scalar,
    pool: Arc<Pool>,
    unchecked: rtrb::Producer<(TxHash, [u8; 64])>,
    watch: Arc<SignerWatch>,
}

/// The other end: it makes nonces, and checks what was signed. To be run on a thread beside the line.
pub struct SignerCare {
    prefix: Zeroizing<[u8; 32]>,
    pool: Arc<Pool>,
    unchecked: rtrb::Consumer<(TxHash, [u8; 64])>,
    checker: Checker,
    watch: Arc<SignerWatch>,
    made: u64,
    boot: Boot,
}

/// Which boot of the machine this is.
#[derive(Debug)]
struct Boot {
    id: Option<String>,
    asked: Now,
}

/// A signer of this key, and what must be run for it.
///
/// # Errors
/// If the kernel does not protect memory as it must be.
pub fn precomputed(stock: LocalSigner) -> Result<(PrecomputedSigner, SignerCare), PrecomputedError> {
    let pool = Arc::new(Pool::new().map_err(PrecomputedError::Memory)?);
    let (unchecked, checking) = rtrb::RingBuffer::new(UNCHECKED);
    let watch = Arc::new(SignerWatch::default());
    let key = VerifyingKey::from_bytes(&stock.public_key().0).map_err(|_| PrecomputedError::Key)?;
    let expanded = stock.expanded();
    let care = SignerCare {
        prefix: Zeroizing::new(expanded.hash_prefix),
        pool: Arc::clone(&pool),
        unchecked: checking,
        checker: Checker::new(key),
        watch: Arc::clone(&watch),
        made: 0,
        boot: Boot { id: std::fs::read_to_string(BOOT_ID).ok(), asked: Now::default() },
    };
    let signer = PrecomputedSigner { scalar: expanded.scalar, stock, pool, unchecked, watch };
    Ok((signer, care))
}

/// Whether this system protects memory as this signer needs it.
#[must_use]
pub fn is_possible() -> bool {
    Pool::new().is_ok()
}

impl PrecomputedSigner {
    /// What it does.
    #[must_use]
    pub fn watch(&self) -> Arc<SignerWatch> {
        Arc::clone(&self.watch)
    }
}

impl Signer for PrecomputedSigner {
    fn public_key(&self) -> AccountId {
        self.stock.public_key()
    }

    fn sign(&mut self, now: Now, hash: &TxHash) -> [u8; 64] {
        let may = !self.watch.faulty.load(Ordering::Relaxed) && !self.unchecked.is_full();
        let Some(nonce) = may.then(|| self.pool.take(now)).flatten() else {
            self.watch.stock.fetch_add(1, Ordering::Relaxed);
            return self.stock.sign_hash(hash);
        };
        let signature = nonce.finish(&self.scalar, &self.stock.public_key(), hash);
        self.watch.fast.fetch_add(1, Ordering::Relaxed);
        let pushed = self.unchecked.push((*hash, signature));
        assert!(pushed.is_ok(), "there was room, and nobody else fills it");
        signature
    }
}

impl Nonce {
    /// The signature of one message with this nonce, which is spent.
    fn finish(self, scalar: &Scalar, public: &AccountId, hash: &TxHash) -> [u8; 64] {
        let secret = Zeroizing::new(Scalar::from_bytes_mod_order(*self.secret));
        let digest = Sha512::new().chain_update(self.point).chain_update(public.0).chain_update(hash.0).finalize();
        let challenge = Scalar::from_bytes_mod_order_wide(&digest.into());
        let response = challenge * scalar + *secret;
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&self.point);
        signature[32..].copy_from_slice(response.as_bytes());
        signature
    }
}

impl Drop for PrecomputedSigner {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut self.scalar);
        self.pool.empty();
    }
}

impl fmt::Debug for PrecomputedSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrecomputedSigner({})", self.stock.public_key())
    }
}

impl SignerCare {
    /// Looks after nonces and signatures until it is told to stop; then all nonces are wiped, and what was signed is
    /// checked to the last.
    pub fn run(mut self, clock: &impl Clock, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.look(clock.now());
            std::thread::sleep(LOOK_EVERY);
        }
        self.pool.empty();
        self.check();
    }

    /// One look.
    pub fn look(&mut self, now: Now) {
        self.check();
        if self.is_another_boot(now) {
            self.pool.empty();
        }
        if self.watch.faulty.load(Ordering::Relaxed) {
            return self.pool.empty();
        }
        let Self { pool, prefix, made, .. } = self;
        // Without randomness the stock signer signs, which needs none.
        let _refilled = pool.refill(now, || {
            *made += 1;
            make(prefix, *made)
        });
    }

    fn check(&mut self) {
        while let Ok((hash, signature)) = self.unchecked.pop() {
            match self.checker.check(&hash, &signature) {
                Ok(()) => _ = self.watch.checked.fetch_add(1, Ordering::Relaxed),
                Err(fault) => self.watch.raise(fault),
            }
        }
    }

    fn is_another_boot(&mut self, now: Now) -> bool {
        if now.mono.since(self.boot.asked.mono) < BOOT_EVERY_NS {
            return false;
        }
        self.boot.asked = now;
        let id = std::fs::read_to_string(BOOT_ID).ok();
        core::mem::replace(&mut self.boot.id, id.clone()) != id
    }
}

impl fmt::Debug for SignerCare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignerCare").field("made", &self.made).finish_non_exhaustive()
    }
}

/// Draws a nonce; `None` if the kernel gives no randomness.
fn make(prefix: &[u8; 32], count: u64) -> Option<Nonce> {
    let mut drawn = Zeroizing::new([0; 64]);
    let got = rustix::rand::getrandom(&mut drawn[..], rustix::rand::GetRandomFlags::empty());
    if got != Ok(drawn.len()) {
        return None;
    }
    let digest = Sha512::new()
        .chain_update(b"stellar-connector: nonce made ahead")
        .chain_update(prefix)
        .chain_update(*drawn)
        .chain_update(count.to_le_bytes())
        .finalize();
    let (wide, mut digest) = (Zeroizing::new(digest.into()), digest);
    zeroize::Zeroize::zeroize(&mut digest[..]);
    let secret = Zeroizing::new(Scalar::from_bytes_mod_order_wide(&wide));
    let point = EdwardsPoint::mul_base(&secret).compress().to_bytes();
    Some(Nonce { secret: Zeroizing::new(secret.to_bytes()), point })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{MonoNanos, UtcNanos};
    use std::collections::HashSet;

    const SECOND: u64 = 1_000_000_000;

    fn at(mono_ns: u64) -> Now {
        Now { mono: MonoNanos(mono_ns), utc: UtcNanos(1_700_000_000 * SECOND + mono_ns) }
    }

    fn both() -> (PrecomputedSigner, SignerCare) {
        precomputed(LocalSigner::from_seed(&[9; 32])).unwrap()
    }

    fn hash(number: u64) -> TxHash {
        let mut hash = [3; 32];
        hash[..8].copy_from_slice(&number.to_le_bytes());
        TxHash(hash)
    }

    fn verifies(signer: &impl Signer, hash: &TxHash, signature: &[u8; 64]) -> bool {
        let key = VerifyingKey::from_bytes(&signer.public_key().0).unwrap();
        key.verify_strict(&hash.0, &ed25519_dalek::Signature::from_bytes(signature)).is_ok()
    }

    #[test]
    fn every_signature_verifies_strictly_is_checked_and_has_a_nonce_of_its_own() {
        let (mut signer, mut care) = both();
        let mut points = HashSet::new();
        for number in 0..500 {
            let now = at(number * SECOND / 10);
            care.look(now);
            let signature = signer.sign(now, &hash(number));
            assert!(verifies(&signer, &hash(number), &signature));
            assert!(points.insert(signature[..32].to_vec()));
        }
        care.look(at(50 * SECOND));
        let watch = signer.watch();
        assert_eq!((watch.fast(), watch.stock(), watch.checked(), watch.fault()), (500, 0, 500, None));
    }

    #[test]
    fn dry_it_signs_as_the_stock_signer_does() {
        let (mut signer, mut care) = both();
        let stock = LocalSigner::from_seed(&[9; 32]);
        assert_eq!(signer.sign(at(0), &hash(1)), stock.sign_hash(&hash(1)));
        care.look(at(0));
        let fast = (0..pool::SLOTS as u64).map(|number| signer.sign(at(0), &hash(number)));
        assert!(fast.zip(0..).all(|(signature, number)| signature != stock.sign_hash(&hash(number))));
        assert_eq!(signer.sign(at(0), &hash(1)), stock.sign_hash(&hash(1)));
        // Nor is more signed with nonces than can be checked.
        let unchecked = |care: &SignerCare| care.unchecked.slots();
        while unchecked(&care) < UNCHECKED {
            care.pool.refill(at(0), || make(&care.prefix, unchecked(&care) as u64));
            signer.sign(at(0), &hash(7));
        }
        assert_eq!(signer.sign(at(0), &hash(1)), stock.sign_hash(&hash(1)));
    }

    #[test]
    fn the_same_message_is_never_signed_with_the_same_nonce() {
        let (mut signer, mut care) = both();
        care.look(at(0));
        let signatures: HashSet<_> = (0..20).map(|_| signer.sign(at(0), &hash(1))).collect();
        assert_eq!(signatures.len(), 20);
    }

    #[test]
    fn a_signature_that_is_wrong_or_repeats_a_nonce_ends_it() {
        for planted in [SignatureFault::Invalid, SignatureFault::Reused] {
            let (mut signer, mut care) = both();
            care.look(at(0));
            let good = signer.sign(at(0), &hash(1));
            care.look(at(0));
            let (of, bad) = match planted {
                SignatureFault::Invalid => (hash(2), LocalSigner::from_seed(&[8; 32]).sign_hash(&hash(2))),
                SignatureFault::Reused => (hash(1), good),
            };
            signer.unchecked.push((of, bad)).unwrap();
            care.look(at(0));
            assert_eq!(signer.watch().fault(), Some(planted));
            let stock = LocalSigner::from_seed(&[9; 32]).sign_hash(&hash(3));
            assert_eq!(signer.sign(at(0), &hash(3)), stock);
            care.look(at(0));
            assert_eq!(care.pool.waiting(), 0);
        }
    }

    #[test]
    fn a_clock_that_jumps_between_two_looks_spends_all() {
        let (signer, mut care) = both();
        care.look(at(SECOND));
        let before = care.made;
        care.look(at(SECOND + SECOND / 10));
        assert_eq!(care.made, before, "nothing was to be made");
        let jumped = Now { utc: UtcNanos(1_800_000_000 * SECOND), ..at(SECOND + SECOND / 5) };
        care.look(jumped);
        assert_eq!(care.made, before + pool::SLOTS as u64);
        drop(signer);
        assert_eq!(care.pool.waiting(), 0, "and so does the signer's end");
    }

    #[test]
    fn nothing_shows_the_secret() {
        let (signer, care) = both();
        let expanded = LocalSigner::from_seed(&[9; 32]).expanded();
        let shown = format!("{signer:?}{care:?}{:?}", signer.watch());
        for secret in [expanded.scalar.to_bytes(), expanded.hash_prefix, [9; 32]] {
            assert!(!shown.contains(&hex::encode(secret)) && !shown.contains(&format!("{secret:?}")));
        }
    }
}
