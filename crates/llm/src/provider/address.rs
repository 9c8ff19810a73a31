//! Where a request goes.

use super::{Addressing, Provider};
use crate::format::Format;
use crate::route::is_safe;

/// What the operator says of a deployment's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `api_base`: another base than the table's.
    pub base_url: Option<String>,
    /// The resource's name (Azure).
    pub resource: Option<String>,
    /// `api-version` (Azure); without one the address is that of the version that has none.
    pub api_version: Option<String>,
    /// The project (Vertex AI).
    pub project: Option<String>,
    /// The location (Vertex AI) or region (Bedrock).
    pub region: Option<String>,
}

/// Where a request goes, and what it must carry besides the credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub url: String,
    /// Headers that the format wants.
    pub headers: Vec<(&'static str, &'static str)>,
}

/// Why there is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// The provider does not speak the format.
    #[error("the provider does not speak {0}")]
    Format(Format),
    /// The deployment does not say something.
    #[error("`{0}` is missing")]
    Missing(&'static str),
    /// A name that would lead elsewhere.
    #[error("`{0}` must be a plain name")]
    Unsafe(&'static str),
}

impl Provider {
    /// Where a request for this model goes.
    pub fn endpoint(
        &self,
        format: Format,
        model: &str,
        stream: bool,
        place: &Place,
    ) -> Result<Endpoint, AddressError> {
        let Some((_, path)) = self.formats.iter().find(|(known, _)| *known == format) else {
            return Err(AddressError::Format(format));
        };
        if !is_safe(model) {
            return Err(AddressError::Unsafe("model"));
        }
        let base = self.base(place)?;
        let url = match self.addressing {
            Addressing::Plain => format!("{base}{path}"),
            Addressing::Gemini => {
                one_segment(model)?;
                format!("{base}/models/{model}:{}", gemini_method(stream))
            }
            Addressing::Vertex => {
                one_segment(model)?;
                let project = needed("project", place.project.as_deref())?;
                let location = place.region.as_deref().unwrap_or("global");
                let (publisher, method) = if format == Format::Messages {
                    let method = if stream {
                        "streamRawPredict"
                    } else {
                        "rawPredict"
                    };
                    ("anthropic", method)
                } else {
                    ("google", gemini_method(stream))
                };
                format!(
                    "{base}/projects/{project}/locations/{location}/publishers/{publisher}/models/{model}:{method}"
                )
            }
            Addressing::Azure => azure(&base, path, model, place)?,
            Addressing::Bedrock => {
                let path = if format == Format::ChatCompletions && self.key == "bedrock_mantle" {
                    "/v1/chat/completions"
                } else {
                    path
                };
                format!("{base}{path}")
            }
        };
        let by_key = format == Format::Messages && self.quirks.anthropic_version.is_none();
        let headers = if by_key {
            vec![("anthropic-version", "2023-06-01")]
        } else {
            Vec::new()
        };
        Ok(Endpoint { url, headers })
    }

    fn base(&self, place: &Place) -> Result<String, AddressError> {
        if let Some(base) = &place.base_url {
            return Ok(base.trim_end_matches('/').to_owned());
        }
        let mut base = self.base_url.clone();
        if base.contains("{resource}") {
            let resource = needed("resource", place.resource.as_deref())?;
            base = base.replace("{resource}", resource);
        }
        if base.contains("{region}") {
            let region = needed("region", place.region.as_deref())?;
            base = base.replace("{region}", region);
        }
        if base.contains("{host}") {
            let host = match place.region.as_deref() {
                None | Some("global") => "aiplatform.googleapis.com".to_owned(),
                Some(region) => {
                    format!("{}-aiplatform.googleapis.com", label("region", region)?)
                }
            };
            base = base.replace("{host}", &host);
        }
        Ok(base)
    }
}

fn azure(base: &str, path: &str, model: &str, place: &Place) -> Result<String, AddressError> {
    let Some(version) = &place.api_version else {
        return Ok(format!("{base}/openai/v1{path}"));
    };
    one_segment(model)?;
    let version = label("api_version", version)?;
    if path == "/responses" {
        return Ok(format!("{base}/openai/responses?api-version={version}"));
    }
    Ok(format!(
        "{base}/openai/deployments/{model}{path}?api-version={version}"
    ))
}

const fn gemini_method(stream: bool) -> &'static str {
    if stream {
        "streamGenerateContent?alt=sse"
    } else {
        "generateContent"
    }
}

/// A model's name that stands in a path is one segment of it, and has no colon that a method could
/// follow.
fn one_segment(model: &str) -> Result<(), AddressError> {
    if model.contains(['/', ':', '*']) {
        return Err(AddressError::Unsafe("model"));
    }
    Ok(())
}

fn needed<'p>(name: &'static str, value: Option<&'p str>) -> Result<&'p str, AddressError> {
    match value {
        Some(value) => label(name, value),
        None => Err(AddressError::Missing(name)),
    }
}

/// A word of a host or a path: letters, digits and hyphens.
fn label<'p>(name: &'static str, value: &'p str) -> Result<&'p str, AddressError> {
    let plain = !value.is_empty()
        && value.len() <= 63
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain {
        Ok(value)
    } else {
        Err(AddressError::Unsafe(name))
    }
}
