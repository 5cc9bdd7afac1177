//! Writes seeds for the targets into `corpus/`: ledgers of the recordings, and one good message of each other kind.
//! Run it in this folder: `cargo run --bin make_seeds`.

use std::error::Error;
use std::fs;
use std::path::Path;
use stellar_connector::wire::recording::Recording;

const MAX_SEED_BYTES: usize = 32 << 10;
const LEDGERS_A_RECORDING: usize = 60;

fn main() -> Result<(), Box<dyn Error>> {
    let recordings = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/recordings"));
    for entry in fs::read_dir(recordings)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "zst") {
            ledgers(&path)?;
        }
    }
    for (target, name, bytes) in messages() {
        seed(target, name, &bytes)?;
    }
    Ok(())
}

/// Every n-th ledger that is not too long, so that all of a recording's life is in.
fn ledgers(path: &Path) -> Result<(), Box<dyn Error>> {
    let mut recording = Recording::open(fs::File::open(path)?, 1 << 28)?;
    let mut short = Vec::new();
    while let Some(ledger) = recording.next_ledger()? {
        if ledger.len() <= MAX_SEED_BYTES {
            short.push(ledger.to_vec());
        }
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    for (index, ledger) in short.iter().enumerate().step_by(short.len() / LEDGERS_A_RECORDING + 1) {
        seed("ledger_skim", &format!("{stem}-{index}"), ledger)?;
        let mark = 0x8000_0000_u32 | u32::try_from(ledger.len())?;
        seed("record_mark", &format!("{stem}-{index}"), &[&mark.to_be_bytes()[..], ledger].concat())?;
    }
    Ok(())
}

fn messages() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("http1_response", "length", text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")),
        ("http1_response", "close", text("HTTP/1.0 503 Busy\r\nRetry-After: 1\r\n\r\nuntil the end")),
        (
            "http1_response",
            "chunks",
            text("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nT: 1\r\n\r\n"),
        ),
        ("websocket", "text", b"\x81\x05hello\x89\x01p\x01\x02ab\x80\x01c\x88\x00".to_vec()),
        ("websocket", "long", [&b"\x81\x7e\x00\x80"[..], &[b'x'; 128]].concat()),
        ("sse", "events", b"\x10retry: 1000\nevent: open\ndata: \"hello\"\n\nid: 5-0\ndata: {}\n\n".to_vec()),
        // "hello", packed.
        (
            "gzip",
            "hello",
            b"\x04\x1f\x8b\x08\0\0\0\0\0\0\x03\xcb\x48\xcd\xc9\xc9\x07\0\x86\xa6\x10\x36\x05\0\0\0".to_vec(),
        ),
        (
            "exchange_json",
            "coinbase",
            text(
                r#"{"channel":"ticker","sequence_num":0,"events":[{"type":"update","tickers":[{"product_id":"XLM-USD","price":"0.3","best_bid":"0.25","best_ask":"0.5","best_bid_quantity":"7","best_ask_quantity":"8"}]}]}"#,
            ),
        ),
        (
            "exchange_json",
            "heartbeat",
            text(
                r#"{"channel":"heartbeats","sequence_num":1,"events":[{"current_time":"now","heartbeat_counter":3}]}"#,
            ),
        ),
        (
            "exchange_json",
            "depth",
            text(
                r#"{"stream":"xlmusdt@depth@100ms","data":{"e":"depthUpdate","E":1,"s":"XLMUSDT","U":1,"u":2,"b":[["0.25","5"]],"a":[["0.5","0"]]}}"#,
            ),
        ),
        ("exchange_json", "snapshot", text(r#"{"lastUpdateId":12,"bids":[["0.25","1"]],"asks":[["0.5","1"]]}"#)),
        ("exchange_json", "coingecko", text(r#"{"stellar":{"usd":0.25,"last_updated_at":1711356300}}"#)),
        (
            "server_json",
            "book",
            text(
                r#"{"bids":[{"price_r":{"n":1,"d":4},"price":"0.2500000","amount":"10.0000000"}],"asks":[{"price_r":{"n":1,"d":2},"price":"0.5000000","amount":"3.0000000"}],"base":{"asset_type":"native"}}"#,
            ),
        ),
        (
            "server_json",
            "offers",
            text(
                r#"{"_embedded":{"records":[{"id":"7","seller":"GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN","amount":"1.0000000","price_r":{"n":1,"d":2},"last_modified_ledger":5}]}}"#,
            ),
        ),
        ("server_json", "trade", text(r#"{"id":"1-0","paging_token":"1-0","price":{"n":"1","d":"2"}}"#)),
        (
            "server_json",
            "rpc",
            text(r#"{"jsonrpc":"2.0","id":1,"result":{"ledgers":[],"latestLedger":9,"oldestLedger":2}}"#),
        ),
        (
            "kraken_json",
            "ticker",
            text(r#"{"channel":"ticker","type":"update","data":[{"symbol":"XLM/USD","bid":0.25,"ask":"0.5"}]}"#),
        ),
        ("kraken_json", "heartbeat", text(r#"{"channel":"heartbeat"}"#)),
        ("kraken_json", "status", text(r#"{"channel":"status","data":[{"system":"online"}],"type":"update"}"#)),
        ("kraken_json", "answer", text(r#"{"method":"subscribe","result":{"channel":"ticker"},"success":true}"#)),
    ]
}

fn seed(target: &str, name: &str, bytes: &[u8]) -> std::io::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(name), bytes)
}
