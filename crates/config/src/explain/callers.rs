//! Who may call.

use portcullis_core::{ScopeSet, ServerGrants};

use super::page::{Page, quoted, seconds, shown, url};
use crate::model::{
    AuthorizationServer, ClaimNames, ClientAuth, ClientCertificate, Config, FileKey, GrantedScopes,
    IssuerGrants, KeyMaterial, Login, TokenIssuer, TokenTypeName,
};

pub(super) fn identity(page: &mut Page<'_>, config: &Config) {
    let identity = &config.identity;
    let (keys, issuers) = (&identity.keys, &identity.issuers);
    let nothing = identity.master_key.is_none()
        && keys.is_empty()
        && issuers.is_empty()
        && identity.client_certificates.is_empty()
        && identity.scopes_supported.is_empty()
        && identity.authorization_server == AuthorizationServer::default()
        && identity.login == Login::default();
    if nothing {
        page.value(0, "identity", "{}");
        return;
    }
    page.heading(0, "identity");
    if let Some(key) = &config.identity.master_key {
        page.value(2, "master_key", shown(key));
    }
    if !identity.scopes_supported.is_empty() {
        page.value(2, "scopes_supported", quoted(&identity.scopes_supported));
    }
    if !keys.is_empty() {
        page.heading(2, "keys");
        for (index, key) in keys.iter().enumerate() {
            page.why(4, &format!("identity.keys[{index}]"));
            file_key(page, key);
        }
    }
    if !issuers.is_empty() {
        page.heading(2, "issuers");
        for (index, entry) in issuers.iter().enumerate() {
            page.why(4, &format!("identity.issuers[{index}]"));
            issuer(page, entry);
        }
    }
    if !identity.client_certificates.is_empty() {
        page.heading(2, "client_certificates");
        for (index, entry) in identity.client_certificates.iter().enumerate() {
            page.why(4, &format!("identity.client_certificates[{index}]"));
            client_certificate(page, entry);
        }
    }
    if identity.authorization_server != AuthorizationServer::default() {
        authorization_server(page, &identity.authorization_server);
    }
    if identity.login != Login::default() {
        login(page, &identity.login);
    }
}

fn authorization_server(page: &mut Page<'_>, server: &AuthorizationServer) {
    page.heading(2, "authorization_server");
    page.value(4, "enabled", server.enabled);
    page.value(4, "access_token_ttl", seconds(server.access_token_ttl));
    page.value(4, "refresh_token_ttl", seconds(server.refresh_token_ttl));
    page.value(4, "grant_ttl", seconds(server.grant_ttl));
    page.value(4, "dynamic_registration", server.dynamic_registration);
    page.value(4, "client_id_metadata_documents", server.client_documents);
    page.value(
        4,
        "allow_loopback_client_documents",
        server.loopback_documents,
    );
    page.list(4, "native_redirects", &server.native_redirects);
    if !server.clients.is_empty() {
        page.heading(4, "clients");
    }
    for client in &server.clients {
        page.value(6, "- client_id", quoted(&client.id));
        if let Some(secret) = &client.secret {
            page.value(8, "client_secret", shown(secret));
        }
        page.value(8, "name", quoted(&client.name));
        page.list(8, "redirect_uris", &client.redirect_uris);
        if let Some(scopes) = &client.scopes {
            page.value(8, "scopes", quoted(scopes));
        }
    }
}

fn login(page: &mut Page<'_>, login: &Login) {
    page.heading(2, "login");
    page.value(4, "with_key", login.with_key);
    page.value(4, "session_ttl", seconds(login.session_ttl));
    let Some(provider) = &login.provider else {
        return;
    };
    page.value(4, "issuer", quoted(&provider.issuer));
    page.value(4, "name", quoted(&provider.name));
    page.value(4, "client_id", quoted(&provider.client_id));
    let method = match &provider.client_secret {
        None => "none",
        Some((secret, method)) => {
            page.value(4, "client_secret", shown(secret));
            client_auth(*method)
        }
    };
    page.value(4, "token_endpoint_auth_method", method);
    page.value(4, "scopes", quoted(&provider.scopes));
    page.list(4, "algorithms", &provider.algorithms);
    page.value(4, "leeway", seconds(provider.leeway));
    claims(page, 4, &provider.claims);
    issuer_grants(page, 4, &provider.grants, Some(&provider.granted_scopes));
    page.value(4, "allow_insecure_http", provider.allow_insecure_http);
}

fn claims(page: &mut Page<'_>, indent: usize, claims: &ClaimNames) {
    page.heading(indent, "claims");
    for (name, value) in [
        ("user_id", &claims.user_id),
        ("email", &claims.email),
        ("team", &claims.team),
        ("org", &claims.org),
        ("groups", &claims.groups),
    ] {
        page.optional(indent + 2, name, value.as_ref());
    }
}

