//! Who we are at AWS: keys, a web identity, a role. The same keys wherever one is needed.

use std::path::PathBuf;

use portcullis_core::SecretValue;
use url::Url;

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{AwsIdentity, AwsRole, AwsSource, Sourced};
use crate::references::Origin;
use crate::validate::urls::{PlainHttp, callable};

/// What a session is called that nobody named.
const SESSION_NAME: &str = "portcullis";
const DEFAULT_REGION: &str = "us-east-1";
const KEYS: [&str; 3] = [
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
];

/// Something is wrong, and was recorded as an error.
struct Recorded;

/// `None` only when something was recorded as an error. `inferred`: the region that the address of
/// what is called leaves no doubt about; `asked`: what wants an identity.
pub(crate) fn read(
    fields: &Fields<'_, '_>,
    inferred: Option<&str>,
    plain: PlainHttp,
    asked: &Place,
) -> Option<AwsIdentity> {
    let region = region(fields, inferred);
    let session_name = session_name(fields);
    let external_id = external_id(fields);
    let role = role_arn(fields);
    let endpoint = sts_endpoint(fields, region.as_deref(), plain);
    let token_file = fields.file_path("aws_web_identity_token_file");
    let role = role.ok()?;
    let written = token_file.is_some() || fields.has("aws_web_identity_token_file");
    let (source, role) = if written {
        let source = web_identity(
            fields,
            token_file?,
            role,
            session_name.ok()?,
            external_id.ok()?.as_ref(),
        )?;
        (source, None)
    } else {
        let (session_name, external_id) = (session_name.ok()?, external_id.ok()?);
        if external_id.is_some() && role.is_none() {
            fields.findings.error(
                fields.place("aws_external_id"),
                "an external id is said when a role is assumed, and none is",
                "add `aws_role_name: arn:aws:iam::…:role/…`",
            );
            return None;
        }
        let source = match keys(fields).ok()? {
            Some(source) => source,
            None => of_the_environment(fields, &session_name, asked)?,
        };
        let role = role.map(|arn| AwsRole {
            arn,
            session_name,
            external_id,
        });
        let role = role.filter(|role| !is_assumed_already(&source, role));
        (source, role)
    };
    Some(AwsIdentity {
        source,
        role,
        region: region?,
        sts_endpoint: endpoint?,
        allow_insecure_http: plain != PlainHttp::Refused,
    })
}

/// The role that the web identity gives is not assumed out of itself.
fn is_assumed_already(source: &AwsSource, wanted: &AwsRole) -> bool {
    match source {
        AwsSource::WebIdentity { role, .. } => {
            role.arn == wanted.arn && wanted.external_id.is_none()
        }
        AwsSource::Keys { .. } => false,
    }
}

fn web_identity(
    fields: &Fields<'_, '_>,
    token_file: PathBuf,
    role: Option<String>,
    session_name: String,
    external_id: Option<&String>,
) -> Option<AwsSource> {
    let mut sound = true;
    for key in KEYS {
        if fields.has(key) {
            fields.findings.error(
                fields.place(key),
                format!("`{key}` and `aws_web_identity_token_file` are two identities"),
                "keep one of them",
            );
            sound = false;
        }
    }
    if external_id.is_some() {
        fields.findings.error(
            fields.place("aws_external_id"),
            "AssumeRoleWithWebIdentity knows no external id, so it would not be said",
            "remove it: the role's trust policy names the issuer and the subject of the token instead",
        );
        sound = false;
    }
    let Some(arn) = role else {
        fields.findings.error(
            fields.place("aws_web_identity_token_file"),
            "`aws_web_identity_token_file` without `aws_role_name`",
            "add `aws_role_name: arn:aws:iam::…:role/…`, the role that trusts the token's issuer",
        );
        return None;
    };
    sound.then(|| AwsSource::WebIdentity {
        token_file,
        role: AwsRole {
            arn,
            session_name,
            external_id: None,
        },
    })
}

/// The file's own keys, if it has any.
fn keys(fields: &Fields<'_, '_>) -> Result<Option<AwsSource>, Recorded> {
    if !KEYS.iter().any(|key| fields.has(key)) {
        return Ok(None);
    }
    let id = fields.require("aws_access_key_id", fields.text("aws_access_key_id"));
    let secret = fields.require(
        "aws_secret_access_key",
        fields.secret("aws_secret_access_key"),
    );
    let token = fields.secret("aws_session_token");
    if token.is_none() && fields.has("aws_session_token") {
        return Err(Recorded);
    }
    let id = matching(fields, id, is_key_id, "not an access key id");
    let (id, secret) = id.zip(secret).ok_or(Recorded)?;
    Ok(Some(AwsSource::Keys {
        id: id.value,
        secret: secret.value,
        session_token: token.map(|token| token.value),
    }))
}

