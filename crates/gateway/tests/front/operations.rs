//! Every operation of the OpenAPI document, attacked: by nobody, and by everybody for whom it is not.

use portcullis_testkit::gateway::{Ask, TestGateway};
use serde_json::{Value, json};

const USER: &str = "sk-pc-user-7Qm2vT9dKx4RzP1sWn8uYb3";
const VIEWER: &str = "sk-pc-viewer-7Qm2vT9dKx4RzP1sWn8uYb3";
const APPROVER: &str = "sk-pc-approver-7Qm2vT9dKx4RzP1sWn8uYb3";

async fn house() -> TestGateway {
    let yaml = format!(
        "identity:\n  keys:\n    - {{id: user, key: {USER}, all_servers: true}}\n    \
         - {{id: viewer, key: {VIEWER}, role: viewer, all_servers: true}}\n    \
         - {{id: approver, key: {APPROVER}, role: approver, all_servers: true}}\n"
    );
    TestGateway::start(&yaml).await
}

/// Method, path and role of every operation.
fn operations(document: &Value) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let role = operation["x-portcullis-role"].as_str().unwrap();
            found.push((method.to_uppercase(), path.clone(), role.to_owned()));
        }
    }
    found
}

fn ask(method: &str, path: &str) -> Ask {
    let path = path.replace("{id}", "somebody");
    match method {
        "POST" => Ask::post(&path, &json!({})),
        "PUT" => Ask::new("PUT", &path)
            .header("content-type", "application/json")
            .body("{}"),
        _ => Ask::new(method, &path),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_operation_is_there_for_whom_it_is_not() {
    // CFG-07, CFG-11
    let gateway = house().await;
    let admin = gateway.admin().await;
    let document = admin.ask(Ask::get("/openapi.json")).await;
    assert_eq!(document.status, 200, "{document:?}");
    let document = document.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert!(operations.len() > 10, "{operations:?}");
    let callers = [
        ("nobody", gateway.anonymous()),
        ("caller", gateway.bearer(USER)),
        ("viewer", gateway.bearer(VIEWER)),
        ("approver", gateway.bearer(APPROVER)),
    ];
    for (method, path, role) in &operations {
        for (who, actor) in &callers {
            let refused = match (*who, role.as_str()) {
                ("nobody", _) => 401,
                ("caller", "approver or viewer" | "approver" | "viewer" | "admin")
                | ("viewer", "approver" | "admin")
                | ("approver", "viewer" | "admin") => 403,
                _ => continue,
            };
            let reply = actor.ask(ask(method, path)).await;
            assert_eq!(reply.status, refused, "{who} {method} {path}: {reply:?}");
            let event = gateway.event_of(&reply).await;
            let decided = if refused == 401 { "none" } else { "deny" };
            assert_eq!(event["decision"], decided, "{who} {method} {path}: {event}");
        }
    }
    gateway.stands().await;
}

#[tokio::test]
async fn the_page_of_the_admin_api_is_for_whoever_signed_in() {
    let gateway = house().await;
    let mut browser = gateway.browser();
    let away = browser.get("/docs").await;
    assert_eq!(away.status, 303, "{away:?}");
    assert_eq!(away.header("location"), Some("/login?return_to=%2Fdocs"));
    let back = browser.signs_in_with(USER, "/docs").await;
    assert_eq!(back.header("location"), Some("/docs"), "{back:?}");
    let page = browser.get("/docs").await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(page.text().contains("POST /key/generate"), "{page:?}");
    assert!(!page.text().contains("<script"), "{page:?}");
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    gateway.stands().await;
}
