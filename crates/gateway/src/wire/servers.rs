//! `mcp_servers` as the engine's snapshot.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use portcullis_aws::{AccessKeys, Identity, Role, Scope, Source, StsEndpoint, WebIdentity};
use portcullis_config::{
    ActorSource, Auth, AwsIdentity, AwsRole, AwsSource, Compat, Config, Delegation as Delegates,
    EnvValue, ExchangeProfile as Profile, McpServer, Revision, StdioCommand, StdioProcesses,
    Transport,
};
use portcullis_credentials::{
    Actor, ActorToken, Authority, AwsSignature, ClientCredentials, CredentialKind, Document,
    ExchangeProfile, InvalidStaticHeader, ServerAuth, StaticHeader, TokenEndpoint, TokenExchange,
    UpstreamAuth, WithoutBearer,
};
use portcullis_egress::Destination;
use portcullis_engine::metrics::Metrics;
use portcullis_engine::{ApprovalSettings, ServerEntry, ServerInfo, Snapshot};
use portcullis_mcp::PushPolicy;
use portcullis_oauth::TokenRules;
use portcullis_policy::{Delegation, ScopeRules, ServerPolicy};
use portcullis_upstream::{
    Endpoint, Means, ProtocolChoice, StdioEnv, StdioServer, Upstream, UpstreamServer,
};
use url::Url;

use super::forwarding::forwarding;
use super::id_jag::id_jag;
use super::interactive;
use super::mapped_keys;
use super::oauth_client::token_client;
use super::openapi;
use super::signer::Prepared;

/// Longest silence on an upstream's stream.
const STREAM_IDLE: Duration = Duration::from_mins(5);

/// What entries are made with.
pub(super) struct Making<'a> {
    pub(super) means: &'a Means,
    pub(super) metrics: &'a Metrics,
    /// What signs, if the file has a signer.
    pub(super) signer: Option<&'a Prepared>,
}

