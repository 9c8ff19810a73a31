use super::*;

fn usage(input: u64, output: u64) -> Usage {
    Usage {
        input,
        output,
        ..Usage::default()
    }
}

fn builtin() -> PriceTable {
    PriceTable::builtin().unwrap()
}

#[test]
fn the_table_that_is_shipped_is_valid_and_says_when_and_whence() {
    let table = builtin();
    assert!(table.len() >= 20);
    assert_eq!(table.as_of(), "2026-11-22");
    assert!(table.source().contains("platform.claude.com"));
}

#[test]
fn a_model_that_nobody_knows_has_no_price_rather_than_none_to_pay() {
    assert_eq!(builtin().price("openai", "gpt-17"), None);
    assert_eq!(builtin().price("elsewhere", "gpt-5"), None);
}

#[test]
fn a_dated_name_has_the_price_of_the_name() {
    let table = builtin();
    let price = table.price("anthropic", "claude-sonnet-4-5");
    assert!(price.is_some());
    assert_eq!(
        table.price("anthropic", "claude-sonnet-4-5-20250929"),
        price
    );
    assert_eq!(
        table.price("openai", "gpt-5-2025-08-07"),
        table.price("openai", "gpt-5")
    );
    assert_eq!(table.price("openai", "gpt-5-2025-08"), None);
    assert_eq!(table.price("openai", "ä"), None);
}

#[test]
fn amounts_are_exact() {
    let table = [
        ("2.50", Some(2_500_000_000)),
        ("0.075", Some(75_000_000)),
        ("0.000000001", Some(1)),
        ("15", Some(15_000_000_000)),
        ("0.0000000001", None),
        (".5", None),
        ("5.", None),
        ("-1", None),
        ("+1", None),
        ("1e3", None),
        ("", None),
        ("99999999999999999999", None),
    ];
    for (text, expected) in table {
        let read: Option<PerMillion> = text.parse().ok();
        assert_eq!(read.map(PerMillion::as_nano_usd), expected, "{text}");
    }
}

#[test]
fn each_kind_of_token_has_its_price() {
    let table = builtin();
    let price = table.price("anthropic", "claude-sonnet-4-5").unwrap();
    let usage = Usage {
        input: 10_000,
        cache_read: 4_000,
        cache_write: 3_000,
        cache_write_hour: 1_000,
        output: 500,
        reasoning: 400,
    };
    // 2,000 at 3, 4,000 at 0.3, 3,000 at 3.75, 1,000 at 6 and 500 at 15 dollars for a million.
    let expected = 6_000_000 + 1_200_000 + 11_250_000 + 6_000_000 + 7_500_000;
    assert_eq!(price.cost(&usage), NanoUsd::new(expected));
    assert_eq!(price.cost(&usage).to_string(), "0.031950000");
}

#[test]
fn a_long_prompt_costs_more_as_a_whole() {
    let table = builtin();
    let price = table.price("gemini", "gemini-2.5-pro").unwrap();
    assert_eq!(price.cost(&usage(200_000, 0)), NanoUsd::new(250_000_000));
    assert_eq!(price.cost(&usage(200_001, 0)), NanoUsd::new(500_002_500));
}

#[test]
fn fractions_round_up_and_nothing_wraps() {
    let price = Price {
        input: PerMillion::from_nano_usd(1),
        output: PerMillion::from_nano_usd(1),
        cache_read: None,
        cache_write: None,
        cache_write_hour: None,
        long: None,
    };
    assert_eq!(price.cost(&usage(1, 1)), NanoUsd::new(1));
    assert_eq!(price.cost(&usage(0, 0)), NanoUsd::new(0));
    let dear = Price {
        input: PerMillion::from_nano_usd(u64::MAX),
        ..price
    };
    assert_eq!(dear.cost(&usage(u64::MAX, 0)), NanoUsd::new(u64::MAX));
}

#[test]
fn what_is_reserved_is_never_less_than_what_it_costs() {
    let table = builtin();
    for (provider, model) in [
        ("anthropic", "claude-fable-5-1"),
        ("gemini", "gemini-2.5-pro"),
    ] {
        let price = table.price(provider, model).unwrap();
        for cached in [0, 100_000, 300_000] {
            let usage = Usage {
                input: 300_000,
                cache_write_hour: cached,
                output: 1_000,
                ..Usage::default()
            };
            assert!(price.most(300_000, 1_000) >= price.cost(&usage), "{model}");
        }
    }
}

#[test]
fn a_table_with_a_mistake_is_refused_whole_and_says_where() {
    let table = |prices: &str| {
        let text = format!(r#"{{"as_of":"2026-11-22","source":"us","prices":{prices}}}"#);
        PriceTable::parse(text.as_bytes()).map_err(|error| error.to_string())
    };
    let refused = [
        (r#"{"gpt-5":{"input":"1","output":"1"}}"#, "prices.gpt-5"),
        (r#"{"a/b":{"input":"1"}}"#, "prices.a/b.output"),
        (r#"{"a/b":{"input":1.5,"output":"1"}}"#, "prices.a/b.input"),
        (
            r#"{"a/b":{"input":"10001","output":"1"}}"#,
            "prices.a/b.input",
        ),
        (
            r#"{"a/b":{"input":"1","output":"1","inputs":"1"}}"#,
            "prices.a/b.inputs",
        ),
        (
            r#"{"a/b":{"input":"1","output":"1","long":{"input":"1"}}}"#,
            "above_tokens",
        ),
        (
            r#"{"a/b":{"input":"1","output":"1"},"a/b":{}}"#,
            "stands twice",
        ),
    ];
    for (prices, place) in refused {
        let error = table(prices).unwrap_err();
        assert!(error.contains(place), "{prices}: {error}");
    }
    assert!(table(r#"{"a/b":{"input":"1","output":"1"}}"#).is_ok());
}

#[test]
fn an_operators_price_goes_before_ours() {
    let text = r#"{"as_of":"2026-12-01","source":"contract","prices":{"openai/gpt-5":{"input":"1","output":"2"}}}"#;
    let table = builtin().with(PriceTable::parse(text.as_bytes()).unwrap());
    let price = table.price("openai", "gpt-5").unwrap();
    assert_eq!(
        price.cost(&usage(1_000_000, 0)),
        NanoUsd::new(1_000_000_000)
    );
    assert!(table.price("openai", "gpt-4o").is_some());
    assert_eq!(table.as_of(), "2026-12-01");
}
