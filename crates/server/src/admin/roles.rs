//! Who may use which route of the admin API: one table, asked before anything else is looked at. A route that is
//! not in it is nobody's.

use axum::extract::MatchedPath;
use axum::http::Method;
use axum::http::request::Parts;
use portcullis_core::{Principal, Role};
use portcullis_identity::is_unlimited;

/// What a caller has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Least {
    /// Anybody with a valid credential: the answer holds what they may see, and is about what is theirs.
    Caller,
    /// Whoever may see what waits for approval.
    SeesApprovals,
    /// Whoever may decide about it: an approver, and no viewer.
    DecidesApprovals,
    /// Whoever may read everything.
    Viewer,
    /// Whoever may change things.
    Admin,
    /// The same, with servers of their own that nothing limits: what they change could be more than
    /// they have themselves.
    WholeAdmin,
}

impl Least {
    /// Whether this is enough.
    pub(crate) fn is_met_by(self, caller: &Principal) -> bool {
        let role = caller.role;
        match self {
            Self::Caller => true,
            Self::SeesApprovals => role.sees_approvals(),
            Self::DecidesApprovals => role.decides_approvals(),
            Self::Viewer => role >= Role::Viewer,
            Self::Admin => role >= Role::Admin,
            Self::WholeAdmin => role >= Role::Admin && is_unlimited(caller),
        }
    }

    /// What those are told for whom the route is not.
    pub(crate) const fn refusal(self) -> &'static str {
        match self {
            Self::Caller => "this is for callers with a credential",
            Self::SeesApprovals => "this is for approvers, viewers and administrators",
            Self::DecidesApprovals => "this is for approvers and administrators",
            Self::Viewer => "this is for viewers and administrators",
            Self::Admin => "this is for administrators",
            Self::WholeAdmin => "this is for administrators whose own servers are not limited",
        }
    }

    /// The word of the OpenAPI document.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Caller => "caller",
            Self::SeesApprovals => "approver or viewer",
            Self::DecidesApprovals => "approver",
            Self::Viewer => "viewer",
            Self::Admin => "admin",
            Self::WholeAdmin => "admin without limits",
        }
    }
}

const OWN_CREDENTIAL: &str = "/v1/mcp/server/{id}/oauth-user-credential";

