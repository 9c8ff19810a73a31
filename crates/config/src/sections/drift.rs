//! `on_drift` of a server and of `policy`.

use portcullis_policy::OnDrift;

use crate::fields::Fields;

/// What is written, if anything.
pub(crate) fn read(fields: &Fields<'_, '_>) -> Option<OnDrift> {
    let written = fields.choice("on_drift").and_then(OnDrift::named);
    if written == Some(OnDrift::Allow) {
        fields.findings.relaxed(
            fields.place("on_drift"),
            "tools that change after they were first seen are served, and nobody is told",
        );
    }
    written
}
