//! Ids of calls that carry a thought's signature.
//!
//! Gemini wants the signature of a call back with the call, and clients of other formats give back
//! only what they know: the id. So the signature rides there, after the mark that LiteLLM uses.

pub(crate) const MARK: &str = "__thought__";

/// The id that a client is given.
pub(crate) fn with_signature(id: &str, signature: Option<&str>) -> String {
    match signature {
        Some(signature) => format!("{id}{MARK}{signature}"),
        None => id.to_owned(),
    }
}

/// The id and the signature of what a client gives back.
pub(crate) fn split(id: String) -> (String, Option<String>) {
    match id.split_once(MARK) {
        Some((bare, signature)) if !bare.is_empty() && !signature.is_empty() => {
            (bare.to_owned(), Some(signature.to_owned()))
        }
        _ => (id, None),
    }
}
