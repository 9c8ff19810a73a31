//! `transport`, and the keys that go with it: how a server is reached.

use portcullis_core::{SecretValue, is_forwardable};

use crate::diagnostic::LITERAL_SECRET;
use crate::fields::{At, Fields};
use crate::model::{EnvValue, EnvVar, Revision, Sourced, StdioCommand, StdioProcesses, Transport};
use crate::references::Origin;
use crate::sections::headers::{is_name, is_sensitive};
use crate::sections::openapi;
use crate::validate::urls::{PlainHttp, callable};

/// The programs that may be started without being listed: LiteLLM's.
const KNOWN_COMMANDS: &[&str] = &["npx", "uvx", "python", "python3", "node", "docker", "deno"];

/// The words of `transport`.
const HTTP: &str = "http";
const SSE: &str = "sse";
pub(crate) const STDIO: &str = "stdio";

/// LiteLLM's switch and its list of further commands.
const ENABLE: &str = "LITELLM_ENABLE_MCP_STDIO";
const EXTRA_COMMANDS: &str = "LITELLM_MCP_STDIO_EXTRA_COMMANDS";

/// Most processes at once, unless the file says otherwise.
const DEFAULT_MOST: usize = 64;

/// What of our environment a process gets: what programs need to run, and no secret of ours.
const INHERITED: &[&str] = &[
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ",
    "USER",
];

/// Keys that mean something on HTTP only.
const HTTP_ONLY: &[&str] = &[
    "url",
    "spec_path",
    "static_headers",
    "headers",
    "extra_headers",
    "allow_caller_headers",
    "auth",
    "auth_value",
    "authentication_token",
    "auth_header",
    "discovery_auth",
    "allow_insecure_http",
];

/// Keys that mean something on stdio only.
const STDIO_ONLY: &[&str] = &["command", "args", "env", "cwd", "stdio_processes"];

/// What the file as a whole says of child processes.
#[derive(Clone, Debug, Default)]
pub(crate) struct StdioRules {
    allowed: bool,
    extra_commands: Vec<String>,
    most: Option<u64>,
}

impl StdioRules {
    pub(crate) fn read(general: &Fields<'_, '_>) -> Self {
        let variable = |name: &str| general.findings.variable(name);
        let enabled = variable(ENABLE).is_some_and(|value| {
            ["true", "1", "yes", "on"]
                .iter()
                .any(|yes| value.trim().eq_ignore_ascii_case(yes))
        });
        let listed = general.texts("stdio_commands").unwrap_or_default();
        let listed = listed.into_iter().map(|At { value, .. }| value);
        let further = variable(EXTRA_COMMANDS).unwrap_or_default();
        let further = further
            .split(',')
            .map(str::trim)
            .filter(|one| !one.is_empty());
        Self {
            // What the file says beats the variable.
            allowed: general.flag("allow_stdio").unwrap_or(enabled),
            extra_commands: listed.chain(further.map(str::to_owned)).collect(),
            most: general.whole("max_stdio_processes"),
        }
    }

    /// Most processes at once.
    pub(crate) fn most(&self) -> usize {
        self.most
            .and_then(|most| usize::try_from(most).ok())
            .unwrap_or(DEFAULT_MOST)
    }

    /// A name is looked for among names, a path among paths: a file that is called `npx` is not npx.
    fn admits(&self, command: &str) -> bool {
        KNOWN_COMMANDS.contains(&command) || self.extra_commands.iter().any(|one| one == command)
    }

    fn known(&self) -> String {
        let extra = self.extra_commands.iter().map(String::as_str);
        let all: Vec<&str> = KNOWN_COMMANDS.iter().copied().chain(extra).collect();
        all.join(", ")
    }
}

/// The word of `transport`, and of a file that writes none.
pub(crate) fn written(fields: &Fields<'_, '_>) -> &'static str {
    fields.choice("transport").unwrap_or(HTTP)
}

/// Whether anything asks for a program, whatever else is wrong with it.
pub(crate) fn is_stdio(fields: &Fields<'_, '_>) -> bool {
    let word = fields.raw("transport").unwrap_or_default();
    word.trim().eq_ignore_ascii_case(STDIO) || STDIO_ONLY.iter().any(|key| fields.has(key))
}

/// How the server is reached; complains when that cannot be told.
pub(crate) fn read(
    fields: &Fields<'_, '_>,
    written: &'static str,
    revision: Revision,
    rules: &StdioRules,
    plain: PlainHttp,
) -> Option<Transport> {
    if written == STDIO {
        return stdio(fields, rules).map(|command| Transport::Stdio(Box::new(command)));
    }
    for key in STDIO_ONLY.iter().filter(|key| fields.has(key)) {
        fields.findings.error(
            fields.place(key),
            format!("`{key}` is of servers that are processes"),
            "write `transport: stdio`, or remove it",
        );
    }
    if fields.has("spec_path") {
        return openapi::read(fields, plain);
    }
    let url = fields.require("url", fields.url("url"));
    let url = callable(fields.findings, url?, plain)?;
    if written != SSE {
        return Some(Transport::Http(url));
    }
    if revision == Revision::Exactly("2026-07-28") {
        fields.findings.error(
            fields.place("protocol_version"),
            "HTTP+SSE does not carry 2026-07-28",
            "write `transport: http`, or an earlier revision, or `auto`",
        );
        return None;
    }
    Some(Transport::Sse(url))
}

