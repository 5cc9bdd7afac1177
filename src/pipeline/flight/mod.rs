//! The flight recorder: keeps the last inputs of the line in two bounded files, so that an incident can be replayed.
//!
//! ```text
//! hot thread ── record() ──▶ ring of bytes ──▶ "flight" thread ──▶ flight-0.bin ⇄ flight-1.bin
//! ```
//!
//! * **Hot side**, [`FlightRecorder::record`]: copies the record into a ring; no lock, no allocation, no system call. A
//!   record that does not fit is dropped whole and counted, and a gap record says so as soon as there is room.
//! * **Flight thread**: every few milliseconds writes what has come. What was written survives the process
//!   (`kill -9` included), though not the machine: nothing is synced to the disk.
//! * **Files**: two segments of a bounded size, written in turn, mode 0600. Between one and two segments of history are
//!   there at any time. A start keeps the run before it as `flight-0.previous.bin` and `flight-1.previous.bin`.
//! * **Reader**, [`FlightLog`]: gives the records of both segments in order, and says where something is missing.
//!
//! **No secrets go in**: only what connections received (plain text, after TLS), the times that were handed to stages,
//! and the operator's commands. What the engine sends, its keys and its configured secrets are not inputs, and the
//! configuration in the header is what the caller gives: give one without secrets.
//!
//! A segment is a header (magic, version, number, the caller's configuration, CRC-32), then records, each with its
//! length and CRC-32; all numbers are little-endian.

mod crc32;
mod reader;
mod record;
mod recorder;
mod writer;

#[cfg(test)]
mod tests;

pub use reader::{FlightLog, Replayed, Run};
pub use record::{FlightEntry, FlightInput, LONGEST_PAYLOAD};
pub use recorder::FlightRecorder;
pub use writer::{FlightSettings, FlightStatus, FlightThread, start};

use std::io;
use std::path::PathBuf;

/// What can be wrong with a flight recorder or its files.
#[derive(Debug, thiserror::Error)]
pub enum FlightError {
    /// A file or folder cannot be used.
    #[error("the flight recorder cannot {what} {path}: {source}", path = .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A bound is too small to work with.
    #[error("{what} must be at least {least} bytes for the flight recorder, and is {bytes}")]
    TooSmall {
        /// Which bound.
        what: &'static str,
        /// What it is.
        bytes: usize,
        /// What it must be at least.
        least: usize,
    },
    /// There is nothing to read.
    #[error("there is no flight record of {run} run in {path}", path = .folder.display())]
    Nothing {
        /// Which run's was wanted.
        run: &'static str,
        /// Where.
        folder: PathBuf,
    },
    /// A file is none of ours, or its header is damaged.
    #[error("{path} is no flight record that this program can read: {why}", path = .path.display())]
    Header {
        /// The file.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
}
