use super::*;

fn table() -> ProviderTable {
    ProviderTable::builtin()
}

fn url(key: &str, format: Format, model: &str, stream: bool, place: &Place) -> String {
    let table = table();
    let provider = table.get(key).unwrap();
    match provider.endpoint(format, model, stream, place) {
        Ok(endpoint) => endpoint.url,
        Err(error) => format!("refused: {error}"),
    }
}

#[test]
fn more_than_forty_providers_imitate_openai_and_each_row_is_sound() {
    let table = table();
    let imitations = table.keys().into_iter().filter(|key| {
        let provider = table.get(key).unwrap();
        let (format, _) = &provider.formats[0];
        provider.addressing == Addressing::Plain && *format == Format::ChatCompletions
    });
    assert!(imitations.count() >= 40);
    assert_eq!(table.keys().len(), rows::ROWS.len(), "a key stands twice");
    for key in table.keys() {
        let provider = table.get(key).unwrap();
        assert!(!provider.formats.is_empty(), "{key}");
        assert!(!provider.base_url.ends_with('/'), "{key}");
        let is_local = provider.base_url.starts_with("http://localhost:");
        assert_eq!(provider.auth == AuthScheme::None, is_local, "{key}");
        assert!(
            is_local || provider.base_url.starts_with("https://"),
            "{key}"
        );
        assert!(
            crate::route::Route::parse(&format!("{key}/m")).is_ok(),
            "{key}"
        );
    }
}

#[test]
fn addresses_are_those_that_the_providers_document() {
    use Format::{ChatCompletions, GenerateContent, Messages, Responses};
    let place = Place {
        resource: Some("acme".to_owned()),
        project: Some("proj-1".to_owned()),
        region: Some("europe-west4".to_owned()),
        ..Place::default()
    };
    let dated = Place {
        api_version: Some("2025-04-01-preview".to_owned()),
        ..place.clone()
    };
    let rows = [
        (
            "openai",
            ChatCompletions,
            "gpt-5",
            true,
            &place,
            "https://api.openai.com/v1/chat/completions",
        ),
        (
            "openai",
            Responses,
            "gpt-5",
            true,
            &place,
            "https://api.openai.com/v1/responses",
        ),
        (
            "anthropic",
            Messages,
            "claude-opus-5",
            true,
            &place,
            "https://api.anthropic.com/v1/messages",
        ),
        (
            "openrouter",
            Messages,
            "a/b:free",
            false,
            &place,
            "https://openrouter.ai/api/v1/messages",
        ),
        (
            "gemini",
            GenerateContent,
            "gemini-3-pro",
            false,
            &place,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:generateContent",
        ),
        (
            "gemini",
            GenerateContent,
            "gemini-3-pro",
            true,
            &place,
            "https://generativelanguage.googleapis.com/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
        ),
        (
            "vertex_ai",
            GenerateContent,
            "gemini-3-pro",
            false,
            &place,
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/proj-1/locations/europe-west4/publishers/google/models/gemini-3-pro:generateContent",
        ),
        (
            "vertex_ai",
            Messages,
            "claude-opus-5@20260724",
            true,
            &place,
            "https://europe-west4-aiplatform.googleapis.com/v1/projects/proj-1/locations/europe-west4/publishers/anthropic/models/claude-opus-5@20260724:streamRawPredict",
        ),
        (
            "azure",
            ChatCompletions,
            "my-gpt",
            false,
            &place,
            "https://acme.openai.azure.com/openai/v1/chat/completions",
        ),
        (
            "azure",
            ChatCompletions,
            "my-gpt",
            false,
            &dated,
            "https://acme.openai.azure.com/openai/deployments/my-gpt/chat/completions?api-version=2025-04-01-preview",
        ),
        (
            "bedrock",
            ChatCompletions,
            "openai.gpt-oss-120b-1:0",
            false,
            &place,
            "https://bedrock-runtime.europe-west4.amazonaws.com/openai/v1/chat/completions",
        ),
        (
            "bedrock_mantle",
            Messages,
            "anthropic.claude-opus-5",
            false,
            &place,
            "https://bedrock-mantle.europe-west4.api.aws/anthropic/v1/messages",
        ),
    ];
    for (key, format, model, stream, place, expected) in rows {
        assert_eq!(url(key, format, model, stream, place), expected, "{key}");
    }
}

