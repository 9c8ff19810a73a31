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
        let mut brought = self.collect(headers, true, asked_for).await;
        match self.on_behalf(headers, principal).await {
            Ok(on_behalf) => brought.on_behalf = on_behalf,
            Err(why) => {
                let name = AUTHORIZATION.as_str();
                tracing::info!(
                    reason = why.as_str(),
                    "a token beside a key is not acted with"
                );
                brought.headers.retain(|header| &*header.name != name);
                brought.withheld.retain(|(withheld, _)| &**withheld != name);
                brought.withheld.push((name.into(), why));
            }
        }
        brought
    }

    /// The same of a caller whom nobody admitted: all that it has is its own.
    pub async fn brought_by_stranger(
        &self,
        headers: &HeaderMap,
        asked_for: impl Fn(&str) -> bool + Send + Sync,
    ) -> Brought {
        self.collect(headers, false, asked_for).await
    }

    async fn collect(
        &self,
        headers: &HeaderMap,
        is_known: bool,
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
        let presented = is_known.then(|| extract(headers).ok()).flatten();
        let presented = presented.as_ref();
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Arc;

    use async_trait::async_trait;
    use portcullis_core::{PrincipalKind, Role, ScopeSet, ServerGrants};
    use portcullis_oauth::jose::TokenFault;

    use super::*;
    use crate::on_behalf::tests::nobody_revoked;
    use crate::{Authenticated, Authenticator, AuthnError, AuthnErrorKind};

    /// Knows a key, and tokens of an issuer: one in force, one that is over, and one that the issuer
    /// made for somebody else.
    #[derive(Debug)]
    struct Door(Arc<Principal>);

    #[async_trait]
    impl Authenticator for Door {
        async fn authenticate(
            &self,
            presented: &Presented,
        ) -> Result<Option<Authenticated>, AuthnError> {
            match presented.key().expose() {
                "the-key" | "e30.ours.c2ln" => Ok(Some(Authenticated {
                    principal: Arc::clone(&self.0),
                })),
                "a-revoked-key" => Err(AuthnErrorKind::Revoked.into()),
                "e30.over.c2ln" => Err(TokenFault::Expired.into()),
                "e30.elsewhere.c2ln" => Err(TokenFault::Audience.into()),
                _ => Ok(None),
            }
        }
    }

    fn somebody() -> Arc<Principal> {
        Arc::new(Principal {
            id: "somebody".into(),
            subject: "somebody".into(),
            kind: PrincipalKind::ApiKey,
            user_id: None,
            client_id: None,
            email: None,
            team: None,
            org: None,
            groups: BTreeSet::default(),
            scopes: ScopeSet::default(),
            key_id: None,
            issuer: None,
            role: Role::User,
            grants: ServerGrants::default(),
            expires_at: None,
            marks: portcullis_core::CredentialMarks::default(),
            subject_kind: portcullis_core::SubjectKind::Holder,
            levels: Vec::new(),
        })
    }

    async fn brought(lines: &[(&str, &str)]) -> Brought {
        let principal = somebody();
        let door = Arc::new(Door(Arc::clone(&principal)));
        let door = Authentication::new(vec![door], nobody_revoked());
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::try_from(*name).unwrap();
            headers.append(name, HeaderValue::try_from(*value).unwrap());
        }
        let asked_for = |name: &str| ["authorization", "cookie", "x-a"].contains(&name);
        door.brought(&headers, &principal, asked_for).await
    }

    fn values(brought: &Brought) -> Vec<&str> {
        let all = brought.headers.iter().chain(&brought.cookies);
        all.map(|header| header.value.expose()).collect()
    }

    const KEY: (&str, &str) = ("x-litellm-api-key", "the-key");

    #[tokio::test]
    async fn what_opens_no_door_of_ours_is_brought() {
        for token in ["of-an-upstream", "e30.elsewhere.c2ln", "e30.unknown.c2ln"] {
            let bearer = format!("Bearer {token}");
            let cookie = format!("a={token}; b=2");
            let lines = [
                KEY,
                ("authorization", &bearer),
                ("x-a", token),
                ("cookie", &cookie),
                ("x-b", "b"),
            ];
            let brought = brought(&lines).await;
            let mut found = values(&brought);
            found.sort_unstable();
            let mut expected = [bearer.as_str(), token, token, "2"];
            expected.sort_unstable();
            assert_eq!(found, expected);
            assert!(brought.withheld.is_empty());
        }
    }

    #[tokio::test]
    async fn what_opens_our_door_or_may_stays() {
        for own in [
            "the-key",
            "a-revoked-key",
            "e30.ours.c2ln",
            "e30.over.c2ln",
            // Of our form, and known to nobody any more, or mistyped.
            "sk-pc-aaaaaaaaaaaa-aaaaaaaaaaaaaaaaaaaaaaaaaa-aaaaaaa",
        ] {
            let bearer = format!("Bearer {own}");
            let cookie = format!("a={own}");
            let lines = [
                KEY,
                ("authorization", &bearer),
                ("x-a", own),
                ("cookie", &cookie),
            ];
            let brought = brought(&lines).await;
            assert!(values(&brought).is_empty(), "{own}");
            let mut withheld = brought.withheld;
            withheld.sort_unstable_by(|one, other| one.0.cmp(&other.0));
            let expected = ["authorization", "cookie", "x-a"];
            assert_eq!(
                withheld,
                expected.map(|name| (name.into(), Withheld::OwnCredential))
            );
        }
        // Whatever admitted the caller is not the caller's to hand on, and neither are other keys.
        for bearer in ["Bearer the-key", "Bearer e30.ours.c2ln"] {
            assert!(values(&brought(&[("authorization", bearer)]).await).is_empty());
        }
        let of_others = brought(&[KEY, ("authorization", "Bearer sk-of-others")]).await;
        assert!(values(&of_others).is_empty());
    }

    #[tokio::test]
    async fn what_could_mean_two_things_or_ends_here_stays() {
        for (lines, why) in [
            (&[("x-a", "1"), ("x-a", "2")][..], Withheld::Ambiguous),
            (
                &[("x-a", "1"), ("connection", "close, X-A")],
                Withheld::HopByHop,
            ),
            (&[("x-a", "")], Withheld::Malformed),
            (&[("x-a", "a\tb")], Withheld::Malformed),
            (&[("x-a", "\u{e4}")], Withheld::Malformed),
        ] {
            let brought = brought(lines).await;
            assert!(values(&brought).is_empty(), "{lines:?}");
            assert_eq!(brought.withheld, [("x-a".into(), why)]);
        }
    }
}
