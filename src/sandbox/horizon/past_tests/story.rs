//! Everything that can happen to people on a classic ledger, once.

use super::bodies::*;
use super::tale::{Person, Tale};
use crate::sandbox::history::HistoryBounds;
use serde_json::Value;
use stellar_xdr::{
    Asset, ClaimPredicate, ClaimableBalanceId, Hash, LedgerKey, LedgerKeyData, LedgerKeyTrustLine, OperationBody,
    PoolId, RevokeSponsorshipOp, RevokeSponsorshipOpSigner, SetOptionsOp, Signer, SignerKey, TrustLineAsset, Uint256,
};

pub(super) const ISSUER: Person = Person(10);
pub(super) const ALICE: Person = Person(11);
pub(super) const BOB: Person = Person(12);
pub(super) const CAROL: Person = Person(13);
/// Whom Alice sponsors into being.
pub(super) const DAVE: Person = Person(14);

pub(super) const CODE: [u8; 4] = *b"GOLD";

pub(super) fn gold() -> Asset {
    credit(CODE, &ISSUER.id())
}

pub(super) fn silver() -> Asset {
    credit(*b"SILV", &ALICE.id())
}

/// What was told, with the transactions by name.
pub(super) struct Story {
    pub(super) tale: Tale,
    hashes: Vec<(&'static str, String)>,
}

impl Story {
    /// From the beginning to the end.
    pub(super) fn told() -> Self {
        let tale = Tale::of(&[ISSUER, ALICE, BOB, CAROL], HistoryBounds::default());
        let mut story = Self { tale, hashes: Vec::new() };
        story.tell_of_lines();
        story.tell_of_trades();
        story.tell_of_accounts();
        story.tell_of_balances();
        story.tell_of_sponsors();
        story.tell_of_pools();
        story.tell_of_ends();
        story
    }

    /// The hash of the transaction of this name.
    pub(super) fn hash(&self, name: &str) -> &str {
        &self.hashes.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no {name}")).1
    }

    /// The operations of a transaction.
    pub(super) fn operations(&self, name: &str) -> Vec<Value> {
        self.tale.records(&format!("/transactions/{}/operations?limit=200", self.hash(name)))
    }

    /// The effects of a transaction.
    pub(super) fn effects(&self, name: &str) -> Vec<Value> {
        self.tale.records(&format!("/transactions/{}/effects?limit=200", self.hash(name)))
    }

    fn then(&mut self, name: &'static str, deeds: Vec<(Person, OperationBody)>) {
        let hash = self.tale.tell(deeds);
        self.hashes.push((name, hash));
    }

    fn tell_of_lines(&mut self) {
        let issuer = OperationBody::SetOptions(SetOptionsOp {
            inflation_dest: Some(ISSUER.id()),
            set_flags: Some(0b1011),
            low_threshold: Some(1),
            high_threshold: Some(1),
            home_domain: Some("sandbox.example".parse::<stellar_xdr::StringM<32>>().unwrap().into()),
            signer: Some(Signer { key: SignerKey::HashX(Uint256([9; 32])), weight: 1 }),
            ..SetOptionsOp::default()
        });
        self.then("options", vec![(ISSUER, issuer)]);
        let weigh = set_signer([9; 32], 2);
        let clear = OperationBody::SetOptions(SetOptionsOp { clear_flags: Some(0b0001), ..SetOptionsOp::default() });
        self.then("signers", vec![(ISSUER, weigh), (ISSUER, set_signer([9; 32], 0)), (ISSUER, clear)]);
        let again = OperationBody::SetOptions(SetOptionsOp { set_flags: Some(0b0001), ..SetOptionsOp::default() });
        self.then("again", vec![(ISSUER, again)]);
        let lines = [ALICE, BOB, CAROL].map(|person| (person, trust(&gold(), i64::MAX)));
        self.then("lines", lines.into());
        self.then("allow", vec![(ISSUER, allow_trust(&ALICE.id(), CODE, 1))]);
        let flags = [BOB, CAROL].map(|person| (ISSUER, line_flags(&person.id(), &gold(), 1, 0)));
        self.then("flags", flags.into());
        let payments = [ALICE.address(), BOB.muxed(77)].map(|to| (ISSUER, pay(&to, &gold(), 1000 * UNIT)));
        self.then("pay", payments.into());
        self.then("limit", vec![(CAROL, trust(&gold(), 5000 * UNIT))]);
    }

    fn tell_of_trades(&mut self) {
        self.then("sell", vec![(ALICE, sell(&gold(), &XLM, 100 * UNIT, (2, 1)))]);
        self.then("passive", vec![(ALICE, sell_passively(&gold(), &XLM, 10 * UNIT, (3, 1)))]);
        self.then("buy", vec![(BOB, buy(&gold(), &XLM, 40 * UNIT, (2, 1)))]);
        let receive = strict_receive(&CAROL.address(), (&XLM, 20 * UNIT), (&gold(), 5 * UNIT), &[]);
        self.then("receive", vec![(BOB, receive)]);
        self.then("send", vec![(BOB, strict_send(&BOB.muxed(5), (&XLM, 10 * UNIT), (&gold(), 1)))]);
    }

    fn tell_of_accounts(&mut self) {
        let values = [Some(&b"v"[..]), Some(&b"w"[..]), None];
        self.then("data", values.map(|value| (ALICE, data("key", value))).into());
        let sequence = self.tale.fixture.world.ledger().account(&ALICE.id()).unwrap().seq_num.0;
        self.then("bump", vec![(ALICE, bump(sequence + 1000))]);
    }

