//! The answer to `initialize`, made of what a stateless server says of itself.

use super::NotLegible;
use super::object::{Object, cleaned};
use crate::json::{Members, quote};
use crate::message::Envelope;
use crate::modern::meta_key;
use crate::revision::Revision;

/// What a server said to `server/discover`, as a client with a session hears it.
#[derive(Debug)]
pub enum Hello {
    /// The `InitializeResult`.
    Result(String),
    /// It speaks no revision that we do.
    OtherRevisions,
    /// It refuses, with this code.
    Refused(Option<i64>),
}

/// Reads the answer to `server/discover`. `name` is what the server is called where it does not say.
pub fn hello(answer: &str, revision: Revision, name: &str) -> Result<Hello, NotLegible> {
    let envelope = Envelope::parse(answer.as_bytes()).map_err(|_| NotLegible("no message"))?;
    if let Some(error) = envelope.error() {
        let code = Members::of(error)
            .ok()
            .and_then(|error| error.get("code")?.get().parse().ok());
        return Ok(Hello::Refused(code));
    }
    let result = envelope
        .result()
        .and_then(|result| Members::of(result).ok())
        .ok_or(NotLegible("no result"))?;
    let versions: Vec<String> = result
        .get("supportedVersions")
        .and_then(|versions| serde_json::from_str(versions.get()).ok())
        .ok_or(NotLegible("no supportedVersions"))?;
    if !versions
        .iter()
        .any(|version| version == Revision::V2026_07_28.as_str())
    {
        return Ok(Hello::OtherRevisions);
    }
    let capabilities = result
        .object("capabilities")
        .ok()
        .flatten()
        .ok_or(NotLegible("no capabilities"))?;
    let mut hello = Object::new();
    hello.member("protocolVersion", &quote(revision.as_str()));
    // Tasks of either kind cannot be had across the eras, and extensions are not negotiated here.
    let known = cleaned(&capabilities, &["extensions", "tasks"]);
    hello.member("capabilities", &known);
    let info = result
        .object("_meta")
        .ok()
        .flatten()
        .and_then(|meta| meta.get(meta_key::SERVER_INFO))
        .filter(|info| is_implementation(info.get()));
    match info {
        Some(info) => hello.member("serverInfo", info.get()),
        None => hello.member(
            "serverInfo",
            &format!(r#"{{"name":{},"version":"unknown"}}"#, quote(name)),
        ),
    }
    if let Some(instructions) = result.string("instructions") {
        hello.member("instructions", &quote(&instructions));
    }
    Ok(Hello::Result(hello.finish()))
}

/// Whether a client may be given this as the name of a program: it must have both of these.
fn is_implementation(info: &str) -> bool {
    Members::parse(info)
        .is_ok_and(|info| info.string("name").is_some() && info.string("version").is_some())
}
