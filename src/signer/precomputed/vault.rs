//! Memory for secrets that live for seconds: locked (never swapped), left out of core dumps, and empty in a child of a
//! fork.

#![expect(unsafe_code, reason = "memory is mapped and advised about with it only; see the safety comments")]

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mlock, mmap_anonymous, munmap};
use std::io;
use std::ops::Deref;
use std::sync::atomic::AtomicU64;

/// What is mapped: a page of the smallest kind.
const BYTES: usize = 4096;
/// Words of it.
pub(super) const WORDS: usize = BYTES / size_of::<AtomicU64>();

/// A page of words, all zero at first, and again in a child.
#[derive(Debug)]
pub(super) struct Vault {
    words: &'static [AtomicU64; WORDS],
}

impl Vault {
    /// Maps a page, and has the kernel protect it before anything is in it.
    ///
    /// # Errors
    /// If the kernel refuses any of it.
    pub(super) fn new() -> io::Result<Self> {
        // SAFETY: a fresh private mapping, which nobody else knows.
        let page = unsafe {
            mmap_anonymous(core::ptr::null_mut(), BYTES, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }?;
        // SAFETY: `BYTES` zeros at an address aligned to a page, readable and writable until `drop`; any bits are a value of
        // `AtomicU64`, and nobody has another reference but shared ones to these atomics, which are `Self`'s.
        let vault = Self { words: unsafe { &*page.cast::<[AtomicU64; WORDS]>() } };
        for advice in [Advice::LinuxDontDump, Advice::LinuxWipeOnFork] {
            // SAFETY: advice about this mapping, which changes none of its bytes in this process.
            unsafe { madvise(page, BYTES, advice) }?;
        }
        // SAFETY: the same mapping; locking changes none of its bytes.
        unsafe { mlock(page, BYTES) }?;
        Ok(vault)
    }
}

impl Deref for Vault {
    type Target = [AtomicU64; WORDS];

    fn deref(&self) -> &Self::Target {
        self.words
    }
}

impl Drop for Vault {
    fn drop(&mut self) {
        let page = core::ptr::from_ref(self.words).cast_mut().cast();
        self.words.iter().for_each(|word| word.store(0, std::sync::atomic::Ordering::SeqCst));
        // SAFETY: this mapping, of which no reference is left: all come from `deref`, and end before this.
        let _ = unsafe { munmap(page, BYTES) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The kernel's flags of the mapping that holds an address (proc(5), smaps).
    fn flags_of(address: usize) -> Vec<String> {
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|range| range.split_once('-'));
            let bound = |text| usize::from_str_radix(text, 16);
            if let Some((Ok(from), Ok(to))) = range.map(|(from, to)| (bound(from), bound(to))) {
                inside = (from..to).contains(&address);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:").filter(|_| inside) {
                return flags.split_whitespace().map(str::to_owned).collect();
            }
        }
        panic!("no mapping holds {address:x}");
    }

    #[test]
    fn the_kernel_wipes_it_on_fork_dumps_it_not_and_swaps_it_not() {
        let vault = Vault::new().unwrap();
        assert!(vault.iter().all(|word| word.load(std::sync::atomic::Ordering::Relaxed) == 0));
        let flags = flags_of(vault.as_ptr() as usize);
        for (flag, what) in [("wf", "wipe on fork"), ("dd", "do not dump"), ("lo", "locked")] {
            assert!(flags.iter().any(|known| known == flag), "{what}: {flags:?}");
        }
    }
}
