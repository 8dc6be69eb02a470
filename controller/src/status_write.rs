//! Writes an object's status, guarded by the version that was read.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Puts `status` on the object that `meta` names, and answers its new resourceVersion.
///
/// The status subresource takes nothing else from the object, so nothing else is sent.
pub(crate) async fn put<K>(
    client: &kube::Client,
    meta: &ObjectMeta,
    status: &impl Serialize,
) -> Result<Option<String>, kube::Error>
where
    K: kube::Resource<DynamicType = ()>,
{
    let Stored { metadata, status: _ } = put_and_read::<K>(client, meta, status).await?;
    Ok(metadata.resource_version)
}

/// What the API server has after a write. Its schema may have dropped what it doesn't know.
#[derive(Deserialize)]
pub(crate) struct Stored {
    pub(crate) metadata: ObjectMeta,
    #[serde(default)]
    pub(crate) status: Value,
}

/// As [`put`]; answers what was stored.
pub(crate) async fn put_and_read<K>(
    client: &kube::Client,
    meta: &ObjectMeta,
    status: &impl Serialize,
) -> Result<Stored, kube::Error>
where
    K: kube::Resource<DynamicType = ()>,
{
    let body = serde_json::json!({
        "apiVersion": K::api_version(&()),
        "kind": K::kind(&()),
        "metadata": {
            "name": meta.name, "namespace": meta.namespace, "uid": meta.uid, "resourceVersion": meta.resource_version,
        },
        "status": status,
    });
    let bytes = serde_json::to_vec(&body).map_err(kube::Error::SerdeError)?;
    let request = kube::core::Request::new(K::url_path(&(), meta.namespace.as_deref()))
        .replace_subresource("status", meta.name.as_deref().unwrap_or_default(), &PostParams::default(), bytes)
        .map_err(kube::Error::BuildRequest)?;
    client.request(request).await
}
