//! `portcullis audit export`: the trail for somebody else's tools.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use serde_json::{Value, json};

use super::filters::Filters;
use crate::cli::client::GatewayClient;
use crate::cli::exit::{CommandError, Exit};
use crate::cli::output::Output;
use crate::cli::progress;
use crate::cli::target::TargetArgs;

/// Events that are asked for at once.
const PAGE: usize = 1_000;

/// What a line of the table says, by JSON pointer.
const CELLS: [(&str, &str); 16] = [
    ("at", "/at"),
    ("request_id", "/request_id"),
    ("principal", "/principal"),
    ("key_id", "/key_id"),
    ("client_ip", "/client_ip"),
    ("surface", "/surface"),
    ("method", "/method"),
    ("server", "/server"),
    ("target_kind", "/target/kind"),
    ("target", "/target/name"),
    ("decision", "/decision"),
    ("rule", "/rule"),
    ("outcome", "/outcome"),
    ("credential", "/credential"),
    ("upstream_status", "/upstream_status"),
    ("latency_us", "/latency_us"),
];

/// Options of `audit export`.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// What is written
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// To this file, which must not exist, instead of standard output
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Which events.
    #[command(flatten)]
    filters: Filters,
    /// The gateway.
    #[command(flatten)]
    target: TargetArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// Each event as it was recorded, one a line
    Jsonl,
    /// Requests as rows of a table (RFC 4180), without the messages of batches
    Csv,
}

pub(super) async fn run(args: ExportArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let client = args.target.connect()?;
    let query = args.filters.query();
    let Some(path) = &args.to else {
        let mut lines = Lines::new(args.format, Box::new(std::io::stdout()))?;
        pages(&client, &query, &mut lines).await?;
        return Ok(Exit::Done);
    };
    let mut lines = Lines::new(args.format, Box::new(create(path)?))?;
    let work = pages(&client, &query, &mut lines);
    let done = progress::during("exporting the audit trail", work).await;
    // Half a trail under the name of a whole one would be believed.
    let done = done.and_then(|()| lines.finish());
    if let Err(error) = done {
        let _gone = std::fs::remove_file(path).is_ok();
        return Err(error);
    }
    out.json(&json!({ "events": lines.count, "file": path }))?;
    let told = format!("{} event(s) in {}", lines.count, path.display());
    out.line(&told)?;
    Ok(Exit::Done)
}

fn create(path: &Path) -> Result<std::fs::File, CommandError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path);
    Ok(file.with_context(|| format!("cannot create {}", path.display()))?)
}

async fn pages(
    client: &GatewayClient,
    filters: &[(&'static str, String)],
    lines: &mut Lines,
) -> Result<(), CommandError> {
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("order", "asc".to_owned()), ("limit", PAGE.to_string())];
        query.extend(filters.iter().cloned());
        query.extend(after.take().map(|after| ("after", after)));
        let query: Vec<(&str, &str)> = query
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let page = client.audit_page(&query).await?;
        for event in &page.events {
            lines.add(event.get())?;
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return lines.finish(),
        }
    }
}

/// Where the lines go.
struct Lines {
    form: Form,
    sink: BufWriter<Box<dyn Write + Send>>,
    count: u64,
}

impl Lines {
    fn new(form: Form, sink: Box<dyn Write + Send>) -> Result<Self, CommandError> {
        let mut lines = Self {
            form,
            sink: BufWriter::new(sink),
            count: 0,
        };
        if form == Form::Csv {
            let head: Vec<&str> = CELLS.iter().map(|(name, _)| *name).collect();
            lines.line(&head.join(","))?;
        }
        Ok(lines)
    }

    fn add(&mut self, event: &str) -> Result<(), CommandError> {
        match self.form {
            Form::Jsonl => self.line(event)?,
            Form::Csv => {
                let event: Value =
                    serde_json::from_str(event).context("an event is not understood")?;
                if event.get("event").and_then(Value::as_str) != Some("request") {
                    return Ok(());
                }
                self.line(&row(&event))?;
            }
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn line(&mut self, text: &str) -> Result<(), CommandError> {
        let end = if self.form == Form::Csv { "\r\n" } else { "\n" };
        let written = self.sink.write_all(text.as_bytes());
        let written = written.and_then(|()| self.sink.write_all(end.as_bytes()));
        Ok(written.context("cannot write the trail")?)
    }

    fn finish(&mut self) -> Result<(), CommandError> {
        Ok(self.sink.flush().context("cannot write the trail")?)
    }
}

fn row(event: &Value) -> String {
    let cells = CELLS.iter().map(|(_, at)| match event.pointer(at) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => cell(text),
        Some(other) => cell(&other.to_string()),
    });
    cells.collect::<Vec<_>>().join(",")
}

/// What a caller wrote is no formula of whoever opens the table.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_caller_made_up_is_no_formula_and_no_second_row() {
        let event = json!({"event": "request", "outcome": "not_found", "latency_us": 12,
            "target": {"kind": "tool", "name": "=cmd|' /C calc'!A0\",\"x\r\ny"}});
        let row = row(&event);
        assert!(
            row.contains("\"'=cmd|' /C calc'!A0\"\",\"\"x\r\ny\""),
            "{row}"
        );
        assert!(row.ends_with("\"12\""), "{row}");
        assert_eq!(row.matches("\",").count(), 4, "{row}");
    }
}
