//! A world in which we do what we want, and ask what came of it.

use super::super::{ObjectOf, Page, Problem, RecordsOf, Resource, Target, route};
use super::bodies::{UNIT, create_account};
use crate::sandbox::actor;
use crate::sandbox::fixture::Fixture;
use crate::sandbox::history::HistoryBounds;
use crate::sandbox::http::Query;
use crate::sandbox::world::{Submission, ledger_sequence};
use crate::sandbox::{Activity, EngineAccount, WorldConfig};
use crate::stellar::NetworkId;
use ed25519_dalek::{Signer as _, SigningKey};
use serde_json::Value;
use stellar_xdr::{
    AccountId, DecoratedSignature, FeeBumpTransaction, FeeBumpTransactionEnvelope, FeeBumpTransactionExt,
    FeeBumpTransactionInnerTx, Hash, Limits, MuxedAccount, MuxedAccountMed25519, Operation, OperationBody, Signature,
    SignatureHint, Transaction, TransactionEnvelope, TransactionV1Envelope, Uint256, WriteXdr,
};

/// Who does what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Person(pub(super) u8);

impl Person {
    pub(super) fn key(self) -> SigningKey {
        SigningKey::from_bytes(&[self.0; 32])
    }

    fn bytes(self) -> [u8; 32] {
        self.key().verifying_key().to_bytes()
    }

    pub(super) fn id(self) -> AccountId {
        actor::account_to_xdr(crate::stellar::AccountId(self.bytes()))
    }

    pub(super) fn address(self) -> MuxedAccount {
        MuxedAccount::Ed25519(Uint256(self.bytes()))
    }

    /// With an id of its own.
    pub(super) fn muxed(self, id: u64) -> MuxedAccount {
        MuxedAccount::MuxedEd25519(MuxedAccountMed25519 { id, ed25519: Uint256(self.bytes()) })
    }

    /// `G…`.
    pub(super) fn g(self) -> String {
        self.id().to_string()
    }
}

pub(super) struct Tale {
    pub(super) fixture: Fixture,
}

impl Tale {
    /// A quiet world with these people in it, rich.
    pub(super) fn of(people: &[Person], bounds: HistoryBounds) -> Self {
        let engine = EngineAccount::without_trustlines(crate::stellar::AccountId([7; 32]));
        let config = WorldConfig { activity: Activity::None, ..WorldConfig::new(1, engine) };
        let mut tale = Self { fixture: Fixture::of(&config, bounds) };
        let root = tale.fixture.world.ledger().root_key();
        let creations = people.iter().map(|person| create_account(&person.id(), 10_000)).collect();
        let tx = tale.transaction(&root, creations);
        tale.submit(&tale.signed(tx, &[root]));
        tale.fixture.close();
        for person in people {
            let account = tale.fixture.world.ledger().account(&person.id()).unwrap();
            assert_eq!(account.balance, 10_000 * UNIT);
        }
        tale
    }

    /// A transaction of this source, not signed.
    pub(super) fn transaction(&self, source: &SigningKey, bodies: Vec<OperationBody>) -> Transaction {
        let id = crate::stellar::AccountId(source.verifying_key().to_bytes());
        let sequence = ledger_sequence(self.fixture.world.ledger(), id) + 1;
        actor::transaction(id, sequence, 100, bodies)
    }

    fn network(&self) -> NetworkId {
        self.fixture.world.ledger().network()
    }

    pub(super) fn signed(&self, tx: Transaction, keys: &[SigningKey]) -> TransactionEnvelope {
        let hash = tx.hash(self.network().0).unwrap();
        TransactionEnvelope::Tx(TransactionV1Envelope { tx, signatures: signatures(&hash, keys) })
    }

    /// Paid for by somebody else.
    pub(super) fn bumped(
        &self,
        inner: TransactionEnvelope,
        payer: &MuxedAccount,
        key: SigningKey,
        fee: i64,
    ) -> TransactionEnvelope {
        let TransactionEnvelope::Tx(inner) = inner else { panic!("what is bumped is no bump") };
        let tx = FeeBumpTransaction {
            fee_source: payer.clone(),
            fee,
            inner_tx: FeeBumpTransactionInnerTx::Tx(inner),
            ext: FeeBumpTransactionExt::V0,
        };
        let hash = tx.hash(self.network().0).unwrap();
        TransactionEnvelope::TxFeeBump(FeeBumpTransactionEnvelope { tx, signatures: signatures(&hash, &[key]) })
    }

