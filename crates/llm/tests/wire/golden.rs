//! Every fixture of every format, as every format has it. Where a change of what is written is
//! meant, run these with `PORTCULLIS_WRITE_GOLDEN=1`, read the difference and commit it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use portcullis_llm::{
    CallerError, Dropped, Format, ToolNames, decode_response, encode_response, read_error,
};

use crate::support::{events, head, stream, to, translate};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")
}

fn fixture(kind: &str, format: Format, ending: &str) -> String {
    let path = folder().join(format!("fixtures/{kind}/{format}.{ending}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[expect(clippy::disallowed_methods, reason = "whoever means a change says so")]
fn check(kind: &str, from: Format, told: &str) {
    let path = folder().join(format!("golden/{kind}-{from}.txt"));
    if std::env::var_os("PORTCULLIS_WRITE_GOLDEN").is_some() {
        fs::write(&path, told).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(told, expected, "{}", path.display());
}

fn tell_dropped(told: &mut String, dropped: &[Dropped]) {
    for Dropped { path, reason } in dropped {
        writeln!(told, "  dropped {path}: {reason}").unwrap();
    }
}

#[test]
fn requests_of_every_format_are_written_for_every_provider() {
    for from in Format::ALL {
        let body = fixture("requests", from, "json");
        let mut told = String::new();
        for target in Format::ALL {
            writeln!(told, "to {target}").unwrap();
            match translate(from, &body, &to(target)) {
                Ok(request) => {
                    writeln!(told, "{}", request.body).unwrap();
                    tell_dropped(&mut told, &request.dropped);
                }
                Err(error) => writeln!(told, "  refused: {error}").unwrap(),
            }
        }
        check("request", from, &told);
    }
}

#[test]
fn answers_of_every_provider_are_written_for_every_caller() {
    for from in Format::ALL {
        let body = fixture("responses", from, "json");
        let response = decode_response(from, body.as_bytes(), &ToolNames::default()).unwrap();
        let mut told = String::new();
        for caller in Format::ALL {
            let answer = encode_response(caller, &response, &head());
            writeln!(told, "to {caller}\n{}", answer.body).unwrap();
            tell_dropped(&mut told, &answer.dropped);
        }
        check("response", from, &told);
    }
}

#[test]
fn streams_of_every_provider_are_written_for_every_caller() {
    for from in Format::ALL {
        let body = fixture("streams", from, "sse");
        let events = events(from, std::iter::once(body.as_bytes()));
        let mut told = String::new();
        for caller in Format::ALL {
            writeln!(told, "to {caller}\n{}", stream(caller, &events)).unwrap();
        }
        check("stream", from, &told);
    }
}

#[test]
fn errors_of_every_provider_are_told_to_every_caller_in_our_words() {
    let status = |format| match format {
        Format::Messages => 529,
        Format::GenerateContent => 429,
        Format::ChatCompletions | Format::Responses => 400,
    };
    for from in Format::ALL {
        let error = read_error(Some(status(from)), &fixture("errors", from, "json"));
        let told_of = CallerError::of_provider(&error, "req-1");
        let mut told = format!("{error:?}\nstatus {}\n", told_of.status());
        for caller in Format::ALL {
            writeln!(told, "to {caller}\n{}", told_of.body(caller)).unwrap();
        }
        assert!(!told.contains("sk-canary"), "{told}");
        check("error", from, &told);
    }
}
