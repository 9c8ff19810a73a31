//! The `mcp_jwt_signer` guardrail.

mod claims;
mod issuer;
mod verification;

use std::time::Duration;

use portcullis_core::SecretValue;

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{
    Auth, CallerHeaders, Compat, Delegation, Forwarding, JwtSigner, Server, SignerAudience,
    SignerScopes, Sourced,
};
use crate::references::{Origin, Syntax};
use crate::sections::{aws_sigv4, headers};

const TTL: Duration = Duration::from_mins(5);
const LONGEST_TTL: Duration = Duration::from_hours(1);

/// The signer without what the rest of the file decides: its issuer.
pub(crate) struct Draft {
    /// `None` when something was recorded as an error, or with `lacks`; never that nothing is signed.
    signer: Option<JwtSigner>,
    /// A value of it was not fetched: it cannot sign, and what it would sign is not served.
    lacks: bool,
    default_on: bool,
    written_issuer: Option<At<String>>,
    /// Whether it may be one of plain http.
    plain: bool,
    place: Place,
    signs: std::cell::Cell<bool>,
}

pub(crate) fn read(root: &Fields<'_, '_>, fields: &Fields<'_, '_>) -> Draft {
    let unasked = root.findings.unasked();
    fields.text("guardrail");
    mode(fields);
    let verification = verification::read(fields);
    let verifies = matches!(verification, Ok(Some(_)));
    let claims = claims::read(fields, verifies);
    let audience = text_or_variable(fields, "audience", &["MCP_JWT_AUDIENCE"]);
    let ttl = ttl(fields);
    let scopes = scopes(fields);
    let header = header(fields);
    let channel = channel(fields, ttl);
    let signing_key = signing_key(root, fields);
    let (default_on, debug_headers) = (
        fields.flag("default_on").unwrap_or(false),
        fields.flag("debug_headers").unwrap_or(false),
    );
    let algorithm = fields.choice("algorithm");
    let signer = (|| {
        Some(JwtSigner {
            default_on,
            algorithm,
            signing_key: signing_key.ok()?,
            issuer: String::new(),
            origin: String::new(),
            audience: match audience {
                None => SignerAudience::Exactly("mcp".to_owned()),
                Some(At { value, .. }) if value == "per_server" => SignerAudience::PerServer,
                Some(At { value, .. }) => SignerAudience::Exactly(value),
            },
            ttl: ttl?,
            scopes: scopes?,
            header: header?,
            verification: verification.ok()?,
            channel: channel.ok()?,
            claims: claims?,
            debug_headers,
        })
    })();
    Draft {
        signer,
        lacks: root.findings.unasked() != unasked,
        default_on,
        written_issuer: text_or_variable(
            fields,
            "issuer",
            &["MCP_JWT_ISSUER", "LITELLM_EXTERNAL_URL"],
        ),
        plain: fields.flag("allow_insecure_http").unwrap_or(false),
        place: fields.own_place(),
        signs: std::cell::Cell::new(default_on),
    }
}

/// What else of one server's entry puts headers on its requests.
pub(crate) struct Slots<'a> {
    /// `auth_type` and `discovery_auth`.
    pub(crate) auth: [Option<&'a Auth>; 2],
    /// `static_headers`, lower case.
    pub(crate) fixed: &'a [String],
    /// What of callers' requests goes along.
    pub(crate) forwarding: Option<&'a Forwarding>,
    /// Whether callers are judged by the server.
    pub(crate) delegation: Delegation,
}

impl Slots<'_> {
    /// Who sends this header already, as the file calls it.
    fn taken_by(&self, wanted: &str) -> Option<String> {
        let fills = |auth: &&Auth| {
            let signed = matches!(auth, Auth::AwsSigV4(_)) && aws_sigv4::WRITTEN.contains(&wanted);
            signed || auth.header_name().as_deref() == Some(wanted)
        };
        if let Some(auth) = self.auth.into_iter().flatten().find(fills) {
            return Some(format!("`auth_type: {}`", auth.auth_type()));
        }
        if self.fixed.iter().any(|name| name == wanted) {
            return Some("`static_headers` (or `headers`)".to_owned());
        }
        let forwarding = self.forwarding?;
        if forwarding.extra_headers.iter().any(|name| name == wanted) {
            return Some("`extra_headers`".to_owned());
        }
        match &forwarding.caller_headers {
            CallerHeaders::Templates(templates) => templates
                .iter()
                .any(|template| template.header == wanted)
                .then(|| "a template of `headers`".to_owned()),
            // What a caller addresses to it then gives way.
            CallerHeaders::Refused | CallerHeaders::Any => None,
        }
    }
}