    pub(super) fn submit(&mut self, envelope: &TransactionEnvelope) -> String {
        let outcome = self.fixture.submit(&envelope.to_xdr(Limits::none()).unwrap());
        assert_eq!(outcome, Submission::Pending, "{envelope:?}");
        hex::encode(envelope.hash(self.network().0).unwrap())
    }

    /// Does something in a ledger of its own, each operation by whom it names; gives the transaction's hash. The first one
    /// is the transaction's source.
    pub(super) fn attempt(&mut self, deeds: Vec<(Person, OperationBody)>) -> String {
        let source = deeds[0].0;
        let mut keys: Vec<Person> = deeds.iter().map(|(person, _)| *person).collect();
        keys.dedup();
        let (people, bodies): (Vec<Person>, Vec<OperationBody>) = deeds.into_iter().unzip();
        let mut tx = self.transaction(&source.key(), bodies);
        let operations = tx.operations.iter().zip(people).map(|(operation, person)| Operation {
            source_account: (person != source).then(|| person.address()),
            body: operation.body.clone(),
        });
        tx.operations = operations.collect::<Vec<_>>().try_into().unwrap();
        keys.sort_by_key(|person| person.0);
        keys.dedup();
        let keys: Vec<SigningKey> = keys.into_iter().map(Person::key).collect();
        let hash = self.submit(&self.signed(tx, &keys));
        self.fixture.close();
        hash
    }

    /// The same; it must succeed.
    pub(super) fn tell(&mut self, deeds: Vec<(Person, OperationBody)>) -> String {
        let hash = self.attempt(deeds);
        let (_, tx) = self.fixture.history.transaction(&hash_of(&hash)).unwrap();
        assert!(tx.succeeded(), "{:?}", tx.result);
        hash
    }

    /// Asks for an object.
    pub(super) fn object(&self, path: &str) -> Result<Value, Problem> {
        let (object, target) = object_at(path);
        object(&self.fixture.chain(), &target)
    }

    /// Asks for a page.
    pub(super) fn try_records(&self, path: &str) -> Result<Vec<Value>, Problem> {
        records(&self.fixture, path)
    }

    /// The same; it must be there.
    pub(super) fn records(&self, path: &str) -> Vec<Value> {
        self.try_records(path).unwrap_or_else(|problem| panic!("{path}: {problem:?}"))
    }
}

/// Asks a world's past for a page.
pub(super) fn records(fixture: &Fixture, path: &str) -> Result<Vec<Value>, Problem> {
    let (records, target) = records_at(path);
    records(&fixture.chain(), &target, &Page::parse(&target.query)?)
}

fn object_at(path: &str) -> (ObjectOf, Target) {
    match target(path) {
        (Resource::Object(object), target) => (object, target),
        (Resource::Records(_), _) => panic!("{path} is a collection"),
    }
}

fn records_at(path: &str) -> (RecordsOf, Target) {
    match target(path) {
        (Resource::Records(records), target) => (records, target),
        (Resource::Object(_), _) => panic!("{path} is an object"),
    }
}

fn target(path_and_query: &str) -> (Resource, Target) {
    let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
    let (resource, variables) = route(path).unwrap_or_else(|| panic!("{path} leads nowhere"));
    let (query, base_url) = (Query::parse(query), "http://sandbox:8000".to_owned());
    (resource, Target { variables, query, base_url, path: path.to_owned() })
}

pub(super) fn hash_of(text: &str) -> Hash {
    Hash(hex::decode(text).unwrap().try_into().unwrap())
}

fn signatures(hash: &[u8; 32], keys: &[SigningKey]) -> stellar_xdr::VecM<DecoratedSignature, 20> {
    let signatures = keys.iter().map(|key| {
        let [.., a, b, c, d] = key.verifying_key().to_bytes();
        let signature = Signature(key.sign(hash).to_bytes().to_vec().try_into().unwrap());
        DecoratedSignature { hint: SignatureHint([a, b, c, d]), signature }
    });
    signatures.collect::<Vec<_>>().try_into().unwrap()
}
