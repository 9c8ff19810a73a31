//! The list grammar of RFC 9110 §11.3 and §11.6.1:
//! `1#( auth-scheme [ 1*SP ( token68 / #auth-param ) ] )`.

/// One challenge as written.
pub(super) struct RawChallenge {
    pub(super) scheme: String,
    pub(super) params: Vec<(String, String)>,
}

/// All challenges of one field value, up to where it breaks the grammar.
pub(super) fn challenges(value: &str) -> Vec<RawChallenge> {
    let mut input = Input(value);
    let mut found: Vec<RawChallenge> = Vec::new();
    loop {
        input.skip_separators();
        let name = input.token();
        if name.is_empty() {
            return found;
        }
        let spaced = input.skip_spaces();
        // `name = value` continues the challenge before it; anything else begins a new one.
        if let Some(challenge) = found.last_mut()
            && input.peek() == Some('=')
        {
            match input.after_equals() {
                Some(value) => challenge.params.push((name.to_owned(), value)),
                None => return found,
            }
        } else {
            found.push(RawChallenge {
                scheme: name.to_owned(),
                params: Vec::new(),
            });
            if spaced {
                input.skip_token68();
            }
        }
    }
}

struct Input<'a>(&'a str);

impl<'a> Input<'a> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn skip_spaces(&mut self) -> bool {
        let rest = self.0.trim_start_matches([' ', '\t']);
        let skipped = rest.len() < self.0.len();
        self.0 = rest;
        skipped
    }

    fn skip_separators(&mut self) {
        self.0 = self.0.trim_start_matches([' ', '\t', ',']);
    }

    fn take_while(&mut self, accept: impl Fn(char) -> bool) -> &'a str {
        let rest = self.0.trim_start_matches(accept);
        let taken = self.0.strip_suffix(rest).unwrap_or_default();
        self.0 = rest;
        taken
    }

    /// A token (RFC 9110 §5.6.2), empty when there is none.
    fn token(&mut self) -> &'a str {
        self.take_while(is_token_char)
    }

    /// Passes over a `token68`, if what comes is one and not a parameter.
    fn skip_token68(&mut self) {
        let before = self.0;
        let body = self.take_while(|c| c.is_ascii_alphanumeric() || "-._~+/".contains(c));
        self.take_while(|c| c == '=');
        self.skip_spaces();
        if body.is_empty() || !matches!(self.peek(), None | Some(',')) {
            self.0 = before;
        }
    }

    /// The value behind `=`: a token or a quoted string; `None` when it is neither.
    fn after_equals(&mut self) -> Option<String> {
        self.0 = self.0.strip_prefix('=')?;
        self.skip_spaces();
        if let Some(rest) = self.0.strip_prefix('"') {
            self.0 = rest;
            return self.quoted_rest();
        }
        // More lenient than a token: servers write URLs without quotes.
        let value = self.take_while(|c| !matches!(c, ',' | ' ' | '\t' | '"'));
        (!value.is_empty()).then(|| value.to_owned())
    }

    /// A quoted string behind its opening quote (RFC 9110 §5.6.4); `None` when it does not end.
    fn quoted_rest(&mut self) -> Option<String> {
        let mut value = String::new();
        let mut characters = self.0.char_indices();
        while let Some((position, character)) = characters.next() {
            match character {
                '"' => {
                    self.0 = self.0.get(position + 1..)?;
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}

fn is_token_char(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}
