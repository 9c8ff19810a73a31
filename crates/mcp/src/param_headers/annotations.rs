//! Finding `x-mcp-header` in a schema, and holding it to its rules.

use http::HeaderName;
use portcullis_core::ErrorKind;
use serde_json::{Map, Value};

use super::ParamHeader;

const ANNOTATION: &str = "x-mcp-header";
const HEADER_PREFIX: &str = "mcp-param-";

/// The JSON depth that every document is held to.
const MAX_DEPTH: usize = 64;
/// Far more than a person writes, and still quick to walk.
const MAX_VALUES: usize = 50_000;
/// Leaves room for the other headers among the hundred a request may have.
const MAX_HEADERS: usize = 64;
const MAX_NAME_BYTES: usize = 256;
const MAX_PLACE_CHARS: usize = 128;

/// Why a tool cannot be offered: its schema breaks a rule for `x-mcp-header`.
///
/// `at` is where, shortened; it is the upstream's text and is shown escaped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAnnotation {
    /// The annotation is not a string.
    #[error("x-mcp-header at {at:?} is not a string")]
    NotAString {
        /// Where.
        at: String,
    },
    /// The header name is empty.
    #[error("x-mcp-header at {at:?} is empty")]
    Empty {
        /// Where.
        at: String,
    },
    /// The header name is not a token of RFC 9110 §5.6.2, or absurdly long.
    #[error("x-mcp-header at {at:?} is not a header name")]
    NotAToken {
        /// Where.
        at: String,
    },
    /// Another property asks for the same header; case does not count.
    #[error("x-mcp-header at {at:?} repeats the name of another")]
    Duplicate {
        /// Where the second one is.
        at: String,
    },
    /// The property's type is not `string`, `integer` or `boolean`.
    #[error("x-mcp-header at {at:?} is not on a string, integer or boolean")]
    NotPrimitive {
        /// Where.
        at: String,
    },
    /// It is not on a property that `properties` alone lead to.
    #[error("x-mcp-header at {at:?} is not reached through `properties` alone")]
    OffChain {
        /// Where.
        at: String,
    },
    /// The schema nests too deep to be looked through.
    #[error("input schema nests deeper than {MAX_DEPTH}")]
    TooDeep,
    /// The schema is too large to be looked through.
    #[error("input schema holds more than {MAX_VALUES} values")]
    TooLarge,
    /// More headers than a request could carry.
    #[error("input schema asks for more than {MAX_HEADERS} headers")]
    TooMany,
}

impl InvalidAnnotation {
    /// The tool's definition is wrong.
    pub const fn error_kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

pub(super) fn collect(input_schema: &Value) -> Result<Vec<ParamHeader>, InvalidAnnotation> {
    let mut walk = Walk::default();
    walk.schema(input_schema, Reach::Root)?;
    Ok(walk.found)
}

/// How the walk got to a schema.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Root,
    Property,
    /// Through anything but `properties`: whether it applies depends on the instance.
    OffChain,
}

impl Reach {
    const fn property(self) -> Self {
        match self {
            Self::Root | Self::Property => Self::Property,
            Self::OffChain => Self::OffChain,
        }
    }
}

#[derive(Default)]
struct Walk<'a> {
    /// Every key on the way from the root, keywords included. Its length is the depth.
    place: Vec<&'a str>,
    values: usize,
    found: Vec<ParamHeader>,
}

impl<'a> Walk<'a> {
    fn schema(&mut self, schema: &'a Value, reach: Reach) -> Result<(), InvalidAnnotation> {
        match schema {
            Value::Object(keywords) => {
                for (keyword, value) in keywords {
                    self.keyword(keywords, keyword, value, reach)?;
                }
                Ok(())
            }
            Value::Array(schemas) => schemas.iter().try_for_each(|schema| {
                self.descend("", |walk| walk.schema(schema, Reach::OffChain))
            }),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(()),
        }
    }

