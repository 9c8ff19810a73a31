//! Results on standard output: tables and text for people, JSON for programs.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use comfy_table::presets::UTF8_BORDERS_ONLY;
use comfy_table::{Cell, ContentArrangement, Table};
use serde_json::Value;

use super::exit::CommandError;

/// What results are printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Tables and sentences.
    #[default]
    Text,
    /// Exactly one JSON document.
    Json,
}

/// One column of a table: its title and the JSON pointer (RFC 6901) of its cell.
pub type Column = (&'static str, &'static str);

/// Where results go.
pub struct Output {
    format: Format,
    colours: bool,
    sink: Box<dyn Write + Send>,
}

impl Output {
    /// To the process's standard output.
    pub fn stdout(format: Format) -> Self {
        let stdout = io::stdout();
        Self {
            format,
            colours: stdout.is_terminal() && colours_welcome(),
            sink: Box::new(stdout),
        }
    }

    /// To anywhere else, without colours.
    pub fn to(format: Format, sink: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            colours: false,
            sink,
        }
    }

    /// Whether one JSON document is wanted.
    pub fn is_json(&self) -> bool {
        self.format == Format::Json
    }

    /// One line of text; nothing when JSON is wanted.
    pub fn line(&mut self, text: &str) -> Result<(), CommandError> {
        if self.is_json() {
            return Ok(());
        }
        self.write(&printable(text))
    }

    /// A heading between lines of text.
    pub fn heading(&mut self, text: &str) -> Result<(), CommandError> {
        if self.is_json() {
            return Ok(());
        }
        let text = printable(text);
        if self.colours {
            self.write(&format!("\n\u{1b}[1m{text}\u{1b}[0m"))
        } else {
            self.write(&format!("\n{text}"))
        }
    }

    /// The one JSON document; nothing when text is wanted.
    pub fn json(&mut self, document: &Value) -> Result<(), CommandError> {
        if !self.is_json() {
            return Ok(());
        }
        let text = serde_json::to_string_pretty(document).context("cannot print the result")?;
        self.write(&text)
    }

    /// Text as it is, in both formats: scripts, schemas.
    pub fn raw(&mut self, text: &str) -> Result<(), CommandError> {
        self.write(text)
    }

    /// A table of `rows`; `empty` instead when there are none. Nothing when JSON is wanted.
    pub fn table(
        &mut self,
        columns: &[Column],
        rows: &[Value],
        empty: &str,
    ) -> Result<(), CommandError> {
        if rows.is_empty() {
            return self.line(empty);
        }
        if self.is_json() {
            return Ok(());
        }
        let mut table = Table::new();
        table.load_style(UTF8_BORDERS_ONLY);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(columns.iter().map(|(title, _)| Cell::new(title)));
        for row in rows {
            table.add_row(columns.iter().map(|(_, at)| Cell::new(cell(row, at))));
        }
        self.write(&table.to_string())
    }

    fn write(&mut self, text: &str) -> Result<(), CommandError> {
        match writeln!(self.sink, "{text}").and_then(|()| self.sink.flush()) {
            Ok(()) => Ok(()),
            // `portcullis ... | head` has seen enough; that is no failure of ours.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(anyhow::Error::new(error)
                .context("cannot write the result")
                .into()),
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// Whether the person allows colours (<https://no-color.org>).
#[expect(
    clippy::disallowed_methods,
    reason = "the binary may read the environment"
)]
pub fn colours_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Text from elsewhere without what a terminal would obey: escape sequences in a tool's answer or
/// an error could rewrite the screen or worse.
pub fn printable(text: &str) -> String {
    let tame = |c: char| match c {
        '\n' | '\t' => c,
        // Bidirectional overrides reorder what a reader sees.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(tame).collect()
}

/// The same on one line, with everything that could not be seen written out: what is approved by looking at
/// it must look like what it is.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() || is_unseen(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters without a form of their own (Unicode's default-ignorable ones, and other formats).
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn cell(row: &Value, pointer: &str) -> String {
    let text = match row.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| {
                item.as_str()
                    .map_or_else(|| item.to_string(), str::to_owned)
            })
            .collect::<Vec<_>>()
            .join(", "),
        Some(other) => other.to_string(),
    };
    // A row is one line, whatever somebody called something.
    printable(&text).replace(['\n', '\t'], " ")
}
