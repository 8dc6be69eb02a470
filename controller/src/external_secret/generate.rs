//! Asks generators: reads the object that a `generatorRef` names and what it needs, and lets it make values. I/O.
//!
//! Deliberately not here: what a reference means and how values are made (crate `generators`), and what becomes of them
//! (`plan::data`). Generators aren't watched: they are read at each refresh.

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

use super::templates::{self, aside};
use crate::context::Context;
use crate::lookup::api_text;

const OPERATION: &str = "ResolveGenerator";

/// Whether one of the generators belongs to another controller class. One that can't be read belongs to nobody.
pub(super) async fn is_foreign(cx: &Arc<Context>, namespace: &str, spec: &ExternalSecretSpec) -> bool {
    for reference in plan::data::generators(spec) {
        if let Ok(spec) = resolve(cx, namespace, &reference).await
            && spec.controller().is_some_and(|class| !class.is_empty() && class != cx.settings.controller_class)
        {
            return true;
        }
    }
    false
}

/// New values of the generator that `reference` names.
pub(super) async fn generate(
    cx: &Arc<Context>,
    namespace: &str,
    reference: &GeneratorRef,
    now: Timestamp,
) -> Result<SecretMap, Error> {
    let spec = resolve(cx, namespace, reference).await?;
    let secrets = ConsumerSecrets { context: cx.clone(), namespace: namespace.to_owned() };
    let runtime = tokio::runtime::Handle::current();
    // An RSA key takes a second.
    let made = aside(move || {
        let given = Given { now, random: Random::new(&templates::fill), secrets: &secrets };
        runtime.block_on(generators::open(spec).generate(&given))
    });
    made.await.map_err(|error| error.context("error using generator"))
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
