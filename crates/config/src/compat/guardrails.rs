//! `guardrails`: the one that is known, and all others, which must not be dropped in silence.

use crate::fields::Fields;
use crate::sections::signer::{self, Draft};

/// The signer, if there is one. Every other guardrail is an error.
pub(crate) fn read(root: &Fields<'_, '_>) -> Option<Draft> {
    let mut signer = None;
    for guardrail in root.sections("guardrails") {
        guardrail.text("guardrail_name");
        let settings = guardrail.anything("litellm_params");
        let kind = settings
            .as_ref()
            .and_then(|settings| settings.get("guardrail")?.as_str());
        if kind != Some("mcp_jwt_signer") {
            root.findings.error(
                guardrail.own_place(),
                "only the `mcp_jwt_signer` guardrail is available in this build, and a guardrail is never ignored",
                "remove the entry if the calls may pass without it",
            );
            continue;
        }
        let Some(fields) = guardrail.section("litellm_params") else {
            continue;
        };
        if signer.is_some() {
            root.findings.error(
                guardrail.own_place(),
                "a second `mcp_jwt_signer`",
                "keep one: a request carries one token",
            );
            continue;
        }
        signer = Some(signer::read(root, &fields));
    }
    signer
}
