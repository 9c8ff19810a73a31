//! What families of models do differently, by the heads of their names.
//!
//! From the providers' documentation as of November 2026: Claude from generation 5 on thinks
//! adaptively, refuses budgets and sampling, and takes system messages between turns; Gemini 3 thinks
//! by levels; OpenAI's reasoning models refuse sampling. An operator's own word goes before this.

use crate::target::ModelTraits;

/// A family, and whether a model is of it.
struct Family {
    heads: &'static [&'static str],
    /// What only looks like one of them.
    except: &'static [&'static str],
    traits: ModelTraits,
}

const PLAIN: ModelTraits = ModelTraits {
    max_output_tokens: None,
    no_sampling: false,
    thinks_by_effort: false,
    system_in_between: false,
    no_forced_tools: false,
};

const CLAUDE_5: ModelTraits = ModelTraits {
    // Thoughts count, so a bound for words alone would cut them off.
    max_output_tokens: Some(32_000),
    no_sampling: true,
    thinks_by_effort: true,
    system_in_between: true,
    no_forced_tools: false,
};

const FAMILIES: &[Family] = &[
    Family {
        heads: &[
            "claude-sonnet-5-5",
            "claude-opus-5-5",
            "claude-haiku-5-5",
            "claude-fable-5-1",
            "claude-mythos-5-1",
        ],
        except: &[],
        traits: ModelTraits {
            no_forced_tools: true,
            ..CLAUDE_5
        },
    },
    Family {
        heads: &[
            "claude-sonnet-5",
            "claude-opus-5",
            "claude-haiku-5",
            "claude-fable-5",
            "claude-mythos-5",
        ],
        except: &[],
        traits: CLAUDE_5,
    },
    Family {
        heads: &["gemini-3"],
        except: &[],
        traits: ModelTraits {
            thinks_by_effort: true,
            ..PLAIN
        },
    },
    Family {
        heads: &["gpt-5", "o1", "o3", "o4-mini"],
        except: &["gpt-5-chat"],
        traits: ModelTraits {
            no_sampling: true,
            ..PLAIN
        },
    },
];

/// What a model does differently, as far as its name tells. Heads of resellers (`anthropic/`,
/// `us.anthropic.`) are passed over.
pub fn traits_of(model: &str) -> ModelTraits {
    let bare = model.rsplit('/').next().unwrap_or(model);
    let bare = bare
        .rsplit_once("anthropic.")
        .map_or(bare, |(_, bare)| bare);
    let is_of = |heads: &[&str]| {
        heads.iter().any(|head| {
            bare.strip_prefix(head)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        })
    };
    FAMILIES
        .iter()
        .find(|family| is_of(family.heads) && !is_of(family.except))
        .map_or(PLAIN, |family| family.traits.clone())
}
