//! `portcullis demo`: a gateway, a mock server behind it, and what happens between them.

pub mod mcp;
pub mod narration;
mod paste;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;
use url::Url;

use super::client::GatewayClient;
use super::exit::{CommandError, Exit};
use super::output::Output;
use crate::lifecycle::Lifecycle;
use crate::mock::{self, Settings};
use crate::wire;

/// Options of `demo`.
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// The gateway's port; 0 takes a free one
    #[arg(long, short, value_name = "PORT", default_value_t = 4000)]
    pub port: u16,
    /// The mock server's port; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = mock::PORT)]
    pub mock_port: u16,
    /// End after the run instead of going on to serve: 0 if everything went as it should, else 1
    #[arg(long)]
    pub once: bool,
}

pub(super) async fn run(args: &DemoArgs, out: &mut Output) -> Result<Exit, CommandError> {
    let (lifecycle, _reloads) = Lifecycle::start().context("cannot handle signals")?;
    let listener = TcpListener::bind(("127.0.0.1", args.mock_port))
        .await
        .with_context(|| format!("cannot listen on port {}", args.mock_port))?;
    let address = listener.local_addr().context("cannot use the socket")?;
    let mock = format!("http://{address}");
    let serving = mock::serve(listener, Settings::default(), lifecycle.stop.clone());
    lifecycle.tasks.spawn(async move {
        if let Err(error) = serving.await {
            tracing::error!(%error, "the mock server ended");
        }
    });

    let told = Box::pin(tell(args, out, &mock, &lifecycle)).await;
    if told.is_err() || args.once {
        lifecycle.stop.soft.cancel();
    } else {
        out.line("\nstill serving; Ctrl-C ends it")?;
        lifecycle.stop.soft.cancelled().await;
    }
    lifecycle.finish().await;
    told
}

async fn tell(
    args: &DemoArgs,
    out: &mut Output,
    mock: &str,
    lifecycle: &Lifecycle,
) -> Result<Exit, CommandError> {
    let gateway = Box::pin(wire::demo_gateway(mock, args.port, lifecycle)).await?;
    let http = wire::http_client()?;
    let mock = Url::parse(mock).map_err(anyhow::Error::new)?;
    let parts = narration::Parts {
        admin: GatewayClient::new(
            http.clone(),
            gateway.url.clone(),
            Some(gateway.admin),
            false,
        )?,
        caller: GatewayClient::new(
            http.clone(),
            gateway.url.clone(),
            Some(gateway.caller.clone()),
            false,
        )?,
        mock: GatewayClient::new(http, mock, None, false)?,
    };
    let exit = narration::run(&parts, out).await?;
    paste::print(out, parts.caller.base(), &gateway.caller)?;
    Ok(exit)
}
