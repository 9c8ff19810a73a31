//! Servers of administrators: define, update, remove, import.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use http::Method;
use serde_json::{Map, Value, json};

use super::{segment, tell};
use crate::cli::exit::{CommandError, Exit};
use crate::cli::output::{Column, Output};
use crate::cli::progress;
use crate::cli::target::TargetArgs;
use crate::cli::tools::arguments;

/// Keys of a server, by their names in the file's `mcp_servers`.
#[derive(Clone, Debug, Default, Args)]
pub struct KeyArgs {
    /// Keys as NAME=VALUE; a value that is JSON is taken as such
    #[arg(value_name = "NAME=VALUE")]
    pub pairs: Vec<String>,
    /// A file with a JSON object of keys, `-` for standard input: the place for secrets, which lists of processes
    /// would show
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,
    /// The URL that it is reached at
    #[arg(long = "at", value_name = "URL")]
    pub at: Option<String>,
}

/// Options of `servers define`.
#[derive(Clone, Debug, Args)]
pub struct DefineArgs {
    /// What grants and addresses will call it
    pub name: String,
    /// What it is.
    #[command(flatten)]
    pub keys: KeyArgs,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Options of `servers update`.
#[derive(Clone, Debug, Args)]
pub struct UpdateServerArgs {
    /// Its name
    pub name: String,
    /// What is to be different.
    #[command(flatten)]
    pub keys: KeyArgs,
    /// Take these keys away, separated by commas
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub unset: Vec<String>,
    /// Only if it is still this version, as `servers show` tells it
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Options of `servers remove`.
#[derive(Clone, Debug, Args)]
pub struct RemoveArgs {
    /// Its name
    pub name: String,
    /// Only if it is still this version, as `servers show` tells it
    #[arg(long, value_name = "VERSION")]
    pub if_version: Option<String>,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

/// Options of `servers import`.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// A file with `mcpServers`, `-` for standard input
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// The gateway.
    #[command(flatten)]
    pub target: TargetArgs,
}

impl KeyArgs {
    fn read(&self) -> Result<Map<String, Value>, CommandError> {
        let mut keys = match &self.from {
            Some(file) => object(file)?,
            None => Map::new(),
        };
        let at = self.at.as_deref().map(|at| ("url".to_owned(), at.into()));
        let Value::Object(pairs) = arguments(None, &self.pairs)? else {
            return Ok(keys);
        };
        for (name, value) in pairs.into_iter().chain(at) {
            if keys.insert(name.clone(), value).is_some() {
                return Err(CommandError::Usage(format!("{name:?} is given twice")));
            }
        }
        Ok(keys)
    }
}

/// The JSON object of a file.
fn object(file: &Path) -> Result<Map<String, Value>, CommandError> {
    let name = file.display();
    let text = if file == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        read.context("cannot read standard input")?;
        text
    } else {
        std::fs::read_to_string(file)
            .map_err(|error| CommandError::Usage(format!("cannot read {name}: {error}")))?
    };
    // What is wrong is told by its place: the text may hold secrets.
    let wrong = |what: String| CommandError::Usage(format!("{name}: {what}"));
    match serde_json::from_str(&text) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(wrong("not a JSON object".to_owned())),
        Err(error) => Err(wrong(format!(
            "no JSON at line {}, column {}",
            error.line(),
            error.column()
        ))),
    }
}

pub(super) async fn define(
    args: DefineArgs,
    above: TargetArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let mut body = args.keys.read()?;
    if body
        .insert("server_name".to_owned(), args.name.into())
        .is_some()
    {
        return Err(CommandError::Usage("its name is given twice".to_owned()));
    }
    let client = args.target.or(above).connect()?;
    let body = Value::Object(body);
    let defining = client.post("/v1/mcp/server", &body);
    let shown = progress::during("defining the server", defining).await?;
    tell(&shown, out)?;
    Ok(Exit::Done)
}

