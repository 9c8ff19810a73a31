//! Lists and maps with free names.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_core::ScopeSet;

use super::{At, Fields};
use crate::findings::Place;
use crate::keys::Kind;
use crate::references::Syntax;
use crate::tree::{Node, Value};

/// An entry of a map with free names: the name, where the name stands, the value.
type Named<'t> = (&'t str, Place, &'t Node);

impl<'t, 's> Fields<'t, 's> {
    /// The entries of a map with free names.
    pub(crate) fn named(&self, name: &str) -> Vec<Named<'t>> {
        let Some(entry) = self.entry(name) else {
            return Vec::new();
        };
        let path = self.join(name);
        match &entry.node.value {
            Value::Map(entries) => entries
                .iter()
                .map(|inner| {
                    let place = Place {
                        path: format!("{path}.{}", inner.key),
                        span: inner.key_span,
                    };
                    (inner.key.as_str(), place, &inner.node)
                })
                .collect(),
            other => {
                self.mismatch(name, &entry.node, "a map of names", other.noun());
                Vec::new()
            }
        }
    }

    /// The maps of a list.
    pub(crate) fn sections(&self, name: &str) -> Vec<Fields<'t, 's>> {
        let Some(entry) = self.entry(name) else {
            return Vec::new();
        };
        let Some(Kind::Sections(section)) = self.section.key(name).map(|key| key.kind) else {
            return Vec::new();
        };
        match &entry.node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    let path = format!("{}[{index}]", self.join(name));
                    Self::open(self.findings, section, item, path)
                })
                .collect(),
            other => {
                self.mismatch(name, &entry.node, "a list", other.noun());
                Vec::new()
            }
        }
    }

    /// A list of texts; one text alone stands for a list of one.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<At<String>>> {
        let entry = self.entry(name)?;
        let texts = self.texts_at(&entry.node, &self.join(name));
        if self.section.key(name).is_some_and(|key| key.restricts) {
            self.refuse_blanks(&texts);
        }
        Some(texts)
    }

    fn refuse_blanks(&self, texts: &[At<String>]) {
        for text in texts.iter().filter(|text| text.value.trim().is_empty()) {
            self.findings.error(
                text.place.clone(),
                "a blank names nothing, so it would restrict nothing",
                "write the name, or remove the entry",
            );
        }
    }

    fn texts_at(&self, node: &Node, path: &str) -> Vec<At<String>> {
        let items: Vec<(&Node, String)> = match &node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(index, item)| (item, format!("{path}[{index}]")))
                .collect(),
            _ => vec![(node, path.to_owned())],
        };
        items
            .into_iter()
            .filter_map(|(item, path)| {
                let place = Place {
                    path,
                    span: item.span,
                };
                let (value, _) = self.scalar(item, &place, Syntax::All)?;
                Some(At { value, place })
            })
            .collect()
    }

    /// Names to whatever JSON can say.
    pub(crate) fn json_map(&self, name: &str) -> Vec<(String, At<serde_json::Value>)> {
        let entries = self.named(name).into_iter();
        entries
            .map(|(key, place, node)| {
                let value = super::scalar::json(node);
                (key.to_owned(), At { value, place })
            })
            .collect()
    }

    /// The texts of a list without their places.
    pub(crate) fn text_set(&self, name: &str) -> Option<BTreeSet<String>> {
        Some(
            self.texts(name)?
                .into_iter()
                .map(|text| text.value)
                .collect(),
        )
    }

    /// OAuth scopes: a list, or one text with blanks between.
    pub(crate) fn scopes(&self, name: &str) -> ScopeSet {
        self.scope_set(self.texts(name).unwrap_or_default())
    }

    fn scope_set(&self, texts: Vec<At<String>>) -> ScopeSet {
        let mut tokens = Vec::new();
        for text in texts {
            for token in text.value.split(' ').filter(|token| !token.is_empty()) {
                match ScopeSet::from_tokens([token]) {
                    Ok(_) => tokens.push(token.to_owned()),
                    Err(_) => self.findings.error(
                        text.place.clone(),
                        "not a scope (RFC 6749 §3.3: printable ASCII without blank, \" and \\)",
                        (),
                    ),
                }
            }
        }
        ScopeSet::from_tokens(tokens).unwrap_or_default()
    }

    /// Names to OAuth scopes. A list may be empty; a blank that stands for one is a mistake.
    pub(crate) fn scopes_map(&self, name: &str) -> Vec<(String, At<ScopeSet>)> {
        self.named(name)
            .into_iter()
            .map(|(key, place, node)| {
                let texts = self.texts_at(node, &place.path);
                self.refuse_blanks(&texts);
                let value = self.scope_set(texts);
                (key.to_owned(), At { value, place })
            })
            .collect()
    }

    /// Names to texts.
    pub(crate) fn text_map(&self, name: &str) -> Vec<(String, At<String>)> {
        self.named(name)
            .into_iter()
            .filter_map(|(key, mut place, node)| {
                place.span = node.span;
                let (value, _) = self.scalar(node, &place, Syntax::All)?;
                Some((key.to_owned(), At { value, place }))
            })
            .collect()
    }

    /// Names to lists of texts.
    pub(crate) fn texts_map(&self, name: &str) -> BTreeMap<String, BTreeSet<String>> {
        self.named(name)
            .into_iter()
            .map(|(key, place, node)| {
                let texts = self.texts_at(node, &place.path);
                (
                    key.to_owned(),
                    texts.into_iter().map(|text| text.value).collect(),
                )
            })
            .collect()
    }
}
