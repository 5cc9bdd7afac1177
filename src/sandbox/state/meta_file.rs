//! A file of streamed ledgers that goes on after a restart, without a gap and without a ledger twice.

use super::changes::header_of;
use super::error::StateError;
use super::{DEPTH, Kept, hash};
use std::fs::File;
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use stellar_xdr::{LedgerCloseMeta, LedgerHeaderHistoryEntry, Limits, ReadXdr};

/// Brings the file to the last kept ledger: a record that was cut off is removed, and what was kept but not written is
/// written. False if there is no such file: it begins with the next ledger.
pub(crate) fn carry_file_on(path: &Path, kept: &Kept) -> Result<bool, StateError> {
    let mut file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(StateError::io("open", path)(error)),
    };
    let (end, last) = last_record(path, &mut file)?;
    let missing = match last {
        None => kept.ledgers.as_slice(),
        Some(last) => after(path, end, &last, kept)?,
    };
    let write = |file: &mut File| -> std::io::Result<()> {
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        missing.iter().try_for_each(|meta| file.write_all(&super::log::record(meta)))?;
        file.sync_all()
    };
    write(&mut file).map_err(StateError::io("write what is missing to", path))?;
    Ok(true)
}

/// The kept ledgers after the file's last one.
fn after<'k>(
    path: &Path,
    end: u64,
    last: &LedgerHeaderHistoryEntry,
    kept: &'k Kept,
) -> Result<&'k [Vec<u8>], StateError> {
    let newest = kept.header.ledger_seq;
    let behind = usize::try_from(newest.saturating_sub(last.header.ledger_seq)).unwrap_or(usize::MAX);
    let at = kept.ledgers.len().checked_sub(behind);
    let known = match at {
        Some(0) => None,
        Some(at) => decode(&kept.ledgers[at - 1]).map(|header| header.hash),
        None => None,
    };
    let known = if behind == 0 { Some(hash(&kept.header)) } else { known };
    match (at, known) {
        (Some(at), Some(known)) if last.header.ledger_seq <= newest && known == last.hash => Ok(&kept.ledgers[at..]),
        _ => Err(StateError::Damaged {
            file: path.to_owned(),
            offset: end,
            cause: format!(
                "it ends with ledger {}, which is none that is kept: name another file",
                last.header.ledger_seq
            ),
        }),
    }
}

/// Where the last whole record ends, and its ledger's header.
fn last_record(path: &Path, file: &mut File) -> Result<(u64, Option<LedgerHeaderHistoryEntry>), StateError> {
    let size = file.metadata().map_err(StateError::io("look at", path))?.len();
    let (mut end, mut last) = (0, None);
    loop {
        let mut mark = [0; 4];
        file.seek(SeekFrom::Start(end)).map_err(StateError::io("read", path))?;
        if size - end < 4 {
            break;
        }
        file.read_exact(&mut mark).map_err(StateError::io("read", path))?;
        let mark = u32::from_be_bytes(mark);
        let next = end + 4 + u64::from(mark & !super::log::LAST_FRAGMENT);
        if mark & super::log::LAST_FRAGMENT == 0 {
            let cause = "there is no record mark: it is no file of ledgers".to_owned();
            return Err(StateError::Damaged { file: path.to_owned(), offset: end, cause });
        }
        if next > size {
            break;
        }
        (last, end) = (Some((end + 4, next)), next);
    }
    let Some((from, to)) = last else { return Ok((0, None)) };
    let mut record = vec![0; usize::try_from(to - from).unwrap_or_default()];
    file.seek(SeekFrom::Start(from))
        .and_then(|_| file.read_exact(&mut record))
        .map_err(StateError::io("read", path))?;
    match decode(&record) {
        Some(header) => Ok((end, Some(header))),
        None => Err(StateError::Damaged { file: path.to_owned(), offset: from, cause: "this is no ledger".to_owned() }),
    }
}

fn decode(meta: &[u8]) -> Option<LedgerHeaderHistoryEntry> {
    let meta = LedgerCloseMeta::from_xdr(meta, Limits { depth: DEPTH, len: meta.len() }).ok()?;
    Some(header_of(&meta).clone())
}
