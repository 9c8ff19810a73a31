//! `delegate_auth_to_upstream` and `true_passthrough`: the caller's own bearer token goes upstream.

use crate::fields::Fields;
use crate::model::{Auth, Compat, Delegation};

const KEY: &str = "delegate_auth_to_upstream";

/// Whether the file asks for it where it can be had; elsewhere it has no effect and a warning says
/// so, because a server that stays closed is what ignoring it leaves.
pub(crate) fn asked(fields: &Fields<'_, '_>, auth_type: Option<&str>) -> bool {
    if fields.flag(KEY) != Some(true) {
        return false;
    }
    if auth_type == Some("oauth2") {
        return true;
    }
    fields.findings.warning(
        fields.place(KEY),
        "ignored: only a server with `auth_type: oauth2` can judge callers by their tokens; callers go through our own admission",
    );
    false
}

/// A server with a service account of ours cannot be one that strangers reach (DLG-04).
pub(crate) fn auth(fields: &Fields<'_, '_>, has_map: bool) -> Option<Auth> {
    let complete = ["token_url", "client_id", "client_secret"]
        .iter()
        .all(|key| fields.has(key));
    let service = match fields.choice("oauth2_flow") {
        Some(flow) => flow == "client_credentials",
        None => complete && !fields.has("authorization_url"),
    };
    if service || has_map {
        fields.findings.error(
            fields.place(KEY),
            "contradicts the client credentials beside it: strangers would act with our own service account",
            "remove one of them; to list tools with client credentials, write them as `discovery_auth`",
        );
        return None;
    }
    for key in ["client_id", "client_secret", "token_url"] {
        if fields.has(key) {
            fields.findings.info(
                fields.place(key),
                "not used: clients deal with the server's own authorization server",
            );
        }
    }
    Some(Auth::Delegated)
}

/// Who comes to the server unknown.
pub(crate) fn delegation(
    fields: &Fields<'_, '_>,
    auth: &Auth,
    inside_only: bool,
    compat: Compat,
) -> Delegation {
    if *auth != Auth::Delegated {
        return Delegation::None;
    }
    fields.findings.relaxed(
        fields.place(KEY),
        "callers without a key reach this server, which has to judge them itself",
    );
    if !inside_only {
        return Delegation::SameSide;
    }
    if compat == Compat::LiteLlm {
        fields.findings.relaxed(
            fields.place(KEY),
            "callers without a key reach this server also from outside, although `available_on_public_internet` is false (`compat: litellm`)",
        );
        return Delegation::Everywhere;
    }
    fields.findings.warning(
        fields.place(KEY),
        "`available_on_public_internet` is false, so callers from outside stay outside; LiteLLM would let them in here",
    );
    Delegation::SameSide
}

/// `true_passthrough`, and LiteLLM's other name of what it is here.
pub(crate) fn passthrough(fields: &Fields<'_, '_>, auth_type: &str) -> Auth {
    if auth_type == "true_passthrough" {
        fields.findings.info(
            fields.place("auth_type"),
            "callers are admitted by their key in `x-litellm-api-key` first; LiteLLM would admit anybody",
        );
    }
    Auth::TruePassthrough
}
