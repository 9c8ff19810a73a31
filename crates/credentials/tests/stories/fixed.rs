//! Values from the file.

use http::HeaderMap;
use portcullis_core::{SecretValue, ServerId};
use portcullis_credentials::{
    CredentialBroker, CredentialErrorKind, CredentialKind, ServerAuth, StaticHeader, UpstreamAuth,
};
use portcullis_policy::authorize_service;

use crate::house;

fn secret(text: &str) -> SecretValue {
    SecretValue::new(text)
}

fn fixed(auth: UpstreamAuth) -> ServerAuth {
    ServerAuth {
        static_headers: vec![
            StaticHeader::new("x-tenant", &secret("a")).unwrap(),
            StaticHeader::new("x-api-key", &secret("written-by-hand")).unwrap(),
        ],
        ..ServerAuth::new(ServerId::from("fixed"), auth)
    }
}

#[tokio::test]
async fn a_server_without_auth_gets_its_static_headers_and_nothing_else() {
    let credential = house().obtain(&fixed(UpstreamAuth::None)).await.unwrap();
    assert_eq!(credential.kind(), CredentialKind::NoAuth);
    let headers = crate::headers(&credential);
    assert_eq!(headers.len(), 2);
    assert!(headers["x-tenant"].is_sensitive());
}

#[tokio::test]
async fn a_static_header_of_the_same_name_wins_and_is_sent_once() {
    let auth = fixed(UpstreamAuth::api_key(&secret("generated")).unwrap());
    let credential = house().obtain(&auth).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("x-api-key", "from the caller".parse().unwrap());
    crate::put_on(&credential, &mut headers);
    let values: Vec<_> = headers.get_all("x-api-key").iter().collect();
    assert_eq!(values, ["written-by-hand"]);
}

#[tokio::test]
async fn a_rejected_fixed_value_has_no_successor() {
    let house = house();
    let auth = fixed(UpstreamAuth::bearer_token(&secret("canary")).unwrap());
    let credential = house.obtain(&auth).await.unwrap();
    assert!(!house.rejected(&auth, &credential).await);
    assert!(!format!("{credential:?} {auth:?}").contains("canary"));
}

#[tokio::test]
async fn a_permit_for_one_server_opens_no_credential_of_another() {
    let auth = fixed(UpstreamAuth::bearer_token(&secret("canary")).unwrap());
    let permit = authorize_service(&ServerId::from("elsewhere"));
    let error = house()
        .broker
        .obtain(
            permit.evidence(),
            &auth,
            portcullis_credentials::Errand::Session,
        )
        .await
        .unwrap_err();
    assert_eq!(error.kind, CredentialErrorKind::OtherServer);
}
