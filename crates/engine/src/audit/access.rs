//! A request as one line of the log: who did what, and what became of it. The trail is the record;
//! this is for those who collect lines.

use portcullis_core::PrincipalKind;

use super::{AuditEvent, CallerText, Target};

pub(super) fn tell(event: &AuditEvent) {
    let user = event.principal.as_ref().map(|principal| {
        let id = principal.as_str();
        match event.principal_kind {
            // `jwt:<issuer> <sub>`, and an issuer has no blank.
            Some(
                PrincipalKind::Jwt | PrincipalKind::IntrospectedToken | PrincipalKind::SignedIn,
            ) => id.split_once(' ').map_or(id, |(_, subject)| subject),
            _ => id,
        }
    });
    let tool = match &event.target {
        Some(Target::Tool(name)) => Some(name.as_str()),
        _ => None,
    };
    tracing::info!(
        user = user.unwrap_or_default(),
        tool = tool.unwrap_or_default(),
        action = event.method.as_ref().map(CallerText::as_str).unwrap_or_default(),
        outcome = event.outcome.as_str(),
        rule = event.rule.as_deref().or(event.authn).unwrap_or_default(),
        request.id = %event.request_id,
        "request"
    );
}
