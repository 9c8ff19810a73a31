//! The two cookies of ours. `__Host-` keeps every other host from setting them (RFC 6265bis §4.1.3.2).

use std::time::Duration;

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};

/// In which somebody is signed in.
pub(super) const SESSION: &str = "__Host-portcullis_session";
/// Which browser it is, before anybody is signed in.
pub(super) const BROWSER: &str = "__Host-portcullis_browser";

/// The one value of a cookie. One that stands twice is nobody's word.
pub(super) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let mut values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim_matches([' ', '\t']).split_once('='))
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value);
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value),
        _ => None,
    }
}

/// Sets a cookie: for this host alone, over TLS alone (browsers count `localhost` in), out of reach
/// of scripts, and not along with what other sites send, except when a person follows a link.
pub(super) fn set(name: &str, value: &str, lasts: Option<Duration>) -> Option<HeaderValue> {
    let lasts = lasts.map_or_else(String::new, |span| format!("; Max-Age={}", span.as_secs()));
    let text = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Lax{lasts}");
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Takes a cookie back.
pub(super) fn clear(name: &str) -> Option<HeaderValue> {
    set(name, "", Some(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_str(line).unwrap());
        }
        cookie(&headers, SESSION).map(str::to_owned)
    }

    #[test]
    fn a_cookie_counts_if_it_stands_once() {
        assert_eq!(
            read(&["a=b; __Host-portcullis_session=x; c=d"]).as_deref(),
            Some("x")
        );
        for lines in [
            &["a=b"][..],
            &["__Host-portcullis_session=x; __Host-portcullis_session=y"],
            &["__Host-portcullis_session=x", "__Host-portcullis_session=x"],
            &["portcullis_session=x"],
            &["__host-portcullis_session=x"],
            &["__Host-portcullis_session"],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_cookie_is_kept_by_browsers_for_this_host_alone() {
        let set = set(SESSION, "v", Some(Duration::from_hours(8))).unwrap();
        assert_eq!(
            set.to_str().unwrap(),
            "__Host-portcullis_session=v; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=28800"
        );
        assert!(set.is_sensitive());
    }
}
