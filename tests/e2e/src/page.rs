//! The forms of a page: as much HTML as a browser without scripts needs to press a button.

use std::collections::BTreeMap;

/// A form with everything that would be sent.
#[derive(Debug, Default, Clone)]
pub(crate) struct Form {
    pub(crate) action: Option<String>,
    pub(crate) posts: bool,
    pub(crate) fields: Vec<Field>,
    pub(crate) buttons: Vec<Button>,
}

#[derive(Debug, Clone)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) value: String,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Button {
    pub(crate) text: String,
    pub(crate) name: Option<String>,
    pub(crate) value: String,
}

/// The forms in their order.
pub(crate) fn forms(html: &str) -> Vec<Form> {
    let mut forms: Vec<Form> = Vec::new();
    let mut inside = false;
    let mut rest = html;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((tag, text)) = after.split_once('>') else {
            break;
        };
        rest = text;
        let (name, attributes) = read_tag(tag);
        match name.as_str() {
            "form" => {
                inside = true;
                forms.push(Form {
                    action: attributes.get("action").cloned(),
                    posts: attributes
                        .get("method")
                        .is_some_and(|method| method.eq_ignore_ascii_case("post")),
                    ..Form::default()
                });
            }
            "/form" => inside = false,
            "input" | "button" if inside => {
                let Some(form) = forms.last_mut() else {
                    continue;
                };
                let kind = attributes.get("type").cloned().unwrap_or_default();
                if name == "button" || kind == "submit" {
                    let said = text.split("</button").next().unwrap_or_default();
                    let value = attributes.get("value").cloned().unwrap_or_default();
                    form.buttons.push(Button {
                        text: if name == "button" {
                            words(said)
                        } else {
                            value.clone()
                        },
                        name: attributes.get("name").cloned(),
                        value,
                    });
                } else if let Some(field) = attributes.get("name") {
                    let unticked = kind == "checkbox" && !attributes.contains_key("checked");
                    if !unticked {
                        let default = if kind == "checkbox" { "on" } else { "" };
                        let value = attributes.get("value").map_or(default, String::as_str);
                        form.fields.push(Field {
                            name: field.clone(),
                            kind,
                            value: value.to_owned(),
                        });
                    }
                }
            }
            _ => {}
        }
    }
    forms
}

/// The links in their order: what they say, and where they lead.
pub(crate) fn links(html: &str) -> Vec<(String, String)> {
    let ends = html.split("<a ").skip(1);
    ends.filter_map(|end| {
        let (tag, text) = end.split_once('>')?;
        let (_, attributes) = read_tag(&format!("a {tag}"));
        let said = text.split("</a").next().unwrap_or_default();
        Some((words(said), attributes.get("href")?.clone()))
    })
    .collect()
}

/// What a reader sees, on one line.
pub(crate) fn words(html: &str) -> String {
    let mut seen = String::new();
    for (at, piece) in html.split('<').enumerate() {
        let text = match at {
            0 => piece,
            _ => piece.split_once('>').map_or("", |(_, text)| text),
        };
        seen.push_str(text);
        seen.push(' ');
    }
    let seen = plain(&seen);
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn read_tag(tag: &str) -> (String, BTreeMap<String, String>) {
    let tag = tag.trim_end_matches('/');
    let (name, mut rest) = tag
        .split_once(|c: char| c.is_ascii_whitespace())
        .unwrap_or((tag, ""));
    let mut attributes = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            break;
        }
        let end = rest
            .find(|c: char| c == '=' || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        let (attribute, after) = rest.split_at(end);
        let Some(value) = after.strip_prefix('=') else {
            attributes.insert(attribute.to_ascii_lowercase(), String::new());
            rest = after;
            continue;
        };
        let (value, after) = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => {
                let quoted = value.get(1..).unwrap_or_default();
                quoted.split_once(quote).unwrap_or((quoted, ""))
            }
            _ => value
                .split_once(|c: char| c.is_ascii_whitespace())
                .unwrap_or((value, "")),
        };
        attributes.insert(attribute.to_ascii_lowercase(), plain(value));
        rest = after;
    }
    (name.to_ascii_lowercase(), attributes)
}

fn plain(text: &str) -> String {
    let mut seen = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        seen.push_str(before);
        let named = after.split_once(';').and_then(|(name, rest)| {
            let character = match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                "nbsp" => ' ',
                _ => {
                    let number = name.strip_prefix('#')?;
                    let code = match number.strip_prefix(['x', 'X']) {
                        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                        None => number.parse().ok()?,
                    };
                    char::from_u32(code)?
                }
            };
            Some((character, rest))
        });
        let (character, after) = named.unwrap_or(('&', after));
        seen.push(character);
        rest = after;
    }
    seen.push_str(rest);
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_with_its_hidden_fields_and_buttons() {
        let page = r#"<p>Hello &amp; <b>welcome</b></p>
            <form method="post" action="/login?to=%2Fa&amp;b=1">
              <input type="hidden" name="csrf" value="a&quot;b&#x27;c&#39;">
              <input name=key type='password' required>
              <input type="checkbox" name="remember" checked><input type="checkbox" name="spam">
              <button type="submit" name="decision" value="allow"><span>Allow</span> it</button>
            </form><button>elsewhere</button>"#;
        let forms = forms(page);
        assert_eq!(forms.len(), 1);
        let form = forms.first().unwrap();
        assert_eq!(form.action.as_deref(), Some("/login?to=%2Fa&b=1"));
        assert!(form.posts);
        let fields: Vec<_> = form
            .fields
            .iter()
            .map(|field| (field.name.as_str(), field.value.as_str()))
            .collect();
        assert_eq!(
            fields,
            [("csrf", "a\"b'c'"), ("key", ""), ("remember", "on")]
        );
        assert_eq!(form.fields.get(1).unwrap().kind, "password");
        let button = form.buttons.first().unwrap();
        assert_eq!(button.text, "Allow it");
        assert_eq!(
            (button.name.as_deref(), button.value.as_str()),
            (Some("decision"), "allow")
        );
        let link = r#"<p><a class="button" href="/x?a=1&amp;b=2">Sign in with <bdi>You</bdi></a>"#;
        let told = ("Sign in with You".to_owned(), "/x?a=1&b=2".to_owned());
        assert_eq!(links(link), [told]);
        assert_eq!(words("<p>a &lt;b&gt;</p>c"), "a <b> c");
    }
}
