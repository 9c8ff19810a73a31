//! Which scopes a person is asked for.

use portcullis_core::ScopeSet;

use super::authorization_server::Found;
use super::terms::AuthorizationCode;

const OFFLINE: &str = "offline_access";

/// Most scopes that a server can have us ask for, and keep, and their length in all: a server names
/// others at every call if it likes.
const MOST: usize = 64;
const LONGEST: usize = 4096;

/// What the file says. Otherwise what the server's challenge asks for, else all that its metadata
/// names, else none; together with what was asked for before, so that a person who grants more does
/// not lose what they granted (SEP-2350). `offline_access` is asked for where the authorization
/// server lists it, and nowhere else.
pub(super) fn to_ask(terms: &AuthorizationCode, found: &Found, before: &ScopeSet) -> ScopeSet {
    if !terms.scopes.is_empty() {
        return terms.scopes.clone();
    }
    let none = ScopeSet::default();
    let asked = match (&found.challenged, &found.supported) {
        (Some(challenged), _) => challenged,
        // What was asked for before is what the server asked for.
        (None, Some(supported)) if before.is_empty() => supported,
        (None, _) => &none,
    };
    let listed = found.server.scopes.iter().any(|scope| scope == OFFLINE);
    let asked = if fits(asked) { asked } else { &none };
    let mut wanted = joined(before, asked).unwrap_or_default();
    if listed && !wanted.is_empty() {
        wanted = union(&wanted, &OFFLINE.parse().unwrap_or_default());
    }
    if !listed {
        let kept = wanted.iter().filter(|scope| *scope != OFFLINE);
        wanted = ScopeSet::from_tokens(kept).unwrap_or_default();
    }
    wanted
}

fn fits(scopes: &ScopeSet) -> bool {
    scopes.iter().count() <= MOST && scopes.to_string().len() <= LONGEST
}

/// What is asked for now with what was asked for before; alone, where both are too much; `None`:
/// it is too much by itself.
pub(super) fn joined(before: &ScopeSet, now: &ScopeSet) -> Option<ScopeSet> {
    let both = union(before, now);
    if fits(&both) {
        return Some(both);
    }
    fits(now).then(|| now.clone())
}

/// The scopes of both.
pub(super) fn union(one: &ScopeSet, other: &ScopeSet) -> ScopeSet {
    // Each of them is a scope token already.
    ScopeSet::from_tokens(one.iter().chain(other.iter())).unwrap_or_default()
}

/// Google gives a refresh token only to whoever asks for it in its own words, and only with consent.
pub(super) fn more(host: Option<&str>) -> &'static [(&'static str, &'static str)] {
    if is_of_google(host) {
        &[("access_type", "offline"), ("prompt", "consent")]
    } else {
        &[]
    }
}

pub(super) fn is_of_google(host: Option<&str>) -> bool {
    host.is_some_and(|host| {
        host == "google.com" || host.ends_with(".google.com") || host.ends_with(".googleapis.com")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_of_scopes_is_bounded() {
        let many = |from: usize, to: usize| {
            let names: Vec<String> = (from..to).map(|number| format!("s{number}")).collect();
            ScopeSet::from_tokens(names.iter().map(String::as_str)).unwrap()
        };
        assert_eq!(joined(&many(0, 32), &many(32, 64)), Some(many(0, 64)));
        assert_eq!(joined(&many(0, 32), &many(32, 65)), Some(many(32, 65)));
        assert_eq!(joined(&many(0, 1), &many(0, 65)), None);
        let long: ScopeSet = "x".repeat(LONGEST + 1).parse().unwrap();
        assert_eq!(joined(&many(0, 1), &long), None);
    }

    #[test]
    fn only_googles_hosts_are_asked_in_googles_words() {
        assert_eq!(more(Some("accounts.google.com")).len(), 2);
        for other in [
            Some("accounts.google.com.evil.example"),
            Some("notgoogle.com"),
            None,
        ] {
            assert!(more(other).is_empty(), "{other:?}");
        }
    }
}
