//! The other side of AWS: a judge of signatures that shares no code with the signer, and a Security
//! Token Service.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};

use crate::upstream::{FakeUpstream, Recorded, Reply};

/// An access key as AWS knows it.
#[derive(Clone, Debug)]
pub struct Account {
    /// Its id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The session token that must come along.
    pub session_token: Option<String>,
}

impl Account {
    /// Keys without an end.
    pub fn lasting(id: &str, secret: &str) -> Self {
        Self {
            id: id.to_owned(),
            secret: secret.to_owned(),
            session_token: None,
        }
    }
}

/// What the connection, or a hop on the way, may write itself.
const UNCOVERED: [&str; 6] = [
    "authorization",
    "baggage",
    "content-length",
    "traceparent",
    "tracestate",
    "user-agent",
];

/// Whether this request is signed by this account for `region/service`; what is wrong otherwise.
/// Every header that arrived must be covered, but for what a connection writes itself.
pub fn verify(request: &Recorded, account: &Account, scope: &str) -> Result<(), String> {
    let authorization = request.header("authorization").ok_or("no signature")?;
    let rest = authorization
        .strip_prefix("AWS4-HMAC-SHA256 ")
        .ok_or("another scheme")?;
    let parts: BTreeMap<&str, &str> = rest
        .split(',')
        .filter_map(|part| part.trim().split_once('='))
        .collect();
    let part = |name: &str| parts.get(name).copied().ok_or(format!("no {name}"));
    let covered: Vec<&str> = part("SignedHeaders")?.split(';').collect();
    for (name, _) in &request.headers {
        if !covered.contains(&name.as_str()) && !UNCOVERED.contains(&name.as_str()) {
            return Err(format!("`{name}` arrived and is not signed"));
        }
    }
    if !covered.contains(&"host") {
        return Err("the host is not signed".to_owned());
    }
    if request.header("x-amz-security-token") != account.session_token.as_deref() {
        return Err("another session token".to_owned());
    }
    let moment = request.header("x-amz-date").ok_or("no x-amz-date")?;
    let day = moment.get(..8).ok_or("no day")?;
    let wanted = format!("{}/{day}/{scope}/aws4_request", account.id);
    if part("Credential")? != wanted {
        return Err(format!("{} instead of {wanted}", part("Credential")?));
    }
    let hash = hex(digest(&SHA256, request.body.as_bytes()).as_ref());
    if request
        .header("x-amz-content-sha256")
        .is_some_and(|said| said != hash)
    {
        return Err("another body was signed".to_owned());
    }
    let canonical = canonical(request, &covered, &hash);
    let text = format!(
        "AWS4-HMAC-SHA256\n{moment}\n{day}/{scope}/aws4_request\n{}",
        hex(digest(&SHA256, canonical.as_bytes()).as_ref())
    );
    let key = [day]
        .into_iter()
        .chain(scope.split('/'))
        .chain(["aws4_request"])
        .fold(
            format!("AWS4{}", account.secret).into_bytes(),
            |key, part| mac(&key, part),
        );
    if hex(&mac(&key, &text)) == part("Signature")? {
        Ok(())
    } else {
        Err(format!(
            "another signature; canonical request:\n{canonical}"
        ))
    }
}

fn canonical(request: &Recorded, covered: &[&str], hash: &str) -> String {
    let target = match request.path.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/"),
        None => &request.path,
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path: String = path.bytes().map(escaped).collect();
    let mut pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            if pair.contains('=') {
                pair.to_owned()
            } else {
                format!("{pair}=")
            }
        })
        .collect();
    pairs.sort();
    let mut headers = String::new();
    for name in covered {
        let values: Vec<String> = request
            .all(name)
            .iter()
            .map(|value| {
                value
                    .split(' ')
                    .filter(|word| !word.is_empty())
                    .collect::<Vec<_>>()
                    .join(" ")
            })
            .collect();
        headers.extend([name, ":", &values.join(","), "\n"]);
    }
    format!(
        "{}\n{path}\n{}\n{headers}\n{}\n{hash}",
        request.http_method,
        pairs.join("&"),
        covered.join(";")
    )
}

