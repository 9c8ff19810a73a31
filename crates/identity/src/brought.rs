//! What of a caller's request may go on to a server that asks for it. Whatever opens our own door
//! stays here, wherever in the request it stands.

use std::collections::BTreeSet;

use http::header::{CONNECTION, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_core::{Brought, ForwardedHeader, Principal, Withheld};

use crate::cookies;
use crate::extract::{AUTHORIZATION, KEY_HEADERS, bearer};
use crate::on_behalf::KEY_PREFIX;
use crate::{Authentication, CredentialSource, Presented, extract};

/// Longest value that is handed on.
const LONGEST: usize = 16 * 1024;

impl Authentication {
    /// Collects what an authenticated caller brought. `asked_for` says which headers some server is
    /// handed; no other is looked at.
    pub async fn brought(
        &self,
        headers: &HeaderMap,
        principal: &Principal,
        asked_for: impl Fn(&str) -> bool + Send + Sync,
    ) -> Brought {
        let presented = extract(headers).ok();
        Brought {
            on_behalf: self.on_behalf(headers, principal).await,
            ..self.collect(headers, presented.as_ref(), asked_for).await
        }
    }

    /// The same of a caller whom nobody admitted: all that it has is its own.
    pub async fn brought_by_stranger(
        &self,
        headers: &HeaderMap,
        asked_for: impl Fn(&str) -> bool + Send + Sync,
    ) -> Brought {
        self.collect(headers, None, asked_for).await
    }

    async fn collect(
        &self,
        headers: &HeaderMap,
        presented: Option<&Presented>,
        asked_for: impl Fn(&str) -> bool + Send + Sync,
    ) -> Brought {
        let mut brought = Brought::default();
        let names: Vec<&HeaderName> = headers
            .keys()
            .filter(|name| asked_for(name.as_str()) && !KEY_HEADERS.contains(name))
            .collect();
        if names.is_empty() {
            return brought;
        }
        let ends_here = nominated(headers);
        for name in names {
            if ends_here.contains(name.as_str()) {
                brought
                    .withheld
                    .push((name.as_str().into(), Withheld::HopByHop));
            } else if *name == COOKIE {
                self.cookies(headers, presented, &mut brought).await;
            } else {
                match self.header(headers, name, presented).await {
                    Ok(value) => brought
                        .headers
                        .push(ForwardedHeader::new(name.as_str(), value)),
                    Err(why) => brought.withheld.push((name.as_str().into(), why)),
                }
            }
        }
        brought
    }

    /// The one value of a header, if it may leave.
    async fn header(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        presented: Option<&Presented>,
    ) -> Result<String, Withheld> {
        let mut values = headers.get_all(name).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err(Withheld::Ambiguous);
        };
        let text = text(value).ok_or(Withheld::Malformed)?;
        let admitted = presented.is_some_and(|own| own.source() == CredentialSource::Bearer);
        let own_bearer = *name == AUTHORIZATION
            && (admitted
                || bearer(value).is_ok_and(|token| token.expose().starts_with(KEY_PREFIX)));
        if own_bearer || self.holds_own_credential(text, presented).await {
            return Err(Withheld::OwnCredential);
        }
        Ok(text.to_owned())
    }

    async fn cookies(
        &self,
        headers: &HeaderMap,
        presented: Option<&Presented>,
        brought: &mut Brought,
    ) {
        let lines: Vec<&str> = headers.get_all(COOKIE).iter().filter_map(text).collect();
        let read = cookies::read(lines);
        brought.withheld.extend(
            read.ambiguous
                .then(|| ("cookie".into(), Withheld::Ambiguous)),
        );
        for (name, value) in read.cookies {
            if self.holds_own_credential(value, presented).await
                || self.holds_own_credential(name, presented).await
            {
                brought
                    .withheld
                    .push(("cookie".into(), Withheld::OwnCredential));
            } else {
                brought.cookies.push(ForwardedHeader::new(name, value));
            }
        }
    }
}

/// Visible ASCII with blanks between, of bounded length.
fn text(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?.trim();
    let plain = !text.is_empty() && text.len() <= LONGEST;
    (plain && text.bytes().all(|byte| matches!(byte, b' '..=b'~'))).then_some(text)
}

/// The headers that end here, by the caller's own word (RFC 9110 §7.6.1).
fn nominated(headers: &HeaderMap) -> BTreeSet<String> {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect()
}
