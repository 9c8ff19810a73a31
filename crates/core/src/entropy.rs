//! Randomness as a value.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

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

/// Takes random bytes from another source by the block: for names that must be unique and need not be
/// secret, because what is still to be given out lies in memory.
#[derive(Debug)]
pub struct Stocked<E: ?Sized> {
    stock: Mutex<Stock>,
    source: Arc<E>,
}

struct Stock {
    bytes: [u8; 1024],
    /// How many of them are given out.
    spent: usize,
}

impl fmt::Debug for Stock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Stock({} spent)", self.spent)
    }
}

impl<E: Entropy + ?Sized> Stocked<E> {
    /// Nothing in stock yet.
    pub const fn of(source: Arc<E>) -> Self {
        let stock = Stock {
            bytes: [0; 1024],
            spent: 1024,
        };
        Self {
            stock: Mutex::new(stock),
            source,
        }
    }
}

impl<E: Entropy + ?Sized> Entropy for Stocked<E> {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
        let mut stock = self.stock.lock().unwrap_or_else(PoisonError::into_inner);
        let Stock { bytes: all, spent } = &mut *stock;
        if bytes.len() > all.len() {
            return self.source.fill(bytes);
        }
        if all.len() - *spent < bytes.len() {
            // Spent until it is filled: a source that fails must not leave old bytes to be given again.
            *spent = all.len();
            self.source.fill(all)?;
            *spent = 0;
        }
        let fresh = all.get(*spent..).unwrap_or_default();
        for (out, random) in bytes.iter_mut().zip(fresh) {
            *out = *random;
        }
        *spent += bytes.len();
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::atomic::AtomicBool;

    use super::*;

    #[derive(Debug)]
    struct Failing(SeededEntropy, AtomicBool);

    impl Entropy for Failing {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyUnavailable> {
            if self.1.load(Ordering::SeqCst) {
                return Err(EntropyUnavailable);
            }
            self.0.fill(bytes)
        }
    }

    #[test]
    fn a_stock_gives_no_bytes_twice_and_none_when_its_source_fails() {
        let source = Arc::new(Failing(SeededEntropy::new(1), AtomicBool::new(false)));
        let stock = Stocked::of(Arc::clone(&source));
        let mut seen = BTreeSet::new();
        for _ in 0..1000 {
            let mut bytes = [0_u8; 10];
            stock.fill(&mut bytes).unwrap();
            assert!(seen.insert(bytes));
        }
        source.1.store(true, Ordering::SeqCst);
        let mut left = 0;
        let mut bytes = [0_u8; 10];
        while stock.fill(&mut bytes).is_ok() {
            assert!(seen.insert(bytes));
            left += 1;
        }
        assert!(left < 103, "a block of 1024 bytes is spent at last");
        assert!(stock.fill(&mut [0; 2000]).is_err());
        source.1.store(false, Ordering::SeqCst);
        stock.fill(&mut bytes).unwrap();
        assert!(seen.insert(bytes));
    }
}
