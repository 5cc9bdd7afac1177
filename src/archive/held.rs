//! Which ledgers a recorder's folder holds, with what ties their ends to the chain: what is missing, and whether a ledger
//! that comes fits.

use super::seal::{ChainBreak, Seal, short};
use std::collections::BTreeMap;

/// Ranges of ledgers that neither touch nor overlap.
#[derive(Clone, Debug, Default)]
pub(super) struct Held {
    /// By the number of the first ledger: the first and the last.
    ranges: BTreeMap<u32, (Seal, Seal)>,
}

/// What a ledger is to what is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// It was not there; now it counts as held, and is to be written.
    New,
    /// It is there.
    Held,
    /// It is older than all that is held, and so none that is missed.
    Older,
}

impl Held {
    /// Takes a range that is there already. Those of one folder must be added in ascending order.
    pub(super) fn add(&mut self, first: Seal, last: Seal) -> Result<(), ChainBreak> {
        match self.ranges.last_entry() {
            Some(mut before) if before.get().1.seq.saturating_add(1) >= first.seq => {
                let (_, before_last) = before.get_mut();
                if before_last.seq.saturating_add(1) == first.seq {
                    first.follows(before_last)?;
                }
                if last.seq > before_last.seq {
                    *before_last = last;
                }
            }
            _ => _ = self.ranges.insert(first.seq, (first, last)),
        }
        Ok(())
    }

    /// Claims a ledger, if it fits the neighbours that are held.
    pub(super) fn claim(&mut self, seal: &Seal) -> Result<Claim, ChainBreak> {
        let after = self.ranges.range(seal.seq.saturating_add(1)..).next().map(|(_, ends)| *ends);
        let before = self.ranges.range(..=seal.seq).next_back().map(|(_, ends)| *ends);
        match before {
            None if after.is_some() => return Ok(Claim::Older),
            Some((first, last)) if seal.seq <= last.seq => {
                let mut twins = [first, last].into_iter().filter(|end| end.seq == seal.seq);
                return twins.try_for_each(|end| same(&end, seal)).map(|()| Claim::Held);
            }
            _ => {}
        }
        let before = before.filter(|(_, last)| last.seq + 1 == seal.seq);
        let after = after.filter(|(first, _)| seal.seq + 1 == first.seq);
        if let Some((_, last)) = &before {
            seal.follows(last)?;
        }
        if let Some((first, _)) = &after {
            first.follows(seal)?;
        }
        if let Some((first, _)) = &after {
            self.ranges.remove(&first.seq);
        }
        let first = before.map_or(*seal, |(first, _)| first);
        let last = after.map_or(*seal, |(_, last)| last);
        self.ranges.insert(first.seq, (first, last));
        Ok(Claim::New)
    }

    /// Forgets the ledgers up to and with this one: their file is gone. `next` is the one after it, if that is known; if
    /// not, but their range goes on, all but its last are forgotten, and so are older than what is held.
    pub(super) fn forget(&mut self, through: u32, next: Option<Seal>) {
        self.ranges.retain(|_, (_, last)| last.seq > through);
        // A range of which the beginning went begins with what comes after it.
        if let Some((&first, &(_, last))) = self.ranges.first_key_value()
            && first <= through
        {
            self.ranges.remove(&first);
            let first = next.unwrap_or(last);
            self.ranges.insert(first.seq, (first, last));
        }
    }

    /// What is missing between the first and the last.
    pub(super) fn gaps(&self) -> Vec<(u32, u32)> {
        let ends: Vec<_> = self.ranges.values().collect();
        ends.windows(2).map(|pair| (pair[0].1.seq + 1, pair[1].0.seq - 1)).collect()
    }

    /// What is there.
    pub(super) fn ranges(&self) -> Vec<(u32, u32)> {
        self.ranges.values().map(|(first, last)| (first.seq, last.seq)).collect()
    }
}

fn same(held: &Seal, found: &Seal) -> Result<(), ChainBreak> {
    if held.hash == found.hash {
        return Ok(());
    }
    Err(ChainBreak::Twin { seq: held.seq, held: short(&held.hash), found: short(&found.hash) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seal(chain: u8, seq: u32) -> Seal {
        let hash = |seq: u32| {
            let mut hash = [chain; 32];
            hash[..4].copy_from_slice(&seq.to_be_bytes());
            hash
        };
        Seal { seq, hash: hash(seq), previous_hash: hash(seq - 1), closed_at_s: 0 }
    }

    fn held(ranges: &[(u32, u32)]) -> Held {
        let mut held = Held::default();
        for (first, last) in ranges {
            held.add(seal(1, *first), seal(1, *last)).unwrap();
        }
        held
    }

    #[test]
    fn a_gap_closes_from_both_sides() {
        let mut held = held(&[(2, 5), (9, 9)]);
        assert_eq!(held.gaps(), [(6, 8)]);
        for (ledger, left) in [(6, vec![(7, 8)]), (8, vec![(7, 7)]), (7, vec![])] {
            assert_eq!(held.claim(&seal(1, ledger)), Ok(Claim::New));
            assert_eq!(held.gaps(), left);
            assert_eq!(held.claim(&seal(1, ledger)), Ok(Claim::Held));
        }
        assert_eq!(held.ranges(), [(2, 9)]);
        assert_eq!(held.claim(&seal(1, 20)), Ok(Claim::New));
        assert_eq!(held.gaps(), [(10, 19)]);
        assert_eq!(held.claim(&seal(1, 1)), Ok(Claim::Older));
    }

    #[test]
    fn another_chain_is_refused_at_each_edge() {
        let mut held = held(&[(2, 5), (9, 12)]);
        for ledger in [2, 5, 9, 12] {
            assert!(matches!(held.claim(&seal(2, ledger)), Err(ChainBreak::Twin { .. })), "{ledger}");
        }
        for ledger in [6, 8, 13] {
            assert!(matches!(held.claim(&seal(2, ledger)), Err(ChainBreak::Hash { .. })), "{ledger}");
        }
        assert_eq!(held.ranges(), [(2, 5), (9, 12)]);
        assert!(Held::default().claim(&seal(2, 7)) == Ok(Claim::New));
        assert!(matches!(held.add(seal(2, 13), seal(2, 14)), Err(ChainBreak::Hash { .. })));
    }

    #[test]
    fn what_was_deleted_is_not_missed() {
        let mut one = held(&[(2, 12), (20, 30)]);
        one.forget(9, Some(seal(1, 10)));
        assert_eq!((one.ranges(), one.gaps()), (vec![(10, 12), (20, 30)], vec![(13, 19)]));
        let mut unknown = held(&[(2, 12), (20, 30)]);
        unknown.forget(9, None);
        assert_eq!((unknown.ranges(), unknown.claim(&seal(1, 11))), (vec![(12, 12), (20, 30)], Ok(Claim::Older)));
        one.forget(12, None);
        assert_eq!((one.ranges(), one.gaps()), (vec![(20, 30)], vec![]));
        assert_eq!(one.claim(&seal(1, 19)), Ok(Claim::Older));
    }
}
