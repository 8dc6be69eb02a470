//! Asks generators: reads the objects that `generatorRef`s name and what they need, and lets them make values. I/O.
//!
//! Deliberately not here: what a reference means and how values are made (crate `generators`), and what becomes of them
//! (`plan::data`). Generators aren't watched: they are read at each refresh, once.

use std::sync::Arc;

use api::generator::{GROUP, VERSION};
use api::{ExternalSecretSpec, GeneratorRef};
use async_trait::async_trait;
use generators::{Given, Random, Secrets, Spec, Wanted};
use jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject};
use plan::secret_object::SecretObject;
use provider::{Error, ErrorKind};
use secret::SecretMap;

use super::templates::aside;
use crate::context::Context;
use crate::lookup::api_text;

const OPERATION: &str = "ResolveGenerator";

/// The generators that an ExternalSecret names, as they were read for this refresh.
#[derive(Debug)]
pub(super) struct Generators(Vec<(GeneratorRef, Result<Spec, Error>)>);

impl Generators {
    fn get(&self, reference: &GeneratorRef) -> Result<Spec, Error> {
        let unread = || Err(Error::new(ErrorKind::Invalid, OPERATION, "the generator was not read"));
        let found = self.0.iter().find(|(read, _)| read == reference);
        found.map_or_else(unread, |(_, spec)| spec.clone())
    }
}

/// The generators that `spec` names; none if one of them belongs to another controller class. One that can't be read
/// belongs to nobody.
pub(super) async fn read_all(cx: &Arc<Context>, namespace: &str, spec: &ExternalSecretSpec) -> Option<Generators> {
    let mut all = Generators(Vec::new());
    for reference in plan::data::generators(spec) {
        if all.0.iter().any(|(read, _)| *read == reference) {
            continue;
        }
        let spec = resolve(cx, namespace, &reference).await;
        if is_foreign(cx, &spec) {
            return None;
        }
        all.0.push((reference, spec));
    }
    Some(all)
}

/// New values of the generator that `reference` names, which is among those that were read.
pub(super) async fn generate(
    cx: &Arc<Context>,
    namespace: &str,
    generators: &Generators,
    reference: &GeneratorRef,
    now: Timestamp,
) -> Result<SecretMap, Error> {
    let spec = generators.get(reference)?;
    let secrets = ConsumerSecrets { context: cx.clone(), namespace: namespace.to_owned() };
    let runtime = tokio::runtime::Handle::current();
    // An RSA key takes a second.
    let made = aside(move || {
        let given = Given { now, random: Random::new(&providers::random_bytes), secrets: &secrets };
        runtime.block_on(generators::open(spec).generate(&given))
    });
    made.await.map_err(|error| error.context("error using generator"))
}

/// New values of a generator that is read for it; none if it belongs to another controller class.
pub(crate) async fn generate_once(
    cx: &Arc<Context>,
    namespace: &str,
    reference: &GeneratorRef,
    now: Timestamp,
) -> Option<Result<SecretMap, Error>> {
    let spec = resolve(cx, namespace, reference).await;
    if is_foreign(cx, &spec) {
        return None;
    }
    let generators = Generators(vec![(reference.clone(), spec)]);
    Some(generate(cx, namespace, &generators, reference, now).await)
}

/// Whether a generator belongs to another controller class. One that can't be read belongs to nobody.
fn is_foreign(cx: &Context, spec: &Result<Spec, Error>) -> bool {
    let class = spec.as_ref().ok().and_then(Spec::controller).filter(|class| !class.is_empty());
    class.is_some_and(|class| class != cx.settings.controller_class)
}

async fn resolve(cx: &Arc<Context>, namespace: &str, reference: &GeneratorRef) -> Result<Spec, Error> {
    let spec = match Wanted::of(reference) {
        Ok(wanted) => read(cx, namespace, wanted, &reference.name).await,
        Err(error) => Err(error),
    };
    spec.map_err(|error| error.context("unable to get generator"))
}

async fn read(cx: &Arc<Context>, namespace: &str, wanted: Wanted, name: &str) -> Result<Spec, Error> {
    let resource = ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: format!("{GROUP}/{VERSION}"),
        kind: wanted.kind().to_owned(),
        plural: wanted.plural().to_owned(),
    };
    let api: Api<DynamicObject> = match wanted {
        Wanted::Namespaced(_) => Api::namespaced_with(cx.client.clone(), namespace, &resource),
        Wanted::Cluster => Api::all_with(cx.client.clone(), &resource),
    };
    let why = match api.get_opt(name).await {
        Ok(Some(mut object)) => return Spec::read(wanted, object.data["spec"].take()),
        Ok(None) => format!("{}.{GROUP} {name:?} not found", wanted.kind()),
        Err(error) => api_text(&error),
    };
    Err(Error::new(ErrorKind::Invalid, OPERATION, why))
}

/// Secrets of the namespace of the object that asks, whatever the generator's selector says.
struct ConsumerSecrets {
    context: Arc<Context>,
    namespace: String,
}

#[async_trait]
impl Secrets for ConsumerSecrets {
    async fn secret(&self, name: &str) -> Result<SecretMap, Error> {
        let api: Api<SecretObject> = Api::namespaced(self.context.client.clone(), &self.namespace);
        let why = match api.get_opt(name).await {
            Ok(Some(secret)) => return Ok(secret.data),
            Ok(None) => format!("secrets {name:?} not found"),
            Err(error) => api_text(&error),
        };
        Err(Error::new(ErrorKind::Invalid, OPERATION, why))
    }
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use serde_json::json;

    use super::*;
    use crate::fixtures;

    const FAKES: &str = "/apis/generators.external-secrets.io/v1alpha1/namespaces/shop/fakes/";

    #[tokio::test]
    async fn each_generator_is_read_once_and_one_of_another_class_ends_it() {
        let api = FakeApi::default();
        for (name, class) in [("any", ""), ("ours", "default"), ("theirs", "other")] {
            let spec = json!({"controller": class, "data": {"k": name}});
            api.put(&format!("{FAKES}{name}"), json!({"metadata": {"name": name}, "spec": spec}));
        }
        let (cx, _) = fixtures::over(&api, fixtures::settings());
        let cases = [
            (vec!["any", "ours", "any"], vec!["any", "ours"], true),
            (vec!["gone", "ours"], vec!["gone", "ours"], true),
            (vec!["theirs", "ours"], vec!["theirs"], false),
        ];
        for (named, read, ours) in cases {
            let entry = |name: &&str| json!({"sourceRef": {"generatorRef": {"kind": "Fake", "name": name}}});
            let entries: Vec<_> = named.iter().map(entry).collect();
            let spec: ExternalSecretSpec = serde_json::from_value(json!({"dataFrom": entries})).unwrap();
            let before = api.requests().len();
            let generators = read_all(&cx, "shop", &spec).await;
            let want: Vec<String> = read.iter().map(|name| format!("GET {FAKES}{name}")).collect();
            assert_eq!((api.requests().split_off(before), generators.is_some()), (want, ours), "{named:?}");
            for reference in plan::data::generators(&spec).iter().filter(|_| ours) {
                let made = generate(&cx, "shop", generators.as_ref().unwrap(), reference, Timestamp::UNIX_EPOCH).await;
                assert_eq!(made.is_ok(), reference.name != "gone", "{reference:?}");
            }
        }
    }
}
