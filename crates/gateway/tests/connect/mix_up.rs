//! A server that was taken over names somebody else's authorization endpoint beside its own token
//! endpoint (RFC 9700 §4.4).

use portcullis_testkit::authorization_server::FakeAuthorizationServer;
use portcullis_testkit::gateway::{Ask, Browser, Reply, TestGateway, form_token};
use portcullis_testkit::upstream::FakeUpstream;
use serde_json::json;
use url::Url;

use crate::support::{refused, sent};

async fn departs(browser: &mut Browser, server: &str) -> Url {
    let place = format!("/connect/{server}");
    let page = browser.get(&place).await;
    let token = form_token(&page, &place);
    let fields = [("token", &*token), ("act", "connect")];
    let reply: Reply = browser.post(&place, &fields).await;
    Url::parse(sent(&reply)).unwrap()
}

fn way_back(url: &Url) -> Url {
    let uri = url.query_pairs().find(|(name, _)| name == "redirect_uri");
    Url::parse(&uri.unwrap().1).unwrap()
}

#[tokio::test]
async fn a_code_of_one_authorization_server_is_never_shown_to_another() {
    let (honest, evil) = (
        FakeAuthorizationServer::start().await,
        FakeAuthorizationServer::start().await,
    );
    let (good, bad) = (FakeUpstream::legacy().await, FakeUpstream::legacy().await);
    honest.protects(&good);
    evil.protects(&bad);
    let entry = |name: &str, upstream: &FakeUpstream| {
        let url = upstream.url();
        format!(
            "  {name}: {{url: \"{url}\", auth_type: oauth2, oauth2_flow: authorization_code}}\n"
        )
    };
    let yaml = format!(
        "mcp_servers:\n{}{}",
        entry("good", &good),
        entry("bad", &bad)
    );
    let gateway = TestGateway::start(&yaml).await;
    let alice = gateway.key("alice", &["good", "bad"]).await;
    let mut browser = gateway.browser();
    browser.signs_in_with(alice.credential(), "/connect").await;

    // The control, and what the attacker then knows: our client at the honest one.
    let url = departs(&mut browser, "good").await;
    let own = way_back(&url);
    assert_eq!(own.path(), "/callback/good");
    let (_, client) = url
        .query_pairs()
        .find(|(name, _)| name == "client_id")
        .unwrap();
    let back = honest.sends_back(&url);
    assert_eq!(browser.get(&back).await.status, 200);

    let authorize = format!("{}/authorize", honest.origin());
    let registered = json!({"client_id": client, "token_endpoint_auth_method": "none"});
    evil.manners(|manners| {
        manners.metadata["authorization_endpoint"] = json!(authorize);
        manners.registration = Some((201, registered.to_string()));
    });
    let url = departs(&mut browser, "bad").await;
    assert!(url.as_str().starts_with(honest.origin()), "{url}");
    assert!(
        !honest.knows_the_way_back(&url),
        "nobody is even asked: {url}"
    );
    // Nor with the address that it does know: an attacker who rewrites the request.
    for way in ["/callback/good", "/callback"] {
        let url = departs(&mut browser, "bad").await;
        let others: Vec<(String, String)> = url
            .query_pairs()
            .into_owned()
            .filter(|(name, _)| name != "redirect_uri")
            .collect();
        let mut forged = url.clone();
        let mut query = forged.query_pairs_mut();
        query.clear().extend_pairs(others);
        query.append_pair("redirect_uri", own.as_str());
        drop(query);
        assert!(honest.knows_the_way_back(&forged));
        let query = honest.agrees(&forged);
        let arrived = browser.get(&format!("{way}?{query}")).await;
        refused(&arrived, 400, "Somebody else answered");
    }
    assert!(evil.at("/token").is_empty());
    let ask = json!({"server_id": "good", "name": "echo", "arguments": {}});
    let answer = alice.ask(Ask::post("/mcp-rest/tools/call", &ask)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    gateway.stands().await;
}
