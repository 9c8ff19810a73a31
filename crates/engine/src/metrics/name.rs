//! The metrics' names, in one place.

/// Every metric, without the common prefix `portcullis_` and without the suffix that its type adds
/// to it in the text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricName {
    /// `requests_total{surface, outcome}`
    Requests,
    /// `request_duration_seconds{surface}`
    RequestDuration,
    /// `requests_in_flight{surface}`
    RequestsInFlight,
    /// `upstream_requests_total{server, credential, outcome}`
    UpstreamRequests,
    /// `upstream_request_duration_seconds{server, credential}`
    UpstreamDuration,
    /// `upstream_sessions{server, credential}`
    UpstreamSessions,
    /// `token_requests_total{server, credential, outcome}`
    TokenRequests,
    /// `auth_failures_total{reason}`
    AuthFailures,
    /// `sse_streams`
    SseStreams,
    /// `config_reloads_total{result}`
    ConfigReloads,
    /// `config_generation`
    ConfigGeneration,
    /// `tool_pins_total{server, event}`
    ToolPins,
    /// `audit_queued`
    AuditQueued,
    /// `audit_rows_total`
    AuditRows,
    /// `audit_dropped_total`
    AuditDropped,
    /// `audit_gaps_total`
    AuditGaps,
    /// `audit_store_failures_total`
    AuditStoreFailures,
    /// `audit_lines_dropped_total{sink}`
    AuditLinesDropped,
    /// `audit_lines_delivered_total{sink}`
    AuditLinesDelivered,
    /// `audit_sink_failures_total{sink}`
    AuditSinkFailures,
    /// `audit_spooled_bytes{sink}`
    AuditSpooledBytes,
    /// `trace_spans_exported_total`
    TraceSpansExported,
    /// `trace_spans_dropped_total{reason}`
    TraceSpansDropped,
    /// `trace_export_failures_total`
    TraceExportFailures,
}

impl MetricName {
    /// All of them.
    pub const ALL: [Self; 24] = [
        Self::Requests,
        Self::RequestDuration,
        Self::RequestsInFlight,
        Self::UpstreamRequests,
        Self::UpstreamDuration,
        Self::UpstreamSessions,
        Self::TokenRequests,
        Self::AuthFailures,
        Self::SseStreams,
        Self::ConfigReloads,
        Self::ConfigGeneration,
        Self::ToolPins,
        Self::AuditQueued,
        Self::AuditRows,
        Self::AuditDropped,
        Self::AuditGaps,
        Self::AuditStoreFailures,
        Self::AuditLinesDropped,
        Self::AuditLinesDelivered,
        Self::AuditSinkFailures,
        Self::AuditSpooledBytes,
        Self::TraceSpansExported,
        Self::TraceSpansDropped,
        Self::TraceExportFailures,
    ];

    /// The name as it is registered.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::RequestDuration => "request_duration_seconds",
            Self::RequestsInFlight => "requests_in_flight",
            Self::UpstreamRequests => "upstream_requests",
            Self::UpstreamDuration => "upstream_request_duration_seconds",
            Self::UpstreamSessions => "upstream_sessions",
            Self::TokenRequests => "token_requests",
            Self::AuthFailures => "auth_failures",
            Self::SseStreams => "sse_streams",
            Self::ConfigReloads => "config_reloads",
            Self::ConfigGeneration => "config_generation",
            Self::ToolPins => "tool_pins",
            Self::AuditQueued => "audit_queued",
            Self::AuditRows => "audit_rows",
            Self::AuditDropped => "audit_dropped",
            Self::AuditGaps => "audit_gaps",
            Self::AuditStoreFailures => "audit_store_failures",
            Self::AuditLinesDropped => "audit_lines_dropped",
            Self::AuditLinesDelivered => "audit_lines_delivered",
            Self::AuditSinkFailures => "audit_sink_failures",
            Self::AuditSpooledBytes => "audit_spooled_bytes",
            Self::TraceSpansExported => "trace_spans_exported",
            Self::TraceSpansDropped => "trace_spans_dropped",
            Self::TraceExportFailures => "trace_export_failures",
        }
    }

    /// What it says, without a full stop: the text format adds it.
    pub const fn help(self) -> &'static str {
        match self {
            Self::Requests => "Governed requests that ended, by how they ended",
            Self::RequestDuration => "From arrival to the end of the answer",
            Self::RequestsInFlight => "Governed requests under way",
            Self::UpstreamRequests => "Requests to MCP servers, by how they ended",
            Self::UpstreamDuration => "From sending to the upstream's response head",
            Self::UpstreamSessions => "Open sessions with MCP servers",
            Self::TokenRequests => "Requests to token endpoints",
            Self::AuthFailures => "Requests whose caller was not recognised",
            Self::SseStreams => "Open event streams to clients",
            Self::ConfigReloads => "Configurations that took effect or were refused",
            Self::ConfigGeneration => "Number of the configuration in force",
            Self::ToolPins => "Tools that were seen, that changed, and what became of them",
            Self::AuditQueued => "Audit events that wait for the writer",
            Self::AuditRows => "Audit rows stored",
            Self::AuditDropped => "Audit events lost because the queue was full",
            Self::AuditGaps => "Losses that the audit chain reports",
            Self::AuditStoreFailures => "Attempts to reach the audit store that failed",
            Self::AuditLinesDropped => "Audit rows left out of a copy outside the store",
            Self::AuditLinesDelivered => "Audit lines that a receiver elsewhere has taken",
            Self::AuditSinkFailures => {
                "Failed attempts to write or to deliver a copy of audit rows"
            }
            Self::AuditSpooledBytes => "Bytes of audit lines on disk for a receiver elsewhere",
            Self::TraceSpansExported => "Spans that the trace collector has taken",
            Self::TraceSpansDropped => "Spans that never reached the trace collector, by reason",
            Self::TraceExportFailures => "Deliveries to the trace collector that failed",
        }
    }
}
