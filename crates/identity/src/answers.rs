//! What was said of tokens lately. Whoever makes tokens up pushes out nobody's good answer.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use portcullis_oauth::jose::{Claims, Verified};

use crate::AuthnErrorKind;

/// Answers of each of the two kinds that are kept.
const MOST: usize = 10_000;

/// A token, and the certificate with which its bearer came: what is said of a token that is bound to a
/// certificate is true for that bearer alone.
pub(crate) type Asked = ([u8; 32], Option<[u8; 32]>);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) said: Result<Arc<Verified<Claims>>, AuthnErrorKind>,
    /// Monotonic.
    pub(crate) until: Duration,
}

impl Answer {
    /// Whether the issuer knows the token, believed here or not: nobody makes one of these up.
    fn is_known(&self) -> bool {
        match &self.said {
            Ok(_) => true,
            Err(kind @ AuthnErrorKind::Token(_)) => !kind.is_foreign(),
            Err(_) => false,
        }
    }
}

/// Answers, those about tokens that the issuer knows apart from all others.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    known: Kept,
    refused: Kept,
}

impl Answers {
    pub(crate) fn get(&self, asked: &Asked) -> Option<&Answer> {
        let known = self.known.answers.get(asked);
        known.or_else(|| self.refused.answers.get(asked))
    }

    /// Every answer about one token, whoever came with it.
    pub(crate) fn about(&self, fingerprint: &[u8; 32]) -> impl Iterator<Item = &Answer> {
        let asked = (*fingerprint, None)..=(*fingerprint, Some([u8::MAX; 32]));
        let known = self.known.answers.range(asked.clone());
        let all = known.chain(self.refused.answers.range(asked));
        all.map(|(_, answer)| answer)
    }

    pub(crate) fn keep(&mut self, asked: Asked, answer: Answer, now: Duration) {
        let (kept, other) = if answer.is_known() {
            (&mut self.known, &mut self.refused)
        } else {
            (&mut self.refused, &mut self.known)
        };
        other.answers.remove(&asked);
        kept.insert(asked, answer, now);
    }
}

/// In the order of their coming, which is nearly that of their ends: room is made a few at a time.
#[derive(Debug, Default)]
struct Kept {
    answers: BTreeMap<Asked, Answer>,
    order: VecDeque<(Asked, Duration)>,
}

impl Kept {
    fn insert(&mut self, asked: Asked, answer: Answer, now: Duration) {
        while let Some((_, until)) = self.order.front()
            && (*until <= now || self.order.len() >= MOST)
        {
            self.forget_first();
        }
        self.order.push_back((asked, answer.until));
        self.answers.insert(asked, answer);
    }

    /// The oldest, unless there is a newer answer in its place.
    fn forget_first(&mut self) {
        let Some((asked, until)) = self.order.pop_front() else {
            return;
        };
        if self
            .answers
            .get(&asked)
            .is_some_and(|answer| answer.until == until)
        {
            self.answers.remove(&asked);
        }
    }
}

#[cfg(test)]
mod tests {
    use portcullis_oauth::jose::TokenFault;

    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn asked(number: usize) -> Asked {
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        (hash, None)
    }

    fn answer(fault: TokenFault) -> Answer {
        Answer {
            said: Err(AuthnErrorKind::Token(fault)),
            until: MINUTE,
        }
    }

    #[test]
    fn however_many_tokens_are_made_up_what_is_known_stays() {
        let mut answers = Answers::default();
        // Expired: only its issuer can know that.
        answers.keep(asked(0), answer(TokenFault::Expired), Duration::ZERO);
        for number in 1..3 * MOST {
            answers.keep(asked(number), answer(TokenFault::Inactive), Duration::ZERO);
        }
        assert!(answers.get(&asked(0)).is_some());
        assert_eq!(answers.about(&asked(0).0).count(), 1);
        assert_eq!(answers.refused.answers.len(), MOST);
        assert_eq!(answers.refused.order.len(), MOST);
        assert!(answers.get(&asked(1)).is_none(), "the oldest goes first");
        assert!(answers.get(&asked(3 * MOST - 1)).is_some());
    }

    #[test]
    fn a_newer_answer_outlives_the_older_one_in_its_place() {
        let mut answers = Answers::default();
        answers.keep(asked(0), answer(TokenFault::Inactive), Duration::ZERO);
        let newer = Answer {
            until: 2 * MINUTE,
            ..answer(TokenFault::Inactive)
        };
        answers.keep(asked(0), newer, Duration::ZERO);
        answers.keep(asked(1), answer(TokenFault::Expired), MINUTE);
        answers.keep(asked(2), answer(TokenFault::Inactive), MINUTE);
        assert!(answers.get(&asked(0)).is_some());
        answers.keep(asked(0), answer(TokenFault::Expired), MINUTE);
        assert_eq!(answers.about(&asked(0).0).count(), 1, "said once");
    }
}
