//! Publishes the CA bundle in the webhook configurations.
//!
//! [`Configuration::patch`] decides (pure) what to change in one configuration; [`Publisher`] reads and writes them.
//! Only labelled configurations, and in them only webhooks of our own domain, are ever touched.

use json_patch::Patch as JsonPatch;
use k8s_openapi::api::admissionregistration::v1::{
    MutatingWebhookConfiguration, ValidatingWebhookConfiguration, WebhookClientConfig,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::secret::{COMPONENT, Error, FIELD_MANAGER};

/// Webhooks whose name ends so are ours.
const OUR_DOMAIN: &str = "external-secrets.io";

/// Which of the two kinds of configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Family {
    /// ValidatingWebhookConfiguration.
    Validating,
    /// MutatingWebhookConfiguration.
    Mutating,
}

impl Family {
    /// The kind's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Validating => "ValidatingWebhookConfiguration",
            Self::Mutating => "MutatingWebhookConfiguration",
        }
    }
}

/// One configuration by kind and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Which {
    /// Kind.
    pub family: Family,
    /// `metadata.name`.
    pub name: &'static str,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.family.as_str(), self.name)
    }
}

/// The configurations that the manifests install. They are taken by name, not by label, so that a role can name them too.
pub const CONFIGURATIONS: [Which; 3] = [
    Which { family: Family::Validating, name: "secretstore-validate" },
    Which { family: Family::Validating, name: "externalsecret-validate" },
    Which { family: Family::Mutating, name: "externalsecret-mutate" },
];

/// The Service that the API servers are to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: String,
}

/// What of one webhook of a configuration matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// `webhooks[].name`.
    pub name: String,
    /// `clientConfig.url`, for a webhook that runs outside of the cluster.
    pub url: Option<String>,
    /// `clientConfig.service`, name and namespace.
    pub service: Option<Service>,
    /// `clientConfig.caBundle`, PEM; empty if there is none.
    pub ca_bundle: Vec<u8>,
}

impl Hook {
    fn new(name: &str, client: &WebhookClientConfig) -> Self {
        let WebhookClientConfig { ca_bundle, service, url } = client;
        Self {
            name: name.to_owned(),
            url: url.clone(),
            service: service.as_ref().map(|s| Service { name: s.name.clone(), namespace: s.namespace.clone() }),
            ca_bundle: ca_bundle.as_ref().map(|b| b.0.clone()).unwrap_or_default(),
        }
    }

    fn is_ours(&self) -> bool {
        self.name.ends_with(OUR_DOMAIN)
    }

    /// The name that the API server asks for in the TLS handshake: the URL's host or the Service's DNS name.
    pub fn server_name(&self) -> Option<String> {
        match (&self.url, &self.service) {
            (Some(url), _) => host(url),
            (None, Some(service)) => Some(format!("{}.{}.svc", service.name, service.namespace)),
            (None, None) => None,
        }
    }
}

/// What of one configuration matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Configuration {
    /// Which one.
    pub which: Which,
    /// Whether it has our label; without it, it is left alone.
    pub labelled: bool,
    /// Its webhooks, in order.
    pub hooks: Vec<Hook>,
}

impl Configuration {
    /// Takes what matters out of a validating configuration.
    pub fn validating(which: Which, object: &ValidatingWebhookConfiguration) -> Self {
        let hooks = object.webhooks.iter().flatten().map(|w| Hook::new(&w.name, &w.client_config)).collect();
        Self { which, labelled: is_labelled(&object.metadata), hooks }
    }

    /// Takes what matters out of a mutating configuration.
    pub fn mutating(which: Which, object: &MutatingWebhookConfiguration) -> Self {
        let hooks = object.webhooks.iter().flatten().map(|w| Hook::new(&w.name, &w.client_config)).collect();
        Self { which, labelled: is_labelled(&object.metadata), hooks }
    }

