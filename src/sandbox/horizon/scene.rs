//! For tests of resources: a world that does only what a test says, and requests as clients send them.

use super::{Page, Problem, Resource, Target, route};
use crate::sandbox::actor::{self, Actor};
use crate::sandbox::chain::Chain;
use crate::sandbox::fixture::Fixture;
use crate::sandbox::history::HistoryBounds;
use crate::sandbox::http::Query;
use crate::sandbox::traders::Activity;
use crate::sandbox::world::{Submission, ledger_sequence};
use crate::sandbox::{EngineAccount, WorldConfig};
use crate::stellar::{AccountId, Asset, AssetCode, Price, Stroops};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use stellar_xdr::{
    BeginSponsoringFutureReservesOp, ChangeTrustAsset, ChangeTrustOp, DataValue, Hash, Limits,
    LiquidityPoolConstantProductParameters, LiquidityPoolDepositOp, LiquidityPoolParameters, ManageDataOp, Operation,
    OperationBody, PathPaymentStrictReceiveOp, PoolId, String64, Transaction, TransactionEnvelope, VecM, WriteXdr,
};

/// Where requests go.
pub(super) const BASE_URL: &str = "http://sandbox:8000";

/// What a client gets for this path and query.
pub(super) fn get(chain: &Chain<'_>, request: &str) -> Result<Value, Problem> {
    let (path, query) = request.split_once('?').unwrap_or((request, ""));
    let (resource, variables) = route(path).expect("a path that leads somewhere");
    let query = Query::parse(query);
    let target = Target { variables, query: query.clone(), base_url: BASE_URL.into(), path: path.into() };
    match resource {
        Resource::Object(object) => object(chain, &target),
        Resource::Records(records) => {
            let page = Page::parse(&query)?;
            let records = records(chain, &target, &page)?;
            Ok(page.body(&format!("{BASE_URL}{path}"), &query, records))
        }
    }
}

/// The records of a page.
pub(super) fn records(chain: &Chain<'_>, request: &str) -> Vec<Value> {
    let body = get(chain, request).unwrap();
    body["_embedded"]["records"].as_array().unwrap().clone()
}

/// The kind of problem, the field and the reason that a request gets.
pub(super) fn refusal(chain: &Chain<'_>, request: &str) -> (&'static str, String, String) {
    let problem = get(chain, request).expect_err(request);
    let extra = |name: &str| problem.extras.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    (problem.kind, extra("invalid_field"), extra("reason"))
}

/// The members of an object, sorted.
pub(super) fn members(object: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = object.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// An asset as two parameters of a query name it.
pub(super) fn asset_query(prefix: &str, asset: &Asset) -> String {
    let Asset::Credit { code, issuer } = asset else { return format!("{prefix}asset_type=native") };
    let kind = if code.as_bytes().len() <= 4 { "credit_alphanum4" } else { "credit_alphanum12" };
    format!("{prefix}asset_type={kind}&{prefix}asset_code={code}&{prefix}asset_issuer={issuer}")
}

/// Accounts that do what they are told.
pub(super) struct Scene {
    pub(super) fixture: Fixture,
    root: Actor,
}

impl Scene {
    /// A world without traders.
    pub(super) fn new() -> Self {
        let engine = EngineAccount::without_trustlines(AccountId([7; 32]));
        let config = WorldConfig { activity: Activity::None, ..WorldConfig::new(1, engine) };
        let fixture = Fixture::of(&config, HistoryBounds::default());
        let root = Actor::new(fixture.world.ledger().root_key());
        Self { fixture, root }
    }

    /// What the faces show.
    pub(super) fn chain(&self) -> Chain<'_> {
        self.fixture.chain()
    }

    /// A new account with a million lumens.
    pub(super) fn account(&mut self, number: usize) -> Actor {
        let actor = Actor::derive(1, "scene", number);
        let create = operation(&self.root, actor::create_account(actor.id(), Stroops(10_000_000_000_000)));
        let root = Actor::new(self.fixture.world.ledger().root_key());
        self.apply(&[&root], vec![create]);
        actor
    }

    /// A credit of an issuer, of which each of these accounts gets a million.
    pub(super) fn credit(&mut self, code: &[u8; 4], issuer: &Actor, holders: &[&Actor]) -> Asset {
        let asset = Asset::Credit { code: AssetCode::Four(*code), issuer: issuer.id() };
        for holder in holders {
            self.act(holder, vec![actor::trust(&asset)]);
            self.act(issuer, vec![actor::pay(holder.id(), &asset, Stroops(10_000_000_000_000))]);
        }
        asset
    }

    /// One transaction of one account, in a ledger of its own.
    pub(super) fn act(&mut self, who: &Actor, bodies: Vec<OperationBody>) {
        let operations = bodies.into_iter().map(|body| operation(who, body)).collect();
        self.apply(&[who], operations);
    }

    /// One transaction that all of these sign, the first of them its source, in a ledger of its own. It succeeds.
    pub(super) fn apply(&mut self, signers: &[&Actor], operations: Vec<Operation>) {
        let succeeded = self.try_apply(signers, operations);
        assert!(succeeded, "{:?}", self.fixture.history.newest().unwrap().transactions[0].result);
    }

    /// The same; tells whether it succeeded.
    pub(super) fn try_apply(&mut self, signers: &[&Actor], operations: Vec<Operation>) -> bool {
        let source = signers[0].id();
        let sequence = ledger_sequence(self.fixture.world.ledger(), source) + 1;
        let bodies = operations.iter().map(|operation| operation.body.clone()).collect();
        let mut tx: Transaction = actor::transaction(source, sequence, 100, bodies);
        tx.operations = operations.try_into().unwrap();
        let network = self.fixture.world.ledger().network();
        let signatures: Vec<_> = signers
            .iter()
            .flat_map(|signer| match signer.sign(network, tx.clone()) {
                Some(TransactionEnvelope::Tx(envelope)) => envelope.signatures.into_vec(),
                other => panic!("{other:?}"),
            })
            .collect();
        let signatures = VecM::try_from(signatures).unwrap();
        let envelope = TransactionEnvelope::Tx(stellar_xdr::TransactionV1Envelope { tx, signatures });
        let submission = self.fixture.submit(&envelope.to_xdr(Limits::none()).unwrap());
        assert_eq!(submission, Submission::Pending);
        self.fixture.close();
        self.fixture.history.newest().unwrap().transactions.iter().all(|tx| tx.succeeded())
    }

    /// An offer to sell base for quote.
    pub(super) fn ask(&mut self, who: &Actor, base: &Asset, quote: &Asset, amount: i64, price: (i32, i32)) {
        let price = Price::new(price.0, price.1).unwrap();
        self.act(who, vec![actor::ask(base, quote, Stroops(amount), price, 0)]);
    }
}

