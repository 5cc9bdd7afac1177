//! Reading keys from a file's tables and from the environment: each value with its place.

use super::failure::{ConfigError, Lines, Place, Problem, without_secrets};
use super::keys::{self, Key, Kind, Need, Section};
use core::fmt;
use std::collections::BTreeMap;
use std::ffi::OsString;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The variables of an environment that set something; all others are left out.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, OsString>);

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names alone: a value may be a secret.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Environment {
    /// This process's.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(std::env::vars_os())
    }

    /// From names and values.
    pub fn of(variables: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>) -> Self {
        let known =
            |(name, value): (OsString, OsString)| Some((keys::variables().find(|known| name == *known)?, value));
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).filter_map(known).collect())
    }

    /// The value of a variable, if it is set.
    pub(super) fn get(&self, name: &'static str) -> Result<Option<Found>, ConfigError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let place = Place::Variable(name);
        match value.to_str() {
            Some(text) => Ok(Some(Found { text: text.to_owned(), place })),
            None => Err(place.refuse_value(name, "is not UTF-8")),
        }
    }
}

/// A value as text, and where it stands.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) place: Place,
}

/// A file that was read, and the environment beside it.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    pub(super) lines: &'a Lines,
    pub(super) environment: &'a Environment,
}

impl<'a> Source<'a> {
    fn place(&self, offset: usize) -> Place {
        Place::line(self.file, self.lines, offset)
    }

    /// Parses the text.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'a>>, ConfigError> {
        DeTable::parse(self.text).map_err(|error| {
            let place = match error.span() {
                Some(span) => self.place(span.start),
                None => Place::File(self.file.to_owned()),
            };
            // The message alone: the whole error shows the line, and a secret may stand there.
            place.refuse(Problem::Syntax(without_secrets(error.message())))
        })
    }
}

/// A table of the file, or the lack of it, with the section that it is.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    source: Source<'a>,
    section: &'static Section,
    /// The table, and where in the text its header stands.
    table: Option<(&'a DeTable<'a>, usize)>,
}

impl<'a> Node<'a> {
    /// The file itself, once it is sure that it has no keys but those that there are.
    pub(super) fn root(source: Source<'a>, table: &'a DeTable<'a>) -> Result<Self, ConfigError> {
        let root = Self { source, section: keys::section(""), table: Some((table, 0)) };
        root.check_names()?;
        Ok(root)
    }

    fn check_names(&self) -> Result<(), ConfigError> {
        let Some((table, _)) = self.table else { return Ok(()) };
        let known = |name: &str| {
            self.section.keys.iter().any(|key| key.name == name)
                || self.section.children().any(|(child, _)| child == name)
        };
        let unknown = table.keys().filter(|key| !known(key.get_ref())).min_by_key(|key| key.span().start);
        if let Some(key) = unknown {
            let hint = keys::hint(self.section, key.get_ref());
            let problem = Problem::Unknown { key: without_secrets(key.get_ref()), hint };
            return Err(self.source.place(key.span().start).refuse(problem));
        }
        for (name, section) in self.section.children() {
            for node in self.tables(name, section)? {
                node.check_names()?;
            }
        }
        Ok(())
    }

    fn entry(&self, name: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.and_then(|(table, _)| table.iter().find(|(key, _)| key.get_ref() == name)).map(|(_, value)| value)
    }

    fn tables(&self, name: &'static str, section: &'static Section) -> Result<Vec<Self>, ConfigError> {
        let Some(entry) = self.entry(name) else { return Ok(Vec::new()) };
        let node = |value: &'a Spanned<DeValue<'a>>| match value.get_ref() {
            DeValue::Table(table) => Ok(Self { table: Some((table, value.span().start)), section, ..*self }),
            other => Err(self.wrong_kind(value, name, other, section)),
        };
        match entry.get_ref() {
            DeValue::Array(array) if section.is_many() => array.iter().map(node).collect(),
            other if section.is_many() => Err(self.wrong_kind(entry, name, other, section)),
            _ => Ok(vec![node(entry)?]),
        }
    }

    fn wrong_kind(&self, at: &Spanned<DeValue<'_>>, name: &str, value: &DeValue<'_>, of: &Section) -> ConfigError {
        let wanted = if of.is_many() {
            "a list of tables, each headed [[market]],"
        } else {
            "a table, headed by its name in brackets,"
        };
        let problem = Problem::Kind { key: name.to_owned(), found: kind_words(value), wanted };
        self.source.place(at.span().start).refuse(problem)
    }

