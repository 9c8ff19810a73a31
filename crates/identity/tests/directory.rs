//! What stands above credentials: where it is not known, nobody who names it comes in.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;

use portcullis_core::{
    Clock, CredentialMarks, LevelKind, ManualClock, Principal, PrincipalKind, Role, ScopeSet,
    ServerGrants, SubjectKind, SystemEntropy, Timestamp,
};
use portcullis_identity::{
    AuthnErrorKind, Defined, Directory, DirectoryAdmin, DirectoryError, EntryKind, FileDirectory,
    FreshnessSettings, MasterKey, Toolset, entry_seal,
};
use portcullis_store::{
    DirectoryStore, Entered, EntryChange, EntryRecord, Page, PageRequest, ReadEntry, StoreError,
    memory,
};
use portcullis_vault::KeyRing;
use tokio::sync::Notify;

/// One store, and replicas that read it.
struct House {
    store: Arc<dyn DirectoryStore>,
    ring: Arc<KeyRing>,
    clock: Arc<ManualClock>,
}

impl House {
    fn open() -> Self {
        let ring = KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap();
        Self {
            store: memory::stores().directory,
            ring: Arc::new(ring),
            clock: Arc::new(ManualClock::at_millis(1_000_000)),
        }
    }

    fn replica(&self, file: FileDirectory) -> (Arc<Directory>, DirectoryAdmin) {
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let (store, ring) = (Arc::clone(&self.store), Arc::clone(&self.ring));
        let settings = FreshnessSettings::default();
        let directory = Directory::new(
            Arc::clone(&store),
            Arc::clone(&ring),
            Arc::clone(&clock),
            settings,
            file,
        );
        let directory = Arc::new(directory);
        let known = Arc::clone(&directory);
        let admin = DirectoryAdmin::new(store, known, ring, clock, Arc::new(SystemEntropy));
        (directory, admin)
    }

    fn row(&self, id: &str, version: u64, body: &str) -> EntryRecord {
        let mut record = EntryRecord {
            kind: EntryKind::Team,
            id: id.to_owned(),
            name: None,
            version,
            body: body.to_owned(),
            deleted: false,
            changed_at: Timestamp::from_secs(1),
            changed_by: "master".to_owned(),
            seal: [0; 32],
        };
        record.seal = entry_seal(&self.ring, &record);
        record
    }

    async fn enter(&self, record: &EntryRecord) {
        assert_eq!(self.store.enter(record).await.unwrap(), Entered::Stored);
    }
}

fn somebody(team: Option<&str>) -> Arc<Principal> {
    Arc::new(Principal {
        team: team.map(Arc::from),
        kind: PrincipalKind::ApiKey,
        role: Role::User,
        grants: ServerGrants::default(),
        subject_kind: SubjectKind::Holder,
        scopes: ScopeSet::default(),
        marks: CredentialMarks::default(),
        key_id: Some("alice".into()),
        ..MasterKey::principal()
    })
}

fn first() -> Defined {
    Defined {
        grants: servers(&["first"]),
        ..Defined::default()
    }
}

fn servers(names: &[&str]) -> ServerGrants {
    ServerGrants {
        servers: names.iter().map(|name| (*name).into()).collect(),
        ..ServerGrants::default()
    }
}

#[tokio::test]
async fn who_names_something_waits_until_it_is_known_what_that_is() {
    let house = House::open();
    let (directory, _) = house.replica(FileDirectory::default());
    let (named, nobody) = (somebody(Some("helpers")), somebody(None));
    let place = |one: &Arc<Principal>| directory.place(Arc::clone(one), None);
    assert_eq!(place(&named).unwrap_err(), AuthnErrorKind::Unavailable);
    // What could narrow nothing need not be known.
    assert!(Arc::ptr_eq(&place(&nobody).unwrap(), &nobody));
    assert_eq!(
        directory
            .place(Arc::clone(&nobody), Some("guest"))
            .unwrap_err(),
        AuthnErrorKind::Unavailable
    );
    directory.refresh().await.unwrap();
    // A label, as long as nobody defined a team.
    assert!(place(&named).unwrap().levels.is_empty());
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(place(&named).unwrap_err(), AuthnErrorKind::Unavailable);
    assert!(!directory.stands(&named));
    assert!(place(&nobody).is_ok() && directory.stands(&nobody));
}

