//! What callers met, phase by phase.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::ensure;
use hyper::StatusCode;

use crate::load::now;

/// How one call ended.
#[derive(Clone, Debug)]
pub(crate) enum Met {
    /// With what was asked for, under this request id.
    Answered(String),
    /// With another answer.
    Refused(StatusCode),
    /// No connection, or one that broke.
    Nobody,
    /// No answer in time.
    Silence,
}

#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Notes>);

#[derive(Debug, Default)]
struct Notes {
    phases: Vec<Phase>,
    ids: Vec<String>,
    revocations: Vec<Duration>,
    violations: Vec<String>,
}

#[derive(Debug)]
struct Phase {
    name: &'static str,
    begun: Instant,
    lasted: Duration,
    served: Vec<Duration>,
    failures: BTreeMap<String, u64>,
    last_failure: Option<Duration>,
}

impl Tally {
    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is noted from now on belongs to this.
    pub(crate) fn begin(&self, name: &'static str) {
        println!("    {name}");
        self.end();
        self.notes().phases.push(Phase {
            name,
            begun: now(),
            lasted: Duration::ZERO,
            served: Vec::new(),
            failures: BTreeMap::new(),
            last_failure: None,
        });
    }

    pub(crate) fn end(&self) {
        if let Some(phase) = self.notes().phases.last_mut() {
            phase.lasted = phase.begun.elapsed();
        }
    }

    pub(crate) fn note(&self, met: Met, took: Duration) {
        let mut notes = self.notes();
        let failure = match met {
            Met::Answered(id) => {
                notes.ids.push(id);
                None
            }
            Met::Refused(status) => Some(status.as_u16().to_string()),
            Met::Nobody => Some("no connection".to_owned()),
            Met::Silence => Some("no answer".to_owned()),
        };
        let Some(phase) = notes.phases.last_mut() else {
            return;
        };
        match failure {
            None => phase.served.push(took),
            Some(failure) => {
                *phase.failures.entry(failure).or_default() += 1;
                phase.last_failure = Some(phase.begun.elapsed());
            }
        }
    }

    pub(crate) fn revoked(&self, took: Duration) {
        self.notes().revocations.push(took);
    }

    /// What must not happen, and did.
    pub(crate) fn violation(&self, what: String) {
        self.notes().violations.push(what);
    }

    /// How many calls were answered.
    pub(crate) fn answered(&self) -> usize {
        self.notes().ids.len()
    }

    /// Under which request ids.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.notes().ids.clone()
    }

    pub(crate) fn judge(&self) -> anyhow::Result<()> {
        let notes = self.notes();
        ensure!(
            notes.violations.is_empty(),
            "{} violation(s), the first: {:?}",
            notes.violations.len(),
            notes.violations.first()
        );
        ensure!(!notes.revocations.is_empty(), "no key was revoked");
        Ok(())
    }

    pub(crate) fn print(&self) {
        let mut notes = self.notes();
        println!(
            "{:24} {:>8} {:>8} {:>8} {:>9} {:>9} {:>14}   failures",
            "phase", "s", "served", "failed", "p50 ms", "p99 ms", "last failed s"
        );
        for phase in &mut notes.phases {
            phase.print();
        }
        notes.revocations.sort_unstable();
        println!(
            "{} keys revoked on one replica; longest that another went on: {} ms, median {} ms",
            notes.revocations.len(),
            at(&notes.revocations, 100).as_millis(),
            at(&notes.revocations, 50).as_millis()
        );
    }
}

impl Phase {
    fn print(&mut self) {
        self.served.sort_unstable();
        let failed: u64 = self.failures.values().sum();
        let causes = self.failures.iter();
        let causes: Vec<String> = causes
            .map(|(what, count)| format!("{what}: {count}"))
            .collect();
        println!(
            "{:24} {:>8.1} {:>8} {failed:>8} {:>9.1} {:>9.1} {:>14}   {}",
            self.name,
            self.lasted.as_secs_f64(),
            self.served.len(),
            at(&self.served, 50).as_secs_f64() * 1e3,
            at(&self.served, 99).as_secs_f64() * 1e3,
            self.last_failure
                .map_or("-".to_owned(), |last| format!("{:.2}", last.as_secs_f64())),
            causes.join(", ")
        );
    }
}

/// That many hundredths into a sorted list.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    let index = sorted.len() * percent / 100;
    let found = sorted.get(index).or(sorted.last());
    found.copied().unwrap_or_default()
}
