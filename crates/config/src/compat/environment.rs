//! `environment_variables`, and variables of LiteLLM's and its patches that mean nothing here.

use crate::fields::Fields;
use crate::findings::Place;
use crate::references::Origin;
use crate::sections::headers::is_sensitive;

/// Makes the section's variables known to all later references.
pub(crate) fn define(root: &Fields<'_, '_>) {
    for (name, mut place, node) in root.named("environment_variables") {
        place.span = node.span;
        let Some((value, origin)) = root.secret_node(node, &place) else {
            continue;
        };
        if origin == Origin::Literal && is_sensitive(name) {
            root.findings.warning(
                place,
                "a secret stands in the file itself; set it in the process's environment",
            );
        }
        root.findings.define(name.to_owned(), value);
    }
}

/// Says of known variables what will not happen.
pub(crate) fn announce(root: &Fields<'_, '_>, signs: bool) {
    const WITHOUT_EFFECT: &[(&str, &str)] = &[
        (
            "LITELLM_MCP_AUTH_AUTO_PATCH",
            "accepted, without effect: nothing needs to be patched here",
        ),
        (
            "MCP_JWT_SIGNING_KEY",
            "not used: there is no `mcp_jwt_signer` among `guardrails`",
        ),
        (
            "SERVER_ROOT_PATH",
            "not used: the gateway is served at the root of its origin",
        ),
    ];
    for (name, text) in WITHOUT_EFFECT {
        let used = signs && *name == "MCP_JWT_SIGNING_KEY";
        if !used && root.findings.variable(name).is_some() {
            let place = Place {
                path: (*name).to_owned(),
                ..Place::default()
            };
            if *name == "LITELLM_MCP_AUTH_AUTO_PATCH" {
                root.findings.info(place, *text);
            } else {
                root.findings.warning(place, *text);
            }
        }
    }
}
