//! A bounded memory in which nobody's entries push out everybody else's.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::hash::Hash;

/// Entries by whose they are. Whoever has too many loses their own oldest; when all is full, whoever
/// has most makes room. "Oldest" is what was used longest ago.
#[derive(Debug)]
pub struct Shares<O, K, V> {
    most: usize,
    most_of_one: usize,
    of: HashMap<O, HashMap<K, Entry<V>>>,
    count: usize,
    /// Counts up with every use.
    uses: u64,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: u64,
}

impl<O: Clone + Eq + Hash, K: Clone + Eq + Hash, V> Shares<O, K, V> {
    /// Room for `most` in all, and for `most_of_one` of one owner.
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            of: HashMap::new(),
            count: 0,
            uses: 0,
        }
    }

    /// An owner's entry, which counts as used now.
    pub fn get(&mut self, owner: &O, key: &K) -> Option<&V> {
        self.uses += 1;
        let entry = self.of.get_mut(owner)?.get_mut(key)?;
        entry.used = self.uses;
        Some(&entry.value)
    }

    /// Any entry of an owner's.
    pub fn any_of(&self, owner: &O) -> Option<&V> {
        let entry = self.of.get(owner)?.values().next()?;
        Some(&entry.value)
    }

    /// Whether one more of this owner's would make another one go.
    pub fn is_full_for(&self, owner: &O) -> bool {
        self.count >= self.most || self.count_of(owner) >= self.most_of_one
    }

    /// Adds an entry, and makes room for it before.
    pub fn insert(&mut self, owner: &O, key: K, value: V) {
        self.remove(owner, &key);
        if self.count_of(owner) >= self.most_of_one {
            self.forget_oldest_of(owner);
        }
        if self.count >= self.most {
            // Among those who have equally many, whoever came longest ago.
            let rank = |own: &HashMap<K, Entry<V>>| {
                let oldest = own.values().map(|entry| entry.used).min();
                (Reverse(own.len()), oldest)
            };
            let largest = self.of.iter().min_by_key(|(_, own)| rank(own));
            if let Some(largest) = largest.map(|(largest, _)| largest.clone()) {
                self.forget_oldest_of(&largest);
            }
        }
        self.uses += 1;
        let used = self.uses;
        let own = self.of.entry(owner.clone()).or_default();
        own.insert(key, Entry { value, used });
        self.count += 1;
    }

    /// Forgets what is not wanted any more.
    pub fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        self.of.retain(|_, own| {
            own.retain(|_, entry| wanted(&entry.value));
            !own.is_empty()
        });
        self.count = self.of.values().map(HashMap::len).sum();
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let entries = self.of.values().flat_map(HashMap::values);
        entries.map(|entry| &entry.value)
    }

    fn count_of(&self, owner: &O) -> usize {
        self.of.get(owner).map_or(0, HashMap::len)
    }

    fn forget_oldest_of(&mut self, owner: &O) {
        let oldest = self
            .of
            .get(owner)
            .and_then(|own| own.iter().min_by_key(|(_, entry)| entry.used))
            .map(|(key, _)| key.clone());
        if let Some(key) = oldest {
            self.remove(owner, &key);
        }
    }

    fn remove(&mut self, owner: &O, key: &K) {
        let Some(own) = self.of.get_mut(owner) else {
            return;
        };
        if own.remove(key).is_some() {
            self.count -= 1;
        }
        if own.is_empty() {
            self.of.remove(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(shares: &Shares<&'static str, u32, u32>, owner: &'static str, key: u32) -> bool {
        shares
            .of
            .get(owner)
            .is_some_and(|own| own.contains_key(&key))
    }

    #[test]
    fn whoever_has_too_many_loses_their_own_oldest() {
        let mut shares = Shares::new(10, 4);
        shares.insert(&"alice", 0, 0);
        for key in 0..4 {
            shares.insert(&"mallory", key, key);
        }
        assert_eq!(shares.get(&"mallory", &0), Some(&0), "used again");
        assert!(shares.is_full_for(&"mallory") && !shares.is_full_for(&"alice"));
        shares.insert(&"mallory", 4, 4);
        assert!(has(&shares, "mallory", 0) && !has(&shares, "mallory", 1));
        assert!(has(&shares, "alice", 0));
        assert_eq!(shares.count, 5);
    }

    #[test]
    fn when_all_is_full_whoever_has_most_makes_room_however_many_conspire() {
        let mut shares = Shares::new(10, 4);
        shares.insert(&"alice", 0, 0);
        for key in 0..100 {
            for owner in ["mallory", "mordred", "morgana"] {
                shares.insert(&owner, key, key);
            }
        }
        assert!(has(&shares, "alice", 0));
        assert_eq!(shares.values().count(), 10);
        shares.insert(&"bob", 0, 0);
        shares.insert(&"bob", 0, 1);
        assert_eq!(shares.values().count(), 10);
        assert_eq!(shares.get(&"bob", &0), Some(&1));
        assert!(has(&shares, "alice", 0));
    }

    #[test]
    fn among_those_who_have_equally_many_the_one_in_use_stays() {
        let mut shares = Shares::new(100, 4);
        shares.insert(&0, 0, 0);
        for owner in 1..1_000 {
            shares.insert(&owner, 0, owner);
            assert_eq!(shares.get(&0, &0), Some(&0));
        }
    }

    #[test]
    fn what_is_forgotten_leaves_room_and_no_owner_behind() {
        let mut shares = Shares::new(2, 2);
        shares.insert(&"alice", 0, 0);
        shares.insert(&"bob", 1, 1);
        shares.retain(|value| *value == 1);
        assert_eq!((shares.count, shares.of.len()), (1, 1));
        assert!(shares.any_of(&"alice").is_none());
        assert_eq!(shares.any_of(&"bob"), Some(&1));
        assert!(!shares.is_full_for(&"alice"));
    }
}
