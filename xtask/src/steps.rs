//! The verbs that are sequences of other programs, and the one that runs them all.

use std::{process::Command, time::Instant};

use anyhow::bail;

use crate::{
    command::{binaries, build_everything, cargo, cargo_with, in_ci, root, run, target, works},
    conformance,
    postgres::{Own, Postgres},
    redis::Redis,
    tidy,
};

pub(crate) fn demo(arguments: &[String]) -> anyhow::Result<()> {
    run(&mut cargo_with(&["build", "-p", "portcullis-gateway"]))?;
    run(Command::new(binaries(false).join("portcullis"))
        .arg("demo")
        .args(arguments))
}

pub(crate) fn lint() -> anyhow::Result<()> {
    format()?;
    clippy()?;
    tidy::run()?;
    deny()
}

fn format() -> anyhow::Result<()> {
    run(&mut cargo_with(&["fmt", "--all", "--check"]))
}

fn clippy() -> anyhow::Result<()> {
    run(&mut cargo_with(&[
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Licences and sources. Bans are checked by `tidy` as well, which needs no extra tool.
fn deny() -> anyhow::Result<()> {
    if works(cargo().args(["deny", "--version"])) {
        return run(&mut cargo_with(&[
            "deny", "check", "bans", "licenses", "sources",
        ]));
    }
    if in_ci() {
        bail!("cargo-deny is not installed: run `.ci/run`, which installs it");
    }
    println!(
        "    cargo-deny is not installed: licences and sources stay unchecked, tidy has checked the bans"
    );
    Ok(())
}

/// Writes generated files, or says which differ.
pub(crate) fn generate(check: bool) -> anyhow::Result<()> {
    let whole = |text: &str| format!("{}\n", text.trim_end());
    let files = [
        (
            "schema/config.json",
            whole(&portcullis_config::schema_json()),
        ),
        (
            "docs/reference/config.md",
            whole(&portcullis_config::reference_markdown()),
        ),
        (
            "docs/reference/eras.md",
            whole(&portcullis_eras::matrix::page()),
        ),
        (
            "docs/reference/openapi.json",
            whole(portcullis_server::openapi_json()),
        ),
    ];
    for (name, wanted) in files {
        let path = root().join(name);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == wanted) {
            continue;
        }
        if check {
            bail!("{name} is out of date: run `cargo xtask gen` and commit the result");
        }
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, wanted)?;
        println!("    wrote {name}");
    }
    Ok(())
}

fn tests() -> anyhow::Result<()> {
    let postgres = Postgres::find()?;
    let redis = Redis::find()?;
    let profile = if in_ci() { "ci" } else { "default" };
    let arguments: &[&str] = if works(cargo().args(["nextest", "--version"])) {
        &[
            "nextest",
            "run",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--profile",
            profile,
        ]
    } else {
        &[
            "test",
            "--workspace",
            "--all-targets",
            "--locked",
            "--no-fail-fast",
        ]
    };
    let tested = run(redis.tell(postgres.tell(&mut cargo_with(arguments))));
    let ended = postgres.end().and(redis.end());
    tested.and(ended)
}

fn doc_tests() -> anyhow::Result<()> {
    run(&mut cargo_with(&[
        "test",
        "--workspace",
        "--doc",
        "--locked",
        "--no-fail-fast",
    ]))
}

/// The fuzz package is no member of the workspace, but shares its folder and profile: most
/// dependencies are built already.
pub(crate) fn fuzz_smoke() -> anyhow::Result<()> {
    let mut command = cargo_with(&["test", "--manifest-path", "fuzz/Cargo.toml"]);
    run(command.arg("--target-dir").arg(target()))
}

/// What the benchmark looks at.
#[derive(Clone, Copy)]
pub(crate) enum Measured {
    /// Calls, against direct ones and a floor.
    Calls,
    /// Calls of a gateway that knows little, and of one that knows much.
    Growth,
    /// Streams that say nothing.
    Streams,
    /// Replicas while what they stand on fails.
    Chaos,
}

impl Measured {
    const fn role(self) -> &'static str {
        match self {
            Self::Calls => "run",
            Self::Growth => "growth",
            Self::Streams => "streams",
            Self::Chaos => "chaos",
        }
    }
}

pub(crate) fn bench(what: Measured, arguments: &[String]) -> anyhow::Result<()> {
    let packages = ["--package=portcullis-gateway", "--package=portcullis-bench"];
    run(cargo_with(&["build", "--release", "--locked"]).args(packages))?;
    match what {
        Measured::Chaos => chaos(true, arguments),
        _ => run(benchmark(true, what).args(arguments)),
    }
}

/// On a database server of its own: it is held up.
fn chaos(release: bool, arguments: &[String]) -> anyhow::Result<()> {
    let database = Own::start()?;
    let mut command = benchmark(release, Measured::Chaos);
    command.args(["--database-url", database.url()]);
    let outcome = database
        .id()
        .and_then(|id| run(command.args(["--database-pid", &id]).args(arguments)));
    database.stop()?;
    outcome
}

/// The harness with the development build and little work: whether every answer is right.
pub(crate) fn bench_smoke() -> anyhow::Result<()> {
    build_everything()?;
    run(benchmark(false, Measured::Calls).arg("--smoke"))?;
    run(benchmark(false, Measured::Growth).args(["--servers=4", "--keys=20", "--requests=64"]))?;
    let few = ["--streams=40", "--seconds=1", "--calls=64"];
    run(benchmark(false, Measured::Streams).args(few))?;
    run(benchmark(false, Measured::Streams)
        .args(few)
        .arg("--stateless"))
}

fn benchmark(release: bool, what: Measured) -> Command {
    let folder = binaries(release);
    let mut command = Command::new(folder.join("portcullis-bench"));
    command.arg(what.role()).arg("--binaries").arg(folder);
    command
}

type Step = (&'static str, fn() -> anyhow::Result<()>);

const STEPS: &[Step] = &[
    ("format", format),
    ("build", build_everything),
    ("clippy", clippy),
    ("tidy", tidy::run),
    ("licences and sources", deny),
    ("generated files", || generate(true)),
    ("tests, official clients included", tests),
    ("doc tests", doc_tests),
    ("conformance", || conformance::run(false, false)),
    ("fuzz smoke", fuzz_smoke),
    ("bench smoke", bench_smoke),
];

/// Everything. Each step runs even when an earlier one failed: one run shows all that is wrong.
pub(crate) fn test() -> anyhow::Result<()> {
    require_tools()?;
    let mut failed = Vec::new();
    for (number, (name, step)) in STEPS.iter().enumerate() {
        println!("[{}/{}] {name}", number + 1, STEPS.len());
        #[expect(
            clippy::disallowed_methods,
            reason = "how long a step took, for people"
        )]
        let started = Instant::now();
        let outcome = step();
        let seconds = started.elapsed().as_secs();
        match outcome {
            Ok(()) => println!(
                "[{}/{}] {name}: passed in {seconds} s",
                number + 1,
                STEPS.len()
            ),
            Err(error) => {
                println!(
                    "[{}/{}] {name}: FAILED in {seconds} s: {error:#}",
                    number + 1,
                    STEPS.len()
                );
                failed.push(*name);
            }
        }
    }
    for name in &failed {
        println!("failed: {name}");
    }
    println!(
        "{} passed, {} failed",
        STEPS.len() - failed.len(),
        failed.len()
    );
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("not everything passed")
    }
}

/// Says at the start, not after twenty minutes, that a judge cannot be installed.
fn require_tools() -> anyhow::Result<()> {
    let browser = portcullis_e2e::browser().is_err().then_some("chromium");
    let missing: Vec<&str> = ["npm", "python3", "git"]
        .into_iter()
        .filter(|tool| !works(Command::new(tool).arg("--version")))
        .chain(browser)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let rule = if in_ci() {
        "in CI nothing is skipped"
    } else {
        "the official judges need them"
    };
    bail!("missing: {} ({rule})", missing.join(", "))
}
