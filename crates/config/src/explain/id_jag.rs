//! Enterprise-managed authorization, as it was understood.

use super::page::{Page, quoted, shown, uri, url};
use super::upstream_auth::{oauth_client, token_validation};
use crate::model::{ClientProof, IdJag, OAuthClient, SubjectSource};

pub(super) fn id_jag(page: &mut Page<'_>, terms: &IdJag) {
    match &terms.endpoint {
        Some(endpoint) => page.value(4, "token_exchange_endpoint", quoted(url(endpoint))),
        None => page.comment(4, "token_exchange_endpoint: discovered from `issuer`"),
    }
    page.optional(4, "issuer", terms.issuer.as_deref().map(uri).as_ref());
    oauth_client(page, &terms.client);
    let source = match terms.subject_source {
        SubjectSource::Bearer => "bearer",
        SubjectSource::LoginAssertion => "login_assertion",
    };
    page.value(4, "id_jag_subject_source", source);
    page.value(4, "subject_token_type", quoted(&terms.subject_token_type));
    page.value(4, "audience", quoted(uri(&terms.audience)));
    page.optional(
        4,
        "id_jag_resource",
        terms.resource.as_deref().map(uri).as_ref(),
    );
    if !terms.scopes.is_empty() {
        page.value(4, "scopes", quoted(&terms.scopes));
    }
    match &terms.resource_endpoint {
        Some(endpoint) => page.value(4, "id_jag_resource_token_endpoint", quoted(url(endpoint))),
        None => page.comment(
            4,
            "id_jag_resource_token_endpoint: discovered from `audience`",
        ),
    }
    resource_client(page, &terms.resource_client);
    token_validation(page, &terms.token_validation);
}

fn resource_client(page: &mut Page<'_>, client: &OAuthClient) {
    page.value(4, "id_jag_resource_client_id", quoted(&client.client_id));
    let method = match &client.proof {
        ClientProof::Post(secret) => {
            page.value(4, "id_jag_resource_client_secret", shown(secret));
            "client_secret_post"
        }
        ClientProof::Basic(secret) => {
            page.value(4, "id_jag_resource_client_secret", shown(secret));
            "client_secret_basic"
        }
        ClientProof::PrivateKeyJwt(key) => {
            page.value(4, "client_private_key", shown(&key.private_key));
            "private_key_jwt"
        }
    };
    page.value(4, "id_jag_resource_auth_method", method);
}
