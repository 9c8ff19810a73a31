//! What a process says on standard error, for the operator's log: line by line, in bounds, and
//! without the secrets that it was started with.

use std::sync::Arc;
use std::time::Duration;

use portcullis_core::{Clock, ServerId};
use tokio::io::{AsyncBufRead, BufReader};
use tokio::process::ChildStderr;

use super::lines::{Line, next_line};
use super::secrets::Secrets;

/// Longest line of it in our log.
const MAX_LINE: usize = 4 * 1024;
/// Most lines in a span of time; the rest is counted.
const MOST: u32 = 100;
const SPAN: Duration = Duration::from_secs(10);

/// Reads to the end.
pub(super) async fn log(
    stderr: ChildStderr,
    server: ServerId,
    secrets: Arc<Secrets>,
    clock: impl AsRef<dyn Clock> + Send,
) {
    let mut reader = BufReader::new(stderr);
    follow(&mut reader, &server, &secrets, clock.as_ref()).await;
}

async fn follow<R>(reader: &mut R, server: &ServerId, secrets: &Secrets, clock: &dyn Clock)
where
    R: AsyncBufRead + Unpin + Send,
{
    let (mut since, mut lines, mut unsaid) = (clock.monotonic(), 0_u32, 0_u64);
    loop {
        let (line, cut) = match next_line(reader, MAX_LINE).await {
            Ok(Line::Whole(line)) => (line, ""),
            Ok(Line::Beginning(line)) => (line, "…"),
            Ok(Line::End) | Err(_) => break,
        };
        let now = clock.monotonic();
        if now.saturating_sub(since) >= SPAN {
            report(server, &mut unsaid);
            (since, lines) = (now, 0);
        }
        lines = lines.saturating_add(1);
        if lines > MOST {
            unsaid += 1;
            continue;
        }
        let line = presentable(&line, secrets);
        tracing::info!(mcp.server.id = %server, "stderr: {line}{cut}");
    }
    report(server, &mut unsaid);
}

fn report(server: &ServerId, unsaid: &mut u64) {
    if *unsaid > 0 {
        tracing::info!(mcp.server.id = %server, lines = *unsaid, "stderr: more lines than are logged");
        *unsaid = 0;
    }
}

/// One line of text that can do nothing to a terminal and tells no secret.
fn presentable(line: &[u8], secrets: &Secrets) -> String {
    let text = String::from_utf8_lossy(line).into_owned();
    secrets.redacted(text).replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_no_secret_and_does_nothing_to_a_terminal() {
        let secrets = Secrets::new(&["s3cret-value".to_owned(), "on".to_owned()], &[]);
        assert_eq!(
            presentable(b"token s3cret-value is on\x1b[2J\tnow", &secrets),
            "token [REDACTED] is on [2J now"
        );
        assert_eq!(presentable(b"\xff", &secrets), "\u{fffd}");
    }
}
