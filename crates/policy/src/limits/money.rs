//! US dollars in whole billionths: sums of many small prices stay exact.

use serde_json::Number;

/// No amount is greater: a billion dollars.
const MOST_USD: f64 = 1_000_000_000.0;

/// A number that is no amount of money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a number of US dollars from 0 to 1000000000")]
pub struct InvalidAmount;

/// Billionths of a dollar, to the nearest.
pub fn nano_usd(dollars: f64) -> Result<u64, InvalidAmount> {
    if !(0.0..=MOST_USD).contains(&dollars) {
        return Err(InvalidAmount);
    }
    let digits = format!("{:.9}", dollars.abs()).replace('.', "");
    digits.parse().map_err(|_| InvalidAmount)
}

/// Dollars, for people and for LiteLLM's clients.
pub fn usd(nano: u64) -> Number {
    let (whole, part) = (nano / 1_000_000_000, nano % 1_000_000_000);
    if part == 0 {
        return Number::from(whole);
    }
    let dollars = format!("{whole}.{part:09}").parse().ok();
    dollars
        .and_then(Number::from_f64)
        .unwrap_or_else(|| Number::from(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_exact_to_a_billionth() {
        for (dollars, nano, shown) in [
            (0.0, 0, "0"),
            (-0.0, 0, "0"),
            (0.01, 10_000_000, "0.01"),
            (0.000_000_001, 1, "1e-9"),
            (0.1 + 0.2, 300_000_000, "0.3"),
            (12.5, 12_500_000_000, "12.5"),
            (1_000_000_000.0, 1_000_000_000_000_000_000, "1000000000"),
        ] {
            assert_eq!(nano_usd(dollars), Ok(nano), "{dollars}");
            assert_eq!(usd(nano).to_string(), shown);
        }
        for bad in [-0.01, 1_000_000_001.0, f64::NAN, f64::INFINITY] {
            assert_eq!(nano_usd(bad), Err(InvalidAmount), "{bad}");
        }
    }
}
