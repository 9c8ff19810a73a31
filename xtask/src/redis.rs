//! The Redis server that tests run against: one that is named, one that stands at the usual port, or one of
//! our own for as long as the tests run.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::command::{in_ci, works};

/// What tests look for; `crates/store-redis/src/testing.rs` reads it.
const SERVER: &str = "TEST_REDIS_URL";

/// A server, and what ends with it.
#[derive(Debug)]
pub(crate) struct Redis {
    url: Option<String>,
    own: Option<Child>,
}

impl Redis {
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
        // Whether we may make keys there is the question, not whether somebody answers.
        if answers(6379) {
            println!("    Redis: the server at 127.0.0.1:6379");
            return Ok(Self {
                url: Some("redis://127.0.0.1:6379/0".to_owned()),
                own: None,
            });
        }
        match start() {
            Ok((own, port)) => {
                println!("    Redis: a server of our own at 127.0.0.1:{port}");
                Ok(Self {
                    url: Some(format!("redis://127.0.0.1:{port}/0")),
                    own: Some(own),
                })
            }
            Err(error) if in_ci() => Err(error.context(format!(
                "tests need Redis: name a server in {SERVER}, or install one (`redis-server`)"
            ))),
            Err(error) => {
                println!("    no Redis ({error:#}): its tests are skipped");
                Ok(Self {
                    url: None,
                    own: None,
                })
            }
        }
    }

    /// Tells a command about the server.
    pub(crate) fn tell<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        match &self.url {
            Some(url) => command.env(SERVER, url),
            None => command,
        }
    }

    /// Ends what was started.
    pub(crate) fn end(self) -> anyhow::Result<()> {
        if let Some(mut own) = self.own {
            own.kill().context("the Redis server does not end")?;
            own.wait()?;
        }
        Ok(())
    }
}

/// The server, by whichever name it is installed.
fn program() -> Option<&'static str> {
    ["redis-server", "valkey-server"]
        .into_iter()
        .find(|name| works(Command::new(name).arg("--version")))
}

fn start() -> anyhow::Result<(Child, u16)> {
    let program = program().context("`redis-server` is not installed")?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let mut own = Command::new(program)
        .current_dir(std::env::temp_dir())
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
        .args(["--save", "", "--appendonly", "no"])
        .stdout(Stdio::null())
        .spawn()?;
    for _ in 0..200 {
        if answers(port) {
            return Ok((own, port));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    own.kill()?;
    bail!("`{program}` does not answer")
}

/// Whether a server there takes a key.
fn answers(port: u16) -> bool {
    let Some(cli) = ["redis-cli", "valkey-cli"]
        .into_iter()
        .find(|name| works(Command::new(name).arg("--version")))
    else {
        return false;
    };
    let asked = Command::new(cli)
        .args(["-h", "127.0.0.1", "-p", &port.to_string()])
        .args(["SET", "portcullis-tried", "1", "PX", "1000"])
        .output();
    asked.is_ok_and(|said| said.stdout.trim_ascii() == b"OK")
}
