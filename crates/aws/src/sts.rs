//! The Security Token Service (API version 2011-06-15): a form is sent, XML comes back.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use portcullis_core::{Clock, SecretValue};
use portcullis_egress::{Destination, EgressPolicy, HttpClient, RequestBody};
use url::form_urlencoded::Serializer;

use crate::identity::{Role, StsEndpoint, WebIdentity};
use crate::{AccessKeys, AwsError, Scope, TemporaryKeys, known_error_code, sign};

/// Longest for a whole exchange: a peer that drips is not waited for.
const WHOLE_EXCHANGE: Duration = Duration::from_secs(30);
const VERSION: &str = "2011-06-15";
/// Identity tokens are a few kilobytes; AWS takes 20 000 characters.
const MOST_TOKEN: usize = 20_000;

/// What came back, read whole.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The body; it may hold secrets and error texts alike.
    pub body: Bytes,
}

/// Sends one small request and reads its answer, both within half a minute.
pub async fn send(
    http: &dyn HttpClient,
    request: Request<RequestBody>,
    destination: Destination,
) -> Result<Answer, AwsError> {
    let policy = EgressPolicy::document(destination);
    let whole = async {
        let response = http.send(request, &policy).await?;
        let status = response.status();
        let body = match response.into_body().collect().await {
            Ok(body) => body,
            // The status says enough.
            Err(_) if !status.is_success() => Bytes::new(),
            Err(error) => return Err(error.into()),
        };
        Ok(Answer { status, body })
    };
    tokio::time::timeout(WHOLE_EXCHANGE, whole)
        .await
        .unwrap_or(Err(AwsError::Late))
}

/// `AssumeRoleWithWebIdentity`: the token is the proof, so nothing is signed.
pub(crate) async fn with_web_identity(
    http: &dyn HttpClient,
    sts: &StsEndpoint,
    web: &WebIdentity,
) -> Result<TemporaryKeys, AwsError> {
    // A few kilobytes on a memory file system, once in most of an hour: not worth a thread.
    let text = std::fs::read_to_string(&web.token_file).map_err(AwsError::TokenFile)?;
    let token = SecretValue::new(text.trim());
    drop(text);
    if token.expose().is_empty() || token.expose().len() > MOST_TOKEN {
        return Err(AwsError::NoToken);
    }
    let form = Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", VERSION)
        .append_pair("RoleArn", &web.role_arn)
        .append_pair("RoleSessionName", &web.session_name)
        .append_pair("WebIdentityToken", token.expose())
        .finish();
    let request = posted(sts, form, |_, _, _| Ok(()))?;
    let answer = send(http, request, sts.chosen_by).await?;
    read(&answer, "AssumeRoleWithWebIdentityResult")
}

/// `AssumeRole`, signed by the keys that may assume it.
pub(crate) async fn assume_role(
    http: &dyn HttpClient,
    clock: &dyn Clock,
    sts: &StsEndpoint,
    keys: &AccessKeys,
    role: &Role,
) -> Result<TemporaryKeys, AwsError> {
    let scope = Scope {
        region: sts.region.clone(),
        service: "sts".to_owned(),
    };
    let request = posted(sts, form_of(role), |uri, headers, body| {
        let now = clock.now();
        sign(&Method::POST, uri, headers, body, keys, &scope, now).map_err(Into::into)
    })?;
    let answer = send(http, request, sts.chosen_by).await?;
    read(&answer, "AssumeRoleResult")
}

fn form_of(role: &Role) -> String {
    let mut form = Serializer::new(String::new());
    form.append_pair("Action", "AssumeRole")
        .append_pair("Version", VERSION)
        .append_pair("RoleArn", &role.arn)
        .append_pair("RoleSessionName", &role.session_name);
    if let Some(external_id) = &role.external_id {
        form.append_pair("ExternalId", external_id);
    }
    form.finish()
}

fn posted(
    sts: &StsEndpoint,
    form: String,
    proof: impl FnOnce(&Uri, &mut http::HeaderMap, &[u8]) -> Result<(), AwsError>,
) -> Result<Request<RequestBody>, AwsError> {
    let uri = Uri::try_from(sts.url.as_str()).map_err(|_| AwsError::Address)?;
    let body = Bytes::from(form);
    let mut request = Request::new(RequestBody::default());
    let headers = request.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
    );
    headers.insert(ACCEPT, HeaderValue::from_static("text/xml"));
    proof(&uri, headers, &body)?;
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri;
    *request.body_mut() = RequestBody::new(body);
    Ok(request)
}

fn read(answer: &Answer, result: &str) -> Result<TemporaryKeys, AwsError> {
    let status = answer.status;
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return Err(AwsError::Unavailable(status.as_u16()));
    }
    let text = std::str::from_utf8(&answer.body).map_err(|_| AwsError::BadResponse);
    if !status.is_success() {
        let code = text.ok().and_then(error_code);
        return Err(AwsError::Refused {
            status: status.as_u16(),
            code,
        });
    }
    credentials(text?, result).ok_or(AwsError::BadResponse)
}

/// `<ErrorResponse><Error><Code>…`.
fn error_code(text: &str) -> Option<&'static str> {
    let document = roxmltree::Document::parse(text).ok()?;
    let error = child(document.root_element(), "Error")?;
    known_error_code(child(error, "Code")?.text()?)
}

/// `<…Response><…Result><Credentials>…`. A document type declaration is refused by the parser.
fn credentials(text: &str, result: &str) -> Option<TemporaryKeys> {
    let document = roxmltree::Document::parse(text).ok()?;
    let credentials = child(child(document.root_element(), result)?, "Credentials")?;
    let written = |name: &str| {
        let text = child(credentials, name)?.text()?.trim();
        (!text.is_empty()).then_some(text)
    };
    let secret = SecretValue::new(written("SecretAccessKey")?);
    let token = SecretValue::new(written("SessionToken")?);
    Some(TemporaryKeys {
        keys: AccessKeys::new(written("AccessKeyId")?, &secret, Some(token)),
        ends: written("Expiration")?.parse().ok()?,
    })
}

fn child<'a, 'd>(node: roxmltree::Node<'a, 'd>, name: &str) -> Option<roxmltree::Node<'a, 'd>> {
    node.children()
        .find(|child| child.tag_name().name() == name)
}
