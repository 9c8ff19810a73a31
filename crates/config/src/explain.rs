//! The resolved configuration as an operator reads it: every value that is in force, why an
//! inferred one is what it is, and no secret.

mod forwarding;
mod id_jag;
mod signer;

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::path::Path;
use std::time::Duration;

use portcullis_core::{Role, ServerGrants};

use crate::diagnostic::Notice;
use crate::model::{
    ActorSource, AssertionAudience, Auth, AwsIdentity, AwsSource, ClientAuth, ClientCertificate,
    ClientProof, Compat, Config, DebugHeaders, ExchangeProfile, FileKey, KeyMaterial, Listen,
    LogFormat, McpServer, OAuthClient, Revision, Secrets, Sourced, StaticHeader, TokenExchange,
    TokenIssuer, TokenTypeName, VaultAuth, VaultStore,
};
use crate::references::Origin;

/// Renders the configuration; secrets appear as `(set)` or by where they were found.
pub fn explain(config: &Config, notices: &[Notice]) -> String {
    let mut page = Page {
        text: String::new(),
        notices,
    };
    if config.compat == Compat::LiteLlm {
        page.value(0, "compat", "litellm");
    }
    server(&mut page, config);
    addresses(&mut page, config);
    identity(&mut page, config);
    if !config.mcp_servers.is_empty() {
        page.heading(0, "mcp_servers");
        for server in &config.mcp_servers {
            mcp_server(&mut page, server);
        }
    }
    secrets(&mut page, &config.secrets);
    if let Some(signer) = &config.jwt_signer {
        signer::guardrails(&mut page, signer);
    }
    page.heading(0, "store");
    page.value(2, "path", quoted(config.store.path.display()));
    page.heading(0, "audit");
    page.value(2, "required", config.audit.required);
    page.path(2, "jsonl_path", config.audit.jsonl_path.as_deref());
    page.value(2, "log_requests", config.audit.log_requests);
    page.heading(0, "telemetry");
    let format = match config.telemetry.log_format {
        LogFormat::Auto => "auto",
        LogFormat::Pretty => "pretty",
        LogFormat::Json => "json",
    };
    page.value(2, "log_format", format);
    page.value(2, "log_level", config.telemetry.log_level.as_str());
    page.value(2, "metrics", config.telemetry.metrics);
    page.remarks("insecure choices", &config.insecure_choices);
    page.text
}

/// Where values are asked for, when a store is named.
fn secrets(page: &mut Page<'_>, secrets: &Secrets) {
    if secrets.vault.is_none() && secrets.aws.is_none() {
        return;
    }
    page.heading(0, "secrets");
    page.value(2, "refresh", seconds(secrets.refresh));
    page.value(2, "max_stale", seconds(secrets.max_stale));
    if let Some(vault) = &secrets.vault {
        vault_store(page, vault);
    }
    if let Some(aws) = &secrets.aws {
        page.heading(2, "aws");
        aws_identity(page, 4, &aws.identity);
        page.value(4, "aws_endpoint", quoted(url(&aws.endpoint)));
        page.value(4, "allow_insecure_http", aws.identity.allow_insecure_http);
    }
}

fn vault_store(page: &mut Page<'_>, vault: &VaultStore) {
    page.heading(2, "vault");
    page.value(4, "address", quoted(url(&vault.address)));
    page.optional(4, "namespace", vault.namespace.as_ref());
    page.value(4, "mount", quoted(&vault.mount));
    match &vault.auth {
        VaultAuth::Token(token) => {
            page.value(4, "auth", "token");
            page.value(4, "token", shown(token));
        }
        VaultAuth::AppRole {
            mount,
            role_id,
            secret_id,
        } => {
            page.value(4, "auth", "approle");
            page.value(4, "auth_mount", quoted(mount));
            page.value(4, "role_id", quoted(role_id));
            page.value(4, "secret_id", shown(secret_id));
        }
        VaultAuth::Kubernetes {
            mount,
            role,
            token_file,
        } => {
            page.value(4, "auth", "kubernetes");
            page.value(4, "auth_mount", quoted(mount));
            page.value(4, "role", quoted(role));
            page.path(4, "token_file", Some(token_file));
        }
    }
    page.value(4, "allow_insecure_http", vault.allow_insecure_http);
}

