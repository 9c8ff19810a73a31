//! What each format calls the things that the hub has a place for, to report a loss in the caller's
//! own words.

use crate::format::Format;

/// Something about a request as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    ToolChoice,
    ParallelToolCalls,
    Temperature,
    TopP,
    TopK,
    Seed,
    PresencePenalty,
    FrequencyPenalty,
    Stop,
    Output,
    Reasoning,
    Summary,
    Logprobs,
    User,
    /// Below a part: how closely to look.
    ImageDetail,
    /// Below a part: a file's name.
    FileName,
}

impl Field {
    pub(crate) const fn path_in(self, format: Format) -> &'static str {
        use Format::{ChatCompletions, GenerateContent, Messages, Responses};
        match (self, format) {
            (Self::ToolChoice, GenerateContent) => "toolConfig.functionCallingConfig",
            (Self::ToolChoice, _) => "tool_choice",
            (Self::ParallelToolCalls, Messages) => "tool_choice.disable_parallel_tool_use",
            (Self::ParallelToolCalls, _) => "parallel_tool_calls",
            (Self::Temperature, GenerateContent) => "generationConfig.temperature",
            (Self::Temperature, _) => "temperature",
            (Self::TopP, GenerateContent) => "generationConfig.topP",
            (Self::TopP, _) => "top_p",
            (Self::TopK, GenerateContent) => "generationConfig.topK",
            (Self::TopK, _) => "top_k",
            (Self::Seed, GenerateContent) => "generationConfig.seed",
            (Self::Seed, _) => "seed",
            (Self::PresencePenalty, GenerateContent) => "generationConfig.presencePenalty",
            (Self::PresencePenalty, _) => "presence_penalty",
            (Self::FrequencyPenalty, GenerateContent) => "generationConfig.frequencyPenalty",
            (Self::FrequencyPenalty, _) => "frequency_penalty",
            (Self::Stop, GenerateContent) => "generationConfig.stopSequences",
            (Self::Stop, Messages) => "stop_sequences",
            (Self::Stop, _) => "stop",
            (Self::Output, ChatCompletions) => "response_format",
            (Self::Output, Responses) => "text.format",
            (Self::Output, Messages) => "output_config.format",
            (Self::Output, GenerateContent) => "generationConfig.responseMimeType",
            (Self::Reasoning, ChatCompletions) => "reasoning_effort",
            (Self::Reasoning, Responses) => "reasoning",
            (Self::Reasoning, Messages) => "thinking",
            (Self::Reasoning, GenerateContent) => "generationConfig.thinkingConfig",
            (Self::Summary, GenerateContent) => "generationConfig.thinkingConfig.includeThoughts",
            (Self::Summary, _) => "reasoning.summary",
            (Self::Logprobs, GenerateContent) => "generationConfig.responseLogprobs",
            (Self::Logprobs, Responses) => "top_logprobs",
            (Self::Logprobs, _) => "logprobs",
            (Self::ImageDetail, ChatCompletions) => "image_url.detail",
            (Self::ImageDetail, _) => "detail",
            (Self::FileName, ChatCompletions) => "file.filename",
            (Self::FileName, Messages) => "title",
            (Self::FileName, _) => "filename",
            (Self::User, Messages) => "metadata.user_id",
            (Self::User, _) => "user",
        }
    }
}
