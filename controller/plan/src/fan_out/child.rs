//! What a child should look like, whose the one is that is there, and what is to be done about it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{Declaration, Succession};
use crate::names::GROUP;

/// All of a child that its declaration decides on.
#[derive(Clone, Debug, PartialEq)]
pub struct Shape<S> {
    /// All its labels.
    pub labels: BTreeMap<String, String>,
    /// All its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its spec.
    pub spec: S,
}

impl<S: PartialEq> Shape<S> {
    /// Whether an object looks so.
    pub fn is_of(&self, meta: &ObjectMeta, spec: &S) -> bool {
        let Self { labels, annotations, spec: wished } = self;
        let same = |have: &Option<BTreeMap<String, String>>, want: &BTreeMap<String, String>| match have {
            Some(have) => have == want,
            None => want.is_empty(),
        };
        same(&meta.labels, labels) && same(&meta.annotations, annotations) && spec == wished
    }
}

/// The name of the declaration of this kind that controls an object.
pub fn owner<'a>(meta: &'a ObjectMeta, kind: &str) -> Option<&'a str> {
    let mut references = meta.owner_references.iter().flatten();
    let controller = references.find(|reference| reference.controller == Some(true))?;
    let group = controller.api_version.split_once('/').map(|(group, _)| group);
    (controller.kind == kind && group == Some(GROUP)).then_some(controller.name.as_str())
}

/// How the object of the child's name stands to its declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Missing,
    /// It isn't the declaration's.
    Foreign,
    /// It is being deleted.
    Ending,
    /// It differs from what was declared, or can't be read.
    Differs,
    /// It is as it should be.
    AsWished,
}

/// Judges the object of the child's name; `spec` is none of one that can't be read. `stored` is what the API server last made
/// of the same wish, if that differs from it: a schema or another webhook may have a say in that.
pub fn standing<D: Declaration>(
    declaration: &D,
    wish: &Shape<D::Spec>,
    stored: Option<&Shape<D::Spec>>,
    there: Option<(&ObjectMeta, Option<&D::Spec>)>,
) -> Standing {
    let Some((meta, spec)) = there else { return Standing::Missing };
    if owner(meta, D::KIND) != declaration.metadata().name.as_deref() {
        return Standing::Foreign;
    }
    if meta.deletion_timestamp.is_some() {
        return Standing::Ending;
    }
    let ours = reference(declaration);
    let shaped = spec.is_some_and(|spec| wish.is_of(meta, spec) || stored.is_some_and(|it| it.is_of(meta, spec)));
    if shaped && meta.owner_references.iter().flatten().any(|reference| *reference == ours) {
        Standing::AsWished
    } else {
        Standing::Differs
    }
}

/// What is done in one selected namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The child is as it should be.
    Keep,
    /// It is made.
    Create,
    /// It is brought in step.
    Update,
    /// Nothing, since somebody else's object has its name.
    Taken,
    /// Nothing before the child of today is gone.
    Ending,
    /// The children of an earlier name go first, and the new one comes when they are gone.
    Clear,
}

impl Step {
    /// `old` are the children of other names in that namespace.
    pub fn of(standing: Standing, old: impl IntoIterator<Item = Succession>) -> Self {
        let must_clear = || {
            old.into_iter().any(|succession| match succession {
                Succession::OldFirst { keep_owned: _ } => true,
                Succession::NewFirst => false,
            })
        };
        match standing {
            Standing::Missing if must_clear() => Self::Clear,
            Standing::Missing => Self::Create,
            Standing::Foreign => Self::Taken,
            Standing::Ending => Self::Ending,
            Standing::Differs => Self::Update,
            Standing::AsWished => Self::Keep,
        }
    }
}

/// The metadata of a child: of the one that is there in the version that was read, else of a new one.
pub fn metadata<D: Declaration>(
    declaration: &D,
    wish: &Shape<D::Spec>,
    namespace: &str,
    there: Option<&ObjectMeta>,
) -> ObjectMeta {
    let fresh = || ObjectMeta {
        name: Some(declaration.child_name().to_owned()),
        namespace: Some(namespace.to_owned()),
        ..ObjectMeta::default()
    };
    let mut meta = there.cloned().unwrap_or_else(fresh);
    meta.labels = Some(wish.labels.clone());
    meta.annotations = Some(wish.annotations.clone());
    meta.managed_fields = None;
    let ours = reference(declaration);
    let others = meta.owner_references.take().unwrap_or_default().into_iter().filter(|it| it.controller != Some(true));
    // One that was ours and points to an earlier declaration of the name is replaced.
    meta.owner_references = Some(others.filter(|it| it.uid != ours.uid).chain([ours.clone()]).collect());
    meta
}

