//! MCP servers that others wrote, and the gateway in front of all of them.

use std::path::PathBuf;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Gateway, Judges, KEY, Process, free_port, workspace};

/// Servers in the makers' own package and on their SDKs, over each transport that they have.
#[derive(Debug)]
pub struct ForeignServers {
    gateway: Gateway,
    names: Vec<String>,
    _processes: Vec<Process>,
    _folder: TempDir,
}

impl ForeignServers {
    /// Starts all of them and waits until they answer.
    pub async fn start(judges: &Judges) -> anyhow::Result<Self> {
        let folder = TempDir::new()?;
        let mut processes = Vec::new();
        let mut entries = serde_json::Map::new();
        let own = |name: &str| workspace().join("tests/e2e/servers").join(name);
        let everything = judges
            .folder()
            .join("node_modules/@modelcontextprotocol/server-everything/dist/index.js");
        let (node, python) = (judges.node().to_owned(), judges.python());
        for (name, program, script, transport, path) in [
            (
                "everything_http",
                &node,
                &everything,
                "streamableHttp",
                "/mcp",
            ),
            ("everything_sse", &node, &everything, "sse", "/sse"),
            (
                "python_http",
                &python,
                &own("python.py"),
                "streamable-http",
                "/mcp",
            ),
            ("python_sse", &python, &own("python.py"), "sse", "/sse"),
        ] {
            let port = free_port().await?;
            let said = port.to_string();
            let arguments = [script.as_os_str(), transport.as_ref(), said.as_ref()];
            let environment = [("PORT", said.as_str())];
            let place = folder.path().join(name);
            std::fs::create_dir(&place)?;
            let mut process = Process::start_alone(program, &arguments, &place, &environment)?;
            process.answers(port, path).await?;
            processes.push(process);
            let kind = if path == "/sse" { "sse" } else { "http" };
            let url = format!("http://127.0.0.1:{port}{path}");
            entries.insert(name.to_owned(), json!({"url": url, "transport": kind}));
        }
        for (name, program, script, argument) in [
            ("everything_stdio", &node, &everything, "stdio"),
            ("python_stdio", &python, &own("python.py"), "stdio"),
            ("typescript_both", &node, &own("typescript.mjs"), "serve"),
            ("typescript_modern", &node, &own("typescript.mjs"), "reject"),
        ] {
            let entry = json!({"transport": "stdio", "command": program, "cwd": judges.folder(),
                "args": [script, argument]});
            entries.insert(name.to_owned(), entry);
        }
        for entry in entries.values_mut().filter_map(Value::as_object_mut) {
            for right in ["allow_all_keys", "allow_sampling", "allow_elicitation"] {
                entry.insert(right.to_owned(), json!(true));
            }
        }
        let names = entries.keys().cloned().collect();
        let commands: [&PathBuf; 2] = [&node, &python];
        let configuration = json!({"mcp_servers": entries,
            "general_settings": {"allow_stdio": true, "stdio_commands": commands}});
        Ok(Self {
            gateway: Gateway::start(configuration).await?,
            names,
            _processes: processes,
            _folder: folder,
        })
    }

    /// What the gateway calls them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The endpoint of one.
    pub fn endpoint(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/mcp/{name}", self.gateway.port())
    }

    /// The key that opens all.
    pub fn key(&self) -> &'static str {
        KEY
    }

    /// Everything that the gateway said.
    pub fn said(&self) -> String {
        self.gateway.process().said()
    }
}
