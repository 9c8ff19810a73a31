//! An answer as the messages in it, for doors that carry messages of several requests in one stream.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, future, stream};
use portcullis_mcp::{SseDecoder, SseItem};

use crate::answer::{Answer, ByteStream};

/// Messages, one after the other. Dropping them cancels what they come from.
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Bytes> + Send>>;

/// Largest message in a stream of ours: it was bounded where it came in.
const MAX_MESSAGE: usize = usize::MAX;

/// The messages of an answer. Event ids, priming events and comments are left behind: they are about
/// the stream that the messages came on.
pub(crate) fn messages_of(answer: Answer) -> Messages {
    match answer {
        Answer::Accepted => Box::pin(stream::empty()),
        Answer::Json { body, .. }
        | Answer::InsufficientScope { body, .. }
        | Answer::Unauthenticated { body, .. }
        | Answer::Limited { body, .. } => {
            let body = (!body.is_empty()).then_some(body);
            Box::pin(stream::iter(body))
        }
        // One message among others cannot travel to another replica.
        Answer::Elsewhere(elsewhere) => {
            Box::pin(stream::once(elsewhere.refuse()).flat_map(messages_of))
        }
        Answer::Stream(events) => of_events(events),
    }
}

fn of_events(events: ByteStream) -> Messages {
    let reading = (events, SseDecoder::new(MAX_MESSAGE));
    let items = stream::unfold(reading, |(mut events, mut decoder)| async move {
        loop {
            match decoder.next_event() {
                Ok(Some(item)) => return Some((item, (events, decoder))),
                Ok(None) => decoder.push(events.next().await?),
                Err(_) => return None,
            }
        }
    });
    Box::pin(items.filter_map(|item| {
        let data = match item {
            SseItem::Event(event) => event.data.filter(|data| !data.is_empty()),
            SseItem::Comment => None,
        };
        future::ready(data)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn all(answer: Answer) -> Vec<Bytes> {
        messages_of(answer).collect().await
    }

    #[tokio::test]
    async fn a_stream_is_its_messages_and_nothing_of_what_carries_them() {
        let events = [
            "id: 1\ndata:\n\n:\r\n\r\nid: 2\nda",
            "ta: {}\n\ndata: []\n\n",
        ];
        let events = stream::iter(events.map(|text| Bytes::from_static(text.as_bytes())));
        assert_eq!(all(Answer::Stream(Box::pin(events))).await, ["{}", "[]"]);
        let plain = Answer::json(http::StatusCode::OK, "{}");
        assert_eq!(all(plain).await, ["{}"]);
        assert!(all(Answer::Accepted).await.is_empty());
    }
}
