//! Without the stream of ledgers: deletions are sent, and core says when a ledger has closed, but nothing says what they
//! came to. So everything is deleted together first, and then each offer by itself, in case that one was gone and took
//! the others' deletion down with it.

use super::{ASK_EVERY, CancelAll, HandedOffer, LedgerSeq, MAX_OPERATIONS};
use std::time::Instant;

impl CancelAll<'_> {
    /// Sends every deletion twice, as far as time allows.
    pub(super) fn go_blind(&mut self) {
        let offers: Vec<_> = self.standing.values().copied().collect();
        let together = offers.chunks(MAX_OPERATIONS);
        let alone = offers.chunks(1).filter(|_| offers.len() > 1);
        let fence = [self.fence()];
        let none = fence.chunks(1).filter(|_| offers.is_empty());
        for chunk in together.chain(alone).chain(none) {
            if !self.delete_blindly(chunk) {
                return;
            }
        }
    }

    /// Sends a deletion until core takes it, and waits until it has applied or cannot any more; `false` if the time is
    /// up.
    fn delete_blindly(&mut self, offers: &[HandedOffer]) -> bool {
        loop {
            // Whatever was sent before must be over.
            while self.flight.as_ref().is_some_and(|flight| flight.accepted) {
                if !self.wait_for_ledger() {
                    return false;
                }
            }
            if self.flight.is_none() {
                self.sign(offers.to_vec());
            }
            let probe = self.probe;
            self.send();
            if self.flight.as_ref().is_some_and(|flight| flight.accepted) {
                break;
            }
            let next_number = self.flight.is_none() && self.probe > probe;
            if !next_number && !self.wait_for_ledger() {
                return false;
            }
        }
        while self.flight.is_some() {
            if !self.wait_for_ledger() {
                return false;
            }
        }
        true
    }

    /// Waits until core has closed another ledger; `false` if the time is up.
    fn wait_for_ledger(&mut self) -> bool {
        while Instant::now() + ASK_EVERY < self.deadline {
            if let Ok(info) = self.core.info()
                && info.ledger > self.closed.0
            {
                self.closed = LedgerSeq(info.ledger);
                self.base_fee = self.base_fee.max(info.base_fee);
                self.bury();
                return true;
            }
            std::thread::sleep(ASK_EVERY);
        }
        false
    }
}
