//! Servers that are called with what a sign-in left behind: somebody has to be able to sign in.

use crate::findings::{Findings, Place};
use crate::model::{Auth, Identity, McpServer, SubjectSource};

/// Complains of servers that nobody could ever be acted for at.
pub(crate) fn complain_of_nobody_signing_in<'s>(
    findings: &Findings<'_>,
    identity: &Identity,
    servers: impl Iterator<Item = &'s McpServer>,
) {
    if identity.login.provider.is_some() && identity.authorization_server.enabled {
        return;
    }
    for server in servers {
        let Auth::IdJag(terms) = &server.auth else {
            continue;
        };
        if terms.subject_source == SubjectSource::LoginAssertion {
            findings.error(
                Place {
                    path: format!("mcp_servers.{}.id_jag_subject_source", server.id),
                    ..Place::default()
                },
                "`login_assertion` is the ID token of a sign-in with a provider, by which a client was let in, and nobody signs in so here",
                "add `identity.login.issuer` and leave `identity.authorization_server` on, or write `bearer` and let callers send their ID token in `Authorization`",
            );
        }
    }
}
