//! Tools of a document on every surface.

use portcullis_testkit::gateway::Ask;
use serde_json::{Value, json};

use super::support::{AWKWARD, House, Says, call, modern, told, tools};

#[tokio::test]
async fn the_operations_are_tools_on_every_surface() {
    let house = House::with(&[]).await;
    let names = ["getpet", "deletepet", "addpet", "upload"];
    assert_eq!(tools(&house.alice, "/mcp/pets").await, names);
    let exposed = names.map(|name| format!("pets-{name}"));
    assert_eq!(tools(&house.alice, "/mcp").await, exposed);
    let rest = house.alice.ask(Ask::get("/mcp-rest/tools/list")).await;
    assert!(rest.text().contains("getpet"), "{rest:?}");

    let arguments = r#"{"id": "a b", "verbose": false, "X-Tenant": "t", "flavour": "x; y"}"#;
    let on_named = house.call("getpet", arguments).await;
    let on_all = call(&house.alice, "/mcp", "pets-getpet", arguments).await;
    let body = json!({"server_id": "pets", "name": "getpet", "arguments": {"id": "a b", "verbose": false, "X-Tenant": "t", "flavour": "x; y"}});
    let by_rest = house
        .alice
        .ask(Ask::post("/mcp-rest/tools/call", &body))
        .await;
    for reply in [&on_named, &on_all, &by_rest] {
        assert_eq!(reply.status, 200, "{reply:?}");
        assert!(
            reply.text().contains("/v1/pets/a%20b?verbose=false"),
            "{reply:?}"
        );
    }
    let asked = house.api.asked();
    assert_eq!(asked.len(), 3);
    for one in &asked {
        assert_eq!(one.method, "GET");
        assert_eq!(one.target, "/v1/pets/a%20b?verbose=false");
        assert_eq!(one.header("x-tenant"), Some("t"));
        assert_eq!(one.header("cookie"), Some("flavour=x%3B%20y"));
        assert!(one.header("user-agent").unwrap().starts_with("portcullis/"));
        assert_eq!(one.header("authorization"), None);
        assert!(
            one.headers
                .keys()
                .all(|name| !name.as_str().starts_with("mcp-"))
        );
    }
    house.end().await;
}

