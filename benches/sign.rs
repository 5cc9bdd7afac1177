//! A transaction of two offers built, hashed and signed with a nonce made ahead, and the signature alone, beside one stock
//! signature of 32 bytes by ed25519-dalek and by aws-lc-rs, in one run.
//!
//! `cargo bench --bench sign`; the goal: built and signed in a tenth of ed25519-dalek's signature.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use aws_lc_rs::signature::Ed25519KeyPair;
use std::hint::black_box;
use std::time::Instant;
use stellar_connector::events::{Clock, Now};
use stellar_connector::pipeline::clock::SystemClock;
use stellar_connector::signer::precomputed::{PrecomputedSigner, SignerCare, precomputed};
use stellar_connector::signer::{LocalSigner, Signer};
use stellar_connector::stellar::transaction::{ManageSellOffer, TransactionHeader, TransactionWriter};
use stellar_connector::stellar::{Asset, LedgerSeq, NetworkId, OfferId, Price, SequenceNumber, Stroops, TxHash};

/// Done between two looks at the clock: as many as nonces wait.
const BATCH: usize = 32;
/// Batches of each, in turn.
const ROUNDS: usize = 2_000;
const NAMES: [&str; 4] = ["build and sign, precomputed", "sign, precomputed", "sign, ed25519-dalek", "sign, aws-lc-rs"];

/// Signers, and what is signed.
struct Desk {
    writer: TransactionWriter,
    header: TransactionHeader,
    assets: [Asset; 2],
    fast: PrecomputedSigner,
    care: SignerCare,
    stock: LocalSigner,
    aws: Ed25519KeyPair,
    now: Now,
}

impl Desk {
    fn new() -> Self {
        let seed = [7; 32];
        let stock = LocalSigner::from_seed(&seed);
        let (fast, care) = precomputed(stock.duplicate()).unwrap();
        let source = stock.public_key();
        let usdc = "USDC:GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN".parse().unwrap();
        Self {
            writer: TransactionWriter::new(NetworkId([3; 32])),
            header: TransactionHeader {
                source,
                fee: 200,
                sequence: SequenceNumber(1 << 40),
                max_ledger: LedgerSeq(99),
            },
            assets: ["XLM".parse().unwrap(), usdc],
            fast,
            care,
            stock,
            aws: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap(),
            now: SystemClock.now(),
        }
    }

    /// Fills the pool, and checks what was signed.
    fn look_after(&mut self) {
        self.now = SystemClock.now();
        self.care.look(self.now);
    }

    /// Two offers moved, as a requote is; the envelope's length.
    fn requote(&mut self, step: i32) -> usize {
        self.header.sequence = SequenceNumber(self.header.sequence.0 + 1);
        self.writer.begin(&self.header);
        let [native, usdc] = self.assets;
        for (selling, buying, offer) in [(native, usdc, 1), (usdc, native, 2)] {
            let price = Price::new(1_000_000 + step, 10_000_000).unwrap();
            let amount = Stroops(2_000_000_000 - i64::from(step));
            self.writer.manage_sell_offer(&ManageSellOffer { selling, buying, amount, price, id: OfferId(offer) });
        }
        let unsigned = self.writer.finish();
        let hash = unsigned.hash();
        let signature = self.fast.sign(self.now, &hash);
        unsigned.sign(&self.header.source, &signature).len()
    }

    /// One of the four things, `BATCH` times; nanoseconds each.
    fn batch(&mut self, which: usize, round: usize) -> f64 {
        let hash = |at: usize| TxHash([u8::try_from((at + round) % 251).unwrap(); 32]);
        self.look_after();
        let start = Instant::now();
        for at in 0..BATCH {
            match which {
                0 => _ = black_box(self.requote(i32::try_from(at).unwrap())),
                1 => _ = black_box(self.fast.sign(self.now, &hash(at))),
                2 => _ = black_box(self.stock.sign_hash(&hash(at))),
                _ => _ = black_box(self.aws.sign(&hash(at).0)),
            }
        }
        start.elapsed().as_secs_f64() * 1e9 / BATCH as f64
    }
}

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let mut desk = Desk::new();
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..ROUNDS {
        for (which, times) in times.iter_mut().enumerate() {
            times.push(desk.batch(which, round));
        }
    }
    desk.look_after();
    let watch = desk.fast.watch();
    assert_eq!((watch.stock(), watch.fault()), (0, None), "every signature was a fast one, and good");
    assert_eq!(watch.checked(), (2 * ROUNDS * BATCH) as u64, "and was checked");
    let medians = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[ROUNDS / 2]
    });
    for (name, median) in NAMES.iter().zip(medians) {
        println!("{name:<28} {median:>8.0} ns (median of {ROUNDS} batches)");
    }
    let [built, signed, dalek, aws] = medians;
    println!(
        "ratio: two offers built and signed / a signature by ed25519-dalek = {:.3} (goal: at most 0.100)",
        built / dalek
    );
    println!(
        "a precomputed signature alone: {:.3} of ed25519-dalek's, {:.3} of aws-lc-rs's",
        signed / dalek,
        signed / aws
    );
}
