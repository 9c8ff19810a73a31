use super::*;

#[test]
fn a_model_name_says_its_provider() {
    let route = |provider, model| Ok(Route { provider, model });
    let table = [
        ("openai/gpt-5", route("openai", "gpt-5")),
        (
            "openrouter/meta-llama/llama-4:free",
            route("openrouter", "meta-llama/llama-4:free"),
        ),
        (
            "bedrock/us.anthropic.claude-sonnet-5-v1:0",
            route("bedrock", "us.anthropic.claude-sonnet-5-v1:0"),
        ),
        (
            "vertex_ai/claude-sonnet-5@20260101",
            route("vertex_ai", "claude-sonnet-5@20260101"),
        ),
        ("gpt-5", Err(RouteError::NoProvider)),
        ("/gpt-5", Err(RouteError::NoProvider)),
        ("Open AI/gpt-5", Err(RouteError::NoProvider)),
        ("openai/", Err(RouteError::NoModel)),
        ("openai/a b", Err(RouteError::Unsafe)),
    ];
    for (name, expected) in table {
        assert_eq!(Route::parse(name), expected, "{name}");
    }
}

/// Pitfall 28.
#[test]
fn a_model_name_cannot_lead_elsewhere_in_an_address() {
    let hostile = [
        "gemini/../../admin",
        "gemini/a/../b",
        "gemini/a//b",
        "gemini/a?key=1",
        "gemini/a#b",
        "gemini/a%2f..%2fb",
        "gemini/a\\b",
        "gemini/a\r\nHost: x",
        "gemini/a\u{0}",
        "gemini/ä",
        "gemini/.",
        "gemini//",
    ];
    for name in hostile {
        assert!(Route::parse(name).is_err(), "{name:?}");
    }
}

#[test]
fn a_pattern_covers_a_name_a_family_or_everything() {
    assert!(covers("gpt-5", "gpt-5"));
    assert!(!covers("gpt-5", "gpt-5-mini"));
    assert!(covers("anthropic/*", "anthropic/claude-sonnet-5"));
    assert!(!covers("anthropic/*", "anthropical/claude"));
    assert!(covers("*", "anything"));
    assert!(!covers("*/gpt-5", "openai/gpt-5"));
    assert!(!covers("a*b*", "axb"));
}
