//! An issuer that the operator trusts, and who its tokens speak of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use portcullis_core::{
    CredentialMarks, Principal, PrincipalId, PrincipalKind, Role, ServerGrants, SubjectKind,
    Timestamp,
};
use portcullis_oauth::jose::{Claims, TokenRules, Verified};

use crate::Arrival;

/// One issuer: what its tokens must be like, and what their bearers may see.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// When a token is believed.
    pub rules: TokenRules,
    /// Where the claims are.
    pub claims: ClaimNames,
    /// What they are worth.
    pub grants: IssuerGrants,
}

/// Which claim is which field of the principal: a name, or a path with dots. `None`: no claim is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimNames {
    /// The person or service.
    pub user_id: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their team.
    pub team: Option<String>,
    /// Their organization.
    pub org: Option<String>,
    /// Their groups.
    pub groups: Option<String>,
}

/// What the bearers of an issuer's tokens see. Nothing, unless something is written here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IssuerGrants {
    /// All of them.
    pub everybody: ServerGrants,
    /// In addition, those of a group.
    pub groups: BTreeMap<String, ServerGrants>,
    /// In addition, those of a team.
    pub teams: BTreeMap<String, ServerGrants>,
}

impl IssuerGrants {
    pub(crate) fn of(&self, groups: &BTreeSet<String>, team: Option<&str>) -> ServerGrants {
        let groups = groups.iter().filter_map(|group| self.groups.get(group));
        let team = team.and_then(|team| self.teams.get(team));
        let mut sum = self.everybody.clone();
        for granted in groups.chain(team) {
            sum.all |= granted.all;
            sum.servers.extend(granted.servers.iter().cloned());
            sum.access_groups
                .extend(granted.access_groups.iter().cloned());
            sum.toolsets.extend(granted.toolsets.iter().cloned());
        }
        sum
    }
}

impl TrustedIssuer {
    /// Who it is that a verified token speaks of.
    pub(crate) fn principal(
        &self,
        claims: &Verified<Claims>,
        kind: PrincipalKind,
        arrival: &Arrival,
    ) -> Principal {
        let text = |name: &Option<String>| claims.text(name.as_deref()?).map(Arc::<str>::from);
        // An address that the issuer has not seen proved is whatever its user typed.
        let email = match claims.flag("email_verified") {
            None | Some(true) => text(&self.claims.email),
            Some(false) => None,
        };
        let groups: BTreeSet<String> = self
            .claims
            .groups
            .iter()
            .flat_map(|name| claims.texts(name))
            .map(str::to_owned)
            .collect();
        let team = text(&self.claims.team);
        Principal {
            id: principal_id(
                kind,
                claims.is_of_client(),
                &self.rules.issuer,
                claims.subject(),
            ),
            subject: Arc::from(claims.subject()),
            subject_kind: if claims.is_of_client() {
                SubjectKind::Client
            } else {
                SubjectKind::Holder
            },
            kind,
            user_id: text(&self.claims.user_id),
            client_id: ["client_id", "azp"]
                .into_iter()
                .find_map(|name| claims.text(name))
                .map(Arc::<str>::from),
            email,
            org: text(&self.claims.org),
            grants: self.grants.of(&groups, team.as_deref()),
            levels: Vec::new(),
            team,
            groups,
            scopes: claims.scopes(),
            key_id: None,
            issuer: Some(Arc::from(self.rules.issuer.as_str())),
            // No issuer can make administrators.
            role: Role::User,
            expires_at: self.end(claims, arrival),
            marks: CredentialMarks {
                jti: claims.token_id().map(Arc::from),
                sid: claims.session_id().map(Arc::from),
                issued_at: claims.issued_at(),
                beside: None,
            },
        }
    }
}

impl TrustedIssuer {
    /// As long as the token itself is believed, and the certificate that it is bound to holds.
    fn end(&self, claims: &Claims, arrival: &Arrival) -> Option<Timestamp> {
        let own = claims.expires_at().map(|end| end.after(self.rules.leeway));
        let of_certificate = arrival.certificate.as_ref().filter(|_| claims.is_bound());
        let ends = of_certificate.map(|certificate| certificate.ends());
        own.into_iter().chain(ends).min()
    }
}

/// Different subjects have different ids, whatever they contain: a blank ends the issuer, which has
/// none, and what could break a line is escaped together with what escapes.
pub(crate) fn principal_id(
    kind: PrincipalKind,
    is_client: bool,
    issuer: &str,
    subject: &str,
) -> PrincipalId {
    let prefix = match kind {
        // A client is no person who happens to be called like it.
        _ if is_client => "client",
        PrincipalKind::IntrospectedToken => "token",
        _ => "jwt",
    };
    let mut id = format!("{prefix}:{issuer} ");
    for char in subject.chars() {
        if char.is_control() || char == '\\' {
            id.extend(char.escape_default());
        } else {
            id.push(char);
        }
    }
    PrincipalId::from(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_subjects_share_an_id_and_none_breaks_a_line() {
        let id = |issuer: &str, subject: &str| {
            principal_id(PrincipalKind::Jwt, false, issuer, subject)
                .as_str()
                .to_owned()
        };
        let ids = [
            id("https://a.example", "b"),
            id("https://a.example/b", ""),
            id("https://a.example", "b "),
            id("https://a.example", "a\nb"),
            id("https://a.example", "a\\nb"),
            id("https://a.example", "\u{e9}"),
            id("https://a.example", "e\u{301}"),
        ];
        let distinct: BTreeSet<&String> = ids.iter().collect();
        assert_eq!(distinct.len(), ids.len());
        assert!(ids.iter().all(|id| !id.contains('\n')));
    }
}
