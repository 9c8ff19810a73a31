//! From the way in which something failed to what would help.

use portcullis_credentials::{CredentialError, CredentialErrorKind};
use portcullis_egress::{EgressError, EgressErrorKind};
use portcullis_engine::EngineError;
use portcullis_upstream::{UpstreamError, UpstreamErrorKind};

use super::{Change, elsewhere};
use crate::cli::exit::with_causes;

/// `url` changes the URL's key, `ca` the key for authorities of one's own.
pub(super) fn of_egress(
    error: &EgressError,
    url: impl Fn(String) -> Change,
    ca: impl Fn(String) -> Change,
) -> Change {
    let host = &error.host;
    match error.kind {
        EgressErrorKind::Blocked => url(
            "this address may not be reached: plain http is for loopback only unless \
             `allow_insecure_http: true` is written, an address that metadata names must be public, \
             and link-local addresses are never reached"
                .to_owned(),
        ),
        EgressErrorKind::InvalidUrl => url("write an http or https URL".to_owned()),
        EgressErrorKind::Dns => url(format!(
            "{host} is no name that this machine can resolve: correct it here, or look at the \
             machine's name service"
        )),
        EgressErrorKind::Connect => url(format!(
            "nobody answers at {host}: start the server, correct host and port here, or let the \
             connection through the firewall"
        )),
        EgressErrorKind::Tls => of_tls(&with_causes(error, " "), host, url, ca),
        EgressErrorKind::Timeout => url(format!(
            "{host} takes too long: look at its load and at firewalls that drop packets"
        )),
        EgressErrorKind::TooLarge | EgressErrorKind::Broken => url(format!(
            "what answers at {host} does not speak HTTP as expected: correct the URL"
        )),
    }
}

fn of_tls(
    words: &str,
    host: &str,
    url: impl Fn(String) -> Change,
    ca: impl Fn(String) -> Change,
) -> Change {
    if words.contains("UnknownIssuer") || words.contains("CaUsedAsEndEntity") {
        ca(format!(
            "nobody who is trusted here signed the certificate of {host}: name the authority's PEM \
             file as `ca_file`, and have the server send its whole chain"
        ))
    } else if words.contains("not valid for name") || words.contains("NotValidForName") {
        url(format!(
            "the certificate is for other names than {host}: use one of them here, or have a \
             certificate issued for this one"
        ))
    } else if words.to_ascii_lowercase().contains("expired") {
        elsewhere(format!(
            "renew the certificate of {host}, and look whether this machine's clock is right"
        ))
    } else if words.contains("not valid yet") || words.contains("NotValidYet") {
        elsewhere(format!(
            "the certificate of {host} begins in the future: look at this machine's clock"
        ))
    } else {
        url(format!(
            "{host} does not complete a TLS handshake: is it an https port, and does it speak TLS 1.2 \
             or newer?"
        ))
    }
}

/// `key` changes a key of the server.
pub(super) fn of_credential(
    error: &CredentialError,
    key: impl Fn(&[&str], String) -> Change,
) -> Change {
    let refused = |code: Option<&str>| {
        match code {
        Some("invalid_client" | "unauthorized_client") => key(
            &["client_id"],
            "the token endpoint does not accept this client: compare `client_id`, `client_secret` and \
             `token_endpoint_auth_method` with its registration"
                .to_owned(),
        ),
        Some("invalid_scope") => key(
            &["scopes"],
            "the client may not ask for these scopes: correct them, or grant them to the client"
                .to_owned(),
        ),
        Some("unsupported_grant_type") => key(
            &["token_url"],
            "the endpoint does not know this grant: allow client credentials for the client, or \
             correct the URL"
                .to_owned(),
        ),
        Some("invalid_target") => key(
            &["resource"],
            "the server does not know this `resource` or `audience`".to_owned(),
        ),
        _ => key(
            &["token_url"],
            "the endpoint refused without saying why: look at its log, and whether this is a token \
             endpoint"
                .to_owned(),
        ),
    }
    };
    match error.kind {
        CredentialErrorKind::Refused { code, .. } | CredentialErrorKind::SubjectRefused { code } => {
            refused(code)
        }
        CredentialErrorKind::NotDiscovered => key(
            &["token_url"],
            "write `token_url`, or have the server publish RFC 9728 metadata whose authorization \
             server publishes RFC 8414 metadata"
                .to_owned(),
        ),
        CredentialErrorKind::BadResponse => key(
            &["token_url"],
            "what answers there is no token endpoint: correct the URL".to_owned(),
        ),
        CredentialErrorKind::RuleBroken => key(
            &["token_validation"],
            "the token is not what `token_validation` asks for: one of the two is wrong".to_owned(),
        ),
        CredentialErrorKind::NotAllowed => key(
            &["token_url"],
            "the endpoint's address may not be reached: an address that metadata names must be public \
             and https; write `token_url` if it is your own"
                .to_owned(),
        ),
        CredentialErrorKind::Unavailable => key(
            &["token_url"],
            "the endpoint does not answer usably: look at its health".to_owned(),
        ),
        CredentialErrorKind::AwsRefused { .. } => key(
            &["aws_role_name"],
            "AWS gives us no keys: compare the access key, the role, its trust policy and \
             `aws_external_id`"
                .to_owned(),
        ),
        CredentialErrorKind::NoWebIdentity => key(
            &["aws_web_identity_token_file"],
            "name the file in which the platform keeps the web identity's token, and let this \
             process read it"
                .to_owned(),
        ),
        CredentialErrorKind::CannotSign => elsewhere(
            "the signer has no key to sign with: look at this gateway's log, and at \
             `MCP_JWT_SIGNING_KEY`",
        ),
        CredentialErrorKind::NotRegistered => key(
            &["client_id"],
            "register a client at the server's authorization server by hand, with this gateway's \
             `/callback` as its redirect URI, and write its `client_id` (and `client_secret`)"
                .to_owned(),
        ),
        CredentialErrorKind::OtherAuthorizationServer => key(
            &["issuer"],
            "the server names another authorization server than before: ask whoever runs it, and write \
             the `issuer` that the `client_id` belongs to"
                .to_owned(),
        ),
        CredentialErrorKind::NoPkce => key(
            &["issuer"],
            "the authorization server must announce `code_challenge_methods_supported: [S256]`: have \
             it updated; where you know that it takes S256, write `authorization_url`, `token_url` \
             and `client_id`"
                .to_owned(),
        ),
        CredentialErrorKind::ConsentRequired
        | CredentialErrorKind::TooManyFlows
        | CredentialErrorKind::NoSubject
        | CredentialErrorKind::NoSignIn
        | CredentialErrorKind::NoBearer
        | CredentialErrorKind::SubjectEnded
        | CredentialErrorKind::SubjectNotVerified
        | CredentialErrorKind::SubjectLacksClaims
        | CredentialErrorKind::SubjectLacksScopes
        | CredentialErrorKind::MoreThanAsked
        | CredentialErrorKind::Unverifiable
        | CredentialErrorKind::NoKey
        | CredentialErrorKind::OtherServer => {
            elsewhere("the server is called in callers' own names only: call it as one of them")
        }
    }
}

