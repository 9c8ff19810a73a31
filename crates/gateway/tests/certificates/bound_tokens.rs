//! Tokens that are bound to a certificate (RFC 8705).

use super::*;

/// AUTH-24.
#[tokio::test]
async fn a_bound_token_needs_exactly_its_certificate_on_its_connection() {
    let stage = Stage::set(false).await;
    let (agent, another) = (stage.agent(), stage.agent());
    let bound = stage.token(Some(&agent.thumbprint()));
    let ask = || echo().bearer(&bound);
    let reply = stage.ask(Some(&agent), &ask()).await;
    is_served(&reply);
    let event = stage.gateway.event_of(&reply).await;
    assert_eq!(event["principal_kind"], "jwt", "{event}");

    let nameless = stage.with(&stage.other, Vec::new());
    let of_nameless = stage.token(Some(&nameless.thumbprint()));
    is_served(
        &stage
            .ask(Some(&nameless), &echo().bearer(&of_nameless))
            .await,
    );

    let pem = STANDARD.encode(&agent.chain[0]);
    let in_header = [
        "x-client-cert",
        "x-ssl-client-cert",
        "client-cert",
        "ssl-client-cert",
    ]
    .into_iter()
    .fold(ask(), |ask, name| ask.header(name, &pem));
    let hash = format!("Hash={}", agent.thumbprint());
    let in_header = in_header.header("x-forwarded-client-cert", &hash);
    for (identity, ask) in [
        (None, ask()),
        (Some(&another), ask()),
        (None, in_header.clone()),
        (Some(&another), in_header),
    ] {
        let reply = stage.ask(identity, &ask).await;
        stage.is_refused(&reply, "token_confirmation").await;
    }
    let plain = stage.gateway.bearer(&bound).echo("at the plain door").await;
    stage.is_refused(&plain, "token_confirmation").await;
    // An unbound token needs none, and none harms it.
    let free = echo().bearer(&stage.token(None));
    is_served(&stage.ask(None, &free).await);
    is_served(&stage.ask(Some(&agent), &free).await);
    stage.gateway.stands().await;
}

/// AUTH-24: what is said of a bound token is remembered for its holder alone.
#[tokio::test]
async fn a_bound_token_that_is_asked_about_needs_its_certificate_each_time() {
    let stage = Stage::with_issuer(false, |issuer| {
        format!(
            "    introspection: {{url: '{}/introspect', client_id: gw, client_secret: s3cr3t-of-ours}}\n",
            issuer.url()
        )
    })
    .await;
    let (agent, another) = (stage.agent(), stage.agent());
    let mut said = stage.issuer.claims(stage.clock.now().as_secs());
    said["active"] = true.into();
    said["cnf"] = json!({"x5t#S256": agent.thumbprint()});
    stage.issuer.says_of("opaque-and-bound", said);
    let ask = echo().bearer("opaque-and-bound");
    for _ in 0..2 {
        let reply = stage.ask(Some(&agent), &ask).await;
        is_served(&reply);
        let event = stage.gateway.event_of(&reply).await;
        assert_eq!(event["principal_kind"], "introspected_token", "{event}");
        for identity in [None, Some(&another)] {
            let reply = stage.ask(identity, &ask).await;
            stage.is_refused(&reply, "token_confirmation").await;
        }
    }
    assert_eq!(stage.issuer.introspections().len(), 3);

    // Whoever brings it without its certificate brings what opens our door all the same.
    let key = stage.gateway.key("caller", &["support"]).await;
    for (token, told) in [
        ("opaque-and-bound", Some("x-token=own-credential")),
        ("of-somebody-else", None),
    ] {
        let brings = echo()
            .header("x-token", token)
            .header("x-portcullis-debug", "1");
        let reply = stage.ask(None, &key.sign(brings)).await;
        is_served(&reply);
        assert_eq!(reply.header("x-mcp-debug-withheld"), told, "{reply:?}");
    }
    assert_eq!(stage.issuer.introspections().len(), 3);
    stage.gateway.stands().await;
}

/// RFC 9728 §2.
#[tokio::test]
async fn the_document_says_that_tokens_may_be_bound() {
    let stage = Stage::set(false).await;
    let ask = Ask::get("/.well-known/oauth-protected-resource/mcp");
    let document: Value = stage.ask(None, &ask).await.json();
    let promise = &document["tls_client_certificate_bound_access_tokens"];
    assert_eq!(*promise, json!(true), "{document}");
    let other = TestGateway::with_support().await;
    let document: Value = other.anonymous().ask(ask).await.json();
    let promise = document.get("tls_client_certificate_bound_access_tokens");
    assert!(promise.is_none(), "{document}");
}
