//! What the arguments of a tool may hold, as JSON Schema (draft 2020-12).
//!
//! The part of it that constrains values, and nothing that reaches elsewhere: no reference out of the
//! schema itself, no pattern that could run away, no keyword that would be ignored.

use std::fmt;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::Value;

use crate::authorize::few;
use crate::{Denied, DeniedRule};

/// Keywords whose value is a schema.
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];

/// Keywords whose value is a list of schemas.
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];

/// Keywords whose value maps names to schemas.
const MAPS: &[&str] = &[
    "$defs",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

/// Keywords whose value is no schema.
const PLAIN: &[&str] = &[
    "$comment",
    "$ref",
    "const",
    "default",
    "dependentRequired",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "required",
    "title",
    "type",
    "uniqueItems",
];

/// Keywords that say something about values of one type, and let every other value pass.
const OF_TYPE: &[(&str, &[&str])] = &[
    (
        "array",
        &[
            "contains",
            "items",
            "maxContains",
            "maxItems",
            "minContains",
            "minItems",
            "prefixItems",
            "unevaluatedItems",
            "uniqueItems",
        ],
    ),
    (
        "number",
        &[
            "exclusiveMaximum",
            "exclusiveMinimum",
            "maximum",
            "minimum",
            "multipleOf",
        ],
    ),
    (
        "object",
        &[
            "additionalProperties",
            "dependentRequired",
            "dependentSchemas",
            "maxProperties",
            "minProperties",
            "patternProperties",
            "properties",
            "propertyNames",
            "required",
            "unevaluatedProperties",
        ],
    ),
    ("string", &["format", "maxLength", "minLength", "pattern"]),
];

/// Keywords after which it is settled of which types a value is.
const SETTLES: &[&str] = &["const", "enum", "type"];

/// Keywords whose schemas are held against the same value.
const SAME_VALUE: &[&str] = &[
    "allOf",
    "anyOf",
    "dependentSchemas",
    "else",
    "if",
    "oneOf",
    "then",
];

/// Formats that are held to, in time that grows with the text alone.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "time",
    "uri",
    "uuid",
];

/// Most memory that a pattern's automaton may take.
const PATTERN_BYTES: usize = 1024 * 1024;

/// Most schemas within schemas.
const MOST_DEPTH: usize = 32;

/// Most elements of a list that must not repeat itself: each may be compared with every other.
const MOST_UNIQUE: u64 = 1_000;

/// Bytes of arguments of which it is said what is wrong where. For more it costs too much: every way in
/// which they do not fit would be written down.
const MOST_NAMED_BYTES: usize = 16 * 1024;

/// Why a schema is not one that calls can be held against.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    /// A keyword that would be ignored.
    #[error("`{0}` is no keyword that arguments are held against")]
    Keyword(String),
    /// A format that would be ignored.
    #[error("`{0}` is no format that arguments are held against")]
    Format(String),
    /// A reference to something that is not in the schema.
    #[error("`$ref` leads out of the schema, and nothing is fetched")]
    Reference,
    /// Lists that callers make as long as they like, and that cost the square of it.
    #[error("`uniqueItems` without a `maxItems` of at most {MOST_UNIQUE} beside it")]
    Unbounded,
    /// A keyword that lets every value of another type pass, where any type may stand.
    #[error("`{keyword}` without `type` lets everything pass that is not of type {of}")]
    Untyped {
        /// What constrains nothing else.
        keyword: String,
        /// The type of which it says something.
        of: &'static str,
    },
    /// Schemas within schemas without end.
    #[error("more than {MOST_DEPTH} schemas within each other")]
    TooDeep,
    /// Against the meta-schema, or a pattern that is none.
    #[error("not a JSON Schema (draft 2020-12): {0}")]
    Malformed(String),
}

impl InvalidSchema {
    /// What to write instead.
    pub fn remedy(&self) -> String {
        match self {
            Self::Keyword(_) => "known are the keywords of draft 2020-12 that constrain values, such as `properties`, `required`, `enum`, `pattern`, `maximum`, `additionalProperties`".to_owned(),
            Self::Format(_) => format!("write one of {}, or a `pattern`", FORMATS.join(", ")),
            Self::Reference => "write `$ref: '#/$defs/name'`".to_owned(),
            Self::Unbounded => format!("write `maxItems: {MOST_UNIQUE}`, or less, beside it"),
            Self::Untyped { of, .. } => {
                format!("write `type: {of}` beside it; a list of types where several may stand")
            }
            Self::TooDeep => "name parts of it under `$defs`".to_owned(),
            Self::Malformed(_) => "patterns are of linear time: without look-around and back-references".to_owned(),
        }
    }
}

/// The schema of one tool's arguments, compiled.
#[derive(Clone)]
pub struct ArgumentSchema {
    text: String,
    validator: std::sync::Arc<Validator>,
}

impl fmt::Debug for ArgumentSchema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ArgumentSchema").field(&self.text).finish()
    }
}

