use super::*;
use portcullis_core::ErrorKind;

fn value(text: &str, series: &str) -> Option<f64> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[test]
fn a_scrape_shows_a_request_by_surface_and_outcome() {
    let metrics = Metrics::new();
    metrics.request_opened(Surface::Mcp);
    metrics.request_opened(Surface::Mcp);
    let denied = Outcome::Kind(ErrorKind::Forbidden);
    metrics.request_closed(Surface::Mcp, denied, Duration::from_millis(3));
    let text = metrics.encode();
    let of = |series| value(&text, series);
    assert_eq!(
        of(r#"portcullis_requests_total{surface="mcp",outcome="forbidden"}"#),
        Some(1.0)
    );
    assert_eq!(
        of(r#"portcullis_requests_total{surface="mcp",outcome="ok"}"#),
        Some(0.0)
    );
    assert_eq!(
        of(r#"portcullis_requests_in_flight{surface="mcp"}"#),
        Some(1.0)
    );
    assert_eq!(
        of(r#"portcullis_request_duration_seconds_count{surface="mcp"}"#),
        Some(1.0)
    );
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn every_outcome_has_its_own_series_on_every_surface() {
    let metrics = Metrics::new();
    for surface in Surface::ALL {
        for outcome in Outcome::ALL {
            metrics.request_opened(surface);
            metrics.request_closed(surface, outcome, Duration::ZERO);
        }
    }
    let text = metrics.encode();
    let ones = text
        .lines()
        .filter(|line| line.starts_with("portcullis_requests_total{") && line.ends_with(" 1"))
        .count();
    assert_eq!(ones, Surface::ALL.len() * Outcome::ALL.len());
}

#[test]
fn a_server_has_one_set_of_series_however_often_it_is_resolved_and_none_once_forgotten() {
    let metrics = Metrics::new();
    let id = ServerId::from("github");
    let kind = CredentialKind::M2mClientCredentials;
    for _ in 0..2 {
        let server = metrics.server(&id, kind);
        server.request(UpstreamOutcome::Timeout, Duration::from_secs(1));
        server.token(TokenOutcome::Refused);
        server.sessions.inc();
    }
    let text = metrics.encode();
    let labels = r#"server="github",credential="m2m-client-credentials""#;
    let of = |series: String| value(&text, &series);
    assert_eq!(
        of(format!(
            r#"portcullis_upstream_requests_total{{{labels},outcome="timeout"}}"#
        )),
        Some(2.0)
    );
    assert_eq!(
        of(format!(
            r#"portcullis_token_requests_total{{{labels},outcome="refused"}}"#
        )),
        Some(2.0)
    );
    assert_eq!(
        of(format!("portcullis_upstream_sessions{{{labels}}}")),
        Some(2.0)
    );
    metrics.forget_server(&id, kind);
    assert!(!metrics.encode().contains("github"));
}

#[test]
fn a_refused_configuration_leaves_the_generation_alone() {
    let metrics = Metrics::new();
    metrics.config_loaded(7);
    metrics.config_refused();
    let text = metrics.encode();
    assert_eq!(value(&text, "portcullis_config_generation"), Some(7.0));
    assert_eq!(
        value(&text, r#"portcullis_config_reloads_total{result="failed"}"#),
        Some(1.0)
    );
}

#[test]
fn a_gauge_goes_down_however_its_stream_ends() {
    let metrics = Metrics::new();
    let stream = InFlight::enter(&metrics.sse_streams);
    assert_eq!(metrics.sse_streams.get(), 1);
    drop(stream);
    assert_eq!(metrics.sse_streams.get(), 0);
}

const PAGE: &str = include_str!("../../../../docs/reference/metrics.md");
const DASHBOARD: &str = include_str!("../../../../deploy/grafana/portcullis.json");

/// Everything that is counted, as a scraper sees it when each kind of series exists.
fn scrape() -> String {
    let metrics = Metrics::new();
    metrics.auth_failed("unknown");
    drop(metrics.server(&ServerId::from("s"), CredentialKind::NoAuth));
    drop(metrics.audit.sink("siem"));
    metrics
        .pins
        .count(&ServerId::from("s"), PinEvent::Changed, 1);
    metrics.encode()
}

/// The names in a text that begin like ours.
fn names(text: &str) -> std::collections::BTreeSet<String> {
    let parts =
        text.split(|one: char| !(one.is_ascii_lowercase() || one.is_ascii_digit() || one == '_'));
    parts
        .filter(|part| part.starts_with("portcullis_"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_metric_is_registered_and_documented() {
    let text = scrape();
    for name in MetricName::ALL {
        let full = format!("portcullis_{}", name.as_str());
        assert!(text.contains(&format!("# TYPE {full} ")), "{full}");
        assert!(PAGE.contains(&format!("| `{full}")), "{full}");
    }
}

/// With their suffixes: what somebody writes into a query is what is scraped.
#[test]
fn the_page_and_the_dashboard_name_only_series_that_exist() {
    let scraped = scrape();
    let mut exist = names(&scraped);
    let families = MetricName::ALL.map(|name| format!("portcullis_{}", name.as_str()));
    for name in names(PAGE) {
        let known = exist.contains(&name) || families.contains(&name);
        assert!(known, "{name} stands on the page");
    }
    // A family is no series.
    exist.retain(|name| {
        scraped.lines().any(|line| {
            let of_it = line.strip_prefix(name.as_str());
            of_it.is_some_and(|rest| rest.starts_with(['{', ' ']))
        })
    });
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries: Vec<&str> = queries
        .map(|query| query["expr"].as_str().unwrap())
        .collect();
    assert!(queries.len() > 15);
    for query in queries {
        let asked = names(query);
        assert_eq!(asked.len(), 1, "{query}");
        assert!(asked.is_subset(&exist), "{query}");
    }
}