fn stdio(fields: &Fields<'_, '_>, rules: &StdioRules) -> Option<StdioCommand> {
    let findings = fields.findings;
    if !rules.allowed {
        findings.error(
            fields.place("transport"),
            "programs are not started unless the operator says so",
            format!("write `general_settings: {{allow_stdio: true}}`, or set `{ENABLE}=true`"),
        );
    }
    for key in HTTP_ONLY.iter().filter(|key| fields.has(key)) {
        findings.error(
            fields.place(key),
            format!("`{key}` has no place on stdio, where there are no requests of HTTP"),
            "remove it; what the process needs stands in `env`",
        );
    }
    let auth = fields.choice("auth_type").filter(|auth| *auth != "none");
    if let Some(auth) = auth {
        findings.error(
            fields.place("auth_type"),
            format!("`{auth}` has no place on stdio, where there is no request to put it on"),
            "write `auth_type: none`, and give the process its credential in `env`",
        );
    }
    let command = fields.require("command", fields.text("command"))?;
    let processes = match fields.choice("stdio_processes") {
        Some("shared") => StdioProcesses::Shared,
        _ => StdioProcesses::PerPrincipal,
    };
    let env = env(fields, processes);
    let args = fields.texts("args").unwrap_or_default();
    let cwd = fields.file_path("cwd");
    if let Some(cwd) = &cwd
        && !cwd.is_absolute()
    {
        findings.error(
            fields.place("cwd"),
            "not an absolute path",
            "write it from the root: `/srv/files`",
        );
    }
    let command = runnable(fields, rules, command)?;
    let inherited = INHERITED.iter().filter_map(|name| {
        let value = findings.variable(name)?;
        Some(((*name).to_owned(), value))
    });
    Some(StdioCommand {
        command,
        args: args.into_iter().map(|At { value, .. }| value).collect(),
        env,
        inherited: inherited.collect(),
        cwd,
        processes,
    })
    .filter(|_| rules.allowed && auth.is_none())
}

/// The command, if it may be started.
fn runnable(
    fields: &Fields<'_, '_>,
    rules: &StdioRules,
    At { value, place }: At<String>,
) -> Option<String> {
    if value.contains('/') && !value.starts_with('/') {
        fields.findings.error(
            place,
            "a path that depends on where the gateway was started",
            "write the program's name, or its path from the root",
        );
        return None;
    }
    if !rules.admits(&value) {
        fields.findings.error(
            place,
            format!(
                "`{value}` is not among the commands that may be started: {}",
                rules.known()
            ),
            format!("add it to `general_settings.stdio_commands` or `{EXTRA_COMMANDS}`, as it is written here"),
        );
        return None;
    }
    Some(value)
}

/// `env`; complains of what no process can have.
fn env(fields: &Fields<'_, '_>, processes: StdioProcesses) -> Vec<EnvVar> {
    let mut result: Vec<EnvVar> = Vec::new();
    for (name, mut place, node) in fields.named("env") {
        let name_place = place.clone();
        place.span = node.span;
        if name.is_empty() || name.contains(['=', '\0']) {
            fields
                .findings
                .error(name_place, "not a name that a variable can have", ());
            continue;
        }
        if let Some(header) = node.text().and_then(header) {
            if processes == StdioProcesses::Shared {
                fields.findings.error(
                    place,
                    "a process that serves everybody would act as whoever came first",
                    "write `stdio_processes: per_principal`",
                );
            } else if !is_name(&header) || !is_forwardable(&header) {
                fields.findings.error(
                    place,
                    format!("`{header}` is never handed on: it belongs to the connection, to a proxy, to the protocol or to our own door"),
                    "take a header of your own, such as `X-GitHub-Token`",
                );
            } else {
                result.push(EnvVar {
                    name: name.to_owned(),
                    value: EnvValue::Header(header),
                    secret: true,
                });
            }
            continue;
        }
        let Some((value, origin)) = fields.secret_node(node, &place) else {
            continue;
        };
        if value.contains('\0') {
            fields
                .findings
                .error(place, "not a value that a variable can have", ());
            continue;
        }
        if origin == Origin::Literal && is_sensitive(name) {
            fields.findings.warning(place, LITERAL_SECRET);
        }
        // What every program is given anyway is no secret, whatever it is taken from.
        let referred = origin != Origin::Literal && !INHERITED.contains(&name);
        result.push(EnvVar {
            name: name.to_owned(),
            secret: referred || is_sensitive(name),
            value: EnvValue::Fixed(Sourced {
                value: SecretValue::new(value),
                origin,
            }),
        });
    }
    result
}

/// `${X-HEADER}`: no variable has a dash in its name.
fn header(written: &str) -> Option<String> {
    let name = written.strip_prefix("${")?.strip_suffix('}')?;
    let header = name.contains('-') && !name.contains(":-") && !name.contains(":?");
    header.then(|| name.to_ascii_lowercase())
}
