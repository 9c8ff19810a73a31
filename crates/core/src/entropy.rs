//! Randomness as a value.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::digest::sha256;

/// Where a service gets random bytes.
///
/// Implementations must be suitable for keys and tokens, except those that say they are for tests.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills `bytes`. `Err` when the source fails: the caller must then refuse, never go on with zeros.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable>;
}

/// The random source failed.
#[derive(Debug, thiserror::Error)]
#[error("the operating system's random source failed")]
pub struct EntropyUnavailable;

/// The operating system's source, through the crypto library.
#[derive(Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        aws_lc_rs::rand::fill(bytes).map_err(|_| EntropyUnavailable)
    }
}

/// A repeatable stream for tests; worthless as a secret.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    block: AtomicU64,
}

impl SeededEntropy {
    /// The stream that belongs to this seed.
    pub const fn new(seed: u64) -> Self {
        Self {
            seed,
            block: AtomicU64::new(0),
        }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        for chunk in bytes.chunks_mut(32) {
            let block = self.block.fetch_add(1, Ordering::Relaxed);
            let mut input = [0_u8; 16];
            let (seed, count) = input.split_at_mut(8);
            seed.copy_from_slice(&self.seed.to_be_bytes());
            count.copy_from_slice(&block.to_be_bytes());
            for (out, random) in chunk.iter_mut().zip(sha256(&input)) {
                *out = random;
            }
        }
        Ok(())
    }
}