fn reference<D: Declaration>(declaration: &D) -> OwnerReference {
    let meta = declaration.metadata();
    OwnerReference {
        api_version: D::API_VERSION.to_owned(),
        kind: D::KIND.to_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

#[cfg(test)]
mod tests {
    use api::{ClusterExternalSecret, ExternalSecret};
    use serde_json::{Value, json};

    use super::*;

    fn declaration() -> ClusterExternalSecret {
        let metadata = json!({"labels": {"a": "b"}});
        let spec = json!({"externalSecretSpec": {"refreshInterval": "1h"}, "externalSecretMetadata": metadata});
        serde_json::from_value(json!({"metadata": {"name": "all", "uid": "u-1"}, "spec": spec})).unwrap()
    }

    fn controlled_by(over: Value) -> Value {
        let mut reference = json!({
            "apiVersion": "external-secrets.io/v1", "kind": "ClusterExternalSecret", "name": "all", "uid": "u-1",
            "controller": true, "blockOwnerDeletion": true,
        });
        reference.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        reference
    }

    fn child(metadata: Value, spec: Value) -> ExternalSecret {
        serde_json::from_value(json!({"metadata": metadata, "spec": spec})).unwrap()
    }

    #[test]
    fn whose_a_child_is_and_whether_it_is_as_wished() {
        let ours = json!([controlled_by(json!({}))]);
        let fine = json!({"labels": {"a": "b"}, "annotations": {}, "ownerReferences": ours});
        let with = |field: &str, value: Value| {
            let mut metadata = fine.clone();
            metadata[field] = value;
            metadata
        };
        let spec = json!({"refreshInterval": "1h0m0s"});
        let other = |over: Value| with("ownerReferences", json!([controlled_by(over)]));
        let cases = [
            (fine.clone(), spec.clone(), Standing::AsWished),
            (with("annotations", Value::Null), spec.clone(), Standing::AsWished),
            (with("finalizers", json!(["x"])), spec.clone(), Standing::AsWished),
            (with("labels", json!({"a": "c"})), spec.clone(), Standing::Differs),
            (with("labels", json!({"a": "b", "more": ""})), spec.clone(), Standing::Differs),
            (with("annotations", json!({"by": "hand"})), spec.clone(), Standing::Differs),
            (fine.clone(), json!({"refreshInterval": "2h"}), Standing::Differs),
            (with("deletionTimestamp", json!("2026-01-01T00:00:00Z")), spec.clone(), Standing::Ending),
            (with("ownerReferences", json!([])), spec.clone(), Standing::Foreign),
            (other(json!({"controller": false})), spec.clone(), Standing::Foreign),
            (other(json!({"name": "other"})), spec.clone(), Standing::Foreign),
            (other(json!({"kind": "ClusterPushSecret"})), spec.clone(), Standing::Foreign),
            (other(json!({"apiVersion": "example.com/v1"})), spec.clone(), Standing::Foreign),
            // Of an earlier declaration of the name, or as an older version wrote it: ours to mend.
            (other(json!({"uid": "u-0"})), spec.clone(), Standing::Differs),
            (other(json!({"apiVersion": "external-secrets.io/v1beta1"})), spec.clone(), Standing::Differs),
        ];
        let (declaration, wish) = (declaration(), declaration().wish());
        for (metadata, spec, want) in cases {
            let ExternalSecret { metadata: meta, spec, status: _ } = child(metadata.clone(), spec);
            let got = standing(&declaration, &wish, None, Some((&meta, Some(&spec))));
            assert_eq!(got, want, "{metadata} {spec:?}");
        }
        assert_eq!(standing(&declaration, &wish, None, None), Standing::Missing);
        let ExternalSecret { metadata: meta, .. } = child(fine, spec);
        assert_eq!(standing(&declaration, &wish, None, Some((&meta, None))), Standing::Differs, "unreadable");
    }

    #[test]
    fn what_the_api_server_makes_of_a_wish_is_no_difference() {
        let (declaration, wish) = (declaration(), declaration().wish());
        let metadata = json!({"labels": {"a": "b", "injected": "yes"}, "ownerReferences": [controlled_by(json!({}))]});
        let ExternalSecret { metadata: meta, spec, status: _ } = child(metadata, json!({"refreshInterval": "1h"}));
        let stored = Shape { labels: meta.labels.clone().unwrap(), ..wish.clone() };
        let there = Some((&meta, Some(&spec)));
        assert_eq!(standing(&declaration, &wish, None, there), Standing::Differs);
        assert_eq!(standing(&declaration, &wish, Some(&stored), there), Standing::AsWished);
    }

    #[test]
    fn a_step_follows_from_what_is_there() {
        let (first, after) = (Succession::NewFirst, Succession::OldFirst { keep_owned: true });
        let cases = [
            (Standing::Missing, vec![], Step::Create),
            (Standing::Missing, vec![first], Step::Create),
            (Standing::Missing, vec![first, after], Step::Clear),
            // What nobody can replace stays.
            (Standing::Foreign, vec![after], Step::Taken),
            (Standing::Ending, vec![], Step::Ending),
            (Standing::Differs, vec![after], Step::Update),
            (Standing::AsWished, vec![first], Step::Keep),
        ];
        for (standing, old, want) in cases {
            assert_eq!(Step::of(standing, old.clone()), want, "{standing:?} {old:?}");
        }
    }

    #[test]
    fn an_update_replaces_what_is_declared_and_keeps_the_rest() {
        let stray = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": "u-c"});
        let metadata = json!({
            "name": "all", "namespace": "shop", "uid": "u-e", "resourceVersion": "7", "finalizers": ["x"],
            "labels": {"by": "hand"}, "annotations": {"by": "hand"},
            "ownerReferences": [controlled_by(json!({"uid": "u-0"})), stray],
        });
        let ExternalSecret { metadata: there, .. } = child(metadata, json!({}));
        let (declaration, wish) = (declaration(), declaration().wish());
        let got = serde_json::to_value(super::metadata(&declaration, &wish, "shop", Some(&there))).unwrap();
        let want = json!({
            "name": "all", "namespace": "shop", "uid": "u-e", "resourceVersion": "7", "finalizers": ["x"],
            "labels": {"a": "b"}, "annotations": {}, "ownerReferences": [stray, controlled_by(json!({}))],
        });
        assert_eq!(got, want);
        let fresh = super::metadata(&declaration, &wish, "shop", None);
        assert_eq!((fresh.name.as_deref(), fresh.namespace.as_deref()), (Some("all"), Some("shop")));
    }
}
