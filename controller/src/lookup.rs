//! The capability that a store's provider gets: it looks up credentials on behalf of one store and one consumer.
//!
//! The namespace rule of every reference lives here and nowhere else; a SecretStore can't leave its own namespace
//! because its selectors' `namespace` is never read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::{CaProvider, CaProviderType, SecretKeySelector, ServiceAccountSelector, StoreKind};
use async_trait::async_trait;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use plan::secret_object::SecretObject;
use plan::template::SourceKind;
use provider::{Credentials, Error, ErrorKind, ServiceAccountToken};
use secret::SecretBytes;

use crate::context::Context;
use crate::dependencies::{Dependant, Input};
use crate::world::{Key, StoreKey};

/// Where a pod finds the token of its own ServiceAccount.
const OWN_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";
const OPERATION: &str = "ResolveCredentials";

/// See the module.
pub(crate) struct StoreCredentials {
    pub(crate) context: Arc<Context>,
    pub(crate) store: StoreKey,
    /// The namespace of the object that uses the store; none while a ClusterSecretStore is validated by itself.
    pub(crate) consumer: Option<String>,
    /// Whether the session is that consumer's alone. Otherwise others use it too, and `consumer` only came first.
    pub(crate) apart: bool,
}

impl StoreCredentials {
    fn namespace(&self, named: Option<&String>, what: &str) -> Result<String, Error> {
        match self.store.kind {
            StoreKind::SecretStore => Ok(self.store.namespace.clone()),
            StoreKind::ClusterSecretStore => {
                named.filter(|namespace| !namespace.is_empty()).or(self.consumer.as_ref()).cloned().ok_or_else(|| {
                    invalid(format!("{what} has no namespace, which a ClusterSecretStore needs to be used by itself"))
                })
            }
        }
    }

    async fn secret(&self, namespace: String, name: &str) -> Result<SecretObject, Error> {
        let key = Key { namespace, name: name.to_owned() };
        let api: Api<SecretObject> = Api::namespaced(self.context.client.clone(), &key.namespace);
        let noted = self.announce(SourceKind::Secret, &key);
        let found = api.get_opt(name).await;
        let version =
            found.as_ref().ok().and_then(Option::as_ref).and_then(|secret| secret.metadata.resource_version.clone());
        self.note(noted, version);
        let why = match found {
            Ok(Some(secret)) => return Ok(secret),
            Ok(None) => format!("secrets {name:?} not found"),
            Err(error) => api_text(&error),
        };
        Err(invalid(format!("cannot get Kubernetes secret {name:?} from namespace {:?}: {why}", key.namespace)))
    }
}

impl StoreCredentials {
    /// Before the read, since a change in the meantime must find its reader.
    fn announce(&self, kind: SourceKind, key: &Key) -> (Dependant, Input) {
        let consumer = self.consumer.clone().filter(|_| self.apart);
        let reader = Dependant::Store { key: self.store.clone(), consumer };
        let input = Input { kind, key: key.clone() };
        self.context.world.will_depend_on(reader.clone(), input.clone());
        (reader, input)
    }

    /// Whatever came back: it is tried again when the object appears or changes.
    fn note(&self, (reader, input): (Dependant, Input), version: Option<String>) {
        self.context.world.depends_on(reader, input, version);
    }
}

#[async_trait]
impl Credentials for StoreCredentials {
    async fn secret_key(&self, selector: &SecretKeySelector, default_key: &str) -> Result<SecretBytes, Error> {
        let name = selector.name.as_deref().unwrap_or_default();
        let key = selector.key.as_deref().filter(|key| !key.is_empty()).unwrap_or(default_key);
        let namespace = self.namespace(selector.namespace.as_ref(), "the Secret reference")?;
        let mut secret = self.secret(namespace, name).await?;
        secret.data.remove(key).ok_or_else(|| invalid(format!("cannot find secret data for key: {key:?}")))
    }

    async fn certificate_authority(&self, ca: &CaProvider) -> Result<Vec<u8>, Error> {
        let key = ca.key.as_deref().unwrap_or_default();
        if self.store.kind == StoreKind::ClusterSecretStore && ca.namespace.as_ref().is_none_or(String::is_empty) {
            return Err(invalid("missing namespace on caProvider secret"));
        }
        let namespace = self.namespace(ca.namespace.as_ref(), "caProvider")?;
        match ca.type_ {
            CaProviderType::Secret => {
                let secret = self.secret(namespace, &ca.name).await?;
                let value =
                    secret.data.get(key).ok_or_else(|| invalid(format!("cannot find secret data for key: {key:?}")))?;
                Ok(value.expose().to_vec())
            }
            CaProviderType::ConfigMap => {
                let api: Api<ConfigMap> = Api::namespaced(self.context.client.clone(), &namespace);
                let map = Key { namespace: namespace.clone(), name: ca.name.clone() };
                let noted = self.announce(SourceKind::ConfigMap, &map);
                let found = api.get(&ca.name).await;
                let version = found.as_ref().ok().and_then(|map| map.metadata.resource_version.clone());
                self.note(noted, version);
                let map = found.map_err(|error| {
                    invalid(format!(
                        "cannot get Kubernetes configmap {:?} from namespace {namespace:?}: {}",
                        ca.name,
                        api_text(&error)
                    ))
                })?;
                let value = map.data.unwrap_or_default().remove(key);
                value
                    .map(String::into_bytes)
                    .ok_or_else(|| invalid(format!("failed to get caProvider configMap {} -> {key}", ca.name)))
            }
        }
    }

