//! `application/x-www-form-urlencoded`

use serde_json::value::RawValue;

use super::{Fields, known, members};
use crate::parameter::Style;
use crate::query_name::QueryName;
use crate::serial::{Pairs, encoded, present};

/// Lists are repeated and objects are JSON, unless the document says otherwise (OpenAPI 3 "Encoding
/// Object").
pub(super) fn write(fields: &Fields, raw: &RawValue) -> Result<String, String> {
    let members = members(raw)?;
    let mut out = String::new();
    for (name, value) in present(&members) {
        let usual = if value.get().starts_with('{') {
            (Style::Json, false)
        } else {
            (Style::Form, true)
        };
        let (style, explode) = known(fields, name)
            .and_then(|field| field.style)
            .unwrap_or(usual);
        let pairs = Pairs {
            name,
            style,
            explode,
            allow_reserved: false,
        };
        let pairs = pairs
            .of(value)
            .map_err(|malformed| format!("its field `{name}`: {}", malformed.0))?;
        let (own, plain) = (QueryName::of(name), encoded(name));
        let told = || {
            let given = present(&members).map(|(other, _)| other);
            let others = fields.iter().map(|(other, _)| other.as_str()).chain(given);
            others.filter(|other| *other != name).map(QueryName::of)
        };
        for (made, _) in pairs.iter().filter(|(made, _)| *made != plain) {
            let read = QueryName::decoded(made);
            if told().any(|other| read.intrudes(&other, &own)) {
                return Err(format!(
                    "its field `{name}` must not hold `{made}`, which is a field of its own"
                ));
            }
        }
        for (name, value) in pairs {
            if !out.is_empty() {
                out.push('&');
            }
            out.push_str(&name);
            out.push('=');
            out.push_str(&value);
        }
    }
    Ok(out)
}
