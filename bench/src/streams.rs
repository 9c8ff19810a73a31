//! What an open stream that says nothing costs in memory.

use anyhow::{Context, ensure};

use crate::{
    keys::make_keys,
    load::{Caller, Settings as Load},
    process_facts::resident_mib,
    services::Service,
    work::Work,
};

/// One caller may hold 256 streams.
const CALLERS: u32 = 3;
const STREAMS_EACH: u32 = 200;

/// Resident kibibytes of the gateway for each idle stream in a session on the aggregate endpoint,
/// its connection, session and keep-alive included.
pub(crate) async fn kib_per_idle_stream(gateway: &Service) -> anyhow::Result<f64> {
    let mut keys = Vec::new();
    for _ in 0..CALLERS {
        keys.push(make_keys(gateway.port, 1).await?);
    }
    let before = resident_mib(gateway.id()?)?;
    let mut open = Vec::new();
    for credential in keys {
        let load = Load {
            port: gateway.port,
            work: Work::Aggregate,
            connections: 1,
            requests: 1,
            credential,
        };
        for _ in 0..STREAMS_EACH {
            let mut caller = Caller::connect(&load).await?;
            let answer = caller.listen().await?;
            ensure!(answer.status().is_success(), "{}", answer.status());
            open.push((caller, answer));
        }
    }
    let after = resident_mib(gateway.id()?)?;
    let held = u32::try_from(open.len()).context("too many streams")?;
    Ok((after - before) * 1024.0 / f64::from(held))
}
