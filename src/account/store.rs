//! The own accounts' state.

use crate::events::views::{AccountView, LineView, OwnOfferView, Publication, ViewLimits};
use crate::events::{OfferChange, OwnAccount, OwnTrustLine};
use crate::stellar::{AccountIndex, AssetIndex, LedgerSeq, OfferId};

/// Our own accounts as of the last ledger. All memory is taken at the start, as the [`ViewLimits`] say.
///
/// An account has [`offers_per_account`](ViewLimits::offers_per_account) slots for offers. Whoever puts an offer here has
/// asked the book for room first; one that the book refused is not kept, and the account's view says so
/// (`offers_truncated`) from then on.
#[derive(Debug)]
pub struct Accounts {
    accounts: Box<[Account]>,
    /// Account by account, a line for each asset.
    lines: Box<[Line]>,
    assets: usize,
    changed_lines: Vec<(AccountIndex, AssetIndex)>,
}

#[derive(Debug)]
struct Account {
    view: AccountView,
    changed: bool,
    /// Changed, or told by a snapshot, since [`Accounts::note_changes`].
    noted: bool,
    /// As many as there are slots; the first `view.offers` are in use.
    slots: Box<[OfferSlot]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct OfferSlot {
    view: OwnOfferView,
    changed: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    view: LineView,
    changed: bool,
    /// As an account's.
    noted: bool,
}

impl Accounts {
    /// Accounts of which nothing has been seen.
    #[must_use]
    pub fn new(limits: ViewLimits) -> Self {
        let slots = vec![OfferSlot::default(); limits.offers_per_account].into_boxed_slice();
        let account = || Account { view: AccountView::default(), changed: false, noted: false, slots: slots.clone() };
        let lines = limits.accounts * limits.assets;
        Self {
            accounts: (0..limits.accounts).map(|_| account()).collect(),
            lines: vec![Line::default(); lines].into_boxed_slice(),
            assets: limits.assets,
            changed_lines: Vec::with_capacity(lines),
        }
    }

    /// An account was created or changed.
    pub fn account(&mut self, state: &OwnAccount) {
        let account = self.account_mut(state.account);
        (account.changed, account.noted) = (true, true);
        account.view = AccountView {
            balance: state.balance.0,
            buying_liabilities: state.buying_liabilities.0,
            selling_liabilities: state.selling_liabilities.0,
            sequence: state.sequence.0,
            exists: 1,
            subentries: state.subentries,
            sponsoring: state.sponsoring,
            sponsored: state.sponsored,
            offers: account.view.offers,
            offers_truncated: account.view.offers_truncated,
        };
    }

    /// An account was merged away (which the protocol allows only without offers and trustlines).
    pub fn account_gone(&mut self, account: AccountIndex) {
        let account = self.account_mut(account);
        (account.changed, account.noted) = (true, true);
        let AccountView { offers, offers_truncated, .. } = account.view;
        account.view = AccountView { offers, offers_truncated, ..AccountView::default() };
    }

    /// A trustline was created or changed.
    pub fn line(&mut self, line: &OwnTrustLine) {
        let view = LineView {
            balance: line.balance.0,
            limit: line.limit.0,
            buying_liabilities: line.buying_liabilities.0,
            selling_liabilities: line.selling_liabilities.0,
            exists: 1,
            authorized: u32::from(line.authorized),
        };
        self.set_line(line.account, line.asset, view);
    }

    /// A trustline is gone.
    pub fn line_gone(&mut self, account: AccountIndex, asset: AssetIndex) {
        self.set_line(account, asset, LineView::default());
    }

    /// An offer of ours was created or changed.
    ///
    /// # Panics
    /// If it is new and all slots are taken.
    pub fn offer(&mut self, owner: AccountIndex, change: &OfferChange) {
        let OfferChange { id, place, price, amount, .. } = *change;
        let account = self.account_mut(owner);
        let used = account.view.offers as usize;
        let at = account.slot_of(id).unwrap_or(used);
        assert!(at < account.slots.len(), "account {owner:?} has no slot for another offer");
        account.slots[at] =
            OfferSlot { view: OwnOfferView::new(id, place.market, place.side, price, amount), changed: true };
        if at == used {
            account.view.offers += 1;
            account.changed = true;
        }
    }

