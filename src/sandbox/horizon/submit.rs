//! `POST /transactions`, which waits for the ledger, and `POST /transactions_async`, which does not.

use super::codes::result_codes;
use super::face::{hal, problem};
use super::{Problem, Target, transactions};
use crate::sandbox::chain::Chain;
use crate::sandbox::faces::{Host, look};
use crate::sandbox::http::{Answer, Later, Query, Reply, Request, Response};
use crate::sandbox::world::Submission;
use crate::stellar::NetworkId;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use stellar_xdr::{Hash, Limits, ReadXdr as _, TransactionEnvelope, TransactionResult, WriteXdr as _};

/// How long a transaction is waited for, as Horizon does: at least three ledgers.
const WAIT: Duration = Duration::from_secs(30);
/// The deepest nesting and the longest envelope that are decoded.
const ENVELOPE_LIMITS: Limits = Limits { depth: 200, len: 128 * 1024 };

/// A transaction as it was handed in.
#[derive(Clone, Debug)]
struct HandedIn {
    /// In base64.
    raw: String,
    envelope: Vec<u8>,
    hash: Hash,
    /// Where links in the answer lead.
    base_url: String,
}

/// Hands in a transaction, and answers when a ledger has it. The answer looks for it with `later`.
pub(crate) fn wait(host: &dyn Host, later: Arc<dyn Host>, request: &Request, now: Instant) -> Answer {
    match HandedIn::read(request, host.passphrase()) {
        Ok(tx) => tx.submit(host, later, now),
        Err(refusal) => problem(&refusal).into(),
    }
}

/// Hands in a transaction, and answers what core says to it.
pub(crate) fn pass_on(host: &dyn Host, request: &Request) -> Response {
    let tx = match HandedIn::read(request, host.passphrase()) {
        Ok(tx) => tx,
        Err(refusal) => return problem(&refusal),
    };
    let said = |status: u16, word: &str| (status, json!({"tx_status": word, "hash": tx.hash.to_string()}));
    let (status, body) = match host.submit(&tx.envelope) {
        Submission::Pending => said(201, "PENDING"),
        Submission::Duplicate => said(409, "DUPLICATE"),
        Submission::TryAgainLater => said(503, "TRY_AGAIN_LATER"),
        Submission::Error(result) => {
            let (status, mut body) = said(400, "ERROR");
            body["error_result_xdr"] = json!(result_xdr(&result));
            (status, body)
        }
        Submission::Malformed(why) => return problem(&exception(&tx.raw, &why)),
    };
    hal(status, &body)
}

impl HandedIn {
    fn read(request: &Request, passphrase: &str) -> Result<Self, Problem> {
        let media_type = request.content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        if !["", "application/x-www-form-urlencoded"].contains(&media_type.as_str()) {
            return Err(unsupported_media_type());
        }
        let form = Query::parse(&String::from_utf8_lossy(&request.body));
        let raw = form.get("tx").or_else(|| request.query.get("tx")).unwrap_or("").to_owned();
        let malformed = || malformed(&raw);
        let envelope = BASE64.decode(&raw).map_err(|_| malformed())?;
        let parsed = TransactionEnvelope::from_xdr(&envelope, ENVELOPE_LIMITS).map_err(|_| malformed())?;
        let hash = parsed.hash(NetworkId::from_passphrase(passphrase).0).map_err(|_| malformed())?;
        Ok(Self { hash: Hash(hash), envelope, raw, base_url: request.base_url.clone() })
    }

    fn submit(self, host: &dyn Host, later: Arc<dyn Host>, now: Instant) -> Answer {
        // Handed in a second time, it is answered as it was the first time.
        if let Some(response) = look(host, |chain| self.applied(chain)) {
            return response.into();
        }
        match host.submit(&self.envelope) {
            // A ledger may have closed in between, and have it: then its sequence number is used up by itself.
            Submission::Error(result) => {
                look(host, |chain| self.applied(chain)).unwrap_or_else(|| problem(&self.failed(&result))).into()
            }
            Submission::Malformed(_) => problem(&malformed(&self.raw)).into(),
            // Horizon waits too where core said to try again later: the transaction may be applied by then.
            Submission::Pending | Submission::Duplicate | Submission::TryAgainLater => {
                Answer::Later(Box::new(Waiting { host: later, tx: self, due: now + WAIT }))
            }
        }
    }

