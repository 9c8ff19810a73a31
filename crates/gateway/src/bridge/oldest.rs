//! Clients of 2024-11-05, which does not know the transport that the bridge speaks to the gateway.
//!
//! What 2025-03-26 has beside it only adds to it, but for batches, and nobody sends those to a client. So
//! the bridge says hello as a client of 2025-03-26, and answers with what its own client asked for.

use bytes::Bytes;
use portcullis_mcp::{Edits, Envelope, Members, Revision, string_of};
use serde_json::value::RawValue;

/// What the bridge speaks in the client's place.
const SPOKEN: Revision = Revision::V2025_03_26;

/// An `initialize` that asks for the oldest revision, as it goes to the gateway.
pub(super) fn raised(hello: &Envelope<'_>) -> Option<Bytes> {
    let asked = hello.params()?.get("protocolVersion")?;
    rewritten(hello.text, asked, Revision::V2024_11_05, SPOKEN)
}

/// The gateway's answer to it, as the client hears it.
pub(super) fn lowered(answer: &[u8]) -> Option<Bytes> {
    let answer = Envelope::parse(answer).ok()?;
    let result = Members::of(answer.result()?).ok()?;
    let said = result.get("protocolVersion")?;
    rewritten(answer.text, said, SPOKEN, Revision::V2024_11_05)
}

fn rewritten(text: &str, place: &RawValue, from: Revision, to: Revision) -> Option<Bytes> {
    let said = string_of(place)?;
    if said != from.as_str() {
        return None;
    }
    let mut edits = Edits::of(text);
    edits.replace(place, format!("\"{to}\""));
    Some(Bytes::from(edits.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_oldest_revision_is_spoken_for() {
        let hello = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2024-11-05","x":1}}"#;
        let raised_hello = raised(&Envelope::parse(hello.as_bytes()).unwrap()).unwrap();
        assert_eq!(raised_hello, hello.replace("2024-11-05", "2025-03-26"));
        let newer = hello.replace("2024-11-05", "2025-06-18");
        assert!(raised(&Envelope::parse(newer.as_bytes()).unwrap()).is_none());

        let answer = r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-03-26","capabilities":{}}}"#;
        let heard = lowered(answer.as_bytes()).unwrap();
        assert_eq!(heard, answer.replace("2025-03-26", "2024-11-05"));
        assert!(lowered(br#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}"#).is_none());
    }
}