/// An operation of this account.
pub(super) fn operation(source: &Actor, body: OperationBody) -> Operation {
    Operation { source_account: Some(actor::account_to_xdr(source.id()).into()), body }
}

/// What a transaction needs for `sponsored` to be paid for by `sponsor`: both must sign.
pub(super) fn sponsored(sponsor: &Actor, owner: &Actor, bodies: Vec<OperationBody>) -> Vec<Operation> {
    let begin = BeginSponsoringFutureReservesOp { sponsored_id: actor::account_to_xdr(owner.id()) };
    let mut operations = vec![operation(sponsor, OperationBody::BeginSponsoringFutureReserves(begin))];
    operations.extend(bodies.into_iter().map(|body| operation(owner, body)));
    operations.push(operation(owner, OperationBody::EndSponsoringFutureReserves));
    operations
}

/// Sets a data entry.
pub(super) fn set_data(name: &str, value: &[u8]) -> OperationBody {
    let data_value = Some(DataValue(value.to_vec().try_into().unwrap()));
    OperationBody::ManageData(ManageDataOp { data_name: String64(name.try_into().unwrap()), data_value })
}

/// A pool's parameters.
fn pool_of(x: &Asset, y: &Asset) -> LiquidityPoolParameters {
    let (a, b) = (actor::asset_to_xdr(x.min(y)), actor::asset_to_xdr(x.max(y)));
    LiquidityPoolParameters::LiquidityPoolConstantProduct(LiquidityPoolConstantProductParameters {
        asset_a: a,
        asset_b: b,
        fee: 30,
    })
}

/// The id of the pool of two assets.
pub(super) fn pool_id(x: &Asset, y: &Asset) -> PoolId {
    PoolId(Hash(Sha256::digest(pool_of(x, y).to_xdr(Limits::none()).unwrap()).into()))
}

/// Trusts a pool's shares.
pub(super) fn trust_pool(x: &Asset, y: &Asset) -> OperationBody {
    let line = ChangeTrustAsset::PoolShare(pool_of(x, y));
    OperationBody::ChangeTrust(ChangeTrustOp { line, limit: i64::MAX })
}

/// Gives a pool so much of its lesser and of its greater asset.
pub(super) fn deposit(x: &Asset, y: &Asset, a: i64, b: i64) -> OperationBody {
    OperationBody::LiquidityPoolDeposit(LiquidityPoolDepositOp {
        liquidity_pool_id: pool_id(x, y),
        max_amount_a: a,
        max_amount_b: b,
        min_price: stellar_xdr::Price { n: 1, d: 1_000_000 },
        max_price: stellar_xdr::Price { n: 1_000_000, d: 1 },
    })
}

/// Buys exactly `amount` of one asset with another, for oneself, at any price.
pub(super) fn receive(who: &Actor, send: &Asset, dest: &Asset, amount: i64) -> OperationBody {
    OperationBody::PathPaymentStrictReceive(PathPaymentStrictReceiveOp {
        send_asset: actor::asset_to_xdr(send),
        send_max: i64::MAX,
        destination: actor::account_to_xdr(who.id()).into(),
        dest_asset: actor::asset_to_xdr(dest),
        dest_amount: amount,
        path: VecM::default(),
    })
}