    /// An offer of ours is gone. Unknown ids are ignored.
    pub fn offer_gone(&mut self, owner: AccountIndex, id: OfferId) {
        let account = self.account_mut(owner);
        let Some(at) = account.slot_of(id) else { return };
        let last = account.view.offers as usize - 1;
        account.slots[at] = OfferSlot { view: account.slots[last].view, changed: true };
        account.view.offers -= 1;
        account.changed = true;
    }

    /// An offer of ours was turned away by the book: it is not kept here either, and the account is truncated.
    pub fn offer_refused(&mut self, owner: AccountIndex, id: OfferId) {
        self.offer_gone(owner, id);
        let account = self.account_mut(owner);
        account.view.offers_truncated = 1;
        account.changed = true;
    }

    /// From now on, which accounts and trustlines change is noted: a snapshot begins.
    pub fn note_changes(&mut self) {
        self.accounts.iter_mut().for_each(|account| account.noted = false);
        self.lines.iter_mut().for_each(|line| line.noted = false);
    }

    /// Takes a whole snapshot of all accounts: what has changed since it began is newer and stays, what it does not have
    /// is not on the ledger. Returns how many accounts and trustlines were not as it says.
    pub fn apply(&mut self, accounts: &[(OwnAccount, LedgerSeq)], lines: &[(OwnTrustLine, LedgerSeq)]) -> u64 {
        let mut differences = 0;
        for (state, _) in accounts {
            let account = &mut self.accounts[usize::from(state.account.0)];
            if !account.noted {
                let before = account.view;
                self.account(state);
                differences += u64::from(self.accounts[usize::from(state.account.0)].view != before);
            }
        }
        for (line, _) in lines {
            let at = usize::from(line.account.0) * self.assets + usize::from(line.asset.0);
            let Line { view: before, noted, .. } = self.lines[at];
            if !noted {
                self.line(line);
                differences += u64::from(self.lines[at].view != before);
            }
        }
        differences + self.drop_unnoted()
    }

    /// What exists here and was neither changed nor told is gone.
    fn drop_unnoted(&mut self) -> u64 {
        let mut gone = 0;
        for index in (0..self.accounts.len()).zip(0..).map(|(_, index)| AccountIndex(index)) {
            let account = &self.accounts[usize::from(index.0)];
            if account.view.exists == 1 && !account.noted {
                self.account_gone(index);
                gone += 1;
            }
        }
        for at in 0..self.lines.len() {
            if self.lines[at].view.exists == 1 && !self.lines[at].noted {
                let index = |place: usize| u16::try_from(place).unwrap_or(u16::MAX);
                self.line_gone(AccountIndex(index(at / self.assets)), AssetIndex(index(at % self.assets)));
                gone += 1;
            }
        }
        gone
    }

    /// Writes what has changed since the last publication.
    pub fn publish(&mut self, publication: &mut Publication<'_>) {
        for (account, index) in self.accounts.iter_mut().zip((0..).map(AccountIndex)) {
            if core::mem::take(&mut account.changed) {
                publication.account(index, &account.view);
            }
            let used = account.view.offers as usize;
            for (slot, place) in account.slots[..used].iter_mut().zip(0..) {
                if core::mem::take(&mut slot.changed) {
                    publication.own_offer(index, place, &slot.view);
                }
            }
        }
        for (account, asset) in self.changed_lines.drain(..) {
            let line = &mut self.lines[usize::from(account.0) * self.assets + usize::from(asset.0)];
            line.changed = false;
            publication.line(account, asset, &line.view);
        }
    }

    fn set_line(&mut self, account: AccountIndex, asset: AssetIndex, view: LineView) {
        assert!(usize::from(asset.0) < self.assets, "asset {asset:?} is not configured");
        let line = &mut self.lines[usize::from(account.0) * self.assets + usize::from(asset.0)];
        (line.view, line.noted) = (view, true);
        if !core::mem::replace(&mut line.changed, true) {
            self.changed_lines.push((account, asset));
        }
    }

