//! What of its callers' requests a server is handed.

use super::page::{Page, quoted};
use crate::model::{Auth, CallerHeaders, Delegation, McpServer};

pub(super) fn forwarding(page: &mut Page<'_>, server: &McpServer) {
    let forwarding = &server.forwarding;
    if server.auth == Auth::Delegated {
        let whence = match server.delegation {
            Delegation::Everywhere => "true  # callers without a key, from anywhere",
            Delegation::SameSide | Delegation::None => "true  # callers without a key",
        };
        page.value(4, "delegate_auth_to_upstream", whence);
    }
    if let Some(discovery) = &server.discovery_auth {
        page.heading(4, "discovery_auth");
        page.value(6, "auth_type", discovery.auth_type());
        if let Auth::ClientCredentials(oauth2) = discovery {
            page.value(6, "client_id", quoted(&oauth2.client.client_id));
        }
    }
    let mut headers = forwarding.extra_headers.clone();
    match &forwarding.cookies {
        None => {}
        Some(cookies) if cookies.all => headers.push("cookie".to_owned()),
        Some(cookies) => {
            page.heading(4, "auth");
            page.heading(6, "cookie_passthrough");
            page.list(8, "cookie_names", &cookies.names);
            page.optional(8, "cookie_prefix", cookies.prefix.as_ref());
        }
    }
    page.list(4, "extra_headers", &headers);
    match &forwarding.caller_headers {
        CallerHeaders::Refused => page.value(4, "allow_caller_headers", false),
        CallerHeaders::Any => page.value(4, "allow_caller_headers", true),
        CallerHeaders::Templates(templates) => {
            page.heading(4, "headers");
            for template in templates {
                let name = format!("x-mcp-{{{{alias}}}}-{}", template.header);
                let text = format!("{}{{{{token}}}}{}", template.before, template.after);
                page.value(6, &name, quoted(text));
            }
        }
    }
}
