//! What the two kinds of declaration say, in one form.

use api::{
    ClusterExternalSecret, ClusterExternalSecretSpec, ClusterPushSecret, ClusterPushSecretSpec, CopyMetadata,
    CreationPolicy, ExternalSecret, ExternalSecretSpec, GoDuration, PushSecret, PushSecretDeletionPolicy,
    PushSecretSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::child::Shape;
use super::selection::Selection;
use crate::target;

/// On a declaration or its child: a new value has the child refreshed.
const FORCE_SYNC: &str = "external-secrets.io/force-sync";
/// Time between two looks of a declaration without `refreshTime`.
const DEFAULT_REFRESH: GoDuration = GoDuration::from_secs(3600);

/// How the child of a new name takes over from that of the old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Succession {
    /// Each has its own: the old one goes once the new one is there.
    NewFirst,
    /// Both want the same: the new one comes once the old one is gone.
    OldFirst {
        /// What the old one owns in the cluster stays for the new one.
        keep_owned: bool,
    },
}

/// An object that declares one child for each of many namespaces.
pub trait Declaration {
    /// The spec of a child.
    type Spec: Clone + PartialEq;

    /// The kind of the declaration.
    const KIND: &'static str;
    /// Its group and version.
    const API_VERSION: &'static str;
    /// The kind of its children.
    const CHILD: &'static str;
    /// Why a namespace failed that has an object of the child's name which isn't ours.
    const TAKEN: &'static str;
    /// Before the reason for which a child could not be written.
    const NOT_WRITTEN: &'static str;

    /// The declaration's metadata.
    fn metadata(&self) -> &ObjectMeta;

    /// Which namespaces it selects.
    fn selection(&self) -> Selection<'_>;

    /// The name that its spec gives to every child, if it does.
    fn given_name(&self) -> Option<&str>;

    /// What every child should be.
    fn wish(&self) -> Shape<Self::Spec>;

    /// `refreshTime`, as it is given.
    fn given_refresh(&self) -> Option<GoDuration>;

    /// How a child named `new` takes over from one named `old`.
    fn succession(old: (&str, &Self::Spec), new: (&str, &Self::Spec)) -> Succession;

    /// The name of every child.
    fn child_name(&self) -> &str {
        let own = self.metadata().name.as_deref().unwrap_or_default();
        self.given_name().filter(|name| !name.is_empty()).unwrap_or(own)
    }

    /// Time between two looks; none if only changes count.
    fn refresh(&self) -> Option<std::time::Duration> {
        self.given_refresh().unwrap_or(DEFAULT_REFRESH).to_std().filter(|time| !time.is_zero())
    }
}

impl Declaration for ClusterExternalSecret {
    type Spec = ExternalSecretSpec;

    const KIND: &'static str = ClusterExternalSecret::KIND;
    const API_VERSION: &'static str = ClusterExternalSecret::API_VERSION;
    const CHILD: &'static str = ExternalSecret::KIND;
    const TAKEN: &'static str = "external secret already exists in namespace";
    const NOT_WRITTEN: &'static str = "could not create or update ExternalSecret";

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn selection(&self) -> Selection<'_> {
        let ClusterExternalSecretSpec {
            namespaces,
            namespace_selector,
            namespace_selectors,
            external_secret_spec: _,
            external_secret_name: _,
            metadata: _,
            refresh_time: _,
        } = &self.spec;
        Selection { names: namespaces, selectors: namespace_selector.iter().chain(namespace_selectors).collect() }
    }

    fn given_name(&self) -> Option<&str> {
        self.spec.external_secret_name.as_deref()
    }

    fn wish(&self) -> Shape<ExternalSecretSpec> {
        let mut wish = shape(&self.spec.metadata, &self.spec.external_secret_spec);
        // The declaration's own annotation alone counts: its absence removes it too.
        match self.metadata.annotations.as_ref().and_then(|own| own.get(FORCE_SYNC)) {
            Some(value) => wish.annotations.insert(FORCE_SYNC.to_owned(), value.clone()),
            None => wish.annotations.remove(FORCE_SYNC),
        };
        wish
    }

    fn given_refresh(&self) -> Option<GoDuration> {
        self.spec.refresh_time
    }

    fn succession(old: (&str, &ExternalSecretSpec), new: (&str, &ExternalSecretSpec)) -> Succession {
        let place = |(name, spec): (&str, &ExternalSecretSpec)| {
            let manifest = spec.target.manifest.clone();
            (target::name(name, spec).to_owned(), manifest)
        };
        match old.1.target.creation_policy {
            // Nobody would own it, or nobody writes it: both may stand side by side for a moment.
            CreationPolicy::Merge | CreationPolicy::None => Succession::NewFirst,
            CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::CreateOrMerge => {
                if place(old) == place(new) { Succession::OldFirst { keep_owned: true } } else { Succession::NewFirst }
            }
        }
    }
}

impl Declaration for ClusterPushSecret {
    type Spec = PushSecretSpec;

