//! What a client can do, and what of it a server may use.

use serde_json::json;
use serde_json::value::RawValue;

use crate::json::{JsonError, Members, string_of};

/// Which requests to the client the operator lets a server make. Off unless said otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PushPolicy {
    /// `sampling/createMessage`.
    pub sampling: bool,
    /// `elicitation/create`.
    pub elicitation: bool,
}

impl PushPolicy {
    /// Whether a server may send this request to the client. Only these exist.
    pub fn admits(self, method: &str) -> bool {
        match method {
            "sampling/createMessage" => self.sampling,
            "elicitation/create" => self.elicitation,
            "roots/list" => true,
            _ => false,
        }
    }

    /// Whether a member of the client's capabilities may be declared to the server.
    fn declares(self, capability: &str) -> bool {
        match capability {
            "sampling" => self.sampling,
            "elicitation" => self.elicitation,
            _ => true,
        }
    }
}

/// Whether a question can be put to a person as it stands: an elicitation that asks them to open an
/// address may name an `https` one and nothing else, whatever their client would make of it.
pub fn is_presentable(method: &str, params: Option<&RawValue>) -> bool {
    if method != "elicitation/create" {
        return true;
    }
    let Some(members) = params.and_then(|params| Members::of(params).ok()) else {
        return true;
    };
    match members.get("url") {
        None => members.string("mode").is_none_or(|mode| mode != "url"),
        Some(_) => members.string("url").is_some_and(|url| {
            url.get(..8)
                .is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
                && !url.chars().any(|char| char.is_control() || char == ' ')
        }),
    }
}

/// What a client has to have declared before a server may ask it something (2025-11-25, "Sampling" and
/// "Elicitation"; 2026-07-28 the same).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// `sampling`.
    Sampling,
    /// `sampling.tools`: the request brings `tools`, or says how they are chosen.
    SamplingWithTools,
    /// `roots`.
    Roots,
    /// `elicitation`, for a form.
    Form,
    /// `elicitation.url`.
    Url,
}

impl Need {
    /// What a server's request needs. `None`: it is none of those that clients answer, or of a mode that
    /// no revision knows; which mode an elicitation has, its `mode` says and no other member.
    pub fn of(method: &str, params: Option<&RawValue>) -> Option<Self> {
        let members = match params {
            Some(raw) => Some(Members::of(raw).ok()?),
            None => None,
        };
        let member = |name: &str| members.as_ref().and_then(|members| members.get(name));
        match method {
            "sampling/createMessage" => {
                let tools = member("tools").is_some() || member("toolChoice").is_some();
                Some(if tools {
                    Self::SamplingWithTools
                } else {
                    Self::Sampling
                })
            }
            "roots/list" => Some(Self::Roots),
            "elicitation/create" => match member("mode") {
                None => Some(Self::Form),
                Some(raw) => match &*string_of(raw)? {
                    "form" => Some(Self::Form),
                    "url" => Some(Self::Url),
                    _ => None,
                },
            },
            _ => None,
        }
    }

    /// The capabilities that say so, as a client would declare them.
    pub fn declaration(self) -> serde_json::Value {
        match self {
            Self::Sampling => json!({"sampling": {}}),
            Self::SamplingWithTools => json!({"sampling": {"tools": {}}}),
            Self::Roots => json!({"roots": {}}),
            Self::Form => json!({"elicitation": {"form": {}}}),
            Self::Url => json!({"elicitation": {"url": {}}}),
        }
    }

    /// What a server is told that asked a client without it.
    pub const fn undeclared(self) -> &'static str {
        match self {
            Self::Sampling => "the client did not declare sampling",
            Self::SamplingWithTools => "the client did not declare sampling.tools",
            Self::Roots => "the client did not declare roots",
            Self::Form => "the client did not declare elicitation.form",
            Self::Url => "the client did not declare elicitation.url",
        }
    }
}

/// A client's capability object as JSON text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClientCapabilities(String);

impl ClientCapabilities {
    /// None at all.
    pub fn none() -> Self {
        Self("{}".to_owned())
    }