    /// The claimable balance that a transaction created.
    fn balance_of(&self, name: &str) -> ClaimableBalanceId {
        let effects = self.effects(name);
        let created = effects.iter().find(|effect| effect["type"] == "claimable_balance_created").unwrap();
        let id = created["balance_id"].as_str().unwrap().strip_prefix("00000000").unwrap();
        ClaimableBalanceId::ClaimableBalanceIdTypeV0(super::tale::hash_of(id))
    }

    fn tell_of_balances(&mut self) {
        let late = ClaimPredicate::Not(Some(Box::new(ClaimPredicate::BeforeRelativeTime(60))));
        let (bob, carol) = (BOB.id(), CAROL.id());
        let claimants = [(&bob, ClaimPredicate::Unconditional), (&carol, late)];
        self.then("balance", vec![(ALICE, create_balance(&gold(), 10 * UNIT, &claimants))]);
        let id = self.balance_of("balance");
        self.then("claim", vec![(BOB, claim(&id))]);
        self.then("another", vec![(ALICE, create_balance(&gold(), 3 * UNIT, &claimants))]);
        let id = self.balance_of("another");
        self.then("claw_balance", vec![(ISSUER, claw_balance_back(&id))]);
        self.then("claw", vec![(ISSUER, claw_back(&BOB.muxed(8), &gold(), UNIT))]);
    }

    fn tell_of_sponsors(&mut self) {
        let carol = CAROL.id();
        let bob = BOB.id();
        let sponsored = [
            trust(&silver(), 100 * UNIT),
            data("note", Some(b"x")),
            set_signer([3; 32], 1),
            create_balance(&XLM, UNIT, &[(&bob, ClaimPredicate::Unconditional)]),
            end_sponsoring(),
        ];
        let mut deeds = vec![(ALICE, begin_sponsoring(&carol))];
        deeds.extend(sponsored.map(|body| (CAROL, body)));
        self.then("sponsor", deeds);
        let line = LedgerKeyTrustLine { account_id: carol.clone(), asset: line_of(&silver()) };
        let hand_over = vec![
            (BOB, begin_sponsoring(&ALICE.id())),
            (ALICE, revoke(LedgerKey::Trustline(line))),
            (ALICE, end_sponsoring()),
        ];
        self.then("hand_over", hand_over);
        let name = "note".parse::<stellar_xdr::StringM<64>>().unwrap().into();
        let note = revoke(LedgerKey::Data(LedgerKeyData { account_id: carol.clone(), data_name: name }));
        let signer = OperationBody::RevokeSponsorship(RevokeSponsorshipOp::Signer(RevokeSponsorshipOpSigner {
            account_id: carol,
            signer_key: SignerKey::HashX(Uint256([3; 32])),
        }));
        self.then("revoke", vec![(ALICE, note), (ALICE, signer)]);
        let child = vec![
            (ALICE, begin_sponsoring(&DAVE.id())),
            (ALICE, create_account(&DAVE.id(), 0)),
            (DAVE, end_sponsoring()),
        ];
        self.then("child", child);
    }

    fn tell_of_pools(&mut self) {
        let pool = pool_of(&XLM, &gold());
        let id = crate::sandbox::ledger::pool_id_of(&pool);
        let cheap = vec![(ALICE, trust_pool(&pool, i64::MAX)), (ALICE, deposit(&id, 300 * UNIT, 300 * UNIT))];
        self.then("pool", cheap);
        self.then("swap", vec![(BOB, strict_send(&BOB.address(), (&XLM, UNIT), (&gold(), 1)))]);
        let join = vec![(BOB, trust_pool(&pool, i64::MAX)), (BOB, deposit(&id, 30 * UNIT, 30 * UNIT))];
        self.then("join", join);
        self.then("expel", vec![(ISSUER, line_flags(&BOB.id(), &gold(), 0, 1))]);
        self.then("maintain", vec![(ISSUER, allow_trust(&CAROL.id(), CODE, 2))]);
        self.then("forbid", vec![(ISSUER, allow_trust(&CAROL.id(), CODE, 0))]);
        let leave = vec![(ALICE, withdraw(&id, 300 * UNIT)), (ALICE, trust_pool(&pool, 0))];
        self.then("leave", leave);
    }

    fn tell_of_ends(&mut self) {
        let merge = OperationBody::AccountMerge(CAROL.muxed(5));
        self.then("merge", vec![(ALICE, pay(&DAVE.address(), &XLM, 5 * UNIT)), (DAVE, merge)]);
        let failed = self.tale.attempt(vec![(BOB, pay(&CAROL.address(), &XLM, i64::MAX))]);
        self.hashes.push(("failed", failed));
    }
}

/// The pool of lumens and gold.
pub(super) fn pool_id() -> PoolId {
    crate::sandbox::ledger::pool_id_of(&pool_of(&XLM, &gold()))
}

fn line_of(asset: &Asset) -> TrustLineAsset {
    match asset.clone() {
        Asset::CreditAlphanum4(credit) => TrustLineAsset::CreditAlphanum4(credit),
        other => panic!("no line for {other:?}"),
    }
}

/// A pool's id as it is in paths.
pub(super) fn hex_of(PoolId(Hash(id)): &PoolId) -> String {
    hex::encode(id)
}
