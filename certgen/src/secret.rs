//! Keeps the CA in its Secret: reads it, writes it with a precondition, and takes the winner's CA after a lost race.
//!
//! What to write is decided in `authority`. Nothing here deletes, and no value of the Secret is ever part of an error.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use secret::SecretBytes;
use serde_json::json;

use crate::authority::{self, Authority, Held, Material, Reason, Step};
use crate::bundle::Bundle;
use crate::issue::{IssueError, Names, fresh_key};
use crate::{Clock, Lifetimes};

/// Key of the CA bundle, PEM.
pub const CA_CRT: &str = "ca.crt";
/// Key of the CA's private key, PEM.
pub const CA_KEY: &str = "ca.key";
/// Key of the serving certificate, PEM.
pub const TLS_CRT: &str = "tls.crt";
/// Key of the serving certificate's private key, PEM.
pub const TLS_KEY: &str = "tls.key";

/// The label that says which component an object belongs to, and our value of it.
pub const COMPONENT: (&str, &str) = ("external-secrets.io/component", "webhook");

/// How often [`ensure`] starts over after another writer was faster.
const MAX_RACES: usize = 16;

/// What the API server knows us as in managedFields.
pub(crate) const FIELD_MANAGER: &str = "external-secrets-webhook";

/// Why the Secret or a configuration could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A certificate could not be made.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// The API server refused or could not be reached.
    #[error("could not {doing}: {}", describe(source))]
    Api {
        /// What was tried, as in "could not …".
        doing: String,
        /// The client's error.
        source: Box<kube::Error>,
    },
    /// Others kept changing it.
    #[error(
        "gave up after {MAX_RACES} tries: Secret {0} kept being changed by others; see who writes it (managedFields)"
    )]
    Contended(String),
}

impl Error {
    pub(crate) fn api(doing: String) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Api { doing, source: Box::new(source) }
    }

    /// Whether the API server said that the caller may not do this.
    pub fn is_forbidden(&self) -> bool {
        matches!(self, Self::Api { source, .. } if code(source) == Some(403))
    }
}

/// The client's own text repeats the whole status in its debug form; this says it once.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} ({} {})", status.message, status.code, status.reason),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(inner) = source {
                let next = inner.to_string();
                if !text.contains(&next) {
                    text = format!("{text}: {next}");
                }
                source = inner.source();
            }
            text
        }
    }
}

pub(crate) fn code(error: &kube::Error) -> Option<u16> {
    match error {
        kube::Error::Api(status) => Some(status.code),
        _ => None,
    }
}

/// How a write ended.
#[derive(Debug)]
pub enum Written {
    /// It took; this is the Secret now.
    Done(Held),
    /// Another writer was faster: read again and take what is there.
    Lost,
}

/// One Secret that holds a CA.
#[derive(Clone)]
pub struct Store {
    api: Api<Secret>,
    namespace: String,
    name: String,
}

