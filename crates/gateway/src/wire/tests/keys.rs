//! What administrators do with keys, and what is recorded of it.

use http::StatusCode;

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
