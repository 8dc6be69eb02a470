//! The provider `cloudrusm`: credentials and project.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use crate::uuid;
use api::provider::cloudru::{CloudRuAuth, CloudRuProvider, CloudRuSecretRef};

pub(super) fn rules(provider: &CloudRuProvider, at: At<'_>) -> Result<(), Finding> {
    let CloudRuProvider { auth: CloudRuAuth { secret_ref }, project_id } = provider;
    let Some(CloudRuSecretRef { access_key_id_secret_ref, access_key_secret_secret_ref }) = secret_ref else {
        return Err(at.error("auth.secretRef", Code::AuthIncomplete, "invalid spec: auth.secretRef is required"));
    };
    let project = project_id.as_deref().unwrap_or_default();
    at.filled("projectID", project, "invalid spec: projectID is required")?;
    uuid::check(project).map_err(|reason| {
        at.error("projectID", Code::SettingInvalid, format!("invalid spec: projectID is invalid UUID: {reason}"))
    })?;
    let prefix = "invalid spec: auth.secretRef.accessKeyID: ";
    at.secret("auth.secretRef.accessKeyIDSecretRef", prefix, access_key_id_secret_ref, Form::Referent)?;
    let prefix = "invalid spec: auth.secretRef.accessKeySecret: ";
    at.secret("auth.secretRef.accessKeySecretSecretRef", prefix, access_key_secret_secret_ref, Form::Referent)
}
