//! `portcullis pins` beside a running gateway.

use std::path::Path;

use portcullis_testkit::gateway::{Finished, run};

use super::support::{Door, HIDDEN, OTHER, Stage};

const PORTCULLIS: &str = env!("CARGO_BIN_EXE_portcullis");

fn pins(stage: &Stage, folder: &Path, args: &[&str]) -> Finished {
    let url = format!("http://{}", stage.gateway.address());
    let mut line = vec!["pins"];
    line.extend(args);
    line.extend(["--url", &url]);
    let env = [("PORTCULLIS_API_KEY", stage.admin.credential())];
    run(PORTCULLIS, folder, &line, &env)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_changed_is_read_and_approved_from_the_command_line() {
    let stage = Stage::new("block").await;
    let folder = tempfile::tempdir().unwrap();
    let pins = |args: &[&str]| pins(&stage, folder.path(), args);
    assert!(Door::Session.lists(&stage.alice, "echo").await);
    let none = pins(&["list"]);
    assert_eq!(none.code, Some(0), "{none:?}");
    assert!(
        none.stdout.contains("every tool is what is pinned"),
        "{none:?}"
    );
    stage.becomes(&[HIDDEN, OTHER]).await;
    let pin = stage.is_seen_as("echo", "changed").await;
    let hash = pin["seen_hash"].as_str().unwrap();
    let listed = pins(&["list", "a"]);
    assert!(
        listed.stdout.contains("echo") && !listed.stdout.contains("other"),
        "{listed:?}"
    );
    let shown = pins(&["show", "a", "echo"]);
    for line in [
        "/inputSchema/x-hidden/max changed",
        "- 123456789012345678901234567890",
        "+ 123456789012345678901234567891",
        &format!("pins approve a echo --hash {hash}"),
    ] {
        assert!(shown.stdout.contains(line), "{line}: {shown:?}");
    }
    let unsaid = pins(&["approve", "a", "echo"]);
    assert_ne!(unsaid.code, Some(0), "{unsaid:?}");
    let wrong = pins(&["approve", "a", "echo", "--hash", "00"]);
    assert_ne!(wrong.code, Some(0), "{wrong:?}");
    Door::Rest.refuses(&stage.alice, "echo").await;
    let approved = pins(&["approve", "a", "echo", "--hash", hash]);
    assert_eq!(approved.code, Some(0), "{approved:?}");
    assert!(Door::Rest.calls(&stage.alice, "echo").await);
    let again = pins(&["approve", "a", "--all"]);
    assert!(again.stdout.contains("nothing waits"), "{again:?}");
    let forgotten = pins(&["forget", "a", "echo", "--output", "json"]);
    assert_eq!(forgotten.json()["tool"], "echo", "{forgotten:?}");
}
