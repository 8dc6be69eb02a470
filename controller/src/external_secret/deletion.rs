//! Lets an ExternalSecret go. Its Secret is left to the owner reference; a finalizer is never added here, and one that
//! the reference left behind is honoured and removed.

use std::sync::Arc;

use api::{DeletionPolicy, ExternalSecret};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use plan::secret_object::SecretObject;

use crate::context::Context;
use crate::queue::Next;
use crate::world;

/// The reference's finalizer.
const FINALIZER: &str = "externalsecrets.external-secrets.io/externalsecret-cleanup";

/// See the module. I/O.
pub(crate) async fn release(cx: &Arc<Context>, object: &ExternalSecret) -> Next {
    match try_release(cx, object).await {
        Ok(()) => Next::OnChange,
        Err(error) => {
            let meta = &object.metadata;
            tracing::warn!(namespace = meta.namespace, name = meta.name, error = %error, "could not finish the deletion");
            Next::Backoff
        }
    }
}

async fn try_release(cx: &Arc<Context>, object: &ExternalSecret) -> Result<(), kube::Error> {
    let finalizers = object.metadata.finalizers.as_deref().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
        return Ok(());
    }
    let target = world::target_key(object);
    if object.spec.target.deletion_policy == DeletionPolicy::Delete {
        let api: Api<SecretObject> = Api::namespaced(cx.client.clone(), &target.namespace);
        if let Some(secret) = api.get_opt(&target.name).await?
            && is_controlled_by(&secret, object)
        {
            let preconditions = Preconditions {
                uid: secret.metadata.uid.clone(),
                resource_version: secret.metadata.resource_version.clone(),
            };
            api.delete(&target.name, &DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() })
                .await?;
        }
    }
    let rest: Vec<&String> = finalizers.iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    let patch =
        serde_json::json!({"metadata": {"finalizers": rest, "resourceVersion": object.metadata.resource_version}});
    let api: Api<ExternalSecret> = Api::namespaced(cx.client.clone(), &target.namespace);
    let name = object.metadata.name.as_deref().unwrap_or_default();
    api.patch_metadata(name, &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

fn is_controlled_by(secret: &SecretObject, object: &ExternalSecret) -> bool {
    let mut references = secret.metadata.owner_references.iter().flatten();
    references
        .any(|reference| reference.controller == Some(true) && Some(&reference.uid) == object.metadata.uid.as_ref())
}