#[tokio::test]
async fn a_row_that_cannot_be_believed_refuses_whoever_names_it() {
    let house = House::open();
    let (directory, admin) = house.replica(FileDirectory::default());
    let place = |team: &str| directory.place(somebody(Some(team)), None);
    let forged = EntryRecord {
        body: r#"{"grants":{"all":true}}"#.to_owned(),
        ..house.row("forged", 1, "{}")
    };
    house.enter(&forged).await;
    // Sealed by a program that knows more than this one.
    house.enter(&house.row("newer", 1, r#"{"quota":1}"#)).await;
    house
        .enter(&house.row("sound", 1, r#"{"grants":{"all":true}}"#))
        .await;
    directory.refresh().await.unwrap();
    let unreadable = AuthnErrorKind::UnreadableLevel(LevelKind::Team);
    assert_eq!(place("forged").unwrap_err(), unreadable);
    assert_eq!(place("newer").unwrap_err(), unreadable);
    let sound = place("sound").unwrap();
    assert!(sound.levels.iter().any(|level| level.grants.all));
    // A row that was moved to another id is none of that one's.
    let moved = EntryRecord {
        id: "moved".to_owned(),
        ..house.row("sound", 1, r#"{"grants":{"all":true}}"#)
    };
    house.enter(&moved).await;
    directory.refresh().await.unwrap();
    assert_eq!(place("moved").unwrap_err(), unreadable);
    // An administrator mends it by deleting it and defining it anew.
    let master = MasterKey::principal();
    let kind = EntryKind::Team;
    let read = admin.info::<Defined>(kind, "forged", &master).await;
    assert!(matches!(read, Err(DirectoryError::Damaged)), "{read:?}");
    admin.delete(kind, "forged", None, &master).await.unwrap();
    assert_eq!(
        place("forged").unwrap_err(),
        AuthnErrorKind::Undefined(LevelKind::Team)
    );
    let again = admin.define(kind, Some("forged".to_owned()), None, first(), &master);
    assert_eq!(again.await.unwrap().version, 3);
    assert!(place("forged").is_ok());
}

#[tokio::test]
async fn what_one_replica_changes_ends_what_began_at_another() {
    let house = House::open();
    let (_, here) = house.replica(FileDirectory::default());
    let (there, _) = house.replica(FileDirectory::default());
    let master = MasterKey::principal();
    let kind = EntryKind::Team;
    let made = here.define(kind, Some("helpers".to_owned()), None, first(), &master);
    let version = made.await.unwrap().version;
    there.refresh().await.unwrap();
    let placed = there
        .place(somebody(Some("helpers")), Some("guest"))
        .unwrap();
    assert!(there.stands(&placed));
    let widen = |team: &mut Defined, _: &mut Option<String>| {
        team.grants = servers(&["first", "second"]);
        Ok(())
    };
    let changed = here.change(kind, "helpers", Some(version), &master, widen);
    changed.await.unwrap();
    assert!(there.stands(&placed));
    there.refresh().await.unwrap();
    assert!(!there.stands(&placed));
    let stale = here
        .change(kind, "helpers", Some(version), &master, widen)
        .await;
    assert!(matches!(stale, Err(DirectoryError::Stale)), "{stale:?}");
}

#[tokio::test]
async fn a_toolset_holds_what_it_holds_by_now() {
    let house = House::open();
    let (directory, admin) = house.replica(FileDirectory::default());
    directory.refresh().await.unwrap();
    let mut holder = Principal::clone(&somebody(None));
    holder.grants.toolsets = BTreeSet::from(["desk".to_owned()]);
    let holder = Arc::new(holder);
    let tools = |placed: &Principal| placed.grants.toolset_tools.len();
    let place = || directory.place(Arc::clone(&holder), None).unwrap();
    assert_eq!(tools(&place()), 0);
    let desk = Toolset {
        tools: [("first".into(), BTreeSet::from(["echo".to_owned()]))].into(),
        ..Toolset::default()
    };
    let master = MasterKey::principal();
    let name = Some("desk".to_owned());
    let made = admin.define(EntryKind::Toolset, None, name.clone(), desk, &master);
    let made = made.await.unwrap();
    let placed = place();
    assert_eq!(tools(&placed), 1);
    let again = admin.define(EntryKind::Toolset, None, name, Toolset::default(), &master);
    let again = again.await;
    assert!(matches!(again, Err(DirectoryError::NameTaken)), "{again:?}");
    admin
        .delete(EntryKind::Toolset, &made.id, Some(made.version), &master)
        .await
        .unwrap();
    assert_eq!(tools(&place()), 0);
    assert!(!directory.stands(&placed));
}

#[tokio::test]
async fn whoever_is_limited_defines_nothing() {
    let house = House::open();
    let (directory, admin) = house.replica(FileDirectory::default());
    directory.refresh().await.unwrap();
    let limited = Principal {
        grants: servers(&["first"]),
        ..MasterKey::principal()
    };
    let define = |by: Principal| {
        let admin = admin.clone();
        async move {
            admin
                .define(EntryKind::Team, None, None, first(), &by)
                .await
        }
    };
    let refused = define(limited).await;
    assert!(
        matches!(refused, Err(DirectoryError::Limited)),
        "{refused:?}"
    );
    let viewer = Principal {
        role: Role::Viewer,
        ..MasterKey::principal()
    };
    let refused = define(viewer).await;
    assert!(
        matches!(refused, Err(DirectoryError::Forbidden)),
        "{refused:?}"
    );
    assert!(define(MasterKey::principal()).await.is_ok());
}

/// Says what stood when it was asked, once it may.
#[derive(Debug)]
struct Slow {
    inner: Arc<dyn DirectoryStore>,
    holds: AtomicBool,
    asked: Notify,
    may: Notify,
}

#[async_trait]
impl DirectoryStore for Slow {
    async fn enter(&self, record: &EntryRecord) -> Result<Entered, StoreError> {
        self.inner.enter(record).await
    }

    async fn get(&self, kind: EntryKind, id: &str) -> Result<Option<EntryRecord>, StoreError> {
        self.inner.get(kind, id).await
    }

    async fn list(
        &self,
        kind: EntryKind,
        page: &PageRequest,
    ) -> Result<Page<ReadEntry>, StoreError> {
        self.inner.list(kind, page).await
    }

    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<EntryChange>, StoreError> {
        let changes = self.inner.changed_since(after, limit).await;
        if self.holds.swap(false, Ordering::SeqCst) {
            self.asked.notify_one();
            self.may.notified().await;
        }
        changes
    }
}

/// A reading that began before a deletion found the entry still there.
#[tokio::test]
async fn what_was_deleted_does_not_come_back_with_a_reading_that_was_under_way() {
    let slow = Arc::new(Slow {
        inner: memory::stores().directory,
        holds: AtomicBool::new(true),
        asked: Notify::new(),
        may: Notify::new(),
    });
    let house = House {
        store: Arc::clone(&slow) as _,
        ..House::open()
    };
    let (directory, admin) = house.replica(FileDirectory::default());
    let by = MasterKey::principal();
    let id = Some("helpers".to_owned());
    let defined = admin.define(EntryKind::Team, id, None, first(), &by);
    defined.await.unwrap();
    let deleting = async {
        slow.asked.notified().await;
        admin.delete(EntryKind::Team, "helpers", None, &by).await
    };
    let letting_go = async {
        let is_gone = async || {
            let record = slow.inner.get(EntryKind::Team, "helpers").await.unwrap();
            record.unwrap().deleted
        };
        while !is_gone().await {
            tokio::task::yield_now().await;
        }
        slow.may.notify_one();
    };
    let (read, deleted, ()) = tokio::join!(directory.refresh(), deleting, letting_go);
    read.unwrap();
    deleted.unwrap();
    let placed = directory.place(somebody(Some("helpers")), None);
    assert_eq!(
        placed.unwrap_err(),
        AuthnErrorKind::Undefined(LevelKind::Team)
    );
}