pub(super) async fn update(
    args: UpdateServerArgs,
    above: TargetArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let mut body = args.keys.read()?;
    for name in args.unset {
        if body.insert(name.clone(), Value::Null).is_some() {
            let what = format!("{name:?} is said and taken away");
            return Err(CommandError::Usage(what));
        }
    }
    if body.is_empty() {
        return Err(CommandError::Usage("say what is to change".to_owned()));
    }
    let client = args.target.or(above).connect()?;
    let path = format!("/v1/mcp/server/{}", segment(&args.name));
    let seen = args.if_version.map(|version| format!("\"{version}\""));
    let fields = seen.as_deref().map(|seen| ("if-match", seen));
    let body = Value::Object(body);
    let changing = client.change(Method::PUT, &path, fields.as_slice(), Some(&body));
    let shown = progress::during("changing the server", changing).await?;
    tell(&shown, out)?;
    Ok(Exit::Done)
}

pub(super) async fn remove(
    args: RemoveArgs,
    above: TargetArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let client = args.target.or(above).connect()?;
    let path = format!("/v1/mcp/server/{}", segment(&args.name));
    let seen = args.if_version.map(|version| format!("\"{version}\""));
    let fields = seen.as_deref().map(|seen| ("if-match", seen));
    let removing = client.change(Method::DELETE, &path, fields.as_slice(), None);
    let answer = progress::during("taking the server away", removing).await?;
    out.json(&answer)?;
    out.line(&format!("removed {}", args.name))?;
    Ok(Exit::Done)
}

const IMPORTED: [Column; 3] = [
    ("server", "/server_name"),
    ("", "/status"),
    ("why", "/detail"),
];

pub(super) async fn import(
    args: ImportArgs,
    above: TargetArgs,
    out: &mut Output,
) -> Result<Exit, CommandError> {
    let body = Value::Object(object(&args.file)?);
    let client = args.target.or(above).connect()?;
    let importing = client.post("/v1/mcp/server/import", &body);
    let answer = progress::during("defining the servers", importing).await?;
    out.json(&answer)?;
    let list = |at: &str| answer.pointer(at).and_then(Value::as_array).into_iter();
    let imported = list("/imported").flatten();
    let mut rows: Vec<Value> = imported
        .map(|name| json!({"server_name": name, "status": "served"}))
        .collect();
    let served = rows.len();
    rows.extend(list("/refused").flatten().map(|refused| {
        let mut row = refused.clone();
        if let Some(members) = row.as_object_mut() {
            members.insert("status".to_owned(), "refused".into());
        }
        row
    }));
    out.table(&IMPORTED, &rows, "nothing was imported")?;
    Ok(if served == rows.len() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pairs: &[&str], from: Option<&Path>, at: Option<&str>) -> KeyArgs {
        KeyArgs {
            pairs: pairs.iter().map(|pair| (*pair).to_owned()).collect(),
            from: from.map(Path::to_path_buf),
            at: at.map(str::to_owned),
        }
    }

    #[test]
    fn keys_come_from_a_file_and_the_command_line_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("server.json");
        std::fs::write(
            &file,
            r#"{"auth_type": "bearer_token", "auth_value": "canary"}"#,
        )
        .unwrap();
        let read = keys(
            &["allowed_tools=[\"a\"]"],
            Some(&file),
            Some("https://a.test/mcp"),
        );
        let expected = json!({
            "auth_type": "bearer_token", "auth_value": "canary", "allowed_tools": ["a"],
            "url": "https://a.test/mcp",
        });
        assert_eq!(Value::Object(read.read().unwrap()), expected);
        let twice = keys(&["auth_value=other"], Some(&file), None).read();
        assert_eq!(twice.unwrap_err().number(), 2);
        std::fs::write(&file, "{\"auth_value\": \"canary\",, }").unwrap();
        let told = keys(&[], Some(&file), None).read().unwrap_err().told();
        assert!(
            told.contains("line 1") && !told.contains("canary"),
            "{told}"
        );
    }
}
