//! Who we say we are, and where our keys are found: never what a request's `Host` says.

use url::Url;

use crate::fields::{At, Fields};
use crate::findings::Place;
use crate::model::{Compat, Server};
use crate::validate::exposure::is_loopback;
use crate::validate::urls;

/// `iss`, and the origin of the documents.
pub(super) fn find(
    root: &Fields<'_, '_>,
    written: Option<At<String>>,
    plain_http: bool,
    place: &Place,
    server: &Server,
    compat: Compat,
) -> Option<(String, String)> {
    let public = server
        .public_url
        .as_ref()
        .map(|url| url.origin().ascii_serialization());
    let Some(At { value, place }) = written else {
        let own = public.or_else(|| own_address(server));
        if own.is_none() {
            root.findings.error(
                place.clone(),
                "no `issuer`: servers could not find the keys, and would have to believe whoever calls itself us",
                "add `server.public_url: https://…`, or `issuer: https://…`",
            );
        }
        return own.map(|own| (own.clone(), own));
    };
    let url = Url::parse(&value)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    let plain = url
        .as_ref()
        .is_none_or(|url| url.query().is_none() && url.fragment().is_none());
    if value.trim().is_empty() || value.contains(char::is_whitespace) || !plain {
        root.findings.error(
            place,
            "not an issuer (RFC 8414 §2: an https URL without query and fragment)",
            "write the URL under which servers reach the gateway",
        );
        return None;
    }
    if let Some(url) = &url
        && url.scheme() == "http"
        && !urls::is_loopback(url)
    {
        match (plain_http, compat) {
            (true, _) => root.findings.relaxed(
                place.clone(),
                "plain http is accepted by `allow_insecure_http: true`: whoever is on the way can give servers other keys",
            ),
            (false, Compat::LiteLlm) => root.findings.relaxed(
                place.clone(),
                "plain http is accepted by `compat: litellm`: whoever is on the way can give servers other keys",
            ),
            (false, Compat::None) => {
                root.findings.error(
                    place,
                    "an issuer of plain http beyond loopback: whoever is on the way can give servers other keys",
                    "use https, or accept it by name with `allow_insecure_http: true` beside `issuer`",
                );
                return None;
            }
        }
    }
    if url.is_none() {
        let text = "no URL, so that servers cannot discover the keys from it: give them `/.well-known/jwks.json` by hand";
        if compat == Compat::LiteLlm {
            root.findings.info(place.clone(), text);
        } else {
            root.findings.warning(place.clone(), text);
        }
    }
    let origin = public
        .or_else(|| url.map(|url| url.origin().ascii_serialization()))
        .or_else(|| own_address(server));
    let Some(origin) = origin else {
        root.findings.error(
            place,
            "neither this issuer nor `server.public_url` says where the keys are published",
            "add `server.public_url: https://…`",
        );
        return None;
    };
    Some((value, origin))
}

/// On loopback the listener's own address is the one that everybody there uses.
fn own_address(server: &Server) -> Option<String> {
    let listen = &server.listen;
    if !is_loopback(listen) || listen.port == 0 {
        return None;
    }
    let scheme = if server.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let host = if listen.host.contains(':') {
        format!("[{}]", listen.host)
    } else {
        listen.host.clone()
    };
    Some(format!("{scheme}://{host}:{}", listen.port))
}
