//! Where else the trail goes: from the configuration to copies and couriers.

use std::path::PathBuf;
use std::sync::Arc;

use portcullis_config::{AuditSink, AuditSinkKind, AuditSpool, Config, SyslogTransport};
use portcullis_core::Clock;
use portcullis_egress::HttpClient;
use portcullis_engine::audit::{AuditSettings, Courier, FileSink, RemoteSink, Rotation};

use super::outbound;
use crate::couriers::{OtlpLogs, Receiver, Syslog, SyslogWay, Webhook};

/// What the short form `audit.jsonl_path` is called.
const SHORT_FORM: &str = "jsonl";

/// The trail's settings as the configuration has them.
pub(super) fn settings(
    config: &Config,
    client: &Arc<dyn HttpClient>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<AuditSettings> {
    let short = config.audit.jsonl_path.iter().map(|path| FileSink {
        name: SHORT_FORM.to_owned(),
        path: path.clone(),
        rotation: Rotation::default(),
    });
    let mut settings = AuditSettings {
        required: config.audit.required,
        log: config.audit.log_requests,
        files: short.collect(),
        ..AuditSettings::default()
    };
    for sink in &config.audit.sinks {
        add(&mut settings, sink, config, client, clock)?;
    }
    Ok(settings)
}

fn add(
    settings: &mut AuditSettings,
    sink: &AuditSink,
    config: &Config,
    client: &Arc<dyn HttpClient>,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let (courier, spool): (Arc<dyn Courier>, &AuditSpool) = match &sink.kind {
        AuditSinkKind::File {
            path,
            rotate_size,
            rotate_after,
            rotate_keep,
        } => {
            settings.files.push(FileSink {
                name: sink.name.clone(),
                path: path.clone(),
                rotation: Rotation {
                    size: *rotate_size,
                    age: *rotate_after,
                    keep: *rotate_keep,
                },
            });
            return Ok(());
        }
        AuditSinkKind::Stdout => {
            settings.stdout = true;
            return Ok(());
        }
        AuditSinkKind::Webhook {
            receiver,
            secret,
            ndjson,
            spool,
        } => {
            let receiver = Receiver::of(client, receiver)?;
            let clock = Arc::clone(clock);
            let webhook = Webhook::new(receiver, &secret.value, *ndjson, clock)?;
            (Arc::new(webhook), spool)
        }
        AuditSinkKind::Syslog {
            host,
            port,
            transport,
            spool,
        } => {
            let syslog = Syslog {
                dialer: outbound::dialer(config.server.ca_file.clone())?,
                host: host.clone(),
                port: *port,
                way: match transport {
                    SyslogTransport::Tls => SyslogWay::Tls,
                    SyslogTransport::Tcp => SyslogWay::Tcp,
                    SyslogTransport::Udp => SyslogWay::Udp,
                },
            };
            (Arc::new(syslog), spool)
        }
        AuditSinkKind::Otlp { receiver, spool } => {
            let receiver = Receiver::of(client, receiver)?;
            (Arc::new(OtlpLogs { receiver }), spool)
        }
    };
    settings.remotes.push(RemoteSink {
        name: sink.name.clone(),
        spool: folder(config, sink, spool),
        spool_most: spool.most,
        courier,
    });
    Ok(())
}

fn folder(config: &Config, sink: &AuditSink, spool: &AuditSpool) -> PathBuf {
    spool.path.clone().unwrap_or_else(|| {
        let beside = config.store.path.with_file_name("audit-spool");
        beside.join(&sink.name)
    })
}
