//! Who acts for a caller: by a token of the gateway's own client, got once for all callers.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{ClientSecret, ErrorKind, ScopeSet};
use portcullis_credentials::{
    Actor, ActorToken, Authority, ClientProof, CredentialBroker, ExchangeProfile, ServerAuth,
    TokenClient, TokenEndpoint, TokenExchange, UpstreamAuth,
};
use portcullis_oauth::TokenRules;

use crate::fake::{Answer, AuthorizationServer, Seen, token};
use crate::on_behalf::{jwt, obtain};
use crate::{client, house};

const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";

fn acting(as1: &AuthorizationServer) -> ServerAuth {
    let own = client(TokenEndpoint::Configured(as1.url("/token")));
    ServerAuth::new(
        "obo".into(),
        UpstreamAuth::TokenExchange(Arc::new(TokenExchange {
            authority: Authority::Endpoint {
                url: as1.url("/token"),
                issuer: None,
            },
            client: TokenClient {
                client_id: "gateway".to_owned(),
                proof: ClientProof::SecretPost(ClientSecret::new("canary-secret")),
            },
            profile: ExchangeProfile::Rfc8693 {
                subject_type: ACCESS.to_owned(),
                requested_type: None,
                actor: Some(Box::new(Actor {
                    token: ActorToken::OfClient(Box::new(own)),
                    kind: ACCESS.to_owned(),
                })),
                audience: None,
                resource: None,
                within_subject: false,
            },
            scopes: ScopeSet::default(),
            rules: TokenRules::default(),
            chosen_by: portcullis_egress::Destination::Operator {
                allow_insecure_http: false,
            },
        })),
    )
}

fn with_grant(as1: &AuthorizationServer, grant: &str) -> Vec<Seen> {
    let mut seen = as1.seen();
    seen.retain(|seen| seen.form["grant_type"].ends_with(grant));
    seen
}

#[tokio::test]
async fn our_own_token_says_who_acts_and_is_got_once_for_all_callers() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = acting(&as1);
    as1.next(Answer::json(token("the-gateway-itself", "3600")));
    for user in ["alice", "bob", "carol"] {
        obtain(&house, &auth, &jwt(user, 100_000)).await.unwrap();
    }
    assert_eq!(with_grant(&as1, "client_credentials").len(), 1);
    let exchanges = with_grant(&as1, "token-exchange");
    assert_eq!(exchanges.len(), 3);
    for exchange in exchanges {
        assert_eq!(exchange.form["actor_token"], "the-gateway-itself");
        assert_eq!(exchange.form["actor_token_type"], ACCESS);
    }
    // It ends, and so does nothing but it.
    house.clock.advance(Duration::from_hours(1));
    as1.next(Answer::json(token("the-next-one", "3600")));
    obtain(&house, &auth, &jwt("dave", 100_000)).await.unwrap();
    let last = with_grant(&as1, "token-exchange").pop().unwrap();
    assert_eq!(last.form["actor_token"], "the-next-one");
}

#[tokio::test]
async fn without_our_own_token_no_callers_is_sent() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = acting(&as1);
    as1.next(Answer::status(401, r#"{"error":"invalid_client"}"#));
    for user in ["alice", "bob"] {
        let error = obtain(&house, &auth, &jwt(user, 3600)).await.unwrap_err();
        assert_eq!(error.error_kind(), ErrorKind::UpstreamRefused);
    }
    assert_eq!(as1.token_requests(), 1, "the failure stands for a moment");
    house.clock.advance(Duration::from_secs(2));
    obtain(&house, &auth, &jwt("carol", 3600)).await.unwrap();
    assert_eq!(as1.token_requests(), 3);
}

#[tokio::test]
async fn refusals_renew_our_own_token_at_most_once_a_minute() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = acting(&as1);
    let refused = || Answer::status(400, r#"{"error":"invalid_grant"}"#);
    as1.next(Answer::json(token("the-gateway-itself", "3600")));
    for user in 0..5 {
        as1.next(refused());
        let subject = jwt(&format!("mallory-{user}"), 3600);
        obtain(&house, &auth, &subject).await.unwrap_err();
    }
    assert_eq!(with_grant(&as1, "client_credentials").len(), 1);
    house.clock.advance(Duration::from_mins(2));
    as1.next(refused());
    obtain(&house, &auth, &jwt("alice", 3600))
        .await
        .unwrap_err();
    as1.next(Answer::json(token("a-good-one", "3600")));
    obtain(&house, &auth, &jwt("bob", 3600)).await.unwrap();
    let last = with_grant(&as1, "token-exchange").pop().unwrap();
    assert_eq!(last.form["actor_token"], "a-good-one");
}

/// A reload leaves no token behind for an actor that the file does not name any more.
#[tokio::test]
async fn our_own_token_is_got_anew_after_a_reload() {
    let as1 = AuthorizationServer::start().await;
    let house = house();
    let auth = acting(&as1);
    for (count, token_of_ours) in [(1, "the-first"), (2, "the-second")] {
        as1.next(Answer::json(token(token_of_ours, "3600")));
        let subject = jwt(&format!("alice-{count}"), 100_000);
        obtain(&house, &auth, &subject).await.unwrap();
        assert_eq!(with_grant(&as1, "client_credentials").len(), count);
        house.broker.keep_only(&["obo".into()].into());
    }
    let last = with_grant(&as1, "token-exchange").pop().unwrap();
    assert_eq!(last.form["actor_token"], "the-second");
}