#[tokio::test]
async fn bodies_and_answers_stay_the_bytes_they_were() {
    let house = House::with(&[]).await;
    house.api.says("/v1/pets", &[Says::json(201, AWKWARD)]);
    let reply = house
        .call("addpet", &format!(r#"{{"body":{AWKWARD}}}"#))
        .await;
    let asked = house.api.last();
    assert_eq!(String::from_utf8(asked.body.clone()).unwrap(), AWKWARD);
    assert_eq!(asked.header("content-type"), Some("application/json"));
    assert!(
        reply
            .text()
            .contains(&format!(r#""structuredContent":{AWKWARD}"#)),
        "{reply:?}"
    );
    assert_eq!(told(&reply), (AWKWARD.to_owned(), false));

    house.call("upload", r#"{"body":{"file":"aGk="}}"#).await;
    let asked = house.api.last();
    assert!(
        asked
            .header("content-type")
            .unwrap()
            .starts_with("multipart/form-data; boundary=")
    );
    assert!(
        String::from_utf8(asked.body)
            .unwrap()
            .contains("\r\n\r\nhi\r\n")
    );
    house.end().await;
}

#[tokio::test]
async fn what_the_api_refuses_is_told_to_the_model_and_recorded_as_that() {
    let house = House::with(&[]).await;
    let refusal = Says::json(404, r#"{"error":"no such pet"}"#);
    house.api.says("/v1/pets/7", &[refusal]);
    let reply = house.call("getpet", r#"{"id":"7"}"#).await;
    let (text, is_error) = told(&reply);
    assert!(is_error);
    assert_eq!(
        text,
        "The API answered HTTP 404:\n{\"error\":\"no such pet\"}"
    );
    assert_eq!(
        house.gateway.event_of(&reply).await["outcome"],
        "tool_error"
    );

    let reply = house.call("getpet", r#"{"verbose":true,"nmae":1}"#).await;
    assert_eq!(
        told(&reply).0,
        "Nothing was called: this tool has no argument `nmae`; it takes: id, verbose, X-Tenant, X-API-Key, flavour."
    );
    let reply = house.call("getpet", "{}").await;
    assert_eq!(
        told(&reply).0,
        "Nothing was called: required and missing: id."
    );
    assert_eq!(house.api.asked().len(), 1);
    house.end().await;
}

#[tokio::test]
async fn pictures_are_pictures_and_nothing_is_said_to_be_nothing() {
    let house = House::with(&[]).await;
    let picture = Says {
        status: 200,
        headers: vec![("content-type", "image/png".to_owned())],
        body: vec![0x89, 0x50],
    };
    house.api.says("/v1/pets/p", &[picture]);
    let empty = Says {
        status: 204,
        headers: Vec::new(),
        body: Vec::new(),
    };
    house.api.says("/v1/pets/e", &[empty]);
    let reply: Value = house.call("getpet", r#"{"id":"p"}"#).await.json();
    assert_eq!(reply["result"]["content"][0]["type"], "image");
    assert_eq!(reply["result"]["content"][0]["data"], "iVA=");
    let reply = house.call("deletepet", r#"{"id":"e"}"#).await;
    assert_eq!(
        told(&reply),
        (
            "HTTP 204: done; the answer has no content".to_owned(),
            false
        )
    );
    assert_eq!(house.api.last().method, "DELETE");
    house.end().await;
}

#[tokio::test]
async fn the_operators_rules_go_by_the_tools_names() {
    let house = House::with(&[
        "allowed_tools: [getpet, addpet]",
        "disallowed_tools: [addpet]",
        "allowed_params: {getpet: [id]}",
    ])
    .await;
    assert_eq!(tools(&house.alice, "/mcp/pets").await, ["getpet"]);
    let denied = house.call("addpet", r#"{"body":{}}"#).await;
    assert!(denied.json()["error"].is_object(), "{denied:?}");
    let denied = house.call("getpet", r#"{"id":"1","verbose":true}"#).await;
    assert!(denied.json()["error"].is_object(), "{denied:?}");
    assert!(house.api.asked().is_empty());
    assert!(!told(&house.call("getpet", r#"{"id":"1"}"#).await).1);
    house.end().await;
}

#[tokio::test]
async fn the_server_says_what_it_speaks_and_no_more() {
    let house = House::with(&[]).await;
    let found = modern(&house.alice, "/mcp/pets", "server/discover", "", None).await;
    assert!(
        found.json()["result"]["capabilities"]["tools"].is_object(),
        "{found:?}"
    );
    let unknown = modern(&house.alice, "/mcp/pets", "prompts/list", "", None).await;
    assert_eq!(unknown.json()["error"]["code"], -32601, "{unknown:?}");
    let unknown = house.call("nothing", "{}").await;
    assert_eq!(unknown.json()["error"]["code"], -32602, "{unknown:?}");
    house.end().await;
}

#[tokio::test]
async fn a_client_of_sessions_is_translated_for() {
    let house = House::with(&[]).await;
    let session = house.alice.session("/mcp/pets").await;
    let ask = |method: &str, params: Value| {
        Ask::rpc("/mcp/pets", method, &params)
            .header("mcp-session-id", &session)
            .header("mcp-protocol-version", "2025-06-18")
    };
    let listed = house.alice.ask(ask("tools/list", json!({}))).await;
    assert!(listed.text().contains(r#""name":"getpet""#), "{listed:?}");
    let params = json!({"name": "getpet", "arguments": {"id": "1"}});
    let reply = house.alice.ask(ask("tools/call", params)).await;
    assert!(reply.text().contains("/v1/pets/1"), "{reply:?}");
    assert_eq!(house.api.last().target, "/v1/pets/1");
    house.end().await;
}
