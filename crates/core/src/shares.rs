//! A bounded memory in which nobody's entries push out everybody else's.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// Entries by whose they are. Whoever has too many loses their own oldest; when all is full, whoever
/// has most makes room. "Oldest" is what was used longest ago. Who that is stands in an order that is
/// kept with every use, so that nobody has to be looked for among all.
#[derive(Debug)]
pub struct Shares<O, K, V> {
    most: usize,
    most_of_one: usize,
    of: HashMap<O, Own<K, V>>,
    /// Owners; the first makes room.
    ranks: BTreeMap<Rank, O>,
    count: usize,
    /// Counts up with every use.
    uses: u64,
}

/// Who has most, and among those who have equally many, whoever came longest ago. No two uses are the
/// same, so no two owners have the same rank.
type Rank = (Reverse<usize>, u64);

#[derive(Debug)]
struct Own<K, V> {
    entries: HashMap<K, Entry<V>>,
    by_use: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    used: u64,
}

impl<K, V> Default for Own<K, V> {
    fn default() -> Self {
        Self {
            entries: HashMap::new(),
            by_use: BTreeMap::new(),
        }
    }
}

impl<K: Clone + Eq + Hash, V> Own<K, V> {
    /// `None`: it has nothing.
    fn rank(&self) -> Option<Rank> {
        let (oldest, _) = self.by_use.first_key_value()?;
        Some((Reverse(self.entries.len()), *oldest))
    }

    fn put(&mut self, key: K, value: V, used: u64) {
        self.by_use.insert(used, key.clone());
        self.entries.insert(key, Entry { value, used });
    }

    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.by_use.remove(&entry.used);
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, key)) = self.by_use.pop_first() {
            self.entries.remove(&key);
        }
    }
}

impl<O: Clone + Eq + Hash, K: Clone + Eq + Hash, V> Shares<O, K, V> {
    /// Room for `most` in all, and for `most_of_one` of one owner.
    pub fn new(most: usize, most_of_one: usize) -> Self {
        Self {
            most,
            most_of_one,
            of: HashMap::new(),
            ranks: BTreeMap::new(),
            count: 0,
            uses: 0,
        }
    }

    /// An owner's entry, which counts as used now.
    pub fn get(&mut self, owner: &O, key: &K) -> Option<&V> {
        self.of.get(owner)?.entries.get(key)?;
        let used = self.next_use();
        self.change(owner, |own| {
            if let Some(entry) = own.entries.get_mut(key) {
                own.by_use.remove(&entry.used);
                own.by_use.insert(used, key.clone());
                entry.used = used;
            }
        });
        let entry = self.of.get(owner)?.entries.get(key)?;
        Some(&entry.value)
    }

    /// Whether one more of this owner's would make another one go.
    pub fn is_full_for(&self, owner: &O) -> bool {
        self.count >= self.most || self.count_of(owner) >= self.most_of_one
    }

    /// Adds an entry, and makes room for it before.
    pub fn insert(&mut self, owner: &O, key: K, value: V) {
        self.change(owner, |own| own.remove(&key));
        if self.count_of(owner) >= self.most_of_one {
            self.change(owner, Own::forget_oldest);
        }
        if self.count >= self.most
            && let Some((_, largest)) = self.ranks.first_key_value()
        {
            let largest = largest.clone();
            self.change(&largest, Own::forget_oldest);
        }
        let used = self.next_use();
        self.change(owner, |own| own.put(key, value, used));
    }

    /// Forgets all that is an owner's.
    pub fn remove(&mut self, owner: &O) {
        if self.of.contains_key(owner) {
            self.change(owner, |own| *own = Own::default());
        }
    }

    /// Forgets what is not wanted any more.
    pub fn retain(&mut self, wanted: impl Fn(&V) -> bool) {
        self.of.retain(|_, own| {
            own.entries.retain(|_, entry| wanted(&entry.value));
            let left = &own.entries;
            own.by_use.retain(|_, key| left.contains_key(key));
            !left.is_empty()
        });
        let ranks = self.of.iter();
        self.ranks = ranks
            .filter_map(|(owner, own)| Some((own.rank()?, owner.clone())))
            .collect();
        self.count = self.of.values().map(|own| own.entries.len()).sum();
    }

    /// All of one owner.
    pub fn of(&self, owner: &O) -> impl Iterator<Item = &V> {
        let entries = self.of.get(owner).into_iter();
        let entries = entries.flat_map(|own| own.entries.values());
        entries.map(|entry| &entry.value)
    }

    /// All of them.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        let entries = self.of.values().flat_map(|own| own.entries.values());
        entries.map(|entry| &entry.value)
    }

    fn count_of(&self, owner: &O) -> usize {
        self.of.get(owner).map_or(0, |own| own.entries.len())
    }

    const fn next_use(&mut self) -> u64 {
        self.uses += 1;
        self.uses
    }

    /// Changes what an owner has; the order and the count follow.
    fn change(&mut self, owner: &O, change: impl FnOnce(&mut Own<K, V>)) {
        let own = self.of.entry(owner.clone()).or_default();
        if let Some(rank) = own.rank() {
            self.ranks.remove(&rank);
        }
        let before = own.entries.len();
        change(own);
        self.count = (self.count + own.entries.len()).saturating_sub(before);
        match own.rank() {
            Some(rank) => {
                self.ranks.insert(rank, owner.clone());
            }
            None => {
                self.of.remove(owner);
            }
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
            .is_some_and(|own| own.entries.contains_key(&key))
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
        assert!(!has(&shares, "alice", 0) && has(&shares, "bob", 1));
        assert_eq!(shares.ranks.len(), 1);
        assert!(!shares.is_full_for(&"alice"));
    }

    #[test]
    fn an_owner_who_is_forgotten_leaves_room_and_nothing_else_changes() {
        let mut shares = Shares::new(3, 2);
        shares.insert(&"alice", 0, 0);
        shares.insert(&"alice", 1, 1);
        shares.insert(&"bob", 2, 2);
        shares.remove(&"alice");
        shares.remove(&"nobody");
        assert_eq!((shares.count, shares.of.len()), (1, 1));
        assert!(has(&shares, "bob", 2) && !has(&shares, "alice", 0));
        assert_eq!(shares.ranks.len(), 1);
    }

    #[test]
    fn the_order_is_that_of_what_is_there_whatever_was_done() {
        let mut shares = Shares::new(20, 6);
        for step in 0..2_000_u32 {
            let (owner, key) = (step * 7 % 5, step * 13 % 11);
            match step % 4 {
                0 | 1 => shares.insert(&owner, key, step),
                2 => drop(shares.get(&owner, &key).copied()),
                _ => shares.retain(|value| value % 17 != step % 17),
            }
            let mut ranks: Vec<_> = shares
                .of
                .iter()
                .map(|(owner, own)| {
                    let oldest = own.entries.values().map(|entry| entry.used).min();
                    ((Reverse(own.entries.len()), oldest.unwrap()), *owner)
                })
                .collect();
            ranks.sort_unstable();
            let kept: Vec<_> = shares
                .ranks
                .iter()
                .map(|(rank, own)| (*rank, *own))
                .collect();
            assert_eq!(kept, ranks, "{step}");
            assert_eq!(shares.count, shares.values().count());
        }
        assert!(shares.count > 0);
    }
}
