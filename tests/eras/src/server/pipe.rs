//! Lines on standard input and output.

use std::sync::Arc;

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    sync::mpsc::unbounded_channel,
};

use super::{
    core::Core,
    session::Session,
    stateless::{self, UnderWay},
};

/// Serves until standard input ends.
pub(super) async fn serve(core: Arc<Core>) -> anyhow::Result<()> {
    let (sender, mut receiver) = unbounded_channel::<Value>();
    core.tasks.spawn(async move {
        let mut output = tokio::io::stdout();
        while let Some(message) = receiver.recv().await {
            let line = format!("{message}\n");
            if output.write_all(line.as_bytes()).await.is_err() || output.flush().await.is_err() {
                return;
            }
        }
    });
    let session = (!core.revision.is_modern()).then(|| Session::open(&core, sender.clone()));
    let under_way = UnderWay::default();
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let Ok(message) = serde_json::from_str::<Value>(&line) else {
            core.complain(format!("not a message: {line}"));
            continue;
        };
        if let Some(session) = &session {
            session.receive(message, sender.clone());
            continue;
        }
        if let Some(refused) = stateless::refusal(&core, &message, None) {
            let _ = sender.send(refused);
            continue;
        }
        if let Some(id) = message.get("id") {
            let given_up = under_way.begin(id);
            stateless::receive(&core, message, sender.clone(), given_up);
            continue;
        }
        core.judge(&message, None);
        if let Some(id) = message.pointer("/params/requestId") {
            under_way.give_up(id);
        }
    }
    Ok(())
}
