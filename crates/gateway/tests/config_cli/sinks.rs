//! The trail on its way to other machines.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use portcullis_testkit::upstream::{FakeUpstream, Recorded, Reply};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;

const SECRET: &str = "webhook-canary-9fQ2vT7mLzR4xK1p";

/// What the trail is brought by has no method.
const DELIVERY: &str = "RESPONSE";

fn served(folder: &Path) -> Process {
    let args = ["--config", "portcullis.yaml", "--port", "0"];
    Process::serve(PORTCULLIS, folder, &args, &[])
}

/// The lines of a request that was signed with the secret.
fn lines(delivered: &Recorded) -> Vec<Value> {
    let id = delivered.header("webhook-id").unwrap();
    let moment = delivered.header("webhook-timestamp").unwrap();
    let signed = format!("{id}.{moment}.{}", delivered.body);
    let signature = delivered.header("webhook-signature").unwrap();
    let signature = STANDARD.decode(signature.strip_prefix("v1,").unwrap());
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    hmac::verify(&key, signed.as_bytes(), &signature.unwrap()).unwrap();
    serde_json::from_str(&delivered.body).unwrap()
}

fn request_ids(lines: &[Value]) -> BTreeSet<String> {
    let ids = lines.iter().filter_map(|line| {
        let id = line["event"]["request_id"].as_str()?;
        Some(id.to_owned())
    });
    ids.collect()
}

/// LOG-09, R-14: a receiver that is down costs no answer, is told to operators, and gets everything later,
/// also what a killed process left behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_was_down_gets_the_events_of_a_gateway_that_was_killed() {
    let folder = folder();
    let mock = MockServer::start().await;
    let receiver = FakeUpstream::legacy().await;
    receiver.on(DELIVERY, |_| Reply::status(503).header("retry-after", "1"));
    let text = format!(
        "{}audit:\n  required: true\n  sinks:\n  - {{type: webhook, name: siem, url: \"{}\", secret: {SECRET}}}\n",
        keyed(&mock),
        receiver.url()
    );
    write(folder.path(), "portcullis.yaml", &text);
    let mut first = served(folder.path());
    receiver.arrived(DELIVERY, 1).await;
    let mut asked = BTreeSet::new();
    for _ in 0..5 {
        let called = first
            .ask_as(MASTER, Actor::echo_ask("canary-argument"))
            .await;
        assert_eq!(called.status, 200, "{called:?}");
        asked.insert(called.header("x-request-id").unwrap().to_owned());
    }
    let ready = async || Ask::get("/health/ready").send(first.address()).await.json();
    eventually("the failing copy is told", async || {
        ready().await["audit_copies"] == "failing"
    })
    .await;
    assert_eq!(ready().await["status"], "ready");
    // The last events are on their way to the disk: then the machine fails.
    let spool = folder.path().join("audit-spool/siem");
    eventually("everything waits on disk", async || {
        let names = std::fs::read_dir(&spool).unwrap();
        let texts = names.map(|name| std::fs::read_to_string(name.unwrap().path()));
        let text: String = texts.map(Result::unwrap_or_default).collect();
        asked.iter().all(|id| text.contains(id.as_str()))
    })
    .await;
    assert_eq!(mode(&spool), 0o700);
    first.signal("KILL");
    first.wait();
    assert!(!first.log().contains(SECRET));

    receiver.on(DELIVERY, |_| Reply::status(204));
    let mut second = served(folder.path());
    let delivered = || {
        let taken = receiver.seen(DELIVERY);
        taken.iter().flat_map(lines).collect::<Vec<Value>>()
    };
    eventually("what waited is delivered", async || {
        asked.is_subset(&request_ids(&delivered()))
    })
    .await;
    let called = second.ask_as(MASTER, Actor::echo_ask("hi")).await;
    let last = called.header("x-request-id").unwrap().to_owned();
    eventually("and so is what is new", async || {
        request_ids(&delivered()).contains(&last)
    })
    .await;
    second.end();
    // Each row has a place of its own, so that whoever gets one twice can tell.
    let all = delivered();
    let writers: BTreeSet<&str> = all
        .iter()
        .filter_map(|line| line["writer"].as_str())
        .collect();
    for writer in writers {
        let of_it = all.iter().filter(|line| line["writer"] == writer);
        let seqs: BTreeSet<u64> = of_it.map(|line| line["seq"].as_u64().unwrap()).collect();
        let whole: BTreeSet<u64> = (1..=seqs.len() as u64).collect();
        assert_eq!(seqs, whole, "{writer}");
    }
    assert!(!serde_json::to_string(&all).unwrap().contains("canary"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_every_kind_of_receiver() {
    let folder = folder();
    let mock = MockServer::start().await;
    let collector = FakeUpstream::legacy().await;
    collector.on(DELIVERY, |_| Reply::json(200, "{}"));
    let syslog = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let text = format!(
        "{}audit:\n  sinks:\n  - {{type: file, path: a.jsonl, rotate_size: 1MiB}}\n  - {{type: otlp, url: \"{}\", authorization: Bearer collector-canary}}\n  - {{type: syslog, transport: tcp, address: \"{}\"}}\n  - {{type: stdout}}\n",
        keyed(&mock),
        collector.url(),
        syslog.local_addr().unwrap()
    );
    write(folder.path(), "portcullis.yaml", &text);
    let mut gateway = served(folder.path());
    let bad = gateway.ask_as("sk-nobody", Actor::echo_ask("hi")).await;
    let id = bad.header("x-request-id").unwrap().to_owned();

    let mut heard = String::new();
    while !heard.contains(&id) {
        let (mut stream, _) = syslog.accept().await.unwrap();
        stream.read_to_string(&mut heard).await.unwrap();
    }
    // Octet counts lead from message to message to the end.
    let mut rest = heard.as_str();
    let mut messages = Vec::new();
    while let Some((length, after)) = rest.split_once(' ') {
        let (message, after) = after.split_at(length.parse().unwrap());
        messages.push(message);
        rest = after;
    }
    let told = messages
        .iter()
        .find(|message| message.contains(&id))
        .unwrap();
    assert!(told.starts_with("<109>1 20"), "{told}");

    eventually("the collector has it", async || {
        let taken = collector.seen(DELIVERY);
        taken.iter().any(|one| one.body.contains(&id))
    })
    .await;
    let sent = collector.last(DELIVERY);
    assert_eq!(
        sent.header("authorization"),
        Some("Bearer collector-canary")
    );
    gateway.stdout_to(&id);
    gateway.end();
    let file = std::fs::read_to_string(folder.path().join("a.jsonl")).unwrap();
    assert!(file.contains(&id), "{file}");
    assert!(!gateway.log().contains("collector-canary"));
}
