//! Who has a principal's name. Keys of the file are principals by their names: whoever writes another
//! person's key under a name that was there before hands on the name, and must not hand on with it
//! the accounts that its former holder connected.

use std::collections::HashMap;

use portcullis_core::{PrincipalId, hex};

use super::connections::{Connections, Inner};

/// Tells one holder of a name from the next. It is no secret and leads to none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder([u8; 32]);

impl Holder {
    pub(super) fn to_text(self) -> String {
        hex(&self.0)
    }

    pub(super) fn of_text(text: &str) -> Option<Self> {
        let mut mark = [0_u8; 32];
        let mut digits = text.chars().map(|digit| digit.to_digit(16));
        for byte in &mut mark {
            let (high, low) = (digits.next()??, digits.next()??);
            *byte = u8::try_from(high << 4 | low).ok()?;
        }
        digits.next().is_none().then_some(Self(mark))
    }
}

impl Connections {
    /// Who holds the names that can change hands, from now on. To be told before anybody is let in by
    /// such a name. All others are their own holders for ever.
    pub fn held_by(&self, holders: impl IntoIterator<Item = (PrincipalId, [u8; 32])>) {
        let holders: HashMap<_, _> = holders
            .into_iter()
            .map(|(principal, mark)| (principal, Holder(mark)))
            .collect();
        self.0.holders.store(holders.into());
    }
}

impl Connections {
    /// Whether somebody holds this name, of those that can change hands.
    pub fn is_held(&self, principal: &PrincipalId) -> bool {
        self.0.holder(principal).is_some()
    }
}

impl Inner {
    pub(super) fn holder(&self, principal: &PrincipalId) -> Option<Holder> {
        self.holders.load().get(principal).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_nothing_else_is_one() {
        let holder = Holder([0xa7; 32]);
        let text = holder.to_text();
        assert_eq!(Holder::of_text(&text), Some(holder));
        for other in ["", &text[1..], &format!("{text}0"), &text.replace('a', "g")] {
            assert_eq!(Holder::of_text(other), None, "{other}");
        }
    }
}