fn server(page: &mut Page<'_>, config: &Config) {
    let server = &config.server;
    page.heading(0, "server");
    page.value(2, "host", quoted(&server.listen.host));
    page.value(2, "port", server.listen.port);
    if let Some(url) = &server.public_url {
        page.value(2, "public_url", url.origin().ascii_serialization());
    }
    if let Some(Listen { host, port }) = &server.admin_listen {
        page.value(2, "admin_listen", quoted(format!("{host}:{port}")));
    }
    if let Some(tls) = &server.tls {
        page.heading(2, "tls");
        page.path(4, "cert", Some(&tls.cert));
        page.path(4, "key", Some(&tls.key));
        if let Some(client_ca) = &tls.client_ca {
            let files = client_ca.files.iter().map(|file| file.display());
            page.list(4, "client_ca", files);
            let required = if client_ca.required {
                "required"
            } else {
                "optional"
            };
            page.value(4, "client_certificate", required);
        }
    }
    page.list(2, "allowed_hosts", &server.allowed_hosts);
    page.list(2, "allowed_origins", &server.allowed_origins);
    page.path(2, "ca_file", server.ca_file.as_deref());
    let debug_headers = match server.debug_headers {
        DebugHeaders::Off => "off",
        DebugHeaders::Admin => "admin",
        DebugHeaders::Authenticated => "authenticated",
    };
    page.value(2, "debug_headers", debug_headers);
    page.value(2, "max_body", server.max_body);
    page.value(2, "max_connections", server.max_connections);
    if let Some(most) = server.max_connections_per_address {
        page.value(2, "max_connections_per_address", most);
    }
    page.value(2, "header_timeout", seconds(server.header_timeout));
    page.value(2, "body_timeout", seconds(server.body_timeout));
    page.value(2, "grace_seconds", seconds(server.grace));
    page.value(2, "drain_seconds", seconds(server.drain));
}

/// What of LiteLLM's general settings is about addresses.
fn addresses(page: &mut Page<'_>, config: &Config) {
    page.heading(0, "general_settings");
    if let Some(forwarded) = &config.server.forwarded {
        page.value(2, "use_x_forwarded_for", true);
        page.list(2, "mcp_trusted_proxy_ranges", &forwarded.proxies);
        if let Some(hops) = forwarded.hops {
            page.value(2, "mcp_xff_num_trusted_hops", hops);
        }
    }
    page.restriction(2, "mcp_internal_ip_ranges", &config.server.inside);
}

fn identity(page: &mut Page<'_>, config: &Config) {
    let identity = &config.identity;
    let (keys, issuers) = (&identity.keys, &identity.issuers);
    let nothing = identity.master_key.is_none()
        && keys.is_empty()
        && issuers.is_empty()
        && identity.client_certificates.is_empty()
        && identity.scopes_supported.is_empty();
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
    let claims = &issuer.claims;
    page.heading(6, "claims");
    for (name, value) in [
        ("user_id", &claims.user_id),
        ("email", &claims.email),
        ("team", &claims.team),
        ("org", &claims.org),
        ("groups", &claims.groups),
    ] {
        page.optional(8, name, value.as_ref());
    }
    grants(page, 6, &issuer.grants.everybody);
    for (heading, named) in [
        ("groups", &issuer.grants.groups),
        ("teams", &issuer.grants.teams),
    ] {
        if !named.is_empty() {
            page.heading(6, heading);
            for (name, granted) in named {
                page.heading(8, &quoted(name));
                grants(page, 10, granted);
            }
        }
    }
    page.value(6, "allow_insecure_http", issuer.allow_insecure_http);
}

fn grants(page: &mut Page<'_>, indent: usize, grants: &ServerGrants) {
    page.value(indent, "all_servers", grants.all);
    page.list(indent, "servers", &grants.servers);
    page.list(indent, "access_groups", &grants.access_groups);
}

const fn client_auth(method: ClientAuth) -> &'static str {
    match method {
        ClientAuth::Post => "client_secret_post",
        ClientAuth::Basic => "client_secret_basic",
    }
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
    let role = match key.role {
        Role::User => "user",
        Role::Viewer => "viewer",
        Role::Admin => "admin",
    };
    page.value(6, "role", role);
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

fn mcp_server(page: &mut Page<'_>, server: &McpServer) {
    let paths = [
        format!("mcp_servers.{}", server.id),
        format!("servers.{}", server.id),
    ];
    for path in &paths {
        page.why(2, path);
    }
    page.heading(2, server.id.as_str());
    page.value(4, "url", quoted(url(&server.url)));
    page.optional(4, "alias", server.alias.as_ref());
    page.optional(4, "description", server.description.as_ref());
    page.optional(4, "instructions", server.instructions.as_ref());
    let revision = match server.protocol_version {
        Revision::Auto => "auto",
        Revision::Exactly(date) => date,
    };
    page.value(4, "protocol_version", revision);
    for path in &paths {
        page.why(4, &format!("{path}.auth_type"));
    }
    page.value(4, "auth_type", server.auth.auth_type());
    auth(page, &server.auth);
    if server.signed {
        page.value(4, "jwt_signer", true);
    }
    if !server.static_headers.is_empty() {
        page.heading(4, "static_headers");
        for StaticHeader { name, value } in &server.static_headers {
            page.value(6, name, shown(value));
        }
    }
    forwarding::forwarding(page, server);
    page.list(4, "access_groups", &server.access_groups);
    page.value(4, "allow_all_keys", server.allow_all_keys);
    if server.inside_only {
        page.value(4, "available_on_public_internet", false);
    }
    if let Some(tools) = &server.allowed_tools {
        page.restriction(4, "allowed_tools", tools);
    }
    page.list(4, "disallowed_tools", &server.disallowed_tools);
    if !server.allowed_params.is_empty() {
        page.heading(4, "allowed_params");
        for (tool, params) in &server.allowed_params {
            page.restriction(6, tool, params);
        }
    }
    if let Some(scopes) = &server.scopes {
        page.heading(4, "tool_scopes");
        for (tool, needed) in &scopes.tools {
            page.restriction(6, tool, needed.iter());
        }
        if let Some(needed) = &scopes.others {
            page.restriction(6, &format!("{}/*", server.id), needed.iter());
        }
    }
    page.value(4, "allow_sampling", server.allow_sampling);
    page.value(4, "allow_elicitation", server.allow_elicitation);
    page.value(4, "timeout", seconds(server.timeout));
    page.value(4, "allow_insecure_http", server.allow_insecure_http);
}

