//! Liveness, readiness and metrics. None of them calls an upstream.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Response, StatusCode};
use portcullis_core::ErrorKind;
use portcullis_engine::audit::{CallerText, Outcome, Surface};
use serde_json::json;

use crate::admin::roles::least_of;
use crate::admin::rule;
use crate::reply::{json as reply, text_error};
use crate::state::ServerState;

/// Something that the gateway can do without for a while.
pub trait Probe: Send + Sync + std::fmt::Debug {
    /// Whether it answers, as far as is known without asking it.
    fn is_up(&self) -> bool;
}

/// What decides whether requests may come.
#[derive(Debug, Default)]
pub struct Readiness {
    serving: AtomicBool,
    draining: AtomicBool,
    generation: AtomicU64,
    config_error: Mutex<Option<String>>,
    redis: OnceLock<Box<dyn Probe>>,
}

/// A picture of the readiness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadinessReport {
    /// Whether requests may come.
    pub ready: bool,
    /// Which configuration is in force.
    pub generation: u64,
    /// Why a newer one was refused; names keys and lines, never values.
    pub config_error: Option<String>,
    /// Whether Redis answers; `None`: none is used.
    pub redis: Option<bool>,
}

impl Readiness {
    /// Everything is set up.
    pub fn serve(&self, generation: u64) {
        self.generation.store(generation, Ordering::Release);
        self.serving.store(true, Ordering::Release);
        *self
            .config_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A newer configuration was refused; the last good one stays in force.
    pub fn refused(&self, error: String) {
        *self
            .config_error
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// Redis is used: whether it answers is told, and makes nothing unready.
    pub fn watch_redis(&self, probe: Box<dyn Probe>) {
        // There is one for as long as the process runs.
        let _ = self.redis.set(probe);
    }

    /// The process is going down.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    /// The picture.
    pub fn report(&self) -> ReadinessReport {
        ReadinessReport {
            ready: self.serving.load(Ordering::Acquire) && !self.draining.load(Ordering::Acquire),
            generation: self.generation.load(Ordering::Acquire),
            config_error: self
                .config_error
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
            redis: self.redis.get().map(|probe| probe.is_up()),
        }
    }
}

pub(crate) async fn live() -> Response<Body> {
    reply(StatusCode::OK, r#"{"status":"alive"}"#)
}

/// Ready or not; why a reload failed is told to nobody here but that it failed.
pub(crate) async fn ready(State(state): State<ServerState>) -> Response<Body> {
    let report = state.readiness.report();
    let audit = state.gateway.audit();
    let audit_ok = !audit.required() || audit.is_available();
    // Nobody would be let in by a list that is too old.
    let revocations = state.revocations.is_fresh();
    let ready = report.ready && audit_ok && revocations;
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let mut body = json!({
        "status": if ready { "ready" } else { "not_ready" },
        "generation": report.generation,
        "config": if report.config_error.is_some() { "last_reload_refused" } else { "ok" },
        "audit": if audit.is_available() { "ok" } else { "unavailable" },
        "audit_copies": if audit.copies_are_well() { "ok" } else { "failing" },
        "revocations": if revocations { "ok" } else { "stale" },
    });
    if let (Some(up), Some(body)) = (report.redis, body.as_object_mut()) {
        let state = if up { "ok" } else { "unavailable" };
        body.insert("redis".to_owned(), state.into());
    }
    reply(status, body.to_string())
}

/// OpenMetrics. For administrators: its labels name every server, and who may see which is not asked. Absent with
/// `telemetry.metrics: false`.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses((status = 200, description = "What is measured.", body = String,
               content_type = "application/openmetrics-text")),
)]
pub(crate) async fn metrics(State(state): State<ServerState>, request: Request) -> Response<Body> {
    let (parts, _) = request.into_parts();
    let mut call = match state.admit(&parts, Surface::Admin).await {
        Ok(call) => call,
        Err(refusal) => return *refusal,
    };
    call.audit.method(CallerText::fixed("metrics"));
    if !least_of(&parts).is_some_and(|least| least.is_met_by(&call.principal)) {
        call.audit.denied(rule(call.principal.role));
        return if call.close(ErrorKind::Forbidden.into()).await {
            text_error(StatusCode::FORBIDDEN, "forbidden")
        } else {
            text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable")
        };
    }
    call.audit.allowed(rule(call.principal.role));
    let body = state.metrics.encode();
    if !call.close(Outcome::Ok).await {
        return text_error(StatusCode::SERVICE_UNAVAILABLE, "unavailable");
    }
    let mut response = Response::new(Body::from(body));
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}
