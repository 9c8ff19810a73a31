//! People arrive with the official Python and TypeScript clients, in both eras, at every endpoint.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use portcullis_e2e::{Driver, Fixture, Judges, Stack, Target};

/// Endpoints of the gateway with the prefix that names carry there.
const ENDPOINTS: [(&str, &str); 3] = [("/mcp/conf", ""), ("/conf/mcp", ""), ("/mcp", "conf-")];
const MODES: [&str; 2] = ["legacy", "2026-07-28"];

/// Every endpoint in every era; all failures at once.
async fn visit_everywhere(driver: Driver) {
    let judges = Judges::ready().unwrap();
    let stack = Stack::start().await.unwrap();
    let mut failures = Vec::new();
    for (path, prefix) in ENDPOINTS {
        for mode in MODES {
            let url = stack.endpoint(path);
            let target = Target {
                url: &url,
                key: stack.key(),
                prefix,
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

async fn visit_the_fixture(driver: Driver) {
    let judges = Judges::ready().unwrap();
    let fixture = Fixture::start().await.unwrap();
    let url = format!("http://127.0.0.1:{}/mcp", fixture.port());
    for mode in MODES {
        let target = Target {
            url: &url,
            key: "sk-none",
            prefix: "",
            mode,
        };
        driver.run(&judges, target).await.unwrap();
    }
}

#[tokio::test]
async fn the_python_client_finds_everything_at_every_endpoint() {
    visit_everywhere(Driver::Python).await;
}

#[tokio::test]
async fn the_typescript_client_finds_everything_at_every_endpoint() {
    visit_everywhere(Driver::TypeScript).await;
}

#[tokio::test]
async fn the_python_driver_is_content_with_the_fixture_itself() {
    visit_the_fixture(Driver::Python).await;
}

#[tokio::test]
async fn the_typescript_driver_is_content_with_the_fixture_itself() {
    visit_the_fixture(Driver::TypeScript).await;
}

#[tokio::test]
async fn a_driver_that_expects_what_is_not_there_fails() {
    let judges = Judges::ready().unwrap();
    let fixture = Fixture::start().await.unwrap();
    let url = format!("http://127.0.0.1:{}/mcp", fixture.port());
    for driver in [Driver::Python, Driver::TypeScript] {
        let target = Target {
            url: &url,
            key: "sk-none",
            prefix: "absent-",
            mode: "legacy",
        };
        let error = driver.run(&judges, target).await.unwrap_err();
        assert!(error.to_string().contains("is listed"), "{error}");
    }
}
