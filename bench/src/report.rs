//! The table and the JSON.

use serde::Serialize;

use crate::load::Outcome;

/// One kind of work at one number of connections, on all three ways.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) work: &'static str,
    pub(crate) connections: u64,
    pub(crate) direct: Outcome,
    pub(crate) floor: Outcome,
    pub(crate) floor_cpu_us: f64,
    pub(crate) gateway: Outcome,
    pub(crate) gateway_cpu_us: f64,
}

impl Row {
    fn cpu_ratio(&self) -> f64 {
        self.gateway_cpu_us / self.floor_cpu_us
    }
}

/// Everything one run found.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) start_to_first_answer_ms: f64,
    pub(crate) resident_idle_mib: f64,
    pub(crate) resident_after_mib: f64,
    pub(crate) kib_per_idle_stream: f64,
    pub(crate) pinned: bool,
}

impl Report {
    pub(crate) fn print(&self) {
        println!(
            "{:24} {:>4} {:>10} {:>10} {:>8} {:>11} {:>11} {:>11} {:>9} {:>9}",
            "work",
            "conn",
            "CPU µs",
            "floor µs",
            "× floor",
            "p50 direct",
            "p50 floor",
            "p50 ours",
            "× direct",
            "req/s"
        );
        for row in &self.rows {
            #[expect(clippy::cast_precision_loss, reason = "a few thousand requests")]
            let rate = row.gateway.requests as f64 / row.gateway.seconds;
            println!(
                "{:24} {:>4} {:>10.1} {:>10.1} {:>8.2} {:>11.0} {:>11.0} {:>11.0} {:>9.2} {:>9.0}",
                row.work,
                row.connections,
                row.gateway_cpu_us,
                row.floor_cpu_us,
                row.cpu_ratio(),
                row.direct.p50_us,
                row.floor.p50_us,
                row.gateway.p50_us,
                row.gateway.p50_us / row.direct.p50_us,
                rate
            );
        }
        println!(
            "start to first good answer {:.0} ms; resident {:.1} MiB idle, {:.1} MiB after the run; \
             {:.1} KiB for each idle stream",
            self.start_to_first_answer_ms,
            self.resident_idle_mib,
            self.resident_after_mib,
            self.kib_per_idle_stream
        );
        if !self.pinned {
            println!("not pinned to cores (no taskset, or one core only): expect noise");
        }
    }
}
