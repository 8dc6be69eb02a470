//! Settings of `crd`: the kind of the objects, and what may be read of them. The connection is `cluster`'s.

use api::StoreKind;
use api::provider::crd::{CrdProvider, CrdResource};
use provider::{Error, ErrorKind};

use super::whitelist::Whitelist;
use crate::cluster::{Connection, Fields, is_name};

const FIELDS: Fields = Fields {
    auth: "spec.provider.crd.auth",
    auth_ref: "spec.provider.crd.authRef",
    certificate: "spec.provider.crd.auth.cert",
    server_url: "spec.provider.crd.server.url",
};

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) connection: Connection,
    pub(super) wanted: Wanted,
    pub(super) whitelist: Whitelist,
}

/// The kind of the objects, as it stands in the settings.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Empty for the core group.
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
}

pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "Open", text)
}

impl Settings {
    /// Checks the settings of a store of this kind.
    pub(super) fn of(spec: &CrdProvider, store: StoreKind) -> Result<Self, Error> {
        let CrdProvider { resource, auth, auth_ref, server, whitelist } = spec;
        let connection = Connection::of(server, auth.as_ref(), auth_ref.as_ref(), &FIELDS)?;
        let wanted = Wanted::of(resource)?;
        Ok(Self { connection, wanted, whitelist: Whitelist::of(whitelist.as_ref(), store)? })
    }
}

impl Wanted {
    fn of(resource: &CrdResource) -> Result<Self, Error> {
        let CrdResource { group, kind, version } = resource;
        if version.is_empty() {
            return Err(invalid("resource.version is required"));
        }
        if kind.is_empty() {
            return Err(invalid("resource.kind is required"));
        }
        if kind.eq_ignore_ascii_case("Secret") && version == "v1" && matches!(group.as_str(), "" | "core") {
            let text = "kind \"Secret\" is not allowed: use the Kubernetes provider to read Kubernetes Secrets";
            return Err(invalid(text));
        }
        for (field, text) in [("group", group), ("version", version)] {
            if !text.is_empty() && !is_name(text) {
                let text = format!(
                    "spec.provider.crd.resource.{field}: {} can't be one; see apiVersion of such an object: <group>/<version>",
                    gojson::quote(text)
                );
                return Err(invalid(text));
            }
        }
        Ok(Self { group: group.clone(), version: version.clone(), kind: kind.clone() })
    }

    /// `apiVersion` of such an object.
    pub(super) fn api_version(&self) -> String {
        let Self { group, version, kind: _ } = self;
        if group.is_empty() { version.clone() } else { format!("{group}/{version}") }
    }

    /// The path of the version, one segment after the other.
    pub(super) fn path(&self) -> Vec<&str> {
        match self.group.as_str() {
            "" => vec!["api", &self.version],
            group => vec!["apis", group, &self.version],
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(patch: Value) -> Result<Settings, Error> {
        let mut spec = json!({
            "auth": {"token": {"bearerToken": {"name": "s", "key": "k"}}},
            "resource": {"group": "example.io", "version": "v1", "kind": "Widget"},
        });
        spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        Settings::of(&serde_json::from_value(spec).unwrap(), StoreKind::SecretStore)
    }

    #[test]
    fn bad_settings_get_the_references_words_or_name_the_field() {
        let resource = |group: &str, version: &str, kind: &str| json!({"resource": {"group": group, "version": version, "kind": kind}});
        let secret = "kind \"Secret\" is not allowed: use the Kubernetes provider to read Kubernetes Secrets";
        let cases = [
            (resource("", "", ""), "resource.version is required"),
            (resource("", "v1", ""), "resource.kind is required"),
            (resource("", "v1", "Secret"), secret),
            (resource("core", "v1", "sEcret"), secret),
            (resource("a/../b", "v1", "K"), "spec.provider.crd.resource.group: \"a/../b\" can't be one"),
            (resource("", "..", "K"), "spec.provider.crd.resource.version: \"..\" can't be one"),
            (json!({"auth": {}}), "no auth provider given; set one below spec.provider.crd.auth"),
            (
                json!({"whitelist": {"rules": [{}]}}),
                "crd: whitelist.rules[0]: whitelist rule must define name, namespace, or properties",
            ),
        ];
        for (patch, text) in cases {
            let error = settings(patch.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().starts_with(text), "{patch}: {error}");
        }
    }

    #[test]
    fn a_kind_of_the_core_group_and_a_secret_of_another_one_have_their_paths() {
        let cases =
            [("", "ConfigMap", "v1", "api/v1"), ("example.io", "Secret", "example.io/v1", "apis/example.io/v1")];
        for (group, kind, api_version, path) in cases {
            let resource = json!({"resource": {"group": group, "version": "v1", "kind": kind}});
            let Settings { connection: _, wanted, whitelist: _ } = settings(resource).unwrap();
            assert_eq!((wanted.api_version().as_str(), wanted.path().join("/").as_str()), (api_version, path));
        }
    }
}
