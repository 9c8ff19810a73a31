//! From text to a configuration, or to everything that is wrong with it.

use crate::compat;
use crate::diagnostic::{ConfigErrors, Notice};
use crate::fields::Fields;
use crate::findings::{Findings, Place};
use crate::keys::ours::ROOT;
use crate::model::{Compat, Config};
use crate::sections::client_certificates::ClientCas;
use crate::sections::grants::Surroundings;
use crate::sections::transport::StdioRules;
use crate::sections::{addresses, identity, mcp_server, policy, process, secrets, server};
use crate::sources::Sources;
use crate::tree::{self, MAX_FILE_BYTES, Node};
use crate::{overrides, validate::exposure, validate::sign_ins};

/// A configuration and what was noticed on the way.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// In the order of the file.
    pub notices: Vec<Notice>,
}

/// Reads a configuration from YAML or JSON. `file` is its name for messages only.
pub fn load(file: &str, text: &str, sources: &Sources<'_>) -> Result<Loaded, ConfigErrors> {
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
    let config = read(&root, &findings);
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
    config: Option<Config>,
) -> Result<Loaded, ConfigErrors> {
    let verdict = findings.verdict(text, root);
    match config {
        Some(mut config) if verdict.errors.is_empty() => {
            config.insecure_choices = verdict.insecure;
            Ok(Loaded {
                config,
                notices: verdict.notices,
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
fn read(root: &Node, findings: &Findings<'_>) -> Option<Config> {
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
    let mcp_servers = mcp_server::all(&fields, &litellm, compat, signer.as_ref(), &stdio);
    let listening = fields.section_or_empty("server", &empty)?;
    let server = server::read(&listening, &general);
    let jwt_signer = signer.and_then(|signer| signer.finish(&fields, &server, compat));
    let identity = identity::read(
        &fields.section_or_empty("identity", &empty)?,
        &general,
        &Surroundings {
            servers: &mcp_servers,
            ungranted_sees_all: identity::ungranted_sees_all(&general, compat),
            exposed: exposure::exposed(&server),
        },
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
    let store = process::store(&fields.section_or_empty("store", &empty)?);
    let audit = process::audit(&fields.section_or_empty("audit", &empty)?);
    let telemetry = process::telemetry(&fields.section_or_empty("telemetry", &empty)?);
    Some(Config {
        server,
        identity,
        mcp_servers: mcp_servers
            .into_iter()
            .filter_map(|entry| entry.server)
            .collect(),
        max_stdio_processes: stdio.most(),
        policy,
        secrets,
        jwt_signer,
        store,
        audit,
        telemetry,
        compat,
        insecure_choices: Vec::new(),
    })
}
