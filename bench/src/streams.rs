//! What an open stream that says nothing costs in memory.

use anyhow::ensure;
use hyper::{Response, body::Incoming};

use crate::{
    keys::make_keys,
    load::{Caller, Settings as Load},
    process_facts::resident_mib,
    services::Service,
    work::Work,
};

/// How many make up the row of the ordinary run.
const STREAMS: u32 = 600;
/// One caller may hold 256.
const STREAMS_EACH: u32 = 200;

/// Resident kibibytes of the gateway for each idle stream in a session on the aggregate endpoint,
/// its connection, session and keep-alive included.
pub(crate) async fn kib_per_idle_stream(gateway: &Service) -> anyhow::Result<f64> {
    let id = gateway.id()?;
    let before = resident_mib(id)?;
    let _open = open_streams(gateway, STREAMS, Work::Aggregate).await?;
    let after = resident_mib(id)?;
    Ok((after - before) * 1024.0 / f64::from(STREAMS))
}

/// Streams that stay open until this is dropped.
pub(crate) struct OpenStreams(Vec<(Caller, Response<Incoming>)>);

impl OpenStreams {
    /// How many of their connections still stand.
    pub(crate) fn still_open(&self) -> usize {
        self.0.iter().filter(|(caller, _)| caller.is_open()).count()
    }
}

/// Opens so many of one kind, with as many keys as that takes.
pub(crate) async fn open_streams(
    gateway: &Service,
    count: u32,
    work: Work,
) -> anyhow::Result<OpenStreams> {
    let mut open = Vec::new();
    let mut credential = String::new();
    for number in 0..count {
        if number % STREAMS_EACH == 0 {
            credential = make_keys(gateway.port, 1).await?;
        }
        let load = Load {
            port: gateway.port,
            work,
            connections: 1,
            requests: 1,
            credential: credential.clone(),
        };
        let mut caller = Caller::connect(&load).await?;
        let answer = caller.listen().await?;
        ensure!(answer.status().is_success(), "{}", answer.status());
        open.push((caller, answer));
    }
    Ok(OpenStreams(open))
}
