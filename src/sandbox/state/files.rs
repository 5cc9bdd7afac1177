//! Files of a state directory: private, numbered, replaced as a whole or not at all.

use super::error::StateError;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A new file that only its owner may read.
pub(super) fn private() -> OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

/// Files `<prefix><number>.xdr`, by number.
pub(super) fn numbered(directory: &Path, prefix: &str) -> Result<Vec<(u32, PathBuf)>, StateError> {
    let mut found = Vec::new();
    for file in std::fs::read_dir(directory).map_err(StateError::io("list", directory))? {
        let path = file.map_err(StateError::io("list", directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let number = name.and_then(|name| name.strip_prefix(prefix)?.strip_suffix(".xdr")?.parse().ok());
        found.extend(number.map(|number| (number, path)));
    }
    found.sort();
    Ok(found)
}

/// Writes a file that is there as a whole or not at all, whenever the power goes.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), StateError> {
    let unfinished = path.with_extension("unfinished");
    let mut file =
        private().create(true).truncate(true).open(&unfinished).map_err(StateError::io("make", &unfinished))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(StateError::io("write", &unfinished))?;
    std::fs::rename(&unfinished, path).map_err(StateError::io("put in place", path))?;
    path.parent().map_or(Ok(()), sync_directory)
}

/// Makes sure that the names in a directory are on the disk.
pub(super) fn sync_directory(directory: &Path) -> Result<(), StateError> {
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.map_err(StateError::io("write", directory))
}