    /// The answer, if a ledger has it.
    fn applied(&self, chain: &Chain<'_>) -> Option<Response> {
        let (_, tx) = chain.history.transaction(&self.hash)?;
        Some(match tx.succeeded() {
            true => shown(chain, &self.hash, &self.base_url),
            false => problem(&self.failed(&tx.result)),
        })
    }

    fn failed(&self, result: &TransactionResult) -> Problem {
        Problem::plain(
            400,
            "transaction_failed",
            "Transaction Failed",
            "The transaction failed when submitted to the stellar network. The `extras.result_codes` field on this \
             response contains further details.  Descriptions of each code can be found at: \
             https://developers.stellar.org/api/errors/http-status-codes/horizon-specific/transaction-failed/",
        )
        .with("envelope_xdr", self.raw.as_str())
        .with("result_xdr", result_xdr(result))
        .with("result_codes", result_codes(result, &self.hash))
        .with("hash", self.hash.to_string())
    }

    fn timed_out(&self) -> Problem {
        Problem::plain(
            504,
            "transaction_submission_timeout",
            "Transaction Submission Timeout",
            "Your transaction submission request has timed out. This does not necessarily mean the submission has \
             failed. Before resubmitting, please use the transaction hash provided in `extras.hash` to poll the GET \
             /transactions endpoint for sometime and check if it was included in a ledger.",
        )
        .with("hash", self.hash.to_string())
        .with("envelope_xdr", self.raw.as_str())
    }
}

/// A transaction that a ledger has, as a resource.
pub(crate) fn shown(chain: &Chain<'_>, hash: &Hash, base_url: &str) -> Response {
    let hash = hash.to_string();
    let path = format!("/transactions/{hash}");
    let target = Target { variables: vec![hash], query: Query::default(), base_url: base_url.to_owned(), path };
    match transactions::one(chain, &target) {
        Ok(resource) => hal(200, &resource),
        Err(missing) => problem(&missing),
    }
}

/// A transaction that is waited for.
struct Waiting {
    host: Arc<dyn Host>,
    tx: HandedIn,
    due: Instant,
}

impl Later for Waiting {
    fn poll(&mut self, now: Instant) -> Option<Reply> {
        let applied = look(&*self.host, |chain| self.tx.applied(chain));
        let answer = applied.or_else(|| (now >= self.due).then(|| problem(&self.tx.timed_out())))?;
        Some(answer.into())
    }

    fn due(&self) -> Instant {
        self.due
    }
}

fn result_xdr(result: &TransactionResult) -> String {
    // A result that the ledger gave can be written: it was in its metadata, or would have been.
    result.to_xdr_base64(Limits::none()).unwrap_or_default()
}

fn malformed(raw: &str) -> Problem {
    Problem::plain(
        400,
        "transaction_malformed",
        "Transaction Malformed",
        "Horizon could not decode the transaction envelope in this request. A transaction should be an XDR \
         TransactionEnvelope struct encoded using base64.  The envelope read from this request is echoed in the \
         `extras.envelope_xdr` field of this response for your convenience.",
    )
    .with("envelope_xdr", raw)
}

fn unsupported_media_type() -> Problem {
    Problem::plain(
        415,
        "unsupported_media_type",
        "Unsupported Media Type",
        "The request has an unsupported content type. Presently, the only supported content type is \
         application/x-www-form-urlencoded.",
    )
}

fn exception(raw: &str, why: &str) -> Problem {
    let extras = Map::from_iter([
        ("envelope_xdr".to_owned(), Value::String(raw.to_owned())),
        ("error".to_owned(), Value::String(why.to_owned())),
    ]);
    let detail = "Received exception from stellar-core.The `extras.error` field on this response contains further \
                  details.";
    let plain = Problem::plain(500, "transaction_submission_exception", "Transaction Submission Exception", detail);
    Problem { extras, ..plain }
}
