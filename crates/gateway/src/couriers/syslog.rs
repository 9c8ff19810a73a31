//! Syslog (RFC 5424): over TLS (RFC 5425), TCP with octet counting (RFC 6587 §3.4.1) or UDP (RFC 5426).

use async_trait::async_trait;
use portcullis_egress::Dialer;
use portcullis_engine::audit::{Carried, Courier, Undelivered};

use super::line::{Gravity, Line};
use super::receiver::unreachable;

/// "log audit" (RFC 5424 §6.2.1).
const FACILITY: u8 = 13;
/// What fits into a datagram of either IP version, with room for headers.
const DATAGRAM: usize = 65_000;
/// Highest `sequenceId`; the next is 1 again (RFC 5424 §7.3.1).
const LAST_SEQUENCE_ID: u64 = 2_147_483_647;

/// How messages get there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SyslogWay {
    /// RFC 5425.
    Tls,
    /// RFC 6587.
    Tcp,
    /// RFC 5426.
    Udp,
}

/// Brings each line as a message.
#[derive(Debug)]
pub(crate) struct Syslog {
    pub(crate) dialer: Dialer,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) way: SyslogWay,
}

#[async_trait]
impl Courier for Syslog {
    async fn carry(&self, lines: &[String]) -> Result<Carried, Undelivered> {
        let messages = lines.iter().map(|line| message(line));
        let sent = match self.way {
            SyslogWay::Udp => {
                let messages: Vec<Vec<u8>> = messages.map(datagram).collect();
                self.dialer
                    .datagrams(&self.host, self.port, &messages)
                    .await
            }
            SyslogWay::Tls | SyslogWay::Tcp => {
                let secured = self.way == SyslogWay::Tls;
                let framed: String = messages.map(|message| framed(&message)).collect();
                self.dialer
                    .send(&self.host, self.port, secured, framed.as_bytes())
                    .await
            }
        };
        sent.map(|()| Carried::default())
            .map_err(|error| unreachable(&error))
    }
}

/// `HEADER SP STRUCTURED-DATA SP MSG` (RFC 5424 §6). The writer stands as PROCID: a change of it is a
/// discontinuity in reporting (§6.2.6). The message is the line, without a byte order mark.
fn message(text: &str) -> String {
    let line = Line::read(text);
    let severity: u8 = match line.gravity() {
        Gravity::Error => 3,
        Gravity::Notice => 5,
        Gravity::Ordinary => 6,
    };
    let priority = FACILITY * 8 + severity;
    let at = line.at().unwrap_or("-");
    let writer = line.writer().map_or("-", printable);
    let kind = printable(line.kind());
    let data = line.seq().map_or_else(
        || "-".to_owned(),
        |seq| {
            let id = (seq.saturating_sub(1) % LAST_SEQUENCE_ID).saturating_add(1);
            format!("[meta sequenceId=\"{id}\"]")
        },
    );
    format!("<{priority}>1 {at} - portcullis {writer} {kind} {data} {text}")
}

/// PRINTUSASCII (§6), at most 32 of them, which is the bound of MSGID.
fn printable(text: &str) -> &str {
    let fits =
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { text } else { "-" }
}

/// `MSG-LEN SP SYSLOG-MSG`, its length in octets.
fn framed(message: &str) -> String {
    format!("{} {message}", message.len())
}

/// A message that no datagram can hold is cut (RFC 5426 §3.2).
fn datagram(message: String) -> Vec<u8> {
    let mut bytes = message.into_bytes();
    if bytes.len() > DATAGRAM {
        let mut end = DATAGRAM;
        while end > 0 && bytes.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
            end -= 1;
        }
        bytes.truncate(end);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_message_of_rfc_5424() {
        let event = |members: &str| {
            format!(
                r#"{{"writer":"17-ab","seq":7,"mac":"00","event":{{"event":"request",{members}}}}}"#
            )
        };
        let answered = event(r#""at":"2026-11-22T03:04:05.678Z","outcome":"ok""#);
        assert_eq!(
            message(&answered),
            format!(
                "<110>1 2026-11-22T03:04:05.678Z - portcullis 17-ab request [meta sequenceId=\"7\"] {answered}"
            )
        );
        for (members, priority) in [
            (r#""outcome":"forbidden","decision":"deny""#, "<109>"),
            (r#""outcome":"timeout""#, "<109>"),
            (r#""outcome":"panicked""#, "<107>"),
            (r#""outcome":"tool_error""#, "<110>"),
        ] {
            let message = message(&event(members));
            assert!(message.starts_with(priority), "{message}");
        }
        let gap = r#"{"event":"sink_gap","lost":3}"#;
        assert_eq!(
            message(gap),
            format!("<107>1 - - portcullis - sink_gap - {gap}")
        );
    }

    /// Whoever chose a name cannot end a message and begin another.
    #[test]
    fn frames_count_octets_and_nothing_can_step_out_of_one() {
        let line =
            r#"{"writer":"a b","seq":2147483648,"event":{"event":"request","method":"ü\n<1>1 "}}"#;
        let message = message(line);
        assert!(
            message.contains(" - request [meta sequenceId=\"1\"] "),
            "{message}"
        );
        assert!(!message.contains('\n'));
        let framed = framed(&message);
        assert_eq!(framed, format!("{} {message}", message.len()));
        assert!(message.len() > message.chars().count());
    }

    #[test]
    fn a_message_that_no_datagram_holds_is_cut_at_a_character() {
        let cut = datagram("ü".repeat(40_000));
        assert_eq!(cut.len(), DATAGRAM);
        assert!(String::from_utf8(cut).is_ok());
        let cut = datagram(format!("x{}", "ü".repeat(40_000)));
        assert!(String::from_utf8(cut).is_ok());
    }
}
