//! Proof that a form was filled in on a page of ours, in the browser that the page was made for: what
//! a page of another site cannot bring along (CSRF, login CSRF).

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_core::{Purpose, Sha256};

use super::{BrowserSessions, NoSession};

/// How long a page may lie open before its form is sent.
const OPEN: Duration = Duration::from_hours(1);

impl BrowserSessions {
    /// A random name for a browser in which nobody is signed in yet: what ties its forms, and its way
    /// to a provider and back, to it. It proves nobody.
    pub fn name_browser(&self) -> Result<String, NoSession> {
        let mut name = [0_u8; 32];
        self.entropy.fill(&mut name)?;
        Ok(URL_SAFE_NO_PAD.encode(name))
    }

    /// A token for one form: of this session or browser, for this act on this thing.
    pub fn form_token(&self, whose: &str, act: &str) -> Result<String, NoSession> {
        let ends = self.clock.now().after(OPEN);
        let bound = binding(whose, act);
        Ok(self.sealer.seal(Purpose::FormToken, &bound, ends, b"")?)
    }

    /// Whether a token is one that was made for this form. An empty name is nobody's.
    pub fn is_form_token(&self, whose: &str, act: &str, token: &str) -> bool {
        let now = self.clock.now();
        let bound = binding(whose, act);
        let opened = self.sealer.open(Purpose::FormToken, &bound, now, token);
        !whose.is_empty() && opened.is_ok_and(|text| text.is_empty())
    }
}

fn binding(whose: &str, act: &str) -> [u8; 32] {
    Sha256::new()
        .part(whose.as_bytes())
        .part(act.as_bytes())
        .finish()
}