    const KIND: &'static str = ClusterPushSecret::KIND;
    const API_VERSION: &'static str = ClusterPushSecret::API_VERSION;
    const CHILD: &'static str = PushSecret::KIND;
    const TAKEN: &'static str = "push secret already exists in namespace";
    const NOT_WRITTEN: &'static str = "could not create or update push secret";

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn selection(&self) -> Selection<'_> {
        let ClusterPushSecretSpec {
            namespace_selectors,
            push_secret_spec: _,
            push_secret_name: _,
            metadata: _,
            refresh_time: _,
        } = &self.spec;
        Selection { names: &[], selectors: namespace_selectors.iter().collect() }
    }

    fn given_name(&self) -> Option<&str> {
        self.spec.push_secret_name.as_deref()
    }

    fn wish(&self) -> Shape<PushSecretSpec> {
        shape(&self.spec.metadata, &self.spec.push_secret_spec)
    }

    fn given_refresh(&self) -> Option<GoDuration> {
        self.spec.refresh_time
    }

    fn succession(old: (&str, &PushSecretSpec), _: (&str, &PushSecretSpec)) -> Succession {
        match old.1.deletion_policy {
            // Its end takes from the provider what the new one pushes.
            PushSecretDeletionPolicy::Delete => Succession::OldFirst { keep_owned: false },
            PushSecretDeletionPolicy::None => Succession::NewFirst,
        }
    }
}

fn shape<S: Clone>(metadata: &CopyMetadata, spec: &S) -> Shape<S> {
    let CopyMetadata { labels, annotations } = metadata;
    Shape { labels: labels.clone(), annotations: annotations.clone(), spec: spec.clone() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn external(json: serde_json::Value) -> ClusterExternalSecret {
        serde_json::from_value(json).unwrap()
    }

    fn push(json: serde_json::Value) -> ClusterPushSecret {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn children_bear_the_given_name_or_the_declarations() {
        let with = |name: serde_json::Value| {
            external(json!({"metadata": {"name": "a"}, "spec": {"externalSecretSpec": {}, "externalSecretName": name}}))
        };
        assert_eq!(with(json!(null)).child_name(), "a");
        assert_eq!(with(json!("")).child_name(), "a");
        assert_eq!(with(json!("b")).child_name(), "b");
    }

    #[test]
    fn looks_are_an_hour_apart_unless_said_otherwise() {
        let seconds = |time: serde_json::Value| {
            let spec = json!({"externalSecretSpec": {}, "refreshTime": time});
            external(json!({"metadata": {"name": "a"}, "spec": spec})).refresh().map(|time| time.as_secs())
        };
        for (given, want) in
            [(json!(null), Some(3600)), (json!("90s"), Some(90)), (json!("0"), None), (json!("-1s"), None)]
        {
            assert_eq!(seconds(given.clone()), want, "{given}");
        }
    }

    #[test]
    fn force_sync_is_the_declarations_own() {
        let wish = |own: serde_json::Value, given: serde_json::Value| {
            let spec = json!({"externalSecretSpec": {}, "externalSecretMetadata": {"annotations": given, "labels": {"a": "b"}}});
            external(json!({"metadata": {"name": "a", "annotations": own}, "spec": spec})).wish().annotations
        };
        let texts = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        assert_eq!(wish(json!({}), json!({FORCE_SYNC: "1", "x": "y"})), texts(&[("x", "y")]));
        assert_eq!(wish(json!({FORCE_SYNC: "2"}), json!({FORCE_SYNC: "1"})), texts(&[(FORCE_SYNC, "2")]));
        assert_eq!(wish(json!({"other": "2"}), json!({})), texts(&[]));
        let spec = json!({"pushSecretSpec": {"secretStoreRefs": [], "selector": {}}, "pushSecretMetadata": {"annotations": {FORCE_SYNC: "1"}}});
        let declared = push(json!({"metadata": {"name": "a", "annotations": {FORCE_SYNC: "2"}}, "spec": spec}));
        assert_eq!(declared.wish().annotations, texts(&[(FORCE_SYNC, "1")]), "a ClusterPushSecret mirrors nothing");
    }

    #[test]
    fn who_wants_the_same_target_comes_after_the_other() {
        let spec = |target: serde_json::Value| {
            serde_json::from_value::<ExternalSecretSpec>(json!({"target": target})).unwrap()
        };
        let cases = [
            (json!({}), json!({}), Succession::NewFirst),
            (json!({"name": "t"}), json!({"name": "t"}), Succession::OldFirst { keep_owned: true }),
            (json!({"name": "t"}), json!({"name": "u"}), Succession::NewFirst),
            (json!({"name": "t", "creationPolicy": "Merge"}), json!({"name": "t"}), Succession::NewFirst),
            // The old one's target may bear the new one's name.
            (json!({"name": "new"}), json!({}), Succession::OldFirst { keep_owned: true }),
        ];
        for (old, new, want) in cases {
            let got = ClusterExternalSecret::succession(("old", &spec(old.clone())), ("new", &spec(new.clone())));
            assert_eq!(got, want, "{old} {new}");
        }
        for (policy, want) in [("None", Succession::NewFirst), ("Delete", Succession::OldFirst { keep_owned: false })] {
            let spec: PushSecretSpec =
                serde_json::from_value(json!({"deletionPolicy": policy, "secretStoreRefs": [], "selector": {}}))
                    .unwrap();
            assert_eq!(ClusterPushSecret::succession(("old", &spec), ("new", &spec)), want);
        }
    }
}
