//! The orchestrator: starts mock, floor and gateway, sends the load, reads the processes.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::{
    http::{KEY, TOKEN},
    load::Settings as Load,
    loader::Loader,
    process_facts::resident_mib,
    report::{Report, Row},
    services::{Service, can_pin, counts, start_gateway},
    streams,
    work::Work,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Folder of the programs.
    #[arg(long)]
    binaries: PathBuf,
    /// A few hundred requests, for correctness only.
    #[arg(long)]
    smoke: bool,
    /// Requests for each row and way.
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    /// Where to write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let pinned = can_pin().await;
    let mut mock = Service::mock(pinned, 1).await?;
    let mut floor = Service::floor(pinned, mock.port).await?;
    let (mut gateway, start) = start_gateway(&settings.binaries, pinned, mock.port, 1).await?;
    let resident_idle_mib = resident_mib(gateway.id()?)?;

    let (rows, connections) = if settings.smoke {
        (64, vec![1, 16])
    } else {
        (settings.requests, vec![1, 16, 64])
    };
    let bench = Bench {
        loader: Loader::new(pinned)?,
        requests: rows,
    };
    let mut report = Report {
        rows: Vec::new(),
        start_to_first_answer_ms: start.as_secs_f64() * 1e3,
        resident_idle_mib,
        resident_after_mib: 0.0,
        kib_per_idle_stream: 0.0,
        pinned,
    };
    for work in Work::GATEWAY {
        for &connections in &connections {
            println!("    {} with {connections} connections", work.name());
            let row = bench.row(work, connections, &mock, &floor, &gateway).await;
            report.rows.push(row.with_context(|| gateway.said())?);
        }
    }
    report.resident_after_mib = resident_mib(gateway.id()?)?;
    report.kib_per_idle_stream = streams::kib_per_idle_stream(&gateway).await?;
    let counts = counts(mock.port).await?;
    ensure!(
        counts.get("wrong") == Some(&json!(0)),
        "requests without the right token: {counts}"
    );
    for service in [&mut mock, &mut floor, &mut gateway] {
        service.still_there().await?;
    }
    if settings.smoke {
        println!("    every answer carried its number, every request its token: {counts}");
    } else {
        report.print();
    }
    if let Some(path) = &settings.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}

struct Bench {
    loader: Loader,
    requests: u64,
}

impl Bench {
    async fn row(
        &self,
        work: Work,
        connections: u64,
        mock: &Service,
        floor: &Service,
        gateway: &Service,
    ) -> anyhow::Result<Row> {
        let load = |port, work, credential: &str| Load {
            port,
            work,
            connections,
            requests: self.requests,
            credential: credential.to_owned(),
        };
        let direct = self
            .loader
            .load(&load(mock.port, work.plain(), TOKEN))
            .await?;
        let (floor, floor_cpu_us) = self
            .loader
            .measured(&load(floor.port, work.plain(), KEY), floor.id()?)
            .await?;
        let (gateway, gateway_cpu_us) = self
            .loader
            .measured(&load(gateway.port, work, KEY), gateway.id()?)
            .await?;
        let work = work.name();
        Ok(Row {
            work,
            connections,
            direct,
            floor,
            floor_cpu_us,
            gateway,
            gateway_cpu_us,
        })
    }
}
