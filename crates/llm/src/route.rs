//! Model names that say their provider: `provider/model`, as LiteLLM writes them.

#[cfg(test)]
mod tests;

/// A model at a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Route<'a> {
    /// The provider's key in the table: `openai`, `anthropic`, `azure`.
    pub provider: &'a str,
    /// The model as the provider calls it; it may hold slashes. A deployment's name with Azure.
    pub model: &'a str,
}

/// Why a name is no route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// There is no provider before a slash.
    #[error("must be `provider/model`, for example `openai/gpt-5`")]
    NoProvider,
    /// There is nothing after the slash.
    #[error("must have a model's name after the slash")]
    NoModel,
    /// A name that could be read as something else than one place in an address.
    #[error("must not hold control characters, blanks, `..`, `\\`, `?`, `#` or `%`")]
    Unsafe,
}

impl<'a> Route<'a> {
    /// Reads `provider/model`.
    pub fn parse(name: &'a str) -> Result<Self, RouteError> {
        let Some((provider, model)) = name.split_once('/') else {
            return Err(RouteError::NoProvider);
        };
        let is_key = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-')
        };
        if provider.is_empty() || !provider.bytes().all(is_key) {
            return Err(RouteError::NoProvider);
        }
        if model.is_empty() {
            return Err(RouteError::NoModel);
        }
        if !is_safe(model) {
            return Err(RouteError::Unsafe);
        }
        Ok(Self { provider, model })
    }
}

/// Whether a model's name may stand in an address: nothing in it leads elsewhere, whoever decodes it.
pub fn is_safe(model: &str) -> bool {
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '-' | '_' | '.' | ':' | '/' | '@' | '+' | '=' | ',' | '*')
    };
    !model.is_empty()
        && model.len() <= 256
        && model.chars().all(plain)
        && model
            .split('/')
            .all(|segment| !segment.is_empty() && segment != "." && segment != "..")
}

/// Whether a pattern of allowed models covers a name: the name itself, `*`, or a head with `*` at
/// its end, as in `anthropic/*`. A star elsewhere is no pattern.
pub fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(head) => !head.contains('*') && name.starts_with(head),
        None => pattern == name,
    }
}