/// The snapshot of a configuration. Servers whose address and credentials did not change keep
/// their connections, sessions and catalogue.
pub(super) fn snapshot(
    config: &Config,
    before: Option<&Snapshot>,
    generation: u64,
    making: &Making<'_>,
) -> anyhow::Result<Snapshot> {
    let known: HashMap<&str, &Arc<ServerEntry>> = before
        .map(|before| {
            before
                .servers()
                .iter()
                .map(|entry| (entry.id.as_str(), entry))
                .collect()
        })
        .unwrap_or_default();
    let servers = config
        .mcp_servers
        .iter()
        .filter_map(|server| {
            let made = entry(config, server, making);
            let fresh = match made.with_context(|| format!("mcp_servers.{}", server.id)) {
                Ok(fresh) => fresh,
                // What one of them lacks keeps no other away.
                Err(error) if server.defined => {
                    tracing::error!("a server of the admin API is not served: {error:#}");
                    return None;
                }
                Err(error) => return Some(Err(error)),
            };
            Some(Ok(Arc::new(match known.get(server.id.as_str()) {
                Some(before) if same_connections(before, &fresh) => {
                    before.upstream.recheck();
                    fresh.carrying_over(before)
                }
                _ => fresh,
            })))
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Snapshot::new(servers, generation).approving(approvals(config)))
}

fn approvals(config: &Config) -> ApprovalSettings {
    let written = config.policy.approvals;
    ApprovalSettings {
        waiting: written.waiting,
        usable: written.usable,
        own: written.own,
    }
}

fn same_connections(before: &ServerEntry, now: &ServerEntry) -> bool {
    before.upstream.server() == now.upstream.server() && before.auth == now.auth
}

pub(super) fn entry(
    config: &Config,
    server: &McpServer,
    making: &Making<'_>,
) -> anyhow::Result<ServerEntry> {
    let signer = match (making.signer, &config.jwt_signer) {
        _ if !server.signed => None,
        (Some(prepared), Some(signer)) => Some(prepared.signer(signer, server)?),
        // Never unsigned instead.
        _ => anyhow::bail!(
            "server `{}` is to be signed for, and nothing signs",
            server.id
        ),
    };
    let document = interactive::document(config, &server.id);
    let chosen_by = chosen_by(config, server);
    let auth = ServerAuth {
        server: server.id.clone(),
        auth: auth(server, &server.auth, document.as_ref(), chosen_by)?,
        signer,
        forwarding: forwarding(&server.forwarding)?,
        discovery: match &server.discovery_auth {
            // Its tools are what the document says, to everybody: nothing is presented for them.
            None => openapi::is(server).then_some(UpstreamAuth::None),
            Some(discovery) => Some(auth(server, discovery, None, chosen_by)?),
        },
        static_headers: server
            .static_headers
            .iter()
            .map(|header| static_header(&header.name, &header.value.value))
            .collect::<Result<_, _>>()?,
    };
    let kind = match auth.auth {
        UpstreamAuth::None if auth.signer.is_some() => CredentialKind::SignedJwt,
        UpstreamAuth::None => CredentialKind::NoAuth,
        UpstreamAuth::Static(_) => CredentialKind::StaticToken,
        UpstreamAuth::ClientCredentials(_) => CredentialKind::M2mClientCredentials,
        UpstreamAuth::TokenExchange(ref terms) => terms.kind(),
        UpstreamAuth::AuthorizationCode(_) => CredentialKind::AuthorizationCode,
        UpstreamAuth::MappedKey(_) => CredentialKind::MappedKey,
        UpstreamAuth::AwsSigV4(_) => CredentialKind::AwsSigV4,
        UpstreamAuth::Passthrough(_) => CredentialKind::Oauth2Passthrough,
    };
    let upstream = UpstreamServer {
        id: server.id.clone(),
        endpoint: endpoint(config, server)?,
        destination: chosen_by,
        timeout: server.timeout,
        stream_idle: STREAM_IDLE.max(server.timeout),
        stream_total: server.total_timeout,
        protocol: match server.protocol_version {
            Revision::Auto => ProtocolChoice::Auto,
            Revision::Exactly(date) => ProtocolChoice::Pinned(
                date.parse()
                    .map_err(|()| anyhow::anyhow!("revision {date} is not spoken"))?,
            ),
        },
        push: PushPolicy {
            sampling: server.allow_sampling,
            elicitation: server.allow_elicitation,
        },
    };
    let policy = policy(config, server);
    let info = ServerInfo {
        description: server.description.clone(),
        instructions: server.instructions.clone(),
        auth_type: server.auth.auth_type().to_owned(),
        mcp_info: server.mcp_info.as_ref().map(serde_json::Value::to_string),
    };
    let meters = making.metrics.server(&server.id, kind);
    let upstream = Upstream::new(upstream, making.means);
    Ok(ServerEntry::new(
        server.prefix(),
        policy,
        auth,
        Arc::new(upstream),
        info,
        meters,
    )
    .limited_to(server.limits.clone())
    .drifting(server.on_drift.unwrap_or(config.policy.on_drift)))
}

/// How far the addresses are trusted that a server's entry holds. What the API defined is judged where a
/// connection leads, by its names' addresses of that moment.
fn chosen_by(config: &Config, server: &McpServer) -> Destination {
    if server.defined && !config.server.defined.private_addresses {
        Destination::Untrusted {
            allow_loopback: false,
        }
    } else {
        Destination::Operator {
            allow_insecure_http: server.allow_insecure_http,
        }
    }
}

/// What the operator decided about the server.
pub(super) fn policy(config: &Config, server: &McpServer) -> ServerPolicy {
    ServerPolicy {
        id: server.id.clone(),
        access_groups: server.access_groups.clone(),
        allow_all_keys: server.allow_all_keys,
        allow_all_keys_uncapped: server.allow_all_keys && config.compat == Compat::LiteLlm,
        inside_only: server.inside_only,
        delegation: match server.delegation {
            Delegates::None => Delegation::None,
            Delegates::SameSide => Delegation::SameSide,
            Delegates::Everywhere => Delegation::Everywhere,
        },
        allowed_tools: server.allowed_tools.clone(),
        disallowed_tools: server.disallowed_tools.clone(),
        allowed_params: server.allowed_params.clone(),
        argument_schemas: server.argument_schemas.clone(),
        scopes: server.scopes.as_ref().map(|scopes| ScopeRules {
            tools: scopes.tools.clone(),
            others: scopes.others.clone(),
        }),
        keys: mapped_keys::rules(server),
        rules: config.policy.rules.clone(),
        approval: server.approval.clone(),
    }
}

/// A URL as it is requested.
pub(super) fn requestable(url: &Url) -> anyhow::Result<http::Uri> {
    let uri = url.as_str().parse();
    uri.context("the URL is not one that can be requested")
}

fn endpoint(config: &Config, server: &McpServer) -> anyhow::Result<Endpoint> {
    Ok(match &server.transport {
        Transport::Http(url) => Endpoint::Http(requestable(url)?),
        Transport::Sse(url) => Endpoint::Sse(requestable(url)?),
        Transport::OpenApi(api) => {
            Endpoint::OpenApi(Box::new(openapi::endpoint(config, server, api)?))
        }
        Transport::Stdio(command) => Endpoint::Stdio(Arc::new(stdio(command)?)),
    })
}

fn stdio(command: &StdioCommand) -> anyhow::Result<StdioServer> {
    let plain = |(name, value): &(String, String)| (name.clone(), StdioEnv::Plain(value.clone()));
    let mut env: Vec<(String, StdioEnv)> = command.inherited.iter().map(plain).collect();
    for variable in &command.env {
        let value = match &variable.value {
            EnvValue::Fixed(value) if variable.secret => StdioEnv::Secret(value.value.clone()),
            EnvValue::Fixed(value) => StdioEnv::Setting(value.value.clone()),
            EnvValue::Header(name) => StdioEnv::Header(name.parse().context("env")?),
        };
        env.push((variable.name.clone(), value));
    }
    Ok(StdioServer {
        program: command.command.clone(),
        args: command.args.clone(),
        env,
        cwd: command.cwd.clone(),
        shared: command.processes == StdioProcesses::Shared,
    })
}

/// The address of a server whose credential is about it.
pub(super) fn address(server: &McpServer) -> anyhow::Result<Url> {
    let url = server.url().cloned();
    url.with_context(|| format!("`{}` has no address to be known by", server.id))
}

fn auth(
    server: &McpServer,
    auth: &Auth,
    document: Option<&Document>,
    chosen_by: Destination,
) -> anyhow::Result<UpstreamAuth> {
    Ok(match auth {
        Auth::TruePassthrough => UpstreamAuth::Passthrough(WithoutBearer::Challenged),
        Auth::Delegated => UpstreamAuth::Passthrough(WithoutBearer::Asked),
        Auth::None => UpstreamAuth::None,
        Auth::ApiKey(value) => UpstreamAuth::api_key(&value.value)?,
        Auth::BearerToken(value) => UpstreamAuth::bearer_token(&value.value)?,
        Auth::Basic(value) => UpstreamAuth::basic(&value.value)?,
        Auth::Authorization(value) => UpstreamAuth::authorization(&value.value)?,
        Auth::Token(value) => UpstreamAuth::token(&value.value)?,
        Auth::Header(header) => {
            UpstreamAuth::Static(static_header(&header.name, &header.value.value)?)
        }
        Auth::ClientCredentials(grant) => {
            UpstreamAuth::ClientCredentials(Box::new(ClientCredentials {
                token_endpoint: match &grant.token_url {
                    Some(url) => TokenEndpoint::Configured(url.clone()),
                    None => TokenEndpoint::Discover {
                        server_url: address(server)?,
                        issuer: grant.issuer.clone(),
                    },
                },
                client: token_client(&grant.client)?,
                scopes: grant.scopes.clone(),
                audience: grant.audience.clone(),
                resource: grant.resource.clone(),
                rules: TokenRules::new(grant.token_validation.clone()),
                chosen_by,
            }))
        }
        Auth::AuthorizationCode(terms) => UpstreamAuth::AuthorizationCode(Arc::new(
            interactive::authorization_code(terms, server, document, chosen_by)?,
        )),
        Auth::TokenExchange(exchange) => UpstreamAuth::TokenExchange(Arc::new(TokenExchange {
            authority: Authority::Endpoint {
                url: exchange.endpoint.clone(),
                issuer: None,
            },
            client: token_client(&exchange.client)?,
            profile: exchange_profile(exchange, chosen_by)?,
            scopes: exchange.scopes.clone(),
            rules: TokenRules::new(exchange.token_validation.clone()),
            chosen_by,
        })),
        Auth::IdJag(terms) => UpstreamAuth::TokenExchange(Arc::new(id_jag(terms, chosen_by)?)),
        Auth::MappedKeys(written) => mapped_keys::auth(written)?,
        Auth::AwsSigV4(signature) => UpstreamAuth::AwsSigV4(Box::new(AwsSignature {
            identity: aws_identity(&signature.identity, chosen_by),
            scope: Scope {
                region: signature.identity.region.clone(),
                service: signature.service.clone(),
            },
        })),
    })
}

/// Fixed once here: nothing is looked for at a call.
pub(super) fn aws_identity(written: &AwsIdentity, chosen_by: Destination) -> Identity {
    let role = |role: &AwsRole| Role {
        arn: role.arn.clone(),
        session_name: role.session_name.clone(),
        external_id: role.external_id.clone(),
    };
    Identity {
        source: match &written.source {
            AwsSource::Keys {
                id,
                secret,
                session_token,
            } => {
                let token = session_token.as_ref().map(|token| token.value.clone());
                Source::Keys(AccessKeys::new(id, &secret.value, token))
            }
            AwsSource::WebIdentity { token_file, role } => Source::WebIdentity(WebIdentity {
                token_file: token_file.clone(),
                role_arn: role.arn.clone(),
                session_name: role.session_name.clone(),
            }),
        },
        role: written.role.as_ref().map(role),
        sts: StsEndpoint {
            url: written.sts_endpoint.clone(),
            region: written.region.clone(),
            chosen_by,
        },
    }
}

fn exchange_profile(
    exchange: &portcullis_config::TokenExchange,
    chosen_by: Destination,
) -> anyhow::Result<ExchangeProfile> {
    Ok(match &exchange.profile {
        Profile::EntraObo => ExchangeProfile::EntraObo,
        Profile::Rfc8693(terms) => ExchangeProfile::Rfc8693 {
            subject_type: terms.subject_token_type.clone(),
            requested_type: terms.requested_token_type.clone(),
            actor: terms
                .actor
                .as_ref()
                .map(|(source, kind)| {
                    anyhow::Ok(Box::new(Actor {
                        token: actor_token(source, exchange, chosen_by)?,
                        kind: kind.clone(),
                    }))
                })
                .transpose()?,
            audience: terms.audience.clone(),
            resource: terms.resource.clone(),
            within_subject: terms.scopes_within_subject,
        },
    })
}

fn actor_token(
    source: &ActorSource,
    exchange: &portcullis_config::TokenExchange,
    chosen_by: Destination,
) -> anyhow::Result<ActorToken> {
    Ok(match source {
        ActorSource::Secret(token) => ActorToken::Fixed(token.value.clone()),
        ActorSource::ClientCredentials(scopes) => {
            ActorToken::OfClient(Box::new(ClientCredentials {
                token_endpoint: TokenEndpoint::Configured(exchange.endpoint.clone()),
                client: token_client(&exchange.client)?,
                scopes: scopes.clone(),
                audience: None,
                resource: None,
                rules: TokenRules::default(),
                chosen_by,
            }))
        }
    })
}

fn static_header(
    name: &str,
    value: &portcullis_core::SecretValue,
) -> Result<StaticHeader, InvalidStaticHeader> {
    StaticHeader::new(name, value)
}
