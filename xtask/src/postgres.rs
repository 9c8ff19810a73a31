//! The PostgreSQL server that tests run against: one that is named, one that stands at the usual port,
//! or one of our own for as long as the tests run.

use std::{
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::command::{in_ci, run, works};

/// What tests look for; `crates/store-sql/src/testing.rs` reads both.
const SERVER: &str = "TEST_POSTGRES_URL";
const REQUIRE: &str = "REQUIRE_ALL_BACKENDS";

/// A server, and what ends with it.
#[derive(Debug)]
pub(crate) struct Postgres {
    url: Option<String>,
    own: Option<Own>,
}

impl Postgres {
    /// Finds or starts one. In CI there must be one.
    pub(crate) fn find() -> anyhow::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the environment names the server"
        )]
        if let Ok(url) = std::env::var(SERVER) {
            return Ok(Self {
                url: Some(url),
                own: None,
            });
        }
        let usual = "postgres://postgres@127.0.0.1:5432/postgres";
        // Whether we may make schemas there is the question, not whether somebody answers.
        let tried = "CREATE SCHEMA portcullis_tried; DROP SCHEMA portcullis_tried";
        if works(Command::new("psql").args(["-w", "-q", "-d", usual, "-c", tried])) {
            println!("    PostgreSQL: the server at 127.0.0.1:5432");
            return Ok(Self {
                url: Some(usual.to_owned()),
                own: None,
            });
        }
        match Own::start() {
            Ok(own) => Ok(Self {
                url: Some(own.url.clone()),
                own: Some(own),
            }),
            Err(error) if in_ci() => Err(error.context(format!(
                "tests need PostgreSQL: name a server in {SERVER}, or install one (`postgresql`)"
            ))),
            Err(error) => {
                println!("    no PostgreSQL ({error:#}): its tests are skipped");
                Ok(Self {
                    url: None,
                    own: None,
                })
            }
        }
    }

    /// Tells a command about the server, and that none may be missing where nothing may be skipped.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        if let Some(url) = &self.url {
            command.env(SERVER, url);
        }
        if in_ci() {
            command.env(REQUIRE, "1");
        }
        command
    }

    /// Ends what was started.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        self.own.map_or(Ok(()), Own::stop)
    }
}

/// A server with an empty folder, that keeps nothing.
#[derive(Debug)]
pub(crate) struct Own {
    programs: PathBuf,
    folder: PathBuf,
    url: String,
}

impl Own {
    pub(crate) fn start() -> anyhow::Result<Self> {
        let programs = programs().context("`initdb` is not installed")?;
        let made = as_owner(Path::new("mktemp"))
            .args(["-d", "-t", "portcullis-postgres.XXXXXX"])
            .output()
            .context("cannot make a folder for PostgreSQL")?;
        let folder = PathBuf::from(String::from_utf8(made.stdout)?.trim());
        if !made.status.success() || folder.as_os_str().is_empty() {
            bail!(
                "cannot make a folder for PostgreSQL: {}",
                String::from_utf8_lossy(&made.stderr).trim()
            );
        }
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let own = Self {
            programs,
            folder,
            url: format!("postgres://postgres@127.0.0.1:{port}/postgres"),
        };
        run(as_owner(&own.programs.join("initdb"))
            .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--no-locale", "--no-sync", "--pgdata"])
            .arg(own.data())
            .stdout(std::process::Stdio::null()))?;
        // Another order than ours, where the machine has one, is what a test would notice.
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
             -c fsync=off -c max_connections=200"
        );
        run(own
            .control(&["start", "-w", "-o", &options, "-l"])
            .arg(own.folder.join("log"))
            .stdout(std::process::Stdio::null()))?;
        println!("    PostgreSQL: a server of our own at 127.0.0.1:{port}");
        Ok(own)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Its process id.
    pub(crate) fn id(&self) -> anyhow::Result<String> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid"))?;
        let id = file.lines().next().context("`postmaster.pid` is empty")?;
        Ok(id.to_owned())
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self, verb: &[&str]) -> Command {
        let mut command = as_owner(&self.programs.join("pg_ctl"));
        command.arg("--pgdata").arg(self.data()).args(verb);
        command
    }

    pub(crate) fn stop(self) -> anyhow::Result<()> {
        run(self
            .control(&["stop", "-w", "-m", "immediate"])
            .stdout(std::process::Stdio::null()))?;
        run(as_owner(Path::new("rm")).arg("-rf").arg(&self.folder))
    }
}

/// Where `initdb` and `pg_ctl` are: on the path, or where Debian puts them.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten();
    let mut folders: Vec<PathBuf> = versions
        .flatten()
        .map(|version| version.path().join("bin"))
        .collect();
    folders.sort();
    folders.reverse();
    folders.push(PathBuf::new());
    folders
        .into_iter()
        .find(|folder| works(Command::new(folder.join("initdb")).arg("--version")))
}

/// PostgreSQL does not run as root; its packages bring a user for it.
fn as_owner(program: &Path) -> Command {
    let root = Command::new("id").arg("-u").output();
    let root = root.is_ok_and(|said| said.stdout.trim_ascii() == b"0");
    if !root {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program);
    // Where that user may be.
    command.current_dir("/");
    command
}
