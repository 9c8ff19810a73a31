//! The revocation list: who is refused, on which process, and who can make it forget.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

mod beside_keys;
mod ends;
mod outages;
mod rows;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};
use portcullis_core::{
    Clock, CredentialMarks, ErrorKind, KeyId, ManualClock, Principal, PrincipalKind, RevocationId,
    Role, SystemEntropy, Timestamp, Withheld,
};
use portcullis_identity::{
    Altered, Arrival, Authenticated, Authentication, Authenticator, AuthnError, AuthnErrorKind,
    FreshnessSettings, ListedRevocation, MasterKey, NewRevocation, PageRequest, Presented,
    RevocationAdmin, RevocationError, RevocationRecord, Revocations, Revoke, RevokedTarget,
};
use portcullis_store::{
    Inserted, Lifted, Page, ReadRevocation, RevocationStore, StoreError, Stores,
    UnreadableRevocation, memory,
};
use portcullis_vault::KeyRing;

const IDP: &str = "https://idp.example";

/// What somebody who can write the database makes of every row.
type Forgery = fn(&mut RevocationRecord);

/// The memory store behind a line that can be cut, counting questions.
#[derive(Debug)]
struct CutLine {
    inner: Arc<dyn RevocationStore>,
    cut: AtomicBool,
    asked: AtomicU64,
    forgery: Mutex<Option<Forgery>>,
    /// Rows that cannot be read, and rows that somebody deleted.
    damaged: Mutex<Option<RevocationId>>,
    deleted: Mutex<Option<RevocationId>>,
    /// A row whose change nobody is told of yet.
    late: Mutex<Option<RevocationId>>,
}

impl CutLine {
    fn inner(&self) -> Result<&dyn RevocationStore, StoreError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("revocations", "the line is cut"));
        }
        Ok(self.inner.as_ref())
    }

    fn seen(&self, read: ReadRevocation) -> Option<ReadRevocation> {
        let mut record = read.unwrap();
        if self.deleted.lock().unwrap().as_ref() == Some(&record.id) {
            return None;
        }
        if self.damaged.lock().unwrap().as_ref() == Some(&record.id) {
            return Some(Err(UnreadableRevocation {
                id: record.id,
                source: StoreError::corrupt("revocations", "not a kind"),
            }));
        }
        if let Some(forge) = *self.forgery.lock().unwrap() {
            forge(&mut record);
        }
        Some(Ok(record))
    }
}

#[async_trait]
impl RevocationStore for CutLine {
    async fn add(&self, record: &RevocationRecord) -> Result<Inserted, StoreError> {
        self.inner()?.add(record).await
    }
    async fn get(&self, id: &RevocationId) -> Result<Option<RevocationRecord>, StoreError> {
        let found = self.inner()?.get(id).await?;
        let seen = found.and_then(|record| self.seen(Ok(record)));
        seen.transpose().map_err(|unreadable| unreadable.source)
    }
    async fn list(
        &self,
        now: Timestamp,
        page: &PageRequest,
    ) -> Result<Page<ReadRevocation>, StoreError> {
        let page = self.inner()?.list(now, page).await?;
        Ok(Page {
            items: page
                .items
                .into_iter()
                .filter_map(|row| self.seen(row))
                .collect(),
            next: page.next,
        })
    }
    async fn lift(
        &self,
        id: &RevocationId,
        lifted: &Lifted,
        seal: &[u8; 32],
    ) -> Result<bool, StoreError> {
        self.inner()?.lift(id, lifted, seal).await
    }
    async fn changed_since(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<(u64, ReadRevocation)>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let changes = self.inner()?.changed_since(after, limit).await?;
        let late = self.late.lock().unwrap().clone();
        let seen = |(change, row)| {
            let row = self.seen(row)?;
            let is_late = late.is_some() && row.as_ref().ok().map(|row| &row.id) == late.as_ref();
            (!is_late).then_some((change, row))
        };
        Ok(changes.into_iter().filter_map(seen).collect())
    }
    async fn standing(&self, now: Timestamp) -> Result<Vec<RevocationId>, StoreError> {
        let mut ids = self.inner()?.standing(now).await?;
        let deleted = self.deleted.lock().unwrap();
        ids.retain(|id| deleted.as_ref() != Some(id));
        Ok(ids)
    }
    async fn purge(&self, now: Timestamp, lifted: Timestamp) -> Result<u64, StoreError> {
        self.inner()?.purge(now, lifted).await
    }
}

