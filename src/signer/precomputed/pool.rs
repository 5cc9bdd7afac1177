//! Nonces that wait: made on one thread, taken on another, each once.
//!
//! A slot is free, full, or in one thread's hands; who turns it from free or full has it alone. Whatever is taken out is
//! wiped before the slot is free again, so no nonce is ever in the pool twice, or in the pool and out of it.

use super::vault::Vault;
use crate::events::Now;
use core::array;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use zeroize::Zeroizing;

/// Nonces that are held.
#[cfg(test)]
pub(super) const SLOTS: usize = super::vault::WORDS / SLOT_WORDS;
const SLOT_WORDS: usize = 16;
/// How old a nonce may be, nanoseconds.
pub(super) const LIFETIME_NS: u64 = 4_000_000_000;
/// How old one is when it is replaced: so old is a nonce at most, as long as the other thread runs.
const REFRESH_NS: u64 = 1_500_000_000;
/// How far the two clocks may drift apart while a nonce waits, nanoseconds. More is a jump: of somebody who sets the
/// clock, or of a machine that was stopped and went on, perhaps twice.
const JUMP_NS: u64 = 1_000_000_000;

/// Places in a slot. (0 is free: so is every slot in a child of a fork.)
const STATE: usize = 0;
const SECRET: usize = 1;
const POINT: usize = 5;
const MONO: usize = 9;
const UTC: usize = 10;

const FREE: u64 = 0;
const FULL: u64 = 1;
const HELD: u64 = 2;

/// A nonce and its point. Not `Clone`; wiped when dropped.
pub(super) struct Nonce {
    /// r, the secret scalar.
    pub(super) secret: Zeroizing<[u8; 32]>,
    /// R = r·B, compressed.
    pub(super) point: [u8; 32],
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pool(Vault);

impl Pool {
    pub(super) fn new() -> io::Result<Self> {
        Vault::new().map(Self)
    }

    fn slots(&self) -> impl Iterator<Item = &[AtomicU64]> {
        self.0.chunks_exact(SLOT_WORDS)
    }

    /// A nonce that is fresh. Those that are not are wiped on the way.
    pub(super) fn take(&self, now: Now) -> Option<Nonce> {
        for slot in self.slots() {
            if !turn(slot, FULL, HELD) {
                continue;
            }
            let is_fresh = age(slot, now).is_some_and(|age| age <= LIFETIME_NS);
            let nonce = is_fresh.then(|| read(slot));
            wipe(slot);
            slot[STATE].store(FREE, Ordering::Release);
            if nonce.is_some() {
                return nonce;
            }
        }
        None
    }

    /// Makes a nonce for each slot that is free, or holds an old one. False if one could not be made.
    pub(super) fn refill(&self, now: Now, mut make: impl FnMut() -> Option<Nonce>) -> bool {
        for slot in self.slots() {
            let is_old =
                slot[STATE].load(Ordering::Acquire) == FULL && age(slot, now).is_none_or(|age| age > REFRESH_NS);
            if !(turn(slot, FREE, HELD) || is_old && turn(slot, FULL, HELD)) {
                continue;
            }
            wipe(slot);
            let Some(nonce) = make() else {
                slot[STATE].store(FREE, Ordering::Release);
                return false;
            };
            write(slot, &nonce, now);
            slot[STATE].store(FULL, Ordering::Release);
        }
        true
    }

    /// Wipes all that wait.
    pub(super) fn empty(&self) {
        for slot in self.slots().filter(|slot| turn(slot, FULL, HELD)) {
            wipe(slot);
            slot[STATE].store(FREE, Ordering::Release);
        }
    }

    /// How many wait.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.slots().filter(|slot| slot[STATE].load(Ordering::Relaxed) == FULL).count()
    }
}

fn turn(slot: &[AtomicU64], from: u64, to: u64) -> bool {
    slot[STATE].compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed).is_ok()
}

/// Nanoseconds since it was made; `None` if a clock has jumped since. (A stage's moment is a little older than the
/// clock, so that a nonce may be made after it.)
fn age(slot: &[AtomicU64], now: Now) -> Option<u64> {
    let (mono, utc) = (slot[MONO].load(Ordering::Relaxed), slot[UTC].load(Ordering::Relaxed));
    let by_mono = now.mono.0.wrapping_sub(mono).cast_signed();
    let by_utc = now.utc.0.wrapping_sub(utc).cast_signed();
    let is_steady = by_mono.wrapping_sub(by_utc).unsigned_abs() <= JUMP_NS && by_mono >= -JUMP_NS.cast_signed();
    is_steady.then(|| by_mono.max(0).cast_unsigned())
}

fn read(slot: &[AtomicU64]) -> Nonce {
    let mut nonce = Nonce { secret: Zeroizing::new([0; 32]), point: [0; 32] };
    let bytes = |at: usize| slot[at].load(Ordering::Relaxed).to_le_bytes();
    for word in 0..4 {
        nonce.secret[8 * word..][..8].copy_from_slice(&bytes(SECRET + word));
        nonce.point[8 * word..][..8].copy_from_slice(&bytes(POINT + word));
    }
    nonce
}

