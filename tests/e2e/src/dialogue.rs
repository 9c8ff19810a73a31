//! A program that needs somebody at a browser: it prints `OPEN <address> [<end>]`, a person walks, and
//! the program reads on its standard input where they arrived.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

use crate::{Judges, Person};

const PATIENCE: Duration = Duration::from_mins(2);

/// What the program asks for in a line that it prints.
pub type Reader = fn(&str) -> Option<(String, Option<String>)>;

/// Our own scripts' way to ask.
pub fn opening(line: &str) -> Option<(String, Option<String>)> {
    let mut words = line.strip_prefix("OPEN ")?.split(' ');
    Some((words.next()?.to_owned(), words.next().map(str::to_owned)))
}

/// Runs a script of `tests/e2e/clients` to its end; everything that it printed.
pub async fn converse(
    judges: &Judges,
    program: &Path,
    arguments: &[String],
    person: &mut Person,
) -> anyhow::Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(judges.folder());
    hold(command, person, opening).await
}

/// Runs any command while a person opens what `reader` finds in its lines.
pub async fn hold(
    mut command: Command,
    person: &mut Person,
    reader: Reader,
) -> anyhow::Result<String> {
    let shown = format!("{:?}", command.as_std());
    let mut run = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {shown}"))?;
    let mut input = run.stdin.take().context("no standard input")?;
    let mut lines = BufReader::new(run.stdout.take().context("no output")?).lines();
    let mut errors = run.stderr.take().context("no error output")?;
    let mut said = String::new();
    let mut complaints = String::new();
    let conversation = async {
        while let Some(line) = lines.next_line().await? {
            said.push_str(&line);
            said.push('\n');
            if let Some((url, end)) = reader(&line) {
                let arrival = person.walk(&url, end.as_deref()).await?;
                said.extend(["    ", &format!("{arrival:?}"), "\n"]);
                let told = format!("{}\n", arrival.url);
                // It may have heard by itself that they arrived, and have ended.
                if input.write_all(told.as_bytes()).await.is_err() {
                    said.push_str("    (it listens no more)\n");
                }
            }
        }
        anyhow::Ok(run.wait().await?)
    };
    let whole = async { tokio::join!(conversation, errors.read_to_string(&mut complaints)).0 };
    let outcome = tokio::time::timeout(PATIENCE, whole).await;
    let reason = match outcome {
        Ok(Ok(status)) if status.success() => return Ok(said),
        Ok(Ok(status)) => format!("it ended with {status}"),
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => "it hangs".to_owned(),
    };
    bail!(
        "{shown}: {reason}\n{said}{complaints}\npages: {:#?}",
        person.seen()
    )
}
