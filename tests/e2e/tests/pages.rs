//! The pages in a real browser: by keyboard alone, in light and dark, with axe. What they look like is
//! left in the build folder, in `pages`.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use std::path::PathBuf;
use std::process::Stdio;

use portcullis_e2e::{
    Fixture, Gateway, Issuer, Judges, KEY, Protected, binary, browser, free_port, workspace,
};
use serde_json::{Value, json};
use tokio::process::Command;

/// Beside the programs, so that nobody has to look for them.
fn pictures() -> PathBuf {
    let programs = binary("portcullis").unwrap();
    let folder = programs.parent().unwrap().join("pages");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

async fn tell(story: &str, gateway: &Gateway, provider: Option<String>) {
    let judges = Judges::ready().unwrap();
    let details = json!({"key": KEY, "provider": provider});
    let script = workspace().join("tests/e2e/pages/stories.mjs");
    let run = Command::new(judges.node())
        .arg(script)
        .arg(story)
        .arg(browser().unwrap())
        .arg(pictures())
        .arg(gateway.endpoint(""))
        .arg(details.to_string())
        .current_dir(judges.folder())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = run.await.unwrap();
    assert!(
        output.status.success(),
        "{story}:\n{}{}\nthe gateway said:\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        gateway.process().said()
    );
}

fn servers(fixture: &Fixture) -> Value {
    json!({"conf": {
        "url": format!("http://127.0.0.1:{}/mcp", fixture.port()),
        "allow_all_keys": true,
    }})
}

async fn told(story: &str) {
    let fixture = Fixture::start().await.unwrap();
    let configuration = json!({"mcp_servers": servers(&fixture)});
    let gateway = Gateway::public(configuration).await.unwrap();
    tell(story, &gateway, None).await;
}

#[tokio::test]
async fn people_sign_in_with_a_key_and_out_again() {
    told("key").await;
}

#[tokio::test]
async fn people_let_a_program_act_for_them_and_take_it_back() {
    told("consent").await;
}

#[tokio::test]
async fn people_are_told_what_kind_of_stranger_asks() {
    told("strangers").await;
}

#[tokio::test]
async fn people_are_told_what_went_wrong() {
    told("trouble").await;
}

#[tokio::test]
async fn people_sign_in_with_a_provider() {
    let judges = Judges::ready().unwrap();
    let fixture = Fixture::start().await.unwrap();
    let ports = (free_port().await.unwrap(), free_port().await.unwrap());
    let origin = format!("http://localhost:{}", ports.0);
    let provider = Issuer::of_people(&judges, ports.1, &origin).await.unwrap();
    let configuration = json!({
        "mcp_servers": servers(&fixture),
        "identity": {"login": {
            "issuer": provider.url(),
            "name": "Example",
            "client_id": "portcullis",
            "client_secret": "the-secret-of-portcullis",
            "all_servers": true,
        }},
    });
    let gateway = Gateway::public_at(ports.0, configuration).await.unwrap();
    tell("provider", &gateway, Some(provider.url())).await;
}

#[tokio::test]
async fn people_connect_their_accounts() {
    let judges = Judges::ready().unwrap();
    let ports = (free_port().await.unwrap(), free_port().await.unwrap());
    let origin = format!("http://localhost:{}", ports.0);
    let provider = Issuer::of_people(&judges, ports.1, &origin).await.unwrap();
    let people = Protected::start(&judges, &provider).await.unwrap();
    let configuration = json!({"mcp_servers": {"people": {
        "url": people.url(),
        "description": "Knows who calls.",
        "auth_type": "oauth2",
        "allow_all_keys": true,
    }}});
    let gateway = Gateway::public_at(ports.0, configuration).await.unwrap();
    tell("connect", &gateway, Some(provider.url())).await;
}