fn write(slot: &[AtomicU64], nonce: &Nonce, now: Now) {
    let word = |bytes: &[u8; 32], at: usize| u64::from_le_bytes(array::from_fn(|byte| bytes[8 * at + byte]));
    for at in 0..4 {
        slot[SECRET + at].store(word(&nonce.secret, at), Ordering::Relaxed);
        slot[POINT + at].store(word(&nonce.point, at), Ordering::Relaxed);
    }
    slot[MONO].store(now.mono.0, Ordering::Relaxed);
    slot[UTC].store(now.utc.0, Ordering::Relaxed);
}

/// (Stores to atomics are not left out by the compiler, though nobody reads them again.)
fn wipe(slot: &[AtomicU64]) {
    slot[SECRET..].iter().for_each(|word| word.store(0, Ordering::Relaxed));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::{MonoNanos, UtcNanos};
    use std::collections::HashSet;
    use std::sync::atomic::AtomicBool;

    const SECOND: u64 = 1_000_000_000;

    fn at(mono_ns: u64) -> Now {
        jumped(mono_ns, 0)
    }

    fn jumped(mono_ns: u64, by_ns: u64) -> Now {
        Now { mono: MonoNanos(mono_ns), utc: UtcNanos((1_700_000_000 * SECOND + mono_ns).wrapping_add(by_ns)) }
    }

    fn numbered() -> impl FnMut() -> Option<Nonce> {
        let mut number = 0_u64;
        move || {
            number += 1;
            let mut secret = Zeroizing::new([0; 32]);
            secret[..8].copy_from_slice(&number.to_le_bytes());
            secret[24..].copy_from_slice(&number.to_le_bytes());
            Some(Nonce { point: *secret, secret })
        }
    }

    #[test]
    fn each_is_taken_once_and_leaves_nothing() {
        let (pool, mut make) = (Pool::new().unwrap(), numbered());
        assert!(pool.refill(at(SECOND), &mut make));
        let mut seen = HashSet::new();
        while let Some(nonce) = pool.take(at(SECOND)) {
            assert_eq!(*nonce.secret, nonce.point);
            assert!(seen.insert(nonce.point));
        }
        assert_eq!(seen.len(), SLOTS);
        assert!(pool.0.iter().all(|word| word.load(Ordering::Relaxed) == 0));
    }

    #[test]
    fn an_old_one_is_replaced_in_time_and_never_taken() {
        let (pool, mut make) = (Pool::new().unwrap(), numbered());
        pool.refill(at(SECOND), &mut make);
        let first = pool.take(at(SECOND + LIFETIME_NS)).unwrap();
        assert!(first.secret[0] <= 32);
        assert!(pool.take(at(SECOND + LIFETIME_NS + 1)).is_none());
        assert_eq!(pool.waiting(), 0, "those that nobody may have are wiped");
        pool.refill(at(10 * SECOND), &mut make);
        pool.refill(at(10 * SECOND + REFRESH_NS + 1), &mut make);
        let replaced = pool.take(at(10 * SECOND + LIFETIME_NS + 1)).unwrap();
        assert!(u64::from_le_bytes(replaced.secret[..8].try_into().unwrap()) > 64);
    }

    #[test]
    fn a_jump_of_either_clock_spends_all() {
        let steady = at(100 * SECOND);
        let jumps = [
            jumped(100 * SECOND, 2 * SECOND),
            jumped(100 * SECOND, 0_u64.wrapping_sub(2 * SECOND)),
            jumped(97 * SECOND, 0),
            jumped(97 * SECOND, 3 * SECOND),
        ];
        for jump in jumps {
            let pool = Pool::new().unwrap();
            pool.refill(steady, numbered());
            assert!(pool.take(jumped(100 * SECOND, SECOND / 2)).is_some(), "a drift is none");
            assert!(pool.take(jump).is_none(), "{jump:?}");
            assert!(pool.take(steady).is_none());
        }
    }

    #[test]
    fn without_randomness_it_runs_dry() {
        let pool = Pool::new().unwrap();
        assert!(!pool.refill(at(0), || None));
        assert!(pool.take(at(0)).is_none());
    }

    #[test]
    fn two_threads_never_give_one_out_twice() {
        let (pool, done) = (Pool::new().unwrap(), AtomicBool::new(false));
        let mut seen = HashSet::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // Time passes quickly, so that slots are taken back and filled anew while they are taken.
                let (mut make, mut now) = (numbered(), SECOND);
                while !done.load(Ordering::Relaxed) {
                    pool.refill(at(now), &mut make);
                    now += REFRESH_NS / 8;
                    if now > 1_000_000 * SECOND {
                        now = SECOND;
                    }
                }
            });
            let mut taken = 0;
            while taken < 50_000 {
                // Whatever its age is: by a clock that says what the slot says.
                for slot in pool.slots().filter(|slot| turn(slot, FULL, HELD)) {
                    let nonce = read(slot);
                    assert_eq!(*nonce.secret, nonce.point, "a torn nonce");
                    assert!(seen.insert(nonce.point), "given out twice");
                    wipe(slot);
                    slot[STATE].store(FREE, Ordering::Release);
                    taken += 1;
                }
            }
            done.store(true, Ordering::Relaxed);
        });
    }
}
