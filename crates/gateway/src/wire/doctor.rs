//! `doctor`: where the way to a server breaks and what to change, and what is left to do before others
//! may come.

mod chain;
mod checklist;
mod remedy;
mod walk;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use portcullis_config::{CommandLine, Config, Loaded, Notice, place_of};
use portcullis_core::{Clock, SystemClock};
use serde_json::{Value, json};
use tokio_util::task::TaskTracker;

use super::rooms::{Rooms, Storage, refusal};
use super::stored::{StoredValues, Why};
use super::{files, serve};
use crate::cli::exit::CommandError;
use crate::cli::target::TargetArgs;

/// How one thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Good,
    /// It works, and could be better.
    Advice,
    /// It does not work, or must not stay so.
    Broken,
    /// Not looked at: something before it is broken, or it does not apply.
    Skipped,
}

impl State {
    /// The stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Advice => "advice",
            Self::Broken => "broken",
            Self::Skipped => "skipped",
        }
    }

    /// What a person sees.
    pub const fn mark(self) -> char {
        match self {
            Self::Good => '✓',
            Self::Advice => '!',
            Self::Broken => '✗',
            Self::Skipped => '–',
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What it is, by a stable name.
    pub name: &'static str,
    /// How it is.
    pub state: State,
    /// What was seen.
    pub found: String,
    /// How long it took, where that says something.
    pub took: Option<Duration>,
    /// What to do about it.
    pub change: Option<Change>,
}

/// What to do, and where.
#[derive(Clone, Debug)]
pub struct Change {
    /// In words.
    pub what: String,
    /// The key of the file, where it is one.
    pub key: Option<String>,
    /// Its line, or that of what would hold it.
    pub line: Option<usize>,
}

/// Everything that was found.
#[derive(Clone, Debug)]
pub struct DoctorReport {
    /// The file.
    pub file: PathBuf,
    /// The server, if one was named.
    pub server: Option<String>,
    /// In the order of looking.
    pub findings: Vec<Finding>,
}

impl DoctorReport {
    /// Whether nothing is broken.
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.state != State::Broken)
    }

    /// As one document.
    pub fn json(&self) -> Value {
        let row = |finding: &Finding| {
            let change = finding.change.as_ref();
            json!({
                "name": finding.name,
                "state": finding.state.as_str(),
                "found": finding.found,
                "milliseconds": finding.took.map(|took| took.as_millis()),
                "change": change.map(|change| &change.what),
                "key": change.and_then(|change| change.key.as_ref()),
                "line": change.and_then(|change| change.line),
            })
        };
        json!({
            "file": self.file.display().to_string(),
            "server": self.server,
            "ok": self.is_sound(),
            "findings": self.findings.iter().map(row).collect::<Vec<_>>(),
        })
    }
}

/// The file, as its author sees it.
struct Written {
    file: PathBuf,
    text: String,
    config: Config,
    notices: Vec<Notice>,
}

impl Written {
    async fn read(file: Option<&Path>) -> Result<Self, CommandError> {
        let file = files::path_of(file);
        let stored = StoredValues::new(Arc::new(SystemClock::start()));
        let Loaded {
            config, notices, ..
        } = stored
            .load(&file, CommandLine::default(), Why::Asked)
            .await?;
        // It was read a moment ago; only lines are looked for in it now.
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        Ok(Self {
            file,
            text,
            config,
            notices,
        })
    }

    /// A change of a key.
    fn change(&self, path: &[&str], what: impl Into<String>) -> Change {
        Change {
            what: what.into(),
            key: Some(path.join(".")),
            line: place_of(&self.text, path).map(|place| place.line),
        }
    }
}

/// A change of nothing in the file.
fn elsewhere(what: impl Into<String>) -> Change {
    Change {
        what: what.into(),
        key: None,
        line: None,
    }
}

/// Rooms that leave nothing behind: no store, no files, nobody who would be admitted.
struct Surgery {
    rooms: Rooms,
    tasks: TaskTracker,
}

impl Surgery {
    async fn open(config: &Config) -> Result<Self, CommandError> {
        let mut config = config.clone();
        config.audit.jsonl_path = None;
        config.audit.sinks.clear();
        config.audit.log_requests = false;
        config.identity.issuers.clear();
        let tasks = TaskTracker::new();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
        let rooms = Rooms::build(&config, &Storage::Memory, clock, &tasks)
            .await
            .map_err(refusal)?;
        Ok(Self { rooms, tasks })
    }

    async fn close(self) {
        serve::end(&self.rooms).await;
        self.tasks.close();
    }
}

/// The way to one server, to its first broken hop.
pub async fn doctor_server(
    file: Option<&Path>,
    server: &str,
) -> Result<DoctorReport, CommandError> {
    let written = Written::read(file).await?;
    let surgery = Surgery::open(&written.config).await?;
    let findings = chain::walk(&written, &surgery.rooms, server).await;
    surgery.close().await;
    Ok(DoctorReport {
        file: written.file,
        server: Some(server.to_owned()),
        findings: findings?,
    })
}

/// What is left to do before others may come.
pub async fn doctor(
    file: Option<&Path>,
    target: &TargetArgs,
) -> Result<DoctorReport, CommandError> {
    let written = Written::read(file).await?;
    let surgery = Surgery::open(&written.config).await?;
    let findings = checklist::evaluate(&written, &surgery.rooms, target).await;
    surgery.close().await;
    Ok(DoctorReport {
        file: written.file,
        server: None,
        findings,
    })
}
