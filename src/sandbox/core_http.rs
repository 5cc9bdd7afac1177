//! stellar-core's HTTP commands: `/tx?blob=…` and `/info`.
//!
//! As in core (`lib/http`, `src/main/CommandHandler.cpp`): HTTP/1.0, one request a connection, the connection closed
//! after the answer; every answer is 200 with JSON, and what went wrong stands in the JSON; the whole URI is
//! percent-decoded with `+` as a space, so a base64 blob must escape its plus signs.

use super::chain::Chain;
use super::faces::{Host, look};
use super::http::{Response, percent_decode};
use super::world::Submission;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use stellar_xdr::{Limits, WriteXdr};

/// Whether a path, as it was sent, is one of core's commands.
pub(crate) fn is_command(target: &str) -> bool {
    let path = target.split('?').next().unwrap_or("");
    ["/tx", "/info"].contains(&path)
}

/// Answers a command: path and query as they were sent.
pub(crate) fn answer(host: &dyn Host, target: &str) -> Response {
    let Some(uri) = percent_decode(&target.replace('+', " ")) else { return bad_request() };
    let (command, parameters) = uri.split_once('?').map_or((uri.as_str(), None), |(path, rest)| (path, Some(rest)));
    ok(&match command {
        "/tx" => submit(parameters, host),
        _ => look(host, info),
    })
}

fn submit(parameters: Option<&str>, host: &dyn Host) -> String {
    let Some(blob) = parameters.and_then(|parameters| parameters.strip_prefix("blob=")) else {
        return exception("Must specify a tx blob: tx?blob=<tx in xdr format>");
    };
    let envelope = match BASE64.decode(blob) {
        Ok(envelope) => envelope,
        Err(error) => return exception(&format!("blob is not base64: {error}")),
    };
    match host.submit(&envelope) {
        Submission::Pending => status("PENDING"),
        Submission::Duplicate => status("DUPLICATE"),
        Submission::TryAgainLater => status("TRY_AGAIN_LATER"),
        Submission::Error(result) => match result.to_xdr_base64(Limits::none()) {
            Ok(result) => format!("{{\"error\":\"{result}\",\"status\":\"ERROR\"}}\n"),
            Err(error) => exception(&error.to_string()),
        },
        Submission::Malformed(why) => exception(&why),
    }
}

fn status(status: &str) -> String {
    format!("{{\"status\":\"{status}\"}}\n")
}

/// Core's words here are those of whatever C++ exception came up; clients can rely on the key alone.
fn exception(what: &str) -> String {
    format!(r#"{{"exception": {}}}"#, serde_json::Value::from(what))
}

/// `/info` with the members and the layout of core's; what a single process cannot have (peers, quorum) is empty.
fn info(chain: &Chain<'_>) -> String {
    let header = chain.ledger.header();
    let close_time_s = header.scp_value.close_time.0;
    format!(
        r#"{{
   "info" : {{
      "build" : "stellar-connector sandbox {build}",
      "history_failure_rate" : "0",
      "ledger" : {{
         "age" : {age},
         "baseFee" : {base_fee},
         "baseReserve" : {base_reserve},
         "closeTime" : {close_time},
         "hash" : "{hash}",
         "maxTxSetSize" : {max_tx_set_size},
         "num" : {num},
         "version" : {version}
      }},
      "network" : {network},
      "peers" : {{
         "authenticated_count" : 0,
         "pending_count" : 0
      }},
      "protocol_version" : {version},
      "quorum" : {{}},
      "state" : "Synced!"
   }}
}}
"#,
        build = env!("CARGO_PKG_VERSION"),
        age = chain.now_s.saturating_sub(close_time_s),
        base_fee = header.base_fee,
        base_reserve = header.base_reserve,
        close_time = close_time_s,
        hash = chain.ledger.hash(),
        max_tx_set_size = header.max_tx_set_size,
        num = header.ledger_seq,
        version = header.ledger_version,
        network = serde_json::Value::from(chain.ledger.passphrase()),
    )
}

fn ok(content: &str) -> Response {
    Response { last: true, ..Response::new(200, "application/json", content) }
}

fn bad_request() -> Response {
    let page = "<html><head><title>Bad Request</title></head><body><h1>400 Bad Request</h1></body></html>";
    Response { last: true, ..Response::new(400, "text/html", page) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::fixture::Fixture;
    use parking_lot::Mutex;
    use stellar_xdr::{TransactionResult, TransactionResultExt, TransactionResultResult};

    /// Answers by the envelope's first byte.
    struct Scripted(Mutex<Fixture>);

    impl Host for Scripted {
        fn chain(&self, look: &mut dyn FnMut(&Chain<'_>)) {
            look(&self.0.lock().chain());
        }

        fn submit(&self, envelope: &[u8]) -> Submission {
            match envelope.first() {
                Some(1) => Submission::Pending,
                Some(2) => Submission::Duplicate,
                Some(3) => Submission::TryAgainLater,
                Some(4) => Submission::Error(TransactionResult {
                    fee_charged: 100,
                    result: TransactionResultResult::TxBadSeq,
                    ext: TransactionResultExt::V0,
                }),
                _ => Submission::Malformed("it says \"no\"".into()),
            }
        }

        fn passphrase(&self) -> &str {
            "unasked"
        }
    }

    #[test]
    fn answers_are_those_of_core() {
        let host = Scripted(Mutex::new(Fixture::lively(1)));
        let get = |target: &str| {
            let response = answer(&host, target);
            assert!(response.last && response.status == 200, "{target}");
            String::from_utf8(response.body).unwrap()
        };
        assert_eq!(get("/tx?blob=AQ%3D%3D"), "{\"status\":\"PENDING\"}\n");
        assert_eq!(get("/tx?blob=Ag=="), "{\"status\":\"DUPLICATE\"}\n");
        assert_eq!(get("/tx?blob=Aw=="), "{\"status\":\"TRY_AGAIN_LATER\"}\n");
        let error = "{\"error\":\"AAAAAAAAAGT////7AAAAAA==\",\"status\":\"ERROR\"}\n";
        assert_eq!(get("/tx?blob=BA=="), error);
        assert_eq!(get("/tx?blob=BQ=="), r#"{"exception": "it says \"no\""}"#);
        for uri in ["/tx", "/tx?", "/tx?tx=AQ==", "/tx?blob=***", "/tx?blob=++++"] {
            assert!(get(uri).starts_with(r#"{"exception": ""#), "{uri}");
        }
        let info: serde_json::Value = serde_json::from_str(&get("/info")).unwrap();
        assert_eq!(info["info"]["ledger"]["num"], host.0.lock().chain().latest());
        assert_eq!(info["info"]["ledger"]["age"], 1);
        assert_eq!(info["info"]["network"], crate::stellar::STANDALONE_PASSPHRASE);
    }

    #[test]
    fn what_cannot_be_decoded_is_a_bad_request() {
        let host = Scripted(Mutex::new(Fixture::lively(1)));
        for target in ["/tx?blob=%zz", "/tx?blob=%e0", "/tx?blob=%4"] {
            assert_eq!(answer(&host, target).status, 400, "{target}");
        }
    }
}
