//! One macro for what every kind needs beside its spec: metadata, `apiVersion` and `kind` on the wire, kube's traits.
//!
//! kube's own derive isn't used since it makes `spec` required (in ESO an object without one is judged, not unreadable)
//! and since it brings a second, different schema.

/// Defines a kind: a struct with `metadata`, `spec` and `status`.
///
/// The short form is for `external-secrets.io/v1`, where the struct is named as the kind; the long one names all three.
macro_rules! kind {
    ($(#[$meta:meta])* $name:ident, $plural:literal, $scope:ty, $spec:ty, $status:ty) => {
        crate::resource::kind! {
            $(#[$meta])*
            $name = "external-secrets.io" / "v1" / (stringify!($name)), $plural, $scope, $spec, $status
        }
    };
    (
        $(#[$meta:meta])*
        $name:ident = $group:literal / $version:literal / ($kind:expr), $plural:literal, $scope:ty, $spec:ty, $status:ty
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        pub struct $name {
            /// Name, namespace, labels and what else every object has.
            #[serde(default)]
            pub metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
            /// What is wished. Absent and `null` read as the empty spec.
            #[serde(default, deserialize_with = "crate::resource::null_as_default")]
            pub spec: $spec,
            /// What was seen and done.
            #[serde(default)]
            pub status: Option<$status>,
        }

        impl $name {
            /// The kind's name on the wire.
            pub const KIND: &'static str = $kind;

            /// Group and version on the wire.
            pub const API_VERSION: &'static str = concat!($group, "/", $version);

            /// The kind's name in URLs.
            pub const PLURAL: &'static str = $plural;

            /// An object with this name and spec, without a namespace and status.
            pub fn new(name: &str, spec: $spec) -> Self {
                let metadata = k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                    name: Some(name.to_owned()),
                    ..Default::default()
                };
                Self { metadata, spec, status: None }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct;
                let Self { metadata, spec, status } = self;
                let fields = 4 + usize::from(status.is_some());
                let mut object = serializer.serialize_struct(Self::KIND, fields)?;
                object.serialize_field("apiVersion", Self::API_VERSION)?;
                object.serialize_field("kind", Self::KIND)?;
                object.serialize_field("metadata", metadata)?;
                object.serialize_field("spec", spec)?;
                match status {
                    Some(status) => object.serialize_field("status", status)?,
                    None => object.skip_field("status")?,
                }
                object.end()
            }
        }

        impl kube_core::Resource for $name {
            type DynamicType = ();
            type Scope = $scope;

            fn kind(_: &()) -> std::borrow::Cow<'_, str> {
                Self::KIND.into()
            }

            fn group(_: &()) -> std::borrow::Cow<'_, str> {
                $group.into()
            }

            fn version(_: &()) -> std::borrow::Cow<'_, str> {
                $version.into()
            }

            fn plural(_: &()) -> std::borrow::Cow<'_, str> {
                $plural.into()
            }

            fn meta(&self) -> &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &self.metadata
            }

            fn meta_mut(&mut self) -> &mut k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta {
                &mut self.metadata
            }
        }

        impl kube_core::object::HasSpec for $name {
            type Spec = $spec;

            fn spec(&self) -> &$spec {
                &self.spec
            }

            fn spec_mut(&mut self) -> &mut $spec {
                &mut self.spec
            }
        }

        impl kube_core::object::HasStatus for $name {
            type Status = $status;

            fn status(&self) -> Option<&$status> {
                self.status.as_ref()
            }

            fn status_mut(&mut self) -> &mut Option<$status> {
                &mut self.status
            }
        }
    };
}

pub(crate) use kind;

/// Reads `null` as the default, as Go does.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de> + Default,
{
    <Option<T> as serde::Deserialize>::deserialize(deserializer).map(Option::unwrap_or_default)
}
