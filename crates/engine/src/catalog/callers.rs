//! What one server showed to each of its callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_policy::Acting;

use super::Catalog;

/// Most callers of one server whose lists are kept, and of one principal whatever it brings (all
/// strangers together count as one); the one of the same kind who came longest ago is forgotten, and
/// asked for anew when they come again.
const MOST: usize = 1024;
const MOST_OF_PRINCIPAL: usize = 256;

#[derive(Debug, Default)]
pub(crate) struct CallerCatalogs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    of: HashMap<Acting, (u64, Arc<Catalog>)>,
    /// Counts up with every look.
    looks: u64,
}

impl Kept {
    /// Forgets the one of a kind who came longest ago, where the kind has as many as it may.
    fn make_room(&mut self, most: usize, of_kind: impl Fn(&Acting) -> bool) {
        let kind = || self.of.iter().filter(|(acting, _)| of_kind(acting));
        if kind().count() < most {
            return;
        }
        let oldest = kind().min_by_key(|(_, (last, _))| *last);
        if let Some(acting) = oldest.map(|(acting, _)| acting.clone()) {
            self.of.remove(&acting);
        }
    }
}

impl CallerCatalogs {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This caller's.
    pub(crate) fn of(&self, acting: &Acting) -> Arc<Catalog> {
        let mut kept = self.kept();
        kept.looks += 1;
        let look = kept.looks;
        if let Some((last, catalog)) = kept.of.get_mut(acting) {
            *last = look;
            return Arc::clone(catalog);
        }
        let party = acting.party();
        kept.make_room(MOST_OF_PRINCIPAL, |other| other.party() == party);
        kept.make_room(MOST, |_| true);
        let catalog = Arc::<Catalog>::default();
        kept.of.insert(acting.clone(), (look, Arc::clone(&catalog)));
        catalog
    }

    /// The server said that its lists changed.
    pub(crate) fn changed(&self, notification: &str) {
        for (_, catalog) in self.kept().of.values() {
            catalog.changed(notification);
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_core::PrincipalId;

    use super::*;

    #[test]
    fn each_caller_has_lists_of_their_own_and_the_number_of_callers_is_bounded() {
        let catalogs = CallerCatalogs::default();
        let who = |name: &str| Acting::Principal(PrincipalId::from(name));
        let alice = catalogs.of(&who("alice"));
        let bearer = Acting::Bearer(PrincipalId::from("alice"), [1; 32]);
        assert!(!Arc::ptr_eq(&alice, &catalogs.of(&bearer)));
        for count in 0..2 * MOST {
            catalogs.of(&who(&count.to_string()));
            assert!(Arc::ptr_eq(&alice, &catalogs.of(&who("alice"))), "in use");
        }
        assert_eq!(catalogs.kept().of.len(), MOST);
        assert!(!catalogs.kept().of.contains_key(&bearer));
    }

    #[test]
    fn made_up_tokens_flush_nobody_elses_lists() {
        let catalogs = CallerCatalogs::default();
        let alice = Acting::Principal(PrincipalId::from("alice"));
        let hers = catalogs.of(&alice);
        let digest = |count: usize| {
            let mut digest = [0; 32];
            digest[..8].copy_from_slice(&count.to_be_bytes());
            digest
        };
        for count in 0..2 * MOST {
            let made_up = PrincipalId::from(format!("delegated:{count}").as_str());
            catalogs.of(&Acting::Delegated(made_up, digest(count)));
            let mallory = PrincipalId::from("mallory");
            catalogs.of(&Acting::Bearer(mallory, digest(count)));
        }
        assert!(Arc::ptr_eq(&hers, &catalogs.of(&alice)));
        assert_eq!(catalogs.kept().of.len(), 2 * MOST_OF_PRINCIPAL + 1);
    }
}