/// Method, path as the router has it, and who may.
pub(crate) const ROLES: &[(&str, &str, Least)] = &[
    ("POST", "/key/generate", Least::Admin),
    ("GET", "/key/list", Least::Viewer),
    // A key may look at itself and end itself.
    ("GET", "/key/info", Least::Caller),
    ("POST", "/key/delete", Least::Caller),
    ("POST", "/key/update", Least::Admin),
    // Everybody may read their own team, organization and person.
    ("POST", "/team/new", Least::Admin),
    ("POST", "/team/update", Least::Admin),
    ("GET", "/team/info", Least::Caller),
    ("GET", "/team/list", Least::Viewer),
    ("POST", "/team/delete", Least::Admin),
    ("POST", "/organization/new", Least::Admin),
    ("POST", "/organization/update", Least::Admin),
    ("GET", "/organization/info", Least::Caller),
    ("GET", "/organization/list", Least::Viewer),
    ("POST", "/organization/delete", Least::Admin),
    ("POST", "/user/new", Least::Admin),
    ("POST", "/user/update", Least::Admin),
    ("GET", "/user/info", Least::Caller),
    ("GET", "/user/list", Least::Viewer),
    ("POST", "/user/delete", Least::Admin),
    ("POST", "/customer/new", Least::Admin),
    ("POST", "/customer/update", Least::Admin),
    ("GET", "/customer/info", Least::Viewer),
    ("GET", "/customer/list", Least::Viewer),
    ("POST", "/customer/delete", Least::Admin),
    ("POST", "/team/member_add", Least::Admin),
    ("POST", "/team/member_delete", Least::Admin),
    ("POST", "/team/block", Least::Admin),
    ("POST", "/team/unblock", Least::Admin),
    ("GET", "/v1/mcp/toolset", Least::Caller),
    ("POST", "/v1/mcp/toolset", Least::Admin),
    ("PUT", "/v1/mcp/toolset", Least::Admin),
    ("GET", "/v1/mcp/toolset/{id}", Least::Caller),
    ("DELETE", "/v1/mcp/toolset/{id}", Least::Admin),
    ("GET", "/v1/mcp/access_groups", Least::Caller),
    ("GET", "/v1/mcp/registry.json", Least::Caller),
    ("GET", "/v1/mcp/server", Least::Caller),
    ("POST", "/v1/mcp/server", Least::WholeAdmin),
    ("PUT", "/v1/mcp/server", Least::WholeAdmin),
    ("GET", "/v1/mcp/server/{id}", Least::Caller),
    ("PUT", "/v1/mcp/server/{id}", Least::WholeAdmin),
    ("DELETE", "/v1/mcp/server/{id}", Least::WholeAdmin),
    ("GET", "/v1/mcp/server/health", Least::Caller),
    ("POST", "/v1/mcp/server/import", Least::WholeAdmin),
    // For members of a team; administrators define servers themselves.
    ("POST", "/v1/mcp/server/register", Least::Caller),
    ("GET", "/v1/mcp/server/submissions", Least::Viewer),
    ("PUT", "/v1/mcp/server/{id}/approve", Least::WholeAdmin),
    ("PUT", "/v1/mcp/server/{id}/reject", Least::WholeAdmin),
    ("GET", "/v1/mcp/network/client-ip", Least::Caller),
    ("POST", "/mcp-rest/test/connection", Least::Admin),
    ("POST", "/mcp-rest/test/tools/list", Least::Admin),
    ("GET", "/v1/mcp/tools", Least::Caller),
    ("GET", "/v1/health", Least::Viewer),
    ("GET", "/v1/config", Least::Viewer),
    ("POST", "/v1/config/diff", Least::Viewer),
    ("GET", "/v1/audit", Least::Viewer),
    // A key may look at its own.
    ("GET", "/v1/usage", Least::Caller),
    ("GET", "/v1/limits/{kind}/{id}", Least::Caller),
    ("POST", "/v1/limits/{kind}/{id}", Least::WholeAdmin),
    ("POST", "/v1/revocations", Least::Admin),
    ("GET", "/v1/revocations", Least::Admin),
    ("DELETE", "/v1/revocations/{id}", Least::Admin),
    ("GET", "/v1/approvals", Least::SeesApprovals),
    ("GET", "/v1/approvals/{id}", Least::SeesApprovals),
    (
        "POST",
        "/v1/approvals/{id}/approve",
        Least::DecidesApprovals,
    ),
    ("POST", "/v1/approvals/{id}/deny", Least::DecidesApprovals),
    ("GET", "/v1/pins", Least::Viewer),
    ("GET", "/v1/pins/{server}/{tool}", Least::Viewer),
    ("DELETE", "/v1/pins/{server}/{tool}", Least::Admin),
    ("POST", "/v1/pins/{server}/{tool}/approve", Least::Admin),
    ("POST", "/v1/oauth/clients/end", Least::Admin),
    ("POST", "/v1/policy/explain", Least::Viewer),
    ("POST", "/v1/config/reload", Least::Admin),
    ("GET", "/metrics", Least::Admin),
    ("GET", "/openapi.json", Least::Caller),
    // Nobody's but the caller's own.
    ("GET", OWN_CREDENTIAL, Least::Caller),
    ("POST", OWN_CREDENTIAL, Least::Caller),
    ("DELETE", OWN_CREDENTIAL, Least::Caller),
    (
        "GET",
        "/v1/mcp/server/{id}/oauth-user-credential/status",
        Least::Caller,
    ),
];

/// What a route asks for; `None`: it is not in the table.
pub(crate) fn least(method: &str, path: &str) -> Option<Least> {
    let row = ROLES
        .iter()
        .find(|(known, of, _)| *known == method && *of == path);
    row.map(|(_, _, least)| *least)
}

/// The same for a request that was routed. `HEAD` is `GET` without a body (RFC 9110 §9.3.2).
pub(crate) fn least_of(parts: &Parts) -> Option<Least> {
    let path = parts.extensions.get::<MatchedPath>()?;
    let method = match &parts.method {
        &Method::HEAD => &Method::GET,
        other => other,
    };
    least(method.as_str(), path.as_str())
}