/// Pitfall 28.
#[test]
fn no_name_leads_out_of_its_place_in_an_address() {
    let place = |region: &str| Place {
        project: Some("p".to_owned()),
        region: Some(region.to_owned()),
        ..Place::default()
    };
    let rows = [
        url(
            "gemini",
            Format::GenerateContent,
            "a/b",
            false,
            &Place::default(),
        ),
        url(
            "gemini",
            Format::GenerateContent,
            "a:deleteModel",
            false,
            &Place::default(),
        ),
        url(
            "gemini",
            Format::GenerateContent,
            "..",
            false,
            &Place::default(),
        ),
        url(
            "gemini",
            Format::GenerateContent,
            "a?x=1",
            false,
            &Place::default(),
        ),
        url(
            "vertex_ai",
            Format::GenerateContent,
            "m",
            false,
            &place("evil.example/"),
        ),
        url(
            "bedrock",
            Format::ChatCompletions,
            "m",
            false,
            &place("a.evil.example#"),
        ),
        url(
            "bedrock",
            Format::ChatCompletions,
            "m",
            false,
            &Place::default(),
        ),
        url(
            "anthropic",
            Format::ChatCompletions,
            "m",
            false,
            &Place::default(),
        ),
    ];
    for row in rows {
        assert!(row.starts_with("refused: "), "{row}");
    }
}

#[test]
fn a_caller_is_served_in_its_own_format_where_the_provider_speaks_it() {
    let table = table();
    let spoken = |key: &str, caller| table.get(key).unwrap().format_for(caller);
    assert_eq!(
        spoken("openrouter", Format::Messages),
        Some(Format::Messages)
    );
    assert_eq!(
        spoken("openai", Format::Messages),
        Some(Format::ChatCompletions)
    );
    assert_eq!(
        spoken("anthropic", Format::ChatCompletions),
        Some(Format::Messages)
    );
    assert_eq!(
        spoken("gemini", Format::Responses),
        Some(Format::GenerateContent)
    );
}

#[test]
fn an_operator_adds_a_provider_or_moves_one() {
    let moved = ProviderTable::builtin()
        .with(Provider::compatible("acme", "https://llm.acme.example/v1/"))
        .with(Provider::compatible("groq", "https://proxy.example"));
    let endpoint = |key: &str| {
        let provider = moved.get(key).unwrap();
        provider.endpoint(Format::ChatCompletions, "m", false, &Place::default())
    };
    assert_eq!(
        endpoint("acme").unwrap().url,
        "https://llm.acme.example/v1/chat/completions"
    );
    assert_eq!(
        endpoint("groq").unwrap().url,
        "https://proxy.example/chat/completions"
    );
}

#[test]
fn families_of_models_are_known_by_their_names() {
    let rows = [
        // name, refuses sampling, thinks by effort, cannot be forced
        ("claude-opus-5-5", true, true, true),
        ("claude-opus-5", true, true, false),
        ("us.anthropic.claude-opus-5-v1:0", true, true, false),
        ("anthropic/claude-sonnet-5-5", true, true, true),
        ("claude-opus-4-8", false, false, false),
        ("claude-opus-50", false, false, false),
        ("gemini-3-pro", false, true, false),
        ("gemini-2.5-pro", false, false, false),
        ("gpt-5-mini", true, false, false),
        ("gpt-5-chat-latest", false, false, false),
        ("o3", true, false, false),
        ("openhermes-3", false, false, false),
    ];
    for (name, no_sampling, thinks_by_effort, no_forced_tools) in rows {
        let traits = traits_of(name);
        assert_eq!(traits.no_sampling, no_sampling, "{name}");
        assert_eq!(traits.thinks_by_effort, thinks_by_effort, "{name}");
        assert_eq!(traits.no_forced_tools, no_forced_tools, "{name}");
    }
}
