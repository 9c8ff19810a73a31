//! `portcullis doctor`: where it breaks, and what to change.

use std::fmt::Write as _;

use clap::Args;

use super::exit::{CommandError, Exit};
use super::output::Output;
use super::target::TargetArgs;
use super::{Global, progress};
use crate::wire::{self, DoctorReport, Finding};

/// Options of `doctor`.
#[derive(Clone, Debug, Args)]
pub struct DoctorArgs {
    /// The server whose way is walked, hop by hop; without one: what is left to do before going live
    pub server: Option<String>,
    /// The running gateway, if there is one.
    #[command(flatten)]
    pub target: TargetArgs,
}

pub(super) async fn run(
    global: &Global,
    args: DoctorArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let file = global.config.as_deref();
    let report = match &args.server {
        Some(server) => {
            let what = format!("walking to {server}");
            progress::during(&what, Box::pin(wire::doctor_server(file, server))).await?
        }
        None => {
            progress::during("looking around", Box::pin(wire::doctor(file, &args.target))).await?
        }
    };
    out.json(&report.json())?;
    out.line(text(&report).trim_end())?;
    Ok(if report.is_sound() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn text(report: &DoctorReport) -> String {
    let widest = report
        .findings
        .iter()
        .map(|finding| finding.name.len())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&line(report, finding, widest));
    }
    let broken = report
        .findings
        .iter()
        .find(|finding| finding.state == wire::State::Broken);
    let sum = match (&report.server, broken) {
        (Some(server), Some(broken)) => format!("the way to `{server}` breaks at {}", broken.name),
        (Some(server), None) => format!("the way to `{server}` is sound"),
        (None, Some(_)) => "not ready: mend what is marked ✗".to_owned(),
        (None, None) => "nothing is broken; what is marked ! is advice".to_owned(),
    };
    text + &sum + "\n"
}

fn line(report: &DoctorReport, finding: &Finding, widest: usize) -> String {
    let took = finding
        .took
        .map_or_else(String::new, |took| format!(" ({} ms)", took.as_millis()));
    let mut text = format!(
        "{} {:widest$}  {}{took}\n",
        finding.state.mark(),
        finding.name,
        finding.found
    );
    if let Some(change) = &finding.change {
        let place = match (&change.key, change.line) {
            (Some(key), Some(line)) => {
                format!(" [{key}, {}:{line}]", report.file.display())
            }
            (Some(key), None) => format!(" [{key}, {}]", report.file.display()),
            (None, _) => String::new(),
        };
        let _ = writeln!(text, "  {:widest$}  → {}{place}", "", change.what);
    }
    text
}
