//! The command line of `proxy` as the configuration of a gateway with one server: written down and
//! read as a file is, so that every rule for files holds here too, and what is wrong is told by the
//! option that said it.

use portcullis_config::{
    Auth, CommandLine, Config, ConfigErrors, KEY_MAP_VARIABLE, KeyStyle, Loaded, MappedKey,
    MappedKeys, Sources, Stored,
};
use portcullis_core::{ScopeSet, SecretValue};
use portcullis_credentials::StaticHeader;
use serde_json::{Map, Value, json};

use super::ProxyOptions;
use crate::cli::exit::CommandError;

/// The one server's name in the trail and in metrics.
pub(super) const SERVER: &str = "upstream";

/// Shorter keys are not looked for in what the upstream says.
const RECOGNISED: usize = 8;

/// How members of the configuration are called on the command line, longest first.
const OPTIONS: [(&str, &str); 17] = [
    ("mcp_servers.upstream.tool_scopes", "--tool-scope"),
    ("mcp_servers.upstream.url", "--upstream"),
    ("mcp_servers.upstream", "--upstream"),
    ("identity.issuers[0].audience", "--audience"),
    ("identity.issuers[0].jwks_uri", "--jwks-uri"),
    ("identity.issuers[0].algorithms", "--algorithm"),
    ("identity.issuers[0].token_types", "--token-type"),
    ("identity.issuers[0]", "--issuer"),
    ("server.public_url", "--public-url"),
    ("server.tls.cert", "--tls-cert"),
    ("server.tls.key", "--tls-key"),
    ("server.tls", "--tls-cert"),
    ("server.ca_file", "--ca-file"),
    ("server.host", "--host"),
    ("server.port", "--port"),
    ("store.path", "--store"),
    ("audit.jsonl_path", "--audit-file"),
];

/// The configuration that these options and this map mean.
pub(super) fn lower(options: &ProxyOptions, keys: &[MappedKey]) -> Result<Loaded, CommandError> {
    let tool_scopes = tool_scopes(&options.tool_scopes)?;
    if tool_scopes.is_empty() {
        scopes_bind(keys)?;
    }
    if let Some(name) = &options.key_header {
        StaticHeader::new(name, &SecretValue::new("any"))
            .map_err(|error| CommandError::Usage(format!("--key-header {name:?}: {error}")))?;
    }
    for key in keys
        .iter()
        .filter(|key| key.key.expose().len() < RECOGNISED)
    {
        tracing::warn!(
            "{KEY_MAP_VARIABLE}: the key of `{}` is shorter than {RECOGNISED} characters, so an upstream that repeats it shows it to the caller",
            key.holder
        );
    }
    let written = written(options, keys, &tool_scopes).to_string();
    let nothing = Sources {
        // What the environment says is for gateways with a file.
        env: &|_| None,
        env_names: &Vec::new,
        read_file: &|path| std::fs::read_to_string(path),
        stored: &|_| Stored::Failed("the command line names no secret store".to_owned()),
        command_line: CommandLine::default(),
    };
    let mut loaded = portcullis_config::load("the command line", &written, &nothing)
        .map_err(|errors| CommandError::Configuration(told(&errors)))?;
    set_apart(&mut loaded.config, options, keys);
    for notice in &mut loaded.notices {
        notice.line = 0;
    }
    Ok(loaded)
}

/// Without a scope for any tool nothing asks for `scopes` once a key is used: what a token must carry
/// for the key is then all that binds it, and has to be all that the key can do.
fn scopes_bind(keys: &[MappedKey]) -> Result<(), CommandError> {
    let unbound = keys.iter().filter(|key| !key.requires.covers(&key.scopes));
    let told: Vec<String> = unbound
        .map(|key| {
            let missing = key.requires.missing(&key.scopes);
            format!(
                "error: {KEY_MAP_VARIABLE}: `{}`: tokens without {missing} would call every tool with a key for {}\n  = help: leave `requires` out, or say which tool needs which scope: --tool-scope 'TOOL={missing}' --tool-scope '*={}'",
                key.holder, key.scopes, key.scopes
            )
        })
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    Err(CommandError::Configuration(told.join("\n")))
}

fn set_apart(config: &mut Config, options: &ProxyOptions, keys: &[MappedKey]) {
    let style = options
        .key_header
        .as_ref()
        .map_or(KeyStyle::Bearer, |name| KeyStyle::Header(name.clone()));
    for server in &mut config.mcp_servers {
        server.auth = Auth::MappedKeys(Box::new(MappedKeys {
            issuer: options.issuer.clone(),
            style: style.clone(),
            keys: keys.to_owned(),
        }));
    }
}

