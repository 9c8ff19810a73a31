//! A PostgreSQL server of a test's own, which it may stop, start again, hold still and run out of room.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{REQUIRE, Schema};

/// How much a server may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// As much as the machine has.
    Enough,
    /// No file of more than four megabytes, of its log as of a table: what is more is met with an error, as
    /// on a full disk.
    Little,
}

/// A server with an empty folder of its own, gone with this.
#[derive(Debug)]
pub struct OwnServer {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    room: Room,
}

impl OwnServer {
    /// A server; `None` where the programs are not installed and tests may be skipped.
    pub fn start(room: Room) -> Option<Self> {
        let Some(programs) = programs() else {
            let required = std::env::var(REQUIRE).is_ok_and(|value| value == "1");
            assert!(!required, "{REQUIRE}=1, but no `initdb` is installed");
            println!("skipped: no `initdb` is installed");
            return None;
        };
        let made = as_owner(Path::new("mktemp"))
            .args(["-d", "-t", "portcullis-postgres.XXXXXX"])
            .output();
        let folder = String::from_utf8(made.unwrap().stdout).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let server = Self {
            programs,
            folder: PathBuf::from(folder.trim()),
            port,
            room,
        };
        done(
            as_owner(&server.programs.join("initdb"))
                .args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
                .args(["--no-locale", "--no-sync", "--wal-segsize=1", "--pgdata"])
                .arg(server.data()),
        );
        server.begin();
        Some(server)
    }

    /// Starts it, with what it has, and waits until it takes connections.
    pub fn begin(&self) {
        // In blocks of 512 bytes.
        let limit = match self.room {
            Room::Enough => "unlimited",
            Room::Little => "8192",
        };
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
             -c autovacuum=off -c max_connections=60 -c min_wal_size=2MB -c max_wal_size=8MB",
            self.port
        );
        let script = format!(
            "ulimit -f {limit}; exec '{}' --pgdata '{}' -w -t 60 -o '{options}' -l '{}' start",
            self.programs.join("pg_ctl").display(),
            self.data().display(),
            self.folder.join("log").display()
        );
        let start = || {
            let mut command = as_owner(Path::new("sh"));
            command.args(["-c", &script]);
            command
        };
        // The memory and the port of one that was killed a moment ago may be taken still.
        for _ in 0..40 {
            let mut starting = start();
            let started = starting
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status();
            if started.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        done(&mut start());
    }

    /// Ends it as a machine that loses its power does.
    pub fn kill(&self) {
        // Nobody is started any more whom we do not know.
        signal("STOP", &[self.server()]);
        let ids = self.processes();
        signal("KILL", &ids);
        // Its port and its memory are free when all of them are gone.
        for id in ids {
            while stat(id).is_some_and(|(state, _)| state != "Z") {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }

    /// All of its processes stand still and say nothing; what is connected stays so.
    pub fn stand_still(&self) {
        signal("STOP", &[self.server()]);
        signal("STOP", &self.processes());
    }

    /// They go on where they were.
    pub fn go_on(&self) {
        signal("CONT", &self.processes());
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// An empty schema on it, without what this program needs.
    pub async fn fresh(&self) -> Schema {
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
        Schema::on(&url).await
    }

    /// A schema on it with everything that this program needs.
    pub async fn migrated(&self) -> Schema {
        let schema = self.fresh().await;
        schema.migrate().await;
        schema
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// The first of its processes.
    fn server(&self) -> u32 {
        let file = as_owner(Path::new("cat"))
            .arg(self.data().join("postmaster.pid"))
            .output();
        let file = String::from_utf8(file.unwrap().stdout).unwrap();
        file.lines().next().unwrap().trim().parse().unwrap()
    }

    /// That one and whatever it started.
    fn processes(&self) -> Vec<u32> {
        let server = self.server();
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let ids = all.filter_map(|entry| entry.file_name().to_string_lossy().parse().ok());
        let mut ids: Vec<u32> = ids
            .filter(|id| stat(*id).is_some_and(|(_, parent)| parent == server))
            .collect();
        ids.insert(0, server);
        ids
    }
}

impl Drop for OwnServer {
    fn drop(&mut self) {
        // Killed by its test, it has none.
        let mut ending = as_owner(&self.programs.join("pg_ctl"));
        ending
            .args(["stop", "-w", "-m", "immediate", "--pgdata"])
            .arg(self.data());
        if self.data().join("postmaster.pid").exists() {
            self.go_on();
        }
        let _ = ending.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let _ = as_owner(Path::new("rm"))
            .arg("-rf")
            .arg(&self.folder)
            .status();
    }
}

/// proc(5): the state and the parent, which stand behind the name.
fn stat(id: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn signal(name: &str, ids: &[u32]) {
    let ids = ids.iter().map(u32::to_string);
    let mut sending = as_owner(Path::new("kill"));
    // One of them may have ended meanwhile.
    let sent = sending.args(["-s", name]).args(ids).stderr(Stdio::null());
    sent.status().unwrap();
}

fn done(command: &mut Command) {
    let output = command.stdout(Stdio::null()).stderr(Stdio::piped());
    let output = output.spawn().unwrap().wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

/// Where `initdb` and `pg_ctl` are: where Debian puts them, or on the path.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    let versions = versions.into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|it| it.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders.push(PathBuf::new());
    folders.into_iter().find(|folder| {
        let mut version = Command::new(folder.join("initdb"));
        version.arg("--version").stdout(Stdio::null());
        version.status().is_ok_and(|status| status.success())
    })
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
