//! A Kubernetes Secret whose values cannot be printed.
//!
//! `k8s_openapi`'s own `Secret` shows its bytes in `Debug`; this type has the same wire form and keeps them in
//! [`secret::SecretBytes`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secret::{SecretBytes, SecretMap};
use serde::{Deserialize, Serialize};

/// A v1/Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SecretObject {
    #[serde(default)]
    api_version: ApiVersion,
    #[serde(default)]
    kind: SecretKind,
    /// Standard metadata, `managedFields` included: which keys are ours is read from there.
    #[serde(default)]
    pub metadata: ObjectMeta,
    /// The values.
    #[serde(default, with = "base64_values", skip_serializing_if = "SecretMap::is_empty")]
    pub data: SecretMap,
    /// The Secret's type; the API server fills in `Opaque`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
    /// Whether the API server refuses any later change of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub immutable: Option<bool>,
}

impl SecretObject {
    /// A Secret that doesn't exist yet.
    pub fn new(namespace: Option<String>, name: &str) -> Self {
        let metadata = ObjectMeta { name: Some(name.to_owned()), namespace, ..ObjectMeta::default() };
        Self { metadata, ..Self::default() }
    }
}

impl k8s_openapi::Resource for SecretObject {
    const API_VERSION: &'static str = "v1";
    const GROUP: &'static str = "";
    const KIND: &'static str = "Secret";
    const VERSION: &'static str = "v1";
    const URL_PATH_SEGMENT: &'static str = "secrets";
    type Scope = k8s_openapi::NamespaceResourceScope;
}

impl k8s_openapi::Metadata for SecretObject {
    type Ty = ObjectMeta;

    fn metadata(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn metadata_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum ApiVersion {
    #[default]
    #[serde(rename = "v1")]
    V1,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
enum SecretKind {
    #[default]
    Secret,
}

mod base64_values {
    use serde::de::Error as _;
    use serde::ser::SerializeMap as _;
    use serde::{Deserializer, Serializer};

    use super::*;

    pub(super) fn serialize<S: Serializer>(data: &SecretMap, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(data.len()))?;
        for (key, value) in data {
            map.serialize_entry(key, &STANDARD.encode(value.expose()))?;
        }
        map.end()
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretMap, D::Error> {
        let wire: Option<std::collections::BTreeMap<String, Option<String>>> = Deserialize::deserialize(deserializer)?;
        wire.unwrap_or_default()
            .into_iter()
            .map(|(key, text)| match STANDARD.decode(text.unwrap_or_default()) {
                Ok(bytes) => Ok((key, SecretBytes::new(bytes))),
                // The decoder's own text quotes a byte of the value.
                Err(_) => Err(D::Error::custom(format!("data.{key} is not base64"))),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_that_of_a_secret() {
        let wire = serde_json::json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "namespace": "shop"},
            "data": {"password": "cGFzcw=="}, "type": "Opaque"
        });
        let object: SecretObject = serde_json::from_value(wire.clone()).unwrap();
        assert_eq!(object.data["password"].expose(), b"pass");
        assert_eq!(serde_json::to_value(&object).unwrap(), wire);
    }

    #[test]
    fn debug_shows_no_value() {
        let object: SecretObject = serde_json::from_str(r#"{"data": {"k": "Y2FuYXJ5"}}"#).unwrap();
        let shown = format!("{object:?}");
        assert!(!shown.contains("canary") && !shown.contains("99, 97"), "{shown}");
    }
}
