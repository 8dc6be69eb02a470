//! The two kinds of declaration as this program meets them: where they are kept, and where their children are.

use std::fmt::Debug;
use std::sync::Arc;

use api::{
    ClusterExternalSecret, ClusterExternalSecretStatus, ClusterPushSecret, ClusterPushSecretStatus, ExternalSecret,
    ExternalSecretSpec, PushSecret, PushSecretSpec,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::Resource;
use plan::fan_out::Declaration;
use plan::fan_out::outcome::Outcome;
use serde::Serialize;
use serde::de::DeserializeOwned;
use telemetry::Kind;

use super::finalizers;
use super::shelf::{FanOut, Shelf};
use crate::context::Context;
use crate::world::Key;

/// The kinds of declaration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum DeclarationKind {
    /// ClusterExternalSecret.
    ExternalSecret,
    /// ClusterPushSecret.
    PushSecret,
}

impl DeclarationKind {
    /// As metrics name it.
    pub(crate) fn metric(self) -> Kind {
        match self {
            Self::ExternalSecret => Kind::ClusterExternalSecret,
            Self::PushSecret => Kind::ClusterPushSecret,
        }
    }
}

/// A declaration.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct DeclarationKey {
    pub(crate) kind: DeclarationKind,
    pub(crate) name: String,
}

/// See the module.
pub(crate) trait Declared:
    Declaration<Spec: Send + Sync + 'static>
    + Resource<DynamicType = (), Scope = ClusterResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Send
    + Sync
    + 'static
{
    /// What it keeps in each namespace.
    type Child: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;
    /// Its status.
    type Status: Clone + Default + PartialEq + Serialize + DeserializeOwned + Send + Sync;

    /// Which of the kinds it is.
    const WHICH: DeclarationKind;
    /// As metrics name it.
    const METRIC: Kind;
    /// What the reference leaves on it.
    const FINALIZER: Option<&'static str>;

    /// Where those of its kind are kept.
    fn shelf(fan_out: &FanOut) -> &Shelf<Self>;

    /// Whether all is known that a decision needs.
    fn can_decide(fan_out: &FanOut) -> bool;

    /// A child of this metadata and spec.
    fn child(metadata: ObjectMeta, spec: Self::Spec) -> Self::Child;

    /// The child's spec.
    fn spec(child: &Self::Child) -> &Self::Spec;

    /// The object of the child's kind that is known under this key.
    fn child_at(cx: &Context, key: &Key) -> Option<Arc<Self::Child>>;

    /// Whether the last version of that object can't be read: what is known of it is an earlier one.
    fn is_unreadable(cx: &Context, key: &Key) -> bool;

    /// The objects that the declaration of this name controls.
    fn children(cx: &Context, name: &str) -> Vec<Key>;

    /// Its status.
    fn status(&self) -> Option<&Self::Status>;

    /// As it is with another status.
    fn with_status(&self, status: Self::Status) -> Self;

    /// The status after a look at its namespaces.
    fn tell(outcome: &Outcome, before: &Self::Status, name: &str, now: Timestamp) -> Self::Status;
}

impl Declared for ClusterExternalSecret {
    type Child = ExternalSecret;
    type Status = ClusterExternalSecretStatus;

    const WHICH: DeclarationKind = DeclarationKind::ExternalSecret;
    const METRIC: Kind = Kind::ClusterExternalSecret;
    const FINALIZER: Option<&'static str> = Some(finalizers::OWN);

    fn shelf(fan_out: &FanOut) -> &Shelf<Self> {
        &fan_out.external
    }

    fn can_decide(fan_out: &FanOut) -> bool {
        // Nothing at all begins before the ExternalSecrets are listed.
        fan_out.are_namespaces_listed()
    }

    fn child(metadata: ObjectMeta, spec: ExternalSecretSpec) -> ExternalSecret {
        ExternalSecret { metadata, spec, status: None }
    }

    fn spec(child: &ExternalSecret) -> &ExternalSecretSpec {
        &child.spec
    }

    fn child_at(cx: &Context, key: &Key) -> Option<Arc<ExternalSecret>> {
        cx.world.external_secret(key)
    }

    fn is_unreadable(cx: &Context, key: &Key) -> bool {
        cx.world.is_unreadable(key)
    }

    fn children(cx: &Context, name: &str) -> Vec<Key> {
        cx.world.external_secrets(|_, brief| brief.kept_by() == Some(name))
    }

    fn status(&self) -> Option<&ClusterExternalSecretStatus> {
        self.status.as_ref()
    }

    fn with_status(&self, status: ClusterExternalSecretStatus) -> Self {
        Self { status: Some(status), ..self.clone() }
    }

    fn tell(
        outcome: &Outcome,
        before: &ClusterExternalSecretStatus,
        name: &str,
        _: Timestamp,
    ) -> ClusterExternalSecretStatus {
        outcome.external(before, name)
    }
}

impl Declared for ClusterPushSecret {
    type Child = PushSecret;
    type Status = ClusterPushSecretStatus;

    const WHICH: DeclarationKind = DeclarationKind::PushSecret;
    const METRIC: Kind = Kind::ClusterPushSecret;
    const FINALIZER: Option<&'static str> = None;

    fn shelf(fan_out: &FanOut) -> &Shelf<Self> {
        &fan_out.push
    }

    fn can_decide(fan_out: &FanOut) -> bool {
        fan_out.are_namespaces_listed() && fan_out.push_secrets.is_listed()
    }

    fn child(metadata: ObjectMeta, spec: PushSecretSpec) -> PushSecret {
        PushSecret { metadata, spec, status: None }
    }

    fn spec(child: &PushSecret) -> &PushSecretSpec {
        &child.spec
    }

    fn child_at(cx: &Context, key: &Key) -> Option<Arc<PushSecret>> {
        cx.fan_out.push_secrets.get(key)
    }

    fn is_unreadable(_: &Context, _: &Key) -> bool {
        // It is kept without a spec, which no wish is.
        false
    }

    fn children(cx: &Context, name: &str) -> Vec<Key> {
        cx.fan_out.push_secrets.kept_by(name)
    }

    fn status(&self) -> Option<&ClusterPushSecretStatus> {
        self.status.as_ref()
    }

    fn with_status(&self, status: ClusterPushSecretStatus) -> Self {
        Self { status: Some(status), ..self.clone() }
    }

    fn tell(
        outcome: &Outcome,
        before: &ClusterPushSecretStatus,
        name: &str,
        now: Timestamp,
    ) -> ClusterPushSecretStatus {
        outcome.push(before, name, now)
    }
}
