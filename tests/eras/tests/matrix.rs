//! Every client face against every server face through the real gateway.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]
#![expect(clippy::indexing_slicing, reason = "JSON that is written here")]

use std::{collections::BTreeMap, sync::Arc};

use portcullis_e2e::{Gateway, KEY, binary};
use portcullis_eras::{
    Face, Feature, Transport,
    client::Way,
    conversation::{self, Outcome},
    matrix,
    server::Server,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

async fn entry(face: Face, servers: &mut Vec<Server>) -> Value {
    let mut entry = json!({
        "allow_all_keys": true,
        "allow_sampling": true,
        "allow_elicitation": true,
        "protocol_version": "auto",
    });
    match face.transport {
        Transport::Stdio => {
            let program = binary("era-server").unwrap();
            entry["transport"] = json!("stdio");
            entry["command"] = json!(program);
            entry["args"] = json!([face.revision.as_str()]);
        }
        Transport::Http | Transport::Sse => {
            let server = Server::start(face).await.unwrap();
            let name = if face.transport == Transport::Http {
                "http"
            } else {
                "sse"
            };
            entry["transport"] = json!(name);
            entry["url"] = json!(server.url());
            servers.push(server);
        }
    }
    entry
}

type Outcomes = BTreeMap<(Face, Face, Feature), Outcome>;

async fn outcomes() -> Outcomes {
    let mut servers = Vec::new();
    let mut entries = json!({});
    let faces: Vec<Face> = Face::all();
    for face in &faces {
        entries[face.name()] = entry(*face, &mut servers).await;
    }
    let gateway = Gateway::start(configuration(&entries)).await.unwrap();
    let way = Arc::new(Way {
        port: gateway.port(),
        server: String::new(),
        key: KEY.to_owned(),
        program: binary("portcullis").unwrap(),
    });
    // One conversation after the other with each server: what one causes, another must not hear.
    let mut all = JoinSet::new();
    for server in faces.clone() {
        let (faces, way) = (faces.clone(), Arc::clone(&way));
        all.spawn(async move {
            let mut found = Outcomes::new();
            for client in faces {
                let way = Way {
                    server: server.name(),
                    ..Way::clone(&way)
                };
                for (feature, outcome) in conversation::hold(client, &way).await {
                    found.insert((client, server, feature), outcome);
                }
            }
            found
        });
    }
    let mut found = Outcomes::new();
    while let Some(some) = all.join_next().await {
        found.extend(some.unwrap());
    }
    found
}

fn configuration(entries: &Value) -> Value {
    let programs: Vec<&Value> = entries
        .as_object()
        .unwrap()
        .values()
        .filter_map(|entry| entry.get("command"))
        .collect();
    let mut configuration = json!({"mcp_servers": entries});
    if let Some(program) = programs.first() {
        configuration["general_settings"] =
            json!({"allow_stdio": true, "stdio_commands": [program], "max_stdio_processes": 400});
    }
    configuration
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_reaches_every_server() {
    let mut wrong = Vec::new();
    let found = outcomes().await;
    for ((client, server, feature), outcome) in &found {
        let expected = matrix::expected(*client, *server, *feature);
        let cell = format!("{client} → {server}, {}", feature.as_str());
        match (outcome, expected) {
            (Ok(()), None) | (Err(_), Some(_)) => {}
            (Err(why), None) => wrong.push(format!("{cell}: {why}")),
            (Ok(()), Some(reason)) => wrong.push(format!("{cell}: it works, though {reason:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} cells are wrong:\n{}",
        wrong.len(),
        found.len(),
        wrong.join("\n")
    );
}
