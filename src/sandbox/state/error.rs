//! Why kept state is not used.

use crate::sandbox::ledger::RestoreError;
use std::io;
use std::path::PathBuf;

/// Why a state directory cannot be used. None of these changes what is in it.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The system refuses.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Another process runs on it.
    #[error("{} is in use by another sandbox: stop that one, or give this one a directory of its own", .0.display())]
    InUse(PathBuf),
    /// It holds something else.
    #[error("{} holds files, but no sandbox's state ({missing} is missing): give an empty directory, or none that exists", directory.display())]
    Foreign {
        /// Which.
        directory: PathBuf,
        /// The file that every state has.
        missing: &'static str,
    },
    /// It is another world's.
    #[error("{} keeps a world whose {what} is {kept}, not {asked}: start with the same, or in another directory", directory.display())]
    Differs {
        /// Which.
        directory: PathBuf,
        /// In what.
        what: String,
        /// Its value there.
        kept: String,
        /// What was asked for.
        asked: String,
    },
    /// A file is damaged otherwise than by a write that was cut off.
    #[error("{} is damaged at byte {offset}: {cause}; put back a copy of the directory, or begin anew in another", file.display())]
    Damaged {
        /// Which.
        file: PathBuf,
        /// Where.
        offset: u64,
        /// How.
        cause: String,
    },
    /// The ledgers do not follow one another.
    #[error("{}: ledger {ledger} does not follow what was kept before it: {cause}; put back a copy of the directory, or begin anew in another", file.display())]
    Unchained {
        /// Where it is kept.
        file: PathBuf,
        /// Its number.
        ledger: u32,
        /// What is wrong.
        cause: String,
    },
    /// An entry is none that this version's ledger can hold.
    #[error("{}: {source}", directory.display())]
    Restore {
        /// The directory.
        directory: PathBuf,
        /// Which entry.
        source: RestoreError,
    },
}

impl StateError {
    /// For `map_err`: what was tried with which file.
    pub(super) fn io(what: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}