/// Recognises one caller, whatever is presented.
#[derive(Debug)]
struct Always(Arc<Principal>);

#[async_trait]
impl Authenticator for Always {
    async fn authenticate(&self, _: &Presented) -> Result<Option<Authenticated>, AuthnError> {
        Ok(Some(Authenticated {
            principal: Arc::clone(&self.0),
        }))
    }
}

struct House {
    clock: Arc<ManualClock>,
    line: Arc<CutLine>,
    stores: Stores,
    ring: Arc<KeyRing>,
}

/// One process.
struct Replica {
    list: Arc<Revocations>,
    admin: RevocationAdmin,
}

impl House {
    fn open() -> Self {
        let stores = memory::stores();
        let line = Arc::new(CutLine {
            inner: Arc::clone(&stores.revocations),
            cut: AtomicBool::default(),
            asked: AtomicU64::default(),
            forgery: Mutex::default(),
            damaged: Mutex::default(),
            deleted: Mutex::default(),
            late: Mutex::default(),
        });
        Self {
            clock: Arc::new(ManualClock::at_millis(1_900_000_000_000)),
            line,
            stores,
            ring: Arc::new(KeyRing::in_memory(Arc::new(SystemEntropy)).unwrap()),
        }
    }

    fn cut(&self, cut: bool) {
        self.line.cut.store(cut, Ordering::SeqCst);
    }

