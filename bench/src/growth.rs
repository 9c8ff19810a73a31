//! Whether a call costs the same however much the gateway knows.

use std::path::PathBuf;

use anyhow::{Context, ensure};
use http_body_util::{BodyExt, Full};
use hyper::{Request, header};
use serde_json::Value;

use crate::{
    http::connect,
    keys::make_keys,
    load::Settings as Load,
    loader::Loader,
    process_facts::resident_mib,
    services::{Service, can_pin, counts, start_gateway},
    work::Work,
};

/// Turns of one and the other, so that a slow minute of the machine meets both.
const ROUNDS: usize = 5;
const CONNECTIONS: u64 = 16;

#[derive(Debug, clap::Args)]
pub(crate) struct Settings {
    /// Folder of the programs.
    #[arg(long)]
    binaries: PathBuf,
    /// Requests for each work and round.
    #[arg(long, default_value_t = 20_000)]
    requests: u64,
    #[arg(long, default_value_t = 1000)]
    servers: usize,
    /// Tools of each server.
    #[arg(long, default_value_t = 10)]
    tools: usize,
    /// Keys in the store.
    #[arg(long, default_value_t = 100_000)]
    keys: usize,
}

pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let pinned = can_pin().await;
    let loader = Loader::new(pinned)?;
    let small = Side::start(settings, pinned, 1, 1, 1).await?;
    let large = Side::start(
        settings,
        pinned,
        settings.servers,
        settings.tools,
        settings.keys,
    )
    .await?;
    println!(
        "{:24} {:>12} {:>12} {:>8}   CPU µs per call, median of {ROUNDS}",
        "work", small.name, large.name, "ratio"
    );
    for work in Work::GATEWAY {
        let (mut few, mut many) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            few.push(small.cost(&loader, work, settings.requests).await?);
            many.push(large.cost(&loader, work, settings.requests).await?);
        }
        let (few, many) = (median(few), median(many));
        println!(
            "{:24} {few:>12.1} {many:>12.1} {:>8.2}",
            work.name(),
            many / few
        );
    }
    for side in [small, large] {
        side.end().await?;
    }
    Ok(())
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// A gateway with a mock of its own.
struct Side {
    name: String,
    mock: Service,
    gateway: Service,
    /// The last of its keys.
    key: String,
}

impl Side {
    async fn start(
        settings: &Settings,
        pinned: bool,
        servers: usize,
        tools: usize,
        keys: usize,
    ) -> anyhow::Result<Self> {
        let name = format!("{servers}/{}/{keys}", servers * tools);
        println!("servers/tools/keys {name}: starting");
        let mock = Service::mock(pinned, tools).await?;
        let (gateway, _) = start_gateway(&settings.binaries, pinned, mock.port, servers).await?;
        let key = make_keys(gateway.port, keys)
            .await
            .with_context(|| gateway.said())?;
        let listed = list_tools(gateway.port, &key).await?;
        ensure!(listed == servers * tools, "only {listed} tools are listed");
        println!(
            "    {listed} tools listed, {:.1} MiB resident",
            resident_mib(gateway.id()?)?
        );
        Ok(Self {
            name,
            mock,
            gateway,
            key,
        })
    }

    async fn cost(&self, loader: &Loader, work: Work, requests: u64) -> anyhow::Result<f64> {
        let load = Load {
            port: self.gateway.port,
            work,
            connections: CONNECTIONS,
            requests,
            credential: self.key.clone(),
        };
        let (_, each) = loader.measured(&load, self.gateway.id()?).await?;
        Ok(each)
    }

    async fn end(mut self) -> anyhow::Result<()> {
        let counts = counts(self.mock.port).await?;
        ensure!(counts.get("wrong") == Some(&0.into()), "{counts}");
        self.gateway.still_there().await
    }
}

/// How many tools the key sees.
async fn list_tools(port: u16, key: &str) -> anyhow::Result<usize> {
    let (mut sender, _driving) = connect(port).await?;
    let request = Request::builder()
        .uri("/mcp-rest/tools/list")
        .header(header::HOST, format!("127.0.0.1:{port}"))
        .header(header::AUTHORIZATION, format!("Bearer {key}"))
        .body(Full::default())?;
    let answer = sender.send_request(request).await?;
    let body = answer.into_body().collect().await?.to_bytes();
    let body: Value = serde_json::from_slice(&body)?;
    let tools = body.get("tools").and_then(Value::as_array);
    Ok(tools.context("no list of tools")?.len())
}
