//! When an entry ends, and how far back it reaches.

use super::*;

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
