//! Identity assertions of issuers that the operator trusts with it (ID-JAG,
//! draft-ietf-oauth-identity-assertion-authz-grant): a person is not asked, because their organisation
//! decided.

use std::time::Duration;

use portcullis_core::{ScopeSet, Sha256, TokenMarks};
use portcullis_oauth::authorization_server::{AuthorizationRequest, OAuthFault, Parameters};
use portcullis_oauth::jose::{Claims, Jws, TokenRules, TokenType, Unverified, Verified};
use portcullis_store::{OneTimeRecord, OneTimeUse};
use serde_json::Value;

use super::clients::Client;
use super::grants::NewGrant;
use super::resource::aggregate;
use super::{
    AssertionIssuer, AuthorizationError, AuthorizationServer, Endpoint, Issued, TokenRefusal,
    secrets,
};
use crate::issuers::verify;
use crate::{Arrival, Asserted, Authentication, AuthnErrorKind, Person, Proved, Vouching};

/// `typ` (draft §3.1).
const TYPE: &str = "oauth-id-jag+jwt";
/// Longest life of an assertion (JWT-28).
const LONGEST: Duration = Duration::from_mins(5);

const INVALID: OAuthFault = OAuthFault::grant("the assertion is not accepted");

impl AuthorizationServer {
    pub(super) async fn take_assertion(
        &self,
        authentication: &Authentication,
        client: &Client,
        form: &Parameters,
        origin: &str,
    ) -> Result<Issued, TokenRefusal> {
        // Without a secret anybody could present what was meant for this client.
        if client.secret.is_none() {
            return Err(OAuthFault::new(
                "unauthorized_client",
                "this grant_type needs a client with a secret",
            )
            .into());
        }
        let presented = form
            .get("assertion")
            .ok_or(OAuthFault::request("assertion is required"))?;
        let (trusted, claims) = self.believed(presented, origin).await?;
        let marks = TokenMarks {
            issuer: trusted.issuer.rules.issuer.as_str().into(),
            subject: Some(claims.subject().into()),
            jti: claims.token_id().map(Into::into),
            sid: claims.session_id().map(Into::into),
            issued_at: claims.issued_at(),
        };
        match authentication.revocations().judge_token(&marks).await {
            Ok(()) => {}
            Err(AuthnErrorKind::Revoked) => return Err(INVALID.into()),
            Err(_) => return Err(AuthorizationError::NobodyKnows.into()),
        }
        // As they are: a text that is too long for an id of ours is another text, and not none.
        if claims.member("client_id").and_then(Value::as_str) != Some(&client.id) {
            return Err(INVALID.into());
        }
        let asserted_resource = match claims.member("resource") {
            None => None,
            Some(Value::String(resource)) => Some(resource.as_str()),
            Some(_) => return Err(INVALID.into()),
        };
        let resource = match (asserted_resource, AuthorizationRequest::resource(form)?) {
            (Some(asserted), Some(asked)) if asserted != asked => {
                return Err(OAuthFault::target("resource is not that of the assertion").into());
            }
            (Some(resource), _) | (None, Some(resource)) => resource.to_owned(),
            (None, None) => aggregate(origin).into_owned(),
        };
        let endpoint = Endpoint::of_resource(&resource, origin).ok_or(OAuthFault::target(
            "resource is none of this gateway's endpoints",
        ))?;
        let scopes = self.asserted_scopes(&claims, client, form)?;
        let now = self.deps.clock.now();
        let person = Person {
            session: secrets::name(&*self.deps.entropy, "")?,
            signed_in_at: now,
            proved: Proved::Provider(Box::new(asserted(trusted, &claims, scopes.clone()))),
        };
        let Some(principal) = self.still(authentication, &person).await? else {
            return Err(INVALID.into());
        };
        if let Endpoint::Named(name) = &endpoint
            && !self.leads_somewhere(name, &principal).await
        {
            return Err(
                OAuthFault::target("there is nothing at this resource for this person").into(),
            );
        }
        self.use_up(trusted, &claims).await?;
        let until = now.after(self.terms.access_token_ttl);
        let id = secrets::name(&*self.deps.entropy, "")?;
        let new = NewGrant {
            client: client.id.clone(),
            client_name: client.metadata.name.clone(),
            person,
            principal: principal.id.clone(),
            origin: origin.to_owned(),
            resource,
            endpoint,
            scopes: scopes.clone(),
            // Draft §5: whoever wants another token brings another assertion.
            refreshes: false,
        };
        self.deps.grants.open(&id, new, now, until).await?;
        let Some(read) = self.deps.grants.get(&id).await? else {
            return Err(INVALID.into());
        };
        Ok(self.issue(&read, &scopes, until, now, &principal)?)
    }

