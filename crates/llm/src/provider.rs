//! Providers as data: where they are, what they want to be shown, what they speak, what they do
//! differently. Facts are from the providers' own documentation; keys are LiteLLM's.

mod address;
mod rows;
#[cfg(test)]
mod tests;
mod traits;

pub use address::{AddressError, Endpoint, Place};
pub use traits::traits_of;

use std::collections::HashMap;

use crate::format::Format;
use crate::target::Quirks;

/// A provider of models.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// Its key, the head of `provider/model`.
    pub key: String,
    /// Where it is, without a slash at the end. `{…}` are filled from [`Place`].
    pub base_url: String,
    /// How its addresses are made.
    pub addressing: Addressing,
    /// What it wants to be shown.
    pub auth: AuthScheme,
    /// The environment variable that customarily holds its key.
    pub key_env: Option<String>,
    /// The formats it speaks, the best first; each with its path below the base.
    pub formats: Vec<(Format, String)>,
    /// What it does differently.
    pub quirks: Quirks,
}

/// How addresses are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// The base and the format's path.
    Plain,
    /// Gemini's API: model and method stand in the path.
    Gemini,
    /// Vertex AI: project, location, publisher, model and method stand in the path.
    Vertex,
    /// Azure OpenAI: with an API version the deployment stands in the path, without one it is the
    /// body's `model`.
    Azure,
    /// Amazon Bedrock: the region stands in the host.
    Bedrock,
}

/// What a provider wants to be shown. Who holds it, and how it is obtained, is not known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthScheme {
    /// `Authorization: Bearer` (RFC 6750).
    Bearer,
    /// A header of its own, with the key alone.
    Header(&'static str),
    /// An access token of Google's, as a bearer.
    GoogleAccessToken,
    /// AWS Signature Version 4 for this service, or a Bedrock key as a bearer.
    SigV4(&'static str),
    /// Nothing.
    None,
}

impl Provider {
    /// The format to speak to it for a caller of this format: the same if it knows it, so that
    /// nothing is lost, else the one it speaks best.
    pub fn format_for(&self, caller: Format) -> Option<Format> {
        let same = self.formats.iter().find(|(format, _)| *format == caller);
        same.or_else(|| self.formats.first())
            .map(|(format, _)| *format)
    }

    /// A server that imitates OpenAI's, somewhere.
    pub fn compatible(key: &str, base_url: &str) -> Self {
        let row = rows::chat("", "", "");
        Self {
            key: key.to_owned(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            key_env: None,
            ..row.provider()
        }
    }
}

/// The providers that are known.
#[derive(Clone, Debug)]
pub struct ProviderTable(HashMap<String, Provider>);

impl ProviderTable {
    /// Those that the gateway ships.
    pub fn builtin() -> Self {
        let provider = |row: &rows::Row| (row.key.to_owned(), row.provider());
        Self(rows::ROWS.iter().map(provider).collect())
    }

    /// This table with another provider in it, or another idea of one that is there.
    #[must_use]
    pub fn with(mut self, provider: Provider) -> Self {
        self.0.insert(provider.key.clone(), provider);
        self
    }

    /// The provider with this key.
    pub fn get(&self, key: &str) -> Option<&Provider> {
        self.0.get(key)
    }

    /// All keys, sorted.
    pub fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = self.0.keys().map(String::as_str).collect();
        keys.sort_unstable();
        keys
    }
}
