//! A person's browser, as far as it matters to a server: it keeps cookies and sends forms.

use std::collections::BTreeMap;

use super::{Actor, Ask, Reply};

/// The host under which the gateway is opened.
const HOST: &str = "localhost";

/// A browser with cookies of its own.
#[derive(Clone, Debug)]
pub struct Browser {
    actor: Actor,
    host: &'static str,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    /// A fresh one, which connects as this actor does.
    pub const fn of(actor: Actor) -> Self {
        Self {
            actor,
            host: HOST,
            cookies: BTreeMap::new(),
        }
    }

    /// Opens the gateway under another name from now on.
    pub const fn calls_it(&mut self, host: &'static str) {
        self.host = host;
    }

    /// A cookie that it keeps.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// Puts a cookie in, as somebody with access to the machine could.
    pub fn put_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The same browser, with the cookies that it has by now, in front of another replica.
    #[must_use]
    pub fn moved_to(&self, actor: Actor) -> Self {
        Self {
            actor,
            ..self.clone()
        }
    }

    /// Opens a page.
    pub async fn get(&mut self, path: &str) -> Reply {
        self.send(Ask::get(path)).await
    }

    /// Sends a form, as a page of the gateway would.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Reply {
        self.post_from(path, fields, &format!("http://{}", self.host))
            .await
    }

    /// Sends a form that stands on a page of this origin.
    pub async fn post_from(&mut self, path: &str, fields: &[(&str, &str)], origin: &str) -> Reply {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let ask = Ask::new("POST", path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("origin", origin)
            .body(form.finish());
        self.send(ask).await
    }

    async fn send(&mut self, ask: Ask) -> Reply {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let ask = if cookies.is_empty() {
            ask
        } else {
            ask.header("cookie", &cookies.join("; "))
        };
        let reply = self.actor.ask(ask.host(Some(self.host))).await;
        for (name, line) in &reply.headers {
            if name == "set-cookie" {
                let (pair, attributes) = line.split_once(';').unwrap();
                let (name, value) = pair.split_once('=').unwrap();
                if attributes.contains("Max-Age=0") {
                    self.cookies.remove(name);
                } else {
                    self.cookies.insert(name.to_owned(), value.to_owned());
                }
            }
        }
        reply
    }

    /// Signs in with a key, and returns the answer.
    pub async fn signs_in_with(&mut self, key: &str, return_to: &str) -> Reply {
        let page = self.get("/login").await;
        let token = form_token(&page, "/login");
        let fields = [("token", &*token), ("key", key), ("return_to", return_to)];
        self.post("/login", &fields).await
    }
}

/// The token of the form on a page that goes to this place.
pub fn form_token(page: &Reply, action: &str) -> String {
    let text = page.text();
    let form = text
        .split("<form ")
        .find(|form| form.contains(&format!("action=\"{action}\"")))
        .unwrap_or_else(|| panic!("no form goes to {action}: {text}"));
    let (_, rest) = form.split_once("name=\"token\" value=\"").unwrap();
    rest.split('"').next().unwrap().to_owned()
}
