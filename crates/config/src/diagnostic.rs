//! What is wrong, where, and what to write instead.

use std::fmt;

use portcullis_core::ErrorKind;
use serde::Serialize;

use crate::excerpt::Excerpt;

/// One thing that keeps the file from being used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The key, as a dotted path; empty for the file as a whole.
    pub path: String,
    /// Line from 1; 0 when the value did not come from the file.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The line with its secrets masked.
    pub excerpt: Option<Excerpt>,
}

/// Everything that is wrong with one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigErrors {
    /// The file's name as it was given.
    pub file: String,
    /// In the order of the file.
    pub errors: Vec<ConfigError>,
    /// How many more there are.
    pub omitted: usize,
    /// What was noticed besides.
    pub notices: Vec<Notice>,
}

impl ConfigErrors {
    /// How surfaces should treat this.
    pub fn error_kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }
}

impl std::error::Error for ConfigErrors {}

impl ConfigError {
    /// A mistake of the file that only shows when its values are used; `path` is the key.
    pub fn found_later(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            line: 0,
            column: 0,
            message: message.into(),
            help: None,
            excerpt: None,
        }
    }
}

impl ConfigErrors {
    /// The findings in the form of rustc's messages, for people, without a sum below them.
    pub fn findings(&self) -> impl fmt::Display + '_ {
        std::fmt::from_fn(|f| {
            self.errors
                .iter()
                .try_for_each(|error| self.write(f, error))
        })
    }

    fn write(&self, f: &mut fmt::Formatter<'_>, error: &ConfigError) -> fmt::Result {
        write_message(
            f,
            "error",
            &error.message,
            &Location {
                file: &self.file,
                path: &error.path,
                line: error.line,
                column: error.column,
            },
            error.excerpt.as_ref(),
        )?;
        if let Some(help) = &error.help {
            let margin = margin(error.line);
            writeln!(f, "{margin} = help: {help}")?;
        }
        writeln!(f)
    }
}

/// The findings and their number.
impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.findings())?;
        let count = self.errors.len() + self.omitted;
        if self.omitted > 0 {
            writeln!(f, "({} more are not shown)", self.omitted)?;
        }
        let plural = if count == 1 { "" } else { "s" };
        write!(f, "{count} error{plural} in {}", self.file)
    }
}

/// How loud a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Something will not happen, or is less safe than it could be.
    Warning,
    /// A conclusion we drew for the operator.
    Info,
}

/// Something worth saying that does not keep the file from being used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// How loud.
    pub level: Level,
    /// The key, as a dotted path.
    pub path: String,
    /// Line from 1; 0 when the value did not come from the file.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What to know.
    pub text: String,
}

/// What is said of a secret that stands in the file.
pub(crate) const LITERAL_SECRET: &str =
    "a secret stands in the file itself; better `os.environ/NAME` or `file:/run/secrets/…`";

impl Notice {
    /// Whether this is about a secret that stands in the file.
    pub fn is_literal_secret(&self) -> bool {
        self.text == LITERAL_SECRET
    }

    /// Whether this is about one of these insecure choices.
    pub fn is_among(&self, insecure_choices: &[String]) -> bool {
        let said = self.said();
        insecure_choices.contains(&said)
    }

    /// The key and what to know of it.
    pub(crate) fn said(&self) -> String {
        if self.path.is_empty() {
            self.text.clone()
        } else {
            format!("{}: {}", self.path, self.text)
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "warning",
            Self::Info => "info",
        })
    }
}

/// One line, without its level: logs have their own.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said())?;
        if self.line > 0 {
            write!(f, " (line {})", self.line)?;
        }
        Ok(())
    }
}

struct Location<'a> {
    file: &'a str,
    path: &'a str,
    line: usize,
    column: usize,
}

fn write_message(
    f: &mut fmt::Formatter<'_>,
    level: &str,
    message: &str,
    location: &Location<'_>,
    excerpt: Option<&Excerpt>,
) -> fmt::Result {
    let Location {
        file,
        path,
        line,
        column,
    } = location;
    if path.is_empty() {
        writeln!(f, "{level}: {message}")?;
    } else {
        writeln!(f, "{level}: {path}: {message}")?;
    }
    let margin = margin(*line);
    if *line == 0 {
        return writeln!(f, "{margin}--> {file}");
    }
    writeln!(f, "{margin}--> {file}:{line}:{column}")?;
    if let Some(excerpt) = excerpt {
        writeln!(f, "{margin} |")?;
        writeln!(f, "{line} | {}", excerpt.text)?;
        let indent = " ".repeat(excerpt.caret);
        let carets = "^".repeat(excerpt.carets.max(1));
        writeln!(f, "{margin} | {indent}{carets}")?;
    }
    Ok(())
}

fn margin(line: usize) -> String {
    " ".repeat(line.to_string().len())
}
