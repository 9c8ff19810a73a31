//! `audit`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use portcullis_core::SecretValue;

use super::headers;
use crate::fields::{At, Fields};
use crate::model::{
    Audit, AuditReceiver, AuditSink, AuditSinkKind, AuditSpool, Sourced, SyslogTransport,
};
use crate::validate::urls::{self, PlainHttp};

const DAY: u64 = 86_400;
/// Of a webhook's secret (Standard Webhooks ask for 24 bytes at least).
const SHORTEST_SECRET: usize = 24;
const LONGEST_NAME: usize = 40;
const SPOOL: u64 = 256 * 1024 * 1024;
/// Less would be full with a single batch.
const SMALLEST_SPOOL: u64 = 1024 * 1024;

const OF_FILES: &[&str] = &["path", "rotate_size", "rotate_after", "rotate_keep"];
const OF_HTTP: &[&str] = &["url", "allow_insecure_http", "authorization"];
const OF_WEBHOOKS: &[&str] = &["secret", "format"];
const OF_SYSLOG: &[&str] = &["address", "transport"];
const OF_SPOOLS: &[&str] = &["spool_path", "spool_size"];

pub(crate) fn read(fields: &Fields<'_, '_>) -> Audit {
    let jsonl_path = fields.file_path("jsonl_path");
    let mut names = BTreeSet::new();
    // What the short form is called.
    if jsonl_path.is_some() {
        names.insert("jsonl".to_owned());
    }
    let mut spools = BTreeSet::new();
    let mut sinks = Vec::new();
    for entry in fields.sections("sinks") {
        let Some(sink) = sink(&entry) else {
            continue;
        };
        if !names.insert(sink.name.clone()) {
            entry.findings.error(
                entry.place("name"),
                format!("another sink is called `{}` already", sink.name),
                "write a `name` for each: metrics and folders are told apart by it",
            );
        }
        if let Some(folder) = own_spool(&sink.kind)
            && !spools.insert(folder.to_owned())
        {
            entry.findings.error(
                entry.place("spool_path"),
                "another sink's lines wait in this folder already",
                "write a `spool_path` for each, or leave it out",
            );
        }
        sinks.push(sink);
    }
    Audit {
        required: fields.flag("required").unwrap_or(false),
        jsonl_path,
        log_requests: fields.flag("log_requests").unwrap_or(false),
        sinks,
        retention: fields
            .whole("retention_days")
            .map(|days| Duration::from_secs(days.saturating_mul(DAY))),
    }
}

fn own_spool(kind: &AuditSinkKind) -> Option<&Path> {
    match kind {
        AuditSinkKind::Webhook { spool, .. }
        | AuditSinkKind::Syslog { spool, .. }
        | AuditSinkKind::Otlp { spool, .. } => spool.path.as_deref(),
        AuditSinkKind::File { .. } | AuditSinkKind::Stdout => None,
    }
}

fn sink(fields: &Fields<'_, '_>) -> Option<AuditSink> {
    let kind = fields.require("type", fields.choice("type"));
    let name = name(fields, kind.unwrap_or_default());
    // Everything is read, so that all mistakes are said at once.
    let path = fields.file_path("path");
    let (rotate_size, rotate_after) = (fields.size("rotate_size"), fields.span("rotate_after"));
    if rotate_after.is_some_and(|age| age < Duration::from_mins(1)) {
        fields.findings.error(
            fields.place("rotate_after"),
            "less than a minute",
            "write for example `1d`",
        );
    }
    let rotate_keep = fields.whole("rotate_keep").unwrap_or(10);
    let receiver = receiver(fields);
    let secret = secret(fields);
    let ndjson = fields.choice("format") == Some("ndjson");
    let address = address(fields);
    let transport = match fields.choice("transport") {
        Some("tcp") => SyslogTransport::Tcp,
        Some("udp") => SyslogTransport::Udp,
        _ => SyslogTransport::Tls,
    };
    let spool = spool(fields);
    let only = |allowed: &[&[&str]]| others_mean_nothing(fields, kind.unwrap_or_default(), allowed);
    let kind = match kind? {
        "file" => {
            only(&[OF_FILES]);
            AuditSinkKind::File {
                path: fields.require("path", path)?,
                rotate_size,
                rotate_after,
                rotate_keep: u32::try_from(rotate_keep).ok()?,
            }
        }
        "stdout" => {
            only(&[]);
            AuditSinkKind::Stdout
        }
        "webhook" => {
            only(&[OF_HTTP, OF_WEBHOOKS, OF_SPOOLS]);
            let receiver = fields.require("url", receiver);
            AuditSinkKind::Webhook {
                secret: fields.require("secret", secret)?,
                receiver: receiver?,
                ndjson,
                spool,
            }
        }
        "syslog" => {
            only(&[OF_SYSLOG, OF_SPOOLS]);
            let (host, port) = fields.require("address", address)?;
            AuditSinkKind::Syslog {
                host,
                port,
                transport,
                spool,
            }
        }
        _ => {
            only(&[OF_HTTP, OF_SPOOLS]);
            AuditSinkKind::Otlp {
                receiver: fields.require("url", receiver)?,
                spool,
            }
        }
    };
    Some(AuditSink { name: name?, kind })
}

