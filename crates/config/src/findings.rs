//! Everything found while reading: errors, notices, and which values are harmless to show.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use crate::diagnostic::{ConfigError, Level, Notice};
use crate::excerpt::Showable;
use crate::references::{
    Origin, Resolved, Syntax, Unresolved, asks_for_more, resolve, scheme_of_store,
};
use crate::sources::{Sources, Stored};
use crate::tree::{Node, Span};

/// Where a finding points.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) path: String,
    pub(crate) span: Span,
}

/// The collector that every reader writes to.
pub(crate) struct Findings<'s> {
    sources: &'s Sources<'s>,
    /// `environment_variables` of the file.
    variables: RefCell<BTreeMap<String, String>>,
    errors: RefCell<Vec<(Place, String, Option<String>)>>,
    notices: RefCell<Vec<Notice>>,
    insecure: RefCell<Vec<String>>,
    harmless: RefCell<Vec<Span>>,
    /// What is read was not written by the operator: which secret stores it may ask; nothing else of this
    /// machine is looked at for it.
    closed: Option<&'s [&'static str]>,
    /// What is read now may not come from a secret store.
    stores_closed: Cell<bool>,
    /// How many values were left out because their store was not asked.
    unasked: Cell<usize>,
}

/// More mistakes than this help nobody, and each costs an excerpt.
const MAX_ERRORS: usize = 100;

/// What the collector holds at the end.
pub(crate) struct Verdict {
    /// The first of them, in the order of the file.
    pub(crate) errors: Vec<ConfigError>,
    /// How many more there were.
    pub(crate) omitted: usize,
    pub(crate) notices: Vec<Notice>,
    pub(crate) insecure: Vec<String>,
}

impl<'s> Findings<'s> {
    pub(crate) fn new(sources: &'s Sources<'s>) -> Self {
        Self {
            sources,
            variables: RefCell::default(),
            errors: RefCell::default(),
            notices: RefCell::default(),
            insecure: RefCell::default(),
            harmless: RefCell::default(),
            closed: None,
            stores_closed: Cell::default(),
            unasked: Cell::default(),
        }
    }

