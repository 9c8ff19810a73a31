//! What administrators do with keys, and what is recorded of it.

use http::{Method, StatusCode};
use portcullis_core::{Role, ServerGrants};
use serde_json::json;

use super::small_world::SmallWorld;

#[tokio::test]
async fn a_key_is_shown_by_its_id_under_litellms_name_too() {
    let world = SmallWorld::start("").await;
    let made = world.post("/key/generate", r#"{"key_alias": "ci"}"#).await;
    let id = made.body["key_id"].as_str().unwrap();
    for query in [
        format!("key_id={id}"),
        format!("key={id}"),
        "key_alias=ci".to_owned(),
    ] {
        let shown = world.get(&format!("/key/info?{query}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{query}");
        assert_eq!(shown.body["info"]["key_alias"], "ci", "{query}");
    }
    let both = world.get(&format!("/key/info?key={id}&key_alias=ci")).await;
    assert_eq!(both.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_key_in_a_url_is_refused_and_repeated_nowhere() {
    let world = SmallWorld::start("").await;
    let made = world.post("/key/generate", "{}").await;
    let key = made.body["key"].as_str().unwrap();
    for name in ["key", "key_id"] {
        let refused = world.get(&format!("/key/info?{name}={key}")).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{name}");
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains("say key_id"), "{detail}");
        assert!(!refused.body.to_string().contains(key));
        assert!(!world.event_of(&refused).await.to_string().contains(key));
    }
}

#[tokio::test]
async fn the_command_line_shows_the_key_that_was_named_and_not_its_own() {
    let world = SmallWorld::start("").await;
    let made = world.post("/key/generate", r#"{"key_alias": "ci"}"#).await;
    let client = world.client().await;
    let shown = client
        .key_info(made.body["key_id"].as_str().unwrap())
        .await
        .unwrap();
    assert_eq!(shown["info"]["key_alias"], "ci");
}

#[tokio::test]
async fn the_trail_says_which_key_was_made_and_ended_by_what_right() {
    let world = SmallWorld::start("").await;
    let wish = r#"{"key_alias": "ci"}"#;
    let made = world.post("/key/generate", wish).await;
    let (id, key) = (&made.body["key_id"], made.body["key"].as_str().unwrap());
    let target = json!({"kind": "key", "name": id});
    let event = world.event_of(&made).await;
    assert_eq!(event["target"], target);
    assert_eq!(event["decision"], "allow");
    assert_eq!(event["rule"], "role:admin");
    assert_eq!(event["request_bytes"], wish.len());
    assert!(!event.to_string().contains(key));

    // Ended by the key itself: the event has its id.
    let body = json!({"keys": [key]}).to_string();
    let ended = world.post("/key/delete", &body).await;
    assert_eq!(ended.body["deleted_keys"], json!([id]));
    let event = world.event_of(&ended).await;
    assert_eq!(event["target"], target);
    assert_eq!(event["request_bytes"], body.len());
    assert!(!event.to_string().contains(key));
}

#[tokio::test]
async fn a_user_who_tries_to_make_a_key_is_on_record_as_denied() {
    let world = SmallWorld::start("").await;
    let user = world
        .embedded
        .key("user", Role::User, ServerGrants::default())
        .await
        .unwrap();
    let refused = world.ask(&user, Method::POST, "/key/generate", "{}").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let event = world.event_of(&refused).await;
    assert_eq!(event["decision"], "deny");
    assert_eq!(event["rule"], "role:user");
    let metrics = world.ask(&user, Method::GET, "/metrics", "").await;
    assert_eq!(world.event_of(&metrics).await["rule"], "role:user");
}

#[tokio::test]
async fn a_list_with_a_mistake_or_too_many_keys_ends_none() {
    let world = SmallWorld::start("").await;
    let made = world.post("/key/generate", "{}").await;
    let id = made.body["key_id"].as_str().unwrap();
    let with_a_mistake = json!({"keys": [id, "sk-nobody"]}).to_string();
    let failed = world.post("/key/delete", &with_a_mistake).await;
    assert_eq!(failed.status, StatusCode::NOT_FOUND);
    assert_eq!(world.event_of(&failed).await["target"], json!(null));
    let many = json!({"keys": vec![id; 17]}).to_string();
    let refused = world.post("/key/delete", &many).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    let info = world.get(&format!("/key/info?key_id={id}")).await;
    assert_eq!(info.body["info"]["revoked_at"], json!(null));
}
