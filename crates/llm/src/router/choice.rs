//! Which deployment is asked next.

use std::time::Duration;

/// How one of several deployments is chosen; the words are LiteLLM's `routing_strategy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// `simple-shuffle`: by chance, in proportion to `weight`, `rpm` or `tpm`.
    #[default]
    SimpleShuffle,
    /// `least-busy`: with the fewest requests under way.
    LeastBusy,
    /// `latency-based-routing`: the fastest of late; those within a tenth of it share.
    Latency,
    /// `usage-based-routing-v2`: with the fewest tokens this minute.
    Usage,
    /// `cost-based-routing`: the cheapest.
    Cost,
}

impl Strategy {
    const ALL: [Self; 5] = [
        Self::SimpleShuffle,
        Self::LeastBusy,
        Self::Latency,
        Self::Usage,
        Self::Cost,
    ];

    /// LiteLLM's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SimpleShuffle => "simple-shuffle",
            Self::LeastBusy => "least-busy",
            Self::Latency => "latency-based-routing",
            Self::Usage => "usage-based-routing-v2",
            Self::Cost => "cost-based-routing",
        }
    }

    /// Reads LiteLLM's word.
    pub fn read(text: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
    }
}

/// A deployment as it stands at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Deployments of a lower number go first; others are asked when none of these can be.
    pub order: u32,
    /// Its share of chance.
    pub weight: Option<u64>,
    /// Requests a minute that it may be asked.
    pub rpm_limit: Option<u64>,
    /// Requests that it was asked this minute.
    pub rpm: u64,
    /// Tokens a minute that it may use.
    pub tpm_limit: Option<u64>,
    /// Tokens that it used this minute.
    pub tpm: u64,
    /// Requests at once that it may be asked.
    pub concurrency_limit: Option<u64>,
    /// Requests under way.
    pub under_way: u64,
    /// How long answers took of late; `None` when nobody knows yet.
    pub latency: Option<Duration>,
    /// What a million tokens cost, in nano-dollars; `None` when nobody knows.
    pub price_nano_usd: Option<u64>,
    /// Whether it is left alone for now.
    pub cooling: bool,
}

impl Candidate {
    /// Whether it can be asked, for so many tokens more.
    pub fn is_open(&self, tokens: u64) -> bool {
        let below = |used: u64, more: u64, limit: Option<u64>| {
            limit.is_none_or(|limit| used.saturating_add(more) <= limit)
        };
        !self.cooling
            && below(self.rpm, 1, self.rpm_limit)
            && below(self.tpm, tokens, self.tpm_limit)
            && below(self.under_way, 1, self.concurrency_limit)
    }

    /// Its share of chance: what the operator says, else what it may be asked, else one.
    fn share(&self) -> u64 {
        self.weight
            .or(self.rpm_limit)
            .or(self.tpm_limit)
            .unwrap_or(1)
    }
}

/// The deployment to ask, by its place in the list; `None` when none can be asked. `chance` is any
/// number, evenly spread.
pub fn choose(
    candidates: &[Candidate],
    strategy: Strategy,
    tokens: u64,
    chance: u64,
) -> Option<usize> {
    let open = |candidate: &Candidate| candidate.is_open(tokens);
    let first = candidates
        .iter()
        .filter(|c| open(c))
        .map(|c| c.order)
        .min()?;
    let among: Vec<(usize, &Candidate)> = candidates
        .iter()
        .enumerate()
        .filter(|(_, candidate)| open(candidate) && candidate.order == first)
        .collect();
    let best = |key: &dyn Fn(&Candidate) -> u64| -> Vec<(usize, &Candidate)> {
        let least = among.iter().map(|(_, candidate)| key(candidate)).min();
        among
            .iter()
            .copied()
            .filter(|(_, candidate)| Some(key(candidate)) == least)
            .collect()
    };
    match strategy {
        Strategy::SimpleShuffle => by_share(&among, chance),
        Strategy::LeastBusy => evenly(&best(&|c| c.under_way), chance),
        Strategy::Usage => evenly(&best(&|c| c.tpm), chance),
        // Unknown is dear: it is asked when nothing known is open.
        Strategy::Cost => evenly(&best(&|c| c.price_nano_usd.unwrap_or(u64::MAX)), chance),
        Strategy::Latency => {
            // Unknown is fast: else nobody would ever find out.
            let of = |c: &Candidate| c.latency.unwrap_or_default();
            let least = among.iter().map(|(_, c)| of(c)).min()?;
            let near = least + least / 10;
            let fastest: Vec<_> = among
                .iter()
                .copied()
                .filter(|(_, c)| of(c) <= near)
                .collect();
            evenly(&fastest, chance)
        }
    }
}

fn evenly(among: &[(usize, &Candidate)], chance: u64) -> Option<usize> {
    let count = u64::try_from(among.len()).ok().filter(|count| *count > 0)?;
    let at = usize::try_from(chance % count).ok()?;
    among.get(at).map(|(index, _)| *index)
}

/// In proportion to their shares; if all shares are zero, evenly.
fn by_share(among: &[(usize, &Candidate)], chance: u64) -> Option<usize> {
    let total: u64 = among.iter().fold(0, |total, (_, candidate)| {
        total.saturating_add(candidate.share())
    });
    if total == 0 {
        return evenly(among, chance);
    }
    let mut left = chance % total;
    for (index, candidate) in among {
        match left.checked_sub(candidate.share()) {
            Some(rest) => left = rest,
            None => return Some(*index),
        }
    }
    None
}
