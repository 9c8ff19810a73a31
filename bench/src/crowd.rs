//! What many open streams that say nothing cost: memory, work while they idle, other calls' time,
//! and what is left when they are gone.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};

use crate::{
    http::KEY,
    load::{Outcome, Settings as Load, now},
    loader::Loader,
    process_facts::{cpu_seconds, open_files, resident_mib},
    services::{Service, can_pin, start_gateway},
    streams::open_streams,
    work::Work,
};

/// Connections of the calls beside them.
const CONNECTIONS: u64 = 4;
/// How long the gateway gets to notice that everybody left.
const PARTING: Duration = Duration::from_secs(30);
/// And after that, to give memory back: the allocator keeps what was freed for a second at least.
const GIVING_BACK: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Folder of the programs.
    #[arg(long)]
    binaries: PathBuf,
    /// Streams held open at once.
    #[arg(long, default_value_t = 9_900)]
    streams: u32,
    /// Streams of stateless clients (`subscriptions/listen`) instead of those of sessions.
    #[arg(long)]
    stateless: bool,
    /// For how many seconds nothing else happens.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Calls whose time is taken, without the streams and beside them.
    #[arg(long, default_value_t = 10_000)]
    calls: u64,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let pinned = can_pin().await;
    let mock = Service::mock(pinned, 1).await?;
    let (mut gateway, _) = start_gateway(&settings.binaries, pinned, mock.port, 1).await?;
    let id = gateway.id()?;
    let loader = Loader::new(pinned)?;
    let alone = calls(&loader, &gateway, settings.calls).await?;
    let before = (resident_mib(id)?, open_files(id)?);

    println!("    opening {} streams", settings.streams);
    let work = if settings.stateless {
        Work::Listen
    } else {
        Work::Aggregate
    };
    let open = open_streams(&gateway, settings.streams, work)
        .await
        .with_context(|| gateway.said())?;
    let held = resident_mib(id)?;
    println!("    idling for {} s", settings.seconds);
    let (cpu, begun) = (cpu_seconds(id)?, now());
    tokio::time::sleep(Duration::from_secs(settings.seconds)).await;
    let busy = (cpu_seconds(id)? - cpu) / begun.elapsed().as_secs_f64();
    let still = open.still_open();
    ensure!(
        still == settings.streams as usize,
        "only {still} of {} streams are still open",
        settings.streams
    );
    let later = resident_mib(id)?;
    let beside = calls(&loader, &gateway, settings.calls).await?;
    drop(open);
    let files = parted(id, before.1).await?;
    let at_once = resident_mib(id)?;
    tokio::time::sleep(GIVING_BACK).await;
    let given_back = resident_mib(id)?;
    // The rest is given back by those who allocate.
    calls(&loader, &gateway, settings.calls).await?;
    let after_calls = resident_mib(id)?;

    println!(
        "{:>8} streams: {:.1} KiB each when opened, {:.1} after {} s; {:.2} % of a core while idle",
        settings.streams,
        each(held - before.0, settings.streams),
        each(later - before.0, settings.streams),
        settings.seconds,
        busy * 100.0
    );
    println!(
        "         other calls at c{CONNECTIONS}: p50 {:.0} -> {:.0} µs, p99 {:.0} -> {:.0} µs",
        alone.p50_us, beside.p50_us, alone.p99_us, beside.p99_us
    );
    println!(
        "         after all left: {} -> {files} open files, {:.1} -> {at_once:.1} MiB resident at once, \
         {given_back:.1} after {} s, {after_calls:.1} after {} calls",
        before.1,
        before.0,
        GIVING_BACK.as_secs(),
        settings.calls
    );
    gateway.still_there().await
}

fn each(mebibytes: f64, streams: u32) -> f64 {
    mebibytes * 1024.0 / f64::from(streams.max(1))
}

async fn calls(loader: &Loader, gateway: &Service, requests: u64) -> anyhow::Result<Outcome> {
    let load = Load {
        port: gateway.port,
        work: Work::Named,
        connections: CONNECTIONS,
        requests,
        credential: KEY.to_owned(),
    };
    loader.load(&load).await
}

/// How many files are open once everybody has left, or when patience ends.
async fn parted(id: u32, before: usize) -> anyhow::Result<usize> {
    let begun = now();
    loop {
        let files = open_files(id)?;
        if files <= before || begun.elapsed() > PARTING {
            return Ok(files);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
