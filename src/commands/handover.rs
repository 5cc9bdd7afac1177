//! What a dying engine hands to the process that takes its offers down: all that is needed for it, the key included.
//!
//! It goes as JSON through a pipe on standard input: a command line is read by every process of the machine, and a file
//! outlives its purpose. Nothing in it is ever repeated in an error, since any part may hold the secret by mistake.

use crate::events::views::{OwnOfferView, ViewsReader};
use crate::net::Endpoint;
use crate::signer::{LocalSigner, SecretKeyError, Signer as _};
use crate::stellar::{AccountIndex, Asset, LedgerSeq, Market, MarketTable, OfferId, Price, SequenceNumber, Side};
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// The longest handover that is read, bytes.
pub const MAX_BYTES: usize = 1 << 20;
/// The most offers in one: an account's own limit of subentries.
pub const MAX_OFFERS: usize = 1_000;
/// How long [`spawn`] waits for the process.
pub const WAIT: Duration = Duration::from_secs(40);
/// Between two looks at whether the process has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Room for what stands around the offers in the JSON, and for each offer, so that the secret is never left behind in
/// memory that was outgrown.
const HEAD_BYTES: usize = 16 << 10;
const OFFER_BYTES: usize = 320;

/// All that `cancel-all` needs.
#[derive(Debug)]
pub struct Handover {
    /// The network's passphrase.
    pub network: String,
    /// The account's key. Its `Debug` shows the public half alone, and it is zeroised when dropped.
    pub signer: LocalSigner,
    /// stellar-core's command port: [`Endpoint::Tcp`].
    pub core: Endpoint,
    /// stellar-core's metadata stream, [`Endpoint::Unix`] or [`Endpoint::Pipe`]. Without it nothing tells what became of
    /// a transaction.
    pub meta: Option<Endpoint>,
    /// The sequence number that the account consumed last, as of `last_ledger`. The engine has signed at most the next
    /// one beyond it.
    pub sequence: SequenceNumber,
    /// The last closed ledger that the engine has seen; `sequence` and `offers` are as of its end.
    pub last_ledger: LedgerSeq,
    /// Its base fee an operation, stroops.
    pub base_fee: u32,
    /// The account's offers, each once.
    pub offers: Vec<HandedOffer>,
}

/// An offer that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandedOffer {
    /// Its id.
    pub id: OfferId,
    /// What it sells.
    pub selling: Asset,
    /// What it buys.
    pub buying: Asset,
    /// Its own price: units of `buying` for one of `selling`.
    pub price: Price,
}

impl HandedOffer {
    /// An own offer on `market`, as the views show it; `None` if its slot is empty.
    #[must_use]
    pub fn from_view(offer: &OwnOfferView, market: &Market) -> Option<Self> {
        let (selling, buying) = match offer.side() {
            Side::Ask => (market.base, market.quote),
            Side::Bid => (market.quote, market.base),
        };
        let price = Price::new(offer.n, offer.d).ok()?;
        Some(Self { id: OfferId(offer.id), selling, buying, price })
    }
}

/// Why bytes are no handover, or a handover cannot be written. Nothing is signed after it.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    /// Standard input cannot be read.
    #[error("the handover cannot be read from standard input: {0}")]
    Read(#[from] io::Error),
    /// Longer than [`MAX_BYTES`].
    #[error("the handover is longer than {MAX_BYTES} bytes")]
    TooLong,
    /// No JSON of this form.
    #[error(
        "the handover is not understood at line {line}, column {column} ({what}): an engine writes it, through a pipe"
    )]
    Form {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What kind of mistake it is.
        what: &'static str,
    },
    /// The key.
    #[error("the handover's secret: {0}")]
    Secret(#[from] SecretKeyError),
    /// Core's address.
    #[error("the handover's core is not http://HOST:PORT")]
    Core,
    /// The stream's address.
    #[error("the handover's meta is neither unix:PATH nor pipe:PATH")]
    Meta,
    /// The number is negative, or so large that none can follow.
    #[error("the handover's sequence is no account's sequence number")]
    Sequence,
    /// More than [`MAX_OFFERS`].
    #[error("the handover has {0} offers, more than the {MAX_OFFERS} that an account can have")]
    TooManyOffers(usize),
    /// One of the offers.
    #[error("the handover's offer {place} (from 1): {what}")]
    Offer {
        /// Its place in the list, from 1.
        place: usize,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// A handover in JSON.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    network: String,
    secret: Secret,
    core: String,
    #[serde(default)]
    meta: Option<String>,
    sequence: i64,
    last_ledger: u32,
    base_fee: u32,
    offers: Vec<WrittenOffer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenOffer {
    id: i64,
    selling: String,
    buying: String,
    n: i32,
    d: i32,
}

/// The secret's text, zeroised however the reading of the rest ends.
struct Secret(Zeroizing<String>);

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(Zeroizing::new(String::deserialize(deserializer)?)))
    }
}

