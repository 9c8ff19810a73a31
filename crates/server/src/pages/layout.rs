//! What every page has around it, and the headers that keep it what it is.

use askama::Template;
use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use portcullis_core::RequestId;
use url::Url;

use super::{SignedIn, Trouble, style};
use crate::state::ServerState;

/// Longest name of somebody else's that is shown.
const LONGEST_NAME: usize = 64;
/// No host name is longer (RFC 1035 §2.3.4).
const LONGEST_HOST: usize = 253;

/// The head and foot of a page. Every template has one as `frame`.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    /// Where the stylesheet is.
    pub(crate) style: &'static str,
    /// The request, for whoever asks for help.
    pub(crate) request: String,
    /// Who is signed in.
    pub(crate) who: Option<Who>,
}

/// Who is signed in, and the token of the form that ends it.
#[derive(Clone, Debug)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) sign_out: String,
}

/// The frame of a page for this person, or for nobody.
pub(crate) fn frame(
    state: &ServerState,
    id: RequestId,
    who: Option<&SignedIn>,
) -> Result<Frame, Trouble> {
    let who = match who {
        None => None,
        Some(signed_in) => Some(Who {
            name: short(&signed_in.name()),
            sign_out: signed_in.form_token(state, super::logout::ACT)?,
        }),
    };
    Ok(Frame {
        style: style::path(),
        request: id.to_string(),
        who,
    })
}

/// A name that somebody else chose, as it may be shown: one line, not too long, and without the
/// characters that turn the direction of what stands around it.
pub(crate) fn short(name: &str) -> String {
    let mut shown = plain(name);
    if shown.chars().count() > LONGEST_NAME {
        shown = shown.chars().take(LONGEST_NAME).chain(['…']).collect();
    }
    shown
}

/// A host that somebody else chose, as it may be shown: whole, because whose it is stands at its end, and
/// everything in front of that is theirs to write (`login.your-bank.example.…evil.test`). What is too long
/// to be a host loses its beginning.
pub(crate) fn host(name: &str) -> String {
    let shown = plain(name);
    let length = shown.chars().count();
    if length <= LONGEST_HOST {
        return shown;
    }
    let end = shown.chars().skip(length - LONGEST_HOST);
    ['…'].into_iter().chain(end).collect()
}

/// One line, without what is not seen.
fn plain(name: &str) -> String {
    let hidden = |char: char| {
        char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    let words = name.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().filter(|char| !hidden(*char)).collect()
}

/// A page. Its forms go to this origin, and where answers to them lead: browsers apply `form-action` to
/// redirects too, to the client's own ones after ours as well. Those lead to sites that nobody knows
/// beforehand (a callback on loopback that goes on to a page of thanks), so where an answer leaves this
/// origin every https site is a place that it may lead to; what is no https site has to be the client's.
pub(super) fn html<T: Template>(
    status: StatusCode,
    page: &T,
    leads_to: Option<&Url>,
) -> Option<Response<Body>> {
    let text = page.render().ok()?;
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(CONTENT_SECURITY_POLICY, content_security_policy(leads_to)?);
    guard(&mut response);
    // Not `no-referrer`: with it browsers say `Origin: null` of our own forms (Fetch §3.2), which is
    // what a sandboxed page of somebody else's says too. Other origins are told nothing either way.
    response
        .headers_mut()
        .insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    Some(response)
}

/// What is true of pages and of redirects between them. There is no `Cross-Origin-Opener-Policy`: a
/// client that opened the way here as a window of its own waits for that window to come back.
pub(super) fn guard(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    );
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(
        axum::http::header::CACHE_CONTROL,
        HeaderValue::from_static("no-store"),
    );
}

fn content_security_policy(leads_to: Option<&Url>) -> Option<HeaderValue> {
    let leads_to = leads_to
        .and_then(source)
        .map(|source| format!("{source} https:"))
        .unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self'{leads_to}; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::try_from(policy).ok()
}

/// A URL's origin as a source (CSP3 §2.3.1), or its scheme where there is no origin that a source
/// could name: a scheme of an application's own, or an IPv6 address, for which the grammar has no form.
fn source(url: &Url) -> Option<String> {
    let plain = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:/".contains(&byte))
    };
    let named = matches!(url.scheme(), "http" | "https")
        && matches!(url.host(), Some(url::Host::Domain(_) | url::Host::Ipv4(_)));
    let source = if named {
        url.origin().ascii_serialization()
    } else {
        format!("{}:", url.scheme())
    };
    plain(&source).then(|| format!(" {source}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_leads_to_the_one_origin_that_its_answer_leads_to() {
        for (url, expected) in [
            (
                "https://app.example:8443/cb?x=1",
                " https://app.example:8443",
            ),
            ("http://127.0.0.1:33418/", " http://127.0.0.1:33418"),
            ("http://localhost/cb", " http://localhost"),
            ("http://[::1]:33418/", " http:"),
            ("cursor://anysphere.cursor-retrieval/oauth", " cursor:"),
            ("com.example.app:/cb", " com.example.app:"),
            (
                "https://b\u{fc}cher.example/",
                " https://xn--bcher-kva.example",
            ),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(source(&url).as_deref(), Some(expected), "{url}");
        }
        let policy = content_security_policy(None).unwrap();
        assert_eq!(
            policy.to_str().unwrap(),
            "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; \
             base-uri 'none'"
        );
        let away = Url::parse("http://127.0.0.1:33418/cb").unwrap();
        let policy = content_security_policy(Some(&away)).unwrap();
        let policy = policy.to_str().unwrap();
        assert!(
            policy.contains("; form-action 'self' http://127.0.0.1:33418 https:; "),
            "{policy}"
        );
        // What could end the directive is not in an origin; if it ever were, nothing is allowed.
        for odd in [
            "https://a;b.example/",
            "https://a'b.example/",
            "https://a,b.example/",
        ] {
            let source = Url::parse(odd).ok().and_then(|url| source(&url));
            assert_eq!(source, None, "{odd}");
        }
    }

    /// PKCE-11.
    #[test]
    fn names_of_others_are_short_and_turn_nothing_around() {
        assert_eq!(short("Claude\u{202e}edoC \n\t x"), "ClaudeedoC x");
        assert_eq!(short("a\u{200b}b\u{2066}c\u{feff}"), "abc");
        let long = short(&"é".repeat(10_000));
        assert_eq!(long.chars().count(), LONGEST_NAME + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn the_end_of_a_host_is_never_cut_off() {
        let long = format!("{}evil.test", "login.example.".repeat(17));
        assert_eq!(host(&long), long);
        let endless = host(&format!("{}evil.test", "login.example.".repeat(500)));
        assert_eq!(endless.chars().count(), LONGEST_HOST + 1);
        assert!(endless.starts_with('…') && endless.ends_with(".evil.test"));
        assert_eq!(host("a\u{202e}b.test"), "ab.test");
    }
}
