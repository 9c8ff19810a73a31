//! The rows of the table.

use super::{Addressing, AuthScheme, Provider};
use crate::format::Format;
use crate::target::Quirks;

/// One row, as it is written down.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) key: &'static str,
    base_url: &'static str,
    key_env: &'static str,
    addressing: Addressing,
    auth: AuthScheme,
    chat_completions: Option<&'static str>,
    responses: Option<&'static str>,
    messages: Option<&'static str>,
    generate_content: bool,
    max_tokens: bool,
    developer_role: bool,
    text_content_only: bool,
    no_stream_options: bool,
    google_signatures: bool,
    refused: &'static [&'static str],
}

/// A provider that imitates Chat Completions, as most do.
pub(super) const fn chat(key: &'static str, base_url: &'static str, key_env: &'static str) -> Row {
    Row {
        key,
        base_url,
        key_env,
        addressing: Addressing::Plain,
        auth: AuthScheme::Bearer,
        chat_completions: Some("/chat/completions"),
        responses: None,
        messages: None,
        generate_content: false,
        // Most of them know the older name alone.
        max_tokens: true,
        developer_role: false,
        text_content_only: false,
        no_stream_options: false,
        google_signatures: false,
        refused: &[],
    }
}

/// A server of one's own, which wants no key unless it is told to.
const fn local(key: &'static str, base_url: &'static str) -> Row {
    Row {
        auth: AuthScheme::None,
        ..chat(key, base_url, "")
    }
}

impl Row {
    const fn responses(self) -> Self {
        Self {
            responses: Some("/responses"),
            ..self
        }
    }

    const fn messages(self, path: &'static str) -> Self {
        Self {
            messages: Some(path),
            ..self
        }
    }

    const fn newer_names(self) -> Self {
        Self {
            max_tokens: false,
            ..self
        }
    }

    const fn text_only(self) -> Self {
        Self {
            text_content_only: true,
            ..self
        }
    }

    const fn refuses(self, refused: &'static [&'static str]) -> Self {
        Self { refused, ..self }
    }

    pub(super) fn provider(&self) -> Provider {
        let path = |format: Format, path: Option<&'static str>| Some((format, path?.to_owned()));
        let formats = [
            // Its own format before imitations of another's.
            path(Format::GenerateContent, self.generate_content.then_some("")),
            path(Format::ChatCompletions, self.chat_completions),
            path(Format::Messages, self.messages),
            path(Format::Responses, self.responses),
        ];
        let vertex = self.addressing == Addressing::Vertex;
        Provider {
            key: self.key.to_owned(),
            base_url: self.base_url.to_owned(),
            addressing: self.addressing,
            auth: self.auth,
            key_env: (!self.key_env.is_empty()).then(|| self.key_env.to_owned()),
            formats: formats.into_iter().flatten().collect(),
            quirks: Quirks {
                max_tokens: self.max_tokens,
                developer_role: self.developer_role,
                text_content_only: self.text_content_only,
                no_stream_options: self.no_stream_options,
                google_signatures: self.google_signatures,
                no_call_ids: vertex,
                anthropic_version: vertex.then(|| "vertex-2023-10-16".to_owned()),
                refused: self.refused.iter().map(|name| (*name).to_owned()).collect(),
            },
        }
    }
}

