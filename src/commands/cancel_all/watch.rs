//! One account in the metadata stream: its sequence number, its offers on any pair, and what became of its transactions.

use crate::commands::handover::HandedOffer;
use crate::net::Endpoint;
use crate::stellar::{AccountId, LedgerSeq, NetworkId, OfferId, Price, TxHash};
use crate::wire::ledger::{
    Change, ChangePhase, Envelope, FailedOperation, LedgerHeader, LedgerVisitor, TransactionResult,
    TransactionResultCode, skim,
};
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use crate::wire::recording::Recording;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Ledgers that are read ahead of who takes them.
const READ_AHEAD: usize = 64;
/// A socket that has been silent for so long is given up.
const SILENT_FOR: Duration = Duration::from_secs(30);

/// What a ledger told of the account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SeenLedger {
    /// The ledger.
    pub(super) seq: LedgerSeq,
    /// Its base fee an operation, stroops.
    pub(super) base_fee: u32,
    /// The sequence number that the account has consumed last, if the account changed.
    pub(super) sequence: Option<i64>,
    /// What happened to its offers, in the order in which it did.
    pub(super) offers: Vec<OfferNews>,
    /// Its transactions.
    pub(super) transactions: Vec<SeenTransaction>,
}

/// What happened to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OfferNews {
    /// It was made or changed.
    Stands(HandedOffer),
    /// It is gone.
    Gone(OfferId),
}

/// A transaction in a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SeenTransaction {
    /// Its hash.
    pub(super) hash: TxHash,
    /// How it ended.
    pub(super) code: TransactionResultCode,
    /// The first operation that failed, if one did.
    pub(super) failed: Option<FailedOperation>,
}

/// What comes from the stream: ledgers, and last why no more come.
pub(super) type Watch = Receiver<Result<SeenLedger, String>>;

/// Reads the stream on a thread of its own, which ends with the stream, the process, or whoever listens. Tells every
/// ledger that it has, old ones included.
pub(super) fn watch(endpoint: &Endpoint, account: AccountId, network: NetworkId) -> io::Result<Watch> {
    let (sender, receiver) = sync_channel(READ_AHEAD);
    let endpoint = endpoint.clone();
    let run = move || {
        let error = match open(&endpoint) {
            Ok(input) => read(input, account, network, &sender),
            Err(error) => error.to_string(),
        };
        // Nobody listens any more, or hears it last.
        let _heard = sender.send(Err(format!("{endpoint}: {error}")));
    };
    std::thread::Builder::new().name("meta-stream".into()).spawn(run)?;
    Ok(receiver)
}

fn open(endpoint: &Endpoint) -> io::Result<Box<dyn Read>> {
    match endpoint {
        Endpoint::Unix { path } => {
            let socket = UnixStream::connect(path)?;
            socket.set_read_timeout(Some(SILENT_FOR))?;
            Ok(Box::new(socket))
        }
        Endpoint::Pipe { path } => Ok(Box::new(File::open(path)?)),
        Endpoint::Tcp { .. } | Endpoint::Tls { .. } => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Reads to the end and says why it was the end.
fn read(
    input: impl Read,
    account: AccountId,
    network: NetworkId,
    sender: &SyncSender<Result<SeenLedger, String>>,
) -> String {
    let mut recording = match Recording::open(input, DEFAULT_MAX_MESSAGE_BYTES) {
        Ok(recording) => recording,
        Err(error) => return error.to_string(),
    };
    loop {
        let ledger = match recording.next_ledger() {
            Ok(Some(bytes)) => look(bytes, account, network),
            Ok(None) => return "the stream has ended".to_owned(),
            Err(error) => return error.to_string(),
        };
        match ledger {
            Ok(ledger) => {
                if sender.send(Ok(ledger)).is_err() {
                    return "nobody listens".to_owned();
                }
            }
            Err(error) => return error,
        }
    }
}

/// What a `LedgerCloseMeta` tells of the account.
fn look(bytes: &[u8], account: AccountId, network: NetworkId) -> Result<SeenLedger, String> {
    let (seen, own) = (SeenLedger::default(), Vec::new());
    let mut eye = Eye { account, network, seen, phase: None, own, is_current: false, wrong: None };
    skim(bytes, &mut eye).map_err(|error| error.to_string())?;
    match eye.wrong {
        None => Ok(eye.seen),
        Some(id) => Err(format!("ledger {}: offer {} has an impossible price", eye.seen.seq, id.0)),
    }
}

struct Eye {
    account: AccountId,
    network: NetworkId,
    seen: SeenLedger,
    /// When in the ledger the sequence number was seen.
    phase: Option<ChangePhase>,
    /// Hashes of the account's envelopes, as the results name them.
    own: Vec<TxHash>,
    /// Whether the transaction that is being told of is one of them.
    is_current: bool,
    wrong: Option<OfferId>,
}

impl LedgerVisitor for Eye {
    fn header(&mut self, header: &LedgerHeader<'_>) {
        self.seen.seq = LedgerSeq(header.seq);
        self.seen.base_fee = header.base_fee;
    }

    fn envelope(&mut self, envelope: &Envelope<'_>) {
        if *envelope.source == self.account.0 {
            self.own.push(envelope.outer_hash(&self.network));
        }
    }

    fn transaction(&mut self, result: &TransactionResult<'_>) {
        let hash = TxHash(*result.hash);
        self.is_current = self.own.contains(&hash);
        if self.is_current {
            self.seen.transactions.push(SeenTransaction { hash, code: result.code, failed: None });
        }
    }

    fn failed_operation(&mut self, failed: FailedOperation) {
        if let (true, Some(last)) = (self.is_current, self.seen.transactions.last_mut()) {
            last.failed = Some(failed);
        }
    }

    fn change(&mut self, phase: ChangePhase, change: &Change<'_>) {
        match change {
            Change::Offer(offer) if *offer.seller == self.account.0 => {
                let id = OfferId(offer.id);
                let Ok(price) = Price::new(offer.price_n, offer.price_d) else {
                    self.wrong = Some(id);
                    return;
                };
                let (selling, buying) = (offer.selling.to_asset(), offer.buying.to_asset());
                self.seen.offers.push(OfferNews::Stands(HandedOffer { id, selling, buying, price }));
            }
            Change::OfferGone { seller, id, .. } if **seller == self.account.0 => {
                self.seen.offers.push(OfferNews::Gone(OfferId(*id)));
            }
            Change::Account(account) if *account.account == self.account.0 && self.phase <= Some(phase) => {
                self.phase = Some(phase);
                self.seen.sequence = Some(account.sequence);
            }
            _ => {}
        }
    }
}
