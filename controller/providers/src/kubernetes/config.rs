//! Settings of `kubernetes`: the namespace. The connection is `cluster`'s.

use api::KubernetesProvider;
use provider::{Error, ErrorKind};

use crate::cluster::{Connection, Fields, is_name};

const DEFAULT_NAMESPACE: &str = "default";

const FIELDS: Fields = Fields {
    auth: "spec.provider.kubernetes.auth",
    auth_ref: "spec.provider.kubernetes.authRef",
    certificate: "spec.provider.kubernetes.auth.cert",
    server_url: "spec.provider.kubernetes.server.url",
};

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) connection: Connection,
    pub(super) namespace: String,
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(spec: &KubernetesProvider) -> Result<Self, Error> {
        let KubernetesProvider { server, auth, auth_ref, remote_namespace } = spec;
        let namespace = remote_namespace.clone().filter(|n| !n.is_empty()).unwrap_or(DEFAULT_NAMESPACE.to_owned());
        if !is_name(&namespace) {
            let text = "spec.provider.kubernetes.remoteNamespace: this is not the name of a namespace";
            return Err(Error::new(ErrorKind::Invalid, "Open", text));
        }
        Ok(Self { connection: Connection::of(server, auth.as_ref(), auth_ref.as_ref(), &FIELDS)?, namespace })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_namespace_is_a_name_or_default() {
        let auth = json!({"token": {"bearerToken": {"name": "s", "key": "k"}}});
        let settings = |namespace: &str| {
            Settings::of(&serde_json::from_value(json!({"auth": auth, "remoteNamespace": namespace})).unwrap())
        };
        assert_eq!(settings("").unwrap().namespace, "default");
        assert_eq!(settings("shared").unwrap().namespace, "shared");
        let error = settings("../x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("spec.provider.kubernetes.remoteNamespace: "), "{error}");
    }
}
