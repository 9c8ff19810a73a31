//! What a server is shown.

use std::collections::BTreeMap;

use super::id_jag;
use super::page::{Page, quoted, shown, uri, url};
use crate::model::{
    ActorSource, AssertionAudience, Auth, AuthorizationCode, AwsIdentity, AwsSource, ClientProof,
    ExchangeProfile, InteractiveClient, OAuthClient, Resource, TokenExchange,
};

pub(super) fn auth(page: &mut Page<'_>, auth: &Auth) {
    match auth {
        Auth::None | Auth::TruePassthrough | Auth::Delegated => {}
        Auth::ApiKey(value)
        | Auth::BearerToken(value)
        | Auth::Basic(value)
        | Auth::Authorization(value)
        | Auth::Token(value) => page.value(4, "auth_value", shown(value)),
        Auth::Header(header) => {
            page.value(4, "auth_header", quoted(&header.name));
            page.value(4, "auth_value", shown(&header.value));
        }
        Auth::ClientCredentials(oauth2) => {
            page.value(4, "oauth2_flow", "client_credentials");
            match &oauth2.token_url {
                Some(token_url) => page.value(4, "token_url", quoted(url(token_url))),
                None => page.comment(4, "token_url: discovered from the server at first use"),
            }
            page.optional(4, "issuer", oauth2.issuer.as_ref().map(url).as_ref());
            oauth_client(page, &oauth2.client);
            if !oauth2.scopes.is_empty() {
                page.value(4, "scopes", quoted(&oauth2.scopes));
            }
            page.optional(4, "audience", oauth2.audience.as_ref());
            page.optional(4, "resource", oauth2.resource.as_deref().map(uri).as_ref());
            token_validation(page, &oauth2.token_validation);
        }
        Auth::AuthorizationCode(terms) => authorization_code(page, terms),
        Auth::TokenExchange(exchange) => token_exchange(page, exchange),
        Auth::IdJag(terms) => id_jag::id_jag(page, terms),
        Auth::AwsSigV4(signature) => {
            page.value(4, "aws_service_name", quoted(&signature.service));
            aws_identity(page, 4, &signature.identity);
        }
        Auth::MappedKeys(keys) => {
            for key in &keys.keys {
                page.comment(
                    4,
                    &format!("a key is set apart for {}", quoted(&key.holder)),
                );
            }
        }
    }
}

fn authorization_code(page: &mut Page<'_>, terms: &AuthorizationCode) {
    page.value(4, "oauth2_flow", "authorization_code");
    page.comment(4, "each caller connects an account of their own");
    for (key, written) in [
        ("issuer", &terms.issuer),
        ("authorization_url", &terms.authorization_url),
        ("token_url", &terms.token_url),
        ("registration_url", &terms.registration_url),
    ] {
        page.optional(4, key, written.as_ref().map(url).as_ref());
    }
    if terms.authorization_url.is_none() || terms.token_url.is_none() {
        page.comment(
            4,
            "the authorization server is discovered from the server when somebody connects",
        );
    }
    match &terms.client {
        Some(InteractiveClient {
            client_id,
            proof: Some(proof),
            method_is_written,
        }) => {
            let client = OAuthClient {
                client_id: client_id.clone(),
                proof: proof.clone(),
            };
            oauth_client(page, &client);
            if !method_is_written {
                page.comment(
                    4,
                    "token_endpoint_auth_method: what the authorization server's metadata asks for, if it says so",
                );
            }
        }
        Some(client) => {
            page.value(4, "client_id", quoted(&client.client_id));
            page.value(4, "token_endpoint_auth_method", "none");
        }
        None => page.comment(
            4,
            "client_id: our client document where it is taken, else one is registered there",
        ),
    }
    if terms.scopes.is_empty() {
        page.comment(4, "scopes: those that the server asks for");
    } else {
        page.value(4, "scopes", quoted(&terms.scopes));
    }
    page.optional(4, "audience", terms.audience.as_ref());
    match &terms.resource {
        Resource::Own => page.value(4, "resource", "auto"),
        Resource::Exactly(resource) => page.value(4, "resource", quoted(uri(resource))),
        Resource::Unsaid => page.value(4, "resource", "none"),
    }
    token_validation(page, &terms.token_validation);
    if let Some(ttl) = terms.storage_ttl {
        page.value(4, "token_storage_ttl_seconds", ttl.as_secs());
    }
}

