//! `auth_type: oauth2` without `oauth2_flow`.
//!
//! LiteLLM's documentation infers the flow from the keys beside it: an `authorization_url` means
//! interactive; `token_url`, `client_id` and `client_secret` mean client credentials; neither means
//! interactive by discovery. Only keys *written in the file* count: inferring from what discovery
//! found once turned interactive servers into shared service accounts.

use crate::fields::Fields;

/// How tokens are got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// We ask in our own name.
    ClientCredentials,
    /// Each person connects their own account.
    AuthorizationCode,
}

/// `None` only when something was recorded as an error.
pub(crate) fn read(fields: &Fields<'_, '_>) -> Option<Flow> {
    for key in ["oauth2_flow", "oauth_flow"] {
        if fields.has(key) {
            let other = "oauth_flow";
            if key != other && fields.has(other) {
                fields.findings.error(
                    fields.place(other),
                    "`oauth2_flow` and `oauth_flow` are two names of one thing",
                    "keep one of them",
                );
                return None;
            }
            return Some(match fields.choice(key)? {
                "client_credentials" => Flow::ClientCredentials,
                _ => Flow::AuthorizationCode,
            });
        }
    }
    let interactive = |why: &str| {
        fields.findings.info(
            fields.place("auth_type"),
            format!("taken for interactive: `oauth2_flow` is absent and {why}. Each caller connects an account of their own. Write `oauth2_flow: authorization_code` to say so, or `oauth2_flow: client_credentials` with `token_url`, `client_id` and `client_secret` for one account of the gateway's own"),
        );
        Some(Flow::AuthorizationCode)
    };
    if fields.has("authorization_url") {
        return interactive("`authorization_url` is written");
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
    Some(Flow::ClientCredentials)
}
