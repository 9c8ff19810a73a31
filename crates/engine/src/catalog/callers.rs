//! What one server showed to each of its callers.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_core::{PrincipalId, Shares};
use portcullis_policy::{Acting, Party};

use super::Catalog;

/// Most acting parties whose lists are kept for one server, and most of one principal, who may come
/// with any number of tokens beside a key (all strangers together count as one). Who is forgotten is
/// asked for anew when they come again.
const MOST: usize = 1024;
const MOST_OF_ONE: usize = 256;

type Kept = Shares<Party, Acting, Arc<Catalog>>;

#[derive(Debug)]
pub(crate) struct CallerCatalogs(Mutex<Kept>);

impl Default for CallerCatalogs {
    fn default() -> Self {
        Self(Mutex::new(Shares::new(MOST, MOST_OF_ONE)))
    }
}

impl CallerCatalogs {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This caller's.
    pub(crate) fn of(&self, acting: &Acting) -> Arc<Catalog> {
        let mut kept = self.kept();
        let owner = acting.party();
        if let Some(catalog) = kept.get(&owner, acting) {
            return Arc::clone(catalog);
        }
        let catalog = Arc::<Catalog>::default();
        kept.insert(&owner, acting.clone(), Arc::clone(&catalog));
        catalog
    }

    /// All that this principal was shown.
    pub(crate) fn shown_to(&self, principal: &PrincipalId) -> Vec<Arc<Catalog>> {
        let owner = Party::Principal(principal.clone());
        self.kept().of(&owner).map(Arc::clone).collect()
    }

    /// Whatever this principal was shown was shown to another account of theirs.
    pub(crate) fn forget(&self, principal: &PrincipalId) {
        self.kept().remove(&Party::Principal(principal.clone()));
    }

    /// The server said that its lists changed.
    pub(crate) fn changed(&self, notification: &str) {
        for catalog in self.kept().values() {
            catalog.changed(notification);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who(name: &str) -> Acting {
        Acting::Principal(PrincipalId::from(name))
    }

    fn with_bearer(name: &str, number: usize) -> Acting {
        let mut of_token = [0; 32];
        of_token[..8].copy_from_slice(&number.to_be_bytes());
        Acting::Bearer(PrincipalId::from(name), of_token)
    }

    #[test]
    fn each_caller_has_lists_of_their_own_and_the_number_of_callers_is_bounded() {
        let catalogs = CallerCatalogs::default();
        let alice = catalogs.of(&who("alice"));
        assert!(!Arc::ptr_eq(&alice, &catalogs.of(&with_bearer("alice", 1))));
        for count in 0..2 * MOST {
            catalogs.of(&who(&count.to_string()));
            assert!(Arc::ptr_eq(&alice, &catalogs.of(&who("alice"))), "in use");
        }
        assert_eq!(catalogs.kept().values().count(), MOST);
    }

    #[test]
    fn a_key_with_made_up_bearers_beside_it_makes_nobody_else_be_asked_for_anew() {
        let catalogs = CallerCatalogs::default();
        let alice = catalogs.of(&who("alice"));
        for number in 0..2 * MOST {
            catalogs.of(&with_bearer("mallory", number));
            catalogs.of(&with_bearer("mordred", number));
        }
        assert!(Arc::ptr_eq(&alice, &catalogs.of(&who("alice"))));
        assert_eq!(catalogs.kept().values().count(), 1 + 2 * MOST_OF_ONE);
    }

    #[test]
    fn strangers_with_made_up_tokens_make_nobody_else_be_asked_for_anew() {
        let catalogs = CallerCatalogs::default();
        let alice = catalogs.of(&who("alice"));
        for number in 0..2 * MOST {
            let made_up = PrincipalId::from(format!("delegated:{number}"));
            catalogs.of(&Acting::Delegated(made_up, [0; 32]));
            catalogs.of(&with_bearer("mallory", number));
        }
        assert!(Arc::ptr_eq(&alice, &catalogs.of(&who("alice"))));
        assert_eq!(catalogs.kept().values().count(), 1 + 2 * MOST_OF_ONE);
    }
}
