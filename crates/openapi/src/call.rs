//! From arguments to a finished request.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use portcullis_mcp::Members;
use serde_json::value::RawValue;
use url::Position;

use crate::arguments::{Shape, is_null};
use crate::body::Body;
use crate::parameter::{Parameter, Place, Style};
use crate::query_name::QueryName;
use crate::serial::{Pairs, encoded, joined, present};
use crate::servers::{Base, ChosenBy};
use crate::template::{Part, climbs};

/// Arguments that make no request; the text tells a model what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadArguments(pub String);

/// A request that lacks nothing but its credential.
#[derive(Debug)]
pub struct ApiRequest {
    /// Its method.
    pub method: Method,
    /// Its absolute URI.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body; empty when it has none.
    pub body: Bytes,
    /// Who chose where it goes.
    pub chosen_by: ChosenBy,
}

/// What a call of an operation needs.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) base: Base,
    pub(crate) path: Vec<Part>,
    /// A query that the document writes behind the path.
    pub(crate) query: Option<String>,
    pub(crate) parameters: Vec<Parameter>,
    pub(crate) body: Option<Body>,
}

impl Plan {
    /// The names in a query that no argument may say: they are written already.
    pub(crate) fn fixed_names(&self) -> impl Iterator<Item = QueryName> {
        [self.base.url.query(), self.query.as_deref()]
            .into_iter()
            .flatten()
            .flat_map(|query| query.split('&'))
            .map(QueryName::decoded)
    }

    /// About how much memory it takes. Its texts are its own, however many operations refer to the same ones.
    pub(crate) fn bytes(&self) -> usize {
        let parts = self.path.iter().map(|part| match part {
            Part::Literal(text) | Part::Expression(text) => size_of::<Part>() + text.len(),
        });
        let parameters = self.parameters.iter().map(|parameter| {
            size_of::<Parameter>() + parameter.name.len() + parameter.argument.len()
        });
        let query = self.query.as_ref().map_or(0, String::len);
        let body = self.body.as_ref().map_or(0, Body::bytes);
        let all = parts.chain(parameters).chain([query, body]).sum::<usize>();
        self.base.url.as_str().len().saturating_add(all)
    }