pub(super) fn of_engine(error: &EngineError, key: impl Fn(&[&str], String) -> Change) -> Change {
    match error {
        EngineError::Credential(error) => of_credential(error, key),
        EngineError::Upstream(error) => of_upstream(error, key),
        _ => key(
            &["url"],
            "the server answers, but not as an MCP server does: look at its log".to_owned(),
        ),
    }
}

fn of_upstream(error: &UpstreamError, key: impl Fn(&[&str], String) -> Change) -> Change {
    match error.kind {
        UpstreamErrorKind::Unauthorized => key(
            &["auth_type"],
            "the server does not accept what we present: compare `auth_type` and the credential with \
             what it expects"
                .to_owned(),
        ),
        UpstreamErrorKind::Forbidden => key(
            &["scopes"],
            "the server knows us and does not let us: give our client the rights, or ask for the \
             scopes"
                .to_owned(),
        ),
        UpstreamErrorKind::RateLimited
        | UpstreamErrorKind::TooManySessions
        | UpstreamErrorKind::TooManyProcesses => elsewhere("wait, and look at the server's limits"),
        UpstreamErrorKind::NotStarted => key(
            &["command"],
            "the program cannot be started: name one that is installed, or its path from the root"
                .to_owned(),
        ),
        UpstreamErrorKind::Resting => key(
            &["command"],
            "the program ends as soon as it is started: what it says on standard error stands in our log"
                .to_owned(),
        ),
        UpstreamErrorKind::ForeignEndpoint => key(
            &["url"],
            "the server has messages sent to another origin, and credentials go to its own only: write \
             the URL by which it knows itself"
                .to_owned(),
        ),
        UpstreamErrorKind::Status(404 | 405) => key(
            &["url"],
            "there is no MCP endpoint at this path: it often ends in /mcp".to_owned(),
        ),
        UpstreamErrorKind::Status(status) if status >= 500 => {
            elsewhere("the server is broken: look at its log")
        }
        UpstreamErrorKind::Status(_)
        | UpstreamErrorKind::BadAnswer
        | UpstreamErrorKind::TooLarge
        | UpstreamErrorKind::Broken
        | UpstreamErrorKind::SessionLost => key(
            &["url"],
            "what answers there is not MCP over Streamable HTTP: correct the URL, or look at the \
             server's log"
                .to_owned(),
        ),
        UpstreamErrorKind::Era => key(
            &["url"],
            "nothing at this path understands `server/discover` or `initialize`: correct the path (it \
             often ends in /mcp), or the pinned `protocol_version`"
                .to_owned(),
        ),
        UpstreamErrorKind::Revision => key(
            &["protocol_version"],
            "the server insists on a revision that is not spoken here: update it".to_owned(),
        ),
        UpstreamErrorKind::Document => key(
            &["spec_path"],
            "the OpenAPI document cannot be read or not be used: the line above says why".to_owned(),
        ),
        UpstreamErrorKind::Revealing => {
            elsewhere("the server repeats our credential in its answers: have that mended")
        }
        UpstreamErrorKind::Timeout => key(
            &["timeout"],
            "the server takes longer than `timeout`: raise it, or look at the server".to_owned(),
        ),
        UpstreamErrorKind::KeysRefused => key(
            &["aws_access_key_id"],
            "AWS does not know these keys, or no longer: renew them".to_owned(),
        ),
        UpstreamErrorKind::SignatureRefused => key(
            &["aws_secret_access_key"],
            "AWS finds another signature: compare the secret key, `aws_region_name`, \
             `aws_service_name` and this machine's clock"
                .to_owned(),
        ),
        UpstreamErrorKind::NotPresented => key(
            &["auth_type"],
            "the credential cannot be put on a request: this gateway's log says why".to_owned(),
        ),
        UpstreamErrorKind::Unreachable(_) | UpstreamErrorKind::WrongPermit => key(
            &["url"],
            "the server cannot be reached from here".to_owned(),
        ),
    }
}
