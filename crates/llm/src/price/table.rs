//! The table of prices: ours, and an operator's over it.

use std::collections::HashMap;

use super::builtin;
use super::{LongPrompt, PerMillion, Price};
use crate::json::{JsonError, Members, text_of};
use crate::path::Path;

/// Prices by `provider/model`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceTable {
    as_of: String,
    source: String,
    prices: HashMap<String, Price>,
}

/// What is wrong with a table. A table with a mistake changes nothing.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// Not JSON, or something stands twice.
    #[error("the price table is {0}")]
    Json(#[from] JsonError),
    /// Something in it is not what it must be.
    #[error("{path} of the price table must be {expected}")]
    Invalid {
        /// Where.
        path: String,
        /// What belongs there.
        expected: &'static str,
    },
}

/// No model costs more for a million tokens than this: 10,000 dollars. More is a slip of the point.
const MOST: u64 = 10_000_000_000_000;

const MEMBERS: &[&str] = &[
    "input",
    "output",
    "cache_read",
    "cache_write",
    "cache_write_hour",
    "long",
];

impl PriceTable {
    /// The table that the gateway ships.
    pub fn builtin() -> Result<Self, PriceError> {
        Self::parse(builtin::TABLE.as_bytes())
    }

    /// Reads a table: `{"as_of", "source", "prices": {"provider/model": {"input", "output", …}}}`,
    /// each price a string with dollars for a million tokens.
    pub fn parse(body: &[u8]) -> Result<Self, PriceError> {
        let root = Path::Root;
        let table = Members::parse(text_of(body)?)?;
        let text = |name: &'static str| match table.string(name) {
            Some(text) if !text.is_empty() => Ok(text.into_owned()),
            _ => Err(invalid(&root.member(name), "a text, which is required")),
        };
        let as_of = text("as_of")?;
        if !is_date(&as_of) {
            return Err(invalid(&root.member("as_of"), "a date such as 2026-11-22"));
        }
        let source = text("source")?;
        let Some(raw) = table.get("prices") else {
            return Err(invalid(
                &root.member("prices"),
                "an object, which is required",
            ));
        };
        let list = root.member("prices");
        let mut prices = HashMap::new();
        for (name, raw) in Members::parse(raw.get())?.iter() {
            let path = list.member(name);
            if crate::route::Route::parse(name).is_err() {
                return Err(invalid(&path, "named `provider/model`"));
            }
            prices.insert(name.to_owned(), read_price(raw.get(), &path)?);
        }
        Ok(Self {
            as_of,
            source,
            prices,
        })
    }

    /// This table with an operator's over it: what stands in both is the operator's.
    #[must_use]
    pub fn with(mut self, over: Self) -> Self {
        self.prices.extend(over.prices);
        Self {
            as_of: over.as_of,
            source: format!("{}; {}", over.source, self.source),
            prices: self.prices,
        }
    }

    /// What a model costs; `None` when nobody knows. A dated name (`…-2026-01-31`, `…-20260131`) has
    /// the price of the name without the date, if it has none of its own.
    pub fn price(&self, provider: &str, model: &str) -> Option<&Price> {
        let find = |model: &str| self.prices.get(&format!("{provider}/{model}"));
        find(model).or_else(|| find(without_date(model)?))
    }

    /// Of which day the prices are, as `YYYY-MM-DD`.
    pub fn as_of(&self) -> &str {
        &self.as_of
    }

    /// Where they are from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// How many models have one.
    pub fn len(&self) -> usize {
        self.prices.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.prices.is_empty()
    }
}

fn read_price(text: &str, path: &Path<'_>) -> Result<Price, PriceError> {
    let members = Members::parse(text)?;
    known(&members, path, MEMBERS)?;
    let long = match members.get("long") {
        Some(raw) => Some(read_long(raw.get(), &path.member("long"))?),
        None => None,
    };
    Ok(Price {
        input: required(&members, "input", path)?,
        output: required(&members, "output", path)?,
        cache_read: optional(&members, "cache_read", path)?,
        cache_write: optional(&members, "cache_write", path)?,
        cache_write_hour: optional(&members, "cache_write_hour", path)?,
        long,
    })
}

fn read_long(text: &str, path: &Path<'_>) -> Result<LongPrompt, PriceError> {
    let members = Members::parse(text)?;
    known(
        &members,
        path,
        &["above_tokens", "input", "output", "cache_read"],
    )?;
    let Some(above_tokens) = members.number("above_tokens").filter(|tokens| *tokens > 0) else {
        return Err(invalid(&path.member("above_tokens"), "a number of tokens"));
    };
    Ok(LongPrompt {
        above_tokens,
        input: required(&members, "input", path)?,
        output: required(&members, "output", path)?,
        cache_read: optional(&members, "cache_read", path)?,
    })
}

fn known(members: &Members<'_>, path: &Path<'_>, names: &[&str]) -> Result<(), PriceError> {
    match members.iter().find(|(name, _)| !names.contains(name)) {
        Some((name, _)) => Err(invalid(
            &path.member(name),
            "left out: there is no such member",
        )),
        None => Ok(()),
    }
}

fn required(
    members: &Members<'_>,
    name: &'static str,
    path: &Path<'_>,
) -> Result<PerMillion, PriceError> {
    match optional(members, name, path)? {
        Some(price) => Ok(price),
        None => Err(invalid(
            &path.member(name),
            "dollars for a million tokens, which is required",
        )),
    }
}

fn optional(
    members: &Members<'_>,
    name: &'static str,
    path: &Path<'_>,
) -> Result<Option<PerMillion>, PriceError> {
    const EXPECTED: &str =
        "a text with dollars for a million tokens, such as \"2.50\", at most 10000";
    if members.get(name).is_none() {
        return Ok(None);
    }
    let price = members.string(name).and_then(|text| text.parse().ok());
    match price.filter(|price: &PerMillion| price.as_nano_usd() <= MOST) {
        Some(price) => Ok(Some(price)),
        None => Err(invalid(&path.member(name), EXPECTED)),
    }
}

fn invalid(path: &Path<'_>, expected: &'static str) -> PriceError {
    PriceError::Invalid {
        path: path.to_string(),
        expected,
    }
}

fn is_date(text: &str) -> bool {
    text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn without_date(model: &str) -> Option<&str> {
    let cut = |length: usize| model.split_at_checked(model.len().checked_sub(length)?);
    if let Some((head, tail)) = cut("-20260131".len())
        && let Some(digits) = tail.strip_prefix(['-', '@'])
        && digits.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Some(head);
    }
    let (head, tail) = cut("-2026-01-31".len())?;
    is_date(tail.strip_prefix('-')?).then_some(head)
}
