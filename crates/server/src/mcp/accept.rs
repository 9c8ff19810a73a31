//! `Accept` (RFC 9110 §12.5.1), as far as a transport asks for it.

use axum::http::header::{ACCEPT, HeaderMap};

/// What a client says that it can read.
struct Accepted {
    json: bool,
    events: bool,
}

/// Both forms of answer must be acceptable (all revisions); no Accept at all accepts everything.
pub(super) fn accepts_both(headers: &HeaderMap) -> bool {
    accepted(headers).is_none_or(|accepted| accepted.json && accepted.events)
}

/// Whether an event stream is acceptable; here nothing is not enough, because a browser that is led
/// to an endpoint asks without it.
pub(super) fn accepts_events(headers: &HeaderMap) -> bool {
    accepted(headers).is_some_and(|accepted| accepted.events)
}

/// `None`: nothing is said.
fn accepted(headers: &HeaderMap) -> Option<Accepted> {
    let mut accepted = None;
    for value in headers.get_all(ACCEPT) {
        let accepted = accepted.get_or_insert(Accepted {
            json: false,
            events: false,
        });
        let ranges = value.to_str().unwrap_or_default().split(',');
        for range in ranges
            .filter_map(|range| range.split(';').next())
            .map(str::trim)
        {
            let is = |wanted: &str| range.eq_ignore_ascii_case(wanted);
            accepted.json |= is("*/*") || is("application/json") || is("application/*");
            accepted.events |= is("*/*") || is("text/event-stream") || is("text/*");
        }
    }
    accepted
}