    /// For what was not written by the operator: `stores` are the secret stores that it may ask.
    pub(crate) fn closed(sources: &'s Sources<'s>, stores: &'s [&'static str]) -> Self {
        Self {
            closed: Some(stores),
            ..Self::new(sources)
        }
    }

    /// Whether what is read was not written by the operator.
    pub(crate) const fn is_closed(&self) -> bool {
        self.closed.is_some()
    }

    pub(crate) fn sources(&self) -> &'s Sources<'s> {
        self.sources
    }

    pub(crate) fn define(&self, name: String, value: String) {
        self.variables.borrow_mut().insert(name, value);
    }

    /// A variable of the file or else of the process.
    pub(crate) fn variable(&self, name: &str) -> Option<String> {
        let own = self.variables.borrow().get(name).cloned();
        own.or_else(|| (self.sources.env)(name))
    }

    pub(crate) fn resolve(&self, raw: &str, syntax: Syntax) -> Result<Resolved, Unresolved> {
        if self.is_closed() && asks_for_more(raw, syntax) {
            return Err(Unresolved {
                message: "the environment and the files of the gateway are not read for this"
                    .to_owned(),
                help: Some("write the value itself; `$${` is a literal `${`".to_owned()),
            });
        }
        resolve(
            raw,
            syntax,
            &|name| self.variable(name),
            self.sources.read_file,
        )
    }

    /// Reads something that may not come from a secret store: what is needed to ask one, and what is
    /// needed everywhere.
    pub(crate) fn without_stores<T>(&self, read: impl FnOnce() -> T) -> T {
        self.stores_closed.set(true);
        let value = read();
        self.stores_closed.set(false);
        value
    }

    /// How many values were left out so far because their store was not asked.
    pub(crate) fn unasked(&self) -> usize {
        self.unasked.get()
    }

    /// The value of a reference into a secret store. `None`: left out, or recorded as an error.
    pub(crate) fn stored(&self, raw: &str, secret: bool, place: &Place) -> Option<Resolved> {
        if self.stores_closed.get() || !secret {
            self.error(
                place.clone(),
                "a secret store is not asked for what stands here",
                "write it here, or use `file:/…` or an environment variable",
            );
            return None;
        }
        if let Some(open) = self.closed
            && !scheme_of_store(raw).is_some_and(|scheme| open.contains(&scheme))
        {
            self.error(
                place.clone(),
                "this secret store is not asked for what the admin API defines",
                "write the value itself, or let `server.api_secret_stores` name the store",
            );
            return None;
        }
        match (self.sources.stored)(raw) {
            Stored::Value(value) => Some(Resolved {
                text: value.expose().to_owned(),
                origin: Origin::Stored(raw.to_owned()),
            }),
            Stored::Failed(reason) => {
                self.error(
                    place.clone(),
                    format!("`{raw}`: {reason}"),
                    "look at `secrets`, at the path and the field, and at what our role may read",
                );
                None
            }
            Stored::Unasked => {
                self.unasked.set(self.unasked.get() + 1);
                self.info(place.clone(), format!("`{raw}` was not fetched"));
                None
            }
        }
    }

    pub(crate) fn error(&self, place: Place, message: impl Into<String>, help: impl Into<Help>) {
        self.errors
            .borrow_mut()
            .push((place, message.into(), help.into().0));
    }

    /// There are more errors already than will be shown: no need to be helpful.
    pub(crate) fn crowded(&self) -> bool {
        self.errors.borrow().len() > MAX_ERRORS
    }

    pub(crate) fn warning(&self, place: Place, text: impl Into<String>) {
        self.notice(Level::Warning, place, text.into());
    }

    pub(crate) fn info(&self, place: Place, text: impl Into<String>) {
        self.notice(Level::Info, place, text.into());
    }

    /// A relaxation that the operator chose by name: a warning now and a line at every start.
    pub(crate) fn relaxed(&self, place: Place, text: impl Into<String>) {
        let text = text.into();
        let line = if place.path.is_empty() {
            text.clone()
        } else {
            format!("{}: {text}", place.path)
        };
        self.insecure.borrow_mut().push(line);
        self.notice(Level::Warning, place, text);
    }

    fn notice(&self, level: Level, place: Place, text: String) {
        self.notices.borrow_mut().push(Notice {
            level,
            path: place.path,
            line: place.span.line,
            column: if place.span.line == 0 {
                0
            } else {
                place.span.column
            },
            text,
        });
    }

    /// This value is no secret: excerpts may show it.
    pub(crate) fn harmless(&self, node: &Node) {
        if node.variable.is_none() {
            self.harmless.borrow_mut().push(node.span);
        }
    }

    /// This place holds no value: excerpts may show it.
    pub(crate) fn show(&self, span: Span) {
        self.harmless.borrow_mut().push(span);
    }

    pub(crate) fn verdict(self, text: &str, root: Option<&Node>) -> Verdict {
        let harmless = self.harmless.into_inner();
        let showable = root.map_or_else(Showable::unparsed, |root| Showable::of(root, &harmless));
        let mut errors = self.errors.into_inner();
        errors.sort_by_key(|(place, ..)| (place.span.line, place.span.column));
        let omitted = errors.len().saturating_sub(MAX_ERRORS);
        errors.truncate(MAX_ERRORS);
        let errors = errors
            .into_iter()
            .map(|(place, message, help)| ConfigError {
                excerpt: showable.line(text, place.span),
                line: place.span.line,
                column: if place.span.line == 0 {
                    0
                } else {
                    place.span.column
                },
                path: place.path,
                message,
                help,
            })
            .collect();
        let mut notices = self.notices.into_inner();
        notices.sort_by_key(|notice| (notice.line, notice.column));
        Verdict {
            errors,
            omitted,
            notices,
            insecure: self.insecure.into_inner(),
        }
    }
}

/// Optional help, from whatever is at hand.
pub(crate) struct Help(Option<String>);

impl From<&str> for Help {
    fn from(text: &str) -> Self {
        Self(Some(text.to_owned()))
    }
}

impl From<String> for Help {
    fn from(text: String) -> Self {
        Self(Some(text))
    }
}

impl From<Option<String>> for Help {
    fn from(text: Option<String>) -> Self {
        Self(text)
    }
}

impl From<()> for Help {
    fn from((): ()) -> Self {
        Self(None)
    }
}
