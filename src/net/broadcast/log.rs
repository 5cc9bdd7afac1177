//! The records that readers may still want, oldest first.

use std::collections::VecDeque;

/// Records by their number, counted from the first that was ever added. Bounded by bytes; the newest is always there.
#[derive(Debug)]
pub(super) struct Log {
    records: VecDeque<Box<[u8]>>,
    /// Number of the oldest that is kept.
    first: u64,
    bytes: usize,
    /// How many a newcomer gets.
    keep_records: usize,
    max_bytes: usize,
}

impl Log {
    pub(super) fn new(keep_records: usize, max_bytes: usize) -> Self {
        Self { records: VecDeque::new(), first: 0, bytes: 0, keep_records, max_bytes }
    }

    /// Number of the record that will be added next.
    pub(super) fn end(&self) -> u64 {
        self.first + self.records.len() as u64
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Where a newcomer begins.
    pub(super) fn begin(&self) -> u64 {
        self.end().saturating_sub(self.keep_records as u64).max(self.first)
    }

    /// Record `number`; `None` if it is yet to come, or gone.
    pub(super) fn get(&self, number: u64) -> Option<&[u8]> {
        self.records.get(usize::try_from(number.checked_sub(self.first)?).ok()?).map(AsRef::as_ref)
    }

    /// Whether record `number` had to go.
    pub(super) fn is_gone(&self, number: u64) -> bool {
        number < self.first
    }

    pub(super) fn push(&mut self, record: Box<[u8]>) {
        self.bytes += record.len();
        self.records.push_back(record);
        while self.bytes > self.max_bytes && self.records.len() > 1 {
            self.drop_oldest();
        }
    }

    /// Lets go what neither a newcomer nor a reader that is at `needed` would get.
    pub(super) fn release(&mut self, needed: u64) {
        let wanted = self.begin().min(needed);
        while self.first < wanted {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.records.pop_front() {
            self.bytes -= oldest.len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(length: usize) -> Box<[u8]> {
        vec![0; length].into()
    }

    #[test]
    fn a_record_longer_than_the_bound_is_kept_alone() {
        let mut log = Log::new(10, 100);
        log.push(record(60));
        log.push(record(1000));
        assert_eq!((log.begin(), log.end(), log.bytes()), (1, 2, 1000));
        log.push(record(1));
        assert_eq!((log.begin(), log.end(), log.bytes()), (2, 3, 1));
    }

    proptest! {
        #[test]
        fn it_never_holds_more_than_its_bound_and_always_what_a_newcomer_gets(
            lengths in prop::collection::vec(1_usize..50, 1..200), keep in 0_usize..8, behind in 0_u64..20,
        ) {
            let mut log = Log::new(keep, 200);
            for (number, length) in (0_u64..).zip(&lengths) {
                log.push(record(*length));
                let needed = number.saturating_sub(behind);
                log.release(needed);
                prop_assert!(log.bytes() <= 200);
                prop_assert_eq!(log.end(), number + 1);
                // As many as are to be kept, as long as the bytes allow it.
                let newest = lengths[..=usize::try_from(number).unwrap()].iter().rev();
                let fit = newest.scan(0, |sum, length| { *sum += length; Some(*sum) }).take_while(|sum| *sum <= 200);
                let fit = fit.count();
                prop_assert_eq!(log.end() - log.begin(), keep.min(fit) as u64);
                prop_assert_eq!(log.is_gone(needed), number + 1 - needed > fit as u64);
                prop_assert_eq!(log.get(needed).is_some(), !log.is_gone(needed));
            }
        }
    }
}
