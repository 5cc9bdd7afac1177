//! A Stellar RPC that has recorded ledgers, without sockets.
#![allow(dead_code, reason = "each test uses its own part")]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::Arc;

/// The number of a recording's first ledger.
const FIRST: u32 = 2;

pub(crate) struct Endpoint {
    ledgers: Arc<Vec<Vec<u8>>>,
    packs: bool,
    /// How many of its newest ledgers it has.
    window: u32,
    /// What it answers instead.
    pub(crate) damage: Option<Vec<u8>>,
    /// Requests for ledgers.
    pub(crate) asked: usize,
    /// Length of the last answer's body, before it is packed.
    pub(crate) body_bytes: usize,
}

impl Endpoint {
    pub(crate) fn new(ledgers: &Arc<Vec<Vec<u8>>>) -> Self {
        Self { ledgers: Arc::clone(ledgers), packs: false, window: u32::MAX, damage: None, asked: 0, body_bytes: 0 }
    }

    /// The same, with answers in gzip.
    pub(crate) fn packing(self) -> Self {
        Self { packs: true, ..self }
    }

    /// The same, that keeps no more than its newest ledgers, and not even those that others ask for.
    pub(crate) fn pruned_to(self, window: u32) -> Self {
        Self { window, ..self }
    }

    /// The answer to a request, when this is the newest ledger.
    pub(crate) fn answer(&mut self, request: &[u8], newest: u32) -> Vec<u8> {
        let newest = newest.min(FIRST + u32::try_from(self.ledgers.len()).unwrap() - 1);
        let head = request.windows(4).position(|end| end == b"\r\n\r\n").unwrap();
        let asked: Value = serde_json::from_slice(&request[head + 4..]).unwrap();
        let answer = match asked["method"].as_str().unwrap() {
            "getLatestLedger" => json!({"result": {"id": "00", "protocolVersion": 25, "sequence": newest}}),
            _ => self.page(&asked["params"], newest),
        };
        let body = self.damage.clone().unwrap_or_else(|| answer.to_string().into_bytes());
        self.body_bytes = body.len();
        self.response(&body)
    }

    fn page(&mut self, asked: &Value, newest: u32) -> Value {
        self.asked += 1;
        let from = u32::try_from(asked["startLedger"].as_u64().unwrap()).unwrap();
        let limit = u32::try_from(asked["pagination"]["limit"].as_u64().unwrap()).unwrap();
        // A server whose window is short is ahead of what it is asked for, mostly.
        let oldest = newest.saturating_sub(self.window.saturating_sub(1)).max(FIRST);
        if !(oldest..=newest).contains(&from) {
            return json!({"error": {"code": -32600, "message": "start ledger must be within what there is"}});
        }
        let ledgers: Vec<Value> = (from..=newest.min(from + limit - 1))
            .map(|seq| {
                let xdr = STANDARD.encode(&self.ledgers[usize::try_from(seq - FIRST).unwrap()]);
                json!({"hash": "00", "sequence": seq, "metadataXdr": xdr})
            })
            .collect();
        json!({"jsonrpc": "2.0", "id": 1, "result": {"ledgers": ledgers, "latestLedger": newest, "cursor": "1"}})
    }

    fn response(&self, body: &[u8]) -> Vec<u8> {
        let (body, coding) = if self.packs {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(body).unwrap();
            (encoder.finish().unwrap(), "Content-Encoding: gzip\r\n")
        } else {
            (body.to_vec(), "")
        };
        let head = format!("HTTP/1.1 200 OK\r\n{coding}Content-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), &body].concat()
    }
}
