//! Typed access to one map of the file.
//!
//! Opening a map checks every key against its section in the key table; each accessor then yields
//! a typed value or records why it cannot, and the reading goes on.

mod collections;
mod scalar;

pub(crate) use scalar::json;

use std::path::PathBuf;
use std::time::Duration;

use portcullis_core::SecretValue;
use url::Url;

use crate::diagnostic::LITERAL_SECRET;
use crate::findings::{Findings, Place};
use crate::keys::{Key, Kind, Section, Standing, all_sections};
use crate::model::Sourced;
use crate::references::{Origin, Syntax, is_stored};
use crate::suggest::nearest;
use crate::tree::{Entry, Node, Span, Value};

/// Which keys have been asked for, so that a test can show that none is documented and unread.
#[cfg(test)]
pub(crate) mod read_keys {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    thread_local! {
        static READ: RefCell<BTreeSet<(&'static str, String)>> = RefCell::default();
    }

    pub(crate) fn note(section: &'static str, key: &str) {
        READ.with_borrow_mut(|read| read.insert((section, key.to_owned())));
    }

    pub(crate) fn contains(section: &'static str, key: &str) -> bool {
        READ.with_borrow(|read| read.contains(&(section, key.to_owned())))
    }
}

/// One opened map.
pub(crate) struct Fields<'t, 's> {
    pub(crate) findings: &'t Findings<'s>,
    path: String,
    span: Span,
    section: &'static Section,
    entries: &'t [Entry],
}

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct At<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

impl<'t, 's> Fields<'t, 's> {
    /// Opens `node` as `section`; anything but a map is an error and reads as an empty one.
    pub(crate) fn open(
        findings: &'t Findings<'s>,
        section: &'static Section,
        node: &'t Node,
        path: String,
    ) -> Self {
        let entries: &'t [Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            other => {
                findings.error(
                    Place {
                        path: path.clone(),
                        span: node.span,
                    },
                    format!("expected a map, found {}", other.noun()),
                    known_keys(section),
                );
                &[]
            }
        };
        let fields = Self {
            findings,
            path,
            span: node.span,
            section,
            entries,
        };
        for entry in entries {
            fields.check_key(entry);
        }
        fields
    }

    fn check_key(&self, entry: &Entry) {
        let place = Place {
            path: self.join(&entry.key),
            span: entry.key_span,
        };
        let Some(key) = self.section.key(&entry.key) else {
            let message = format!("unknown key `{}`", entry.key);
            if self.findings.crowded() {
                self.findings.error(place, message, ());
                return;
            }
            let help = nearest(&entry.key, self.section.keys.iter().map(|key| key.name))
                .map(|name| format!("did you mean `{name}`?"))
                .or_else(|| elsewhere(&entry.key, self.section))
                .unwrap_or_else(|| known_keys(self.section));
            self.findings.error(place, message, help);
            return;
        };
        if self.findings.is_closed() && matches!(key.kind, Kind::FilePath) {
            let message = format!("`{}` names a file of the gateway's machine", entry.key);
            self.findings.error(
                place,
                message,
                "what the admin API defines reads no files: write the value itself, or define the server in the file",
            );
            return;
        }
        match key.standing {
            Standing::Works if key.restricts && matches!(entry.node.value, Value::Null) => {
                self.findings.error(
                    place,
                    "the key is there and holds nothing, so it would restrict nothing",
                    instead_of_nothing(key.kind),
                );
            }
            Standing::Works => {}
            Standing::Inert(_) | Standing::Unavailable { .. } if is_harmless(&entry.node, key) => {}
            Standing::Inert(text) => self.findings.warning(place, text),
            Standing::Unavailable { text, .. } => {
                self.findings.error(place, text, ());
            }
        }
    }

    fn join(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    fn entry(&self, name: &str) -> Option<&'t Entry> {
        debug_assert!(
            self.section.key(name).is_some(),
            "`{name}` is read but not in the table of `{}`",
            self.section.name
        );
        #[cfg(test)]
        read_keys::note(self.section.name, name);
        self.entries
            .iter()
            .find(|entry| entry.key == name && !matches!(entry.node.value, Value::Null))
    }

    /// Whether the key is written with a value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// A single value as it is written, whatever it ought to be.
    pub(crate) fn raw(&self, name: &str) -> Option<&'t str> {
        self.entry(name)?.node.text()
    }

    /// Where the key's value stands, or the map if it is absent.
    pub(crate) fn place(&self, name: &str) -> Place {
        let path = self.join(name);
        match self.entry(name) {
            None => Place {
                path,
                span: self.span,
            },
            Some(entry) => Place {
                path: match &entry.node.variable {
                    Some(variable) => format!("{path} (from {variable})"),
                    None => path,
                },
                span: entry.node.span,
            },
        }
    }

    /// Where the map itself begins.
    pub(crate) fn own_place(&self) -> Place {
        Place {
            path: self.path.clone(),
            span: self.span,
        }
    }

    /// A key that must be there.
    pub(crate) fn require<T>(&self, name: &str, value: Option<T>) -> Option<T> {
        if value.is_none() && !self.has(name) {
            self.findings.error(
                self.own_place(),
                format!("`{name}` is missing"),
                self.section
                    .key(name)
                    .map(|key| format!("add `{name}: …` ({})", key.doc.trim_end_matches('.'))),
            );
        }
        value
    }

    /// A nested section.
    pub(crate) fn section(&self, name: &str) -> Option<Fields<'t, 's>> {
        let entry = self.entry(name)?;
        let Some(Kind::Section(section)) = self.section.key(name).map(|key| key.kind) else {
            return None;
        };
        Some(Self::open(
            self.findings,
            section,
            &entry.node,
            self.join(name),
        ))
    }

    /// A nested section that may be absent: then it reads as an empty one.
    pub(crate) fn section_or_empty(&self, name: &str, empty: &'t Node) -> Option<Fields<'t, 's>> {
        let Some(Kind::Section(section)) = self.section.key(name).map(|key| key.kind) else {
            return None;
        };
        let node = self.entry(name).map_or(empty, |entry| &entry.node);
        Some(Self::open(self.findings, section, node, self.join(name)))
    }

    fn mismatch(&self, name: &str, node: &Node, expected: &str, found: &str) {
        self.findings.error(
            Place {
                path: self.join(name),
                span: node.span,
            },
            format!("expected {expected}, found {found}"),
            (),
        );
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, name: &str) -> Option<bool> {
        self.parsed(name, "`true` or `false`", scalar::flag)
    }

    /// A whole number within the table's bounds.
    pub(crate) fn whole(&self, name: &str) -> Option<u64> {
        let Some(Kind::Whole(min, max)) = self.section.key(name).map(|key| key.kind) else {
            return None;
        };
        let expected = format!("a whole number from {min} to {max}");
        self.parsed(name, &expected, |text, _| {
            scalar::whole(text).filter(|number| (min..=max).contains(number))
        })
    }

    /// A span of time.
    pub(crate) fn span(&self, name: &str) -> Option<Duration> {
        self.parsed(
            name,
            "a time such as `30` (seconds), `500ms`, `30s` or `5m`",
            |text, _| scalar::span(text),
        )
    }

    /// A number of bytes.
    pub(crate) fn size(&self, name: &str) -> Option<u64> {
        self.parsed(
            name,
            "a size such as `1048576`, `64KiB` or `4MiB`",
            |text, _| scalar::size(text),
        )
    }

    /// An absolute http(s) URL.
    pub(crate) fn url(&self, name: &str) -> Option<At<Url>> {
        let value = self.parsed(name, "an absolute http or https URL", |text, _| {
            scalar::url(text)
        })?;
        Some(At {
            value,
            place: self.place(name),
        })
    }

    /// A file's name.
    pub(crate) fn file_path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(|text| PathBuf::from(text.value))
    }

    /// One of the table's words.
    pub(crate) fn choice(&self, name: &str) -> Option<&'static str> {
        let Some(Kind::Choice(words)) = self.section.key(name).map(|key| key.kind) else {
            return None;
        };
        let text = self.text(name)?;
        if let Some(word) = words.iter().find(|word| **word == text.value) {
            return Some(word);
        }
        let help = nearest(&text.value, words.iter().copied()).map_or_else(
            || format!("write one of {}", words.join(", ")),
            |word| format!("did you mean `{word}`? Known: {}", words.join(", ")),
        );
        self.findings
            .error(text.place, "not one of the known values", help);
        None
    }

    /// Text that is no secret, references followed.
    pub(crate) fn text(&self, name: &str) -> Option<At<String>> {
        let entry = self.entry(name)?;
        let place = self.place(name);
        let syntax = match self.section.key(name).map(|key| key.kind) {
            Some(Kind::Prose) => Syntax::EnvironOnly,
            Some(Kind::FilePath) => Syntax::NoFile,
            _ => Syntax::All,
        };
        let (value, _) = self.scalar(&entry.node, &place, syntax)?;
        Some(At { value, place })
    }

    /// A secret; one that is written in the file itself is warned about.
    pub(crate) fn secret(&self, name: &str) -> Option<At<Sourced<SecretValue>>> {
        let entry = self.entry(name)?;
        let place = self.place(name);
        let value = self.secret_at(&entry.node, &place)?;
        Some(At { value, place })
    }

    fn secret_at(&self, node: &Node, place: &Place) -> Option<Sourced<SecretValue>> {
        let (text, origin) = self.scalar(node, place, Syntax::Secret)?;
        if text.trim().is_empty() {
            self.findings
                .error(place.clone(), "the secret is empty", origin_help(&origin));
            return None;
        }
        if origin == Origin::Literal {
            self.findings.warning(place.clone(), LITERAL_SECRET);
        }
        Some(Sourced {
            value: SecretValue::new(text),
            origin,
        })
    }

    /// A value of a secret map, references followed.
    pub(crate) fn secret_node(&self, node: &Node, place: &Place) -> Option<(String, Origin)> {
        self.scalar(node, place, Syntax::Secret)
    }

    /// Whatever stands there, as JSON.
    pub(crate) fn anything(&self, name: &str) -> Option<serde_json::Value> {
        Some(scalar::json(&self.entry(name)?.node))
    }

    fn parsed<T>(
        &self,
        name: &str,
        expected: &str,
        parse: impl FnOnce(&str, bool) -> Option<T>,
    ) -> Option<T> {
        let entry = self.entry(name)?;
        let place = self.place(name);
        let (text, origin) = self.scalar(&entry.node, &place, Syntax::All)?;
        // A quoted "false" is a text, not a flag; what a reference or variable yields has no quotes.
        let plain = match &entry.node.value {
            Value::Scalar { plain, .. } => *plain || origin != Origin::Literal,
            _ => false,
        };
        let parsed = parse(&text, plain);
        if parsed.is_none() {
            let found = match origin {
                Origin::Literal if scalar::showable(&text) => format!(", found `{text}`"),
                _ => String::new(),
            };
            self.findings
                .error(place, format!("expected {expected}{found}"), ());
        }
        parsed
    }

    fn scalar(&self, node: &Node, place: &Place, syntax: Syntax) -> Option<(String, Origin)> {
        let secret = syntax == Syntax::Secret;
        let Value::Scalar { text, .. } = &node.value else {
            self.findings.error(
                place.clone(),
                format!("expected a single value, found {}", node.value.noun()),
                (),
            );
            return None;
        };
        if !secret && scalar::showable(text) {
            self.findings.harmless(node);
        }
        if matches!(syntax, Syntax::All | Syntax::Secret) && is_stored(text) {
            let resolved = self.findings.stored(text, secret, place)?;
            return Some((resolved.text, resolved.origin));
        }
        match self.findings.resolve(text, syntax) {
            Ok(resolved) if !secret && breaks_lines(&resolved.text, syntax) => {
                self.findings.error(
                    place.clone(),
                    "the value has a line break or another control character in it",
                    "write it on one line",
                );
                None
            }
            Ok(resolved) => {
                let origin = match (&node.variable, resolved.origin) {
                    (Some(variable), Origin::Literal) => Origin::Variable(variable.clone()),
                    (_, origin) => origin,
                };
                Some((resolved.text, origin))
            }
            Err(unresolved) => {
                self.findings
                    .error(place.clone(), unresolved.message, unresolved.help);
                None
            }
        }
    }
}

