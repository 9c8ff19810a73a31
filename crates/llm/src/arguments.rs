//! A call's arguments, where a format wants an object and the model may have erred.

use std::borrow::Cow;

use crate::json::{ObjectText, is_object};

/// The member under which arguments go that are no JSON object. A model that erred is told so by
/// its tool; nothing is made up, and nothing is lost.
const MALFORMED: &str = "_malformed_arguments";

/// The object that a call's arguments are; owned when it had to be made. No arguments at all are
/// the empty object.
pub(crate) fn object_of(arguments: &str) -> Cow<'_, str> {
    if arguments.trim().is_empty() {
        return Cow::Borrowed("{}");
    }
    if is_object(arguments) {
        return Cow::Borrowed(arguments);
    }
    let mut object = ObjectText::new();
    object.string(MALFORMED, arguments);
    Cow::Owned(object.finish())
}

/// The text that a call's arguments are. No arguments at all are the empty object.
pub(crate) fn text_of(arguments: &str) -> &str {
    if arguments.trim().is_empty() {
        "{}"
    } else {
        arguments
    }
}
