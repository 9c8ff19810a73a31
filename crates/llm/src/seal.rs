//! Proofs of thoughts of one format, carried through clients of another.
//!
//! A client gives back what its own format knows and nothing else. So a proof from elsewhere rides in
//! the member that every client of the format gives back, marked with where it is good: `signature` of
//! a `thinking` block in Messages, `encrypted_content` of a `reasoning` item in Responses.

use crate::format::Format;
use crate::hub::{Seal, Thinking};
use crate::json::{Members, ObjectText};

/// What every proof that is carried begins with.
pub(crate) const MARK: &str = "portcullis.proof.";

/// The signature under which a client of Messages is shown a thought; `None` when nothing can be.
pub(crate) fn signature_of(thinking: &Thinking) -> Option<String> {
    match (&thinking.seal, thinking.maker) {
        (Seal::Signature(signature), Format::Messages) => Some(signature.clone()),
        (Seal::None, Format::Messages) | (Seal::Redacted(_), _) => None,
        _ => Some(wrap(thinking)),
    }
}

/// The `encrypted_content` under which a client of Responses is shown a thought of another format;
/// `None` when there is no proof to carry.
pub(crate) fn encrypted_content_of(thinking: &Thinking) -> Option<String> {
    match &thinking.seal {
        Seal::Item { encrypted, .. } => encrypted.clone(),
        Seal::None => None,
        Seal::Signature(_) | Seal::Redacted(_) => Some(wrap(thinking)),
    }
}

fn wrap(thinking: &Thinking) -> String {
    let mut object = ObjectText::new();
    match &thinking.seal {
        Seal::None => {}
        Seal::Signature(signature) => {
            object.string("signature", signature);
        }
        Seal::Redacted(data) => {
            object.string("data", data);
        }
        Seal::Item { id, encrypted } => {
            object
                .optional_string("id", id.as_deref())
                .optional_string("encrypted_content", encrypted.as_deref());
        }
    }
    format!("{MARK}{}:{}", thinking.maker, object.finish())
}

/// A thought that a client gave back, with the proof that rode in its own format's.
pub(crate) fn unwrap(thinking: Thinking) -> Thinking {
    let carried = match &thinking.seal {
        Seal::Signature(text) => Some(text),
        Seal::Item { encrypted, .. } => encrypted.as_ref(),
        Seal::None | Seal::Redacted(_) => None,
    };
    let found = carried
        .and_then(|text| text.strip_prefix(MARK))
        .and_then(|rest| rest.split_once(':'));
    let Some((maker, object)) = found else {
        return thinking;
    };
    let Some(maker) = Format::ALL
        .into_iter()
        .find(|format| format.as_str() == maker)
    else {
        return thinking;
    };
    let members = Members::parse(object).unwrap_or_default();
    let text = |name| members.string(name).map(std::borrow::Cow::into_owned);
    let seal = match (maker, text("signature"), text("data")) {
        (Format::Responses, _, _) => Seal::Item {
            id: text("id"),
            encrypted: text("encrypted_content"),
        },
        (_, Some(signature), _) => Seal::Signature(signature),
        (_, None, Some(data)) => Seal::Redacted(data),
        (_, None, None) => Seal::None,
    };
    Thinking {
        maker,
        seal,
        ..thinking
    }
}
