//! The real binary in front of somebody who does not read what it says.

use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ExitStatus, Stdio};

use super::process::{SERVES, address_in, command, signal};

/// A gateway whose log nobody reads once it serves; the pipe stays open.
#[derive(Debug)]
pub struct Unread {
    child: Child,
    log: BufReader<ChildStderr>,
    address: SocketAddr,
}

impl Unread {
    /// Starts `portcullis` with these arguments and reads its log until it serves.
    pub fn serve(program: &str, folder: &Path, args: &[&str]) -> Self {
        let mut child = command(program, folder, args, &[])
            .args(["--log-format", "json"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(SERVES) {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it does not serve");
        }
        Self {
            child,
            log,
            address: address_in(&line),
        }
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks it to end, waits until it has, and counts the bytes that waited to be read.
    pub fn end(mut self) -> (ExitStatus, u64) {
        signal(&self.child, "TERM");
        let status = self.child.wait().unwrap();
        let waiting = io::copy(&mut self.log, &mut io::sink()).unwrap();
        (status, waiting)
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
