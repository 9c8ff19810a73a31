//! The keys that sign and that are published: a key is known to everybody before it signs, and until
//! the last token that it signed has ended.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use portcullis_core::{Clock, Timestamp};
use portcullis_oauth::jose::SigningKey;
use serde_json::{Value, json};

/// One key and since when it signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedKey {
    /// The key.
    pub key: Arc<SigningKey>,
    /// Before that it is published only.
    pub signs_from: Timestamp,
}

/// What is known of the keys, by one process.
#[derive(Debug)]
pub struct KeyBook {
    clock: Arc<dyn Clock>,
    page: ArcSwap<Page>,
}

#[derive(Debug)]
struct Page {
    /// Oldest first.
    keys: Vec<PublishedKey>,
    /// Monotonic; `None`: these keys do not change.
    read: Option<Duration>,
}

impl KeyBook {
    /// How long after its successor began to sign a key stays published: longer than any token
    /// lives, with clocks that differ.
    pub const OVERLAP: Duration = Duration::from_mins(70);
    /// How long before it signs a new key is published: longer than verifiers keep the set.
    pub const NOTICE: Duration = Duration::from_mins(15);
    /// The longest life of a token.
    pub const LONGEST_TOKEN: Duration = Duration::from_hours(1);
    /// Whoever has not read the book for so long may sign by a key that others gave up. Less than
    /// `NOTICE`: it signs no more before anybody signs by a key that it does not publish.
    const STALE: Duration = Duration::from_mins(10);

