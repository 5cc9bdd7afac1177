//! Why a configuration is refused, and where it says so. What may be a secret is never repeated.

use core::fmt;
use std::path::Path;

/// Where a configuration says something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A line of the file, from 1.
    Line {
        /// The file's name.
        file: String,
        /// Which.
        line: usize,
    },
    /// The file as a whole: something is missing from it.
    File(String),
    /// A variable of the environment.
    Variable(&'static str),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line } => write!(f, "{file}:{line}"),
            Self::File(file) => f.write_str(file),
            Self::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// A configuration is refused.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ConfigError {
    /// Where.
    pub place: Place,
    /// Why.
    pub problem: Problem,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// The file cannot be read.
    #[error("cannot be read: {0}; `stellar-connector config` prints an example")]
    Unreadable(std::io::Error),
    /// The file is too long to be a configuration.
    #[error("is longer than {0} bytes, which no configuration is")]
    TooLong(u64),
    /// It is no TOML.
    #[error("is not TOML: {0}")]
    Syntax(String),
    /// A key that does not exist.
    #[error("unknown key {key}: {hint}")]
    Unknown {
        /// As it was written.
        key: String,
        /// The nearest that exists, or where it belongs.
        hint: String,
    },
    /// A key that must be there.
    #[error("{key} is missing in {section}{or}: {doc}")]
    Missing {
        /// Which.
        key: &'static str,
        /// Where it belongs.
        section: String,
        /// The variables that would do as well, in words.
        or: String,
        /// What it means.
        doc: &'static str,
    },
    /// A value of another kind.
    #[error("{key} is {found}, {wanted} is wanted")]
    Kind {
        /// Of which key.
        key: String,
        /// What it is.
        found: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// A value that is out of its range, or makes no sense.
    #[error("{key}: {why}")]
    Value {
        /// Of which key.
        key: &'static str,
        /// Why not.
        why: String,
    },
}

impl Place {
    /// A file.
    pub(super) fn file(path: &Path) -> Self {
        Self::File(path.display().to_string())
    }

    /// The line that holds the byte at `offset`.
    pub(super) fn line(file: &str, lines: &Lines, offset: usize) -> Self {
        Self::Line { file: file.to_owned(), line: lines.line(offset) }
    }

    pub(super) fn refuse(self, problem: Problem) -> ConfigError {
        ConfigError { place: self, problem }
    }

    pub(super) fn refuse_value(self, key: &'static str, why: impl fmt::Display) -> ConfigError {
        self.refuse(Problem::Value { key, why: without_secrets(&why.to_string()) })
    }
}

/// Where a text's lines end. Every value of a file has its line looked up, of ten thousand markets as well.
#[derive(Debug)]
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub(super) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// The number of the line that holds the byte at `offset`, counted from one.
    fn line(&self, offset: usize) -> usize {
        1 + self.0.partition_point(|end| *end < offset)
    }
}

/// The shortest run of letters and digits that is taken for a secret key, should it begin with S. A whole one has 56.
const SECRET_LIKE: usize = 40;

/// Whether a text holds what may be a secret key.
pub(super) fn holds_secret(text: &str) -> bool {
    without_secrets(text) != text
}

/// The text with whatever may be a secret key left out: someone may have pasted one where it does not belong.
pub(super) fn without_secrets(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let run = &rest[start..];
        let length = run.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(run.len());
        let run = &run[..length];
        clean.push_str(&rest[..start]);
        clean.push_str(if length >= SECRET_LIKE && run.starts_with(['S', 's']) { "S… (a secret key?)" } else { run });
        rest = &rest[start + length..];
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_key_is_left_out_and_nothing_else() {
        let secret = "SBU2RRGLXH3E5CQHTD3ODLDF2BWDCYUSSBLLZ5GNW7JXHDIYKXZWHOKR";
        for text in [secret.to_owned(), format!("'{secret}' is none"), format!("a={} b", &secret[..50])] {
            assert!(!without_secrets(&text).contains(&secret[..50]), "{text}");
        }
        for text in
            ["", "Standalone Network ; February 2017", "GA5ZSEJYB37JRC5AVCIA5MOP4RHTM335X2KGX3IHOJAPP5RE34K4KZVN"]
        {
            assert_eq!(without_secrets(text), text);
        }
    }

    #[test]
    fn lines_count_from_one() {
        let lines = Lines::of("a\nb\n\nc");
        let line = |offset| Place::line("f", &lines, offset).to_string();
        assert_eq!([line(0), line(1), line(2), line(5)], ["f:1", "f:1", "f:2", "f:4"]);
    }
}
