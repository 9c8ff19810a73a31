//! The claims: from the verified principal, from the verified token where there is one, and from the
//! operator's file. Nothing else of a request gets in.

use std::collections::BTreeSet;
use std::time::Duration;

use portcullis_core::{Principal, SubjectKind, Timestamp, hex};
use serde_json::{Map, Value, json};

use crate::jose::Claims;

/// What the gateway itself says and the operator's rules leave alone: whose token it is, for whom,
/// how long, for what.
pub const OUR_CLAIMS: [&str; 9] = [
    "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "scope", "act",
];

/// Before the name of a client that speaks for nobody, so that no server takes it for the person who
/// is called as it is.
const CLIENT: &str = "client:";

/// Where `sub` may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectSource {
    /// This claim of the caller's verified token.
    Token(String),
    /// The user behind the credential.
    UserId,
    /// Their e-mail address.
    Email,
    /// Their team.
    Team,
}

/// The operator's rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClaimRules {
    /// `iss`
    pub issuer: String,
    /// Tried in order; when none is written, the user and then the key.
    pub subject: Vec<SubjectSource>,
    /// Claims that the caller's token must have.
    pub required: Vec<String>,
    /// Claims of the caller's token that are taken over.
    pub optional: Vec<String>,
    /// Claims that are added where there is none.
    pub add: Map<String, Value>,
    /// Claims that are set, whatever is there.
    pub set: Map<String, Value>,
    /// Claims that are left out.
    pub remove: BTreeSet<String>,
    /// Who acts where neither team nor organization is known, and the service's own name.
    pub gateway: String,
}

/// One token.
#[derive(Clone, Copy, Debug)]
pub struct Issue<'a> {
    /// The caller; `None`: we ask for ourselves.
    pub caller: Option<&'a Principal>,
    /// What the caller's own token says, where it was verified.
    pub verified: Option<&'a Claims>,
    /// `aud`
    pub audience: &'a str,
    /// `scope`
    pub scope: &'a str,
    /// Now.
    pub now: Timestamp,
    /// How long, at most.
    pub lifetime: Duration,
    /// Of the `jti`; never used twice.
    pub unique: &'a [u8; 16],
}

/// Nothing can be said of this caller.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unvouchable {
    /// The caller's token lacks what the operator requires.
    #[error("the caller's token has no claim {}", .0.join(", "))]
    MissingClaims(Vec<String>),
    /// None of the written sources says who it is.
    #[error("none of end_user_claim_sources says who the caller is")]
    NoSubject,
    /// The caller would be taken for the gateway itself.
    #[error("the caller is called as the gateway calls itself")]
    OurName,
    /// The caller would be taken for an OAuth client.
    #[error("the caller is called as clients are called that speak for nobody")]
    ClientsName,
    /// The caller's credential is over.
    #[error("the caller's credential has ended")]
    Ended,
}

/// What is signed.
pub fn vouched_claims(rules: &ClaimRules, issue: &Issue<'_>) -> Result<Value, Unvouchable> {
    let missing = missing(rules, issue);
    if !missing.is_empty() {
        return Err(Unvouchable::MissingClaims(missing));
    }
    let issued = issue.now.as_secs();
    let expires = expiry(issue).as_secs();
    if expires <= issued {
        return Err(Unvouchable::Ended);
    }
    let mut claims = Map::new();
    let mut say = |name: &str, value: Value| claims.insert(name.to_owned(), value);
    say("iss", rules.issuer.as_str().into());
    say("sub", subject(rules, issue)?.into());
    say("aud", issue.audience.into());
    say("iat", issued.into());
    say("nbf", issued.into());
    say("exp", expires.into());
    say("jti", hex(issue.unique).into());
    say("scope", issue.scope.into());
    if let Some(caller) = issue.caller {
        let actor = caller.team.as_deref().or(caller.org.as_deref());
        say("act", json!({"sub": actor.unwrap_or(&rules.gateway)}));
        if let Some(email) = caller.email.as_ref().filter(|_| is_holder(caller)) {
            say("email", email.as_ref().into());
        }
    }
    let client = issue.caller.and_then(|caller| {
        let key = caller.key_id.as_ref().map(ToString::to_string);
        key.or_else(|| caller.client_id.as_deref().map(str::to_owned))
    });
    say(
        "client_id",
        client.unwrap_or_else(|| rules.gateway.clone()).into(),
    );
    apply(rules, issue, &mut claims);
    Ok(Value::Object(claims))
}