    /// The webhooks that we answer for; none if the configuration isn't labelled.
    pub fn ours(&self) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(|hook| self.labelled && hook.is_ours())
    }

    /// What to change so that our webhooks carry `ca_bundle` and, unless they have a URL, point at `service`.
    ///
    /// `None` when nothing differs. Path and port stay. Each change tests the webhook's name at its index first, so
    /// that a list which was reordered meanwhile is refused by the API server instead of being patched in the wrong place.
    pub fn patch(&self, service: &Service, ca_bundle: &[u8]) -> Option<JsonPatch> {
        if !self.labelled {
            return None;
        }
        let mut operations = Vec::new();
        for (index, hook) in self.hooks.iter().enumerate().filter(|(_, hook)| hook.is_ours()) {
            let at = format!("/webhooks/{index}");
            let mut changes = Vec::new();
            match (&hook.url, &hook.service) {
                (Some(_), _) => {}
                (None, Some(current)) => {
                    if current.name != service.name {
                        changes.push(operation(
                            "replace",
                            &format!("{at}/clientConfig/service/name"),
                            json!(service.name),
                        ));
                    }
                    if current.namespace != service.namespace {
                        let path = format!("{at}/clientConfig/service/namespace");
                        changes.push(operation("replace", &path, json!(service.namespace)));
                    }
                }
                (None, None) => {
                    let value = json!({"name": service.name, "namespace": service.namespace});
                    changes.push(operation("add", &format!("{at}/clientConfig/service"), value));
                }
            }
            if hook.ca_bundle != ca_bundle {
                let value = json!(k8s_openapi::ByteString(ca_bundle.to_vec()));
                changes.push(operation("add", &format!("{at}/clientConfig/caBundle"), value));
            }
            if !changes.is_empty() {
                operations.push(operation("test", &format!("{at}/name"), json!(hook.name)));
                operations.append(&mut changes);
            }
        }
        if operations.is_empty() { None } else { serde_json::from_value(Value::Array(operations)).ok() }
    }
}

/// Reads and writes webhook configurations.
#[derive(Clone)]
pub struct Publisher {
    client: Client,
}

impl Publisher {
    /// A publisher that acts as `client`.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Reads one configuration; `None` if it isn't installed.
    ///
    /// # Errors
    /// [`Error::Api`].
    pub async fn read(&self, which: Which) -> Result<Option<Configuration>, Error> {
        let doing = || Error::api(format!("read {which}"));
        Ok(match which.family {
            Family::Validating => {
                let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
                api.get_opt(which.name).await.map_err(doing())?.map(|c| Configuration::validating(which, &c))
            }
            Family::Mutating => {
                let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
                api.get_opt(which.name).await.map_err(doing())?.map(|c| Configuration::mutating(which, &c))
            }
        })
    }

    /// Applies a patch that was decided for `which`, and returns the configuration as it is now.
    ///
    /// # Errors
    /// [`Error::Api`], with status 422 when the list of webhooks changed meanwhile: read and decide again.
    pub async fn write(&self, which: Which, patch: JsonPatch) -> Result<Configuration, Error> {
        let doing = || Error::api(format!("update {which}"));
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        Ok(match which.family {
            Family::Validating => {
                let api: Api<ValidatingWebhookConfiguration> = Api::all(self.client.clone());
                let patched = api.patch(which.name, &params, &Patch::<()>::Json(patch)).await.map_err(doing())?;
                Configuration::validating(which, &patched)
            }
            Family::Mutating => {
                let api: Api<MutatingWebhookConfiguration> = Api::all(self.client.clone());
                let patched = api.patch(which.name, &params, &Patch::<()>::Json(patch)).await.map_err(doing())?;
                Configuration::mutating(which, &patched)
            }
        })
    }

