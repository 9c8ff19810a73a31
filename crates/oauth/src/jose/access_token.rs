//! What an access token must say of itself before it is believed: RFC 9068 §4, RFC 8725 §3, RFC 7662.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::Timestamp;
use serde_json::{Map, Value};

use super::{Algorithm, Claims, Jwks, Jws, TokenFault, Unverified, Verified, json};

/// Longest `sub`.
const LONGEST_SUBJECT: usize = 1024;
/// The last second of the year 9999: later moments are mistakes.
const END_OF_TIME: f64 = 253_402_300_799.0;

/// What one issuer's tokens must be like.
#[derive(Clone, Debug)]
pub struct TokenRules {
    /// `iss`, character by character.
    pub issuer: String,
    /// `aud` must name one of these, character by character.
    pub audiences: Vec<String>,
    /// The only algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The only types.
    pub types: Vec<TokenType>,
    /// How far the issuer's clock may differ from ours.
    pub leeway: Duration,
    /// Longest time from `iat` (from now, without one) to `exp`.
    pub max_lifetime: Duration,
}

/// `typ` (RFC 7515 §4.1.9): a media type, compared without regard to case and to `application/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenType(Option<String>);

impl TokenType {
    /// This one.
    pub fn named(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let bare = name.strip_prefix("application/").unwrap_or(&name);
        Self(Some(bare.to_owned()))
    }

    /// A token that does not say what it is.
    pub const fn absent() -> Self {
        Self(None)
    }

    pub(super) fn of_header(header: &Map<String, Value>) -> Result<Self, TokenFault> {
        match header.get("typ") {
            None => Ok(Self::absent()),
            Some(Value::String(name)) => Ok(Self::named(name)),
            Some(_) => Err(TokenFault::Malformed),
        }
    }

    fn is_access_token(&self) -> bool {
        self.0.as_deref() == Some("at+jwt")
    }
}

/// Believes a token, or says why not. The cheap questions come first, and nothing of the content is
/// judged before the signature. `holder` is the SHA-256 of the certificate whose possession its bearer
/// proved, if any: a token that is bound to one (RFC 8705 §3) is believed with exactly that.
pub fn verify_access_token(
    token: &Unverified<Jws<'_>>,
    keys: &Jwks,
    rules: &TokenRules,
    holder: Option<&[u8; 32]>,
    now: Timestamp,
) -> Result<Verified<Claims>, TokenFault> {
    if !rules.types.contains(token.token_type()) {
        return Err(TokenFault::Type);
    }
    let payload = token.signed_by(keys, &rules.algorithms)?;
    let members = json::object(*payload).ok_or(TokenFault::Malformed)?;
    if members.get("iss").and_then(Value::as_str) != Some(&rules.issuer) {
        return Err(TokenFault::Issuer);
    }
    refuse_other_tokens(&members, token.token_type().is_access_token())?;
    judge(members, rules, holder, now, Source::Token).map(Verified::new)
}

/// Believes the body of an introspection response (RFC 7662 §2.2), which the authorization server
/// gave us over TLS; `iss` and `exp` are optional there, `aud` is not to us. For `holder` see
/// [`verify_access_token`].
pub fn read_introspected(
    body: &[u8],
    rules: &TokenRules,
    holder: Option<&[u8; 32]>,
    now: Timestamp,
) -> Result<Verified<Claims>, TokenFault> {
    let members = json::object(body).ok_or(TokenFault::Malformed)?;
    match members.get("active") {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => return Err(TokenFault::Inactive),
        _ => return Err(TokenFault::Malformed),
    }
    match members.get("iss") {
        None => {}
        Some(issuer) if *issuer == *rules.issuer => {}
        Some(_) => return Err(TokenFault::Issuer),
    }
    match members.get("token_type") {
        None => {}
        Some(Value::String(name)) if name.eq_ignore_ascii_case("bearer") => {}
        Some(_) => return Err(TokenFault::Confirmation),
    }
    refuse_other_tokens(&members, true)?;
    judge(members, rules, holder, now, Source::Introspection).map(Verified::new)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Token,
    Introspection,
}

/// An ID token proves to a client who signed in; whoever holds one may do nothing with it (RFC 8725
/// §3.11). Logout tokens have `events` (OpenID Connect Back-Channel Logout §2.4). `token_use` is
/// Cognito's word, `typ` Keycloak's.
fn refuse_other_tokens(members: &Map<String, Value>, says_so: bool) -> Result<(), TokenFault> {
    let has = |name: &str| members.contains_key(name);
    let word = |name: &str, good: &str| match members.get(name) {
        None => None,
        Some(Value::String(word)) => Some(word.eq_ignore_ascii_case(good)),
        Some(_) => Some(false),
    };
    let words = [word("token_use", "access"), word("typ", "Bearer")];
    let denies = words.contains(&Some(false));
    let says_so = says_so || words.contains(&Some(true));
    let of_another = ["events", "at_hash", "c_hash", "s_hash"]
        .into_iter()
        .any(has);
    // Some issuers repeat the nonce in access tokens; then the token has to say that it is one.
    if denies || of_another || (has("nonce") && !says_so) {
        return Err(TokenFault::NotAnAccessToken);
    }
    Ok(())
}

