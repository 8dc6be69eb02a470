//! Lets an ExternalSecret go. Its Secret is left to the owner reference; a finalizer is never added here, and one that
//! the reference left behind is honoured and removed. Deliberately not here: live objects' finalizers (`finalizer`).

use std::sync::Arc;

use api::{DeletionPolicy, ExternalSecret};
use kube::Api;
use kube::api::{DeleteParams, Preconditions};
use plan::secret_object::SecretObject;

use super::{finalizer, generic};
use crate::context::Context;
use crate::queue::Next;
use crate::world;

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
    if !finalizer::is_on(object) {
        return Ok(());
    }
    let target = world::target_key(object);
    let deletes = object.spec.target.deletion_policy == DeletionPolicy::Delete;
    if let Some(manifest) = object.spec.target.manifest.as_deref().filter(|_| deletes) {
        generic::delete(cx, object, manifest).await?;
    } else if deletes {
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
    finalizer::remove(cx, object).await?;
    Ok(())
}

fn is_controlled_by(secret: &SecretObject, object: &ExternalSecret) -> bool {
    let mut references = secret.metadata.owner_references.iter().flatten();
    references
        .any(|reference| reference.controller == Some(true) && Some(&reference.uid) == object.metadata.uid.as_ref())
}
