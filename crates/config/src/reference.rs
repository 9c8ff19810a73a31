//! The reference page, printed from the key table.

use std::fmt::Write;

use crate::keys::{Key, Kind, Section, Standing, all_sections};

const HEAD: &str = "\
# Configuration reference

This page is generated from the table of keys that the gateway reads by; `cargo xtask gen` writes it.

The file is YAML or JSON. Every single value may be written elsewhere:

| Form | Means |
|---|---|
| `${VAR}` | the variable's value; an error when it is not set, in a secret also when it is empty |
| `${VAR:-default}` | the default when it is not set or empty |
| `${VAR:?message}` | an error with this message when it is not set or empty |
| `os.environ/VAR` | the variable's value |
| `file:/run/secrets/x` | the file's text without the line break at its end |
| `vault:path#field` | a secret in HashiCorp Vault ([secrets](#secrets)) |
| `aws-sm:name#field` | a secret in AWS Secrets Manager |
| `$${` | a literal `${` |

`PORTCULLIS__SECTION__KEY` in the environment wins over a single value of the file, for example
`PORTCULLIS__SERVER__PORT=8080` or `PORTCULLIS__MCP_SERVERS__GITHUB__URL=…`.

A key that restricts (`allowed_tools`, `servers`, `expires_at`, `tls` and their like) must not be left
blank: write a value, `[]` where it is a list, or remove the key.
";

/// `docs/reference/config.md`.
pub fn reference_markdown() -> String {
    let mut page = HEAD.to_owned();
    for section in all_sections() {
        write_section(&mut page, section);
    }
    page
}

// Writing to a String cannot fail: the results below say nothing.
fn write_section(page: &mut String, section: &Section) {
    let title = if section.name == "config" {
        "Top level"
    } else {
        section.name
    };
    let _ = write!(page, "\n## {title}\n\n{}\n", section.doc);
    let works = |key: &&Key| matches!(key.standing, Standing::Works);
    let mut working = section.keys.iter().filter(works).peekable();
    if working.peek().is_some() {
        page.push_str("\n| Key | Value | Default | Meaning |\n|---|---|---|---|\n");
        for key in working {
            let default = key
                .default
                .map_or_else(String::new, |default| format!("`{default}`"));
            let _ = writeln!(
                page,
                "| `{}` | {} | {default} | {} |",
                key.name,
                kind(key.kind),
                cell(key.doc)
            );
        }
    }
    write_standing(
        page,
        section,
        "Known and without effect (a warning):",
        |key| match key.standing {
            Standing::Inert(text) => Some(text),
            _ => None,
        },
    );
    write_standing(
        page,
        section,
        "Known and refused (an error, because ignoring it would not be safe):",
        |key| match key.standing {
            Standing::Unavailable { text, .. } => Some(text),
            _ => None,
        },
    );
}

fn write_standing(
    page: &mut String,
    section: &Section,
    title: &str,
    text: impl Fn(&Key) -> Option<&'static str>,
) {
    let mut rows = section
        .keys
        .iter()
        .filter_map(|key| text(key).map(|text| (key.name, text)))
        .peekable();
    if rows.peek().is_some() {
        let _ = write!(page, "\n{title}\n\n| Key | Why |\n|---|---|\n");
        for (name, text) in rows {
            let _ = writeln!(page, "| `{name}` | {} |", cell(text));
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn kind(kind: Kind) -> String {
    match kind {
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Whole(min, max) => format!("{min} to {max}"),
        Kind::Span => "time: `30`, `500ms`, `5m`".to_owned(),
        Kind::Size => "size: `65536`, `4MiB`".to_owned(),
        Kind::Text | Kind::Prose => "text".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Url => "URL".to_owned(),
        Kind::FilePath => "path".to_owned(),
        Kind::Choice(words) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Kind::Texts => "list of texts".to_owned(),
        Kind::Words => "list of texts, or one text with blanks".to_owned(),
        Kind::TextMap => "map of names to texts".to_owned(),
        Kind::SecretMap => "map of names to secrets".to_owned(),
        Kind::TextsMap => "map of names to lists".to_owned(),
        Kind::Section(section) => format!("[{0}](#{0})", section.name),
        Kind::Named(section) => format!("map of names to [{0}](#{0})", section.name),
        Kind::Sections(section) => format!("list of [{0}](#{0})", section.name),
        Kind::Anything => "anything".to_owned(),
    }
}