    /// What an assertion says, if its issuer signed it for us.
    async fn believed(
        &self,
        presented: &str,
        origin: &str,
    ) -> Result<(&AssertionIssuer, Verified<Claims>), TokenRefusal> {
        let token = Unverified::<Jws<'_>>::parse(presented).map_err(|_| INVALID)?;
        let issuer = token.claimed_issuer().map_err(|_| INVALID)?;
        let mut trusted = self.terms.assertions.iter();
        let trusted = trusted.find(|one| one.issuer.rules.issuer == issuer);
        let trusted = trusted.ok_or(INVALID)?;
        let rules = TokenRules {
            audiences: vec![origin.to_owned()],
            types: vec![TokenType::named(TYPE)],
            max_lifetime: LONGEST,
            ..trusted.issuer.rules.clone()
        };
        let clock = &*self.deps.clock;
        match verify(&token, &trusted.keys, &rules, &Arrival::default(), clock).await {
            // One audience (draft §3.1): what is good in two places is good in neither.
            Ok(claims) if claims.text("aud") == Some(origin) => Ok((trusted, claims)),
            Err(error) if error.kind == AuthnErrorKind::Unavailable => {
                Err(AuthorizationError::NobodyKnows.into())
            }
            Ok(_) | Err(_) => Err(INVALID.into()),
        }
    }

    /// An assertion is good once, wherever it is presented (RFC 7523 §3).
    async fn use_up(&self, trusted: &AssertionIssuer, claims: &Claims) -> Result<(), TokenRefusal> {
        let rules = &trusted.issuer.rules;
        let (Some(jti), Some(expires_at)) = (claims.token_id(), claims.expires_at()) else {
            return Err(INVALID.into());
        };
        let digest = Sha256::new()
            .part(rules.issuer.as_bytes())
            .part(jti.as_bytes());
        let record = OneTimeRecord {
            usage: OneTimeUse::AssertionId,
            digest: digest.finish(),
            sealed: Vec::new(),
            expires_at: expires_at.after(rules.leeway),
        };
        if self.deps.one_time.put(&record).await? {
            Ok(())
        } else {
            Err(INVALID.into())
        }
    }

    fn asserted_scopes(
        &self,
        claims: &Claims,
        client: &Client,
        form: &Parameters,
    ) -> Result<ScopeSet, OAuthFault> {
        let asserted = claims.scopes();
        let wanted = match form.get("scope") {
            None => asserted,
            Some(asked) => {
                let asked: ScopeSet = asked.parse().map_err(|_| {
                    OAuthFault::new("invalid_scope", "scope is not what RFC 6749 §3.3 allows")
                })?;
                if !asserted.covers(&asked) {
                    return Err(OAuthFault::new("invalid_scope", "more than was asserted"));
                }
                asked
            }
        };
        Ok(self.grantable(&wanted, client.metadata.scope.as_ref()))
    }
}

fn asserted(trusted: &AssertionIssuer, claims: &Verified<Claims>, scopes: ScopeSet) -> Asserted {
    let names = &trusted.issuer.claims;
    let text = |name: &Option<String>| claims.text(name.as_deref()?).map(str::to_owned);
    Asserted {
        by: Vouching::Assertion,
        issuer: trusted.issuer.rules.issuer.clone(),
        subject: claims.subject().to_owned(),
        sid: claims.session_id().map(str::to_owned),
        user_id: text(&names.user_id),
        email: match claims.flag("email_verified") {
            None | Some(true) => text(&names.email),
            Some(false) => None,
        },
        team: text(&names.team),
        org: text(&names.org),
        groups: names
            .groups
            .iter()
            .flat_map(|name| claims.texts(name))
            .map(str::to_owned)
            .collect(),
        scopes: Some(scopes),
    }
}
