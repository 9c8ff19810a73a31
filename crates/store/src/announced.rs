//! Stores whose changes are announced, whoever makes them.

mod api_keys;
mod directory;
mod limits;
mod pins;
mod revocations;
mod servers;
mod sessions;

use std::sync::Arc;

use crate::{Announcements, Stores};

/// The same stores, which announce what their readers keep in memory and have to hear of soon.
#[must_use]
pub fn announced(stores: Stores) -> Stores {
    let to = &stores.announcements;
    Stores {
        api_keys: Arc::new(Announced::of(&stores.api_keys, to)),
        directory: Arc::new(Announced::of(&stores.directory, to)),
        limits: Arc::new(Announced::of(&stores.limits, to)),
        pins: Arc::new(Announced::of(&stores.pins, to)),
        revocations: Arc::new(Announced::of(&stores.revocations, to)),
        servers: Arc::new(Announced::of(&stores.servers, to)),
        sessions: Arc::new(Announced::of(&stores.sessions, to)),
        ..stores
    }
}

/// A store, and whom its changes are announced to.
#[derive(Debug)]
struct Announced<S: ?Sized> {
    store: Arc<S>,
    to: Arc<dyn Announcements>,
}

impl<S: ?Sized> Announced<S> {
    fn of(store: &Arc<S>, to: &Arc<dyn Announcements>) -> Self {
        Self {
            store: Arc::clone(store),
            to: Arc::clone(to),
        }
    }
}
