//! What can go wrong between ledgers and where they are kept.

use super::seal::{ChainBreak, SealError};
use std::io;
use std::path::PathBuf;

/// Why ledgers cannot be kept or had: what, where, and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The file system.
    #[error("cannot {what} {}: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// A file or an object is not what it should be.
    #[error("{place}: {why}")]
    Damaged {
        /// The file or object, and where in it.
        place: String,
        /// What is wrong.
        why: String,
    },
    /// A ledger that does not follow the one before it, or is of another chain.
    #[error("{place}: {error}")]
    Chain {
        /// Where it came from.
        place: String,
        /// What does not fit.
        error: ChainBreak,
    },
    /// Ledgers that are not there.
    #[error("{place} does not have ledger {ledger}{hint}")]
    Missing {
        /// Where they were looked for.
        place: String,
        /// The first of them.
        ledger: u32,
        /// What can be done, after a colon; or nothing.
        hint: String,
    },
    /// A server.
    #[error("{url}: {why}")]
    Server {
        /// What was asked.
        url: String,
        /// What it answered, or why it did not.
        why: String,
    },
    /// What was asked for cannot be.
    #[error("{0}")]
    Asked(String),
    /// Another process records here.
    #[error("{} is being recorded into by another process: name another --dir, or end that process first", .0.display())]
    Locked(PathBuf),
}

impl ArchiveError {
    /// Whether trying again later cannot help: the ledgers are of another chain, or what was asked cannot be.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Chain { .. } | Self::Asked(_))
    }

    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::Io { what, path, error }
    }

    pub(super) fn damaged(place: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Damaged { place: place.into(), why: why.into() }
    }

    pub(super) fn seal(place: impl Into<String>) -> impl FnOnce(SealError) -> Self {
        let place = place.into();
        move |error| Self::damaged(place, error.to_string())
    }

    pub(super) fn chain(place: impl Into<String>) -> impl FnOnce(ChainBreak) -> Self {
        let place = place.into();
        move |error| Self::Chain { place, error }
    }
}
