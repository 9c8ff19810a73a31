//! What a provider says when it refuses, in any format, without its words.

mod class;

use portcullis_core::ErrorKind;

pub use class::ErrorClass;

use crate::json::{Members, elements, string_of};

/// A provider's refusal. Its prose is read once, to classify it, and goes no further: it may hold
/// prompts, keys and addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderError {
    /// The HTTP status; `None` in the middle of a stream.
    pub status: Option<u16>,
    /// What it is about, for fallbacks.
    pub class: ErrorClass,
    /// The provider's own code or type, where that is a plain word.
    pub code: Option<String>,
    /// Which member of the provider's request it is about, where that is a plain path.
    pub param: Option<String>,
}

impl ProviderError {
    /// What it means to the caller.
    pub const fn kind(&self) -> ErrorKind {
        self.class.kind()
    }

    /// Something came that is no answer in the provider's format.
    pub(crate) const fn unreadable() -> Self {
        Self::of(ErrorClass::Unreadable)
    }

    /// The connection ended before the answer did.
    pub(crate) const fn cut_off() -> Self {
        Self::of(ErrorClass::CutOff)
    }

    const fn of(class: ErrorClass) -> Self {
        Self {
            status: None,
            class,
            code: None,
            param: None,
        }
    }
}

/// Reads the body of a refusal, whatever its format: `{"error": {…}}` of OpenAI, Google and
/// Anthropic, the list that Google makes of it, `{"message"}` of AWS, or something that is no JSON.
pub fn read_error(status: Option<u16>, body: &str) -> ProviderError {
    let found = find(body);
    let word = |name: &str| {
        found
            .iter()
            .find_map(|members| members.get(name).and_then(string_of))
            .map(std::borrow::Cow::into_owned)
    };
    let (code, kind, state) = (word("code"), word("type"), word("status"));
    let number = found.iter().find_map(|members| members.number("code"));
    let said = status.or_else(|| number.and_then(|number| u16::try_from(number).ok()));
    let message = word("message")
        .or_else(|| word("error"))
        .unwrap_or_default();
    let words = [code.as_deref(), kind.as_deref(), state.as_deref()];
    let class = ErrorClass::of(said, &words, &message);
    // The outer type of Anthropic's body is `error`, which says nothing.
    let code = [code, kind, state]
        .into_iter()
        .flatten()
        .find(|word| is_word(word) && word != "error");
    ProviderError {
        status: said.filter(|status| (400..600).contains(status)),
        class,
        code,
        param: word("param").filter(|param| is_path(param)),
    }
}

/// The objects that may describe the error, the innermost first.
fn find(body: &str) -> Vec<Members<'_>> {
    let Ok(mut outer) = outermost(body) else {
        return Vec::new();
    };
    // `response.failed` of Responses holds the response that failed.
    if let Some(response) = outer.object("response") {
        outer = response;
    }
    match outer.object("error") {
        Some(inner) => vec![inner, outer],
        None => vec![outer],
    }
}

fn outermost(body: &str) -> Result<Members<'_>, crate::json::JsonError> {
    if body.trim_start().starts_with('[')
        && let Ok(raw) = serde_json::from_str::<&serde_json::value::RawValue>(body)
        && let Some(first) = elements(raw).and_then(|all| all.first().copied())
    {
        return Members::parse(first.get());
    }
    Members::parse(body)
}

/// A registered word: nothing that could be prose or a secret.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_uppercase() || byte == b'_')
}

fn is_path(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 96
        && text.bytes().all(|byte| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || matches!(byte, b'_' | b'.' | b'[' | b']')
        })
}
