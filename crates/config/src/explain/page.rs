//! The page that everything is written on, and how values look there.

use std::fmt::{Display, Write};
use std::path::Path;
use std::time::Duration;

use crate::diagnostic::Notice;
use crate::model::Sourced;
use crate::references::Origin;

/// Where a secret was found instead of what it is.
pub(super) fn shown<T>(secret: &Sourced<T>) -> String {
    match &secret.origin {
        Origin::Literal => "(set)".to_owned(),
        Origin::Variable(name) => format!("(from env {name})"),
        Origin::File(path) => format!("(from file {})", path.display()),
        Origin::Stored(reference) => format!("(from {reference})"),
    }
}

/// A query may hold a key.
pub(super) fn url(url: &url::Url) -> String {
    let mut shown = url.clone();
    if shown.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.to_string()
}

/// Character by character as it is sent, unless something must be hidden.
pub(super) fn uri(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(parsed) if parsed.query().is_some() => url(&parsed),
        _ => text.to_owned(),
    }
}

pub(super) fn quoted(value: impl Display) -> String {
    serde_json::Value::String(value.to_string()).to_string()
}

pub(super) fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

pub(super) struct Page<'n> {
    pub(super) text: String,
    pub(super) notices: &'n [Notice],
}

impl Page<'_> {
    pub(super) fn line(&mut self, indent: usize, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    pub(super) fn heading(&mut self, indent: usize, name: &str) {
        self.line(indent, format!("{name}:"));
    }

    pub(super) fn value(&mut self, indent: usize, name: &str, value: impl Display) {
        self.line(indent, format!("{name}: {value}"));
    }

    pub(super) fn optional(&mut self, indent: usize, name: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.value(indent, name, quoted(value));
        }
    }

    pub(super) fn path(&mut self, indent: usize, name: &str, value: Option<&Path>) {
        if let Some(value) = value {
            self.value(indent, name, quoted(value.display()));
        }
    }

    pub(super) fn list<T: Display>(
        &mut self,
        indent: usize,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.restriction(indent, name, values);
        }
    }

    /// A list that says something also when it is empty: nothing is allowed.
    pub(super) fn restriction<T: Display>(
        &mut self,
        indent: usize,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) {
        let values: Vec<String> = values.into_iter().map(quoted).collect();
        self.value(indent, name, format!("[{}]", values.join(", ")));
    }

    pub(super) fn comment(&mut self, indent: usize, text: &str) {
        self.line(indent, format!("# {text}"));
    }

    /// What was noticed about exactly this key.
    pub(super) fn why(&mut self, indent: usize, path: &str) {
        let texts: Vec<String> = self
            .notices
            .iter()
            .filter(|notice| notice.path == path)
            .map(|notice| notice.text.clone())
            .collect();
        for text in texts {
            self.comment(indent, &text);
        }
    }

    pub(super) fn remarks(&mut self, title: &str, lines: &[String]) {
        if !lines.is_empty() {
            self.comment(0, &format!("{title}:"));
            for line in lines {
                self.comment(0, &format!("- {line}"));
            }
        }
    }
}
