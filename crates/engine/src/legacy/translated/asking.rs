//! What a server asks before it answers, asked of the client.

use std::time::Duration;

use portcullis_core::{Sha256, hex};
use portcullis_mcp::Envelope;
use portcullis_mcp::eras::legacy_client::{Asked, Question, Retry};
use serde_json::json;

use super::conversation::Conversation;
use super::questions::{self, Posed};

/// How long a client may take for the questions of one round.
const PATIENCE: Duration = Duration::from_mins(10);
/// Between two attempts when a server only wants to be asked again.
const PAUSE: Duration = Duration::from_millis(250);

impl Conversation {
    /// What the next attempt says. `Err`: the call cannot go on, and this is what its client is told.
    pub(super) async fn ask(&mut self, asked: Asked) -> Result<Retry, String> {
        if asked.questions.is_empty() {
            tokio::time::sleep(PAUSE).await;
            return Ok(asked.retry(&[]));
        }
        let push = self.request.entry.upstream.server().push;
        for question in &asked.questions {
            // In whatever form: not even its address is told then.
            if !push.admits(question.method()) {
                return Err(format!(
                    "The server may not ask clients for {}.",
                    question.method()
                ));
            }
            question
                .askable(&self.declared, self.client.revision)
                .map_err(|error| {
                    tracing::info!(mcp.server.id = %self.request.entry.id, mcp.method = question.method(), "server may not ask this client for this");
                    error.to_string()
                })?;
        }
        let mut posed = Vec::with_capacity(asked.questions.len());
        for question in &asked.questions {
            match self.pose(question).await {
                Ok(one) => posed.push(one),
                Err(error) => {
                    for question in &posed {
                        self.withdraw(&question.id, "another question cannot be asked")
                            .await;
                    }
                    return Err(error);
                }
            }
        }
        let answering = futures_util::future::join_all(posed.iter_mut().map(Posed::answered));
        let Ok(responses) = tokio::time::timeout(PATIENCE, answering).await else {
            for question in &posed {
                self.withdraw(&question.id, "nobody answered in time").await;
            }
            return Err("Nobody answered the server's question in time.".to_owned());
        };
        let mut answers = Vec::with_capacity(responses.len());
        for (question, response) in asked.questions.iter().zip(responses) {
            let response = response.unwrap_or_default();
            let response = Envelope::parse(response.as_bytes())
                .map_err(|_| "The server's question was withdrawn.".to_owned())?;
            answers.push(question.answer(&response)?);
        }
        Ok(asked.retry(&answers))
    }

    async fn pose(&mut self, question: &Question) -> Result<Posed, String> {
        let nobody = || "There is nobody whom the server could ask.".to_owned();
        let session = self.client.digest.ok_or_else(nobody)?;
        let asked = questions::Asked {
            principal: self.filter.principal.id.clone(),
            session,
            entry: self.request.entry.clone(),
            evidence: self.request.evidence.clone(),
        };
        let posed = self
            .gateway
            .translation
            .questions
            .pose(self.gateway.replica_id(), asked);
        let posed = posed.ok_or_else(|| "Too many questions wait for an answer.".to_owned())?;
        let request = self.call.as_ref().map(|call| call.id.to_string());
        let elicitation = Sha256::new()
            .part(b"elicitation")
            .part(request.unwrap_or_default().as_bytes())
            .part(posed.id.as_bytes());
        let elicitation = hex(&elicitation.finish());
        self.say(question.request(&posed.id, self.client.revision, &elicitation))
            .await;
        Ok(posed)
    }

    /// Tells the client that an answer is not waited for any more.
    async fn withdraw(&mut self, id: &str, reason: &str) {
        let id: serde_json::Value = serde_json::from_str(id).unwrap_or_default();
        let text = json!({
            "jsonrpc": "2.0",
            "method": "notifications/cancelled",
            "params": {"requestId": id, "reason": reason},
        });
        self.say(text.to_string()).await;
    }
}
