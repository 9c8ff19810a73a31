//! The authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2).

use portcullis_core::ScopeSet;

use super::{OAuthFault, Parameters, PkceChallenge};

/// Longest `state`.
pub const LONGEST_STATE: usize = 2048;
/// Longest `resource`.
const LONGEST_RESOURCE: usize = 1024;

/// What a known client asks for, after its redirect URI was found to be one of its own: from there on
/// it is told by redirect what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// What only the client's verifier answers.
    pub challenge: PkceChallenge,
    /// `resource`, if it names one.
    pub resource: Option<String>,
    /// `scope`.
    pub scopes: ScopeSet,
    /// `prompt`.
    pub prompt: Prompt,
}

/// `prompt` (OpenID Connect Core §3.1.2.1), as far as it asks for more than we would do anyhow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompt {
    /// `login` or `select_account`: a session that is there does not do.
    pub sign_in: bool,
    /// `consent`: a consent that was given before does not do.
    pub consent: bool,
}

impl AuthorizationRequest {
    /// `state`, which goes back with whatever is answered, also with a refusal. `Err`: it cannot.
    pub fn state(parameters: &Parameters) -> Result<Option<&str>, OAuthFault> {
        match parameters.get("state") {
            Some(state)
                if state.len() > LONGEST_STATE
                    || state.bytes().any(|b| !(0x20..0x7f).contains(&b)) =>
            {
                Err(OAuthFault::request(
                    "state must be at most 2048 visible ASCII characters",
                ))
            }
            state => Ok(state),
        }
    }

    /// Judges the rest.
    pub fn read(parameters: &Parameters) -> Result<Self, OAuthFault> {
        // RFC 9101: a request that stands elsewhere would be fetched, or verified, by nobody here.
        if parameters.get("request").is_some() {
            return Err(OAuthFault::new(
                "request_not_supported",
                "send the parameters themselves",
            ));
        }
        if parameters.get("request_uri").is_some() {
            return Err(OAuthFault::new(
                "request_uri_not_supported",
                "send the parameters themselves",
            ));
        }
        match parameters.get("response_type") {
            Some("code") => {}
            Some(_) => {
                return Err(OAuthFault::new(
                    "unsupported_response_type",
                    "response_type must be 'code'",
                ));
            }
            None => return Err(OAuthFault::request("response_type is missing")),
        }
        if parameters
            .get("response_mode")
            .is_some_and(|mode| mode != "query")
        {
            return Err(OAuthFault::request("response_mode must be 'query'"));
        }
        let challenge = match parameters.get("code_challenge_method") {
            Some("S256") => parameters
                .get("code_challenge")
                .and_then(PkceChallenge::parse),
            _ => None,
        };
        let challenge = challenge.ok_or(OAuthFault::request(
            "PKCE is required: send code_challenge with code_challenge_method=S256",
        ))?;
        let scopes = match parameters.get("scope") {
            None => ScopeSet::default(),
            Some(scope) => scope.parse().map_err(|_| {
                OAuthFault::new("invalid_scope", "scope is not what RFC 6749 §3.3 allows")
            })?,
        };
        Ok(Self {
            challenge,
            resource: Self::resource(parameters)?.map(str::to_owned),
            scopes,
            prompt: prompt(parameters)?,
        })
    }

    /// `resource` (RFC 8707 §2): absolute, without a fragment. Here and at the token endpoint.
    pub fn resource(parameters: &Parameters) -> Result<Option<&str>, OAuthFault> {
        match parameters.get("resource") {
            Some(resource)
                if resource.len() > LONGEST_RESOURCE
                    || resource.contains('#')
                    || !resource.contains("://")
                    || !resource.bytes().all(|byte| byte.is_ascii_graphic()) =>
            {
                Err(OAuthFault::target(
                    "resource must be an absolute URI without a fragment",
                ))
            }
            resource => Ok(resource),
        }
    }
}

fn prompt(parameters: &Parameters) -> Result<Prompt, OAuthFault> {
    let mut prompt = Prompt::default();
    for word in parameters.get("prompt").unwrap_or_default().split(' ') {
        match word {
            "none" => {
                return Err(OAuthFault::new(
                    "interaction_required",
                    "a person has to be asked: leave prompt=none out",
                ));
            }
            "login" | "select_account" => prompt.sign_in = true,
            "consent" => prompt.consent = true,
            _ => {}
        }
    }
    Ok(prompt)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&code_challenge_method=S256&code_challenge=\
                        E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(text: &str) -> Result<AuthorizationRequest, OAuthFault> {
        AuthorizationRequest::read(&Parameters::parse(text).unwrap())
    }

    #[test]
    fn a_good_request_is_read() {
        let text =
            format!("{GOOD}&scope=a+b&resource=https%3A%2F%2Fgw.test%2Fmcp&prompt=login+consent");
        let request = read(&text).unwrap();
        assert_eq!(request.scopes.to_string(), "a b");
        assert_eq!(request.resource.as_deref(), Some("https://gw.test/mcp"));
        assert!(request.prompt.sign_in && request.prompt.consent);
        assert_eq!(read(GOOD).unwrap().resource, None);
    }

    /// PKCE-01, PKCE-19, PKCE-26, PKCE-29.
    #[test]
    fn everything_else_has_its_code() {
        let challenge = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        for (text, code) in [
            ("", "invalid_request"),
            ("response_type=token", "unsupported_response_type"),
            ("response_type=id_token", "unsupported_response_type"),
            ("response_type=code+token", "unsupported_response_type"),
            ("response_type=code", "invalid_request"),
            (
                &format!("response_type=code&{challenge}"),
                "invalid_request",
            ),
            (
                &format!("response_type=code&{challenge}&code_challenge_method=plain"),
                "invalid_request",
            ),
            (
                &format!("response_type=code&{challenge}&code_challenge_method=s256"),
                "invalid_request",
            ),
            (
                "response_type=code&code_challenge_method=S256&code_challenge=",
                "invalid_request",
            ),
            (
                "response_type=code&code_challenge_method=S256&code_challenge=short",
                "invalid_request",
            ),
            (&format!("{GOOD}&request=x"), "request_not_supported"),
            (
                &format!("{GOOD}&request_uri=http://sink"),
                "request_uri_not_supported",
            ),
            (&format!("{GOOD}&response_mode=fragment"), "invalid_request"),
            (&format!("{GOOD}&prompt=none"), "interaction_required"),
            (&format!("{GOOD}&scope=a%22b"), "invalid_scope"),
            (
                &format!("{GOOD}&resource=https://gw.test/mcp%23f"),
                "invalid_target",
            ),
            (&format!("{GOOD}&resource=/mcp"), "invalid_target"),
            (
                &format!("{GOOD}&resource=https://gw.test/%C3%A4"),
                "invalid_target",
            ),
        ] {
            assert_eq!(read(text).unwrap_err().code, code, "{text}");
        }
    }

    #[test]
    fn a_state_is_bounded_and_plain() {
        let state = |text: &str| {
            let parameters = Parameters::parse(&format!("state={text}")).unwrap();
            AuthorizationRequest::state(&parameters).map(|state| state.map(str::to_owned))
        };
        assert_eq!(state("abc+%20d").unwrap().as_deref(), Some("abc  d"));
        assert_eq!(state("").unwrap(), None);
        assert!(state(&"x".repeat(LONGEST_STATE)).is_ok());
        for bad in ["%0d%0a", "%C3%A4", &"x".repeat(LONGEST_STATE + 1)] {
            assert!(state(bad).is_err(), "{bad}");
        }
    }
}
