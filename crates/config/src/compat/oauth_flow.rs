//! `auth_type: oauth2` without `oauth2_flow`.
//!
//! LiteLLM's documentation infers the flow from the keys beside it: an `authorization_url` means
//! interactive; `token_url`, `client_id` and `client_secret` mean client credentials; neither means
//! interactive by discovery. Only keys *written in the file* count: inferring from what discovery
//! found once turned interactive servers into shared service accounts.

use crate::fields::Fields;

const INSTEAD: &str = "use `oauth2_flow: client_credentials` with `token_url`, `client_id` and `client_secret`, or a static credential (`auth_type: bearer_token`)";

/// `None` when the server is interactive, which is an error in this build.
pub(crate) fn require_client_credentials(fields: &Fields<'_, '_>) -> Option<()> {
    if fields.has("oauth2_flow") {
        if fields.choice("oauth2_flow")? == "client_credentials" {
            return Some(());
        }
        fields.findings.error(
            fields.place("oauth2_flow"),
            "interactive OAuth (authorization code) is not available in this build yet",
            INSTEAD,
        );
        return None;
    }
    let interactive = |why: &str| {
        fields.findings.error(
            fields.place("auth_type"),
            format!("interactive OAuth is not available in this build yet, and that is what this is: `oauth2_flow` is absent and {why}"),
            INSTEAD,
        );
        None
    };
    if fields.has("authorization_url") {
        return interactive("`authorization_url` is present");
    }
    let complete = ["token_url", "client_id", "client_secret"]
        .iter()
        .all(|key| fields.has(key));
    if !complete {
        return interactive("not all of `token_url`, `client_id` and `client_secret` are written");
    }
    fields.findings.info(
        fields.place("auth_type"),
        "taken for client credentials: `oauth2_flow` is absent, `token_url`, `client_id` and `client_secret` are written, `authorization_url` is not. Write `oauth2_flow: client_credentials` to say so",
    );
    Some(())
}
