//! The resolved configuration as an operator reads it: every value that is in force, why an
//! inferred one is what it is, and no secret.

mod audit;
mod callers;
mod forwarding;
mod id_jag;
mod limits;
mod listening;
mod page;
mod people;
mod policy;
mod secrets;
mod servers;
mod signer;
mod telemetry;
mod upstream_auth;

use self::callers::identity;
use self::listening::{addresses, server};
use self::page::{Page, quoted, seconds, shown};
use self::secrets::secrets;
use self::servers::mcp_server;
use crate::diagnostic::Notice;
use crate::model::{Compat, Config};

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
    people::people(&mut page, &config.people);
    policy::policy(&mut page, &config.policy);
    limits::limits(&mut page, &config.limits);
    secrets(&mut page, &config.secrets);
    if let Some(signer) = &config.jwt_signer {
        signer::guardrails(&mut page, signer);
    }
    page.heading(0, "store");
    page.value(2, "path", quoted(config.store.path.display()));
    if let Some(postgres) = &config.store.postgres {
        page.value(2, "database_url", shown(&postgres.url));
        page.value(2, "allow_unverified_database", postgres.allow_unverified);
        page.value(2, "database_connections", postgres.connections);
        page.value(2, "acquire_timeout", seconds(postgres.acquire_timeout));
        page.value(2, "statement_timeout", seconds(postgres.statement_timeout));
    }
    if let Some(redis) = &config.redis {
        page.heading(0, "redis");
        page.value(2, "url", shown(&redis.url));
        page.value(2, "key_prefix", quoted(&redis.key_prefix));
        page.value(2, "timeout", seconds(redis.timeout));
        page.path(2, "ca_file", redis.ca_file.as_deref());
        page.value(2, "allow_unverified", redis.allow_unverified);
    }
    audit::explain(&mut page, &config.audit);
    telemetry::explain(&mut page, &config.telemetry);
    page.remarks("insecure choices", &config.insecure_choices);
    page.text
}
