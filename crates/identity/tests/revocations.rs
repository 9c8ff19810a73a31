//! The revocation list: who is refused, on which process, and who can make it forget.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

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

/// R-11, RL-10: a list that is too old to be trusted refuses everybody whom it could name.
#[tokio::test]
async fn an_outage_of_the_store_is_bridged_for_a_minute_and_then_only_the_master_key_enters() {
    let house = House::open();
    let here = house.replica().await;
    let alice = bearer("alice", Some(house.now()));
    let key = Arc::new(Principal {
        id: "key:file:ci".into(),
        kind: PrincipalKind::ApiKey,
        ..MasterKey::principal()
    });
    house.cut(true);
    house.clock.advance(Duration::from_mins(1));
    here.knock(&alice).await.unwrap();
    // A wall clock that is set back does not stretch the bridge.
    house.clock.jump_millis(-3_600_000);
    house.clock.advance(Duration::from_millis(1));
    for caller in [&alice, &key] {
        assert_eq!(here.knock(caller).await, Err(AuthnErrorKind::Unavailable));
        assert!(!here.list.stands(caller));
    }
    here.knock(&Arc::new(MasterKey::principal())).await.unwrap();
    house.cut(false);
    here.knock(&alice).await.unwrap();
}

#[tokio::test]
async fn a_process_that_slept_asks_the_store_before_it_lets_anybody_in() {
    let house = House::open();
    let (here, elsewhere) = (house.replica().await, house.replica().await);
    here.revoke(token("alice")).await;
    house.clock.advance(Duration::from_mins(10));
    let alice = bearer("alice", None);
    assert_eq!(elsewhere.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let asked = house.line.asked.load(Ordering::SeqCst);
    elsewhere.knock(&bearer("bob", None)).await.unwrap();
    assert_eq!(house.line.asked.load(Ordering::SeqCst), asked);
}

#[tokio::test]
async fn before_the_first_reading_nobody_enters_but_the_master_key() {
    let house = House::open();
    house.cut(true);
    let list = Arc::new(Revocations::new(
        Arc::clone(&house.line) as _,
        Arc::clone(&house.ring),
        Arc::clone(&house.clock) as _,
        FreshnessSettings::default(),
    ));
    assert!(!list.stands(&bearer("alice", None)));
    assert!(list.stands(&MasterKey::principal()));
}

/// No moment is known at which every token is dead: one that does not say when it was issued may say
/// any end, and an authorization server may leave both out.
#[tokio::test]
async fn an_entry_about_tokens_ends_when_it_was_told_to_and_never_before() {
    let house = House::open();
    let here = house.replica().await;
    let now = house.now();
    let hour = Duration::from_hours(1);
    let admin = MasterKey::principal();
    let until = async |new: NewRevocation| {
        let made = here.admin.add(new, |_| Some(Duration::ZERO), &admin).await;
        made.unwrap().until
    };
    let session = Revoke::Session {
        issuer: IDP.to_owned(),
        sid: "s".to_owned(),
    };
    for what in [
        token("a"),
        subject("a"),
        Revoke::Issuer(IDP.to_owned()),
        session,
        Revoke::User("u".to_owned()),
    ] {
        let cut_off = matches!(what, Revoke::Subject { .. }).then(|| now.before(hour));
        let wish = NewRevocation {
            before: cut_off,
            ..new(what.clone())
        };
        assert_eq!(until(wish).await, None, "{what:?}");
    }
    let told = NewRevocation {
        until: Some(now.after(hour)),
        ..new(token("c"))
    };
    assert_eq!(until(told).await, Some(now.after(hour)));

    let c = bearer("c", Some(now.after(Duration::from_secs(1))));
    let undated = bearer("a", None);
    assert_eq!(here.knock(&c).await, Err(AuthnErrorKind::Revoked));
    house.clock.advance(hour);
    here.list.refresh().await.unwrap();
    here.knock(&c).await.unwrap();
    assert_eq!(here.list.keep_house().await.unwrap(), 0);
    house.clock.advance(Duration::from_hours(1000 * 24));
    here.list.refresh().await.unwrap();
    assert_eq!(here.list.keep_house().await.unwrap(), 0);
    assert_eq!(here.knock(&undated).await, Err(AuthnErrorKind::Revoked));
    let left = house.line.changed_since(0, 100).await.unwrap();
    assert_eq!(left.len(), 5, "all but the one with an end: {left:?}");
}

/// A token of an issuer whose clock is ahead was issued before it was revoked, and says later.
#[tokio::test]
async fn without_a_cut_off_tokens_are_meant_as_far_ahead_as_their_issuers_clock_may_be() {
    let house = House::open();
    let here = house.replica().await;
    let leeway = Duration::from_secs(30);
    let admin = MasterKey::principal();
    for what in [subject("alice"), Revoke::Issuer(IDP.to_owned())] {
        let made = here.admin.add(new(what.clone()), |_| Some(leeway), &admin);
        let made = made.await.unwrap();
        for (ahead, refused) in [(29, true), (30, true), (31, false)] {
            let issued_at = house.now().after(Duration::from_secs(ahead));
            let alice = bearer("alice", Some(issued_at));
            let answer = here.knock(&alice).await;
            assert_eq!(answer.is_err(), refused, "{what:?} {ahead}");
        }
        here.lift(&made.id).await.unwrap();
    }
    let told = NewRevocation {
        before: Some(house.now()),
        ..new(subject("alice"))
    };
    here.admin
        .add(told, |_| Some(leeway), &admin)
        .await
        .unwrap();
    let later = house.now().after(Duration::from_secs(1));
    here.knock(&bearer("alice", Some(later))).await.unwrap();
}

/// Whoever can write the database makes a row name somebody else, so that the administrator who lifts
/// that lets the real one in.
#[tokio::test]
async fn lifting_an_altered_row_lifts_nothing_that_it_did_not_name() {
    let house = House::open();
    let running = house.replica().await;
    let alice = bearer("alice", None);
    let made = running.revoke(token("alice")).await;
    *house.line.forgery.lock().unwrap() = Some(|row| {
        row.target = RevokedTarget::Key {
            id: KeyId::from("nobody"),
        };
    });
    let refused = running.lift(&made.id).await.unwrap_err();
    assert!(matches!(refused, RevocationError::Altered), "{refused:?}");
    assert_eq!(refused.error_kind(), ErrorKind::Conflict);
    assert_eq!(running.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let admin = MasterKey::principal();
    let lifted = running.admin.lift(&made.id, Altered::Lift, &admin).await;
    assert!(lifted.unwrap().lifted.is_some());
    running.list.refresh().await.unwrap();
    assert_eq!(running.knock(&alice).await, Err(AuthnErrorKind::Revoked));
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

#[tokio::test]
async fn whoever_writes_the_database_cannot_take_a_revocation_back_by_editing_its_row() {
    let forgeries: [(&str, Forgery); 4] = [
        ("lifted", |row| {
            row.lifted = Some(Lifted {
                at: Timestamp::from_millis(1),
                by: "master".to_owned(),
            });
        }),
        ("ended", |row| row.until = Some(Timestamp::from_millis(1))),
        ("reason", |row| row.reason = Some("other".to_owned())),
        ("seal", |row| row.seal = [0; 32]),
    ];
    let house = House::open();
    let running = house.replica().await;
    running.revoke(token("alice")).await;
    let alice = bearer("alice", None);
    for (what, forgery) in forgeries {
        *house.line.forgery.lock().unwrap() = Some(forgery);
        let started = house.replica().await;
        let answer = started.knock(&alice).await;
        assert_eq!(answer, Err(AuthnErrorKind::Revoked), "{what}");
        assert_eq!(started.list.rejected(), 1, "{what}");
    }
    // Only what it named can be lost, and not by those who have read it before.
    *house.line.forgery.lock().unwrap() = Some(|row| {
        row.target = RevokedTarget::Key {
            id: KeyId::from("nobody"),
        };
    });
    running.list.refresh().await.unwrap();
    assert_eq!(running.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let page = PageRequest::first(10);
    let listed = running.admin.list(&page, &MasterKey::principal()).await;
    let items = listed.unwrap().items;
    assert!(
        matches!(items[..], [ListedRevocation::Altered(_)]),
        "{items:?}"
    );
}

#[tokio::test]
async fn a_row_that_cannot_be_read_or_is_gone_is_noticed_and_stays_in_force_where_it_was_known() {
    let house = House::open();
    let running = house.replica().await;
    let (alice, bob) = (bearer("alice", None), bearer("bob", None));
    let first = running.revoke(token("alice")).await;
    let second = running.revoke(token("bob")).await;
    assert_eq!(running.list.keep_house().await.unwrap(), 0);
    *house.line.damaged.lock().unwrap() = Some(first.id.clone());
    *house.line.deleted.lock().unwrap() = Some(second.id.clone());
    assert_eq!(running.list.keep_house().await.unwrap(), 1);
    for caller in [&alice, &bob] {
        assert_eq!(running.knock(caller).await, Err(AuthnErrorKind::Revoked));
    }
    let started = house.replica().await;
    assert_eq!(started.list.rejected(), 1);
    let page = PageRequest::first(10);
    let listed = started.admin.list(&page, &MasterKey::principal()).await;
    let unreadable = ListedRevocation::Unreadable(first.id);
    assert_eq!(listed.unwrap().items, [unreadable]);
}

/// Knows one key, and no token: those are brought to act with.
#[derive(Debug)]
struct OneKey;

#[async_trait]
impl Authenticator for OneKey {
    async fn authenticate(
        &self,
        presented: &Presented,
    ) -> Result<Option<Authenticated>, AuthnError> {
        let known = presented.key().expose() == "the-shared-key";
        Ok(known.then(|| Authenticated {
            principal: Arc::new(MasterKey::principal()),
        }))
    }
}

/// A thief of alice's token cannot act as her with a key of their own, once she is revoked; what was
/// under way ends.
#[tokio::test]
async fn a_revoked_token_is_withheld_beside_any_key_and_ends_what_is_done_with_it() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let house = House::open();
    let here = house.replica().await;
    let door = Authentication::new(vec![Arc::new(OneKey)], Arc::clone(&here.list));
    // Signed by an algorithm that we do not know: whoever exchanges it may.
    let token = |sub: &str, jti: &str, sid: &str| {
        let claims = format!(
            r#"{{"iss":"{IDP}","sub":"{sub}","jti":"{jti}","sid":"{sid}","iat":1800000000}}"#
        );
        format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(claims))
    };
    let bring = async |token: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(
            "x-litellm-api-key",
            HeaderValue::from_static("the-shared-key"),
        );
        let bearer = format!("Bearer {token}");
        headers.insert("authorization", HeaderValue::from_str(&bearer).unwrap());
        let caller = door.authenticate(&headers, &Arrival::default()).await;
        let caller = caller.unwrap().principal;
        door.brought(&headers, &caller, |name| name == "authorization")
            .await
    };
    let of_alice = token("alice", "j1", "s1");
    let before = bring(&of_alice).await;
    let claimed = before.on_behalf.unwrap().claimed.clone();
    let acting = Principal {
        marks: CredentialMarks {
            beside: claimed,
            ..CredentialMarks::default()
        },
        ..MasterKey::principal()
    };
    assert!(here.list.stands(&acting));
    let named = [
        subject("alice"),
        Revoke::Issuer(IDP.to_owned()),
        Revoke::Token {
            issuer: IDP.to_owned(),
            jti: "j1".to_owned(),
        },
        Revoke::Session {
            issuer: IDP.to_owned(),
            sid: "s1".to_owned(),
        },
    ];
    for what in named {
        let made = here.revoke(what.clone()).await;
        let brought = bring(&of_alice).await;
        assert!(brought.on_behalf.is_none(), "{what:?}");
        assert!(brought.headers.is_empty(), "{what:?}");
        assert_eq!(
            brought.withheld,
            [("authorization".into(), Withheld::Revoked)]
        );
        assert!(!here.list.stands(&acting), "{what:?}");
        let of_bob = bring(&token("bob", "j2", "s2")).await;
        let issuer_wide = matches!(what, Revoke::Issuer(_));
        assert_eq!(of_bob.on_behalf.is_none(), issuer_wide, "{what:?}");
        here.lift(&made.id).await.unwrap();
        assert!(bring(&of_alice).await.on_behalf.is_some(), "{what:?}");
    }
    // A list that is too old says of nobody that they are not on it.
    house.cut(true);
    house.clock.advance(Duration::from_secs(61));
    let brought = bring(&of_alice).await;
    assert!(brought.on_behalf.is_none());
    assert_eq!(
        brought.withheld,
        [("authorization".into(), Withheld::Unjudged)]
    );
    assert!(!here.list.stands(&acting));
}

/// A row that was not to be seen when the changes around it were read is found when the house is kept.
#[tokio::test]
async fn an_entry_that_the_changes_passed_over_is_read_when_the_store_is_compared() {
    let house = House::open();
    let (here, elsewhere) = (house.replica().await, house.replica().await);
    let alice = bearer("alice", None);
    let first = here.revoke(token("alice")).await;
    here.revoke(token("bob")).await;
    *house.line.late.lock().unwrap() = Some(first.id.clone());
    elsewhere.list.refresh().await.unwrap();
    *house.line.late.lock().unwrap() = None;
    elsewhere.list.refresh().await.unwrap();
    elsewhere.knock(&alice).await.unwrap();
    assert_eq!(elsewhere.list.keep_house().await.unwrap(), 0);
    assert_eq!(elsewhere.knock(&alice).await, Err(AuthnErrorKind::Revoked));
    let asked = house.line.asked.load(Ordering::SeqCst);
    assert_eq!(elsewhere.list.keep_house().await.unwrap(), 0);
    assert_eq!(house.line.asked.load(Ordering::SeqCst), asked + 1, "once");
}