fn token_exchange(page: &mut Page<'_>, exchange: &TokenExchange) {
    page.value(
        4,
        "token_exchange_endpoint",
        quoted(url(&exchange.endpoint)),
    );
    match &exchange.profile {
        ExchangeProfile::EntraObo => page.value(4, "token_exchange_profile", "entra_obo"),
        ExchangeProfile::Rfc8693(terms) => {
            page.value(4, "token_exchange_profile", "rfc8693");
            page.value(4, "subject_token_type", quoted(&terms.subject_token_type));
            page.optional(
                4,
                "requested_token_type",
                terms.requested_token_type.as_ref(),
            );
            if let Some((source, kind)) = &terms.actor {
                match source {
                    ActorSource::Secret(token) => page.value(4, "actor_token", shown(token)),
                    ActorSource::ClientCredentials(scopes) => {
                        page.value(4, "actor_token_source", "client_credentials");
                        if !scopes.is_empty() {
                            page.value(4, "actor_scopes", quoted(scopes));
                        }
                    }
                }
                page.value(4, "actor_token_type", quoted(kind));
            }
            page.optional(4, "audience", terms.audience.as_ref());
            page.optional(4, "resource", terms.resource.as_deref().map(uri).as_ref());
            if terms.scopes_within_subject {
                page.value(4, "scopes_within_subject", true);
            }
        }
    }
    oauth_client(page, &exchange.client);
    if !exchange.scopes.is_empty() {
        page.value(4, "scopes", quoted(&exchange.scopes));
    }
    token_validation(page, &exchange.token_validation);
}

pub(super) fn oauth_client(page: &mut Page<'_>, client: &OAuthClient) {
    page.value(4, "client_id", quoted(&client.client_id));
    let method = match &client.proof {
        ClientProof::Post(secret) => {
            page.value(4, "client_secret", shown(secret));
            "client_secret_post"
        }
        ClientProof::Basic(secret) => {
            page.value(4, "client_secret", shown(secret));
            "client_secret_basic"
        }
        ClientProof::PrivateKeyJwt(key) => {
            page.value(4, "client_private_key", shown(&key.private_key));
            page.optional(4, "client_private_key_id", key.key_id.as_ref());
            page.optional(
                4,
                "client_assertion_signing_alg",
                key.algorithm.map(str::to_owned).as_ref(),
            );
            match &key.audience {
                AssertionAudience::Server => {
                    page.comment(
                        4,
                        "client_assertion_audience: the discovered issuer, else the token endpoint",
                    );
                }
                AssertionAudience::TokenEndpoint => {
                    page.value(4, "client_assertion_audience", "token_endpoint");
                }
                AssertionAudience::Exactly(text) => {
                    page.value(4, "client_assertion_audience", quoted(text));
                }
            }
            "private_key_jwt"
        }
    };
    page.value(4, "token_endpoint_auth_method", method);
}

pub(super) fn token_validation(page: &mut Page<'_>, rules: &BTreeMap<String, String>) {
    if rules.is_empty() {
        return;
    }
    page.heading(4, "token_validation");
    for (path, expected) in rules {
        page.value(6, path, quoted(expected));
    }
}

pub(super) fn aws_identity(page: &mut Page<'_>, indent: usize, identity: &AwsIdentity) {
    page.value(indent, "aws_region_name", quoted(&identity.region));
    let role = match &identity.source {
        AwsSource::Keys {
            id,
            secret,
            session_token,
        } => {
            page.value(indent, "aws_access_key_id", quoted(id));
            page.value(indent, "aws_secret_access_key", shown(secret));
            if let Some(token) = session_token {
                page.value(indent, "aws_session_token", shown(token));
            }
            identity.role.as_ref()
        }
        AwsSource::WebIdentity { token_file, role } => {
            page.path(indent, "aws_web_identity_token_file", Some(token_file));
            if let Some(next) = &identity.role {
                page.comment(indent, &format!("assumes {} first", role.arn));
                Some(next)
            } else {
                Some(role)
            }
        }
    };
    if let Some(role) = role {
        page.value(indent, "aws_role_name", quoted(&role.arn));
        page.value(indent, "aws_session_name", quoted(&role.session_name));
        page.optional(indent, "aws_external_id", role.external_id.as_ref());
    }
    page.value(
        indent,
        "aws_sts_endpoint",
        quoted(url(&identity.sts_endpoint)),
    );
}
