use std::time::Duration;

use portcullis_core::Timestamp;

use super::*;
use crate::provider_error::ErrorClass;

const NOW: Timestamp = Timestamp::from_millis(1_795_247_580_000);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn retry_after_is_read_in_the_forms_that_http_has() {
    let table = [
        ("0", Some(0)),
        ("120", Some(120)),
        (" 7 ", Some(7)),
        ("Sat, 21 Nov 2026 07:53:30 GMT", Some(30)),
        ("Sat Nov 21 07:53:30 2026", Some(30)),
        ("Sat, 21 Nov 2026 07:52:00 GMT", Some(0)),
        ("99999999999999999999999", Some(u64::MAX)),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
    ];
    for (value, expected) in table {
        assert_eq!(
            parse_retry_after(value, NOW),
            expected.map(seconds),
            "{value:?}"
        );
    }
    assert_eq!(
        parse_retry_after_ms("1500"),
        Some(Duration::from_millis(1500))
    );
    assert_eq!(parse_retry_after_ms("0.2"), Some(Duration::from_millis(1)));
    assert_eq!(parse_retry_after_ms("1e3"), None);
}

#[test]
fn pauses_double_up_to_the_longest_and_a_quarter_is_left_to_chance() {
    let policy = RetryPolicy {
        retries: 10,
        ..RetryPolicy::default()
    };
    let pause = |retry, chance| policy.pause(retry, ErrorClass::Server, None, chance);
    let millis = |retry| pause(retry, 0).unwrap().as_millis();
    assert_eq!(
        (millis(1), millis(2), millis(3), millis(9)),
        (500, 1000, 2000, 8000)
    );
    for chance in [1, 17, 125, 126, u64::MAX] {
        let pause = pause(1, chance).unwrap().as_millis();
        assert!((375..=500).contains(&pause), "{pause}");
    }
    assert_eq!(pause(11, 0), None);
}

#[test]
fn what_would_fail_again_is_not_tried_again_and_a_provider_is_waited_for_within_reason() {
    let policy = RetryPolicy::default();
    let pause = |class, said: Option<u64>| policy.pause(1, class, said.map(seconds), 0);
    assert_eq!(pause(ErrorClass::Invalid, None), None);
    assert_eq!(pause(ErrorClass::ContextWindow, None), None);
    assert_eq!(pause(ErrorClass::Quota, Some(1)), None);
    assert_eq!(pause(ErrorClass::RateLimited, Some(20)), Some(seconds(20)));
    assert_eq!(pause(ErrorClass::RateLimited, Some(3600)), None);
}

fn fail(cooldown: Cooldown, class: ErrorClass, group: Group, now: Timestamp) -> Cooldown {
    cooldown.failed(class, None, group, &CooldownPolicy::default(), now)
}

#[test]
fn a_deployment_is_left_alone_at_once_for_what_would_be_the_same_next_time() {
    for class in [
        ErrorClass::RateLimited,
        ErrorClass::Authentication,
        ErrorClass::NotFound,
        ErrorClass::Timeout,
    ] {
        let cooldown = fail(Cooldown::default(), class, Group::Several, NOW);
        assert!(cooldown.is_cooling(NOW), "{class:?}");
        assert!(cooldown.is_cooling(NOW.after(Duration::from_millis(4999))));
        assert!(!cooldown.is_cooling(NOW.after(seconds(5))));
    }
}

#[test]
fn a_request_that_is_at_fault_itself_costs_a_deployment_nothing() {
    let mut cooldown = Cooldown::default();
    for _ in 0..100 {
        cooldown = fail(cooldown, ErrorClass::ContentPolicy, Group::Several, NOW);
    }
    assert!(!cooldown.is_cooling(NOW));
}

#[test]
fn a_few_failures_a_minute_are_borne() {
    let mut cooldown = Cooldown::default();
    for _ in 0..3 {
        cooldown = fail(cooldown, ErrorClass::Server, Group::Several, NOW);
    }
    assert!(!cooldown.is_cooling(NOW));
    let next_minute = NOW.after(seconds(60));
    assert!(
        !fail(cooldown, ErrorClass::Server, Group::Several, next_minute).is_cooling(next_minute)
    );
    assert!(fail(cooldown, ErrorClass::Server, Group::Several, NOW).is_cooling(NOW));
}

#[test]
fn the_share_of_failures_counts_from_the_fifth_request_on() {
    let policy = CooldownPolicy {
        allowed_fails: 100,
        ..CooldownPolicy::default()
    };
    let fail = |cooldown: Cooldown| {
        cooldown.failed(ErrorClass::Server, None, Group::Several, &policy, NOW)
    };
    let half = fail(fail(fail(
        Cooldown::default()
            .succeeded(NOW)
            .succeeded(NOW)
            .succeeded(NOW),
    )));
    assert!(!half.is_cooling(NOW), "three of six are not more than half");
    assert!(fail(half).is_cooling(NOW));
}