impl Store {
    /// The Secret `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str) -> Self {
        Self { api: Api::namespaced(client, namespace), namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The API of the Secret's namespace, for a watch.
    pub fn api(&self) -> Api<Secret> {
        self.api.clone()
    }

    /// Reads the Secret.
    ///
    /// # Errors
    /// [`Error::Api`]; a missing Secret is no error.
    pub async fn read(&self) -> Result<Held, Error> {
        let found = self.api.get_opt(&self.name).await.map_err(Error::api(format!("read Secret {self}")))?;
        Ok(held(found.as_ref()))
    }

    /// Carries out a step that was decided on `held`. [`Step::Keep`] writes nothing.
    ///
    /// # Errors
    /// [`Error::Issue`] or [`Error::Api`]; a lost race is no error.
    pub async fn carry_out(
        &self,
        step: &Step,
        held: &Held,
        names: &Names,
        clock: &Clock,
        lifetimes: &Lifetimes,
    ) -> Result<Written, Error> {
        let now = clock.now();
        let kept = match held {
            Held::Missing => None,
            Held::Present { resource_version: _, material } => Some(material),
        };
        let material = match step {
            Step::Keep(_) => return Ok(Written::Done(held.clone())),
            Step::Mend { authority, serving } => {
                let key = if *serving { Some(fresh_key()?) } else { None };
                authority::material(authority, key.as_ref(), kept, names, now)?
            }
            Step::Replace { reason: _, previous } => {
                let authority = authority::replace(fresh_key()?, previous, now, lifetimes)?;
                authority::material(&authority, Some(&fresh_key()?), None, names, now)?
            }
        };
        match held {
            Held::Missing => self.create(&material).await,
            Held::Present { resource_version, material: _ } => self.update(resource_version, &material).await,
        }
    }

    async fn create(&self, material: &Material) -> Result<Written, Error> {
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                namespace: Some(self.namespace.clone()),
                labels: Some(BTreeMap::from([(COMPONENT.0.to_owned(), COMPONENT.1.to_owned())])),
                ..ObjectMeta::default()
            },
            type_: Some("Opaque".to_owned()),
            data: Some(data(material)),
            ..Secret::default()
        };
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        self.settle(self.api.create(&params, &secret).await, "create")
    }

    /// A merge patch with the version that was read keeps labels and keys of others, and loses to any other writer.
    async fn update(&self, resource_version: &str, material: &Material) -> Result<Written, Error> {
        let patch = json!({"metadata": {"resourceVersion": resource_version}, "data": data(material)});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        self.settle(self.api.patch(&self.name, &params, &Patch::Merge(patch)).await, "update")
    }

    fn settle(&self, result: kube::Result<Secret>, verb: &str) -> Result<Written, Error> {
        match result {
            Ok(secret) => Ok(Written::Done(held(Some(&secret)))),
            Err(error) if code(&error) == Some(409) => Ok(Written::Lost),
            // Deleted between our read and our write. A create that gets 404 has no namespace, which is an error.
            Err(error) if verb == "update" && code(&error) == Some(404) => Ok(Written::Lost),
            Err(error) => Err(Error::api(format!("{verb} Secret {self}"))(error)),
        }
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Takes what matters out of a Secret.
pub fn held(secret: Option<&Secret>) -> Held {
    let Some(secret) = secret else { return Held::Missing };
    let take = |key: &str| {
        secret.data.as_ref().and_then(|data| data.get(key)).map(|value| value.0.clone()).unwrap_or_default()
    };
    Held::Present {
        resource_version: secret.metadata.resource_version.clone().unwrap_or_default(),
        material: Material {
            ca_crt: take(CA_CRT),
            ca_key: SecretBytes::new(take(CA_KEY)),
            tls_crt: take(TLS_CRT),
            tls_key: SecretBytes::new(take(TLS_KEY)),
        },
    }
}

/// Makes sure that the Secret holds a usable CA and returns it, with the reason if it was replaced by us.
///
/// # Errors
/// [`Error`]; lost races are retried, up to a bound.
pub async fn ensure(
    store: &Store,
    remembered: &Bundle,
    names: &Names,
    clock: &Clock,
    lifetimes: &Lifetimes,
) -> Result<(Authority, Option<Reason>), Error> {
    let mut held = store.read().await?;
    let mut replaced = None;
    for _ in 0..MAX_RACES {
        let step = authority::decide(&held, remembered, names, clock.now(), lifetimes);
        let reason = match &step {
            Step::Keep(authority) => return Ok((authority.clone(), replaced)),
            Step::Mend { authority: _, serving: _ } => None,
            Step::Replace { reason, previous: _ } => Some(*reason),
        };
        held = match store.carry_out(&step, &held, names, clock, lifetimes).await? {
            Written::Done(held) => {
                replaced = replaced.or(reason);
                held
            }
            Written::Lost => store.read().await?,
        };
    }
    Err(Error::Contended(store.to_string()))
}

fn data(material: &Material) -> BTreeMap<String, ByteString> {
    let Material { ca_crt, ca_key, tls_crt, tls_key } = material;
    BTreeMap::from([
        (CA_CRT.to_owned(), ByteString(ca_crt.clone())),
        (CA_KEY.to_owned(), ByteString(ca_key.expose().to_vec())),
        (TLS_CRT.to_owned(), ByteString(tls_crt.clone())),
        (TLS_KEY.to_owned(), ByteString(tls_key.expose().to_vec())),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::fake::FakeApi;
    use crate::fixtures::{self, at};

    const PATH: &str = "/api/v1/namespaces/ns/secrets/hook";
    const COLLECTION: &str = "/api/v1/namespaces/ns/secrets";

    fn clock() -> Clock {
        Clock::from_fn(|| at(0))
    }

    async fn run(api: &FakeApi, remembered: &Bundle) -> Result<(Authority, Option<Reason>), Error> {
        let store = Store::new(api.client(), "ns", "hook");
        ensure(&store, remembered, &fixtures::names(), &clock(), &Lifetimes::default()).await
    }

    fn object(material: &Material) -> Value {
        let secret = Secret { data: Some(data(material)), ..Secret::default() };
        let mut value = serde_json::to_value(secret).unwrap();
        value["metadata"] = json!({"name": "hook", "namespace": "ns", "labels": {"team": "a"}});
        value
    }

    #[tokio::test]
    async fn five_issuers_end_up_with_one_ca() {
        let api = FakeApi::default();
        let none = Bundle::default();
        let all = futures::future::join_all((0..5).map(|_| run(&api, &none))).await;
        let authorities: Vec<_> = all.into_iter().map(Result::unwrap).collect();
        let (first, _) = &authorities[0];
        for (authority, _) in &authorities {
            assert_eq!(authority.bundle, first.bundle);
        }
        assert_eq!(authorities.iter().filter(|(_, replaced)| replaced.is_some()).count(), 1, "one wrote it");
        assert!(api.count(&format!("POST {COLLECTION}")) > 1, "they did race");
    }

    #[tokio::test]
    async fn five_issuers_replace_a_broken_ca_once() {
        let api = FakeApi::default();
        let mut broken = fixtures::healthy(at(0));
        broken.ca_key = "garbage".into();
        api.put(PATH, object(&broken));
        let none = Bundle::default();
        let all = futures::future::join_all((0..5).map(|_| run(&api, &none))).await;
        let bundles: Vec<Bundle> = all.into_iter().map(|r| r.unwrap().0.bundle).collect();
        assert!(bundles.iter().all(|b| *b == bundles[0]));
        assert_eq!(bundles[0].certificates().len(), 2, "the old CA overlaps");
        assert!(bundles[0].contains(&fixtures::first_ca(&broken)));
    }

    #[tokio::test]
    async fn a_healthy_secret_is_read_and_not_written() {
        let api = FakeApi::default();
        api.put(PATH, object(&fixtures::healthy(at(0))));
        let (_, replaced) = run(&api, &Bundle::default()).await.unwrap();
        assert_eq!(replaced, None);
        assert_eq!(api.requests(), [format!("GET {PATH}")]);
    }

    #[tokio::test]
    async fn labels_and_keys_of_others_survive_a_replacement() {
        let api = FakeApi::default();
        let mut secret = object(&Material::default());
        secret["data"]["theirs"] = json!("eA==");
        api.put(PATH, secret);
        let (_, replaced) = run(&api, &Bundle::default()).await.unwrap();
        assert_eq!(replaced, Some(Reason::Absent));
        let now = api.get(PATH).unwrap();
        assert_eq!(now["data"]["theirs"], "eA==");
        assert_eq!(now["metadata"]["labels"]["team"], "a");
        for key in [CA_CRT, CA_KEY, TLS_CRT, TLS_KEY] {
            assert!(now["data"][key].as_str().is_some_and(|v| v.len() > 100), "{key}");
        }
    }

    #[tokio::test]
    async fn a_secret_deleted_between_read_and_write_is_made_anew() {
        let api = FakeApi::default();
        api.put(PATH, object(&Material::default()));
        api.refuse_once("PATCH", PATH, 404);
        api.refuse_once("PATCH", PATH, 409);
        let (authority, _) = run(&api, &Bundle::default()).await.unwrap();
        assert_eq!(authority.bundle.certificates().len(), 1);
    }

    #[tokio::test]
    async fn a_refusal_says_what_was_tried_and_shows_no_value() {
        for (method, path, code, want) in [
            ("GET", PATH, 403, "could not read Secret ns/hook: refused by the test (403 Forbidden)"),
            ("POST", COLLECTION, 404, "could not create Secret ns/hook: refused by the test (404 NotFound)"),
        ] {
            let api = FakeApi::default();
            api.refuse_once(method, path, code);
            let error = run(&api, &Bundle::default()).await.map(|_| ()).unwrap_err();
            assert_eq!(error.to_string(), want);
            assert_eq!(error.is_forbidden(), code == 403);
        }
    }
}
