//! What a form of ours sends.

use axum::body::Body;
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::Trouble;
use crate::state::ServerState;

/// No form of ours is longer.
const LONGEST: usize = 32 * 1024;

/// The fields of a form, as they were sent.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// Reads a form within its limits of size and time.
    pub(crate) async fn read(
        state: &ServerState,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<Self, Trouble> {
        let mut kinds = headers.get_all(CONTENT_TYPE).iter();
        let kind = match (kinds.next(), kinds.next()) {
            (Some(kind), None) => kind.to_str().unwrap_or_default(),
            _ => "",
        };
        let essence = kind.split(';').next().unwrap_or_default().trim();
        let is_form = essence.eq_ignore_ascii_case("application/x-www-form-urlencoded");
        if !is_form || headers.contains_key(CONTENT_ENCODING) {
            return Err(Trouble::not_a_form());
        }
        let reading = Limited::new(body, LONGEST.min(state.max_body)).collect();
        match tokio::time::timeout(state.body_timeout, reading).await {
            Err(_) => Err(Trouble::slow_form()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Trouble::long_form()),
            Ok(Err(_)) => Err(Trouble::not_a_form()),
            Ok(Ok(body)) => {
                let fields = url::form_urlencoded::parse(&body.to_bytes())
                    .into_owned()
                    .collect();
                Ok(Self(fields))
            }
        }
    }

    /// The one value of a field; of two, none.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let fields = self.0.iter();
        form_field(
            fields.map(|(key, value)| (key.as_str(), value.as_str())),
            name,
        )
    }
}

/// The one value of a name among pairs; of two, none.
pub(crate) fn form_field<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    name: &str,
) -> Option<&'a str> {
    let mut values = pairs
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}