    /// A book without keys.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        let page = Page {
            keys: Vec::new(),
            read: None,
        };
        Self {
            clock,
            page: ArcSwap::from_pointee(page),
        }
    }

    /// The operator's keys, which do not change while the process runs: the first signs, the others
    /// are published only, because they will sign or have signed.
    pub fn hold(&self, keys: Vec<SigningKey>) {
        let mut held: Vec<PublishedKey> = Vec::new();
        for key in keys {
            // Verifiers refuse both of two keys with one id.
            if held.iter().any(|one| one.key.key_id() == key.key_id()) {
                continue;
            }
            held.push(PublishedKey {
                key: Arc::new(key),
                signs_from: if held.is_empty() {
                    Timestamp::from_millis(0)
                } else {
                    Timestamp::from_millis(i64::MAX)
                },
            });
        }
        self.page.store(Arc::new(Page {
            keys: held,
            read: None,
        }));
    }

    /// What was just read from where the keys are kept, oldest first.
    pub fn read(&self, keys: Vec<PublishedKey>) {
        self.page.store(Arc::new(Page {
            keys,
            read: Some(self.clock.monotonic()),
        }));
    }

    /// The keys that are known.
    pub fn keys(&self) -> Vec<PublishedKey> {
        self.page.load().keys.clone()
    }

    /// The key to sign by: the newest whose time has come. The former algorithm's signs until then
    /// where the algorithm was changed, too. None while the book is too old to be sure.
    pub fn signing_key(&self) -> Option<Arc<SigningKey>> {
        let page = self.page.load();
        let now = self.clock.now();
        let mut due = page.keys.iter().filter(|one| one.signs_from <= now);
        due.next_back()
            .filter(|_| !self.is_stale(&page))
            .map(|one| Arc::clone(&one.key))
    }

    fn is_stale(&self, page: &Page) -> bool {
        page.read
            .is_some_and(|read| self.clock.monotonic().saturating_sub(read) > Self::STALE)
    }

    /// Whether nobody needs this key any more: its successor has signed for longer than a token of it
    /// can live.
    pub fn is_over(keys: &[PublishedKey], key: &SigningKey, now: Timestamp) -> bool {
        let successor = keys
            .iter()
            .skip_while(|one| one.key.key_id() != key.key_id())
            .nth(1);
        successor.is_some_and(|next| next.signs_from.after(Self::OVERLAP) <= now)
    }

    /// The key set that is published (RFC 7517 §5). None while the book is too old to be sure, as
    /// nothing is signed then: meanwhile a key may have been given up because somebody else has it.
    pub fn jwks(&self) -> Option<Value> {
        let page = self.page.load();
        if self.is_stale(&page) {
            return None;
        }
        let now = self.clock.now();
        let keys: Vec<Value> = page
            .keys
            .iter()
            .filter(|one| !Self::is_over(&page.keys, &one.key, now))
            .map(|one| one.key.public_jwk())
            .collect();
        Some(json!({ "keys": keys }))
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::ManualClock;
    use portcullis_oauth::SigningAlgorithm;

    use super::*;

    const ES256: SigningAlgorithm = SigningAlgorithm::Es256;

    fn key() -> Arc<SigningKey> {
        key_of(ES256)
    }

    fn key_of(algorithm: SigningAlgorithm) -> Arc<SigningKey> {
        let der = SigningKey::generate(algorithm).unwrap();
        Arc::new(SigningKey::from_pkcs8(&der, algorithm).unwrap())
    }

    fn published(book: &KeyBook) -> Vec<String> {
        let jwks = book.jwks().unwrap();
        let keys = jwks["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }

    /// SIGN-06.
    #[test]
    fn a_key_is_published_before_it_signs_and_until_its_last_token_has_ended() {
        let clock = Arc::new(ManualClock::at_millis(0));
        let book = KeyBook::new(Arc::clone(&clock) as _);
        assert!(book.signing_key().is_none(), "no key, no signature");
        let (first, second) = (key(), key());
        let at = |key: &Arc<SigningKey>, signs_from| PublishedKey {
            key: Arc::clone(key),
            signs_from,
        };
        let start = clock.now();
        let keys = vec![at(&first, start), at(&second, start.after(KeyBook::NOTICE))];
        let read = || book.read(keys.clone());
        let signs = || book.signing_key().unwrap().key_id().to_owned();
        let both = [first.key_id(), second.key_id()];
        read();
        assert_eq!(signs(), first.key_id());
        assert_eq!(published(&book), both);
        clock.advance(KeyBook::NOTICE);
        read();
        assert_eq!(signs(), second.key_id());
        assert_eq!(published(&book), both);
        clock.advance(KeyBook::LONGEST_TOKEN);
        read();
        assert_eq!(published(&book), both);
        clock.advance(KeyBook::OVERLAP.saturating_sub(KeyBook::LONGEST_TOKEN));
        read();
        assert_eq!(published(&book), [second.key_id()]);
    }

    /// SIGN-06: a change of the algorithm is a rotation like any other, and so is the way back.
    #[test]
    fn a_left_algorithm_signs_until_its_successor_does_and_is_not_published_for_ever() {
        let clock = Arc::new(ManualClock::at_millis(0));
        let book = KeyBook::new(Arc::clone(&clock) as _);
        let keys = [key(), key_of(SigningAlgorithm::EdDsa), key()];
        let ids: Vec<&str> = keys.iter().map(|key| key.key_id()).collect();
        let start = clock.now();
        let turns = [Duration::ZERO, KeyBook::NOTICE, KeyBook::NOTICE * 2];
        let all: Vec<PublishedKey> = keys
            .iter()
            .zip(turns)
            .map(|(key, turn)| PublishedKey {
                key: Arc::clone(key),
                signs_from: start.after(turn),
            })
            .collect();
        for signs in &ids {
            book.read(all.clone());
            assert_eq!(book.signing_key().unwrap().key_id(), *signs);
            assert_eq!(published(&book), ids);
            clock.advance(KeyBook::NOTICE);
        }
        clock.advance(KeyBook::OVERLAP.saturating_sub(KeyBook::NOTICE * 2));
        book.read(all.clone());
        assert_eq!(published(&book), ids[1..]);
        clock.advance(KeyBook::NOTICE);
        book.read(all.clone());
        assert_eq!(published(&book), ids[2..]);
    }

    /// SIGN-06: whoever cannot see a new key does not sign beside it.
    #[test]
    fn who_cannot_read_the_keys_stops_before_anybody_signs_by_one_that_it_does_not_know() {
        let clock = Arc::new(ManualClock::at_millis(0));
        let [seeing, blind] = [(); 2].map(|()| KeyBook::new(Arc::clone(&clock) as _));
        let old = PublishedKey {
            key: key(),
            signs_from: clock.now(),
        };
        blind.read(vec![old.clone()]);
        let new = PublishedKey {
            key: key(),
            signs_from: clock.now().after(KeyBook::NOTICE),
        };
        clock.advance(KeyBook::NOTICE.saturating_sub(Duration::from_millis(1)));
        seeing.read(vec![old.clone(), new]);
        assert_eq!(seeing.signing_key().unwrap().key_id(), old.key.key_id());
        assert!(blind.signing_key().is_none());
    }

    /// SIGN-08: without knowing which key is good, nothing is signed.
    #[test]
    fn a_book_that_was_not_read_for_long_signs_nothing() {
        let clock = Arc::new(ManualClock::at_millis(0));
        let book = KeyBook::new(Arc::clone(&clock) as _);
        let only = PublishedKey {
            key: key(),
            signs_from: clock.now(),
        };
        book.read(vec![only.clone()]);
        clock.advance(KeyBook::STALE);
        assert!(book.signing_key().is_some());
        assert!(book.jwks().is_some());
        clock.advance(Duration::from_millis(1));
        assert!(book.signing_key().is_none());
        assert!(book.jwks().is_none(), "nor are others told to believe it");
        book.read(vec![only.clone()]);
        assert!(book.signing_key().is_some());
        let own = SigningKey::clone(&only.key);
        let next = SigningKey::clone(&key());
        book.hold(vec![own.clone(), next.clone(), own.clone()]);
        clock.advance(KeyBook::STALE * 2);
        let signing = book.signing_key().unwrap();
        assert_eq!(signing.key_id(), own.key_id(), "the operator's own");
        assert_eq!(published(&book), [own.key_id(), next.key_id()]);
    }
}
