//! Where the trail goes.

use super::page::{Page, quoted, seconds, shown, url};
use crate::model::{Audit, AuditReceiver, AuditSink, AuditSinkKind, AuditSpool, SyslogTransport};

const DAY: u64 = 86_400;

pub(super) fn explain(page: &mut Page<'_>, audit: &Audit) {
    page.heading(0, "audit");
    page.value(2, "required", audit.required);
    page.path(2, "jsonl_path", audit.jsonl_path.as_deref());
    page.value(2, "log_requests", audit.log_requests);
    if let Some(retention) = audit.retention {
        page.value(2, "retention_days", retention.as_secs() / DAY);
    }
    if !audit.sinks.is_empty() {
        page.heading(2, "sinks");
    }
    for sink in &audit.sinks {
        one(page, sink);
    }
}

fn one(page: &mut Page<'_>, sink: &AuditSink) {
    page.line(2, format!("- name: {}", quoted(&sink.name)));
    match &sink.kind {
        AuditSinkKind::File {
            path,
            rotate_size,
            rotate_after,
            rotate_keep,
        } => {
            page.value(4, "type", "file");
            page.path(4, "path", Some(path));
            if let Some(size) = rotate_size {
                page.value(4, "rotate_size", size);
            }
            if let Some(age) = rotate_after {
                page.value(4, "rotate_after", seconds(*age));
            }
            page.value(4, "rotate_keep", rotate_keep);
        }
        AuditSinkKind::Stdout => page.value(4, "type", "stdout"),
        AuditSinkKind::Webhook {
            receiver: to,
            secret,
            ndjson,
            spool: waiting,
        } => {
            page.value(4, "type", "webhook");
            receiver(page, to);
            page.value(4, "secret", shown(secret));
            page.value(4, "format", if *ndjson { "ndjson" } else { "json" });
            spool(page, waiting);
        }
        AuditSinkKind::Syslog {
            host,
            port,
            transport,
            spool: waiting,
        } => {
            page.value(4, "type", "syslog");
            page.value(4, "address", quoted(format!("{host}:{port}")));
            let transport = match transport {
                SyslogTransport::Tls => "tls",
                SyslogTransport::Tcp => "tcp",
                SyslogTransport::Udp => "udp",
            };
            page.value(4, "transport", transport);
            spool(page, waiting);
        }
        AuditSinkKind::Otlp {
            receiver: to,
            spool: waiting,
        } => {
            page.value(4, "type", "otlp");
            receiver(page, to);
            spool(page, waiting);
        }
    }
}

fn receiver(page: &mut Page<'_>, receiver: &AuditReceiver) {
    page.value(4, "url", url(&receiver.url));
    if receiver.allow_insecure_http {
        page.value(4, "allow_insecure_http", true);
    }
    if let Some(authorization) = &receiver.authorization {
        page.value(4, "authorization", shown(authorization));
    }
}

fn spool(page: &mut Page<'_>, spool: &AuditSpool) {
    page.path(4, "spool_path", spool.path.as_deref());
    page.value(4, "spool_size", spool.most);
}