fn issuer_grants(
    page: &mut Page<'_>,
    indent: usize,
    written: &IssuerGrants,
    scopes: Option<&GrantedScopes>,
) {
    grants(page, indent, &written.everybody);
    granted_scopes(page, indent, scopes.map(|scopes| &scopes.everybody));
    for (heading, named, scopes) in [
        (
            "groups",
            &written.groups,
            scopes.map(|scopes| &scopes.groups),
        ),
        ("teams", &written.teams, scopes.map(|scopes| &scopes.teams)),
    ] {
        if !named.is_empty() {
            page.heading(indent, heading);
            for (name, granted) in named {
                page.heading(indent + 2, &quoted(name));
                grants(page, indent + 4, granted);
                let scopes = scopes.and_then(|scopes| scopes.get(name));
                granted_scopes(page, indent + 4, scopes);
            }
        }
    }
}

fn granted_scopes(page: &mut Page<'_>, indent: usize, scopes: Option<&ScopeSet>) {
    if let Some(scopes) = scopes.filter(|scopes| !scopes.is_empty()) {
        page.value(indent, "granted_scopes", quoted(scopes));
    }
}

fn client_certificate(page: &mut Page<'_>, rule: &ClientCertificate) {
    page.value(4, "- ca", quoted(rule.ca.display()));
    page.value(6, "san", quoted(&rule.san));
    for (name, value) in [
        ("user_id", &rule.user_id),
        ("email", &rule.email),
        ("team", &rule.team),
        ("org", &rule.org),
    ] {
        page.optional(6, name, value.as_ref());
    }
    if !rule.scopes.is_empty() {
        page.value(6, "scopes", quoted(&rule.scopes));
    }
    grants(page, 6, &rule.grants);
}

fn issuer(page: &mut Page<'_>, issuer: &TokenIssuer) {
    page.value(4, "- issuer", quoted(&issuer.issuer));
    page.list(6, "audience", &issuer.audiences);
    if let Some(introspection) = &issuer.introspection {
        page.heading(6, "introspection");
        page.value(8, "url", quoted(url(&introspection.url)));
        page.value(8, "client_id", quoted(&introspection.client_id));
        page.value(8, "client_secret", shown(&introspection.client_secret));
        let method = client_auth(introspection.client_auth);
        page.value(8, "token_endpoint_auth_method", method);
    } else {
        match &issuer.jwks_uri {
            Some(uri) => page.value(6, "jwks_uri", quoted(url(uri))),
            None => page.comment(6, "jwks_uri: discovered from the issuer"),
        }
        page.list(6, "algorithms", &issuer.algorithms);
        let types = issuer.token_types.iter().map(|name| match name {
            TokenTypeName::Named(name) => name.as_str(),
            TokenTypeName::Absent => "absent",
        });
        page.list(6, "token_types", types);
    }
    page.value(6, "leeway", seconds(issuer.leeway));
    page.value(6, "max_token_lifetime", seconds(issuer.max_token_lifetime));
    claims(page, 6, &issuer.claims);
    issuer_grants(page, 6, &issuer.grants, None);
    page.value(6, "id_jag", issuer.id_jag);
    page.value(6, "allow_insecure_http", issuer.allow_insecure_http);
}

const fn client_auth(method: ClientAuth) -> &'static str {
    match method {
        ClientAuth::Post => "client_secret_post",
        ClientAuth::Basic => "client_secret_basic",
    }
}

fn grants(page: &mut Page<'_>, indent: usize, grants: &ServerGrants) {
    page.value(indent, "all_servers", grants.all);
    page.list(indent, "servers", &grants.servers);
    page.list(indent, "access_groups", &grants.access_groups);
    page.list(indent, "toolsets", &grants.toolsets);
}

fn file_key(page: &mut Page<'_>, key: &FileKey) {
    page.value(4, "- id", quoted(&key.id));
    match &key.key {
        KeyMaterial::Plain(key) => page.value(6, "key", shown(key)),
        KeyMaterial::Sha256(_) => page.value(6, "sha256", "(set)"),
    }
    grants(page, 6, &key.grants);
    if !key.scopes.is_empty() {
        page.value(6, "scopes", quoted(&key.scopes));
    }
    page.value(6, "role", key.role.as_str());
    for (name, value) in [
        ("user_id", &key.user_id),
        ("email", &key.email),
        ("team", &key.team),
        ("org", &key.org),
    ] {
        page.optional(6, name, value.as_ref());
    }
    page.optional(6, "expires_at", key.expires_at.as_ref());
}
