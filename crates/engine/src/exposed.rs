//! What tools and prompts are called on the aggregate endpoint: `{alias}-{name}`, and where that cannot
//! be, a marked name, `{readable head}_{8 hex digits}`. The mark depends on alias and name alone, so that
//! it is the same on every replica, whatever else is listed.

use std::collections::HashMap;

use portcullis_core::{Sha256, hex};

use crate::catalog::Kind;

/// Between alias and name.
pub(crate) const SEPARATOR: char = '-';
/// What providers of models take as the name of a tool (`^[a-zA-Z0-9_-]{1,64}$`); MCP itself lets it be
/// longer, with dots in it (2026-07-28: `[A-Za-z0-9_.-]{1,128}`).
const LONGEST: usize = 64;
/// Between head and mark.
const MARK: char = '_';
const MARK_DIGITS: usize = 8;
const LONGEST_HEAD: usize = LONGEST - MARK_DIGITS - 1;

/// The name of a server's tool or prompt under its alias. Those of a server whose alias is empty stay
/// as they are.
pub(crate) fn plain(alias: &str, name: &str) -> String {
    if alias.is_empty() {
        return name.to_owned();
    }
    format!("{alias}{SEPARATOR}{name}")
}

/// Whether a name can be listed as it is. Prompts are for people: no model's provider sees their names.
pub(crate) fn fits(kind: Kind, name: &str) -> bool {
    kind != Kind::Tools
        || ((1..=LONGEST).contains(&name.len())
            && name.chars().all(|letter| letter == taken(letter)))
}

/// The name where the plain one cannot be listed, or is another server's.
pub(crate) fn marked(alias: &str, name: &str) -> String {
    let digest = Sha256::new()
        .part(b"name on the aggregate")
        .part(alias.as_bytes())
        .part(name.as_bytes())
        .finish();
    let mark: String = hex(&digest).chars().take(MARK_DIGITS).collect();
    let head: String = plain(alias, name)
        .chars()
        .map(taken)
        .take(LONGEST_HEAD)
        .collect();
    format!("{head}{MARK}{mark}")
}

/// What stands before the mark of a name that could be a marked one.
pub(crate) fn head_of_marked(exposed: &str) -> Option<&str> {
    let (head, mark) = exposed.rsplit_once(MARK)?;
    let hexadecimal = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    let is_mark = mark.len() == MARK_DIGITS && mark.bytes().all(hexadecimal);
    (is_mark && exposed.len() <= LONGEST).then_some(head)
}

/// Whether a marked name with this head could be one under this alias.
pub(crate) fn could_be_under(alias: &str, head: &str) -> bool {
    let prefix = plain_prefix(alias);
    prefix.starts_with(head) || head.starts_with(&prefix)
}

/// Whether names under these two aliases could be the same.
pub(crate) fn are_rivals(one: &str, other: &str) -> bool {
    let (one, other) = (plain_prefix(one), plain_prefix(other));
    one.starts_with(&other)
        || other.starts_with(&one)
        || (one.len().min(other.len()) >= LONGEST_HEAD
            && one.get(..LONGEST_HEAD) == other.get(..LONGEST_HEAD))
}

fn plain_prefix(alias: &str) -> String {
    plain(alias, "").chars().map(taken).collect()
}

/// A letter of a plain name as it stands in a marked one.
const fn taken(letter: char) -> char {
    if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-') {
        letter
    } else {
        '_'
    }
}

/// The marked names of one list.
#[derive(Debug)]
pub(crate) struct Marks {
    /// Under which they are: it may be another one after a reload.
    pub(crate) alias: Box<str>,
    positions: HashMap<String, usize>,
}

impl Marks {
    pub(crate) fn of<'n>(alias: &str, names: impl Iterator<Item = &'n str>) -> Self {
        let mut positions = HashMap::new();
        for (position, name) in names.enumerate() {
            // Of two names with one mark the first has it, and the other is not listed.
            positions.entry(marked(alias, name)).or_insert(position);
        }
        Self {
            alias: alias.into(),
            positions,
        }
    }

    /// Where the item of this marked name stands in the list.
    pub(crate) fn position(&self, exposed: &str) -> Option<usize> {
        self.positions.get(exposed).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marked_name_is_one_that_every_provider_takes() {
        let long = "x".repeat(300);
        for (alias, name) in [
            ("git", long.as_str()),
            ("git", "repo.list"),
            ("Acme Corp", "größe/ändern"),
            ("", ""),
            (long.as_str(), "a"),
            ("a", "b"),
        ] {
            let marked = marked(alias, name);
            assert!(fits(Kind::Tools, &marked), "{marked}");
            let head = head_of_marked(&marked).unwrap();
            assert!(could_be_under(alias, head), "{marked}");
        }
        assert_eq!(
            marked("git", "repo.list"),
            "git-repo_list_3ba99c38",
            "clients keep these names: the rule may never change"
        );
    }

    #[test]
    fn what_looks_alike_is_marked_apart() {
        let long = "x".repeat(70);
        let names = [
            marked("git", "repo.list"),
            marked("git", "repo/list"),
            marked("git-repo", "list"),
            marked("git", &format!("{long}a")),
            marked("git", &format!("{long}b")),
            marked("Acme.Corp", "a.b"),
            marked("Acme_Corp", "a.b"),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
        assert!(are_rivals("Acme.Corp", "Acme_Corp"));
        assert!(are_rivals("bank", "bank-pay"));
        assert!(are_rivals("", "bank"));
        assert!(!are_rivals("bank", "banker"));
        assert!(are_rivals(&format!("{long}a"), &format!("{long}b")));
    }

    #[test]
    fn only_what_ends_like_a_mark_could_be_marked() {
        assert_eq!(head_of_marked("git-a_0123abcd"), Some("git-a"));
        for other in ["git-a", "git-a_0123ABCD", "git-a_123abcd", "a_0123abcg"] {
            assert_eq!(head_of_marked(other), None, "{other}");
        }
    }

    #[test]
    fn prompts_are_listed_whatever_they_are_called() {
        assert!(fits(Kind::Prompts, "git-draft a release/note"));
        assert!(!fits(Kind::Tools, "git-draft a release/note"));
    }
}