impl Handover {
    /// Reads one to the end of `input`, and checks all of it.
    ///
    /// # Errors
    /// If it is none, with the place.
    pub fn read(input: &mut dyn Read) -> Result<Self, HandoverError> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
        input.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > MAX_BYTES {
            return Err(HandoverError::TooLong);
        }
        let written: Written = serde_json::from_slice(&bytes).map_err(|error| form(&error))?;
        Self::parse(&written)
    }

    fn parse(written: &Written) -> Result<Self, HandoverError> {
        /// So many transactions may follow.
        const SEQUENCES_LEFT: i64 = 1 << 20;
        if !(0..i64::MAX - SEQUENCES_LEFT).contains(&written.sequence) {
            return Err(HandoverError::Sequence);
        }
        if written.offers.len() > MAX_OFFERS {
            return Err(HandoverError::TooManyOffers(written.offers.len()));
        }
        let mut offers: Vec<HandedOffer> = Vec::with_capacity(written.offers.len());
        for (offer, place) in written.offers.iter().zip(1..) {
            let wrong = |what| HandoverError::Offer { place, what };
            let offer = parse_offer(offer).map_err(wrong)?;
            if offers.iter().any(|other| other.id == offer.id) {
                return Err(wrong("its id is that of another one"));
            }
            offers.push(offer);
        }
        Ok(Self {
            network: written.network.clone(),
            signer: LocalSigner::from_strkey(&written.secret.0)?,
            core: parse_core(&written.core).ok_or(HandoverError::Core)?,
            meta: written.meta.as_deref().map(|meta| parse_meta(meta).ok_or(HandoverError::Meta)).transpose()?,
            sequence: SequenceNumber(written.sequence),
            last_ledger: LedgerSeq(written.last_ledger),
            base_fee: written.base_fee,
            offers,
        })
    }

    /// The JSON that [`read`](Self::read) takes, zeroised when dropped.
    ///
    /// # Errors
    /// If core is not [`Endpoint::Tcp`], the stream neither Unix socket nor pipe, or there are too many offers.
    pub fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, HandoverError> {
        let Endpoint::Tcp { host, port } = &self.core else { return Err(HandoverError::Core) };
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        if self.meta.as_ref().is_some_and(|meta| !matches!(meta, Endpoint::Unix { .. } | Endpoint::Pipe { .. })) {
            return Err(HandoverError::Meta);
        }
        if self.offers.len() > MAX_OFFERS {
            return Err(HandoverError::TooManyOffers(self.offers.len()));
        }
        let offer = |offer: &HandedOffer| WrittenOffer {
            id: offer.id.0,
            selling: offer.selling.to_string(),
            buying: offer.buying.to_string(),
            n: offer.price.n(),
            d: offer.price.d(),
        };
        let written = Written {
            network: self.network.clone(),
            secret: Secret(self.signer.expose_strkey()),
            core: format!("http://{host}:{port}"),
            meta: self.meta.as_ref().map(ToString::to_string),
            sequence: self.sequence.0,
            last_ledger: self.last_ledger.0,
            base_fee: self.base_fee,
            offers: self.offers.iter().map(offer).collect(),
        };
        let mut json = Zeroizing::new(Vec::with_capacity(HEAD_BYTES + OFFER_BYTES * self.offers.len()));
        serde_json::to_writer(&mut *json, &written).map_err(|error| form(&error))?;
        Ok(json)
    }

    /// Takes what the views of a dead engine say of its account; `false`, and nothing is changed, if they were never
    /// written or their writer died while it wrote. The stream then tells all, if it reaches back to `last_ledger`.
    pub fn take_views(&mut self, views: &ViewsReader, account: AccountIndex, markets: &MarketTable) -> bool {
        let read = views.read(|views| {
            let offers = views.own_offers(account).filter_map(|offer| {
                let market = markets.markets().get(usize::from(offer.market))?;
                HandedOffer::from_view(&offer, market)
            });
            (views.header(), views.account(account), offers.collect::<Vec<_>>())
        });
        let Some((header, view, offers)) = read.filter(|(_, view, _)| view.exists == 1) else { return false };
        self.sequence = SequenceNumber(view.sequence);
        self.last_ledger = LedgerSeq(header.ledger);
        self.base_fee = header.base_fee;
        self.offers = offers;
        true
    }

    /// The account whose offers these are.
    #[must_use]
    pub fn account(&self) -> crate::stellar::AccountId {
        self.signer.public_key()
    }
}

