//! An ExternalSecret as it is kept: what is asked about thousands of them lies at hand, the rest is packed and unpacked when
//! a reconcile needs it. As its types take it, an object of three references is 3 KiB; packed it is a tenth of that.
//!
//! Deliberately not here: where it is kept, and what follows from it (`world`).

use std::sync::Arc;

use api::{ClusterExternalSecret, ExternalSecret};
use plan::fan_out::child;
use plan::{data, status};

use super::records::StoreKey;
use crate::external_secret::{store_key, store_keys};

/// What most objects have in common, so that packing says it in a few bytes: a text as [`pack`] makes them, with nothing in
/// it that must stay as it is, since it is never written down.
const COMMON: &[u8] = br#"{"apiVersion":"external-secrets.io/v1","kind":"ExternalSecret","metadata":{"annotations":{"kubectl.kubernetes.io/last-applied-configuration":"{\"apiVersion\":\"external-secrets.io/v1\",\"kind\":\"ExternalSecret\",\"metadata\":{\"annotations\":{},\"labels\":{},\"name\":\"\",\"namespace\":\"\"},\"spec\":{\"data\":[{\"remoteRef\":{\"key\":\"\",\"property\":\"\"},\"secretKey\":\"\"}],\"refreshInterval\":\"1h\",\"secretStoreRef\":{\"kind\":\"SecretStore\",\"name\":\"\"},\"target\":{\"name\":\"\"}}}\n"},"creationTimestamp":"2026-01-01T00:00:00Z","finalizers":["externalsecrets.external-secrets.io/externalsecret-cleanup"],"generation":1,"labels":{"app.kubernetes.io/instance":"","app.kubernetes.io/managed-by":"Helm","app.kubernetes.io/name":"","argocd.argoproj.io/instance":"","helm.sh/chart":""},"name":"","namespace":"","ownerReferences":[{"apiVersion":"","blockOwnerDeletion":true,"controller":true,"kind":"","name":"","uid":""}],"resourceVersion":"1","uid":""},"spec":{"secretStoreRef":{"name":"","kind":"ClusterSecretStore"},"target":{"name":"","creationPolicy":"Owner","deletionPolicy":"Retain","template":{"engineVersion":"v2","mergePolicy":"Replace","metadata":{},"type":"Opaque","data":{}}},"refreshPolicy":"Periodic","refreshInterval":"1h0m0s","data":[{"secretKey":"password","remoteRef":{"key":"","property":"value","conversionStrategy":"Default","decodingStrategy":"None","metadataPolicy":"None","nullBytePolicy":"Ignore"}}],"dataFrom":[{"extract":{"key":"","conversionStrategy":"Default","decodingStrategy":"None","metadataPolicy":"None","nullBytePolicy":"Ignore"}},{"find":{"name":{"regexp":""}}}]},"status":{"refreshTime":"2026-01-01T00:00:00Z","syncedResourceVersion":"1-","conditions":[{"type":"Ready","status":"False","reason":"SecretSyncedError","message":"could not get secret data from provider","lastTransitionTime":"2026-01-01T00:00:00Z"},{"type":"Ready","status":"True","reason":"SecretSynced","message":"secret synced","lastTransitionTime":"2026-01-01T00:00:00Z"}],"binding":{"name":""}}}"#;

/// What is asked about an object without a look at the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brief {
    /// All stores that it names, the one that it is about first.
    stores: Box<[StoreKey]>,
    /// What its condition Ready says.
    pub(crate) ready: Ready,
    /// It was in sync once.
    pub(crate) synced: bool,
    /// It is being deleted.
    pub(crate) deleting: bool,
    /// Its target is of another kind than Secret.
    pub(crate) generic: bool,
    /// The ClusterExternalSecret that keeps it.
    kept_by: Option<Box<str>>,
}

/// What a condition Ready says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    True,
    False,
    /// Something else, or there is none.
    Unknown,
}

impl Brief {
    pub(crate) fn of(object: &ExternalSecret) -> Self {
        let ExternalSecret { metadata, spec, status } = object;
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let mut stores = store_keys(spec, namespace);
        if let Some(main) = data::main_store(spec).map(|name| store_key(&name, namespace)) {
            stores.retain(|store| *store != main);
            stores.insert(0, main);
        }
        let conditions = status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        let ready = match (status::ready_is("True", conditions), status::ready_is("False", conditions)) {
            (true, _) => Ready::True,
            (false, true) => Ready::False,
            (false, false) => Ready::Unknown,
        };
        Self {
            stores: stores.into(),
            ready,
            synced: status.as_ref().is_some_and(|status| status.synced_resource_version.is_some()),
            deleting: metadata.deletion_timestamp.is_some(),
            generic: spec.target.manifest.is_some(),
            kept_by: child::owner(metadata, ClusterExternalSecret::KIND).map(Box::from),
        }
    }

    /// The ClusterExternalSecret that keeps it.
    pub(crate) fn kept_by(&self) -> Option<&str> {
        self.kept_by.as_deref()
    }

    /// The store that it is about: see [`data::main_store`].
    pub(crate) fn main_store(&self) -> Option<&StoreKey> {
        self.stores.first()
    }

    /// Every store that it names.
    pub(crate) fn stores(&self) -> &[StoreKey] {
        &self.stores
    }
}

/// See the module.
pub(super) struct Kept {
    pub(super) brief: Brief,
    form: Form,
}

