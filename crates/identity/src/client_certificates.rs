//! Recognises callers by the certificate of their connection, when they present nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_core::{
    CertificateName, Clock, CredentialMarks, Principal, PrincipalId, PrincipalKind, Role, ScopeSet,
    ServerGrants,
};

use crate::{AuthnErrorKind, ClientCertificate};

/// Whose certificate means whom. Nothing of a certificate but this name of this authority counts.
#[derive(Clone, Debug)]
pub struct CertificateRule {
    /// The file of the authority that must stand behind it.
    pub authority: PathBuf,
    /// The name that it must carry.
    pub name: CertificateName,
    /// The person or service behind it.
    pub user_id: Option<String>,
    /// Their e-mail address.
    pub email: Option<String>,
    /// Their team.
    pub team: Option<String>,
    /// Their organization.
    pub org: Option<String>,
    /// OAuth scopes.
    pub scopes: ScopeSet,
    /// What they see.
    pub grants: ServerGrants,
}

/// All rules, in the operator's order.
#[derive(Clone, Debug)]
pub struct ClientCertificates {
    rules: Vec<CertificateRule>,
    clock: Arc<dyn Clock>,
}

impl ClientCertificates {
    /// Recognises by these.
    pub fn new(rules: Vec<CertificateRule>, clock: Arc<dyn Clock>) -> Self {
        Self { rules, clock }
    }

    /// Whose certificate it is, by the first rule that fits.
    pub(crate) fn recognise(
        &self,
        certificate: &ClientCertificate,
    ) -> Result<Arc<Principal>, AuthnErrorKind> {
        if !certificate.is_valid(self.clock.now()) {
            return Err(AuthnErrorKind::CertificateOver);
        }
        let mut rules = self.rules.iter();
        let rule = rules.find(|rule| certificate.is(&rule.authority, &rule.name));
        let rule = rule.ok_or(AuthnErrorKind::CertificateUnknown)?;
        let text = |text: &Option<String>| text.as_deref().map(Arc::<str>::from);
        Ok(Arc::new(Principal {
            id: certificate_id(&rule.authority, &rule.name),
            subject: Arc::from(rule.name.to_string()),
            kind: PrincipalKind::ClientCertificate,
            user_id: text(&rule.user_id),
            client_id: None,
            email: text(&rule.email),
            team: text(&rule.team),
            org: text(&rule.org),
            groups: BTreeSet::new(),
            scopes: rule.scopes.clone(),
            key_id: None,
            issuer: None,
            // No authority can make administrators.
            role: Role::User,
            grants: rule.grants.clone(),
            expires_at: Some(certificate.ends()),
            marks: CredentialMarks {
                issued_at: Some(certificate.starts()),
                ..CredentialMarks::default()
            },
            subject_kind: portcullis_core::SubjectKind::Holder,
            levels: Vec::new(),
        }))
    }
}

/// The principal that a rule stands for. The kind of a name has no blank, so the last blank before one
/// of them ends the file's name; neither has control characters, by the configuration's own rules.
pub fn certificate_id(authority: &Path, name: &CertificateName) -> PrincipalId {
    PrincipalId::from(format!("certificate:{} {name}", authority.display()))
}
