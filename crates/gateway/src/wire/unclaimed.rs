//! Which connections of people nobody can use any more, as far as this gateway knows its keys and servers.

use std::collections::HashSet;

use portcullis_core::{KeyId, PrincipalId, Timestamp};
use portcullis_credentials::Claims;
use portcullis_identity::OwnKey;
use portcullis_store::{ApiKeyStore, MAX_PAGE, PageRequest, StoreError};

use super::rooms::Rooms;

/// Ends those that nobody has claimed for long enough.
pub(super) async fn tidy(rooms: &Rooms) -> Result<usize, StoreError> {
    let vaults = &rooms.vaults;
    let standing = standing(&*vaults.stores.api_keys, vaults.clock.now()).await?;
    let snapshot = rooms.gateway.snapshot();
    let servers = snapshot.servers().iter();
    let connections = rooms.connections.clone();
    let claims = Claims {
        servers: servers
            .map(|entry| (entry.id.clone(), entry.auth.clone()))
            .collect(),
        has_ended: Box::new(move |principal: &PrincipalId| match OwnKey::of(principal) {
            // Of people who sign in nobody says that they will not come back.
            None => false,
            Some(OwnKey::File) => !connections.is_held(principal),
            Some(OwnKey::Store(id)) => !standing.contains(&id),
        }),
    };
    rooms.connections.tidy(&claims).await
}

/// The keys of the store that let somebody in, or may: a row that cannot be read is doubted, not ended.
async fn standing(keys: &dyn ApiKeyStore, now: Timestamp) -> Result<HashSet<KeyId>, StoreError> {
    let (mut standing, mut request) = (HashSet::new(), PageRequest::first(MAX_PAGE));
    loop {
        let page = keys.list(&request).await?;
        standing.extend(page.items.into_iter().filter_map(|key| match key {
            Ok(record) => {
                let is_over = record.expires_at.is_some_and(|ends| ends <= now);
                (record.revoked_at.is_none() && !is_over).then_some(record.id)
            }
            Err(unreadable) => Some(unreadable.id),
        }));
        match page.next {
            Some(after) => request.after = Some(after),
            None => return Ok(standing),
        }
    }
}