impl Draft {
    /// Whether this server is signed for; complains of a header that would be dropped otherwise.
    /// `None`: it should be and cannot be, so that it must not be called at all.
    pub(crate) fn signs_for(
        &self,
        server: &Fields<'_, '_>,
        wish: Option<bool>,
        slots: &Slots<'_>,
    ) -> Option<bool> {
        if !wish.unwrap_or(self.default_on) {
            if self.default_on {
                server.findings.relaxed(
                    server.place("jwt_signer"),
                    "this server is called without a signature, though the signer is on by default",
                );
            }
            return Some(false);
        }
        self.signs.set(true);
        if slots.delegation != Delegation::None {
            server.findings.error(
                server.place("delegate_auth_to_upstream"),
                "a server that judges its callers itself cannot be vouched for: the gateway does not know them",
                "write `jwt_signer: false` for this server, or take `delegate_auth_to_upstream` away",
            );
        }
        let signer = self.signer.as_ref().filter(|_| !self.lacks)?;
        for wanted in signer.headers() {
            let Some(taken_by) = slots.taken_by(wanted) else {
                continue;
            };
            server.findings.error(
                server.own_place(),
                format!("`{wanted}` is what the `mcp_jwt_signer` guardrail sends and also what {taken_by} sends"),
                "remove one of them, write `jwt_signer: false` for this server, or give the signer another `token_header`",
            );
        }
        Some(true)
    }

    /// The signer, once it is known how we are reached.
    pub(crate) fn finish(
        self,
        root: &Fields<'_, '_>,
        server: &Server,
        compat: Compat,
    ) -> Option<JwtSigner> {
        let (issuer, origin) = issuer::find(
            root,
            self.written_issuer,
            self.plain,
            &self.place,
            server,
            compat,
        )?;
        if !self.signs.get() {
            root.findings.warning(
                self.place,
                "nothing is signed: write `default_on: true`, or `jwt_signer: true` for single servers",
            );
        }
        Some(JwtSigner {
            issuer,
            origin,
            ..self.signer.filter(|_| !self.lacks)?
        })
    }
}

/// A server's `jwt_signer`; without a guardrail there is nobody to sign.
pub(crate) fn wish(fields: &Fields<'_, '_>, signer: Option<&Draft>) -> Option<bool> {
    let wish = fields.flag("jwt_signer");
    if wish == Some(true) && signer.is_none() {
        fields.findings.error(
            fields.place("jwt_signer"),
            "there is no `mcp_jwt_signer` guardrail",
            "add it to `guardrails`, or remove the key",
        );
    }
    wish
}

fn mode(fields: &Fields<'_, '_>) {
    for mode in fields.texts("mode").unwrap_or_default() {
        if mode.value != "pre_mcp_call" {
            fields.findings.error(
                mode.place,
                "the signer has one mode",
                "write `mode: pre_mcp_call`: requests are signed before they leave",
            );
        }
    }
}

/// The file's word, or else that of the first variable that is set.
fn text_or_variable(fields: &Fields<'_, '_>, key: &str, variables: &[&str]) -> Option<At<String>> {
    if fields.has(key) {
        return fields.text(key);
    }
    let (name, value) = variable(fields, variables)?;
    let place = Place {
        path: name.to_owned(),
        ..Place::default()
    };
    Some(At { value, place })
}

fn variable<'n>(fields: &Fields<'_, '_>, names: &[&'n str]) -> Option<(&'n str, String)> {
    names.iter().find_map(|name| {
        let value = fields.findings.variable(name)?;
        (!value.trim().is_empty()).then_some((*name, value))
    })
}