    /// The client's own object, less what the operator does not let this server use. What remains
    /// is not touched.
    pub fn narrowed(raw: &str, policy: PushPolicy) -> Result<Self, JsonError> {
        let members = Members::parse(raw)?;
        if members.iter().all(|(name, _)| policy.declares(name)) {
            return Ok(Self(raw.to_owned()));
        }
        Ok(Self(members.rewrite(|name| policy.declares(name))))
    }

    /// Whether the client said that it can answer this request of a server. What it did not
    /// declare it must not be asked (all revisions).
    pub fn answers(&self, method: &str) -> bool {
        let capability = match method {
            "sampling/createMessage" => "sampling",
            "elicitation/create" => "elicitation",
            "roots/list" => "roots",
            _ => return false,
        };
        Members::parse(&self.0).is_ok_and(|members| {
            members
                .get(capability)
                .is_some_and(|raw| raw.get() != "null")
        })
    }

    /// Whether the client declared what a question needs.
    pub fn meets(&self, need: Need) -> bool {
        match need {
            Need::Sampling => self.answers("sampling/createMessage"),
            Need::SamplingWithTools => self.samples_with_tools(),
            Need::Roots => self.answers("roots/list"),
            Need::Form => self.shows_forms(),
            Need::Url => self.opens_urls(),
        }
    }

    /// Whether the client said that it can send its user to an address (`elicitation.url`, from
    /// 2025-11-25 on). An empty `elicitation` means forms and nothing else.
    pub fn opens_urls(&self) -> bool {
        Members::parse(&self.0)
            .and_then(|members| members.object("elicitation"))
            .ok()
            .flatten()
            .and_then(|modes| modes.get("url"))
            .is_some_and(|raw| raw.get().starts_with('{'))
    }

    /// Whether the client said that it can show its user a form: unless it names modes and this is
    /// not among them.
    pub fn shows_forms(&self) -> bool {
        Members::parse(&self.0)
            .and_then(|members| members.object("elicitation"))
            .ok()
            .flatten()
            .is_some_and(|modes| modes.get("form").is_some() || modes.get("url").is_none())
    }

    /// Whether the client lets a model that it asks for a server use tools (`sampling.tools`).
    pub fn samples_with_tools(&self) -> bool {
        self.mode("sampling")
            .is_some_and(|modes| modes.get("tools").is_some_and(|raw| raw.get() != "null"))
    }

