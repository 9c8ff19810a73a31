//! What Linux knows about a process: CPU time, resident memory, open files.

use anyhow::Context;

/// Ticks per second of `/proc/PID/stat`; 100 on every Linux that Rust supports.
const TICKS_PER_SECOND: f64 = 100.0;

/// User and system time since its start, in seconds (proc(5): fields 14 and 15).
pub(crate) fn cpu_seconds(id: u32) -> anyhow::Result<f64> {
    let stat =
        std::fs::read_to_string(format!("/proc/{id}/stat")).context("the process is gone")?;
    parse_cpu(&stat).context("an unknown form of /proc/PID/stat")
}

fn parse_cpu(stat: &str) -> Option<f64> {
    // The name in parentheses may hold spaces: count from behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Resident memory in mebibytes.
pub(crate) fn resident_mib(id: u32) -> anyhow::Result<f64> {
    let status =
        std::fs::read_to_string(format!("/proc/{id}/status")).context("the process is gone")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.split_whitespace().next());
    let kibibytes: f64 = kibibytes.context("no VmRSS")?.parse()?;
    Ok(kibibytes / 1024.0)
}

/// How many files and sockets it has open.
pub(crate) fn open_files(id: u32) -> anyhow::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{id}/fd"))
        .context("the process is gone")?
        .count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a (b) c) S 1 1 1 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 1 0 9 1 1";
        assert_eq!(parse_cpu(stat), Some(3.0));
    }
}
