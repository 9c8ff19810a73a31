//! Whoever changes what is kept in memory elsewhere says so.

use portcullis_core::{RevocationId, Timestamp};
use portcullis_store::contract::{plain_key, plain_revocation};
use portcullis_store::{
    EntryKind, EntryRecord, Lifted, LimitRecord, LimitScope, PageRequest, PinChange, PinPlace,
    PinRecord, ServerRecord, Stores, TerminatedSession, Topic, announced, memory,
};

/// Topics that were announced since the last time.
async fn said<T>(stores: &Stores, change: impl AsyncFnOnce() -> T) -> Vec<&'static str> {
    let topics = [
        Topic::DIRECTORY,
        Topic::KEYS,
        Topic::LIMITS,
        Topic::PINS,
        Topic::REVOCATIONS,
        Topic::SERVERS,
        Topic::SESSIONS,
    ];
    let heard = topics.map(|topic| (topic, stores.announcements.hear(topic)));
    change().await;
    let said = heard.iter().filter(|(_, heard)| heard.has_news());
    said.map(|(topic, _)| topic.as_str()).collect()
}

#[tokio::test]
async fn every_change_is_announced_and_no_look_is() {
    let stores = announced(memory::stores());
    let now = Timestamp::from_millis(1);
    let (key, entry) = (plain_key("a"), plain_revocation("a"));
    let keys = said(&stores, async || {
        stores.api_keys.insert(&key).await.unwrap()
    });
    assert_eq!(keys.await, ["keys"]);
    let keys = said(&stores, async || {
        stores.api_keys.revoke(&key.id, now).await.unwrap()
    });
    assert_eq!(keys.await, ["keys"]);
    let replaced = said(&stores, async || {
        let replacing = stores.api_keys.replace(&key, &key.seal);
        replacing.await.unwrap()
    });
    assert_eq!(replaced.await, ["keys"]);
    let list = said(&stores, async || {
        stores.revocations.add(&entry).await.unwrap()
    });
    assert_eq!(list.await, ["revocations"]);
    let lifted = Lifted {
        at: now,
        by: "admin".to_owned(),
    };
    let list = said(&stores, async || {
        let lifting = stores.revocations.lift(&entry.id, &lifted, &[0; 32]);
        lifting.await.unwrap()
    });
    assert_eq!(list.await, ["revocations"]);
    let session = TerminatedSession {
        digest: [1; 32],
        expires_at: now,
    };
    let ended = said(&stores, async || {
        stores.sessions.terminate(&session).await.unwrap();
    });
    assert_eq!(ended.await, ["sessions"]);
    let looked = said(&stores, async || {
        let page = PageRequest::first(1);
        stores.api_keys.get(&key.id).await.unwrap();
        stores.api_keys.list(&page).await.unwrap();
        stores.api_keys.changed_since(0, 1).await.unwrap();
        let unknown = RevocationId::from("x");
        stores.revocations.get(&unknown).await.unwrap();
        stores.revocations.list(now, &page).await.unwrap();
        stores.revocations.changed_since(0, 1).await.unwrap();
        stores.revocations.standing(now).await.unwrap();
        stores.revocations.purge(now, now).await.unwrap();
        stores.sessions.is_terminated(&[1; 32]).await.unwrap();
        stores.sessions.terminated_since(0, 1).await.unwrap();
        stores.sessions.purge(now).await.unwrap();
    });
    assert!(looked.await.is_empty());
}

#[tokio::test]
async fn what_administrators_write_is_announced_and_no_look_is() {
    let stores = announced(memory::stores());
    let now = Timestamp::from_millis(1);
    let team = EntryRecord {
        kind: EntryKind::Team,
        id: "t".to_owned(),
        name: None,
        version: 1,
        body: "{}".to_owned(),
        deleted: false,
        changed_at: now,
        changed_by: "admin".to_owned(),
        seal: [0; 32],
    };
    let entered = said(&stores, async || {
        stores.directory.enter(&team).await.unwrap()
    });
    assert_eq!(entered.await, ["directory"]);
    let limit = LimitRecord {
        scope: LimitScope {
            kind: "team".to_owned(),
            id: "t".to_owned(),
        },
        limits: "{}".to_owned(),
        version: 1,
        updated_at: now,
        updated_by: "admin".to_owned(),
        seal: [0; 32],
    };
    let limited = said(&stores, async || {
        stores.limits.put(&limit, None).await.unwrap()
    });
    assert_eq!(limited.await, ["limits"]);
    let pin = PinChange {
        record: PinRecord {
            place: PinPlace {
                server: "s".into(),
                kind: "tool".to_owned(),
                name: "t".to_owned(),
            },
            pinned: Some([0; 32]),
            seen: None,
            version: 1,
            changed_at: now,
            changed_by: String::new(),
            seal: [0; 32],
        },
        pinned: Some("{}".to_owned()),
        seen: None,
        follows: None,
    };
    let pinned = said(&stores, async || {
        stores.pins.put(std::slice::from_ref(&pin)).await.unwrap()
    });
    assert_eq!(pinned.await, ["pins"]);
    let mut server = ServerRecord {
        id: "s".into(),
        sealed: Vec::new(),
        version: 1,
    };
    let defined = said(&stores, async || {
        stores.servers.define(&server, 1).await.unwrap()
    });
    assert_eq!(defined.await, ["servers"]);
    server.version = 2;
    let replaced = said(&stores, async || {
        stores.servers.replace(&server, 1).await.unwrap()
    });
    assert_eq!(replaced.await, ["servers"]);
    let removed = said(&stores, async || {
        stores.servers.remove(&server.id, 2).await.unwrap()
    });
    assert_eq!(removed.await, ["servers"]);
    let looked = said(&stores, async || {
        let page = PageRequest::first(1);
        stores.directory.get(team.kind, "t").await.unwrap();
        stores.directory.list(team.kind, &page).await.unwrap();
        stores.directory.changed_since(0, 1).await.unwrap();
        stores.limits.get(&limit.scope).await.unwrap();
        stores.limits.changed_since(0, 1).await.unwrap();
        stores.pins.get(&pin.record.place).await.unwrap();
        stores.pins.changed_since(0, 1).await.unwrap();
        stores.servers.get(&server.id).await.unwrap();
        stores.servers.all().await.unwrap();
        stores.servers.last_change().await.unwrap();
    });
    assert!(looked.await.is_empty());
}
