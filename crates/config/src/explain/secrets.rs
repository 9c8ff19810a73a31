//! Where values are asked for, when a store is named.

use super::page::{Page, quoted, seconds, shown, url};
use super::upstream_auth::aws_identity;
use crate::model::{Secrets, VaultAuth, VaultStore};

/// Where values are asked for, when a store is named.
pub(super) fn secrets(page: &mut Page<'_>, secrets: &Secrets) {
    if secrets.vault.is_none() && secrets.aws.is_none() {
        return;
    }
    page.heading(0, "secrets");
    page.value(2, "refresh", seconds(secrets.refresh));
    page.value(2, "max_stale", seconds(secrets.max_stale));
    if let Some(vault) = &secrets.vault {
        vault_store(page, vault);
    }
    if let Some(aws) = &secrets.aws {
        page.heading(2, "aws");
        aws_identity(page, 4, &aws.identity);
        page.value(4, "aws_endpoint", quoted(url(&aws.endpoint)));
        page.value(4, "allow_insecure_http", aws.identity.allow_insecure_http);
    }
}

fn vault_store(page: &mut Page<'_>, vault: &VaultStore) {
    page.heading(2, "vault");
    page.value(4, "address", quoted(url(&vault.address)));
    page.optional(4, "namespace", vault.namespace.as_ref());
    page.value(4, "mount", quoted(&vault.mount));
    match &vault.auth {
        VaultAuth::Token(token) => {
            page.value(4, "auth", "token");
            page.value(4, "token", shown(token));
        }
        VaultAuth::AppRole {
            mount,
            role_id,
            secret_id,
        } => {
            page.value(4, "auth", "approle");
            page.value(4, "auth_mount", quoted(mount));
            page.value(4, "role_id", quoted(role_id));
            page.value(4, "secret_id", shown(secret_id));
        }
        VaultAuth::Kubernetes {
            mount,
            role,
            token_file,
        } => {
            page.value(4, "auth", "kubernetes");
            page.value(4, "auth_mount", quoted(mount));
            page.value(4, "role", quoted(role));
            page.path(4, "token_file", Some(token_file));
        }
    }
    page.value(4, "allow_insecure_http", vault.allow_insecure_http);
}