    fn account_mut(&mut self, account: AccountIndex) -> &mut Account {
        &mut self.accounts[usize::from(account.0)]
    }
}

impl Account {
    fn slot_of(&self, id: OfferId) -> Option<usize> {
        self.slots[..self.view.offers as usize].iter().position(|slot| slot.view.id == id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::views::{ViewsReader, ViewsWriter, views};
    use crate::stellar::{MarketId, Orientation, Price, SequenceNumber, Side, Stroops};

    const LIMITS: ViewLimits = ViewLimits { markets: 1, accounts: 2, assets: 2, offers_per_account: 2 };
    const US: AccountIndex = AccountIndex(1);

    fn offer(id: i64, amount: i64) -> OfferChange {
        let place = Orientation { market: MarketId(0), side: Side::Ask };
        OfferChange {
            id: OfferId(id),
            place,
            price: Price::new(3, 2).unwrap(),
            amount: Stroops(amount),
            owner: Some(US),
        }
    }

    fn state(balance: i64) -> OwnAccount {
        OwnAccount {
            account: US,
            balance: Stroops(balance),
            sequence: SequenceNumber(7),
            subentries: 3,
            sponsoring: 2,
            sponsored: 1,
            buying_liabilities: Stroops(5),
            selling_liabilities: Stroops(6),
        }
    }

    fn line(balance: i64) -> OwnTrustLine {
        OwnTrustLine {
            account: US,
            asset: AssetIndex(1),
            balance: Stroops(balance),
            limit: Stroops(100),
            buying_liabilities: Stroops(1),
            selling_liabilities: Stroops(2),
            authorized: true,
        }
    }

    struct Published {
        accounts: Accounts,
        writer: ViewsWriter,
        reader: ViewsReader,
    }

    impl Published {
        fn new() -> Self {
            let (writer, reader) = views(LIMITS);
            Self { accounts: Accounts::new(LIMITS), writer, reader }
        }

        fn account(&mut self) -> (AccountView, LineView, Vec<(i64, i64)>) {
            self.writer.publish(|publication| self.accounts.publish(publication));
            let read = self.reader.read(|views| {
                let offers = views.own_offers(US).map(|offer| (offer.id, offer.amount)).collect();
                (views.account(US), views.line(US, AssetIndex(1)), offers)
            });
            read.unwrap()
        }
    }

    #[test]
    fn an_account_is_seen_as_the_ledger_has_it_until_it_is_merged_away() {
        let mut published = Published::new();
        published.accounts.account(&state(1000));
        let seen = AccountView {
            balance: 1000,
            buying_liabilities: 5,
            selling_liabilities: 6,
            sequence: 7,
            exists: 1,
            subentries: 3,
            sponsoring: 2,
            sponsored: 1,
            offers: 0,
            offers_truncated: 0,
        };
        assert_eq!(published.account().0, seen);
        published.accounts.account_gone(US);
        assert_eq!(published.account().0, AccountView::default());
    }

    #[test]
    fn a_trustline_is_seen_until_it_is_gone() {
        let mut published = Published::new();
        published.accounts.line(&line(40));
        published.accounts.line(&line(41));
        let seen = LineView {
            balance: 41,
            limit: 100,
            buying_liabilities: 1,
            selling_liabilities: 2,
            exists: 1,
            authorized: 1,
        };
        assert_eq!(published.account().1, seen);
        published.accounts.line_gone(US, AssetIndex(1));
        assert_eq!(published.account().1, LineView::default());
    }

    #[test]
    fn offers_move_up_into_slots_that_others_left() {
        let mut published = Published::new();
        published.accounts.offer(US, &offer(1, 10));
        published.accounts.offer(US, &offer(2, 20));
        assert_eq!(published.account().2, [(1, 10), (2, 20)]);
        published.accounts.offer_gone(US, OfferId(1));
        published.accounts.offer_gone(US, OfferId(99));
        assert_eq!(published.account().2, [(2, 20)]);
        published.accounts.offer(US, &offer(2, 21));
        published.accounts.offer(US, &offer(3, 30));
        assert_eq!(published.account().2, [(2, 21), (3, 30)]);
    }

    #[test]
    #[should_panic(expected = "no slot for another offer")]
    fn room_has_to_be_asked_for() {
        let mut accounts = Accounts::new(LIMITS);
        (1..=3).for_each(|id| accounts.offer(US, &offer(id, 1)));
    }

    #[test]
    fn what_the_book_refused_is_not_kept_here() {
        let mut published = Published::new();
        published.accounts.offer(US, &offer(1, 1));
        published.accounts.offer_refused(US, OfferId(1));
        let (account, _, offers) = published.account();
        assert_eq!((account.offers, account.offers_truncated), (0, 1));
        assert!(offers.is_empty());
    }
}