/// The operator's rules about all other claims.
fn apply(rules: &ClaimRules, issue: &Issue<'_>, claims: &mut Map<String, Value>) {
    let ours = |name: &str| OUR_CLAIMS.contains(&name);
    let taken_over = rules.optional.iter().filter_map(|name| {
        let verified = issue.verified.filter(|said| vouches_for(said, name))?;
        Some((name, verified.member(name)?))
    });
    for (name, value) in rules.add.iter().chain(taken_over) {
        if !ours(name) {
            claims.entry(name).or_insert_with(|| value.clone());
        }
    }
    for (name, value) in &rules.set {
        if !ours(name) {
            claims.insert(name.clone(), value.clone());
        }
    }
    for name in &rules.remove {
        if !ours(name) {
            claims.remove(name);
        }
    }
}

/// Whether the issuer stands behind this claim. An address that it has not seen proved is whatever its
/// user typed (OpenID Connect Core §5.7), and where it names nobody, `sub` is a client's.
fn vouches_for(verified: &Claims, claim: &str) -> bool {
    match claim {
        "email" => verified.flag("email_verified") != Some(false),
        "sub" => !verified.is_of_client(),
        _ => true,
    }
}

fn missing(rules: &ClaimRules, issue: &Issue<'_>) -> Vec<String> {
    if issue.caller.is_none() {
        return Vec::new();
    }
    let is_there = |name: &str| {
        let verified = issue.verified.filter(|said| vouches_for(said, name));
        let value = verified.and_then(|verified| verified.member(name));
        value.is_some_and(|value| !value.is_null())
    };
    let required = rules.required.iter();
    required.filter(|name| !is_there(name)).cloned().collect()
}

/// Never beyond the end of what it is based on.
fn expiry(issue: &Issue<'_>) -> Timestamp {
    let ends = [
        issue.caller.and_then(|caller| caller.expires_at),
        issue.verified.and_then(Claims::expires_at),
    ];
    let longest = issue.now.after(issue.lifetime);
    ends.into_iter().flatten().fold(longest, Timestamp::min)
}

fn named(rules: &ClaimRules, issue: &Issue<'_>, caller: &Principal) -> Result<String, Unvouchable> {
    if rules.subject.is_empty() && !is_holder(caller) {
        return Ok(format!("{CLIENT}{}", caller.subject));
    }
    if rules.subject.is_empty() {
        let user = caller.user_id.as_deref().map(str::to_owned);
        let key = || caller.key_id.as_ref().map(ToString::to_string);
        let named = user.or_else(key);
        return Ok(named.unwrap_or_else(|| caller.subject.as_ref().to_owned()));
    }
    let say = |source: &SubjectSource| match source {
        SubjectSource::Token(claim) => {
            let verified = issue.verified.filter(|said| vouches_for(said, claim))?;
            match claim.as_str() {
                "sub" => Some(verified.subject()),
                _ => verified.text(claim),
            }
        }
        // No person stands behind a client that speaks for itself.
        SubjectSource::UserId => caller.user_id.as_deref().filter(|_| is_holder(caller)),
        SubjectSource::Email => caller.email.as_deref().filter(|_| is_holder(caller)),
        SubjectSource::Team => caller.team.as_deref(),
    };
    let found = rules.subject.iter().find_map(say);
    found.map(str::to_owned).ok_or(Unvouchable::NoSubject)
}

/// Whether somebody is named, and not only the client.
fn is_holder(caller: &Principal) -> bool {
    caller.subject_kind == SubjectKind::Holder
}

/// A caller's `sub`, which is never the service's own: what it may ask for itself is not a caller's.
fn subject(rules: &ClaimRules, issue: &Issue<'_>) -> Result<String, Unvouchable> {
    let Some(caller) = issue.caller else {
        return Ok(rules.gateway.clone());
    };
    let subject = named(rules, issue, caller)?;
    if subject == rules.gateway {
        return Err(Unvouchable::OurName);
    }
    if subject.starts_with(CLIENT) && (is_holder(caller) || !rules.subject.is_empty()) {
        return Err(Unvouchable::ClientsName);
    }
    Ok(subject)
}

#[cfg(test)]
mod tests;