/// A folder and a label of metrics are called so.
fn name(fields: &Fields<'_, '_>, kind: &str) -> Option<String> {
    let Some(At { value, place }) = fields.text("name") else {
        return Some(kind.to_owned());
    };
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
    if value.is_empty() || value.len() > LONGEST_NAME || !value.bytes().all(plain) {
        fields.findings.error(
            place,
            "not a name for a sink",
            format!("write at most {LONGEST_NAME} lower-case letters, digits, `-` and `_`"),
        );
        return None;
    }
    Some(value)
}

fn others_mean_nothing(fields: &Fields<'_, '_>, kind: &str, allowed: &[&[&str]]) {
    let all = [OF_FILES, OF_HTTP, OF_WEBHOOKS, OF_SYSLOG, OF_SPOOLS];
    for name in all.into_iter().flatten() {
        let belongs = allowed.iter().any(|names| names.contains(name));
        if !belongs && fields.has(name) {
            fields.findings.error(
                fields.place(name),
                format!("`{name}` means nothing for `type: {kind}`"),
                "remove it",
            );
        }
    }
}

fn receiver(fields: &Fields<'_, '_>) -> Option<AuditReceiver> {
    let allow_insecure_http = fields.flag("allow_insecure_http").unwrap_or(false);
    let authorization = fields.secret("authorization").and_then(|found| {
        let well = headers::is_value(found.value.value.expose());
        if !well {
            fields.findings.error(
                found.place,
                "not the value of a header (RFC 9110 §5.5)",
                "write it on one line, such as `Bearer` and a token",
            );
        }
        well.then_some(found.value)
    });
    let url = fields.url("url")?;
    if !url.value.username().is_empty() || url.value.password().is_some() {
        fields.findings.error(
            url.place,
            "a URL must not hold a user name or password",
            "use `authorization: os.environ/…`",
        );
        return None;
    }
    let plain = if allow_insecure_http {
        PlainHttp::Accepted("`allow_insecure_http: true`")
    } else {
        PlainHttp::Refused
    };
    Some(AuditReceiver {
        url: urls::callable(fields.findings, url, plain)?,
        allow_insecure_http,
        authorization,
    })
}

fn secret(fields: &Fields<'_, '_>) -> Option<Sourced<SecretValue>> {
    let At { value, place } = fields.secret("secret")?;
    if value.value.expose().len() < SHORTEST_SECRET {
        fields.findings.error(
            place,
            format!("shorter than {SHORTEST_SECRET} characters"),
            "make one with `openssl rand -hex 32`",
        );
        return None;
    }
    Some(value)
}

fn address(fields: &Fields<'_, '_>) -> Option<(String, u16)> {
    let At { value, place } = fields.text("address")?;
    let parts = value.rsplit_once(':').and_then(|(host, port)| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port: u16 = port.parse().ok()?;
        let plain = !host.is_empty() && !host.contains(['/', '@', ' ']);
        (plain && port != 0).then(|| (host.to_owned(), port))
    });
    if parts.is_none() {
        fields.findings.error(
            place,
            "not a host and a port",
            "write for example `logs.example.com:6514`",
        );
    }
    parts
}

fn spool(fields: &Fields<'_, '_>) -> AuditSpool {
    let most = fields.size("spool_size").unwrap_or(SPOOL);
    if most < SMALLEST_SPOOL {
        fields.findings.error(
            fields.place("spool_size"),
            "less than 1MiB would be full at once",
            "write for example `256MiB`",
        );
    }
    AuditSpool {
        path: fields.file_path("spool_path"),
        most,
    }
}
