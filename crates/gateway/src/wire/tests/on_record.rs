//! Whoever is governed is on record, also with a request that no handler could read.

use http::{Method, StatusCode};

use super::small_world::SmallWorld;

#[tokio::test]
async fn a_method_that_a_path_does_not_have_leaves_an_event() {
    let world = SmallWorld::start("").await;
    for (method, path, surface) in [
        (Method::PUT, "/mcp", "mcp"),
        (Method::OPTIONS, "/mcp/github", "mcp"),
        (Method::POST, "/mcp-rest/tools/list", "rest"),
        (Method::DELETE, "/key/list", "admin"),
        (Method::POST, "/metrics", "admin"),
    ] {
        let answer = world.ask(&world.admin, method.clone(), path, "").await;
        let what = format!("{method} {path}");
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{what}");
        assert!(answer.headers.contains_key("allow"), "{what}");
        let event = world.event_of(&answer).await;
        assert_eq!(event["surface"], surface, "{what}");
        assert_eq!(event["outcome"], "invalid", "{what}");
        assert!(event["principal"].is_string(), "{what}");
    }
}

#[tokio::test]
async fn a_stranger_learns_nothing_of_methods() {
    let world = SmallWorld::start("").await;
    let stranger = portcullis_core::ApiKey::new("sk-nobody");
    for path in ["/mcp", "/mcp-rest/tools/list", "/key/list"] {
        let answer = world.ask(&stranger, Method::PUT, path, "").await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(world.event_of(&answer).await["outcome"], "unauthenticated");
    }
    let health = world.ask(&stranger, Method::POST, "/healthz", "").await;
    assert_eq!(health.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn a_query_that_cannot_be_read_is_answered_in_the_surfaces_form_and_recorded() {
    let world = SmallWorld::start("").await;
    for uri in [
        "/v1/audit?limit=canary",
        "/key/list?size=canary",
        "/key/info?key_id=a&key_id=canary",
    ] {
        let answer = world.get(uri).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{uri}");
        assert_eq!(
            answer.headers["content-type"], "application/problem+json",
            "{uri}"
        );
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(!detail.contains("canary"), "{detail}");
        assert_eq!(world.event_of(&answer).await["outcome"], "invalid");
    }
    let answer = world
        .get("/mcp-rest/tools/list?server_id=a&server_id=b")
        .await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body["error"], "invalid_query");
    assert!(answer.body["request_id"].is_string());
    assert_eq!(world.event_of(&answer).await["outcome"], "invalid");
    let stranger = portcullis_core::ApiKey::new("sk-nobody");
    let unknown = world
        .ask(&stranger, Method::GET, "/v1/audit?limit=x", "")
        .await;
    assert_eq!(unknown.status, StatusCode::UNAUTHORIZED);
}