fn ttl(fields: &Fields<'_, '_>) -> Option<Duration> {
    if fields.has("ttl_seconds") {
        return bounded(
            fields,
            fields.place("ttl_seconds"),
            fields.span("ttl_seconds")?,
        );
    }
    let Some((name, value)) = variable(fields, &["MCP_JWT_TTL_SECONDS"]) else {
        return Some(TTL);
    };
    let place = Place {
        path: name.to_owned(),
        ..Place::default()
    };
    let Ok(seconds) = value.trim().parse() else {
        let message = "expected a number of seconds";
        fields.findings.error(place, message, ());
        return None;
    };
    bounded(fields, place, Duration::from_secs(seconds))
}

/// Tokens have whole seconds.
fn bounded(fields: &Fields<'_, '_>, place: Place, ttl: Duration) -> Option<Duration> {
    if (Duration::from_secs(1)..=LONGEST_TTL).contains(&ttl) {
        return Some(Duration::from_secs(ttl.as_secs()));
    }
    fields.findings.error(
        place,
        "a token lives from one second to one hour",
        "a few minutes are enough: each request has a token of its own",
    );
    None
}

fn scopes(fields: &Fields<'_, '_>) -> Option<SignerScopes> {
    let allowed = fields.scopes("allowed_scopes");
    let choice = fields.choice("scopes");
    if fields.has("allowed_scopes") {
        if fields.has("scopes") {
            fields.findings.error(
                fields.place("scopes"),
                "`scopes` beside `allowed_scopes`, which is the whole of the scope",
                "remove one of them",
            );
            return None;
        }
        if allowed.is_empty() {
            fields.findings.error(
                fields.place("allowed_scopes"),
                "an empty scope, which a server may read as all of them",
                "write at least one, or remove the key",
            );
            return None;
        }
        return Some(SignerScopes::Exactly(allowed.to_string()));
    }
    match choice {
        None if fields.has("scopes") => None,
        Some("full") => Some(SignerScopes::Full),
        _ => Some(SignerScopes::Least),
    }
}

fn header(fields: &Fields<'_, '_>) -> Option<String> {
    let Some(At { value, place }) = fields.text("token_header") else {
        return Some("authorization".to_owned());
    };
    headers::check_name(fields.findings, &place, &value).then(|| value.to_ascii_lowercase())
}

fn channel(
    fields: &Fields<'_, '_>,
    ttl: Option<Duration>,
) -> Result<Option<(String, Duration)>, ()> {
    let audience = fields.text("channel_token_audience");
    let written = fields.span("channel_token_ttl");
    let Some(audience) = audience else {
        if fields.has("channel_token_ttl") {
            fields.findings.error(
                fields.place("channel_token_ttl"),
                "`channel_token_ttl` without `channel_token_audience`: there is no second token",
                "add `channel_token_audience`, or remove the key",
            );
            return Err(());
        }
        return Ok(None);
    };
    let life = match written {
        Some(written) => bounded(fields, fields.place("channel_token_ttl"), written),
        None => ttl,
    };
    Ok(Some((audience.value, life.ok_or(())?)))
}

/// The key of the section, or else of the variable, whose value may name a file.
fn signing_key(
    root: &Fields<'_, '_>,
    fields: &Fields<'_, '_>,
) -> Result<Option<Sourced<SecretValue>>, ()> {
    const VARIABLE: &str = "MCP_JWT_SIGNING_KEY";
    if fields.has("signing_key") {
        let key = fields.secret("signing_key").ok_or(())?;
        return Ok(Some(key.value.map(unfolded)));
    }
    let Some((_, text)) = variable(fields, &[VARIABLE]) else {
        return Ok(None);
    };
    match root.findings.resolve(&text, Syntax::Secret) {
        Ok(resolved) => Ok(Some(Sourced {
            value: unfolded(SecretValue::new(resolved.text)),
            origin: match resolved.origin {
                Origin::Literal => Origin::Variable(VARIABLE.to_owned()),
                origin => origin,
            },
        })),
        Err(unresolved) => {
            let place = Place {
                path: VARIABLE.to_owned(),
                ..Place::default()
            };
            fields
                .findings
                .error(place, unresolved.message, unresolved.help);
            Err(())
        }
    }
}

/// A PEM on one line, its line breaks written as `\n`, as environment files have it.
fn unfolded(key: SecretValue) -> SecretValue {
    let text = key.expose();
    if text.contains('\n') || !text.contains("\\n") {
        return key;
    }
    SecretValue::new(text.replace("\\n", "\n"))
}
