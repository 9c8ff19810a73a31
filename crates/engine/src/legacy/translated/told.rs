//! How far a call has come, as its client knows it.

/// How far the client was told that the call has come: it must not hear of less when the server begins
/// anew (all revisions: "progress MUST increase").
#[derive(Debug, Default)]
pub(super) struct Told {
    before: Option<f64>,
    now: Option<f64>,
}

impl Told {
    /// Another attempt begins.
    pub(super) fn anew(&mut self) {
        self.before = self.now;
    }

    /// Whether this progress is news.
    pub(super) fn goes_on(&mut self, progress: Option<f64>) -> bool {
        let Some(progress) = progress else {
            return true;
        };
        if self.before.is_some_and(|before| progress <= before) {
            return false;
        }
        self.now = Some(self.now.map_or(progress, |now| now.max(progress)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_not_told_that_the_call_has_come_less_far() {
        let mut told = Told::default();
        assert!(told.goes_on(Some(1.0)) && told.goes_on(Some(2.0)));
        told.anew();
        assert!(!told.goes_on(Some(1.0)) && !told.goes_on(Some(2.0)));
        assert!(told.goes_on(Some(2.5)) && told.goes_on(None));
    }
}
