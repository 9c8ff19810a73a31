//! The keys: kept, shared, published, and never the private half.

use super::*;

/// JWKS-13.
#[tokio::test]
async fn the_documents_say_what_the_file_says_and_not_what_a_request_says() {
    let upstream = FakeUpstream::modern().await;
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let line = format!("algorithm: {algorithm}");
        let house = House::of(&[
            server("a", &upstream, &[]),
            guardrail(&["default_on: true", &line, "issuer: https://gw.example"]),
        ])
        .await;
        let lies = [
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("forwarded", "host=evil.example"),
        ];
        let (_, cache, metadata) =
            document(&house, "/.well-known/openid-configuration", &lies).await;
        assert_eq!(metadata["issuer"], "https://gw.example");
        assert_eq!(
            metadata["jwks_uri"],
            "https://gw.example/.well-known/jwks.json"
        );
        assert_eq!(
            metadata["id_token_signing_alg_values_supported"],
            serde_json::json!([algorithm])
        );
        assert_eq!(cache, "public, max-age=300");
        let (_, cache, keys) = document(&house, "/.well-known/jwks.json", &lies).await;
        assert_eq!(cache, "public, max-age=300");
        let key = keys["keys"][0].as_object().unwrap();
        assert_eq!(key["use"], "sig");
        assert_eq!(key["alg"], algorithm);
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(!key.contains_key(private), "{private}");
        }
        let evil = [("host", "evil.example")];
        let (status, _, refused) = document(&house, "/.well-known/jwks.json", &evil).await;
        assert_ne!(status, 200);
        assert!(!refused.to_string().contains("evil"), "{refused}");
        house.end().await;
    }
}

#[tokio::test]
async fn without_a_signer_there_are_no_keys() {
    let upstream = FakeUpstream::modern().await;
    let house = House::of(&[server("a", &upstream, &[])]).await;
    let (status, cache, keys) = document(&house, "/.well-known/jwks.json", &[]).await;
    assert_eq!((status, cache.as_str()), (200, "public, max-age=60"));
    assert_eq!(keys, serde_json::json!({"keys": []}));
    let (_, _, metadata) = document(&house, "/.well-known/openid-configuration", &[]).await;
    let keys = metadata["jwks_uri"].as_str().unwrap();
    assert!(keys.ends_with("/oauth/jwks.json"), "no signer's: {keys}");
    house.end().await;
}

/// SIGN-06.
#[tokio::test]
async fn replicas_and_restarts_sign_by_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("portcullis.db");
    let upstream = FakeUpstream::modern().await;
    let servers = [
        server("a", &upstream, &[]),
        guardrail(&["default_on: true", "algorithm: ES256"]),
    ];
    let mut kids = std::collections::BTreeSet::new();
    let houses = (0..3).map(|_| House::beside(&database, &servers));
    for house in futures_util::future::join_all(houses).await {
        let judge = Judge::of(&house).await;
        assert_eq!(judge.0.keys.len(), 1);
        kids.insert(judge.0.keys[0].common.key_id.clone().unwrap());
        house.end().await;
    }
    let again = House::beside(&database, &servers).await;
    let judge = Judge::of(&again).await;
    kids.insert(judge.0.keys[0].common.key_id.clone().unwrap());
    assert_eq!(kids.len(), 1, "{kids:?}");
    let alice = again.caller("alice").await.at("/mcp/a");
    alice.modern_call("echo", "{}").await;
    judge.claims(&upstream.last("tools/call"));
    again.end().await;
    // The private half is nowhere in the clear.
    let stored = std::fs::read(&database).unwrap();
    for marker in [
        &b"PRIVATE KEY"[..],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07],
    ] {
        let found = stored.windows(marker.len()).any(|window| window == marker);
        assert!(!found, "{marker:?}");
    }
}
