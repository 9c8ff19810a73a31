//! A `reasoning` item of the Responses format, also as other formats' clients give it back.

use crate::json::{ArrayText, ObjectText};

/// Writes one.
pub(crate) fn write(id: Option<&str>, encrypted: Option<&str>, text: &str) -> String {
    let mut summary = ArrayText::new();
    if !text.is_empty() {
        let mut piece = ObjectText::typed("summary_text");
        piece.string("text", text);
        summary.push(&piece.finish());
    }
    let mut item = ObjectText::typed("reasoning");
    item.optional_string("id", id)
        .raw("summary", &summary.finish())
        .optional_string("encrypted_content", encrypted);
    item.finish()
}
