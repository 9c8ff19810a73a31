//! `guardrails`: what guards must not be dropped in silence.

use crate::fields::Fields;

/// Every guardrail is an error as long as none is available.
pub(crate) fn refuse(root: &Fields<'_, '_>) {
    for guardrail in root.sections("guardrails") {
        guardrail.text("guardrail_name");
        let settings = guardrail.anything("litellm_params");
        let kind = settings
            .as_ref()
            .and_then(|settings| settings.get("guardrail")?.as_str());
        if kind == Some("mcp_jwt_signer") {
            root.findings.error(
                guardrail.own_place(),
                "the `mcp_jwt_signer` guardrail is not available in this build yet: upstream servers would receive unsigned calls",
                "remove the guardrail and authenticate with `auth_type` on each server until it is",
            );
        } else {
            root.findings.error(
                guardrail.own_place(),
                "guardrails are not available in this build yet, and a guardrail is never ignored",
                "remove the entry if the calls may pass without it",
            );
        }
    }
}
