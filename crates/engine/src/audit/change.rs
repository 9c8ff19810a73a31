//! What an administrator's request made of one thing: which, from what to what, and the names of what differs.
//! Never a value: a value may be a secret.

use serde::Serialize;

use super::CallerText;

/// Most names that one change tells.
const MOST_NAMES: usize = 64;
/// Most changes that one event tells.
pub(super) const MOST_CHANGES: usize = 64;

/// One thing that was made, changed or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind of thing.
    pub kind: &'static str,
    /// Which of its kind.
    pub id: CallerText,
    /// Its version, or its state, before; absent: there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<CallerText>,
    /// The same after; absent: there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<CallerText>,
    /// The names of what differs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<CallerText>,
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and texts, as callers have them"
)]
impl Change {
    /// A change of one thing.
    pub fn of(kind: &'static str, id: &str) -> Self {
        Self {
            kind,
            id: CallerText::new(id),
            from: None,
            to: None,
            fields: Vec::new(),
        }
    }

    /// What it was before.
    #[must_use]
    pub fn was(mut self, state: impl ToString) -> Self {
        self.from = Some(CallerText::new(&state.to_string()));
        self
    }

    /// What it is now.
    #[must_use]
    pub fn now(mut self, state: impl ToString) -> Self {
        self.to = Some(CallerText::new(&state.to_string()));
        self
    }

    /// The names of what differs, of which an event has room for 64.
    #[must_use]
    pub fn fields<T: AsRef<str>>(mut self, names: impl IntoIterator<Item = T>) -> Self {
        let names = names.into_iter().take(MOST_NAMES);
        self.fields = names.map(|name| CallerText::new(name.as_ref())).collect();
        self
    }
}
