//! Parameter values in a request (OpenAPI 3 "Style Values", RFC 6570): every character of a value
//! that could mean something where it goes is encoded.

use std::fmt::Write as _;

use portcullis_mcp::Members;
use serde_json::value::RawValue;

use crate::arguments::{Shape, is_null, text};
use crate::limits::MAX_DEEP_OBJECT;
use crate::parameter::Style;

/// A value in an unexpected shape.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

/// Percent-encodes everything but the unreserved characters (RFC 3986 §2.3).
pub(crate) fn encoded(text: &str) -> String {
    encoded_but(text, "")
}

/// The same, leaving these reserved characters.
fn encoded_but(text: &str, reserved: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let letter = char::from(byte);
        if letter.is_ascii_alphanumeric()
            || matches!(letter, '-' | '.' | '_' | '~')
            || (byte.is_ascii() && reserved.contains(letter))
        {
            out.push(letter);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Reserved characters that end neither a value nor the query: what `allowReserved` lets through.
const HARMLESS: &str = ":/?@!$'()*,;";

/// Writes a value for a query, a form or a cookie.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs<'a> {
    pub(crate) name: &'a str,
    pub(crate) style: Style,
    pub(crate) explode: bool,
    pub(crate) allow_reserved: bool,
}

impl Pairs<'_> {
    fn value(&self, raw: &str) -> String {
        let reserved = if self.allow_reserved { HARMLESS } else { "" };
        encoded_but(raw, reserved)
    }

    /// Names and values, both encoded; none for an empty list.
    pub(crate) fn of(&self, raw: &RawValue) -> Result<Vec<(String, String)>, Malformed> {
        let name = encoded(self.name);
        if self.style == Style::Json {
            return Ok(vec![(name, encoded(raw.get()))]);
        }
        let shape = Shape::of(raw).ok_or(Malformed("must not hold a member twice"))?;
        match shape {
            Shape::One(one) => Ok(vec![(name, self.value(&one))]),
            Shape::Many(items) => {
                let values = items.iter().map(|item| self.value(&text(item)));
                if self.explode || self.style == Style::DeepObject {
                    return Ok(values.map(|value| (name.clone(), value)).collect());
                }
                let values: Vec<String> = values.collect();
                Ok(if values.is_empty() {
                    Vec::new()
                } else {
                    vec![(name, values.join(self.delimiter()))]
                })
            }
            Shape::Pairs(members) if self.style == Style::DeepObject => {
                let mut out = Vec::new();
                self.deep(&name, &members, MAX_DEEP_OBJECT, &mut out)?;
                Ok(out)
            }
            Shape::Pairs(members) => {
                let pairs =
                    present(&members).map(|(key, value)| (encoded(key), self.value(&text(value))));
                if self.explode {
                    return Ok(pairs.collect());
                }
                let flat: Vec<String> = pairs.flat_map(|(key, value)| [key, value]).collect();
                Ok(if flat.is_empty() {
                    Vec::new()
                } else {
                    vec![(name, flat.join(self.delimiter()))]
                })
            }
        }
    }

    const fn delimiter(&self) -> &'static str {
        match self.style {
            Style::SpaceDelimited => "%20",
            Style::PipeDelimited => "%7C",
            Style::TabDelimited => "%09",
            _ => ",",
        }
    }

    /// `name[a][b]=c`
    fn deep(
        &self,
        prefix: &str,
        members: &Members<'_>,
        levels: usize,
        out: &mut Vec<(String, String)>,
    ) -> Result<(), Malformed> {
        if levels == 0 {
            return Err(Malformed("must not be nested so deep"));
        }
        for (key, value) in present(members) {
            // Servers read what follows a bracket in different ways.
            if key.contains(['[', ']']) {
                return Err(Malformed(
                    "must not hold a member with brackets in its name",
                ));
            }
            let name = format!("{prefix}%5B{}%5D", encoded(key));
            match Shape::of(value).ok_or(Malformed("must not hold a member twice"))? {
                Shape::One(one) => out.push((name, self.value(&one))),
                Shape::Many(items) => {
                    out.extend(
                        items
                            .iter()
                            .map(|item| (name.clone(), self.value(&text(item)))),
                    );
                }
                Shape::Pairs(below) => self.deep(&name, &below, levels - 1, out)?,
            }
        }
        Ok(())
    }
}

/// Writes a value for a path or, with `encodes` unset, for a header.
pub(crate) fn joined(
    name: &str,
    style: Style,
    explode: bool,
    encodes: bool,
    raw: &RawValue,
) -> Result<String, Malformed> {
    let write = |value: &str| {
        if encodes {
            encoded(value)
        } else {
            value.to_owned()
        }
    };
    if style == Style::Json {
        return Ok(write(raw.get()));
    }
    let name = write(name);
    let (flat, pairs) = match Shape::of(raw).ok_or(Malformed("must not hold a member twice"))? {
        Shape::One(one) => (vec![write(&one)], None),
        Shape::Many(items) => (items.iter().map(|item| write(&text(item))).collect(), None),
        Shape::Pairs(members) => {
            let pairs: Vec<_> = present(&members)
                .map(|(key, value)| (write(key), write(&text(value))))
                .collect();
            let flat = pairs
                .iter()
                .flat_map(|(key, value)| [key.clone(), value.clone()]);
            (flat.collect(), Some(pairs))
        }
    };
    let named: Option<Vec<String>> = pairs.filter(|_| explode).map(|pairs| {
        pairs
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect()
    });
    Ok(match (style, named) {
        (Style::Matrix, Some(named)) => prefixed(";", &named),
        (Style::Matrix, None) if explode => {
            let each: Vec<String> = flat.iter().map(|value| format!("{name}={value}")).collect();
            prefixed(";", &each)
        }
        (Style::Matrix, None) => format!(";{name}={}", flat.join(",")),
        (Style::Label, Some(named)) => prefixed(".", &named),
        (Style::Label, None) if explode => prefixed(".", &flat),
        (Style::Label, None) => format!(".{}", flat.join(",")),
        (_, Some(named)) => named.join(","),
        (_, None) => flat.join(","),
    })
}

fn prefixed(prefix: &str, values: &[String]) -> String {
    let mut out = String::new();
    for value in values {
        out.push_str(prefix);
        out.push_str(value);
    }
    out
}

/// Members that are not null.
pub(crate) fn present<'m, 'a>(
    members: &'m Members<'a>,
) -> impl Iterator<Item = (&'m str, &'a RawValue)> {
    members.iter().filter(|(_, value)| !is_null(value))
}

#[cfg(test)]
mod tests;
