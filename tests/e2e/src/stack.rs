//! The fixture, the gateway in front of it, and how to reach both.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Gateway, KEY, KeyProxy, Process, binary, free_port};

/// The conformance fixture on a free port.
#[derive(Debug)]
pub struct Fixture {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl Fixture {
    /// Starts it and waits until it answers.
    pub async fn start() -> anyhow::Result<Self> {
        Self::showing("both").await
    }

    /// The same with one of its eras alone: `legacy` or `modern`.
    pub async fn showing(era: &str) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let port = free_port().await?;
        let arguments = ["--port", &port.to_string(), "--era", era].map(str::to_owned);
        let mut process =
            Process::start(&binary("conformance-fixture")?, &arguments, folder.path())?;
        process.ready(port, "/health").await?;
        Ok(Self {
            port,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// A gateway whose only server, `conf`, is a fixture.
#[derive(Debug)]
pub struct Stack {
    gateway: Gateway,
    fixture: Fixture,
    recorder: Option<KeyProxy>,
}

impl Stack {
    /// Starts fixture and gateway and waits until both answer.
    pub async fn start() -> anyhow::Result<Self> {
        let fixture = Fixture::start().await?;
        let gateway = Gateway::start(configuration(fixture.port(), &json!([]))).await?;
        Ok(Self {
            gateway,
            fixture,
            recorder: None,
        })
    }

    /// The same with a fixture of these eras, whose names carry no prefix on the aggregate endpoint.
    pub async fn bare(era: &str) -> anyhow::Result<Self> {
        let fixture = Fixture::showing(era).await?;
        let mut configuration = configuration(fixture.port(), &json!([]));
        if let Some(server) = configuration.pointer_mut("/mcp_servers/conf") {
            server["alias"] = json!("");
        }
        let gateway = Gateway::start(configuration).await?;
        Ok(Self {
            gateway,
            fixture,
            recorder: None,
        })
    }

    /// The same with a gateway that signs by this algorithm, and somebody between it and the fixture
    /// who writes down what it presents.
    pub async fn signing(algorithm: &str) -> anyhow::Result<Self> {
        let fixture = Fixture::start().await?;
        let recorder = KeyProxy::recording(fixture.port(), "/mcp").await?;
        let guardrails = json!([{
            "guardrail_name": "mcp-jwt-signer",
            "litellm_params": {
                "guardrail": "mcp_jwt_signer",
                "mode": "pre_mcp_call",
                "default_on": true,
                "algorithm": algorithm,
            },
        }]);
        let gateway = Gateway::start(configuration(recorder.port(), &guardrails)).await?;
        Ok(Self {
            gateway,
            fixture,
            recorder: Some(recorder),
        })
    }

    /// Where the gateway listens.
    pub fn port(&self) -> u16 {
        self.gateway.port()
    }

    /// The gateway's process.
    pub fn gateway(&self) -> &Process {
        self.gateway.process()
    }

    /// The server behind it.
    pub fn fixture(&self) -> &Fixture {
        &self.fixture
    }

    /// Every bearer token that the gateway presented, where somebody writes them down.
    pub fn bearers(&self) -> Vec<String> {
        self.recorder
            .as_ref()
            .map_or_else(Vec::new, KeyProxy::bearers)
    }

    /// The key that opens it.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// A URL of the gateway.
    pub fn endpoint(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port())
    }
}

fn configuration(fixture: u16, guardrails: &Value) -> Value {
    json!({
        "guardrails": guardrails,
        "mcp_servers": {"conf": {
            "url": format!("http://127.0.0.1:{fixture}/mcp"),
            "transport": "http",
            "allow_all_keys": true,
            "allow_sampling": true,
            "allow_elicitation": true,
        }},
    })
}
