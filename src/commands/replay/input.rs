//! What is replayed: files, a folder of recordings, or a data lake.

use super::{Cause, Place, ReplayError};
use crate::archive::{Access, Origin, Range, Speed};
use crate::stellar::LedgerSeq;
use crate::wire::record_mark::DEFAULT_MAX_MESSAGE_BYTES;
use crate::wire::recording::Recording;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// Kept ledgers, which of them, and how fast.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct InputArgs {
    /// A data lake (SEP-54): its folder, or its http: or https: address (then with --from).
    #[arg(long, value_name = "DIR|URL", conflicts_with_all = ["files", "recordings"])]
    pub lake: Option<String>,
    /// A folder that `stellar-connector record` has recorded into.
    #[arg(long, value_name = "DIR", conflicts_with = "files")]
    pub recordings: Option<PathBuf>,
    /// The first ledger; without it the first that is kept.
    #[arg(long, value_name = "LEDGER", conflicts_with_all = ["files", "flight"])]
    pub from: Option<u32>,
    /// The last ledger; without it the last that is kept.
    #[arg(long, value_name = "LEDGER", conflicts_with_all = ["files", "flight"])]
    pub to: Option<u32>,
    /// How fast: full, recorded (at the distances of the close times), or a multiple of that such as 10x or 0.5x.
    #[arg(long, value_name = "SPEED", default_value = "full")]
    pub speed: Speed,
    /// For an https: address, trust the certificates of this PEM file instead of the system's.
    #[arg(long, value_name = "FILE", requires = "lake")]
    pub ca_file: Option<PathBuf>,
}

/// What is replayed.
#[derive(Clone, Debug)]
pub enum Input {
    /// Files, in this order.
    Files(Vec<PathBuf>),
    /// Kept ledgers, from one to another.
    Kept(Origin, Access, Range),
}

impl InputArgs {
    /// What these arguments name, or else the files.
    #[must_use]
    pub fn input(&self, files: &[PathBuf]) -> Input {
        let range = Range { from: self.from, to: self.to };
        let access = Access { ca_file: self.ca_file.clone() };
        match (&self.lake, &self.recordings) {
            (Some(place), _) => Input::Kept(Origin::Lake(place.clone()), access, range),
            (None, Some(folder)) => Input::Kept(Origin::Recordings(folder.clone()), access, range),
            (None, None) => Input::Files(files.to_vec()),
        }
    }
}

impl Input {
    /// Reads all ledgers until one is damaged, or `take` fails.
    pub(super) fn each_ledger(
        &self,
        mut take: impl FnMut(&[u8]) -> Result<LedgerSeq, Cause>,
    ) -> Result<(), ReplayError> {
        match self {
            Self::Files(files) => files.iter().try_for_each(|file| each_ledger_of(file, &mut take)),
            Self::Kept(origin, access, range) => {
                let mut ledgers = origin.open(access, *range)?;
                while let Some((seal, bytes)) = ledgers.next_ledger()? {
                    take(bytes).map_err(|cause| ReplayError::Ledger {
                        place: ledgers.place(),
                        ledger: seal.seq,
                        cause,
                    })?;
                }
                Ok(())
            }
        }
    }
}

fn each_ledger_of(file: &Path, take: &mut impl FnMut(&[u8]) -> Result<LedgerSeq, Cause>) -> Result<(), ReplayError> {
    let input = File::open(file).map_err(|error| ReplayError::Open { file: file.into(), error })?;
    let mut place = Place { after: None, offset: 0 };
    let damaged = |place, cause| ReplayError::Recording { file: file.into(), place, cause };
    let opened = Recording::open(io::BufReader::new(input), DEFAULT_MAX_MESSAGE_BYTES);
    let mut recording = opened.map_err(|error| damaged(place, error.into()))?;
    loop {
        place.offset = recording.next_offset().unwrap_or(place.offset);
        match recording.next_ledger() {
            Ok(None) => return Ok(()),
            Ok(Some(bytes)) => place.after = Some(take(bytes).map_err(|cause| damaged(place, cause))?),
            Err(error) => return Err(damaged(place, error.into())),
        }
    }
}
