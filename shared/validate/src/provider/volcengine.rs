//! The provider `volcengine`: region and static credentials.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::volcengine::{VolcengineAuth, VolcengineProvider, VolcengineSecretRef};

pub(super) fn rules(provider: &VolcengineProvider, at: At<'_>) -> Result<(), Finding> {
    let VolcengineProvider { region, auth } = provider;
    at.filled("region", region, "region is required")?;
    // Without a login the identity of the pod is used.
    let Some(VolcengineAuth { secret_ref }) = auth else { return Ok(()) };
    let Some(VolcengineSecretRef { access_key_id, secret_access_key, token }) = secret_ref else {
        let text = "SecretRef is required when using static credentials";
        return Err(at.error("auth.secretRef", Code::AuthIncomplete, text));
    };
    at.secret("auth.secretRef.accessKeyID", "invalid AccessKeyID: ", access_key_id, Form::Referent)?;
    at.secret("auth.secretRef.secretAccessKey", "invalid SecretAccessKey: ", secret_access_key, Form::Referent)?;
    at.optional_secret("auth.secretRef.token", "invalid Token: ", token.as_ref(), Form::Referent)
}
