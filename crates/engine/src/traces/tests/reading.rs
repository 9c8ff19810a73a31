use http::{HeaderMap, HeaderName, HeaderValue};

use crate::traces::{Sampler, TraceContext, TraceState};

const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn only_a_valid_traceparent_names_a_trace() {
    let context = TraceContext::parse(VALID).unwrap();
    assert_eq!(context.text(), VALID);
    assert!(context.sampled);
    for (text, sampled) in [
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
            false,
        ),
        // Further flags say nothing to us (§3.2.2.5.2), and a higher version may say more (§3.2.4).
        (
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-ff",
            true,
        ),
        (
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02",
            false,
        ),
        (
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
            true,
        ),
    ] {
        let read = TraceContext::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!(read, TraceContext { sampled, ..context }, "{text}");
    }
    for bad in [
        "",
        "00",
        "00-1-2-01",
        "00-4bf9-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.what",
        " 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0é",
        "004bf92f3577b34da6a3ce929d0e0e4736--00f067aa0ba902b7-01",
    ] {
        assert_eq!(TraceContext::parse(bad), None, "{bad}");
    }
}

#[test]
fn two_traceparents_are_none() {
    let name = HeaderName::from_static("traceparent");
    let mut headers = HeaderMap::new();
    headers.append(&name, HeaderValue::from_static(VALID));
    assert!(TraceContext::of(&headers).is_some());
    headers.append(&name, HeaderValue::from_static(VALID));
    assert_eq!(TraceContext::of(&headers), None);
}

#[test]
fn a_tracestate_that_is_too_large_or_malformed_is_dropped_whole() {
    let members = |count: usize| {
        let members: Vec<String> = (0..count).map(|at| format!("k{at}=v")).collect();
        members.join(",")
    };
    for good in [
        "a=b",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "a=b, ,\tc=d",
        "fw529a3039@dt=FfAAAA",
        "0tenant@a=x y",
        &members(32),
    ] {
        let state = TraceState::parse(good).unwrap_or_else(|| panic!("{good}"));
        assert_eq!(state.as_str(), good);
    }
    for bad in [
        "",
        ",",
        "a",
        "a=",
        "A=b",
        "a=b,a=c",
        "a=b=c",
        "a@b@c=d",
        "a=ü",
        "a=b\nx=y",
        &members(33),
        &format!("a={}", "x".repeat(257)),
        &format!("a={},b={}", "x".repeat(256), "y".repeat(256)),
    ] {
        assert_eq!(TraceState::parse(bad), None, "{bad}");
    }
}

/// LOG-15: "sampling decided locally".
#[test]
fn nobody_is_recorded_because_they_say_so_unless_the_operator_heeds_those_it_knows() {
    let sampled = TraceContext::parse(VALID).unwrap();
    let unsampled = TraceContext {
        sampled: false,
        ..sampled
    };
    let none = Sampler::millionths(0);
    assert!(!none.takes(Some(&sampled), true, 0));
    let all = Sampler::millionths(1_000_000);
    assert!(all.takes(Some(&unsampled), true, u64::MAX));
    assert!(all.takes(None, false, u64::MAX));
    let heeding = none.heeding_callers();
    assert!(heeding.takes(Some(&sampled), true, 0));
    assert!(!heeding.takes(Some(&sampled), false, 0), "a stranger");
    assert!(!heeding.takes(None, true, 0));
    assert!(!all.heeding_callers().takes(Some(&unsampled), true, 0));
    assert!(
        all.heeding_callers().takes(Some(&unsampled), false, 0),
        "a stranger"
    );
    // A number of ours decides, whatever the id of the trace is.
    let half = Sampler::millionths(500_000);
    assert!(half.takes(Some(&sampled), true, u64::MAX / 2));
    assert!(!half.takes(Some(&sampled), true, u64::MAX / 2 + 2));
}
