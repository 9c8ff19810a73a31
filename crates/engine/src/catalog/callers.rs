//! What one server showed to each of its callers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_policy::Acting;

use super::Catalog;

/// Most callers of one server whose lists are kept; the one who came longest ago is forgotten, and
/// asked for anew when they come again.
const MOST: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct CallerCatalogs(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    of: HashMap<Acting, (u64, Arc<Catalog>)>,
    /// Counts up with every look.
    looks: u64,
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
        if kept.of.len() >= MOST {
            let oldest = kept.of.iter().min_by_key(|(_, (last, _))| *last);
            if let Some(acting) = oldest.map(|(acting, _)| acting.clone()) {
                kept.of.remove(&acting);
            }
        }
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
}
