//! An object that is read member by member; what nobody asked for is left over, with its place.

use serde_json::value::RawValue;

use super::{Json, Members, elements, string_of};
use crate::error::LlmError;
use crate::hub::{Extra, Extras};
use crate::path::Path;

/// Reads an object by name. A member that is `null` counts as absent.
#[derive(Debug)]
pub(crate) struct Reader<'a, 'p> {
    members: Members<'a>,
    path: &'p Path<'p>,
}

impl<'a, 'p> Reader<'a, 'p> {
    /// Reads the object that stands at this place of a request.
    pub(crate) fn new(raw: &'a RawValue, path: &'p Path<'p>) -> Result<Self, LlmError> {
        Self::of_text(raw.get(), path)
    }

    pub(crate) fn of_text(text: &'a str, path: &'p Path<'p>) -> Result<Self, LlmError> {
        match Members::parse(text) {
            Ok(members) => Ok(Self { members, path }),
            Err(source) if path.is_root() => Err(LlmError::Json(source)),
            Err(_) => Err(path.invalid("an object whose members stand once each")),
        }
    }

    /// Where a member is.
    pub(crate) const fn at<'q>(&self, name: &'q str) -> Path<'q>
    where
        'p: 'q,
    {
        self.path.member(name)
    }

    /// The value of a member; afterwards it is read.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'a RawValue> {
        self.members.take(name).filter(|raw| raw.get() != "null")
    }

    pub(crate) fn take_json(&mut self, name: &str) -> Option<Json> {
        self.take(name).map(Json::of)
    }

    /// Looks at a member that somebody else will read.
    pub(crate) fn peek(&self, name: &str) -> Option<&'a RawValue> {
        self.members.get(name).filter(|raw| raw.get() != "null")
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<Option<String>, LlmError> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        match string_of(raw) {
            Some(text) => Ok(Some(text.into_owned())),
            None => Err(self.at(name).invalid("a string")),
        }
    }

    pub(crate) fn required_string(&mut self, name: &str) -> Result<String, LlmError> {
        match self.string(name)? {
            Some(text) => Ok(text),
            None => Err(self.at(name).invalid("a string, which is required")),
        }
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<Option<bool>, LlmError> {
        match self.take(name).map(RawValue::get) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.at(name).invalid("true or false")),
        }
    }

    pub(crate) fn whole_number(&mut self, name: &str) -> Result<Option<u64>, LlmError> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        match raw.get().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => Err(self.at(name).invalid("a whole number, not negative")),
        }
    }

    /// A number, kept as it is written.
    pub(crate) fn number(&mut self, name: &str) -> Result<Option<Json>, LlmError> {
        let Some(json) = self.take_json(name) else {
            return Ok(None);
        };
        match json.as_f64() {
            Some(_) => Ok(Some(json)),
            None => Err(self.at(name).invalid("a number")),
        }
    }

    pub(crate) fn array(&mut self, name: &str) -> Result<Option<Vec<&'a RawValue>>, LlmError> {
        let Some(raw) = self.take(name) else {
            return Ok(None);
        };
        match elements(raw) {
            Some(elements) => Ok(Some(elements)),
            None => Err(self.at(name).invalid("an array")),
        }
    }

    /// A string or an array of strings.
    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, LlmError> {
        let Some(raw) = self.take(name) else {
            return Ok(Vec::new());
        };
        if let Some(text) = string_of(raw) {
            return Ok(vec![text.into_owned()]);
        }
        let texts = elements(raw).and_then(|all| {
            all.into_iter()
                .map(|raw| string_of(raw).map(std::borrow::Cow::into_owned))
                .collect()
        });
        match texts {
            Some(texts) => Ok(texts),
            None => Err(self.at(name).invalid("a string, or an array of strings")),
        }
    }

    /// What was not read.
    pub(crate) fn rest(self) -> Extras {
        self.members
            .iter()
            .map(|(name, value)| Extra {
                path: self.path.member(name).to_string(),
                name: name.to_owned(),
                value: Json::of(value),
            })
            .collect()
    }
}
