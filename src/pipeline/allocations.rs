#![expect(unsafe_code, reason = "a global allocator can only be written with it; see the safety comment below")]
//! Counts what a thread allocates, for the tests and the `latency` command that promise: nothing, once warm.
//!
//! A program declares it once:
//!
//! ```
//! use stellar_connector::pipeline::allocations::{CountingAllocator, allocations_on_this_thread};
//!
//! #[global_allocator]
//! static ALLOCATOR: CountingAllocator = CountingAllocator;
//!
//! let before = allocations_on_this_thread();
//! drop(vec![1_u8; 100]);
//! let after = allocations_on_this_thread();
//! assert_eq!((after.count - before.count, after.bytes - before.bytes), (1, 100));
//! ```
//!
//! In a program that does not, the counts stay zero. The library's own unit tests have it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    // Const-initialised and without a destructor: reading them neither allocates nor registers anything.
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<u64> = const { Cell::new(0) };
}

/// What a thread has asked of the allocator since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    /// Allocations and reallocations. What is given back is not counted.
    pub count: u64,
    /// Bytes asked for by them.
    pub bytes: u64,
}

impl Allocations {
    /// What came after `earlier`.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Self {
        Self { count: self.count - earlier.count, bytes: self.bytes - earlier.bytes }
    }
}

/// What the current thread has asked of [`CountingAllocator`] so far.
#[must_use]
pub fn allocations_on_this_thread() -> Allocations {
    Allocations { count: COUNT.get(), bytes: BYTES.get() }
}

/// The system's allocator with a count a thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct CountingAllocator;

fn count(bytes: usize) {
    COUNT.set(COUNT.get().wrapping_add(1));
    BYTES.set(BYTES.get().wrapping_add(bytes as u64));
}

// SAFETY: every call is passed to `System` unchanged, with the same pointer and layout, and its answer is returned
// unchanged; so `System`'s contract with `GlobalAlloc` is ours. Counting touches two thread-local `Cell`s that are
// const-initialised and have no destructor, so it never allocates (which would recurse), never unwinds (the additions
// wrap), and is valid even while the thread is being torn down.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller's promise on `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(new_size);
        // SAFETY: `pointer` came from this allocator, hence from `System`, with this layout.
        unsafe { System.realloc(pointer, layout, new_size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[global_allocator]
    static ALLOCATOR: CountingAllocator = CountingAllocator;

    fn measured(work: impl FnOnce()) -> Allocations {
        let before = allocations_on_this_thread();
        work();
        allocations_on_this_thread().since(before)
    }

    #[test]
    fn every_allocation_is_counted_with_its_bytes() {
        assert_eq!(measured(|| drop(black_box(Box::new([0_u8; 48])))), Allocations { count: 1, bytes: 48 });
        assert_eq!(measured(|| drop(black_box(vec![0_u8; 100]))), Allocations { count: 1, bytes: 100 });
        let mut growing = Vec::<u8>::with_capacity(10);
        let grown = measured(|| growing.reserve_exact(black_box(20)));
        assert_eq!(grown, Allocations { count: 1, bytes: 20 });
    }

    #[test]
    fn work_without_allocation_counts_nothing() {
        let mut numbers = [3_u64, 1, 2];
        assert_eq!(measured(|| black_box(&mut numbers).sort_unstable()), Allocations::default());
    }

    #[test]
    fn another_thread_has_a_count_of_its_own() {
        let mut elsewhere = Allocations::default();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| measured(|| drop(black_box(vec![0_u8; 1_000_000]))));
            elsewhere = thread.join().unwrap();
        });
        assert_eq!(elsewhere, Allocations { count: 1, bytes: 1_000_000 });
        assert!(measured(|| ()).bytes == 0);
    }
}