#[test]
fn the_only_deployment_of_a_model_is_left_alone_only_when_it_is_dead() {
    let mut cooldown = Cooldown::default();
    for _ in 0..999 {
        cooldown = fail(cooldown, ErrorClass::RateLimited, Group::OnlyOne, NOW);
    }
    assert!(!cooldown.is_cooling(NOW));
    assert!(fail(cooldown, ErrorClass::RateLimited, Group::OnlyOne, NOW).is_cooling(NOW));
    let alive = cooldown.succeeded(NOW);
    assert!(!fail(alive, ErrorClass::RateLimited, Group::OnlyOne, NOW).is_cooling(NOW));
}

#[test]
fn a_provider_that_says_how_long_is_believed_within_reason_and_never_shortens_it() {
    let policy = CooldownPolicy::default();
    let failed = |said: u64| {
        Cooldown::default().failed(
            ErrorClass::RateLimited,
            Some(seconds(said)),
            Group::Several,
            &policy,
            NOW,
        )
    };
    assert_eq!(failed(60).until(), Some(NOW.after(seconds(60))));
    assert_eq!(failed(86_400).until(), Some(NOW.after(seconds(120))));
    assert_eq!(failed(1).until(), Some(NOW.after(seconds(5))));
    let again = failed(60).failed(ErrorClass::Timeout, None, Group::Several, &policy, NOW);
    assert_eq!(again.until(), Some(NOW.after(seconds(60))));
}

fn shares(weights: &[u64]) -> Vec<Candidate> {
    let candidate = |weight: &u64| Candidate {
        weight: Some(*weight),
        ..Candidate::default()
    };
    weights.iter().map(candidate).collect()
}

#[test]
fn chance_falls_in_proportion_to_the_weights() {
    let candidates = shares(&[1, 0, 3]);
    let mut counts = [0; 3];
    for chance in 0..400 {
        counts[choose(&candidates, Strategy::SimpleShuffle, 0, chance).unwrap()] += 1;
    }
    assert_eq!(counts, [100, 0, 300]);
    assert!(choose(&shares(&[0, 0]), Strategy::SimpleShuffle, 0, 7).is_some());
    assert_eq!(choose(&[], Strategy::SimpleShuffle, 0, 7), None);
}

#[test]
fn each_strategy_prefers_what_it_is_named_for() {
    let slow = Candidate {
        under_way: 1,
        tpm: 900,
        latency: Some(seconds(9)),
        price_nano_usd: Some(5),
        ..Candidate::default()
    };
    let fast = Candidate {
        under_way: 2,
        tpm: 100,
        latency: Some(seconds(1)),
        price_nano_usd: None,
        ..Candidate::default()
    };
    let candidates = [slow, fast];
    let chosen = |strategy| choose(&candidates, strategy, 0, 1);
    assert_eq!(chosen(Strategy::LeastBusy), Some(0));
    assert_eq!(chosen(Strategy::Usage), Some(1));
    assert_eq!(chosen(Strategy::Latency), Some(1));
    assert_eq!(chosen(Strategy::Cost), Some(0));
}

#[test]
fn nobody_is_asked_beyond_their_limits_and_lower_orders_go_first() {
    let first = Candidate {
        order: 1,
        rpm_limit: Some(10),
        tpm_limit: Some(1000),
        concurrency_limit: Some(2),
        ..Candidate::default()
    };
    let second = Candidate {
        order: 2,
        ..Candidate::default()
    };
    let chosen = |first: Candidate, tokens| {
        choose(&[first, second.clone()], Strategy::SimpleShuffle, tokens, 0)
    };
    assert_eq!(chosen(first.clone(), 1000), Some(0));
    assert_eq!(chosen(first.clone(), 1001), Some(1));
    assert_eq!(
        chosen(
            Candidate {
                rpm: 10,
                ..first.clone()
            },
            1
        ),
        Some(1)
    );
    assert_eq!(
        chosen(
            Candidate {
                under_way: 2,
                ..first.clone()
            },
            1
        ),
        Some(1)
    );
    assert_eq!(
        chosen(
            Candidate {
                cooling: true,
                ..first
            },
            1
        ),
        Some(1)
    );
}

#[test]
fn each_refusal_has_its_fallbacks() {
    assert_eq!(
        Fallback::of(ErrorClass::ContextWindow),
        Fallback::ContextWindow
    );
    assert_eq!(
        Fallback::of(ErrorClass::ContentPolicy),
        Fallback::ContentPolicy
    );
    assert_eq!(Fallback::of(ErrorClass::Invalid), Fallback::None);
    assert_eq!(Fallback::of(ErrorClass::Server), Fallback::General);
}
