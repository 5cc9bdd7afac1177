//! Where kept ledgers are, as it is written on a command line.

use super::failure::ArchiveError;
use super::http::{Access, is_url};
use super::lake::Lake;
use super::recordings::Recordings;
use super::rpc::Rpc;
use super::schema::CONFIG;
use super::verified::Ledgers;
use core::fmt;
use core::str::FromStr;
use std::path::PathBuf;

/// Ledgers from one to another, both included; all that there are on a side that names none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// The first.
    pub from: Option<u32>,
    /// The last.
    pub to: Option<u32>,
}

/// Where kept ledgers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A folder of recordings.
    Recordings(PathBuf),
    /// A data lake (SEP-54), in a folder or at an address.
    Lake(String),
    /// A Stellar RPC.
    Rpc(String),
}

impl Origin {
    /// Opens it before the first ledger of a range.
    ///
    /// # Errors
    /// If it cannot be read, or does not have what the range names.
    pub fn open(&self, access: &Access, range: Range) -> Result<Ledgers, ArchiveError> {
        if let (Some(from), Some(to)) = (range.from, range.to)
            && from > to
        {
            return Err(ArchiveError::Asked(format!("ledgers {from} to {to} are none: the first is after the last")));
        }
        Ok(match self {
            Self::Recordings(folder) => Ledgers::new(Recordings::open(folder, range)?, range),
            Self::Lake(place) => Ledgers::new(Lake::open(place, access, range)?, range),
            Self::Rpc(url) => Ledgers::new(Rpc::open(url, access, range)?, range),
        })
    }
}

impl FromStr for Origin {
    type Err = String;

    /// `lake:` with a folder or an address, `rpc:` with an address, or a folder: a lake if it describes itself as one.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(place) = text.strip_prefix("lake:").filter(|place| !place.is_empty()) {
            return Ok(Self::Lake(place.to_owned()));
        }
        if let Some(url) = text.strip_prefix("rpc:").filter(|url| is_url(url)) {
            return Ok(Self::Rpc(url.to_owned()));
        }
        let is_folder = !text.is_empty() && !is_url(text) && !text.starts_with("rpc:") && !text.starts_with("lake:");
        if !is_folder {
            return Err(format!(
                "'{text}' is no place of ledgers: write lake:https://host/path, lake:/folder, rpc:https://host/path, or \
                 a folder of recordings"
            ));
        }
        let folder = PathBuf::from(text);
        Ok(if folder.join(CONFIG).is_file() { Self::Lake(text.to_owned()) } else { Self::Recordings(folder) })
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recordings(folder) => write!(f, "{}", folder.display()),
            Self::Lake(place) => write!(f, "lake:{place}"),
            Self::Rpc(url) => write!(f, "rpc:{url}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_written() {
        assert_eq!("lake:https://a/b".parse(), Ok(Origin::Lake("https://a/b".to_owned())));
        assert_eq!("lake:/a/b".parse(), Ok(Origin::Lake("/a/b".to_owned())));
        assert_eq!("rpc:http://a:8000/rpc".parse(), Ok(Origin::Rpc("http://a:8000/rpc".to_owned())));
        assert_eq!("/nowhere/a".parse(), Ok(Origin::Recordings("/nowhere/a".into())));
        for other in ["", "lake:", "rpc:", "rpc:a:8000", "https://a"] {
            assert!(other.parse::<Origin>().unwrap_err().contains("no place of ledgers"), "{other}");
        }
    }
}