fn written(options: &ProxyOptions, keys: &[MappedKey], tool_scopes: &Map<String, Value>) -> Value {
    let mut issuer = json!({
        "issuer": options.issuer,
        "audience": options.audiences,
        "servers": [SERVER],
        "allow_insecure_http": options.allow_insecure_http,
    });
    set(&mut issuer, "jwks_uri", options.jwks_uri.as_ref());
    if !options.algorithms.is_empty() {
        set(&mut issuer, "algorithms", Some(&options.algorithms));
    }
    if !options.token_types.is_empty() {
        set(&mut issuer, "token_types", Some(&options.token_types));
    }
    let mut upstream = json!({
        "url": options.upstream,
        // Nobody brings a key: whose is whose says the map.
        "allow_caller_headers": false,
        "allow_insecure_http": options.allow_insecure_http,
    });
    let scopes: std::collections::BTreeSet<&str> = keys
        .iter()
        .flat_map(|key| key.scopes.iter().chain(key.requires.iter()))
        .collect();
    if !tool_scopes.is_empty() {
        set(&mut upstream, "tool_scopes", Some(tool_scopes));
    }
    let mut server = json!({});
    set(&mut server, "host", options.host.as_ref());
    set(&mut server, "port", options.port);
    set(&mut server, "public_url", options.public_url.as_ref());
    set(&mut server, "ca_file", options.ca_file.as_ref());
    if options.tls_cert.is_some() || options.tls_key.is_some() {
        let mut tls = json!({});
        set(&mut tls, "cert", options.tls_cert.as_ref());
        set(&mut tls, "key", options.tls_key.as_ref());
        set(&mut server, "tls", Some(tls));
    }
    let mut audit = json!({"required": options.audit_required, "log_requests": true});
    set(&mut audit, "jsonl_path", options.audit_file.as_ref());
    json!({
        "server": server,
        "identity": {
            "issuers": [issuer],
            "scopes_supported": scopes,
            // One door, for one issuer's tokens.
            "authorization_server": {"enabled": false},
        },
        "mcp_servers": {SERVER: upstream},
        "store": {"path": options.store},
        "audit": audit,
    })
}

fn set(object: &mut Value, member: &str, value: Option<impl serde::Serialize>) {
    if let (Some(object), Some(value)) = (object.as_object_mut(), value) {
        object.insert(member.to_owned(), json!(value));
    }
}

/// `TOOL=SCOPE SCOPE`, where `*` is every tool that has no entry of its own.
fn tool_scopes(options: &[String]) -> Result<Map<String, Value>, CommandError> {
    let mut map = Map::new();
    for option in options {
        let wrong = |why: &str| {
            CommandError::Usage(format!(
                "--tool-scope {option:?}: {why}; write --tool-scope 'TOOL=SCOPE SCOPE', or '*=SCOPE' for every other tool"
            ))
        };
        let (tool, scopes) = option
            .split_once('=')
            .filter(|(tool, _)| !tool.is_empty())
            .ok_or_else(|| wrong("no tool and scopes"))?;
        let scopes: ScopeSet = scopes.parse().map_err(|_| wrong("not scope tokens"))?;
        let tool = match tool {
            "*" => format!("{SERVER}/*"),
            tool => tool.to_owned(),
        };
        let scopes: Vec<&str> = scopes.iter().collect();
        if map.insert(tool, json!(scopes)).is_some() {
            return Err(wrong("the tool has an entry already"));
        }
    }
    Ok(map)
}

/// Findings about a file that nobody wrote, by the options that nobody would recognise it from.
fn told(errors: &ConfigErrors) -> String {
    let lines = errors.errors.iter().map(|error| {
        let option = OPTIONS
            .iter()
            .find(|(path, _)| error.path.starts_with(path))
            .map_or(error.path.as_str(), |(_, option)| option);
        let place = if option.is_empty() {
            String::new()
        } else {
            format!("{option}: ")
        };
        let help = error
            .help
            .as_ref()
            .map_or_else(String::new, |help| format!("\n  = help: {}", spoken(help)));
        format!("error: {place}{}{help}", error.message)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// A remedy for a file, as one for a command line.
fn spoken(help: &str) -> String {
    help.replace("`allow_insecure_http: true`", "`--allow-insecure-http`")
        .replace(&format!("`{SERVER}/*`"), "`*`")
}

/// The map, from the environment or from the file that it names.
pub(super) fn keys(options: &ProxyOptions) -> Result<Vec<MappedKey>, CommandError> {
    let refused = |text: String| CommandError::Configuration(text);
    let Some(value) = options.key_map.as_ref().map(SecretValue::expose) else {
        return Err(refused(format!(
            "error: {KEY_MAP_VARIABLE} is not set\n  = help: say which key of the upstream is for whom: {KEY_MAP_VARIABLE}='{{\"alice\": {{\"key\": \"…\", \"scopes\": [\"read:data\"]}}}}', or {KEY_MAP_VARIABLE}=file:/run/secrets/keys.json"
        )));
    };
    let read;
    let text = match value.strip_prefix("file:") {
        None => value,
        Some(path) => {
            read = std::fs::read_to_string(path).map_err(|error| {
                refused(format!(
                    "error: {KEY_MAP_VARIABLE}: cannot read {path}: {error}\n  = help: it holds the map as JSON and must be readable by this user"
                ))
            })?;
            read.as_str()
        }
    };
    portcullis_config::read_key_map(text).map_err(|errors| {
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        refused(told.join("\n"))
    })
}