/// A path that was escaped for the way is escaped once more.
fn escaped(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    sign(&Key::new(HMAC_SHA256, key), text.as_bytes())
        .as_ref()
        .to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// What the Security Token Service answers for `action`: these keys, until then (RFC 3339).
pub fn credentials(action: &str, account: &Account, ends: &str) -> Reply {
    let Account {
        id,
        secret,
        session_token,
    } = account;
    let token = session_token.as_deref().unwrap_or_default();
    Reply::whole(
        200,
        "text/xml",
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>\
             <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/mcp/portcullis</Arn>\
             <AssumedRoleId>AROA123:portcullis</AssumedRoleId></AssumedRoleUser>\
             <Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
             <SessionToken>{token}</SessionToken><Expiration>{ends}</Expiration></Credentials>\
             </{action}Result><ResponseMetadata><RequestId>c6104cbe</RequestId></ResponseMetadata>\
             </{action}Response>"
        ),
    )
}

/// How the Security Token Service refuses.
pub fn refusal(status: u16, code: &str) -> Reply {
    Reply::whole(
        status,
        "text/xml",
        format!(
            "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type>\
             <Code>{code}</Code><Message>canary-prose-of-aws</Message></Error>\
             <RequestId>c6104cbe</RequestId></ErrorResponse>"
        ),
    )
}

/// A member of a form that was posted.
pub fn form(request: &Recorded, name: &str) -> Option<String> {
    url::form_urlencoded::parse(request.body.as_bytes())
        .find(|(known, _)| known == name)
        .map(|(_, value)| value.into_owned())
}

/// What forms arrive as.
pub const FORM: &str = "RESPONSE";

/// A server that executes nothing that is not signed by this account, and says so as AWS does.
pub fn require(upstream: &FakeUpstream, account: Account, scope: &'static str) {
    upstream.first(move |request| match verify(request, &account, scope) {
        Ok(()) => Reply::Default,
        Err(why) => Reply::json(403, "{\"message\":\"refused\"}")
            .header("x-amzn-errortype", "InvalidSignatureException")
            .header("x-why", &why.replace('\n', " | ")),
    });
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The judge is judged by AWS's own cases: those whose path is `/`, because what is done to a
    /// path before it is signed differs from service to service.
    #[test]
    fn the_judge_believes_what_aws_signed_and_nothing_else() {
        let suite: Value = serde_json::from_str(include_str!(
            "../../aws/tests/fixtures/aws-signing-test-suite-v4.json"
        ))
        .unwrap();
        let mut believed = 0;
        for case in suite["cases"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            let context = &case["context"];
            let text = case["signed_request"].as_str().unwrap();
            let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
            let (first, rest) = head.split_once('\n').unwrap();
            let target = first.split(' ').nth(1).unwrap();
            let plain = (target == "/" || target.starts_with("/?"))
                && !target.contains('%')
                && !rest.lines().any(|line| !line.contains(':'))
                && context["omit_session_token"] != true
                && target.is_ascii();
            if !plain {
                continue;
            }
            let headers = rest.lines().map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                (name.to_ascii_lowercase(), value.trim().to_owned())
            });
            let mut request = Recorded {
                kind: String::new(),
                http_method: first.split(' ').next().unwrap().to_owned(),
                path: target.to_owned(),
                headers: headers.collect(),
                body: body.to_owned(),
            };
            let given = &context["credentials"];
            let account = Account {
                id: given["access_key_id"].as_str().unwrap().to_owned(),
                secret: given["secret_access_key"].as_str().unwrap().to_owned(),
                session_token: given["token"].as_str().map(str::to_owned),
            };
            let result = verify(&request, &account, "us-east-1/service");
            assert_eq!(result, Ok(()), "{name}");
            believed += 1;
            request.body.push('x');
            assert!(
                verify(&request, &account, "us-east-1/service").is_err(),
                "{name}"
            );
        }
        assert!(believed >= 15, "{believed}");
    }
}
