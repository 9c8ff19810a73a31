//! Making, listing and ending keys.

use std::sync::Arc;
use std::time::Duration;

use crate::house::{FILE_KEY, House, MASTER, grants, user_key};
use portcullis_core::{
    ApiKey, ErrorKind, KeyId, Level, LevelKind, Principal, Role, ServerGrants, ToolGrants,
};
use portcullis_identity::{
    AuthnErrorKind, KeyAdminError, KeySelector, ListedKey, MasterKey, NewKey,
};
use portcullis_store::{ApiKeyStore, PageRequest};

fn admin() -> Principal {
    MasterKey::principal()
}

fn named(alias: &str) -> NewKey {
    NewKey {
        alias: Some(alias.to_owned()),
        ..user_key()
    }
}

#[tokio::test]
async fn a_created_key_works_at_once_and_its_record_holds_no_secret() {
    let house = House::open().await;
    let mut new = named("ci-größe");
    new.metadata.insert("cost".to_owned(), 7.into());
    let created = house.here.admin.create(new, &admin()).await.unwrap();
    house.here.knock(created.key.expose()).await.unwrap();
    let stored = house.store.get(&created.record.id).await.unwrap().unwrap();
    assert_eq!(stored, created.record);
    assert_eq!(stored.created_by, "master");
    assert_eq!(stored.metadata, r#"{"cost":7}"#);
    let secret = created.key.expose().rsplit('-').nth(1).unwrap();
    assert!(!format!("{stored:?} {created:?}").contains(secret));
}

#[tokio::test]
async fn only_administrators_make_keys_and_no_key_exceeds_its_creator() {
    let house = House::open().await;
    for role in [Role::User, Role::Viewer] {
        let (key, _) = house.mint(NewKey { role, ..user_key() }).await;
        let caller = house.here.knock(&key).await.unwrap();
        let refused = house
            .here
            .admin
            .create(user_key(), &caller)
            .await
            .unwrap_err();
        assert_eq!(refused.error_kind(), ErrorKind::Forbidden);
    }
    let (key, _) = house
        .mint(NewKey {
            role: Role::Admin,
            grants: grants(&["github", "jira"]),
            ..user_key()
        })
        .await;
    let narrow_admin = house.here.knock(&key).await.unwrap();
    let everything = ServerGrants {
        all: true,
        ..ServerGrants::default()
    };
    let mut groups = grants(&[]);
    groups.access_groups.insert("ops".to_owned());
    // Without a list, a key of no team sees everything under `compat: litellm`.
    let inherited = ServerGrants::default();
    for too_much in [
        everything,
        grants(&["github", "payroll"]),
        groups,
        inherited,
    ] {
        let new = NewKey {
            grants: too_much,
            ..user_key()
        };
        let refused = house.here.admin.create(new, &narrow_admin).await;
        assert!(matches!(refused, Err(KeyAdminError::Forbidden)));
    }
    house
        .here
        .admin
        .create(user_key(), &narrow_admin)
        .await
        .unwrap();
}

/// What stands above an administrator and says nothing of servers lets each through.
#[tokio::test]
async fn a_level_that_only_takes_tools_away_binds_the_keys_that_are_made_under_it_and_no_more() {
    let house = House::open().await;
    let blocking = |tool: &str| ServerGrants {
        tools: ToolGrants {
            blocked: [tool.to_owned()].into(),
            ..ToolGrants::default()
        },
        ..ServerGrants::default()
    };
    let mut under = admin();
    under.levels = vec![Arc::new(Level {
        kind: LevelKind::Organization,
        id: "acme".into(),
        grants: blocking("drop"),
    })];
    let made = async |tool: &str| {
        let grants = ServerGrants {
            tools: blocking(tool).tools,
            ..grants(&["github"])
        };
        let new = NewKey {
            grants,
            ..user_key()
        };
        house.here.admin.create(new, &under).await
    };
    made("drop").await.unwrap();
    assert!(matches!(made("read").await, Err(KeyAdminError::Forbidden)));
}

#[tokio::test]
async fn a_key_outlives_its_creator_neither_by_wish_nor_by_silence() {
    let house = House::open().await;
    let temporary = NewKey {
        role: Role::Admin,
        expires_in: Some(Duration::from_hours(1)),
        ..user_key()
    };
    let (key, _) = house.mint(temporary).await;
    let creator = house.here.knock(&key).await.unwrap();
    for (wish, same) in [
        (None, true),
        (Some(Duration::from_hours(24)), true),
        (Some(Duration::from_mins(1)), false),
    ] {
        let new = NewKey {
            expires_in: wish,
            ..user_key()
        };
        let made = house.here.admin.create(new, &creator).await.unwrap();
        let end = made.record.expires_at.unwrap();
        assert_eq!(Some(end) == creator.expires_at, same, "{wish:?}: {end}");
        assert!(Some(end) <= creator.expires_at, "{wish:?}: {end}");
    }
}

#[tokio::test]
async fn a_key_carries_no_scope_that_its_creator_does_not_carry() {
    let house = House::open().await;
    let scoped = |role, scopes: &str| NewKey {
        role,
        scopes: scopes.parse().unwrap(),
        ..user_key()
    };
    let (key, _) = house
        .mint(scoped(Role::Admin, "tools:read tools:call"))
        .await;
    let creator = house.here.knock(&key).await.unwrap();
    let api = &house.here.admin;
    let more = scoped(Role::User, "tools:read tools:admin");
    let refused = api.create(more, &creator).await.unwrap_err();
    assert_eq!(refused.error_kind(), ErrorKind::Forbidden);
    let less = scoped(Role::User, "tools:read");
    api.create(less, &creator).await.unwrap();
}

#[tokio::test]
async fn an_alias_is_taken_once_even_after_revocation() {
    let house = House::open().await;
    house.mint(named("ci")).await;
    let again = house.here.admin.create(named("ci"), &admin()).await;
    assert!(matches!(again, Err(KeyAdminError::AliasTaken)));
    let selector = KeySelector::Alias("ci".to_owned());
    house.here.admin.revoke(&selector, &admin()).await.unwrap();
    let again = house
        .here
        .admin
        .create(named("ci"), &admin())
        .await
        .unwrap_err();
    assert_eq!(again.error_kind(), ErrorKind::Conflict);
}

#[tokio::test]
async fn a_wish_that_makes_no_sense_is_refused() {
    let house = House::open().await;
    let dead = NewKey {
        expires_in: Some(Duration::ZERO),
        ..user_key()
    };
    for new in [named(""), named("  "), dead] {
        let refused = house.here.admin.create(new, &admin()).await.unwrap_err();
        assert_eq!(refused.error_kind(), ErrorKind::Invalid);
    }
}

#[tokio::test]
async fn a_key_is_revoked_by_id_by_alias_or_by_showing_it() {
    let house = House::open().await;
    for round in ["id", "alias", "key"] {
        let (key, id) = house.mint(named(round)).await;
        house.here.knock(&key).await.unwrap();
        let selector = match round {
            "id" => KeySelector::Id(id.clone()),
            "alias" => KeySelector::Alias(round.to_owned()),
            _ => KeySelector::Key(ApiKey::new(key.as_str())),
        };
        house.here.admin.revoke(&selector, &admin()).await.unwrap();
        let first = house.store.get(&id).await.unwrap();
        let answer = house.here.knock(&key).await;
        assert_eq!(answer.unwrap_err(), AuthnErrorKind::Revoked, "by {round}");
        house.clock.advance(Duration::from_secs(1));
        house.here.admin.revoke(&selector, &admin()).await.unwrap();
        let second = house.store.get(&id).await.unwrap();
        assert_eq!(first, second, "repeating changes nothing");
    }
}

#[tokio::test]
async fn a_key_made_on_another_replica_is_found_by_alias() {
    let house = House::open().await;
    let elsewhere = house.replica(portcullis_identity::FreshnessSettings::default());
    elsewhere.admin.create(named("ci"), &admin()).await.unwrap();
    let selector = KeySelector::Alias("ci".to_owned());
    house.here.admin.revoke(&selector, &admin()).await.unwrap();
}

#[tokio::test]
async fn what_does_not_exist_is_not_found() {
    let house = House::open().await;
    for selector in [
        KeySelector::Id(KeyId::from("nobody")),
        KeySelector::Alias("nobody".to_owned()),
        KeySelector::Key(ApiKey::new(MASTER)),
        KeySelector::Key(ApiKey::new(FILE_KEY)),
        KeySelector::Key(ApiKey::new("sk-pc-x")),
    ] {
        let admin_api = &house.here.admin;
        let revoked = house.here.admin.revoke(&selector, &admin()).await;
        assert!(
            matches!(revoked, Err(KeyAdminError::NotFound)),
            "{selector:?}"
        );
        let info = admin_api.info(&selector, &admin()).await;
        assert!(matches!(info, Err(KeyAdminError::NotFound)), "{selector:?}");
    }
}

#[tokio::test]
async fn a_user_sees_and_ends_its_own_key_and_learns_nothing_of_others() {
    let house = House::open().await;
    let (key, own) = house.mint(user_key()).await;
    let (_, other) = house.mint(named("other")).await;
    let caller = house.here.knock(&key).await.unwrap();
    let api = &house.here.admin;
    for selector in [
        KeySelector::Id(other),
        KeySelector::Id(KeyId::from("nobody")),
        KeySelector::Alias("other".to_owned()),
        KeySelector::Alias("nobody".to_owned()),
    ] {
        let info = api.info(&selector, &caller).await;
        assert!(
            matches!(info, Err(KeyAdminError::Forbidden)),
            "{selector:?}"
        );
        let revoked = house.here.admin.revoke(&selector, &caller).await;
        assert!(
            matches!(revoked, Err(KeyAdminError::Forbidden)),
            "{selector:?}"
        );
    }
    let list = api.list(&PageRequest::first(10), &caller).await;
    assert!(matches!(list, Err(KeyAdminError::Forbidden)));
    assert_eq!(
        api.info(&KeySelector::Id(own.clone()), &caller)
            .await
            .unwrap()
            .id,
        own
    );
    house
        .here
        .admin
        .revoke(&KeySelector::Id(own), &caller)
        .await
        .unwrap();
    assert_eq!(
        house.here.knock(&key).await.unwrap_err(),
        AuthnErrorKind::Revoked
    );
}

#[tokio::test]
async fn of_a_list_with_a_mistake_in_it_no_key_ends() {
    let house = House::open().await;
    let (first, first_id) = house.mint(named("first")).await;
    let (second, _) = house.mint(named("second")).await;
    let own = house.here.knock(&first).await.unwrap();
    let (nobody, somebody_elses) = (
        KeySelector::Id(KeyId::from("nobody")),
        KeySelector::Alias("second".to_owned()),
    );
    let with = |mistake| [KeySelector::Id(first_id.clone()), mistake];
    let api = &house.here.admin;
    let refused = api.revocable(&with(nobody), &admin()).await.unwrap_err();
    assert_eq!(refused.error_kind(), ErrorKind::NotFound);
    let both = with(somebody_elses);
    let refused = api.revocable(&both, &own).await.unwrap_err();
    assert_eq!(refused.error_kind(), ErrorKind::Forbidden);
    house.here.knock(&first).await.unwrap();

    let twice = [both.clone(), both].concat();
    let doomed = api.revocable(&twice, &admin()).await.unwrap();
    assert_eq!(doomed.ids().len(), 2, "each once: {doomed:?}");
    api.revoke_all(&doomed).await.unwrap();
    for key in [first, second] {
        let answer = house.here.knock(&key).await;
        assert_eq!(answer.unwrap_err(), AuthnErrorKind::Revoked);
    }
}

#[tokio::test]
async fn a_viewer_reads_all_keys_and_changes_none() {
    let house = House::open().await;
    let viewer = NewKey {
        role: Role::Viewer,
        ..user_key()
    };
    let (key, _) = house.mint(viewer).await;
    let (_, other) = house.mint(user_key()).await;
    let caller = house.here.knock(&key).await.unwrap();
    let api = &house.here.admin;
    let listed = api.list(&PageRequest::first(10), &caller).await.unwrap();
    assert_eq!(listed.items.len(), 2);
    let revoked = house
        .here
        .admin
        .revoke(&KeySelector::Id(other), &caller)
        .await;
    assert!(matches!(revoked, Err(KeyAdminError::Forbidden)));
}

#[tokio::test]
async fn a_store_that_is_down_refuses_administration_and_makes_no_key() {
    let house = House::open().await;
    house.cut(true);
    let error = house
        .here
        .admin
        .create(user_key(), &admin())
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unavailable);
    assert!(house.here.index.is_empty());
    let selector = KeySelector::Alias("ci".to_owned());
    let error = house
        .here
        .admin
        .revoke(&selector, &admin())
        .await
        .unwrap_err();
    assert_eq!(error.error_kind(), ErrorKind::Unavailable);
}

/// One damaged row takes the list from nobody.
#[tokio::test]
async fn a_list_shows_the_sound_keys_and_names_the_damaged() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(house.mint(user_key()).await.1);
    }
    *house.store.damaged.lock().unwrap() = Some(ids[0].clone());
    *house.store.altered.lock().unwrap() = Some(ids[1].clone());
    let page = PageRequest::first(10);
    let listed = house.here.admin.list(&page, &admin()).await.unwrap();
    let (mut sound, mut altered, mut unreadable) = (Vec::new(), Vec::new(), Vec::new());
    for key in listed.items {
        match key {
            ListedKey::Sound(record) => sound.push(record.id),
            ListedKey::Altered(id) => altered.push(id),
            ListedKey::Unreadable(id) => unreadable.push(id),
        }
    }
    assert_eq!(sound, [ids[2].clone()]);
    assert_eq!(altered, [ids[1].clone()]);
    assert_eq!(unreadable, [ids[0].clone()]);
    // Nor does it vouch for what somebody wrote into one.
    let altered = KeySelector::Id(ids[1].clone());
    let told = house.here.admin.info(&altered, &admin()).await;
    assert!(matches!(told, Err(KeyAdminError::Damaged)));
}
