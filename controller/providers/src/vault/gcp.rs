//! Logging in as an identity of Google: what the settings say, and the JWT that Vault is shown.
//!
//! Deliberately not here: the login itself (`auth.rs`), and how Google is asked (`crate::google`).
//!
//! Source: Vault HTTP API, "Google Cloud auth method, login"; Vault documentation, "Google Cloud auth method, generating JWTs".

use std::time::Duration;

use api::provider::gcpsm::GcpSecretRef;
use api::{SecretKeySelector, ServiceAccountSelector, VaultGcpAuth};
use provider::{Error, ErrorKind};
use secret::SecretBytes;

use super::path::mount_segments;
use crate::google::signature::Signer;
use crate::google::{Authority, metadata, workload_identity};

/// Where the settings are.
pub(super) const FIELD: &str = "spec.provider.vault.auth.gcp";
/// What a signed JWT lives; Vault takes none that lives longer than 15 minutes, unless its role says otherwise.
const LIFETIME: Duration = Duration::from_secs(600);

/// Who logs in, and where.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Gcp {
    pub(super) mount: Vec<String>,
    pub(super) role: String,
    identity: Identity,
}

#[derive(Debug, PartialEq, Eq)]
enum Identity {
    /// A service account, by a JWT that IAM signs for it: Vault's type `iam`.
    Signer(Signer),
    /// The controller's own pod or machine, by its metadata server: Vault's type `gce`.
    Machine,
}

impl Gcp {
    pub(super) fn of(spec: &VaultGcpAuth) -> Result<Self, Error> {
        let VaultGcpAuth {
            path,
            role,
            project_id: _, // The cluster's is in workloadIdentity, and no other plays a part.
            location: _,
            secret_ref,
            workload_identity,
            service_account_ref: _, // As in the reference it stands for the controller's own identity.
        } = spec;
        let invalid = |text: String| Error::new(ErrorKind::Invalid, "Open", text);
        if role.is_empty() {
            return Err(invalid(format!("{FIELD}.role: no role name provided for login")));
        }
        let identity = match (secret_ref, workload_identity) {
            (Some(GcpSecretRef { secret_access_key_secret_ref }), _) => {
                let selector = secret_access_key_secret_ref.clone().filter(|selector| !selector.is_empty());
                let field = format!("{FIELD}.secretRef.secretAccessKeySecretRef");
                Identity::Signer(Signer::Key(
                    selector.ok_or_else(|| invalid(format!("{field}: name the Secret with the key")))?,
                ))
            }
            (None, Some(identity)) => {
                workload_identity::check(identity, &format!("{FIELD}.workloadIdentity"))?;
                Identity::Signer(Signer::WorkloadIdentity(Box::new(identity.clone())))
            }
            (None, None) => Identity::Machine,
        };
        Ok(Self { mount: mount_segments(path, &format!("{FIELD}.path"))?, role: role.clone(), identity })
    }

    /// The Secrets and service accounts that it refers to.
    pub(super) fn selectors(&self) -> (Vec<&SecretKeySelector>, Vec<&ServiceAccountSelector>) {
        match &self.identity {
            Identity::Signer(Signer::Key(key)) => (vec![key], vec![]),
            Identity::Signer(Signer::WorkloadIdentity(identity)) => (vec![], vec![&identity.service_account_ref]),
            Identity::Machine => (vec![], vec![]),
        }
    }

    /// A fresh JWT for the Vault at `address`.
    pub(super) async fn jwt(&self, address: &str, google: &Authority) -> Result<SecretBytes, Error> {
        let role = &self.role;
        match &self.identity {
            Identity::Signer(signer) => {
                let account = signer.sign_in(google).await;
                let account = account.map_err(|e| e.context("failed to set up GCP authentication"))?;
                let jwt = account.sign(&format!("vault/{role}"), LIFETIME, google).await;
                jwt.map_err(|e| e.context("unable to sign JWT for authenticating to GCP"))
            }
            Identity::Machine => metadata::identity(&format!("{address}/vault/{role}"), google)
                .await
                .map_err(|e| e.context("unable to retrieve JWT from GCE metadata service")),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_first_identity_that_is_set_counts() {
        let key = json!({"secretAccessKeySecretRef": {"name": "s", "key": "k"}});
        let identity = json!({"serviceAccountRef": {"name": "a"}, "clusterName": "c"});
        let bad = json!({"serviceAccountRef": {"name": "a"}, "clusterName": "c/d"});
        let signer = |signer| Ok(Identity::Signer(signer));
        let selector = || serde_json::from_value(json!({"name": "s", "key": "k"})).unwrap();
        let bound = || Box::new(serde_json::from_value(identity.clone()).unwrap());
        let cases: [(Value, Result<Identity, &str>); 7] = [
            (json!({"secretRef": key, "workloadIdentity": identity}), signer(Signer::Key(selector()))),
            (
                json!({"workloadIdentity": identity, "serviceAccountRef": {"name": "b"}}),
                signer(Signer::WorkloadIdentity(bound())),
            ),
            (json!({"serviceAccountRef": {"name": "b"}}), Ok(Identity::Machine)),
            (json!({"projectID": "p", "location": "l"}), Ok(Identity::Machine)),
            (json!({"secretRef": {}}), Err("spec.provider.vault.auth.gcp.secretRef.secretAccessKeySecretRef: name")),
            (
                json!({"workloadIdentity": bad}),
                Err("spec.provider.vault.auth.gcp.workloadIdentity.clusterName: it has"),
            ),
            (json!({"role": ""}), Err("spec.provider.vault.auth.gcp.role: no role name provided for login")),
        ];
        for (patch, want) in cases {
            let mut spec = json!({"role": "r"});
            spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
            match (Gcp::of(&serde_json::from_value(spec).unwrap()), want) {
                (Ok(got), Ok(identity)) => {
                    assert_eq!(got, Gcp { mount: vec!["gcp".to_owned()], role: "r".to_owned(), identity }, "{patch}");
                }
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{patch}: {got:?}, not {want:?}"),
            }
        }
    }
}