    fn keyword(
        &mut self,
        schema: &'a Map<String, Value>,
        keyword: &'a str,
        value: &'a Value,
        reach: Reach,
    ) -> Result<(), InvalidAnnotation> {
        match keyword {
            ANNOTATION => self.annotation(schema, value, reach),
            "properties" => self.named_schemas(keyword, value, reach.property()),
            "$defs" | "definitions" | "dependentSchemas" | "dependencies" | "patternProperties" => {
                self.named_schemas(keyword, value, Reach::OffChain)
            }
            // Instance data: an equal key in there is no annotation.
            "const" | "default" | "enum" | "example" | "examples" => Ok(()),
            // Unknown keywords too: a `$ref` could make a schema of what they hold.
            _ => self.descend(keyword, |walk| walk.schema(value, Reach::OffChain)),
        }
    }

    /// Keys in here are names that the author chose, so none of them is a keyword.
    fn named_schemas(
        &mut self,
        keyword: &'a str,
        schemas: &'a Value,
        reach: Reach,
    ) -> Result<(), InvalidAnnotation> {
        let Value::Object(schemas) = schemas else {
            return self.descend(keyword, |walk| walk.schema(schemas, Reach::OffChain));
        };
        self.descend(keyword, |walk| {
            schemas.iter().try_for_each(|(name, schema)| {
                walk.descend(name, |walk| walk.schema(schema, reach))
            })
        })
    }

    fn descend(
        &mut self,
        step: &'a str,
        visit: impl FnOnce(&mut Self) -> Result<(), InvalidAnnotation>,
    ) -> Result<(), InvalidAnnotation> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(InvalidAnnotation::TooLarge);
        }
        if self.place.len() >= MAX_DEPTH {
            return Err(InvalidAnnotation::TooDeep);
        }
        self.place.push(step);
        visit(self)?;
        self.place.pop();
        Ok(())
    }

    fn annotation(
        &mut self,
        schema: &Map<String, Value>,
        annotation: &Value,
        reach: Reach,
    ) -> Result<(), InvalidAnnotation> {
        let at = || self.at();
        if reach != Reach::Property {
            return Err(InvalidAnnotation::OffChain { at: at() });
        }
        let Value::String(token) = annotation else {
            return Err(InvalidAnnotation::NotAString { at: at() });
        };
        if token.is_empty() {
            return Err(InvalidAnnotation::Empty { at: at() });
        }
        let name = header_name(token).ok_or_else(|| InvalidAnnotation::NotAToken { at: at() })?;
        // Exactly one type: a list, even with `null`, is more than the specification allows.
        if !matches!(
            schema.get("type").and_then(Value::as_str),
            Some("string" | "integer" | "boolean")
        ) {
            return Err(InvalidAnnotation::NotPrimitive { at: at() });
        }
        if self.found.iter().any(|param| param.name == name) {
            return Err(InvalidAnnotation::Duplicate { at: at() });
        }
        if self.found.len() >= MAX_HEADERS {
            return Err(InvalidAnnotation::TooMany);
        }
        // On the chain every other step is the keyword `properties`.
        let path = self
            .place
            .iter()
            .skip(1)
            .step_by(2)
            .map(|step| (*step).to_owned())
            .collect();
        self.found.push(ParamHeader { name, path });
        Ok(())
    }

    fn at(&self) -> String {
        self.place
            .iter()
            .flat_map(|step| std::iter::once('/').chain(step.chars()))
            .take(MAX_PLACE_CHARS)
            .collect()
    }
}

/// Two names that differ in case only are the same header name.
fn header_name(token: &str) -> Option<HeaderName> {
    if token.len() > MAX_NAME_BYTES || !token.bytes().all(is_tchar) {
        return None;
    }
    HeaderName::from_bytes(format!("{HEADER_PREFIX}{token}").as_bytes()).ok()
}

/// RFC 9110 §5.6.2.
fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
