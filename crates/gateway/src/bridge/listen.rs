//! Messages that belong to no request: in revisions with a session they have a stream of their own.

use std::time::Duration;

use http::StatusCode;

use super::Bridge;
use super::exchange::{Events, LAST_EVENT_ID, Resumption, is_stream};

/// Longest wait before the next try.
const MAX_WAIT: Duration = Duration::from_secs(30);

impl Bridge {
    /// Listens until the client has gone, or the gateway says that there is nothing to hear.
    pub(super) async fn listen(&self) {
        tokio::select! {
            () = self.hear() => {}
            () = self.session.over() => {}
            () = self.stop.cancelled() => {}
        }
    }

    async fn hear(&self) {
        let mut resumption = Resumption::default();
        let mut failures = 0_u32;
        while let Some(open) = self.session.now() {
            let mut headers = open.headers();
            if let Some(last) = resumption.last.take() {
                headers.insert(&LAST_EVENT_ID, last);
            }
            let answered = self.door.get(headers).await;
            match answered {
                Ok(response) if is_stream(&response) => {
                    failures = 0;
                    let mut events = Events::of(response.into_body());
                    while let Some(event) = events.next().await {
                        resumption.note(&event);
                        if let Some(data) = event.data.filter(|data| !data.is_empty()) {
                            self.say(data).await;
                        }
                    }
                }
                Ok(response) => match response.status() {
                    StatusCode::METHOD_NOT_ALLOWED => return,
                    StatusCode::NOT_FOUND if self.reopened(&open).await => {}
                    status => {
                        tracing::warn!("the gateway lets nobody listen: {status}");
                        failures += 1;
                    }
                },
                Err(error) => {
                    tracing::warn!("the gateway cannot be listened to: {error}");
                    failures += 1;
                }
            }
            let wait = resumption.wait * 2_u32.saturating_pow(failures.min(5));
            tokio::time::sleep(wait.min(MAX_WAIT)).await;
        }
    }
}
