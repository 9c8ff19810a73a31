//! Somebody at a browser without scripts: keeps cookies, follows redirects, fills in forms and presses
//! the button that goes on.

use anyhow::{Context, bail, ensure};
use hyper::header::SET_COOKIE;
use url::{Url, form_urlencoded};

use crate::page::{Button, Form, forms, links, words};
use crate::web::{Asked, Told, ask};

/// More pages than any flow has.
const PATIENCE: usize = 40;

/// Buttons that go on, as they begin; any other leads back or ends something.
const ONWARD: [&str; 6] = [
    "sign in", "sign-in", "allow", "approve", "connect", "continue",
];

/// A person with a browser of their own.
#[derive(Debug, Default)]
pub struct Person {
    key: Option<String>,
    account: Option<String>,
    cookies: Vec<Cookie>,
    pressed: Vec<(String, String)>,
    seen: Vec<String>,
}

#[derive(Debug)]
struct Cookie {
    host: String,
    path: String,
    name: String,
    value: String,
}

/// Where a walk ended.
#[derive(Debug)]
pub struct Arrival {
    /// The address in the browser.
    pub url: String,
    /// The HTTP status; none where the walk was told to stop before asking.
    pub status: Option<u16>,
    /// What the page says.
    pub text: String,
}

impl Person {
    /// Signs in at the gateway with an API key.
    pub fn with_key(key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..Self::default()
        }
    }

    /// Signs in at the gateway's provider, with this account there.
    pub fn with_account(account: &str) -> Self {
        Self {
            account: Some(account.to_owned()),
            ..Self::default()
        }
    }

    /// Has another account too, at authorization servers of other people.
    #[must_use]
    pub fn known_elsewhere_as(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// The pages of all walks, as they were called.
    pub fn seen(&self) -> &[String] {
        &self.seen
    }

    /// Opens an address and goes on until a page offers nothing that goes on, or until the browser is
    /// led to an address that begins like `end`, which is not asked.
    pub async fn walk(&mut self, url: &str, end: Option<&str>) -> anyhow::Result<Arrival> {
        self.pressed.clear();
        let mut url = Url::parse(url).with_context(|| format!("{url:?} is no address"))?;
        let mut sent: Option<(String, String)> = None;
        for _ in 0..PATIENCE {
            if end.is_some_and(|end| url.as_str().starts_with(end)) {
                return Ok(Arrival {
                    url: url.into(),
                    status: None,
                    text: String::new(),
                });
            }
            let told = self.visit(&url, sent.take()).await?;
            if let Some(next) = told.location(&url)? {
                url = next;
                continue;
            }
            self.seen.push(format!("{} {}", told.status, url));
            match self.go_on(&url, &told)? {
                Some((next, form)) => {
                    sent = form.map(|form| (form, url.origin().ascii_serialization()));
                    url = next;
                }
                None => {
                    return Ok(Arrival {
                        url: url.into(),
                        status: Some(told.status),
                        text: words(&told.text),
                    });
                }
            }
        }
        bail!("the walk does not end: {:#?}", self.seen)
    }

    async fn visit(&mut self, url: &Url, sent: Option<(String, String)>) -> anyhow::Result<Told> {
        let (form, origin) = sent.unzip();
        let told = ask(Asked {
            url,
            form,
            origin,
            cookies: self.cookies_for(url),
        })
        .await?;
        for set in told.headers.get_all(SET_COOKIE) {
            self.keep(url, set.to_str().context("a cookie that is no text")?)?;
        }
        Ok(told)
    }

    fn cookies_for(&self, url: &Url) -> String {
        let host = url.host_str().unwrap_or_default();
        let fitting: Vec<_> = self
            .cookies
            .iter()
            .filter(|cookie| cookie.host == host && url.path().starts_with(&cookie.path))
            .map(|cookie| format!("{}={}", cookie.name, cookie.value))
            .collect();
        fitting.join("; ")
    }

    /// Like a browser, for every port of the host; `__Host-` means what RFC 6265bis says.
    fn keep(&mut self, url: &Url, set: &str) -> anyhow::Result<()> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut parts = set.split(';').map(str::trim);
        let (name, value) = parts
            .next()
            .and_then(|pair| pair.split_once('='))
            .context("a cookie without a value")?;
        let (mut path, mut over, mut secure, mut domain) = ("/".to_owned(), false, false, false);
        for attribute in parts {
            let (what, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            match what.to_ascii_lowercase().as_str() {
                "path" => value.clone_into(&mut path),
                "max-age" => over |= value.parse::<i64>().is_ok_and(|seconds| seconds <= 0),
                "expires" => over |= value.contains("1970"),
                "secure" => secure = true,
                "domain" => domain = true,
                _ => {}
            }
        }
        if name.starts_with("__Host-") {
            ensure!(
                secure && !domain && path == "/",
                "a browser refuses the cookie {set:?}"
            );
        }
        self.cookies
            .retain(|cookie| !(cookie.host == host && cookie.path == path && cookie.name == name));
        if !over {
            self.cookies.push(Cookie {
                host,
                path,
                name: name.to_owned(),
                value: value.to_owned(),
            });
        }
        Ok(())
    }

    /// The next address and what is posted there.
    fn go_on(&mut self, url: &Url, told: &Told) -> anyhow::Result<Option<(Url, Option<String>)>> {
        let provider = links(&told.text)
            .into_iter()
            .find(|(text, _)| text.starts_with("Sign in with"));
        if let (None, Some((_, place))) = (&self.key, provider) {
            return Ok(Some((url.join(&place)?, None)));
        }
        let forms = forms(&told.text);
        let Some((form, button)) = forms
            .iter()
            .filter_map(|form| Some((form, self.choose(url, form)?)))
            .max_by_key(|(form, _)| self.wanted(form))
        else {
            return Ok(None);
        };
        self.pressed
            .push((url.path().to_owned(), button.text.to_lowercase()));
        let mut pairs = form_urlencoded::Serializer::new(String::new());
        for field in &form.fields {
            pairs.append_pair(
                &field.name,
                self.answer(&field.name, &field.kind, &field.value),
            );
        }
        if let Some(name) = &button.name {
            pairs.append_pair(name, &button.value);
        }
        let filled = pairs.finish();
        let mut next = match &form.action {
            Some(action) => url.join(action)?,
            None => url.clone(),
        };
        if form.posts {
            return Ok(Some((next, Some(filled))));
        }
        next.set_query(Some(&filled));
        Ok(Some((next, None)))
    }

    /// The button that goes on and was not pressed on this page before.
    fn choose<'f>(&self, url: &Url, form: &'f Form) -> Option<&'f Button> {
        if form
            .fields
            .iter()
            .any(|field| is_key(&field.name, &field.kind))
            && self.key.is_none()
        {
            return None;
        }
        form.buttons.iter().find(|button| {
            let text = button.text.to_lowercase();
            let again = self
                .pressed
                .iter()
                .any(|(path, pressed)| path == url.path() && *pressed == text);
            !again && ONWARD.iter().any(|word| text.starts_with(word))
        })
    }

    /// Who has a key types it in.
    fn wanted(&self, form: &Form) -> bool {
        self.key.is_some()
            && form
                .fields
                .iter()
                .any(|field| is_key(&field.name, &field.kind))
    }

    fn answer<'a>(&'a self, name: &str, kind: &str, value: &'a str) -> &'a str {
        if is_key(name, kind) {
            return self.key.as_deref().unwrap_or_default();
        }
        match (name, kind) {
            ("login", _) => self.account.as_deref().unwrap_or("somebody"),
            ("password", _) => "any password is good there",
            _ => value,
        }
    }
}

/// Our own form asks for a key; the provider's asks for `login` and `password`.
fn is_key(name: &str, kind: &str) -> bool {
    kind == "password" && name != "password"
}
