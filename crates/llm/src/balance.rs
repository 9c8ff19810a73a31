//! Whether the pieces of a call's arguments are complete, as they come.

/// Counts brackets outside strings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Balance {
    depth: u64,
    begun: bool,
    in_string: bool,
    escaped: bool,
}

impl Balance {
    pub(crate) fn push(&mut self, piece: &str) {
        for byte in piece.bytes() {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => {
                    self.begun = true;
                    self.depth += 1;
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// Whether an object came and is closed, so that nothing can follow.
    pub(crate) const fn is_complete(self) -> bool {
        self.begun && self.depth == 0 && !self.in_string
    }
}
