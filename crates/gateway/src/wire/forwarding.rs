//! What of its callers' requests a server is handed, as the credential room knows it.

use http::HeaderName;
use portcullis_config as config;
use portcullis_credentials::{CallerHeaders, CookieRule, Forwarding, Template};

pub(super) fn forwarding(written: &config::Forwarding) -> anyhow::Result<Forwarding> {
    Ok(Forwarding {
        extra_headers: written
            .extra_headers
            .iter()
            .map(|name| HeaderName::try_from(name.as_str()))
            .collect::<Result<_, _>>()?,
        cookies: written.cookies.as_ref().map(|cookies| CookieRule {
            names: cookies.names.clone(),
            prefix: cookies.prefix.clone(),
            all: cookies.all,
        }),
        caller_headers: match &written.caller_headers {
            config::CallerHeaders::Refused => CallerHeaders::Refused,
            config::CallerHeaders::Any => CallerHeaders::Any,
            config::CallerHeaders::Templates(templates) => CallerHeaders::Templates(
                templates
                    .iter()
                    .map(|template| {
                        Ok(Template {
                            header: HeaderName::try_from(template.header.as_str())?,
                            before: template.before.clone(),
                            after: template.after.clone(),
                        })
                    })
                    .collect::<anyhow::Result<_>>()?,
            ),
        },
    })
}