pub(super) fn judge(
    members: Map<String, Value>,
    rules: &TokenRules,
    holder: Option<&[u8; 32]>,
    now: Timestamp,
    source: Source,
) -> Result<Claims, TokenFault> {
    let expires_at = moment(&members, "exp")?;
    let not_before = moment(&members, "nbf")?;
    let issued_at = moment(&members, "iat")?;
    if source == Source::Token && expires_at.is_none() {
        return Err(TokenFault::Claims);
    }
    // RFC 7662 §2.2 lets an answer leave the end out; what nobody bounds, the operator's rule does.
    let expires_at =
        expires_at.or_else(|| Some(issued_at.unwrap_or(now).after(rules.max_lifetime)));
    if !names_us(&members, rules)? {
        return Err(TokenFault::Audience);
    }
    let (subject, is_of_client) = subject(&members, source)?;
    let latest_start = now.after(rules.leeway);
    if [not_before, issued_at]
        .into_iter()
        .flatten()
        .any(|start| start > latest_start)
    {
        return Err(TokenFault::NotYetValid);
    }
    if let Some(end) = expires_at {
        if now >= end.after(rules.leeway) {
            return Err(TokenFault::Expired);
        }
        let start = issued_at.unwrap_or(now);
        if end < start || end > start.after(rules.max_lifetime) {
            return Err(TokenFault::Lifetime);
        }
    }
    let bound_to = certificate(&members)?;
    if bound_to.is_some() && bound_to.as_ref() != holder {
        return Err(TokenFault::Confirmation);
    }
    Ok(Claims {
        is_bound: bound_to.is_some(),
        members,
        subject,
        is_of_client,
        expires_at,
        issued_at,
    })
}

/// NumericDate (RFC 7519 §2): a JSON number, which may have a fraction.
pub(super) fn moment(
    members: &Map<String, Value>,
    name: &str,
) -> Result<Option<Timestamp>, TokenFault> {
    let Some(value) = members.get(name) else {
        return Ok(None);
    };
    let seconds = value
        .as_f64()
        .filter(|seconds| (0.0..=END_OF_TIME).contains(seconds))
        .ok_or(TokenFault::Claims)?;
    let span = Duration::try_from_secs_f64(seconds).map_err(|_| TokenFault::Claims)?;
    Ok(Some(Timestamp::from_millis(0).after(span)))
}

/// RFC 7519 §4.1.3: one text or a list of texts.
fn names_us(members: &Map<String, Value>, rules: &TokenRules) -> Result<bool, TokenFault> {
    let is_ours = |audience: &str| rules.audiences.iter().any(|ours| ours == audience);
    match members.get("aud") {
        Some(Value::String(audience)) => Ok(is_ours(audience)),
        Some(Value::Array(audiences)) => {
            let audiences: Option<Vec<&str>> = audiences.iter().map(Value::as_str).collect();
            let audiences = audiences.ok_or(TokenFault::Claims)?;
            Ok(audiences.into_iter().any(is_ours))
        }
        None => Ok(false),
        Some(_) => Err(TokenFault::Claims),
    }
}

/// The SHA-256 of the certificate that a token is bound to (RFC 8705 §3.1). Bound to anything else, or
/// to anything beside, it is bound to what nobody can prove here (RFC 7800 §3.1).
fn certificate(members: &Map<String, Value>) -> Result<Option<[u8; 32]>, TokenFault> {
    let Some(confirmation) = members.get("cnf") else {
        return Ok(None);
    };
    let thumbprint = || {
        let methods = confirmation.as_object().filter(|all| all.len() == 1)?;
        let text = methods.get("x5t#S256")?.as_str()?;
        URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
    };
    thumbprint().map(Some).ok_or(TokenFault::Confirmation)
}

/// Opaque, but a text, and without the character at which some readers stop.
///
/// RFC 7662 §2.2 leaves `sub` out of an answer about a token that nobody but the client stands
/// behind; then `client_id` says who it is, and that it is a client: ids of clients and of people may
/// be the same text.
fn subject(members: &Map<String, Value>, source: Source) -> Result<(String, bool), TokenFault> {
    let is_of_client = source == Source::Introspection && !members.contains_key("sub");
    let name = if is_of_client { "client_id" } else { "sub" };
    match members.get(name) {
        Some(Value::String(subject))
            if (1..=LONGEST_SUBJECT).contains(&subject.len()) && !subject.contains('\0') =>
        {
            Ok((subject.clone(), is_of_client))
        }
        _ => Err(TokenFault::Claims),
    }
}