fn auth(page: &mut Page<'_>, auth: &Auth) {
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
        }
    }
    oauth_client(page, &exchange.client);
    if !exchange.scopes.is_empty() {
        page.value(4, "scopes", quoted(&exchange.scopes));
    }
    token_validation(page, &exchange.token_validation);
}

fn aws_identity(page: &mut Page<'_>, indent: usize, identity: &AwsIdentity) {
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

fn oauth_client(page: &mut Page<'_>, client: &OAuthClient) {
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

fn token_validation(page: &mut Page<'_>, rules: &BTreeMap<String, String>) {
    if rules.is_empty() {
        return;
    }
    page.heading(4, "token_validation");
    for (path, expected) in rules {
        page.value(6, path, quoted(expected));
    }
}

/// Where a secret was found instead of what it is.
fn shown<T>(secret: &Sourced<T>) -> String {
    match &secret.origin {
        Origin::Literal => "(set)".to_owned(),
        Origin::Variable(name) => format!("(from env {name})"),
        Origin::File(path) => format!("(from file {})", path.display()),
        Origin::Stored(reference) => format!("(from {reference})"),
    }
}

/// A query may hold a key.
fn url(url: &url::Url) -> String {
    let mut shown = url.clone();
    if shown.query().is_some() {
        shown.set_query(Some("..."));
    }
    shown.to_string()
}

/// Character by character as it is sent, unless something must be hidden.
fn uri(text: &str) -> String {
    match url::Url::parse(text) {
        Ok(parsed) if parsed.query().is_some() => url(&parsed),
        _ => text.to_owned(),
    }
}

fn quoted(value: impl Display) -> String {
    serde_json::Value::String(value.to_string()).to_string()
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs_f64())
}

struct Page<'n> {
    text: String,
    notices: &'n [Notice],
}

impl Page<'_> {
    fn line(&mut self, indent: usize, line: impl Display) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{:indent$}{line}", "");
    }

    fn heading(&mut self, indent: usize, name: &str) {
        self.line(indent, format!("{name}:"));
    }

    fn value(&mut self, indent: usize, name: &str, value: impl Display) {
        self.line(indent, format!("{name}: {value}"));
    }

    fn optional(&mut self, indent: usize, name: &str, value: Option<&impl Display>) {
        if let Some(value) = value {
            self.value(indent, name, quoted(value));
        }
    }

    fn path(&mut self, indent: usize, name: &str, value: Option<&Path>) {
        if let Some(value) = value {
            self.value(indent, name, quoted(value.display()));
        }
    }

    fn list<T: Display>(&mut self, indent: usize, name: &str, values: impl IntoIterator<Item = T>) {
        let mut values = values.into_iter().peekable();
        if values.peek().is_some() {
            self.restriction(indent, name, values);
        }
    }

    /// A list that says something also when it is empty: nothing is allowed.
    fn restriction<T: Display>(
        &mut self,
        indent: usize,
        name: &str,
        values: impl IntoIterator<Item = T>,
    ) {
        let values: Vec<String> = values.into_iter().map(quoted).collect();
        self.value(indent, name, format!("[{}]", values.join(", ")));
    }

    fn comment(&mut self, indent: usize, text: &str) {
        self.line(indent, format!("# {text}"));
    }

    /// What was noticed about exactly this key.
    fn why(&mut self, indent: usize, path: &str) {
        let texts: Vec<String> = self
            .notices
            .iter()
            .filter(|notice| notice.path == path)
            .map(|notice| notice.text.clone())
            .collect();
        for text in texts {
            self.comment(indent, &text);
        }
    }

    fn remarks(&mut self, title: &str, lines: &[String]) {
        if !lines.is_empty() {
            self.comment(0, &format!("{title}:"));
            for line in lines {
                self.comment(0, &format!("- {line}"));
            }
        }
    }
}
