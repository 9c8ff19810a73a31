//! People of either era arrive with the official clients at servers of one era alone.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use portcullis_e2e::{Driver, Judges, Stack, Target};

const MODES: [&str; 2] = ["legacy", "2026-07-28"];

/// Either era's client at the server's own endpoint and on the aggregate, where its names stay as they
/// are; all failures at once.
async fn visit(driver: Driver, era: &str) {
    let judges = Judges::ready().unwrap();
    let stack = Stack::bare(era).await.unwrap();
    let mut failures = Vec::new();
    for path in ["/mcp/conf", "/mcp"] {
        for mode in MODES {
            let target = Target {
                url: &stack.endpoint(path),
                key: stack.key(),
                prefix: "",
                mode,
            };
            if let Err(error) = driver.run(&judges, target).await {
                failures.push(format!("{path} {mode}: {error:#}"));
            }
        }
    }
    assert!(
        failures.is_empty(),
        "{}\nthe gateway said:\n{}",
        failures.join("\n"),
        stack.gateway().said()
    );
}

#[tokio::test]
async fn the_python_client_of_either_era_finds_everything_of_a_server_of_sessions() {
    visit(Driver::Python, "legacy").await;
}

#[tokio::test]
async fn the_python_client_of_either_era_finds_everything_of_a_stateless_server() {
    visit(Driver::Python, "modern").await;
}

#[tokio::test]
async fn the_typescript_client_of_either_era_finds_everything_of_a_server_of_sessions() {
    visit(Driver::TypeScript, "legacy").await;
}

#[tokio::test]
async fn the_typescript_client_of_either_era_finds_everything_of_a_stateless_server() {
    visit(Driver::TypeScript, "modern").await;
}
