//! Enterprise-managed authorization at the front door: a person sends their ID token, the server
//! sees a token of its own authorization server, and each house sees only what is for it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};
use serde_json::json;

use super::on_behalf::jwt;
use super::support::{House, server};

const RESOURCE_ISSUER: &str = "https://as.example";

fn managed(upstream: &FakeUpstream, organisation: &FakeUpstream) -> String {
    let audience = format!("audience: \"{RESOURCE_ISSUER}\"");
    let first = format!("token_exchange_endpoint: \"{}\"", organisation.token_url());
    let second = format!(
        "id_jag_resource_token_endpoint: \"{}\"",
        upstream.token_url()
    );
    server(
        "a",
        upstream,
        &[
            "auth_type: oauth2_id_jag",
            &first,
            "client_id: at-organisation",
            "client_secret: \"the-secret-of-the-organisation\"",
            &audience,
            &second,
            "id_jag_resource_client_id: at-resource",
            "id_jag_resource_client_secret: \"the-secret-of-the-resource\"",
            "id_jag_resource_auth_method: client_secret_basic",
        ],
    )
}

/// A grant for one person, who is named in it.
fn grant(who: &str) -> String {
    let head = json!({"alg": "ES256", "typ": "oauth-id-jag+jwt"}).to_string();
    let claims = json!({"sub": who, "aud": RESOURCE_ISSUER, "exp": 4_000_000_000_u64}).to_string();
    let [head, claims] = [head, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{head}.{claims}.c2ln")
}

/// Both authorization servers know these people.
fn knowing(organisation: &FakeUpstream, upstream: &FakeUpstream, people: &'static [&'static str]) {
    let unknown = || {
        Reply::json(
            400,
            r#"{"error":"invalid_grant","error_description":"canary"}"#,
        )
    };
    organisation.on("TOKEN", move |request: &Recorded| {
        let whose = people.iter().find(|who| request.body.contains(&jwt(who)));
        whose.map_or_else(unknown, |who| {
            let answer = json!({"access_token": grant(who), "token_type": "N_A", "expires_in": 300,
                "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag"});
            Reply::json(200, answer.to_string())
        })
    });
    upstream.on("TOKEN", move |request: &Recorded| {
        let whose = people.iter().find(|who| request.body.contains(&grant(who)));
        whose.map_or_else(unknown, |who| {
            let answer = json!({"access_token": format!("for-{who}"), "token_type": "Bearer"});
            Reply::json(200, answer.to_string())
        })
    });
}

#[tokio::test]
async fn people_reach_the_server_by_way_of_their_organisation() {
    let organisation = FakeUpstream::modern().await;
    let upstream = FakeUpstream::modern().await;
    knowing(&organisation, &upstream, &["alice", "bob"]);
    let house = House::of(&[managed(&upstream, &organisation)]).await;
    let shared = house.caller("shared").await.at("/mcp/a");
    for who in ["alice", "bob", "alice"] {
        let answer = shared.bringing(&jwt(who)).modern_call("echo", "{}").await;
        assert!(answer.json()["result"].is_object(), "{answer:?}");
        let seen = upstream.last("tools/call");
        assert_eq!(seen.all("authorization"), [format!("Bearer for-{who}")]);
    }
    assert_eq!(
        (organisation.count("TOKEN"), upstream.count("TOKEN")),
        (2, 2)
    );
    let asked = organisation.last("TOKEN");
    for expected in [
        "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid-jag",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token",
        "audience=https%3A%2F%2Fas.example",
    ] {
        assert!(asked.body.contains(expected), "{asked:?}");
    }
    let resource: String =
        url::form_urlencoded::byte_serialize(upstream.url().as_bytes()).collect();
    assert!(
        asked.body.contains(&format!("resource={resource}")),
        "{asked:?}"
    );
    for request in upstream.requests() {
        let text = format!("{request:?}");
        for secret in [&jwt("alice"), &jwt("bob"), &shared.key] {
            assert!(!text.contains(secret.as_str()), "{text}");
        }
        assert!(!text.contains("the-secret-of-the-organisation"), "{text}");
    }
    for event in house.request_events().await {
        assert_eq!(event["credential"], "id-jag", "{event}");
    }
    house.end().await;
}

/// TOK-13 to 15: nobody's name is lent.
#[tokio::test]
async fn without_a_token_that_both_houses_take_nobody_reaches_the_server() {
    let organisation = FakeUpstream::modern().await;
    let upstream = FakeUpstream::modern().await;
    knowing(&organisation, &upstream, &["alice"]);
    let house = House::of(&[managed(&upstream, &organisation)]).await;
    let alone = house.caller("alone").await.at("/mcp/a");
    let by_key = alone.modern_call("echo", "{}").await;
    let mallory = alone
        .bringing(&jwt("mallory"))
        .modern_call("echo", "{}")
        .await;
    for (answer, said) in [
        (by_key, "send your own token"),
        (mallory, "your own token was refused"),
    ] {
        assert_eq!(answer.status, 401, "{answer:?}");
        assert!(answer.text.contains(said), "{answer:?}");
        assert!(!answer.text.contains("canary"), "{answer:?}");
    }
    assert_eq!(
        (organisation.count("TOKEN"), upstream.count("TOKEN")),
        (1, 0)
    );
    assert_eq!(upstream.count("tools/call"), 0);
    house.end().await;
}
