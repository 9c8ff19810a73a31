//! `application/x-www-form-urlencoded`

use serde_json::value::RawValue;

use super::{Fields, known, members};
use crate::parameter::Style;
use crate::serial::{Pairs, present};

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