    async fn replica(&self) -> Replica {
        let list = Arc::new(Revocations::new(
            Arc::clone(&self.line) as _,
            Arc::clone(&self.ring),
            Arc::clone(&self.clock) as _,
            FreshnessSettings::default(),
        ));
        list.refresh().await.unwrap();
        Replica {
            admin: RevocationAdmin::new(
                Arc::clone(&self.line) as _,
                Arc::clone(&self.stores.api_keys),
                Arc::clone(&list),
                Arc::clone(&self.ring),
                Arc::clone(&self.clock) as _,
                Arc::new(SystemEntropy),
            ),
            list,
        }
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Replica {
    async fn knock(&self, principal: &Arc<Principal>) -> Result<(), AuthnErrorKind> {
        let door = Authentication::new(
            vec![Arc::new(Always(Arc::clone(principal)))],
            Arc::clone(&self.list),
        );
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer x"));
        let answer = door
            .authenticate(&headers, &Arrival::default())
            .await
            .map(drop);
        answer.map_err(|error| error.kind)
    }

    async fn revoke(&self, what: Revoke) -> RevocationRecord {
        let admin = MasterKey::principal();
        self.admin
            .add(new(what), |_| Some(Duration::ZERO), &admin)
            .await
            .unwrap()
    }

    async fn lift(&self, id: &RevocationId) -> Result<RevocationRecord, RevocationError> {
        self.admin
            .lift(id, Altered::Refuse, &MasterKey::principal())
            .await
    }
}

fn new(what: Revoke) -> NewRevocation {
    NewRevocation {
        what,
        before: None,
        until: None,
        reason: None,
    }
}

fn bearer(sub: &str, issued_at: Option<Timestamp>) -> Arc<Principal> {
    Arc::new(Principal {
        id: format!("jwt:{IDP} {sub}").into(),
        subject: sub.into(),
        kind: PrincipalKind::Jwt,
        issuer: Some(IDP.into()),
        marks: CredentialMarks {
            jti: Some(format!("jti-{sub}").into()),
            sid: Some(format!("sid-{sub}").into()),
            issued_at,
            beside: None,
        },
        ..MasterKey::principal()
    })
}

fn subject(sub: &str) -> Revoke {
    Revoke::Subject {
        issuer: IDP.to_owned(),
        sub: sub.to_owned(),
    }
}

fn token(sub: &str) -> Revoke {
    Revoke::Token {
        issuer: IDP.to_owned(),
        jti: format!("jti-{sub}"),
    }
}

#[tokio::test]
async fn what_one_process_revokes_another_refuses_after_its_next_pulse_and_lifts_likewise() {
    let house = House::open();
    let (here, elsewhere) = (house.replica().await, house.replica().await);
    let alice = bearer("alice", Some(house.now()));
    here.knock(&alice).await.unwrap();
    let made = here.revoke(subject("alice")).await;
    assert_eq!(here.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    elsewhere.knock(&alice).await.unwrap();
    elsewhere.list.refresh().await.unwrap();
    assert_eq!(elsewhere.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    elsewhere.knock(&bearer("bob", None)).await.unwrap();
    let later = bearer("alice", Some(house.now().after(Duration::from_secs(1))));
    elsewhere.knock(&later).await.unwrap();

    elsewhere.lift(&made.id).await.unwrap();
    elsewhere.knock(&alice).await.unwrap();
    assert_eq!(here.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    here.list.refresh().await.unwrap();
    here.knock(&alice).await.unwrap();
    let again = here.lift(&made.id).await.unwrap_err();
    assert_eq!(again.error_kind(), ErrorKind::NotFound);
}

/// RL-12: lifting one of two entries leaves the other.
#[tokio::test]
async fn what_two_entries_refuse_stays_refused_when_one_is_lifted() {
    let house = House::open();
    let here = house.replica().await;
    let alice = bearer("alice", Some(house.now()));
    let first = here.revoke(subject("alice")).await;
    here.revoke(token("alice")).await;
    here.lift(&first.id).await.unwrap();
    assert_eq!(here.knock(&alice).await, Err(AuthnErrorKind::Revoked));
}

/// RL-10: a restart forgets nothing.
#[tokio::test]
async fn a_process_that_starts_anew_knows_what_was_revoked_before() {
    let house = House::open();
    house.replica().await.revoke(token("alice")).await;
    let started = house.replica().await;
    let alice = bearer("alice", Some(house.now()));
    assert_eq!(started.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    assert!(!started.list.stands(&alice));
    assert!(started.list.stands(&bearer("bob", None)));
}

#[tokio::test]
async fn only_administrators_change_the_list_and_what_means_nothing_is_refused() {
    let house = House::open();
    let here = house.replica().await;
    let made = here.revoke(token("a")).await;
    for role in [Role::User, Role::Viewer] {
        let by = Principal {
            role,
            ..MasterKey::principal()
        };
        let page = PageRequest::first(10);
        let refusals = [
            here.admin
                .add(new(token("x")), |_| Some(Duration::ZERO), &by)
                .await
                .err(),
            here.admin.lift(&made.id, Altered::Refuse, &by).await.err(),
            here.admin.list(&page, &by).await.err(),
        ];
        for refusal in refusals {
            assert_eq!(refusal.unwrap().error_kind(), ErrorKind::Forbidden);
        }
    }
    let now = house.now();
    let admin = MasterKey::principal();
    let key = || new(Revoke::Key(KeyId::from("file:ci")));
    for (wish, known) in [
        (new(subject("")), true),
        (new(Revoke::User("x".repeat(9000))), true),
        (
            NewRevocation {
                before: Some(now),
                ..key()
            },
            true,
        ),
        (
            NewRevocation {
                until: Some(now),
                ..key()
            },
            true,
        ),
        (
            NewRevocation {
                reason: Some("x".repeat(2000)),
                ..key()
            },
            true,
        ),
        // Mistyped, they would refuse nobody.
        (key(), false),
        (new(subject("alice")), false),
    ] {
        let shown = format!("{wish:?}");
        let refused = here
            .admin
            .add(wish, move |_| known.then_some(Duration::ZERO), &admin)
            .await;
        let kind = refused.unwrap_err().error_kind();
        assert_eq!(kind, ErrorKind::Invalid, "{shown}");
    }
    assert_eq!(
        house.stores.revocations.standing(now).await.unwrap().len(),
        1
    );
}
