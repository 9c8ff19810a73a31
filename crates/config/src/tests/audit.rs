//! Where the trail goes.

use std::time::Duration;

use super::*;
use crate::{AuditSinkKind, SyslogTransport};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn sinks(entries: &str) -> Loaded {
    loaded(&format!("audit:\n  sinks:\n{entries}"))
}

#[test]
fn each_kind_of_sink_reads_as_it_is_written() {
    let loaded = sinks(&format!(
        "  - {{type: file, path: a.jsonl, rotate_size: 1MiB, rotate_after: 1d, rotate_keep: 3}}
  - {{type: stdout}}
  - {{type: webhook, name: siem, url: 'https://siem.example.com/in', secret: {SECRET}, format: ndjson}}
  - {{type: syslog, address: '[::1]:6514', spool_size: 2MiB}}
  - {{type: otlp, url: 'http://localhost:4318/v1/logs', authorization: Bearer x}}
"
    ));
    let audit = &loaded.config.audit;
    let names: Vec<_> = audit.sinks.iter().map(|sink| sink.name.as_str()).collect();
    assert_eq!(names, ["file", "stdout", "siem", "syslog", "otlp"]);
    assert!(audit.sinks.iter().any(|sink| matches!(
        &sink.kind,
        AuditSinkKind::File {
            rotate_size: Some(1_048_576),
            rotate_keep: 3,
            ..
        }
    )));
    assert!(audit.sinks.iter().any(|sink| matches!(
        &sink.kind,
        AuditSinkKind::Syslog { host, port: 6514, transport: SyslogTransport::Tls, .. } if host == "::1"
    )));
    let page = crate::explain(&loaded.config, &[]);
    assert!(
        page.contains("type: webhook") && !page.contains(SECRET),
        "{page}"
    );
    assert!(!page.contains("Bearer x"), "{page}");
}

#[test]
fn retention_is_in_days_and_off_unless_written() {
    assert_eq!(loaded("").config.audit.retention, None);
    let kept = loaded("audit: {retention_days: 90}").config.audit.retention;
    assert_eq!(kept, Some(Duration::from_hours(90 * 24)));
    assert!(World::default().load("audit: {retention_days: 0}").is_err());
}

#[test]
fn a_sink_that_could_not_work_is_refused_with_what_to_write() {
    let text = "audit:
  sinks:
  - {type: webhook, url: 'http://siem.example.com/in', secret: short}
  - {type: syslog, address: logs, url: 'https://a.example.com/'}
  - {type: file}
  - {type: stdout, name: Bad Name}
  - {type: otlp, url: 'https://u:p@a.example.com/v1/logs'}
  - {type: kafka}
";
    let found = errors(text);
    let found: Vec<String> = messages(&found);
    assert_eq!(
        found,
        [
            "audit.sinks[0].url: plain http beyond loopback would send credentials in the clear",
            "audit.sinks[0].secret: shorter than 24 characters",
            "audit.sinks[1].address: not a host and a port",
            "audit.sinks[1].url: `url` means nothing for `type: syslog`",
            "audit.sinks[2]: `path` is missing",
            "audit.sinks[3].name: not a name for a sink",
            "audit.sinks[4].url: a URL must not hold a user name or password",
            "audit.sinks[5].type: not one of the known values",
        ]
    );
}

#[test]
fn two_sinks_of_one_name_are_refused() {
    let text = "audit: {jsonl_path: a, sinks: [{type: stdout}, {type: stdout}, {type: file, path: b, name: jsonl}]}";
    let found = messages(&errors(text));
    assert_eq!(
        found,
        [
            "audit.sinks[1].name: another sink is called `stdout` already",
            "audit.sinks[2].name: another sink is called `jsonl` already",
        ]
    );
}

#[test]
fn two_sinks_do_not_wait_in_one_folder() {
    let entry = |name: &str| {
        format!(
            "  - {{type: otlp, name: {name}, url: 'http://localhost:4318/v1/logs', spool_path: /tmp/waiting}}\n"
        )
    };
    let found = messages(&errors(&format!(
        "audit:\n  sinks:\n{}{}",
        entry("a"),
        entry("b")
    )));
    assert_eq!(
        found,
        ["audit.sinks[1].spool_path: another sink's lines wait in this folder already"]
    );
}
