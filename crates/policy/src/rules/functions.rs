//! What conditions can call beyond CEL's own: patterns and ranges of addresses, each made ready when the
//! rule is loaded.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use cel::extractors::This;
use cel::{Context, ExecutionError};
use portcullis_core::AddressRange;
use regex::{Regex, RegexBuilder};

/// Most memory that a pattern's automaton may take.
const PATTERN_BYTES: usize = 1024 * 1024;

/// The patterns and ranges that a condition writes out.
#[derive(Clone, Debug, Default)]
pub(super) struct Patterns {
    patterns: Arc<BTreeMap<String, Regex>>,
    ranges: Arc<BTreeMap<String, AddressRange>>,
}

impl Patterns {
    /// All of these together.
    pub(super) fn all<'a>(each: impl Iterator<Item = &'a Self>) -> Self {
        let (mut patterns, mut ranges) = (BTreeMap::new(), BTreeMap::new());
        for one in each {
            patterns.extend(
                one.patterns
                    .iter()
                    .map(|(text, one)| (text.clone(), one.clone())),
            );
            ranges.extend(one.ranges.iter().map(|(text, one)| (text.clone(), *one)));
        }
        Self {
            patterns: Arc::new(patterns),
            ranges: Arc::new(ranges),
        }
    }

    pub(super) fn pattern(&mut self, pattern: &str) -> Result<(), regex::Error> {
        let compiled = RegexBuilder::new(pattern)
            .size_limit(PATTERN_BYTES)
            .build()?;
        Arc::make_mut(&mut self.patterns).insert(pattern.to_owned(), compiled);
        Ok(())
    }

    pub(super) fn range(&mut self, range: &str) -> Result<(), portcullis_core::InvalidRange> {
        let parsed = range.parse()?;
        Arc::make_mut(&mut self.ranges).insert(range.to_owned(), parsed);
        Ok(())
    }

    /// Makes them callable. `None`: the name is CEL's own, and what is called would be something else.
    pub(super) fn offer(&self, context: &mut Context<'_, '_>) -> Option<()> {
        if !self.patterns.is_empty() {
            let patterns = Arc::clone(&self.patterns);
            let matches = move |This(text): This<Arc<String>>, pattern: Arc<String>| {
                let compiled = patterns.get(pattern.as_str());
                let compiled = compiled.ok_or_else(|| not_made_ready("matches"))?;
                Ok::<bool, ExecutionError>(compiled.is_match(&text))
            };
            context.add_function("matches", matches).ok()?;
        }
        if !self.ranges.is_empty() {
            let ranges = Arc::clone(&self.ranges);
            let within = move |This(text): This<Arc<String>>, range: Arc<String>| {
                let range = ranges.get(range.as_str());
                let range = range.ok_or_else(|| not_made_ready("within"))?;
                let address: IpAddr = text.parse().map_err(|_| not_made_ready("within"))?;
                Ok::<bool, ExecutionError>(range.holds(address))
            };
            context.add_function("within", within).ok()?;
        }
        Some(())
    }
}

fn not_made_ready(function: &str) -> ExecutionError {
    ExecutionError::function_error(function, "cannot be told")
}
