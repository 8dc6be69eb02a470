//! The provider `gcpsm`: references of the login methods.

use super::at::At;
use super::reference::Form;
use crate::finding::Finding;
use api::provider::gcpsm::{GcpAuth, GcpSecretRef, GcpSmProvider, GcpWorkloadIdentity};

pub(super) fn rules(provider: &GcpSmProvider, at: At<'_>) -> Result<(), Finding> {
    let GcpSmProvider { auth, location: _, project_id: _, secret_version_selection_policy: _ } = provider;
    // ESO looks at none of the federation's references here.
    let Some(GcpAuth { secret_ref, workload_identity, workload_identity_federation: _ }) = auth else {
        return Ok(());
    };
    if let Some(GcpSecretRef { secret_access_key_secret_ref }) = secret_ref {
        let field = "auth.secretRef.secretAccessKeySecretRef";
        let prefix = "invalid auth secret data: ";
        at.optional_secret(field, prefix, secret_access_key_secret_ref.as_ref(), Form::Referent)?;
    }
    let account = workload_identity.as_ref().map(|identity| {
        let GcpWorkloadIdentity { service_account_ref, cluster_location: _, cluster_name: _, cluster_project_id: _ } =
            identity;
        service_account_ref
    });
    let field = "auth.workloadIdentity.serviceAccountRef";
    at.account(field, "invalid workload identity service account reference: ", account, Form::Referent)
}
