//! A program that runs while its owner lives, and a way to know that it is ready.

use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
};

const POLL: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(30);

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `program` with `folder` as its working directory and `folder/<name>.log` as its output.
    pub fn start<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        Self::launch(Command::new(program), program, arguments, folder)
    }

    /// The same with nothing in its environment but these variables and a home.
    pub fn start_alone<A: AsRef<OsStr>>(
        program: &Path,
        arguments: &[A],
        folder: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", folder)
            .envs(environment.iter().copied());
        Self::launch(command, program, arguments, folder)
    }

    fn launch<A: AsRef<OsStr>>(
        mut command: Command,
        program: &Path,
        arguments: &[A],
        folder: &Path,
    ) -> anyhow::Result<Self> {
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let log = folder.join(format!("{name}.log"));
        let output = std::fs::File::create(&log).context("cannot create the log")?;
        let child = command
            .args(arguments)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Self { child, log })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end, as a supervisor does.
    pub async fn terminate(&self) -> anyhow::Result<()> {
        let id = self.id().context("it has ended")?.to_string();
        let sent = Command::new("kill").args(["-s", "TERM", &id]).status();
        ensure!(sent.await?.success(), "it takes no signal");
        Ok(())
    }

    /// Waits until it has ended on its own.
    pub async fn ended(mut self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        ended.with_context(|| format!("it goes on; its log:\n{}", self.said()))??;
        Ok(())
    }

    /// Waits until something listens on a loopback port, whatever it speaks.
    pub async fn listens(&mut self, port: u16) -> anyhow::Result<()> {
        let listening = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                if let Some(status) = self.child.try_wait()? {
                    bail!("it ended with {status}");
                }
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        let outcome = match tokio::time::timeout(PATIENCE, listening).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("nothing listens after {PATIENCE:?}")),
        };
        outcome.with_context(|| format!("port {port}; its log:\n{}", self.said()))
    }

    /// Everything it has said.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits until `GET path` answers 200; fails with its log if it ends or takes too long.
    pub async fn ready(&mut self, port: u16, path: &str) -> anyhow::Result<()> {
        self.until(port, path, |status| status == 200).await
    }

    /// The same with any answer.
    pub async fn answers(&mut self, port: u16, path: &str) -> anyhow::Result<()> {
        self.until(port, path, |_| true).await
    }

    async fn until(
        &mut self,
        port: u16,
        path: &str,
        enough: impl Fn(u16) -> bool,
    ) -> anyhow::Result<()> {
        let answered = async {
            loop {
                if let Some(status) = self.child.try_wait()? {
                    bail!("it ended with {status}");
                }
                if http_get(port, path).await.is_ok_and(&enough) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
        };
        let outcome = match tokio::time::timeout(PATIENCE, answered).await {
            Ok(outcome) => outcome,
            Err(_) => Err(anyhow::anyhow!("not ready after {PATIENCE:?}")),
        };
        outcome.with_context(|| format!("{path} on port {port}; its log:\n{}", self.said()))
    }
}

/// A loopback port that was free a moment ago.
pub async fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    Ok(listener.local_addr()?.port())
}

/// The status of a plain `GET`.
pub async fn http_get(port: u16, path: &str) -> anyhow::Result<u16> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = vec![0; 12];
    stream.read_exact(&mut head).await?;
    let head = String::from_utf8(head)?;
    let status = head.rsplit(' ').next().context("no status line")?;
    status.parse().context("no status code")
}
