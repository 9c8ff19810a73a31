//! Secrets by reference: an operator's environment variables and mounted files.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;

use portcullis_vault::{EnvSource, FileSource, SecretError, SecretRef, SecretSource, resolve};

fn sources() -> [Arc<dyn SecretSource>; 2] {
    [Arc::new(EnvSource), Arc::new(FileSource)]
}

async fn file(content: &[u8]) -> Result<String, SecretError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, content).unwrap();
    resolve(&sources(), &SecretRef::File(path))
        .await
        .map(|secret| secret.expose().to_owned())
}

#[test]
fn references_read_back_as_written() {
    for text in [
        "env:API_TOKEN",
        "env:_x1",
        "file:/run/secrets/x",
        "file:rel/a:b",
    ] {
        assert_eq!(text.parse::<SecretRef>().unwrap().to_string(), text);
    }
}

#[test]
fn what_is_no_reference_is_refused_and_not_repeated() {
    for text in [
        "",
        "sk-canary-77",
        "env:",
        "env:a-b",
        "env:1A",
        "env:A B",
        "file:",
        "ENV:A",
    ] {
        let error = text.parse::<SecretRef>().unwrap_err();
        assert!(matches!(error, SecretError::NotAReference), "{text}");
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}

#[tokio::test]
async fn a_variable_is_read() {
    // Cargo sets it for every test that it runs.
    let reference = "env:CARGO_PKG_NAME".parse().unwrap();
    let secret = resolve(&sources(), &reference).await.unwrap();
    assert_eq!(secret.expose(), "portcullis-vault");
}

#[tokio::test]
async fn a_missing_secret_is_an_error_that_names_its_place() {
    let reference = "env:PORTCULLIS_TEST_NOT_SET".parse().unwrap();
    let error = resolve(&sources(), &reference).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`env:PORTCULLIS_TEST_NOT_SET` is not set"
    );
    let reference = "file:/nonexistent/secret".parse().unwrap();
    let error = resolve(&sources(), &reference).await.unwrap_err();
    assert!(matches!(error, SecretError::Missing(_)));
    let error = resolve(&[], &reference).await.unwrap_err();
    assert!(matches!(error, SecretError::NoSource(_)));
}

#[tokio::test]
async fn one_line_break_at_the_end_of_a_file_does_not_count() {
    assert_eq!(file(b"s3cret").await.unwrap(), "s3cret");
    assert_eq!(file(b"s3cret\n").await.unwrap(), "s3cret");
    assert_eq!(file(b"s3cret\r\n").await.unwrap(), "s3cret");
    assert_eq!(file(b"two\nlines\n\n").await.unwrap(), "two\nlines\n");
}

#[tokio::test]
async fn an_empty_binary_or_huge_file_is_never_taken_for_a_secret() {
    assert!(matches!(file(b"").await, Err(SecretError::Empty(_))));
    assert!(matches!(file(b" \n\n").await, Err(SecretError::Empty(_))));
    assert!(matches!(
        file(b"\xff\xfe").await,
        Err(SecretError::NotText(_))
    ));
    let huge = vec![b'a'; 65 * 1024];
    assert!(matches!(file(&huge).await, Err(SecretError::NotText(_))));
}
