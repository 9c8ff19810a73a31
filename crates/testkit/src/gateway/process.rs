//! The real binary, as scripts and service supervisors run it.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::Value;

use super::wire::{Ask, Reply};
use crate::PATIENCE;

/// A command that came to its end.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit code.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Finished {
    /// Standard output as one JSON document.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Everything that it said.
    pub fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

/// What a gateway logs when it can be asked.
pub(super) const SERVES: &str = "portcullis serves";

/// The environment of the person at the keyboard shall not tell the story.
pub(super) fn command(
    program: &str,
    folder: &Path,
    args: &[&str],
    env: &[(&str, &str)],
) -> Command {
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .env("NO_COLOR", "1")
        .env("HOME", folder)
        .envs(env.iter().copied());
    command
}

/// Runs a command to its end.
pub fn run(program: &str, folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Finished {
    let output = command(program, folder, args, env).output().unwrap();
    Finished {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A gateway in a process of its own.
#[derive(Debug)]
pub struct Process {
    child: Child,
    address: SocketAddr,
    stdout: Arc<Mutex<String>>,
    log: Arc<Mutex<String>>,
    lines: Receiver<String>,
    words: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts `portcullis` with these arguments and waits until it serves.
    pub fn serve(program: &str, folder: &Path, args: &[&str], env: &[(&str, &str)]) -> Self {
        let logged = ["--log-format", "json"];
        let args: Vec<&str> = args.iter().copied().chain(logged).collect();
        let mut child = command(program, folder, &args, env)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, log) = (Arc::default(), Arc::default());
        let (line, lines) = channel();
        let (word, words) = channel();
        let readers = vec![
            listen(child.stdout.take().unwrap(), Arc::clone(&stdout), word),
            listen(child.stderr.take().unwrap(), Arc::clone(&log), line),
        ];
        let mut process = Self {
            child,
            address: ([127, 0, 0, 1], 0).into(),
            stdout,
            log,
            lines,
            words,
            readers,
        };
        process.address = address_in(&process.wait_for(SERVES));
        process
    }

    /// What the system calls it.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends with this credential on a connection of its own.
    pub async fn ask_as(&self, credential: &str, ask: Ask) -> Reply {
        ask.bearer(credential).send(self.address).await
    }

    /// Waits for the next log line that holds this text, and returns it.
    pub fn wait_for(&mut self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("`{text}` never came, {error}; the log:\n{}", self.log())
            });
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Standard output up to the line that holds this text: a pipe of its own, which may lag behind
    /// the log.
    pub fn stdout_to(&mut self, text: &str) -> String {
        loop {
            let line = self.words.recv_timeout(PATIENCE).unwrap_or_else(|error| {
                panic!("`{text}` was never said, {error}: {}", self.stdout())
            });
            if line.contains(text) {
                return self.stdout();
            }
        }
    }

    /// The log so far. What must not stand in it is looked for after the end.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Standard output so far; whole after the end.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    /// Sends a signal (`TERM`, `HUP`, `KILL`).
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for the end, and until everything that it said has been read.
    pub fn wait(&mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        status
    }

    /// Asks it to end and waits until it has; see [`Process::wait`].
    pub fn end(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The address in the line that says so.
pub(super) fn address_in(line: &str) -> SocketAddr {
    let line: Value = serde_json::from_str(line).unwrap();
    line["listen"].as_str().unwrap().parse().unwrap()
}

pub(super) fn signal(child: &Child, name: &str) {
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-s", name, &id]).status();
    assert!(sent.unwrap().success());
}

fn listen(
    source: impl Read + Send + 'static,
    kept: Arc<Mutex<String>>,
    heard: Sender<String>,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        for line in BufReader::new(source).lines().map_while(Result::ok) {
            let mut kept = kept.lock().unwrap();
            kept.push_str(&line);
            kept.push('\n');
            drop(kept);
            let _ = heard.send(line);
        }
    })
}