    fn child(&self, name: &str) -> (&'static str, &'static Section) {
        match self.section.children().find(|(child, _)| *child == name) {
            Some(child) => child,
            None => unreachable!("no section {name} in [{}]", self.section.path),
        }
    }

    /// The section of this name, which may be missing from the file.
    pub(super) fn section(&self, name: &str) -> Result<Self, ConfigError> {
        let (name, section) = self.child(name);
        let missing = Self { table: None, section, ..*self };
        Ok(self.tables(name, section)?.pop().unwrap_or(missing))
    }

    /// All sections of this name.
    pub(super) fn sections(&self, name: &str) -> Result<Vec<Self>, ConfigError> {
        let (name, section) = self.child(name);
        self.tables(name, section)
    }

    /// Where the section stands, or the file if it is missing.
    pub(super) fn place(&self) -> Place {
        match self.table {
            Some((_, offset)) if !self.section.path.is_empty() => self.source.place(offset),
            _ => Place::File(self.source.file.to_owned()),
        }
    }

    /// Where a key stands: the variable that sets it, its line, or else its section.
    pub(super) fn place_of(&self, name: &str) -> Place {
        let key = self.section.key(name);
        let found = self.find(key).ok().flatten();
        found.map_or_else(|| self.place(), |found| found.place)
    }

    /// The value of a key in the file.
    pub(super) fn in_file(&self, name: &str) -> Result<Option<Found>, ConfigError> {
        let key = self.section.key(name);
        let Some(value) = self.entry(name) else { return Ok(None) };
        let place = self.source.place(value.span().start);
        let text = match (key.kind, value.get_ref()) {
            (Kind::Text | Kind::Decimal, DeValue::String(text)) => text.clone().into_owned(),
            (Kind::Integer | Kind::Decimal, DeValue::Integer(number)) if number.radix() == 10 => {
                number.as_str().to_owned()
            }
            (Kind::Decimal, DeValue::Float(number)) => number.as_str().to_owned(),
            (Kind::Flag, DeValue::Boolean(flag)) => flag.to_string(),
            (kind, other) => {
                let wanted = match kind {
                    Kind::Text => "a string in quotes",
                    Kind::Integer => "a whole decimal number without quotes",
                    Kind::Decimal => "a decimal number",
                    Kind::Flag => "true or false without quotes",
                };
                return Err(place.refuse(Problem::Kind { key: name.to_owned(), found: kind_words(other), wanted }));
            }
        };
        Ok(Some(Found { text, place }))
    }

    fn find(&self, key: &'static Key) -> Result<Option<Found>, ConfigError> {
        // A key with more variables than one is put together by whoever reads it.
        if let [variable] = key.variables
            && let Some(found) = self.source.environment.get(variable)?
        {
            return Ok(Some(found));
        }
        self.in_file(key.name)
    }

    /// A key that must be there, or has a default.
    pub(super) fn get<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, ConfigError> {
        let key = self.section.key(name);
        let found = match self.find(key)? {
            Some(found) => found,
            None if key.need == Need::Default => Found { text: key.plain_value().to_owned(), place: self.place() },
            None => return Err(self.missing(key)),
        };
        parse(&found.text).map_err(|why| found.place.refuse_value(key.name, why))
    }

    /// A key that may be missing.
    pub(super) fn maybe<T, E: fmt::Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<Option<T>, ConfigError> {
        let key = self.section.key(name);
        let Some(found) = self.find(key)? else { return Ok(None) };
        parse(&found.text).map(Some).map_err(|why| found.place.refuse_value(key.name, why))
    }

    /// A key of this section.
    pub(super) fn key(&self, name: &str) -> &'static Key {
        self.section.key(name)
    }

    /// The refusal of a key that is not there.
    pub(super) fn missing(&self, key: &'static Key) -> ConfigError {
        let section = match self.section.path {
            "" => "the file, before its first section".to_owned(),
            path => format!("[{path}]"),
        };
        let or = match key.variables {
            [] => String::new(),
            variables => format!(", and the environment has no {}", variables.join(" or ")),
        };
        self.place().refuse(Problem::Missing { key: key.name, section, or, doc: key.doc })
    }
}

fn kind_words(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(number) if number.radix() != 10 => "a number that is not decimal",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with decimals",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}