/// Prose may have lines; anything else ends up in URLs, headers, log lines and messages.
fn breaks_lines(text: &str, syntax: Syntax) -> bool {
    text.chars().any(|char| {
        char.is_control() && !(syntax == Syntax::EnvironOnly && matches!(char, '\n' | '\t'))
    })
}

fn origin_help(origin: &Origin) -> Option<String> {
    match origin {
        Origin::Literal => None,
        Origin::Variable(name) => Some(format!("the variable `{name}` is set but empty")),
        Origin::File(path) => Some(format!("{} holds only blanks", path.display())),
        Origin::Stored(reference) => Some(format!("`{reference}` holds only blanks")),
    }
}

fn is_harmless(node: &Node, key: &Key) -> bool {
    let extra = match key.standing {
        Standing::Unavailable { harmless, .. } => harmless,
        _ => "false",
    };
    match &node.value {
        Value::Null => true,
        Value::Scalar { text, .. } => !extra.is_empty() && text == extra,
        Value::List(items) => items.is_empty(),
        Value::Map(entries) => entries.is_empty(),
    }
}

fn instead_of_nothing(kind: Kind) -> &'static str {
    match kind {
        Kind::Texts | Kind::Words => "write `[]`, or a value, or remove the key",
        Kind::TextsMap => "write `{}`, or a value, or remove the key",
        _ => "write a value, or remove the key",
    }
}

fn known_keys(section: &Section) -> String {
    let names: Vec<&str> = section
        .keys
        .iter()
        .filter(|key| matches!(key.standing, Standing::Works))
        .map(|key| key.name)
        .collect();
    format!("known keys: {}", names.join(", "))
}

/// The key exists, but in another section.
fn elsewhere(name: &str, here: &Section) -> Option<String> {
    all_sections()
        .into_iter()
        .find(|section| {
            section.name != here.name
                && section
                    .key(name)
                    .is_some_and(|key| matches!(key.standing, Standing::Works))
        })
        .map(|section| format!("`{name}` belongs in `{}`", section.name))
}