enum Form {
    Packed(Box<[u8]>),
    /// Packed, it wouldn't come back as it was.
    Whole(Arc<ExternalSecret>),
}

impl Kept {
    pub(super) fn new(object: ExternalSecret) -> Self {
        let brief = Brief::of(&object);
        let form = match pack(&object) {
            Some(packed) if unpack(&packed).as_ref() == Some(&object) => Form::Packed(packed),
            Some(_) | None => Form::Whole(Arc::new(object)),
        };
        Self { brief, form }
    }

    /// The object; none can't be, since only what could be unpacked was packed.
    pub(super) fn object(&self) -> Option<Arc<ExternalSecret>> {
        match &self.form {
            Form::Packed(packed) => unpack(packed).map(Arc::new),
            Form::Whole(object) => Some(object.clone()),
        }
    }
}

fn pack(object: &ExternalSecret) -> Option<Box<[u8]>> {
    let text = serde_json::to_vec(object).ok()?;
    Some(lz4_flex::block::compress_prepend_size_with_dict(&text, COMMON).into())
}

fn unpack(packed: &[u8]) -> Option<ExternalSecret> {
    let text = lz4_flex::block::decompress_size_prepended_with_dict(packed, COMMON).ok()?;
    serde_json::from_slice(&text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn object(spec: Value, status: Value) -> ExternalSecret {
        let metadata = json!({
            "name": "es-4711", "namespace": "bench-3", "uid": "0c3f2f0e-8a55-4f0b-9a52-6c0e1d7c7b11", "generation": 1,
            "resourceVersion": "47110815", "creationTimestamp": "2026-03-05T07:08:09Z",
        });
        serde_json::from_value(json!({"metadata": metadata, "spec": spec, "status": status})).unwrap()
    }

    fn typical() -> ExternalSecret {
        let entry = |number: u32| {
            json!({"secretKey": format!("key-{number}"), "remoteRef": {
                "key": format!("bench/4711-{number}"), "property": "value", "conversionStrategy": "Default",
                "decodingStrategy": "None", "metadataPolicy": "None", "nullBytePolicy": "Ignore",
            }})
        };
        object(
            json!({
                "refreshInterval": "1h", "secretStoreRef": {"kind": "ClusterSecretStore", "name": "bench"},
                "target": {"creationPolicy": "Owner", "deletionPolicy": "Retain"}, "data": [entry(0), entry(1), entry(2)],
            }),
            json!({
                "refreshTime": "2026-03-05T07:08:10Z",
                "syncedResourceVersion": "1-a6d2f0c8b1e94b7f3c5d7e9f1a3b5c7d9e1f3a5b7c9d1e3f5a7b9c1d",
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "SecretSynced", "message": "secret synced",
                    "lastTransitionTime": "2026-03-05T07:08:10Z",
                }],
                "binding": {"name": "es-4711"},
            }),
        )
    }

    #[test]
    fn a_typical_object_takes_a_few_hundred_bytes_and_comes_back_as_it_was() {
        let kept = Kept::new(typical());
        assert_eq!(kept.object().as_deref(), Some(&typical()));
        let Form::Packed(packed) = &kept.form else { panic!("kept whole") };
        assert!(packed.len() < 450, "{} bytes", packed.len());
    }

    #[test]
    fn what_would_not_come_back_as_it_was_is_kept_whole() {
        let mut object = typical();
        // Written down to the second.
        let time = "2026-03-05T07:08:09.123456789Z".parse().unwrap();
        object.metadata.creation_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(time));
        let kept = Kept::new(object.clone());
        assert_eq!(kept.object().as_deref(), Some(&object));
    }

    #[test]
    fn a_brief_tells_the_main_store_first_and_each_store_once() {
        let named = |name: &str| json!({"secretKey": name, "remoteRef": {"key": "k"}, "sourceRef": {"storeRef": {"name": name}}});
        let main = json!({"kind": "ClusterSecretStore", "name": "main"});
        let data = json!([named("a"), named("b"), named("a")]);
        let cases = [
            (json!({}), vec![]),
            (json!({"data": data}), vec!["bench-3/a", "bench-3/b"]),
            (json!({"data": data, "secretStoreRef": main}), vec!["/main", "bench-3/a", "bench-3/b"]),
        ];
        for (spec, want) in cases {
            let object = object(spec, Value::Null);
            let brief = Brief::of(&object);
            let mut got: Vec<String> = Vec::new();
            for StoreKey { kind: _, namespace, name } in brief.stores() {
                let text = format!("{namespace}/{name}");
                if !got.contains(&text) {
                    got.push(text);
                }
            }
            assert_eq!(got, want);
            let main = data::main_store(&object.spec);
            assert_eq!(brief.main_store().map(|store| &store.name), main.as_ref().map(|store| &store.name));
        }
    }

    #[test]
    fn a_brief_tells_how_an_object_stands() {
        let ready = |status: &str| json!({"conditions": [{"type": "Ready", "status": status}]});
        let cases = [
            (Value::Null, Ready::Unknown, false),
            (ready("True"), Ready::True, false),
            (ready("False"), Ready::False, false),
            (ready("Unknown"), Ready::Unknown, false),
            (json!({"syncedResourceVersion": "1-x"}), Ready::Unknown, true),
        ];
        for (status, ready, synced) in cases {
            let brief =
                Brief::of(&object(json!({"target": {"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}}}), status));
            let want = Brief { stores: Box::default(), ready, synced, deleting: false, generic: true, kept_by: None };
            assert_eq!(brief, want);
        }
    }
}
