//! Parameters of a query or a form. None may be there twice (RFC 6749 §3.1 and §3.2): of two readers
//! one would take the first and the other the last.

use std::collections::BTreeMap;

use url::form_urlencoded;

/// Longest query or form that is read.
const LONGEST: usize = 16 * 1024;
/// Most parameters in one.
const MOST: usize = 64;

/// Parameters by name, each once. Those without a value count as left out (RFC 6749 §3.1).
#[derive(Clone, Default)]
pub struct Parameters(BTreeMap<String, String>);

/// Why parameters are not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameters {
    /// One name stands there twice.
    #[error("a parameter is there more than once")]
    Repeated,
    /// Nobody needs so much.
    #[error("the parameters are too long")]
    TooLong,
}

impl Parameters {
    /// Reads `application/x-www-form-urlencoded` text.
    pub fn parse(text: &str) -> Result<Self, InvalidParameters> {
        if text.len() > LONGEST {
            return Err(InvalidParameters::TooLong);
        }
        let mut all = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if all.len() == MOST {
                return Err(InvalidParameters::TooLong);
            }
            if all.insert(name.into_owned(), value.into_owned()).is_some() {
                return Err(InvalidParameters::Repeated);
            }
        }
        Ok(Self(all))
    }

    /// The same with one that the place says to which they came. `None`: the sender says otherwise.
    #[must_use]
    pub fn at(mut self, name: &str, value: &str) -> Option<Self> {
        if self.get(name).is_some_and(|said| said != value) {
            return None;
        }
        self.0.insert(name.to_owned(), value.to_owned());
        Some(self)
    }

    /// As `application/x-www-form-urlencoded` text.
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .extend_pairs(&self.0)
            .finish()
    }

    /// The value of a parameter that has one.
    pub fn get(&self, name: &str) -> Option<&str> {
        let value = self.0.get(name).map(String::as_str);
        value.filter(|value| !value.is_empty())
    }
}

/// Values may be secrets.
impl std::fmt::Debug for Parameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parameters(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_is_there_once_or_not_at_all() {
        let read = Parameters::parse("a=1&b=&c=%20x+y&d[]=1&a%5B%5D=2").unwrap();
        assert_eq!(read.get("a"), Some("1"));
        assert_eq!(read.get("b"), None, "RFC 6749 §3.1");
        assert_eq!(read.get("c"), Some(" x y"));
        assert_eq!(read.get("d"), None, "RED-07: no array syntax");
        for twice in ["a=1&a=2", "a=1&a=1", "a=&a=1", "a&a", "%61=1&a=2"] {
            let refused = Parameters::parse(twice).unwrap_err();
            assert_eq!(refused, InvalidParameters::Repeated, "{twice}");
        }
        let long = format!("a={}", "x".repeat(LONGEST));
        assert_eq!(
            Parameters::parse(&long).unwrap_err(),
            InvalidParameters::TooLong
        );
        let many: Vec<String> = (0..=MOST).map(|number| format!("p{number}=1")).collect();
        assert_eq!(
            Parameters::parse(&many.join("&")).unwrap_err(),
            InvalidParameters::TooLong
        );
    }
}