/// Every provider that the gateway knows by name.
pub(super) const ROWS: &[Row] = &[
    // Formats of their own.
    Row {
        developer_role: true,
        ..chat("openai", "https://api.openai.com/v1", "OPENAI_API_KEY")
            .newer_names()
            .responses()
    },
    Row {
        auth: AuthScheme::Header("x-api-key"),
        chat_completions: None,
        ..chat(
            "anthropic",
            "https://api.anthropic.com",
            "ANTHROPIC_API_KEY",
        )
        .messages("/v1/messages")
    },
    Row {
        addressing: Addressing::Gemini,
        auth: AuthScheme::Header("x-goog-api-key"),
        chat_completions: None,
        generate_content: true,
        ..chat(
            "gemini",
            "https://generativelanguage.googleapis.com/v1beta",
            "GEMINI_API_KEY",
        )
    },
    Row {
        addressing: Addressing::Vertex,
        auth: AuthScheme::GoogleAccessToken,
        chat_completions: None,
        generate_content: true,
        ..chat("vertex_ai", "https://{host}/v1", "").messages("")
    },
    Row {
        addressing: Addressing::Azure,
        auth: AuthScheme::Header("api-key"),
        developer_role: true,
        ..chat(
            "azure",
            "https://{resource}.openai.azure.com",
            "AZURE_API_KEY",
        )
        .newer_names()
        .responses()
    },
    Row {
        addressing: Addressing::Bedrock,
        auth: AuthScheme::SigV4("bedrock"),
        ..chat(
            "bedrock",
            "https://bedrock-runtime.{region}.amazonaws.com/openai/v1",
            "AWS_BEARER_TOKEN_BEDROCK",
        )
        .newer_names()
        .responses()
    },
    Row {
        addressing: Addressing::Bedrock,
        auth: AuthScheme::SigV4("bedrock-mantle"),
        ..chat(
            "bedrock_mantle",
            "https://bedrock-mantle.{region}.api.aws",
            "AWS_BEARER_TOKEN_BEDROCK",
        )
        .newer_names()
        .messages("/anthropic/v1/messages")
    },
    Row {
        google_signatures: true,
        ..chat(
            "gemini_openai",
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "GEMINI_API_KEY",
        )
    },
    // Imitations of OpenAI's, some with others beside it.
    chat("groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY")
        .newer_names()
        .responses()
        .refuses(&["logprobs", "top_logprobs", "logit_bias"]),
    chat(
        "together_ai",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
    ),
    chat("mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY")
        .refuses(&["user", "logprobs", "seed"]),
    chat(
        "codestral",
        "https://codestral.mistral.ai/v1",
        "CODESTRAL_API_KEY",
    )
    .refuses(&["user", "logprobs", "seed"]),
    chat(
        "deepseek",
        "https://api.deepseek.com/v1",
        "DEEPSEEK_API_KEY",
    ),
    chat("xai", "https://api.x.ai/v1", "XAI_API_KEY")
        .newer_names()
        .responses(),
    chat(
        "openrouter",
        "https://openrouter.ai/api/v1",
        "OPENROUTER_API_KEY",
    )
    .messages("/messages")
    .responses(),
    chat(
        "fireworks_ai",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
    )
    .messages("/messages")
    .responses(),
    chat(
        "perplexity",
        "https://api.perplexity.ai",
        "PERPLEXITYAI_API_KEY",
    )
    .refuses(&["parallel_tool_calls", "seed", "user"]),
    chat("cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY").newer_names(),
    chat(
        "nvidia_nim",
        "https://integrate.api.nvidia.com/v1",
        "NVIDIA_NIM_API_KEY",
    ),
    chat(
        "deepinfra",
        "https://api.deepinfra.com/v1/openai",
        "DEEPINFRA_API_KEY",
    ),
    chat(
        "baseten",
        "https://inference.baseten.co/v1",
        "BASETEN_API_KEY",
    )
    .messages("/messages"),
    chat(
        "huggingface",
        "https://router.huggingface.co/v1",
        "HUGGINGFACE_API_KEY",
    )
    .responses(),
    chat(
        "sambanova",
        "https://api.sambanova.ai/v1",
        "SAMBANOVA_API_KEY",
    ),
    chat(
        "nebius",
        "https://api.studio.nebius.ai/v1",
        "NEBIUS_API_KEY",
    ),
    chat(
        "novita",
        "https://api.novita.ai/v3/openai",
        "NOVITA_API_KEY",
    ),
    chat(
        "hyperbolic",
        "https://api.hyperbolic.xyz/v1",
        "HYPERBOLIC_API_KEY",
    ),
    chat("moonshot", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    chat("zai", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    chat("minimax", "https://api.minimax.io/v1", "MINIMAX_API_KEY"),
    chat(
        "dashscope",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
    ),
    chat(
        "volcengine",
        "https://ark.cn-beijing.volces.com/api/v3",
        "VOLCENGINE_API_KEY",
    ),
    chat(
        "meta_llama",
        "https://api.llama.com/compat/v1",
        "LLAMA_API_KEY",
    ),
    chat(
        "ai21_chat",
        "https://api.ai21.com/studio/v1",
        "AI21_API_KEY",
    ),
    chat(
        "friendliai",
        "https://api.friendli.ai/serverless/v1",
        "FRIENDLI_TOKEN",
    ),
    chat(
        "featherless_ai",
        "https://api.featherless.ai/v1",
        "FEATHERLESS_AI_API_KEY",
    ),
    chat("lambda_ai", "https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    chat(
        "wandb",
        "https://api.inference.wandb.ai/v1",
        "WANDB_API_KEY",
    ),
    chat(
        "vercel_ai_gateway",
        "https://ai-gateway.vercel.sh/v1",
        "VERCEL_AI_GATEWAY_API_KEY",
    ),
    chat(
        "github",
        "https://models.github.ai/inference",
        "GITHUB_API_KEY",
    ),
    chat(
        "cohere_chat",
        "https://api.cohere.ai/compatibility/v1",
        "COHERE_API_KEY",
    )
    .refuses(&["parallel_tool_calls", "user"]),
    chat("scaleway", "https://api.scaleway.ai/v1", "SCW_SECRET_KEY"),
    chat(
        "veniceai",
        "https://api.venice.ai/api/v1",
        "VENICE_AI_API_KEY",
    ),
    chat("poe", "https://api.poe.com/v1", "POE_API_KEY"),
    chat("chutes", "https://llm.chutes.ai/v1", "CHUTES_API_KEY"),
    chat("publicai", "https://api.publicai.co/v1", "PUBLICAI_API_KEY").text_only(),
    chat(
        "xiaomi_mimo",
        "https://api.xiaomimimo.com/v1",
        "XIAOMI_MIMO_API_KEY",
    ),
    chat(
        "synthetic",
        "https://api.synthetic.new/openai/v1",
        "SYNTHETIC_API_KEY",
    ),
    chat("nano-gpt", "https://nano-gpt.com/api/v1", "NANOGPT_API_KEY"),
    chat("aihubmix", "https://aihubmix.com/v1", "AIHUBMIX_API_KEY"),
    chat("gmi", "https://api.gmi-serving.com/v1", "GMI_API_KEY"),
    chat(
        "llamagate",
        "https://api.llamagate.dev/v1",
        "LLAMAGATE_API_KEY",
    ),
    chat("v0", "https://api.v0.dev/v1", "V0_API_KEY"),
    chat(
        "helicone",
        "https://ai-gateway.helicone.ai",
        "HELICONE_API_KEY",
    ),
    // Servers of one's own.
    local("ollama", "http://localhost:11434/v1").responses(),
    local("hosted_vllm", "http://localhost:8000/v1").responses(),
    local("lm_studio", "http://localhost:1234/v1"),
    local("llamafile", "http://localhost:8080/v1"),
    local("docker_model_runner", "http://localhost:12434/engines/v1"),
];
