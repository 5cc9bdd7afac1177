//! Objects by their names: in a folder, or behind HTTP.

use super::failure::ArchiveError;
use super::http::{Access, Client, is_url};
use super::schema::ledgers_of_name;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// See the [module](self).
#[derive(Debug)]
pub(super) enum Store {
    Folder(PathBuf),
    Http { client: Client, base: String },
}

impl Store {
    /// A folder, or what an `http:` or `https:` address names.
    pub(super) fn open(place: &str, access: &Access) -> Result<Self, ArchiveError> {
        if !is_url(place) {
            return Ok(Self::Folder(place.into()));
        }
        let base = place.trim_end_matches('/').to_owned();
        Ok(Self::Http { client: Client::new(&base, access)?, base })
    }

    /// Where an object is.
    pub(super) fn place(&self, name: &str) -> String {
        match self {
            Self::Folder(folder) => folder.join(name).display().to_string(),
            Self::Http { base, .. } => format!("{base}/{name}"),
        }
    }

    /// An object's bytes; `None` if there is none of this name.
    pub(super) fn get(&self, name: &str, most_bytes: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
        match self {
            Self::Http { client, .. } => client.get(&self.place(name), most_bytes),
            Self::Folder(folder) => read(&folder.join(name), most_bytes),
        }
    }

    /// The first and the last ledger that the names of a folder's objects tell. A server is not asked for a listing:
    /// there is none that all have.
    pub(super) fn ends(&self) -> Result<Option<(u32, u32)>, ArchiveError> {
        let Self::Folder(folder) = self else { return Ok(None) };
        let tops = names(folder)?;
        let end = |newest: bool| -> Result<Option<u32>, ArchiveError> {
            let pick = |found: &[Named]| {
                let one =
                    if newest { found.iter().max_by_key(|one| one.1) } else { found.iter().min_by_key(|one| one.1) };
                one.map(|(path, (first, last))| (path.clone(), if newest { *last } else { *first }))
            };
            match pick(&tops) {
                Some((path, _)) if path.is_dir() => Ok(pick(&names(&path)?).map(|(_, ledger)| ledger)),
                found => Ok(found.map(|(_, ledger)| ledger)),
            }
        };
        Ok(end(false)?.zip(end(true)?))
    }
}

/// An object or a partition, and its first and last ledger.
type Named = (PathBuf, (u32, u32));

/// What in a folder is named for ledgers.
fn names(folder: &Path) -> Result<Vec<Named>, ArchiveError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(ArchiveError::io("read the folder", folder))? {
        let path = entry.map_err(ArchiveError::io("read the folder", folder))?.path();
        let ledgers = path.file_name().and_then(|name| name.to_str()).and_then(ledgers_of_name);
        found.extend(ledgers.map(|ledgers| (path, ledgers)));
    }
    Ok(found)
}

fn read(path: &Path, most_bytes: usize) -> Result<Option<Vec<u8>>, ArchiveError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(ArchiveError::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(most_bytes as u64 + 1).read_to_end(&mut bytes).map_err(ArchiveError::io("read", path))?;
    if bytes.len() > most_bytes {
        return Err(ArchiveError::damaged(path.display().to_string(), format!("longer than {most_bytes} bytes")));
    }
    Ok(Some(bytes))
}