/// `AWS_ACCESS_KEY_ID` and its companions, else `AWS_WEB_IDENTITY_TOKEN_FILE`: what the SDKs take
/// too, in their order, and nothing beyond it.
fn of_the_environment(
    fields: &Fields<'_, '_>,
    session_name: &str,
    asked: &Place,
) -> Option<AwsSource> {
    let variable = |name: &str| {
        fields
            .findings
            .variable(name)
            .filter(|value| !value.is_empty())
    };
    let place = || asked.clone();
    let secret = |name: &str| {
        variable(name).map(|value| Sourced {
            value: SecretValue::new(value),
            origin: Origin::Variable(name.to_owned()),
        })
    };
    match (
        variable("AWS_ACCESS_KEY_ID"),
        secret("AWS_SECRET_ACCESS_KEY"),
    ) {
        (Some(id), Some(key)) if is_key_id(&id) => {
            fields.findings.info(
                place(),
                "signs with the keys of the environment (AWS_ACCESS_KEY_ID)",
            );
            return Some(AwsSource::Keys {
                id,
                secret: key,
                session_token: secret("AWS_SESSION_TOKEN"),
            });
        }
        (None, None) => {}
        _ => {
            fields.findings.error(
                place(),
                "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not both set to what they should be",
                "set both of them, or neither",
            );
            return None;
        }
    }
    match (
        variable("AWS_WEB_IDENTITY_TOKEN_FILE"),
        variable("AWS_ROLE_ARN"),
    ) {
        (Some(file), Some(arn)) if is_arn(&arn) => {
            fields.findings.info(
                place(),
                "signs as the role of the environment's web identity (AWS_ROLE_ARN)",
            );
            let session_name = variable("AWS_ROLE_SESSION_NAME")
                .filter(|name| is_session_name(name))
                .unwrap_or_else(|| session_name.to_owned());
            Some(AwsSource::WebIdentity {
                token_file: file.into(),
                role: AwsRole {
                    arn,
                    session_name,
                    external_id: None,
                },
            })
        }
        (None, None) => {
            fields.findings.error(
                place(),
                "there is nobody to sign as: neither keys nor a web identity, here or in the environment",
                "add `aws_access_key_id` and `aws_secret_access_key`, or `aws_web_identity_token_file` and `aws_role_name`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; profiles and instance metadata are not asked",
            );
            None
        }
        _ => {
            fields.findings.error(
                place(),
                "AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN are not both set to what they should be",
                "set both of them, or neither",
            );
            None
        }
    }
}

/// The file, what the address says, the environment, LiteLLM's default: in this order.
fn region(fields: &Fields<'_, '_>, inferred: Option<&str>) -> Option<String> {
    if let Some(written) = fields.text("aws_region_name") {
        let written = matching(fields, Some(written), is_label, "not a region")?;
        if inferred.is_some_and(|inferred| inferred != written.value) {
            fields.findings.warning(
                written.place,
                "the server's address names another region, and a signature is good for one only",
            );
        }
        return Some(written.value);
    }
    if fields.has("aws_region_name") {
        return None;
    }
    let of_environment = || {
        ["AWS_REGION", "AWS_DEFAULT_REGION"]
            .into_iter()
            .find_map(|name| fields.findings.variable(name))
            .filter(|region| is_label(region))
    };
    Some(
        inferred
            .map(str::to_owned)
            .or_else(of_environment)
            .unwrap_or_else(|| DEFAULT_REGION.to_owned()),
    )
}

fn role_arn(fields: &Fields<'_, '_>) -> Result<Option<String>, Recorded> {
    const FORM: &str = "not a role's ARN: `arn:aws:iam::123456789012:role/name`";
    optional(fields, "aws_role_name", is_arn, FORM)
}

fn session_name(fields: &Fields<'_, '_>) -> Result<String, Recorded> {
    const FORM: &str = "not a session's name: 2 to 64 letters, digits and `_+=,.@-`";
    let written = optional(fields, "aws_session_name", is_session_name, FORM)?;
    Ok(written.unwrap_or_else(|| SESSION_NAME.to_owned()))
}

fn external_id(fields: &Fields<'_, '_>) -> Result<Option<String>, Recorded> {
    const FORM: &str = "not an external id: 2 to 1224 letters, digits and `_+=,.@:/-`";
    optional(fields, "aws_external_id", is_external_id, FORM)
}

fn optional(
    fields: &Fields<'_, '_>,
    key: &str,
    sound: impl FnOnce(&str) -> bool,
    message: &str,
) -> Result<Option<String>, Recorded> {
    if !fields.has(key) {
        return Ok(None);
    }
    let text = matching(fields, fields.text(key), sound, message).ok_or(Recorded)?;
    Ok(Some(text.value))
}

/// The regional endpoint: the global one would make every region depend on one.
fn sts_endpoint(fields: &Fields<'_, '_>, region: Option<&str>, plain: PlainHttp) -> Option<Url> {
    if fields.has("aws_sts_endpoint") {
        return callable(fields.findings, fields.url("aws_sts_endpoint")?, plain);
    }
    let region = region?;
    Url::parse(&format!("https://sts.{region}.{}/", domain(region))).ok()
}

/// The partition's domain.
pub(crate) fn domain(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}

/// A text that has the right form, or an error.
pub(crate) fn matching(
    fields: &Fields<'_, '_>,
    text: Option<At<String>>,
    sound: impl FnOnce(&str) -> bool,
    message: &str,
) -> Option<At<String>> {
    let text = text?;
    if sound(&text.value) {
        return Some(text);
    }
    fields.findings.error(text.place, message, ());
    None
}

/// Regions and signing names become part of a host name or of a header.
pub(crate) fn is_label(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_key_id(text: &str) -> bool {
    (4..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn is_arn(text: &str) -> bool {
    text.len() <= 2048
        && text.starts_with("arn:")
        && text.contains(":role/")
        && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_external_id(text: &str) -> bool {
    (2..=1224).contains(&text.len())
        && text
            .bytes()
            .all(|byte| is_name_byte(byte) || b":/".contains(&byte))
}

fn is_session_name(text: &str) -> bool {
    (2..=64).contains(&text.len()) && text.bytes().all(is_name_byte)
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)
}
