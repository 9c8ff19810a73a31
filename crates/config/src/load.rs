//! From text to a configuration, or to everything that is wrong with it.

use crate::compat;
use crate::defined::{Definition, JudgedDefinition, Judgement, Judging};
use crate::diagnostic::{ConfigErrors, Notice};
use crate::fields::Fields;
use crate::findings::{Findings, Place};
use crate::keys::ours::ROOT;
use crate::model::{Compat, Config};
use crate::sections::client_certificates::ClientCas;
use crate::sections::grants::Surroundings;
use crate::sections::transport::StdioRules;
use crate::sections::{
    addresses, audit, identity, limits, mcp_server, people, policy, process, redis, secrets, server,
};
use crate::sources::Sources;
use crate::tree::{self, MAX_FILE_BYTES, Node};
use crate::validate::names::Names;
use crate::{overrides, validate::exposure, validate::sign_ins};

/// A configuration and what was noticed on the way.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration; of the servers that the admin API defined, those that can be used stand behind
    /// those of the file.
    pub config: Config,
    /// In the order of the file.
    pub notices: Vec<Notice>,
    /// What became of each definition, in their order.
    pub judged: Vec<JudgedDefinition>,
}

/// Reads a configuration from YAML or JSON. `file` is its name for messages only.
pub fn load(file: &str, text: &str, sources: &Sources<'_>) -> Result<Loaded, ConfigErrors> {
    load_with(file, text, sources, &[])
}

/// The same with servers that the admin API defined. What is wrong with one of them is wrong with it alone.
pub fn load_with(
    file: &str,
    text: &str,
    sources: &Sources<'_>,
    definitions: &[Definition],
) -> Result<Loaded, ConfigErrors> {
    let findings = Findings::new(sources);
    if text.len() > MAX_FILE_BYTES {
        findings.error(
            Place::default(),
            "the file is larger than 10 MiB",
            "this does not look like a configuration file",
        );
        return finish(file, "", findings, None, None);
    }
    let (root, flaws) = tree::parse(text);
    for flaw in flaws {
        if flaw.on_key {
            findings.show(flaw.span);
        }
        let place = Place {
            path: String::new(),
            span: flaw.span,
        };
        findings.error(place, flaw.message, flaw.help);
    }
    let Some(mut root) = root else {
        return finish(file, text, findings, None, None);
    };
    overrides::apply(&mut root, &findings);
    let config = read(&root, &findings, definitions);
    finish(file, text, findings, Some(&root), config)
}

/// For fuzzers: any bytes, an empty environment; what matters is that it returns.
pub fn parse_for_fuzz(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        let sources = Sources::none();
        match load("fuzz.yaml", text, &sources) {
            Ok(loaded) => drop(crate::explain(&loaded.config, &loaded.notices)),
            Err(errors) => drop(errors.to_string()),
        }
    }
}

fn finish(
    file: &str,
    text: &str,
    findings: Findings<'_>,
    root: Option<&Node>,
    read: Option<(Config, Judgement)>,
) -> Result<Loaded, ConfigErrors> {
    let verdict = findings.verdict(text, root);
    match read {
        Some((mut config, judgement)) if verdict.errors.is_empty() => {
            config.insecure_choices = verdict.insecure;
            config.insecure_choices.extend(judgement.insecure);
            config.mcp_servers.extend(judgement.servers);
            Ok(Loaded {
                config,
                notices: verdict.notices,
                judged: judgement.judged,
            })
        }
        _ => Err(ConfigErrors {
            file: file.to_owned(),
            errors: verdict.errors,
            omitted: verdict.omitted,
            notices: verdict.notices,
        }),
    }
}

/// `None` only when something was recorded as an error.
fn read(
    root: &Node,
    findings: &Findings<'_>,
    definitions: &[Definition],
) -> Option<(Config, Judgement)> {
    let empty = Node::empty_map();
    let fields = Fields::open(findings, &ROOT, root, String::new());
    findings.without_stores(|| compat::environment::define(&fields));
    let compat = match fields.choice("compat") {
        Some("litellm") => Compat::LiteLlm,
        _ => Compat::None,
    };
    let signer = compat::guardrails::read(&fields);
    compat::environment::announce(&fields, signer.is_some());
    let general = fields.section_or_empty("general_settings", &empty)?;
    let litellm = fields.section_or_empty("litellm_settings", &empty)?;
    let secrets = fields.section_or_empty("secrets", &empty)?;
    let secrets = findings.without_stores(|| secrets::read(&secrets));
    let stdio = StdioRules::read(&general);
    let mut names = Names::default();
    let mcp_servers = mcp_server::all(
        &fields,
        &litellm,
        compat,
        signer.as_ref(),
        &stdio,
        &mut names,
    );
    let listening = fields.section_or_empty("server", &empty)?;
    let server = server::read(&listening, &general);
    let judgement = Judging {
        sources: findings.sources(),
        stores: &server.defined.secret_stores,
        names,
        compat,
        signer: signer.as_ref(),
    }
    .judge(definitions);
    let jwt_signer = signer.and_then(|signer| signer.finish(&fields, &server, compat));
    let around = Surroundings {
        servers: &mcp_servers,
        ungranted_sees_all: identity::ungranted_sees_all(&general, compat),
        exposed: exposure::exposed(&server),
    };
    let callers = fields.section_or_empty("identity", &empty)?;
    let people = people::read(&fields, &callers, &general, &around, compat);
    let identity = identity::read(
        &callers,
        &general,
        &around,
        &match &server.tls {
            Some(tls) => ClientCas::Known(tls.client_ca.as_ref()),
            None if listening.has("tls") => ClientCas::Mistaken,
            None => ClientCas::Known(None),
        },
    );
    let read = mcp_servers.iter().filter_map(|entry| entry.server.as_ref());
    sign_ins::complain_of_nobody_signing_in(findings, &identity, read);
    addresses::warn_of_unseen_proxies(&general, &mcp_servers, server.forwarded.as_ref());
    let policy = fields.section_or_empty("policy", &empty)?;
    let policy = policy::read(&policy, mcp_servers.iter().map(|entry| entry.name.as_str()));
    let named = limits::Named {
        servers: mcp_servers
            .iter()
            .flat_map(|entry| {
                let server = entry.server.as_ref();
                let alias = server.and_then(|server| server.alias.as_deref());
                [Some(entry.name.as_str()), alias]
            })
            .flatten()
            .collect(),
        keys: identity.keys.iter().map(|key| key.id.as_str()).collect(),
    };
    let limits = limits::read(&fields.section_or_empty("limits", &empty)?, &named);
    let store = process::store(&fields.section_or_empty("store", &empty)?);
    let redis = redis::read(&fields, &litellm, compat);
    let audit = audit::read(&fields.section_or_empty("audit", &empty)?);
    let telemetry = process::telemetry(&fields.section_or_empty("telemetry", &empty)?);
    let config = Config {
        server,
        identity,
        mcp_servers: mcp_servers
            .into_iter()
            .filter_map(|entry| entry.server)
            .collect(),
        max_stdio_processes: stdio.most(),
        people,
        policy,
        limits,
        secrets,
        jwt_signer,
        store,
        redis,
        audit,
        telemetry,
        compat,
        insecure_choices: Vec::new(),
    };
    Some((config, judgement))
}
