//! Money as whole numbers.

use std::fmt;
use std::str::FromStr;

/// Nano-dollars (10⁻⁹ US dollars) for a million tokens. What providers publish as dollars for a
/// million tokens has at most nine decimals, so it is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerMillion(u64);

/// Tokens to which a price applies.
const MILLION: u128 = 1_000_000;
/// Decimals of a dollar.
const DECIMALS: usize = 9;

impl PerMillion {
    /// So many nano-dollars for a million tokens.
    pub const fn from_nano_usd(nano_usd: u64) -> Self {
        Self(nano_usd)
    }

    /// Nano-dollars for a million tokens.
    pub const fn as_nano_usd(self) -> u64 {
        self.0
    }
}

/// Not a number of dollars that can be kept exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be dollars for a million tokens, such as \"2.50\", with at most nine decimals")]
pub struct InvalidAmount;

/// Dollars for a million tokens: digits, perhaps a point and up to nine digits more.
impl FromStr for PerMillion {
    type Err = InvalidAmount;

    fn from_str(text: &str) -> Result<Self, InvalidAmount> {
        let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
        let digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(part) || part.len() > DECIMALS {
            return Err(InvalidAmount);
        }
        let nano: u64 = format!("{part:0<DECIMALS$}")
            .parse()
            .map_err(|_| InvalidAmount)?;
        let whole: u64 = whole.parse().map_err(|_| InvalidAmount)?;
        whole
            .checked_mul(1_000_000_000)
            .and_then(|whole| whole.checked_add(nano))
            .map(Self)
            .ok_or(InvalidAmount)
    }
}

/// An amount of nano-dollars (10⁻⁹ US dollars).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NanoUsd(u64);

impl NanoUsd {
    /// So many nano-dollars.
    pub const fn new(nano_usd: u64) -> Self {
        Self(nano_usd)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Both; saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Tokens at their prices, rounded up once.
    pub(super) fn sum(items: impl IntoIterator<Item = (u64, PerMillion)>) -> Self {
        let total = items.into_iter().fold(0_u128, |total, (tokens, price)| {
            total.saturating_add(u128::from(tokens).saturating_mul(u128::from(price.0)))
        });
        Self(u64::try_from(total.div_ceil(MILLION)).unwrap_or(u64::MAX))
    }
}

/// Dollars, with nine decimals.
impl fmt::Display for NanoUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{:09}",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}
