//! The one table of keys. The reader knows no other keys, and the reference page and the editors'
//! schema are printed from it, so that the three cannot drift apart.

pub(crate) mod audit;
pub(crate) mod authorization_server;
pub(crate) mod aws;
pub(crate) mod certificates;
pub(crate) mod issuers;
pub(crate) mod jwt_auth;
pub(crate) mod limits;
pub(crate) mod litellm;
pub(crate) mod login;
pub(crate) mod ours;
pub(crate) mod people;
pub(crate) mod policy;
pub(crate) mod redis;
pub(crate) mod secrets;
pub(crate) mod servers;
pub(crate) mod signer;
pub(crate) mod traces;

/// A map with fixed keys.
#[derive(Debug)]
pub(crate) struct Section {
    /// Name in the schema's definitions.
    pub(crate) name: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [Key],
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) doc: &'static str,
    pub(crate) default: Option<&'static str>,
    pub(crate) standing: Standing,
    /// Absent, it closes less than with any value: written and left blank it is a mistake.
    pub(crate) restricts: bool,
}

/// What a key holds.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`, nothing else.
    Flag,
    /// A whole number within these bounds.
    Whole(u64, u64),
    /// Seconds, or `500ms`, `30s`, `5m`, `1h`.
    Span,
    /// Bytes, or `64KiB`, `4MiB`.
    Size,
    /// Text that is no secret.
    Text,
    /// Text for people.
    Prose,
    /// Text that nobody may see.
    Secret,
    /// An absolute http or https URL.
    Url,
    /// A file's name.
    FilePath,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A list of texts; one text alone stands for a list of one.
    Texts,
    /// A list of texts, or one text with blanks between.
    Words,
    /// Names to texts.
    TextMap,
    /// Names to secrets.
    SecretMap,
    /// Names to lists of texts.
    TextsMap,
    /// A map with fixed keys.
    Section(&'static Section),
    /// Free names to maps with fixed keys.
    Named(&'static Section),
    /// A list of maps with fixed keys.
    Sections(&'static Section),
    /// Whatever JSON can say, handed on as it is.
    Anything,
}

/// Whether a key does something.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Standing {
    /// It does what its text says.
    Works,
    /// Known from LiteLLM, without effect: a warning says what will not happen.
    Inert(&'static str),
    /// Ignoring it would open what the operator closed, or leave a server without what it needs:
    /// an error, unless the value is the harmless one.
    Unavailable {
        harmless: &'static str,
        text: &'static str,
    },
}

impl Key {
    pub(crate) const fn new(name: &'static str, kind: Kind, doc: &'static str) -> Self {
        Self {
            name,
            kind,
            doc,
            default: None,
            standing: Standing::Works,
            restricts: false,
        }
    }

    /// Marks a key whose absence opens: to leave it blank is an error.
    pub(crate) const fn restricts(mut self) -> Self {
        self.restricts = true;
        self
    }

    pub(crate) const fn default(mut self, default: &'static str) -> Self {
        self.default = Some(default);
        self
    }
}

/// A LiteLLM key that does nothing here.
pub(crate) const fn inert(name: &'static str, text: &'static str) -> Key {
    Key {
        name,
        kind: Kind::Anything,
        doc: "",
        default: None,
        standing: Standing::Inert(text),
        restricts: false,
    }
}

/// A key that must not be ignored and cannot be honoured.
pub(crate) const fn unavailable(
    name: &'static str,
    harmless: &'static str,
    text: &'static str,
) -> Key {
    Key {
        name,
        kind: Kind::Anything,
        doc: "",
        default: None,
        standing: Standing::Unavailable { harmless, text },
        restricts: false,
    }
}

impl Section {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}

/// Every section that can be reached from the root, the root first.
pub(crate) fn all_sections() -> Vec<&'static Section> {
    fn visit(section: &'static Section, into: &mut Vec<&'static Section>) {
        if into.iter().any(|known| known.name == section.name) {
            return;
        }
        into.push(section);
        for key in section.keys {
            if let Kind::Section(inner) | Kind::Named(inner) | Kind::Sections(inner) = key.kind {
                visit(inner, into);
            }
        }
    }
    let mut sections = Vec::new();
    visit(&ours::ROOT, &mut sections);
    sections
}