    async fn service_account_token(
        &self,
        selector: &ServiceAccountSelector,
        audiences: &[String],
        lifetime: Duration,
    ) -> Result<ServiceAccountToken, Error> {
        let namespace = self.namespace(selector.namespace.as_ref(), "serviceAccountRef")?;
        let api: Api<ServiceAccount> = Api::namespaced(self.context.client.clone(), &namespace);
        let request = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(audiences.iter().chain(&selector.audiences).cloned().collect()),
                expiration_seconds: i64::try_from(lifetime.as_secs()).ok(),
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let answer =
            api.create_token_request(&selector.name, &PostParams::default(), &request).await.map_err(|error| {
                invalid(format!(
                    "cannot request a token of service account {namespace}/{}: {}",
                    selector.name,
                    api_text(&error)
                ))
            })?;
        let status = answer.status.unwrap_or_default();
        let token = status.token.ok_or_else(|| invalid("the API server answered a token request without a token"))?;
        let expiry = status.expiration_timestamp.map(|time| time.0.duration_since(crate::clock::now()));
        let lifetime = expiry.and_then(|left| Duration::try_from(left).ok()).unwrap_or(lifetime);
        Ok(ServiceAccountToken { token: SecretBytes::from(token), lifetime })
    }

    async fn service_account_annotations(
        &self,
        selector: &ServiceAccountSelector,
    ) -> Result<BTreeMap<String, String>, Error> {
        let namespace = self.namespace(selector.namespace.as_ref(), "serviceAccountRef")?;
        let api: Api<ServiceAccount> = Api::namespaced(self.context.client.clone(), &namespace);
        let account = api.get(&selector.name).await.map_err(|error| {
            invalid(format!("cannot get service account {namespace}/{}: {}", selector.name, api_text(&error)))
        })?;
        Ok(account.metadata.annotations.unwrap_or_default())
    }

    async fn own_token(&self) -> Result<SecretBytes, Error> {
        let bytes = tokio::fs::read(OWN_TOKEN)
            .await
            .map_err(|_| invalid(format!("the controller has no service account token of its own at {OWN_TOKEN}")))?;
        Ok(SecretBytes::new(bytes))
    }

    fn has_consumer(&self) -> bool {
        self.store.kind == StoreKind::SecretStore || self.consumer.is_some()
    }

    fn is_cluster_store(&self) -> bool {
        self.store.kind == StoreKind::ClusterSecretStore
    }
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPERATION, message)
}

/// The API server's own words where it answered, and no address or port where it didn't.
pub(crate) fn api_text(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        _ => "the API server could not be asked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    #[tokio::test]
    async fn annotations_are_those_of_the_account_in_the_stores_namespace() {
        let api = FakeApi::default();
        let account = json!({"metadata": {"name": "app", "annotations": {"a": "b"}}});
        api.put("/api/v1/namespaces/shop/serviceaccounts/app", account);
        let (cx, _) = fixtures::over(&api, fixtures::settings());
        let store = StoreKey { kind: StoreKind::SecretStore, namespace: "shop".into(), name: "gcp".into() };
        let credentials = StoreCredentials { context: cx, store, consumer: None, apart: false };
        let selector = |name: &str| ServiceAccountSelector {
            name: name.to_owned(),
            namespace: Some("other".to_owned()),
            ..ServiceAccountSelector::default()
        };
        let found = credentials.service_account_annotations(&selector("app")).await.unwrap();
        assert_eq!(found, BTreeMap::from([("a".to_owned(), "b".to_owned())]));
        let error = credentials.service_account_annotations(&selector("none")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("cannot get service account shop/none: "), "{error}");
    }

    #[tokio::test]
    async fn a_change_while_a_credential_is_being_read_is_not_missed() {
        let api = FakeApi::default();
        api.put("/api/v1/namespaces/shop/secrets/login", json!({"metadata": {}, "data": {"k": "dg=="}}));
        api.put("/api/v1/namespaces/shop/configmaps/login", json!({"metadata": {}, "data": {"k": "v"}}));
        let (cx, _) = fixtures::over(&api, fixtures::settings());
        let store = StoreKey { kind: StoreKind::SecretStore, namespace: "shop".into(), name: "vault".into() };
        for (type_, kind, version) in
            [(CaProviderType::Secret, SourceKind::Secret, "1"), (CaProviderType::ConfigMap, SourceKind::ConfigMap, "2")]
        {
            let credentials =
                StoreCredentials { context: cx.clone(), store: store.clone(), consumer: None, apart: false };
            let input = Input { kind, key: Key { namespace: "shop".into(), name: "login".into() } };
            let ca = CaProvider { type_, name: "login".into(), key: Some("k".into()), namespace: None };
            let read = credentials.certificate_authority(&ca);
            futures::pin_mut!(read);
            assert!(futures::poll!(&mut read).is_pending());
            // It was changed, it was deleted.
            for meanwhile in [Some("7"), None] {
                assert_eq!(cx.world.outdated_by(&input, meanwhile).len(), 1, "{kind:?} {meanwhile:?}");
            }
            assert_eq!(read.await.unwrap(), b"v");
            assert_eq!(cx.world.outdated_by(&input, Some(version)).len(), 0);
            assert_eq!(cx.world.outdated_by(&input, Some("7")).len(), 1);
        }
    }
}
