//! Ledgers from a data lake (SEP-54): object by object.

use super::failure::ArchiveError;
use super::http::Access;
use super::origin::Range;
use super::schema::{CONFIG, EXTENSIONS, Schema};
use super::store::Store;
use super::verified::Source;
use crate::wire::lake::LakeBatch;
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use std::io::Read;

/// The longest layout.
const MOST_CONFIG_BYTES: usize = 64 * 1024;
/// The longest object, compressed, and the longest batch in one: a few bytes can unpack to very many.
const MOST_BYTES: usize = DEFAULT_MAX_MESSAGE_BYTES;

/// See the [module](self).
pub(super) struct Lake {
    store: Store,
    schema: Schema,
    /// The next ledger. Where a range named no beginning, and the first object begins later than its name, it is that
    /// object's first.
    next: u32,
    is_first_asked: bool,
    /// Where the lake ends, if it is known.
    to: Option<u32>,
    /// The extension that worked last.
    extension: &'static str,
    batch: Option<Batch>,
}

struct Batch {
    place: String,
    bytes: Vec<u8>,
    ledgers: LakeBatch,
}

impl Lake {
    /// The ledgers of a range. A folder's own ends are used where it names none; a server's beginning must be named.
    pub(super) fn open(place: &str, access: &Access, range: Range) -> Result<Self, ArchiveError> {
        let store = Store::open(place, access)?;
        let Some(json) = store.get(CONFIG, MOST_CONFIG_BYTES)? else {
            let why = "is not there; a data lake (SEP-54) describes its layout in it: name the folder that holds it";
            return Err(ArchiveError::damaged(store.place(CONFIG), why));
        };
        let schema = Schema::read(&store.place(CONFIG), &json)?;
        let ends = if range.from.is_none() || range.to.is_none() { store.ends()? } else { None };
        let Some(next) = range.from.or(ends.map(|(first, _)| first)) else {
            let why = match store {
                Store::Folder(_) => format!("{place} holds no object of a data lake"),
                Store::Http { .. } => format!("{place} cannot be listed: say where to begin (--from)"),
            };
            return Err(ArchiveError::Asked(why));
        };
        let to = range.to.or(ends.map(|(_, last)| last));
        let extension = EXTENSIONS[0];
        Ok(Self { store, schema, next, is_first_asked: range.from.is_some(), to, extension, batch: None })
    }

    /// The object that has the next ledger; `None` if it is not there and need not be.
    fn fetch(&mut self) -> Result<Option<Batch>, ArchiveError> {
        let object = self.schema.object_of(self.next);
        let other = EXTENSIONS.into_iter().filter(|extension| *extension != self.extension);
        for extension in core::iter::once(self.extension).chain(other) {
            let name = format!("{object}{extension}");
            if let Some(bytes) = self.store.get(&name, MOST_BYTES)? {
                self.extension = extension;
                return self.unpack(self.store.place(&name), &bytes).map(Some);
            }
        }
        if self.to.is_none() && self.batch.is_some() {
            return Ok(None);
        }
        let place = self.store.place(&format!("{object}{}", EXTENSIONS[0]));
        let hint = ": there is no such object (lakes are some minutes behind the network, and not all reach back to \
                    its beginning)";
        Err(ArchiveError::Missing { place, ledger: self.next, hint: hint.to_owned() })
    }

    fn unpack(&self, place: String, object: &[u8]) -> Result<Batch, ArchiveError> {
        let damaged = |why: String| ArchiveError::damaged(&*place, why);
        let mut bytes = Vec::new();
        zstd::stream::read::Decoder::with_buffer(object)
            .and_then(|plain| plain.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes))
            .map_err(|error| damaged(format!("cannot be unpacked after byte {}: {error}", bytes.len())))?;
        if bytes.len() > MOST_BYTES {
            return Err(damaged(format!("unpacks to more than the {MOST_BYTES} bytes that are allowed for a batch")));
        }
        let ledgers = LakeBatch::open(&bytes).map_err(|error| damaged(error.to_string()))?;
        let (first, last) = self.schema.batch_of(self.next);
        let start = ledgers.start();
        let has_next = (first..=last).contains(&start) && (start <= self.next || !self.is_first_asked);
        if !has_next {
            return Err(damaged(format!("begins with ledger {start}, but ledger {} belongs there", self.next)));
        }
        Ok(Batch { place, bytes, ledgers })
    }

    /// Opens the object with the next ledger, before that ledger.
    fn open_next(&mut self) -> Result<bool, ArchiveError> {
        let Some(mut batch) = self.fetch()? else { return Ok(false) };
        let start = batch.ledgers.start();
        for _ in start..self.next {
            batch.next_ledger()?;
        }
        (self.next, self.is_first_asked) = (self.next.max(start), true);
        self.batch = Some(batch);
        Ok(true)
    }
}

impl Batch {
    fn next_ledger(&mut self) -> Result<Option<&[u8]>, ArchiveError> {
        self.ledgers.next_ledger(&self.bytes).map_err(|error| ArchiveError::damaged(&*self.place, error.to_string()))
    }
}

impl Source for Lake {
    fn next(&mut self, into: &mut Vec<u8>) -> Result<bool, ArchiveError> {
        if self.to.is_some_and(|to| self.next > to) {
            return Ok(false);
        }
        // A batch that is at its end may be followed by another; one that has just been opened has a ledger.
        for _ in 0..2 {
            if let Some(batch) = &mut self.batch
                && let Some(ledger) = batch.next_ledger()?
            {
                into.clear();
                into.extend_from_slice(ledger);
                self.next = self.next.saturating_add(1);
                return Ok(true);
            }
            if !self.open_next()? {
                return Ok(false);
            }
        }
        Err(ArchiveError::damaged(self.place(), format!("does not hold ledger {}, though its name says so", self.next)))
    }

    fn place(&self) -> String {
        self.batch.as_ref().map_or_else(|| self.store.place(""), |batch| batch.place.clone())
    }
}
