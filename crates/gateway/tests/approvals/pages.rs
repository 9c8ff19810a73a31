//! The page of one approval.

use portcullis_testkit::gateway::{Browser, form_token};

use super::support::{ALICE, ANN, BOB, House, VERA};

async fn signed_in(house: &House, key: &str) -> Browser {
    let mut browser = house.gateway.browser();
    let reply = browser.signs_in_with(key, "/connect").await;
    assert_eq!(reply.status, 303, "{reply:?}");
    browser
}

#[tokio::test]
async fn whoever_decides_sees_the_arguments_and_whoever_asked_how_it_stands() {
    let house = House::open().await;
    let id = house
        .waits(ALICE, "{\"message\":\"canary \u{202e}desrever\"}")
        .await;
    let path = format!("/approvals/{id}");
    let mut stranger = house.gateway.browser();
    let reply = stranger.get(&path).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert!(reply.header("location").unwrap().starts_with("/login"));
    for (key, status, arguments, decides) in [
        (ALICE, 200, false, false),
        (BOB, 404, false, false),
        (VERA, 200, true, false),
        (ANN, 200, true, true),
    ] {
        let page = signed_in(&house, key).await.get(&path).await;
        assert_eq!(page.status, status, "{key}: {page:?}");
        let text = page.text();
        assert_eq!(text.contains("canary"), arguments, "{key}: {text}");
        assert_eq!(text.contains("value=\"approve\""), decides, "{key}: {text}");
        assert!(!text.contains('\u{202e}'), "{key}: {text}");
    }
}

#[tokio::test]
async fn a_decision_is_made_with_the_form_of_the_page_and_nothing_else() {
    let house = House::open().await;
    let id = house.waits(ALICE, "{}").await;
    let other = house.waits(ALICE, r#"{"n":1}"#).await;
    let path = format!("/approvals/{id}");
    let mut ann = signed_in(&house, ANN).await;
    let page = ann.get(&path).await;
    let token = form_token(&page, &path);
    let elsewhere = format!("/approvals/{other}");
    for (place, token) in [(&path, "made-up"), (&path, ""), (&elsewhere, &*token)] {
        let fields = [("token", token), ("act", "approve"), ("reason", "")];
        let reply = ann.post(place, &fields).await;
        assert_eq!(reply.status, 403, "{reply:?}");
    }
    let mut vera = signed_in(&house, VERA).await;
    let fields = [("token", &*token), ("act", "approve"), ("reason", "")];
    let reply = vera.post(&path, &fields).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert_eq!(house.status(ALICE, &id).await, "pending");

    let fields = [("token", &*token), ("act", "approve"), ("reason", "fine")];
    let reply = ann.post(&path, &fields).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert_eq!(reply.header("location"), Some(&*path));
    let event = house.gateway.event_of(&reply).await;
    assert_eq!(event["rule"], "role:approver", "{event}");
    assert_eq!(event["approval"], id);
    assert_eq!(house.status(ALICE, &id).await, "granted");
    let page = ann.get(&path).await;
    assert!(page.text().contains("fine"), "{page:?}");
    let reply = ann.post(&path, &fields).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    assert_eq!(house.echo(ALICE, "{}").await.status, 200);
}
