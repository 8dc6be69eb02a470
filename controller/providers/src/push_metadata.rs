//! The envelope of `spec.data[].metadata` of a PushSecret: `apiVersion`, `kind` and a `spec` of the provider's own.
//!
//! Lives here: the envelope's rules and texts. Deliberately not here: what a `spec` may hold (each provider's `push.rs`).

use provider::{Error, ErrorKind};
use serde::de::DeserializeOwned;
use serde_json::Value;

const API_VERSION: &str = "kubernetes.external-secrets.io/v1alpha1";
const KIND: &str = "PushSecretMetadata";

/// The `spec`; its default if there is no metadata or no `spec`. `T` refuses unknown fields by itself.
///
/// # Errors
/// `Invalid`, naming the field.
pub(crate) fn spec<T: DeserializeOwned + Default>(
    metadata: Option<&Value>,
    operation: &'static str,
) -> Result<T, Error> {
    let invalid = |text: String| Error::new(ErrorKind::Invalid, operation, text);
    let unreadable = |text: String| invalid(format!("failed to parse {API_VERSION} {KIND}: {text}"));
    let fields = match metadata {
        None | Some(Value::Null) => return Ok(T::default()),
        Some(Value::Object(fields)) => fields,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => {
            return Err(unreadable("metadata is not an object".to_owned()));
        }
    };
    if let Some(unknown) = fields.keys().find(|key| !matches!(key.as_str(), "apiVersion" | "kind" | "spec")) {
        let name = gojson::quote(unknown);
        return Err(unreadable(format!("unknown field {name}; settings of the provider belong below spec")));
    }
    for (field, wanted) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let given = fields.get(field).and_then(Value::as_str).unwrap_or_default();
        if given != wanted {
            let (given, wanted) = (gojson::quote(given), gojson::quote(wanted));
            return Err(invalid(format!("unexpected {field} {given}, expected {wanted}")));
        }
    }
    match fields.get("spec") {
        None | Some(Value::Null) => Ok(T::default()),
        Some(spec) => T::deserialize(spec).map_err(|error| unreadable(format!("spec: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields, rename_all = "camelCase")]
    struct Spec {
        merge_policy: Option<String>,
    }

    #[test]
    fn the_envelope_is_read_strictly() {
        let good = |spec: Value| json!({"apiVersion": API_VERSION, "kind": KIND, "spec": spec});
        let parse = "failed to parse kubernetes.external-secrets.io/v1alpha1 PushSecretMetadata: ";
        let cases = [
            (None, Ok(None)),
            (Some(json!(null)), Ok(None)),
            (Some(good(json!(null))), Ok(None)),
            (Some(json!({"apiVersion": API_VERSION, "kind": KIND})), Ok(None)),
            (Some(good(json!({"mergePolicy": "Merge"}))), Ok(Some("Merge"))),
            (Some(good(json!({"mergePolicy": null}))), Ok(None)),
            (
                Some(json!({"apiVersion": "v1", "kind": KIND})),
                Err(r#"unexpected apiVersion "v1", expected "kubernetes.external-secrets.io/v1alpha1""#.to_owned()),
            ),
            (
                Some(json!({})),
                Err(r#"unexpected apiVersion "", expected "kubernetes.external-secrets.io/v1alpha1""#.to_owned()),
            ),
            (
                Some(json!({"apiVersion": API_VERSION, "kind": "Other"})),
                Err(r#"unexpected kind "Other", expected "PushSecretMetadata""#.to_owned()),
            ),
            (
                Some(json!({"apiVersion": API_VERSION, "kind": KIND, "mergePolicy": "Merge"})),
                Err(format!(r#"{parse}unknown field "mergePolicy"; settings of the provider belong below spec"#)),
            ),
            (
                Some(good(json!({"mergepolicy": "Merge"}))),
                Err(format!("{parse}spec: unknown field `mergepolicy`, expected `mergePolicy`")),
            ),
            (
                Some(good(json!({"mergePolicy": 7}))),
                Err(format!("{parse}spec: invalid type: integer `7`, expected a string")),
            ),
            (Some(json!("text")), Err(format!("{parse}metadata is not an object"))),
            (Some(json!([])), Err(format!("{parse}metadata is not an object"))),
        ];
        for (metadata, want) in cases {
            let got = spec::<Spec>(metadata.as_ref(), "PushSecret");
            let got = got.map(|spec| spec.merge_policy).map_err(|error| error.to_string());
            assert_eq!(got, want.map(|policy| policy.map(str::to_owned)), "{metadata:?}");
        }
    }
}
