//! The account's signer, and the thread that looks after it.

use crate::config::SignerKind;
use crate::pipeline::clock::SystemClock;
use crate::signer::precomputed::{PrecomputedError, SignatureFault, SignerCare, SignerWatch, precomputed};
use crate::signer::{AccountSigner, LocalSigner};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// A thread that makes nonces and checks signatures, for as long as this lives.
#[derive(Debug)]
pub struct Signing {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    watch: Arc<SignerWatch>,
}

/// Why an account has no signer.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// Its memory.
    #[error(transparent)]
    Precomputed(#[from] PrecomputedError),
    /// No thread.
    #[error("the system gives no thread for the signer: {0}; the limit of processes is reached")]
    Thread(#[from] io::Error),
}

/// Why trading must stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignerFault {
    /// A signature that was checked off the line is wrong.
    #[error(transparent)]
    Signature(#[from] SignatureFault),
    /// Nobody checks any more.
    #[error("the thread that checks signatures has ended")]
    Unchecked,
}

/// The signer that is wanted. Its thread inherits the caller's CPU affinity: to be called from one that is not pinned.
///
/// # Errors
/// If what it needs cannot be had.
pub fn start(kind: SignerKind, key: LocalSigner) -> Result<(AccountSigner, Option<Signing>), SigningError> {
    match kind {
        SignerKind::Stock => Ok((AccountSigner::Local(key), None)),
        SignerKind::Precomputed => {
            let (signer, care) = precomputed(key)?;
            let signing = Signing::start(signer.watch(), care)?;
            Ok((AccountSigner::Precomputed(signer), Some(signing)))
        }
    }
}

impl Signing {
    fn start(watch: Arc<SignerWatch>, care: SignerCare) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || care.run(&SystemClock, &stopped);
        let thread = std::thread::Builder::new().name("signer".into()).spawn(run)?;
        Ok(Self { stop, thread: Some(thread), watch })
    }

    /// What the signer does.
    #[must_use]
    pub fn watch(&self) -> &SignerWatch {
        &self.watch
    }

    /// What is wrong with it, if anything: also that its thread has ended by itself, so that nothing is checked any more.
    pub(super) fn fault(&self) -> Option<SignerFault> {
        let has_ended = self.thread.as_ref().is_none_or(JoinHandle::is_finished);
        let fault = self.watch.fault().map(SignerFault::Signature);
        fault.or_else(|| has_ended.then_some(SignerFault::Unchecked))
    }
}

impl Drop for Signing {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // If it has panicked, it has been told as a fault.
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> LocalSigner {
        LocalSigner::from_seed(&[9; 32])
    }

    #[test]
    fn the_stock_signer_needs_no_thread() {
        assert!(start(SignerKind::Stock, key()).unwrap().1.is_none());
    }

    #[test]
    fn a_fault_is_told_and_so_is_a_thread_that_has_ended() {
        let signing = || start(SignerKind::Precomputed, key()).unwrap().1.unwrap();
        let faulty = signing();
        assert!(faulty.fault().is_none());
        faulty.watch.raise(SignatureFault::Reused);
        assert_eq!(faulty.fault(), Some(SignerFault::Signature(SignatureFault::Reused)));
        let ended = signing();
        ended.stop.store(true, Ordering::Relaxed);
        while ended.fault().is_none() {
            std::thread::yield_now();
        }
        assert_eq!(ended.fault(), Some(SignerFault::Unchecked));
    }
}
