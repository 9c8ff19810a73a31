//! Values that are written elsewhere: `${VAR}`, `os.environ/VAR`, `file:/run/secrets/x`.

use std::path::{Path, PathBuf};

/// Where a value was found; what may be said about a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Written in the configuration file itself.
    Literal,
    /// Taken from this environment variable.
    Variable(String),
    /// Read from this file.
    File(PathBuf),
    /// Given by a secret store for this reference.
    Stored(String),
}

/// A value with all references followed.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) text: String,
    pub(crate) origin: Origin,
}

/// A reference that leads nowhere. Never holds a value.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unresolved {
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// How much of the reference syntax a value understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Every form.
    All,
    /// Every form, and a variable that is set but empty is none: half a secret is no secret.
    Secret,
    /// A path of ours: `file:` would be part of it.
    NoFile,
    /// Text for people: only `os.environ/VAR`, so that `${…}` in prose stays prose.
    EnvironOnly,
}

/// Whether this is a reference into a secret store.
pub(crate) fn is_stored(raw: &str) -> bool {
    scheme_of_store(raw).is_some()
}

/// The secret stores that references lead into.
pub(crate) const STORE_SCHEMES: &[&str] = &["vault", "aws-sm"];

/// Which secret store a reference leads into; `None`: it is none.
pub(crate) fn scheme_of_store(raw: &str) -> Option<&'static str> {
    let (scheme, rest) = raw.split_once(':')?;
    let known = STORE_SCHEMES.iter().find(|known| **known == scheme)?;
    rest.contains('#').then_some(*known)
}

/// Whether a text asks for what stands in the environment or in a file. What is escaped does not.
pub(crate) fn asks_for_more(raw: &str, syntax: Syntax) -> bool {
    let file = matches!(syntax, Syntax::All | Syntax::Secret) && raw.starts_with("file:");
    let variable = syntax != Syntax::EnvironOnly && raw.replace("$${", "").contains("${");
    file || variable || raw.starts_with("os.environ/")
}

pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;
pub(crate) type ReadFile<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

/// Follows the references in `raw`.
pub(crate) fn resolve(
    raw: &str,
    syntax: Syntax,
    lookup: Lookup<'_>,
    read_file: ReadFile<'_>,
) -> Result<Resolved, Unresolved> {
    if let Some(name) = raw.strip_prefix("os.environ/") {
        return variable(name.trim(), lookup);
    }
    if syntax == Syntax::EnvironOnly {
        return Ok(literal(raw));
    }
    if matches!(syntax, Syntax::All | Syntax::Secret)
        && let Some(path) = raw.strip_prefix("file:")
    {
        return file(path, read_file);
    }
    interpolate(raw, syntax, lookup)
}

fn literal(text: impl Into<String>) -> Resolved {
    Resolved {
        text: text.into(),
        origin: Origin::Literal,
    }
}

fn variable(name: &str, lookup: Lookup<'_>) -> Result<Resolved, Unresolved> {
    lookup(name)
        .map(|text| Resolved {
            text,
            origin: Origin::Variable(name.to_owned()),
        })
        .ok_or_else(|| unset(&[name.to_owned()]))
}

fn unset(names: &[String]) -> Unresolved {
    let listed = names
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let (noun, verb) = if names.len() == 1 {
        ("variable", "is")
    } else {
        ("variables", "are")
    };
    Unresolved {
        message: format!("the environment {noun} {listed} {verb} not set"),
        help: Some(format!(
            "set {listed}, or give a default: `${{{}:-…}}`",
            names.first().map_or("VAR", String::as_str)
        )),
    }
}

/// `file:/path`, `file:///path` and `file:relative`; one line break at the end is not part of it.
fn file(path: &str, read_file: ReadFile<'_>) -> Result<Resolved, Unresolved> {
    let path = Path::new(path.strip_prefix("//").unwrap_or(path));
    match read_file(path) {
        Ok(text) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            let text = text.strip_suffix('\r').unwrap_or(text);
            if text.is_empty() {
                return Err(Unresolved {
                    message: format!("the file {} is empty", path.display()),
                    help: None,
                });
            }
            Ok(Resolved {
                text: text.to_owned(),
                origin: Origin::File(path.to_owned()),
            })
        }
        Err(error) => Err(Unresolved {
            message: format!("cannot read {}: {}", path.display(), error.kind()),
            help: Some("check that the file exists and that this user may read it".to_owned()),
        }),
    }
}

/// `${VAR}`, `${VAR:-default}`, `${VAR:?message}`; `$${` is a literal `${`.
fn interpolate(raw: &str, syntax: Syntax, lookup: Lookup<'_>) -> Result<Resolved, Unresolved> {
    let mut text = String::with_capacity(raw.len());
    let mut origin = Origin::Literal;
    let mut missing = Vec::new();
    let mut rest = raw;
    while let Some(at) = rest.find("${") {
        let (before, after) = rest.split_at(at);
        let after = after.get(2..).unwrap_or_default();
        if let Some(escaped) = before.strip_suffix('$') {
            text.push_str(escaped);
            text.push_str("${");
            rest = after;
            continue;
        }
        text.push_str(before);
        let Some(end) = after.find('}') else {
            return Err(Unresolved {
                message: "a `${` without its `}`".to_owned(),
                help: Some("write `$${` for a literal `${`".to_owned()),
            });
        };
        let (body, tail) = after.split_at(end);
        rest = tail.get(1..).unwrap_or_default();
        let reference = Reference::parse(body)?;
        match lookup(reference.name).filter(|value| !value.is_empty() || reference.bare()) {
            Some(value) if value.is_empty() && syntax == Syntax::Secret => {
                return Err(Unresolved {
                    message: format!("the variable `{}` is set but empty", reference.name),
                    help: Some(
                        "give it its value; `${VAR:-}` says that it may be empty".to_owned(),
                    ),
                });
            }
            Some(value) => {
                text.push_str(&value);
                origin = Origin::Variable(reference.name.to_owned());
            }
            None => match reference.otherwise {
                Otherwise::Missing => missing.push(reference.name.to_owned()),
                Otherwise::Default(default) => text.push_str(default),
                Otherwise::Message(message) => {
                    return Err(Unresolved {
                        message: format!(
                            "the environment variable `{}` is not set: {message}",
                            reference.name
                        ),
                        help: None,
                    });
                }
            },
        }
    }
    if !missing.is_empty() {
        return Err(unset(&missing));
    }
    text.push_str(rest);
    Ok(Resolved { text, origin })
}

struct Reference<'r> {
    name: &'r str,
    otherwise: Otherwise<'r>,
}

enum Otherwise<'r> {
    Missing,
    Default(&'r str),
    Message(&'r str),
}

impl<'r> Reference<'r> {
    fn parse(body: &'r str) -> Result<Self, Unresolved> {
        let (name, otherwise) = if let Some((name, default)) = body.split_once(":-") {
            (name, Otherwise::Default(default))
        } else if let Some((name, message)) = body.split_once(":?") {
            (name, Otherwise::Message(message))
        } else {
            (body, Otherwise::Missing)
        };
        let valid = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && !name.is_empty();
        if valid {
            Ok(Self { name, otherwise })
        } else {
            Err(Unresolved {
                message: "what stands between `${` and `}` is no variable name".to_owned(),
                help: Some("write `${NAME}`; `$${` is a literal `${`".to_owned()),
            })
        }
    }

    fn bare(&self) -> bool {
        matches!(self.otherwise, Otherwise::Missing)
    }
}
