//! Event streams, written and read.

use serde_json::Value;

/// A message as an event.
pub(crate) fn event(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// One event that arrived.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: String,
    pub(crate) data: String,
}

/// Reads events from bytes in pieces of any size.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    unread: Vec<u8>,
}

impl Reader {
    /// Takes a piece; gives the events that it completes and that hold something.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Vec<Event> {
        self.unread.extend_from_slice(piece);
        let mut events = Vec::new();
        while let Some(end) = self.unread.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = self.unread.drain(..end + 2).collect();
            let mut event = Event::default();
            let mut lines = Vec::new();
            for line in String::from_utf8_lossy(&block).lines() {
                match line.split_once(':') {
                    Some(("event", name)) => name.trim_start().clone_into(&mut event.name),
                    Some(("data", data)) => {
                        lines.push(data.strip_prefix(' ').unwrap_or(data).to_owned());
                    }
                    _ => {}
                }
            }
            event.data = lines.join("\n");
            if !event.data.is_empty() {
                events.push(event);
            }
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_out_however_they_are_cut() {
        let mut reader = Reader::default();
        let mut found = Vec::new();
        for piece in b": hello\n\nid: 1\ndata:\n\nevent: endpoint\ndata: /x\n\n".chunks(3) {
            found.extend(reader.push(piece));
        }
        assert_eq!(
            found,
            [Event {
                name: "endpoint".to_owned(),
                data: "/x".to_owned()
            }]
        );
    }
}
