//! Three gateways on one PostgreSQL database and one Redis, under load while something breaks.
//!
//! Whatever breaks, nothing may be admitted that should not be, and nothing that was answered may be
//! missing from the audit trail; those two end the run with an error. How many calls failed, and how long
//! it took until none did, is reported.

mod audit;
mod callers;
mod revoker;
mod stage;
mod tally;

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, ensure};
use tokio::{sync::watch, task::JoinSet, time::sleep};

use self::{
    callers::{Caller, Credential},
    stage::Stage,
    tally::Tally,
};
use crate::work::Work;

/// Callers of each kind of work at each replica.
const CALLERS: usize = 2;

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Folder of the programs.
    #[arg(long)]
    binaries: PathBuf,
    /// An empty database of a server that may be held up.
    #[arg(long)]
    database_url: String,
    /// The process id of that server.
    #[arg(long)]
    database_pid: u32,
    /// Seconds without a fault before, between and after the faults.
    #[arg(long, default_value_t = 15)]
    calm: u64,
    /// Seconds that each fault lasts.
    #[arg(long, default_value_t = 5)]
    fault: u64,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let mut stage = Stage::set(
        &settings.binaries,
        &settings.database_url,
        settings.database_pid,
    )
    .await?;
    let tally = Arc::new(Tally::default());
    let (stop, stopped) = watch::channel(false);
    let mut running = JoinSet::new();
    for port in stage.ports {
        for work in [Work::Rest, Work::Stateless] {
            for _ in 0..CALLERS {
                let caller = Caller {
                    port,
                    work,
                    credential: Credential::Good,
                };
                running.spawn(caller.call_until(stopped.clone(), Arc::clone(&tally)));
            }
        }
        let stranger = Caller {
            port,
            work: Work::Rest,
            credential: Credential::WithoutGrants,
        };
        running.spawn(stranger.call_until(stopped.clone(), Arc::clone(&tally)));
    }
    running.spawn(revoker::revoke_until(
        stage.ports,
        stopped,
        Arc::clone(&tally),
    ));

    faults(&mut stage, &tally, settings).await?;
    // Nobody listens any more only when every caller has ended already.
    let _ = stop.send(true);
    while let Some(ended) = running.join_next().await {
        ended?;
    }
    tally.print();
    let missing = audit::missing(&mut stage, &tally).await?;
    println!(
        "audit: the chain verifies; {} of {} answered calls are missing from it",
        missing.len(),
        tally.answered()
    );
    tally.judge()?;
    ensure!(
        missing.is_empty(),
        "answered and not on record: {:?}",
        missing.iter().take(5).collect::<Vec<_>>()
    );
    Ok(())
}

/// One thing after another breaks, and is mended.
async fn faults(stage: &mut Stage, tally: &Tally, settings: &Settings) -> anyhow::Result<()> {
    let calm = Duration::from_secs(settings.calm);
    let fault = Duration::from_secs(settings.fault);
    tally.begin("calm");
    sleep(calm).await;

    tally.begin("one replica killed");
    stage.kill_replica(0).await?;
    sleep(fault).await;
    stage.start_replica(0).await?;
    tally.begin("started again");
    sleep(calm).await;

    tally.begin("Redis gone");
    stage.stop_redis();
    sleep(fault).await;
    stage.start_redis().await?;
    tally.begin("Redis is back, empty");
    sleep(calm).await;

    tally.begin("database silent");
    stage.database("STOP").await.context("pausing")?;
    sleep(fault).await;
    stage.database("CONT").await.context("going on")?;
    tally.begin("database answers again");
    sleep(calm).await;
    tally.end();
    Ok(())
}