    /// Publishes `ca_bundle` in every installed configuration. Returns those that were changed.
    ///
    /// # Errors
    /// The first [`Error`]; the others were tried all the same.
    pub async fn publish(&self, service: &Service, ca_bundle: &[u8]) -> Result<Vec<Which>, Error> {
        let mut changed = Vec::new();
        let mut failed = None;
        for which in CONFIGURATIONS {
            match self.publish_one(which, service, ca_bundle).await {
                Ok(true) => changed.push(which),
                Ok(false) => {}
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(changed), Err)
    }

    async fn publish_one(&self, which: Which, service: &Service, ca_bundle: &[u8]) -> Result<bool, Error> {
        let Some(found) = self.read(which).await? else { return Ok(false) };
        let Some(patch) = found.patch(service, ca_bundle) else { return Ok(false) };
        self.write(which, patch).await.map(|_| true)
    }
}

fn is_labelled(metadata: &ObjectMeta) -> bool {
    metadata.labels.as_ref().and_then(|labels| labels.get(COMPONENT.0)).is_some_and(|value| value == COMPONENT.1)
}

fn operation(op: &str, path: &str, value: Value) -> Value {
    json!({"op": op, "path": path, "value": value})
}

/// The host of an `https://host[:port]/path` URL, without brackets around an IPv6 address.
fn host(url: &str) -> Option<String> {
    let authority = url.strip_prefix("https://")?.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None => authority.split(':').next()?,
    };
    if host.is_empty() { None } else { Some(host.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake::FakeApi;

    const SECRETSTORE: &str =
        "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/secretstore-validate";
    const MUTATE: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/externalsecret-mutate";

    fn service() -> Service {
        Service { name: "hook".into(), namespace: "ns".into() }
    }

    #[derive(serde::Deserialize)]
    struct Case {
        name: String,
        configuration: Value,
        patch: Option<Value>,
    }

    #[test]
    fn each_configuration_gets_its_patch() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/inject.json")).unwrap();
        for case in cases {
            let object: ValidatingWebhookConfiguration = serde_json::from_value(case.configuration).unwrap();
            let patch = Configuration::validating(CONFIGURATIONS[0], &object).patch(&service(), b"PEM");
            assert_eq!(patch.map(|p| serde_json::to_value(p).unwrap()), case.patch, "{}", case.name);
        }
    }

    #[test]
    fn the_server_name_is_the_urls_host_or_the_services() {
        let hook = |url: Option<&str>| Hook {
            name: String::new(),
            url: url.map(str::to_owned),
            service: Some(service()),
            ca_bundle: Vec::new(),
        };
        let table = [
            (None, Some("hook.ns.svc")),
            (Some("https://127.0.0.1:9443/validate"), Some("127.0.0.1")),
            (Some("https://hook.example"), Some("hook.example")),
            (Some("https://[::1]:9443/x"), Some("::1")),
            (Some("http://hook.example"), None),
            (Some("https:///x"), None),
        ];
        for (url, want) in table {
            assert_eq!(hook(url).server_name().as_deref(), want, "{url:?}");
        }
    }

    fn configuration(url: Option<&str>) -> Value {
        let client = url.map_or_else(
            || json!({"service": {"name": "old", "namespace": "old", "path": "/p", "port": 443}}),
            |u| json!({"url": u}),
        );
        json!({"metadata": {"labels": {"external-secrets.io/component": "webhook"}},
               "webhooks": [{"name": "x.external-secrets.io", "clientConfig": client, "admissionReviewVersions": ["v1"], "sideEffects": "None"}]})
    }

    #[tokio::test]
    async fn publishing_twice_writes_once_and_passes_over_what_is_not_installed() {
        let api = FakeApi::default();
        api.put(SECRETSTORE, configuration(None));
        api.put(MUTATE, configuration(Some("https://127.0.0.1:9443/p")));
        let publisher = Publisher::new(api.client());
        let changed = publisher.publish(&service(), b"PEM").await.unwrap();
        assert_eq!(changed, [CONFIGURATIONS[0], CONFIGURATIONS[2]]);
        assert_eq!(publisher.publish(&service(), b"PEM").await.unwrap(), []);
        assert_eq!(api.count("PATCH"), 2);
        let validating = &api.get(SECRETSTORE).unwrap()["webhooks"][0]["clientConfig"];
        assert_eq!(
            *validating,
            json!({"service": {"name": "hook", "namespace": "ns", "path": "/p", "port": 443}, "caBundle": "UEVN"})
        );
        let mutating = &api.get(MUTATE).unwrap()["webhooks"][0]["clientConfig"];
        assert_eq!(*mutating, json!({"url": "https://127.0.0.1:9443/p", "caBundle": "UEVN"}));
    }

    #[tokio::test]
    async fn one_refused_configuration_does_not_keep_the_others_from_being_published() {
        let api = FakeApi::default();
        api.put(SECRETSTORE, configuration(None));
        api.put(MUTATE, configuration(None));
        api.refuse_once("PATCH", SECRETSTORE, 403);
        let error = Publisher::new(api.client()).publish(&service(), b"PEM").await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "could not update ValidatingWebhookConfiguration secretstore-validate: refused by the test (403 Forbidden)"
        );
        assert_eq!(api.get(MUTATE).unwrap()["webhooks"][0]["clientConfig"]["caBundle"], "UEVN");
    }
}