    fn mode(&self, capability: &str) -> Option<Members<'_>> {
        let all = Members::parse(&self.0).ok()?;
        all.object(capability).ok().flatten()
    }

    /// The JSON text.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_sent_to_https_addresses_only() {
        for (params, presentable) in [
            (r#"{"message":"?"}"#, true),
            (r#"{"mode":"url","url":"https://a.example/x"}"#, true),
            (r#"{"mode":"url","url":"HTTPS://a.example/x"}"#, true),
            (r#"{"mode":"url"}"#, false),
            (r#"{"mode":"url","url":"http://10.0.0.1/"}"#, false),
            (r#"{"mode":"url","url":"javascript:alert(1)"}"#, false),
            (r#"{"mode":"url","url":"\u006aavascript:alert(1)"}"#, false),
            (r#"{"mode":"url","url":" https://a.example"}"#, false),
            (r#"{"mode":"url","url":"https://a.example\u0000"}"#, false),
            (r#"{"url":"file:///etc/passwd"}"#, false),
            (r#"{"mode":"url","url":["https://a.example"]}"#, false),
        ] {
            let raw: &RawValue = serde_json::from_str(params).unwrap();
            let found = is_presentable("elicitation/create", Some(raw));
            assert_eq!(found, presentable, "{params}");
            assert!(is_presentable("sampling/createMessage", Some(raw)));
        }
    }

    #[test]
    fn what_a_question_needs_stands_in_its_mode_and_in_the_tools_that_it_brings() {
        let everything = PushPolicy {
            sampling: true,
            elicitation: true,
        };
        let (ask, sample) = ("elicitation/create", "sampling/createMessage");
        let tools = r#"{"sampling":{"tools":{}}}"#;
        let url = r#"{"elicitation":{"url":{}}}"#;
        let form = r#"{"elicitation":{}}"#;
        for (method, params, declared, need, met) in [
            (
                sample,
                "{}",
                r#"{"sampling":{}}"#,
                Some(Need::Sampling),
                true,
            ),
            (
                sample,
                r#"{"tools":[]}"#,
                r#"{"sampling":{}}"#,
                Some(Need::SamplingWithTools),
                false,
            ),
            (
                sample,
                r#"{"toolChoice":{"mode":"auto"}}"#,
                tools,
                Some(Need::SamplingWithTools),
                true,
            ),
            (ask, r#"{"message":"?"}"#, form, Some(Need::Form), true),
            (ask, r#"{"mode":"form"}"#, url, Some(Need::Form), false),
            (ask, r#"{"mode":"\u0075rl"}"#, form, Some(Need::Url), false),
            (ask, r#"{"mode":"url"}"#, url, Some(Need::Url), true),
            (
                ask,
                r#"{"url":"https://a.example"}"#,
                form,
                Some(Need::Form),
                true,
            ),
            (ask, r#"{"mode":"voice"}"#, form, None, false),
            (ask, r#"{"mode":7}"#, form, None, false),
            (ask, r#"{"mode":"form","mode":"url"}"#, form, None, false),
            (
                "roots/list",
                "{}",
                r#"{"roots":{}}"#,
                Some(Need::Roots),
                true,
            ),
            ("vendor/asks", "{}", "{}", None, false),
        ] {
            let raw: &RawValue = serde_json::from_str(params).unwrap();
            let found = Need::of(method, Some(raw));
            assert_eq!(found, need, "{method} {params}");
            let declared = ClientCapabilities::narrowed(declared, everything).unwrap();
            let meets = found.is_some_and(|need| declared.meets(need));
            assert_eq!(meets, met, "{method} {params}");
            if let Some(need) = found {
                let own = need.declaration().to_string();
                let own = ClientCapabilities::narrowed(&own, everything).unwrap();
                assert!(own.meets(need), "{need:?}");
            }
        }
        assert_eq!(Need::of("roots/list", None), Some(Need::Roots));
    }

    #[test]
    fn only_who_says_so_can_send_a_person_to_an_address() {
        for (raw, opens) in [
            (r#"{"elicitation":{"url":{}}}"#, true),
            (r#"{"elicitation":{"form":{},"url":{"x":1}}}"#, true),
            (r#"{"elicitation":{}}"#, false),
            (r#"{"elicitation":{"form":{}}}"#, false),
            (r#"{"elicitation":{"url":null}}"#, false),
            (r#"{"elicitation":{"url":true}}"#, false),
            (r#"{"elicitation":[]}"#, false),
            (r#"{"url":{}}"#, false),
            ("{}", false),
        ] {
            let everything = PushPolicy {
                sampling: true,
                elicitation: true,
            };
            let declared = ClientCapabilities::narrowed(raw, everything).unwrap();
            assert_eq!(declared.opens_urls(), opens, "{raw}");
        }
    }

    #[test]
    fn sampling_and_elicitation_are_declared_only_when_allowed() {
        let raw = r#"{"sampling":{},"elicitation":{"form":{}},"roots":{},"x":1e99}"#;
        let closed = ClientCapabilities::narrowed(raw, PushPolicy::default()).unwrap();
        assert_eq!(closed.as_json(), r#"{"roots":{},"x":1e99}"#);
        let open = PushPolicy {
            sampling: true,
            elicitation: true,
        };
        assert_eq!(
            ClientCapabilities::narrowed(raw, open).unwrap().as_json(),
            raw
        );
        let open_client = ClientCapabilities::narrowed(raw, open).unwrap();
        assert!(open_client.answers("sampling/createMessage"));
        assert!(!closed.answers("sampling/createMessage"));
        assert!(!closed.answers("ping"));
        assert!(!PushPolicy::default().admits("sampling/createMessage"));
        assert!(!open.admits("vendor/anything"));
    }
}