/// The place of a mistake, without the words of `serde_json`, which repeat what stands there.
fn form(error: &serde_json::Error) -> HandoverError {
    use serde_json::error::Category;
    let what = match error.classify() {
        Category::Io => "it cannot be read",
        Category::Syntax => "no JSON",
        Category::Data => "a field is missing, unknown, or of the wrong kind",
        Category::Eof => "it ends too early",
    };
    HandoverError::Form { line: error.line(), column: error.column(), what }
}

fn parse_offer(offer: &WrittenOffer) -> Result<HandedOffer, &'static str> {
    let asset = |text: &str, wrong| text.parse::<Asset>().map_err(|_| wrong);
    let selling = asset(&offer.selling, "what it sells is no asset: XLM or CODE:ISSUER is wanted")?;
    let buying = asset(&offer.buying, "what it buys is no asset: XLM or CODE:ISSUER is wanted")?;
    if selling == buying {
        return Err("it buys what it sells");
    }
    if offer.id <= 0 {
        return Err("its id is not positive");
    }
    let price = Price::new(offer.n, offer.d).map_err(|_| "its price n/d is not positive")?;
    Ok(HandedOffer { id: OfferId(offer.id), selling, buying, price })
}

fn parse_core(text: &str) -> Option<Endpoint> {
    let authority = text.strip_prefix("http://")?;
    let (host, port) = authority.strip_suffix('/').unwrap_or(authority).rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let plain = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte));
    let port = port.parse().ok().filter(|&port: &u16| port > 0)?;
    plain.then(|| Endpoint::Tcp { host: host.to_owned(), port })
}

fn parse_meta(text: &str) -> Option<Endpoint> {
    let path = |path: &str| (!path.is_empty()).then(|| path.into());
    if let Some(rest) = text.strip_prefix("unix:") {
        return Some(Endpoint::Unix { path: path(rest)? });
    }
    Some(Endpoint::Pipe { path: path(text.strip_prefix("pipe:")?)? })
}

/// Starts this very program as `cancel-all`, hands it the handover, and waits for its end, at most [`WAIT`]. What it
/// prints goes where this process prints.
///
/// # Errors
/// If the handover cannot be written down, the process cannot be started, or does not end in time; it is then killed.
pub fn spawn(handover: &Handover) -> io::Result<ExitStatus> {
    spawn_program(&std::env::current_exe()?, handover)
}

/// As [`spawn`], with the program at `program`.
///
/// # Errors
/// As [`spawn`].
pub fn spawn_program(program: &Path, handover: &Handover) -> io::Result<ExitStatus> {
    let json = handover.to_json().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let deadline = Instant::now() + WAIT;
    // In a process group of its own, so that an impatient Ctrl-C at the terminal does not end the cancelling.
    let mut child = Command::new(program).arg("cancel-all").stdin(Stdio::piped()).process_group(0).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // On a thread, since a process that does not read would hold up this one. Whether it could be written, the
        // process's end tells.
        let write = move || stdin.write_all(&json);
        std::thread::Builder::new().name("handover".into()).spawn(write)?;
    }
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(io::ErrorKind::TimedOut, "cancel-all did not end in time and was killed"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests;