impl PartialEq for ArgumentSchema {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for ArgumentSchema {}

impl ArgumentSchema {
    /// Compiles a schema of the whole `arguments` object.
    pub fn compile(schema: &Value) -> Result<Self, InvalidSchema> {
        known(schema, true, 0)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BYTES))
            .build(schema)
            .map_err(|error| InvalidSchema::Malformed(error.to_string()))?;
        Ok(Self {
            text: schema.to_string(),
            validator: std::sync::Arc::new(validator),
        })
    }

    /// The schema, as JSON.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Holds the arguments against it, which are so many bytes. The refusal names what is wrong where, as
    /// far as they are few, and no value.
    pub(crate) fn admits(&self, arguments: &Value, bytes: usize) -> Result<(), Denied> {
        if self.validator.is_valid(arguments) {
            return Ok(());
        }
        let unnamed = || Denied {
            keyword: Some("schema".into()),
            ..Denied::by(DeniedRule::ArgumentSchemas)
        };
        if bytes > MOST_NAMED_BYTES {
            return Err(unnamed());
        }
        // The same question once more, with an answer for people: it opens nothing.
        let told = self.validator.validate(arguments).map_err(|error| {
            let names = match error.instance_path().as_str().split('/').nth(1) {
                Some(name) => vec![name.replace("~1", "/").replace("~0", "~")],
                None => top_level(error.kind()),
            };
            Denied {
                arguments: few(names),
                keyword: Some(error.kind().keyword().into()),
                ..Denied::by(DeniedRule::ArgumentSchemas)
            }
        });
        told.and_then(|()| Err(unnamed()))
    }
}

/// Which arguments a complaint about the object as a whole is about, where it says so.
fn top_level(kind: &ValidationErrorKind) -> Vec<String> {
    match kind {
        ValidationErrorKind::Required { property } => {
            property.as_str().map(str::to_owned).into_iter().collect()
        }
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => unexpected.clone(),
        _ => Vec::new(),
    }
}

/// A keyword that the validator does not know constrains nothing: a slip of the pen would open. Nor does
/// one that says something of texts alone where numbers may stand. `settled`: of which types the value can
/// be was said further out, as it is of the arguments as a whole.
fn known(schema: &Value, settled: bool, depth: usize) -> Result<(), InvalidSchema> {
    if depth > MOST_DEPTH {
        return Err(InvalidSchema::TooDeep);
    }
    let Value::Object(members) = schema else {
        // `true` and `false` are schemas; what else stands here the meta-schema refuses.
        return Ok(());
    };
    let settled = settled || SETTLES.iter().any(|keyword| members.contains_key(*keyword));
    for (keyword, value) in members {
        let keyword = keyword.as_str();
        if !settled && let Some(of) = type_of(keyword) {
            let keyword = keyword.to_owned();
            return Err(InvalidSchema::Untyped { keyword, of });
        }
        within(keyword, value, settled_within(keyword, settled), depth + 1)?;
        if keyword == "uniqueItems" && *value != Value::Bool(false) {
            let most = members.get("maxItems").and_then(Value::as_u64);
            if most.is_none_or(|most| most > MOST_UNIQUE) {
                return Err(InvalidSchema::Unbounded);
            }
        }
        match (keyword, value.as_str()) {
            ("$ref", Some(target)) if !target.starts_with('#') => {
                return Err(InvalidSchema::Reference);
            }
            ("format", Some(format)) if !FORMATS.contains(&format) => {
                return Err(InvalidSchema::Format(format.to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The schemas that a keyword holds.
fn within(keyword: &str, value: &Value, settled: bool, depth: usize) -> Result<(), InvalidSchema> {
    if ONE.contains(&keyword) {
        known(value, settled, depth)
    } else if LISTS.contains(&keyword) {
        let mut inner = value.as_array().into_iter().flatten();
        inner.try_for_each(|inner| known(inner, settled, depth))
    } else if MAPS.contains(&keyword) {
        let named = value.as_object().into_iter();
        let mut inner = named.flat_map(serde_json::Map::values);
        inner.try_for_each(|inner| known(inner, settled, depth))
    } else if PLAIN.contains(&keyword) {
        Ok(())
    } else {
        Err(InvalidSchema::Keyword(keyword.to_owned()))
    }
}

/// The one type of whose values a keyword says something.
fn type_of(keyword: &str) -> Option<&'static str> {
    let mut types = OF_TYPE.iter();
    let found = types.find(|(_, keywords)| keywords.contains(&keyword));
    found.map(|(of, _)| *of)
}

/// Whether it is settled of which types the values are that a keyword's schemas are held against.
fn settled_within(keyword: &str, settled: bool) -> bool {
    match keyword {
        // Names are texts. And what lets every other value pass refuses it when it is turned round.
        "propertyNames" | "not" => true,
        _ => settled && SAME_VALUE.contains(&keyword),
    }
}

#[cfg(test)]
mod tests;