    /// The request of these arguments.
    pub(crate) fn request(&self, arguments: Option<&RawValue>) -> Result<ApiRequest, BadArguments> {
        let arguments = match arguments {
            None => Members::default(),
            Some(raw) => Members::of(raw).map_err(|_| {
                BadArguments("arguments must be an object in which no name stands twice".into())
            })?,
        };
        self.check(&arguments)?;
        let given = |name: &str| arguments.get(name).filter(|raw| !is_null(raw));
        let mut query: Vec<String> = [self.base.url.query(), self.query.as_deref()]
            .into_iter()
            .flatten()
            .filter(|query| !query.is_empty())
            .map(str::to_owned)
            .collect();
        let mut cookies: Vec<String> = Vec::new();
        let mut headers = HeaderMap::new();
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("application/json, */*;q=0.8"),
        );
        for parameter in &self.parameters {
            let Some(raw) = given(&parameter.argument) else {
                continue;
            };
            parameter.takes(raw)?;
            match parameter.place {
                Place::Path => {}
                Place::Query => query.extend(self.pairs(parameter, raw)?),
                Place::Cookie => cookies.extend(self.pairs(parameter, raw)?),
                Place::Header => {
                    let (name, value) = header(parameter, raw)?;
                    headers.insert(name, value);
                }
            }
        }
        if !cookies.is_empty() {
            let value = HeaderValue::try_from(cookies.join("; "))
                .map_err(|_| BadArguments("the cookies are too large".to_owned()))?;
            headers.insert(COOKIE, value);
        }
        let path = self.filled(&given)?;
        let (body, media_type) = match &self.body {
            None => (Bytes::new(), None),
            Some(body) => match given(&body.argument) {
                None => (Bytes::new(), None),
                Some(raw) => {
                    let (bytes, media_type) =
                        body.write(raw).map_err(|why| wrong(&body.argument, &why))?;
                    (bytes, Some(media_type))
                }
            },
        };
        if let Some(media_type) = media_type {
            let value = HeaderValue::try_from(media_type)
                .map_err(|_| BadArguments("the document's media type is none".to_owned()))?;
            headers.insert(CONTENT_TYPE, value);
        }
        Ok(ApiRequest {
            method: self.method.clone(),
            uri: self.uri(&path, &query)?,
            headers,
            body,
            chosen_by: self.base.chosen_by,
        })
    }

    /// Every argument is one that the tool has, and none that it needs is missing.
    fn check(&self, arguments: &Members<'_>) -> Result<(), BadArguments> {
        let known: Vec<&str> = self
            .parameters
            .iter()
            .map(|parameter| parameter.argument.as_str())
            .chain(self.body.iter().map(|body| body.argument.as_str()))
            .collect();
        if let Some((name, _)) = arguments.iter().find(|(name, _)| !known.contains(name)) {
            return Err(BadArguments(if known.is_empty() {
                format!("this tool has no argument `{name}`; it takes none")
            } else {
                format!(
                    "this tool has no argument `{name}`; it takes: {}",
                    known.join(", ")
                )
            }));
        }
        let required = self
            .parameters
            .iter()
            .filter(|parameter| parameter.required)
            .map(|parameter| parameter.argument.as_str());
        let body = self.body.iter().filter(|body| body.required);
        let missing: Vec<&str> = required
            .chain(body.map(|body| body.argument.as_str()))
            .filter(|name| arguments.get(name).is_none_or(is_null))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(", ");
        Err(BadArguments(format!("required and missing: {missing}")))
    }

    /// `name=value`, encoded. An object whose members become names of their own may not say what is
    /// said elsewhere.
    fn pairs(&self, parameter: &Parameter, raw: &RawValue) -> Result<Vec<String>, BadArguments> {
        let pairs = Pairs {
            name: &parameter.name,
            style: parameter.style,
            explode: parameter.explode,
            allow_reserved: parameter.allow_reserved,
        };
        let pairs = pairs
            .of(raw)
            .map_err(|malformed| wrong(&parameter.argument, malformed.0))?;
        let plain = encoded(&parameter.name);
        let made = pairs.iter().map(|(name, _)| name.as_str());
        self.keeps_to_itself(parameter, made.filter(|name| *name != plain))?;
        Ok(pairs
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect())
    }

    /// No name that an object made says what is said elsewhere.
    fn keeps_to_itself<'n>(
        &self,
        parameter: &Parameter,
        made: impl Iterator<Item = &'n str>,
    ) -> Result<(), BadArguments> {
        let own = QueryName::of(&parameter.name);
        let mut made = made.peekable();
        if made.peek().is_none() {
            return Ok(());
        }
        let mut others: Vec<QueryName> = self
            .parameters
            .iter()
            .filter(|other| other.place == parameter.place && other.argument != parameter.argument)
            .map(|other| QueryName::of(&other.name))
            .collect();
        if parameter.place == Place::Query {
            others.extend(self.fixed_names());
        }
        for name in made {
            let read = QueryName::decoded(name);
            if others.iter().any(|other| read.intrudes(other, &own)) {
                let why = format!("must not hold `{name}`, which is a parameter of its own");
                return Err(wrong(&parameter.argument, &why));
            }
        }
        Ok(())
    }

    fn filled<'r>(
        &self,
        given: &dyn Fn(&str) -> Option<&'r RawValue>,
    ) -> Result<String, BadArguments> {
        let mut path = String::new();
        for part in &self.path {
            let name = match part {
                Part::Literal(text) => {
                    path.push_str(text);
                    continue;
                }
                Part::Expression(name) => name,
            };
            let found = self
                .parameters
                .iter()
                .find(|parameter| parameter.place == Place::Path && parameter.name == *name);
            let value = found.and_then(|found| Some((found, given(&found.argument)?)));
            let Some((parameter, raw)) = value else {
                return Err(BadArguments(format!("required and missing: {name}")));
            };
            let name = &parameter.argument;
            if let (Style::Matrix, true, Some(Shape::Pairs(members))) =
                (parameter.style, parameter.explode, Shape::of(raw))
            {
                let made: Vec<String> = present(&members).map(|(key, _)| encoded(key)).collect();
                self.keeps_to_itself(parameter, made.iter().map(String::as_str))?;
            }
            // What the segment says before it is encoded, also where it is made of several values.
            let bare = joined(
                &parameter.name,
                parameter.style,
                parameter.explode,
                false,
                raw,
            )
            .map_err(|malformed| wrong(name, malformed.0))?;
            if bare.is_empty() || crate::arguments::text(raw).is_empty() {
                return Err(wrong(name, "must not be empty: it is a part of the path"));
            }
            if climbs(&bare) || bare.contains(char::is_control) {
                let why = "must not hold `.` or `..` as a step, or control characters: it is a part of the path";
                return Err(wrong(name, why));
            }
            let value = joined(
                &parameter.name,
                parameter.style,
                parameter.explode,
                true,
                raw,
            )
            .map_err(|malformed| wrong(name, malformed.0))?;
            path.push_str(&value);
        }
        // Also when several values together make such a step.
        if climbs(&path) {
            return Err(BadArguments(
                "these arguments together would lead to another path".to_owned(),
            ));
        }
        Ok(path)
    }

    fn uri(&self, path: &str, query: &[String]) -> Result<Uri, BadArguments> {
        let base = &self.base.url[..Position::AfterPath];
        let mut uri = format!("{}{path}", base.trim_end_matches('/'));
        if !query.is_empty() {
            uri.push('?');
            uri.push_str(&query.join("&"));
        }
        uri.parse().map_err(|_| {
            BadArguments("these arguments make no valid address; they may be too long".into())
        })
    }
}

impl Parameter {
    /// An object or a list where the schema has none would be written in a form that nobody meant,
    /// and under names that nobody looked at.
    fn takes(&self, raw: &RawValue) -> Result<(), BadArguments> {
        let (given, fits) = match raw.get().as_bytes().first() {
            _ if self.style == Style::Json => return Ok(()),
            Some(b'{') => ("an object", self.shapes.object),
            Some(b'[') => ("a list", self.shapes.list),
            _ => return Ok(()),
        };
        if fits {
            return Ok(());
        }
        let why = format!("must not be {given}: its schema has none");
        Err(wrong(&self.argument, &why))
    }
}

fn header(
    parameter: &Parameter,
    raw: &RawValue,
) -> Result<(HeaderName, HeaderValue), BadArguments> {
    let value = joined(
        &parameter.name,
        parameter.style,
        parameter.explode,
        false,
        raw,
    )
    .map_err(|malformed| wrong(&parameter.argument, malformed.0))?;
    let name = HeaderName::try_from(&parameter.name)
        .map_err(|_| wrong(&parameter.argument, "is no header's name"))?;
    let value = HeaderValue::from_bytes(value.as_bytes()).map_err(|_| {
        let why = "must not hold line breaks or other control characters: it is a header";
        wrong(&parameter.argument, why)
    })?;
    Ok((name, value))
}

fn wrong(argument: &str, why: &str) -> BadArguments {
    BadArguments(format!("argument `{argument}` {why}"))
}

#[cfg(test)]
mod tests;
