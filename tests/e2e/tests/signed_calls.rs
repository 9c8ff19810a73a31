//! Servers verify what the gateway signs, with the libraries that servers use.

use std::collections::BTreeSet;

use portcullis_e2e::{Driver, Judges, Stack, Target, Verifier};

#[tokio::test]
async fn what_is_signed_is_verified_by_the_libraries_of_servers() {
    let judges = Judges::ready().unwrap();
    for algorithm in ["RS256", "ES256", "EdDSA"] {
        let stack = Stack::signing(algorithm).await.unwrap();
        let url = stack.endpoint("/mcp/conf");
        let target = Target {
            url: &url,
            key: stack.key(),
            prefix: "",
            mode: "legacy",
        };
        Driver::Python.run(&judges, target).await.unwrap();
        let tokens = stack.bearers();
        assert!(tokens.len() > 10, "{algorithm}: {} tokens", tokens.len());
        let issuer = stack.endpoint("");
        let mut scopes = BTreeSet::new();
        for verifier in [Verifier::PyJwt, Verifier::Jose] {
            let claims = verifier
                .claims(&judges, &issuer, "mcp", algorithm, &tokens)
                .await
                .unwrap_or_else(|error| panic!("{algorithm}: {error:#}"));
            assert_eq!(claims.len(), tokens.len());
            scopes.extend(claims.iter().map(|claims| claims["scope"].to_string()));
        }
        for scope in ["mcp:initialize", "mcp:tools/list", "mcp:session"] {
            assert!(scopes.contains(&format!("\"{scope}\"")), "{scopes:?}");
        }
        assert!(
            scopes
                .iter()
                .any(|scope| scope.starts_with("\"mcp:tools/call mcp:tools/")),
            "{scopes:?}"
        );
    }
}
