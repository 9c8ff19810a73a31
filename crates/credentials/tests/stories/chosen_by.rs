//! Whoever defined a server by the API has no address inside asked in the gateway's name, by whichever key.

use std::sync::Arc;

use portcullis_core::{ClientSecret, ScopeSet};
use portcullis_credentials::{
    Authority, ClientCredentials, ClientProof, ExchangeProfile, ServerAuth, TokenClient,
    TokenEndpoint, TokenExchange, UpstreamAuth,
};
use portcullis_egress::Destination;
use portcullis_oauth::TokenRules;

use crate::fake::AuthorizationServer;
use crate::on_behalf::{jwt, obtain};
use crate::{client, house, server};

const BY_THE_API: Destination = Destination::Untrusted {
    allow_loopback: false,
};

fn own(token_endpoint: TokenEndpoint) -> ClientCredentials {
    ClientCredentials {
        chosen_by: BY_THE_API,
        ..client(token_endpoint)
    }
}

fn exchanging(authority: Authority) -> ServerAuth {
    let auth = UpstreamAuth::TokenExchange(Arc::new(TokenExchange {
        authority,
        client: TokenClient {
            client_id: "gateway".to_owned(),
            proof: ClientProof::SecretPost(ClientSecret::new("canary-secret")),
        },
        profile: ExchangeProfile::EntraObo,
        scopes: ScopeSet::default(),
        rules: TokenRules::default(),
        chosen_by: BY_THE_API,
    }));
    ServerAuth::new("obo".into(), auth)
}

/// SSRF-01.
#[tokio::test]
async fn no_token_endpoint_inside_is_asked_for_a_server_of_the_api() {
    let inside = AuthorizationServer::start().await;
    let house = house();
    for endpoint in [
        TokenEndpoint::Configured(inside.url("/token")),
        TokenEndpoint::Discover {
            server_url: inside.url("/v1/mcp"),
            issuer: None,
        },
        TokenEndpoint::Discover {
            server_url: "https://mcp.example.com/mcp".parse().unwrap(),
            issuer: Some(inside.url("/")),
        },
    ] {
        let auth = server("own", own(endpoint));
        assert!(house.obtain(&auth).await.is_err());
    }
    for authority in [
        Authority::Endpoint {
            url: inside.url("/token"),
            issuer: None,
        },
        Authority::Issuer(inside.origin.clone()),
    ] {
        let auth = exchanging(authority);
        assert!(obtain(&house, &auth, &jwt("alice", 1000)).await.is_err());
    }
    assert!(inside.seen().is_empty(), "{:?}", inside.seen());
    // The operator's own file may say so.
    let written = client(TokenEndpoint::Configured(inside.url("/token")));
    house.obtain(&server("own", written)).await.unwrap();
    assert_eq!(inside.token_requests(), 1);
}
