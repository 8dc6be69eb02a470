//! The provider `openBao`: reads KV version 1 and 2 of OpenBao as the reference's provider does, which isn't its `vault`.
//!
//! Lives here: the settings as those of `vault`, and references as this provider understands them. `find.rs` finds in one
//! folder, `mount.rs` checks the mount. Logins, the session, requests and values are those of `vault`; so the texts are
//! too, with OpenBao's names.
//! API: <https://openbao.org/api-docs/>. For users: `docs/providers/openbao.md`.

mod find;
mod mount;

use std::collections::BTreeMap;
use std::num::IntErrorKind;
use std::time::Duration;

use api::provider::openbao::{OpenBaoAppRole, OpenBaoAuth, OpenBaoProvider};
use api::{VaultAppRole, VaultAuth, VaultProvider, VaultTls, VaultVersion};
use async_trait::async_trait;
use provider::{Calls, Capabilities, Error, ErrorKind, Find, Payload, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};

use super::config::Settings;
use super::product::Product;
use super::{READ, Vault, connect, read};
use crate::referent::{Referent, names_no_namespace};
use crate::{Environment, OpenContext};

/// The reference counts no calls of this provider.
const METRIC_NAME: &str = "OpenBao";
/// Where the reference looks for the engine of a store that names no path.
const DEFAULT_MOUNT: &str = "kv";

/// An opened `openBao` store.
struct OpenBao(Vault);

/// Checks the settings, looks up the credentials and logs in.
pub(crate) async fn open(spec: &OpenBaoProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(&as_vault(spec), Product::OpenBao, cx.retry, &cx.environment.openbao)?;
    let capabilities = Capabilities::ReadOnly;
    let referent = Referent { metric_name: METRIC_NAME, call_name: READ, capabilities };
    Ok(connect(settings, cx).await?.map_or_else(|| Box::new(referent) as _, |vault| Box::new(OpenBao(vault)) as _))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &OpenBaoProvider, environment: &Environment) -> bool {
    let settings = Settings::of(&as_vault(spec), Product::OpenBao, None, &environment.openbao);
    settings.is_ok_and(|settings| names_no_namespace(settings.namespaces()))
}

/// The same store, as if it were Vault's.
fn as_vault(spec: &OpenBaoProvider) -> VaultProvider {
    let OpenBaoProvider { server, auth, ca_bundle, ca_provider, namespace, path, version } = spec;
    VaultProvider {
        server: server.clone(),
        path: Some(path.clone().unwrap_or_else(|| DEFAULT_MOUNT.to_owned())),
        version: *version,
        namespace: namespace.clone(),
        headers: BTreeMap::new(),
        auth: auth.as_ref().map(auth_as_vault),
        ca_bundle: ca_bundle.clone(),
        ca_provider: ca_provider.clone(),
        tls: VaultTls::default(),
        read_your_writes: false,
        forward_inconsistent: false,
        check_and_set: None,
    }
}

fn auth_as_vault(auth: &OpenBaoAuth) -> VaultAuth {
    let OpenBaoAuth { app_role, namespace, token_secret_ref, user_pass } = auth;
    let app_role = app_role.as_ref().map(|OpenBaoAppRole { path, secret_ref, role_id, role_ref }| VaultAppRole {
        path: path.clone(),
        role_id: role_id.clone(),
        role_ref: role_ref.clone(),
        secret_ref: secret_ref.clone(),
    });
    VaultAuth {
        namespace: namespace.clone(),
        token_secret_ref: token_secret_ref.clone(),
        app_role,
        kubernetes: None,
        ldap: None,
        user_pass: user_pass.clone(),
        jwt: None,
        cert: None,
        iam: None,
        gcp: None,
    }
}

/// The version as the server is asked for it.
fn asked_version(version: Option<&str>, kv: VaultVersion) -> Result<Option<String>, Error> {
    let invalid = |text: String| Error::new(ErrorKind::Invalid, READ, text);
    let Some(version) = version.filter(|version| !version.is_empty()) else { return Ok(None) };
    if kv == VaultVersion::V1 {
        let text = "OpenBao KVv1 secrets do not support versioning (use KVv2); leave remoteRef.version out";
        return Err(invalid(text.to_owned()));
    }
    let number: i64 = version.parse().map_err(|error: std::num::ParseIntError| {
        let what = match error.kind() {
            IntErrorKind::PosOverflow | IntErrorKind::NegOverflow => "value out of range",
            _ => "invalid syntax",
        };
        let quoted = gojson::quote(version);
        invalid(format!(
            "invalid Ref.Version: strconv.Atoi: parsing {quoted}: {what}; remoteRef.version is the number of a version"
        ))
    })?;
    Ok(Some(number.to_string()))
}

#[async_trait]
impl Provider for OpenBao {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        READ
    }

    /// The reference doesn't look at `metadataPolicy` here.
    fn read_key(&self, reference: &RemoteRef) -> ReadKey {
        let ReadKey { key, version, metadata: _ } = &reference.read;
        ReadKey { key: key.clone(), version: version.clone(), metadata: false }
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        let ReadKey { key, version, metadata: _ } = key;
        let version = asked_version(version.as_deref(), self.0.paths.version)?;
        read::read(&self.0, &ReadKey { key: key.clone(), version, metadata: false }).await
    }

    fn patience(&self) -> Option<Duration> {
        self.0.patience()
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        read::value(payload, reference)
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        read::map(payload, reference)
    }

    async fn find(&self, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
        find::find(&self.0, find, calls).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadOnly
    }

    async fn validate(&self) -> Validation {
        match mount::check(&self.0).await {
            Ok(()) => Validation::Ready,
            Err(error) => Validation::Failed(error),
        }
    }

    async fn close(&self) {
        self.0.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_a_number_of_version_2() {
        use VaultVersion::{V1, V2};
        let not = |text: &str| Err(format!("invalid Ref.Version: strconv.Atoi: parsing {text}"));
        let cases = [
            (None, V1, Ok(None)),
            (Some(""), V1, Ok(None)),
            (Some("1"), V1, Err("OpenBao KVv1 secrets do not support versioning (use KVv2)".to_owned())),
            (Some("+07"), V2, Ok(Some("7"))),
            (Some("-1"), V2, Ok(Some("-1"))),
            (Some(" 1"), V2, not("\" 1\": invalid syntax")),
            (Some("latest"), V2, not("\"latest\": invalid syntax")),
            (Some("99999999999999999999"), V2, not("\"99999999999999999999\": value out of range")),
        ];
        for (version, kv, want) in cases {
            match (asked_version(version, kv), want) {
                (Ok(got), Ok(want)) => assert_eq!(got.as_deref(), want, "{version:?}"),
                (Err(error), Err(want)) => assert!(error.to_string().starts_with(&want), "{version:?}: {error}"),
                (got, want) => panic!("{version:?}: {got:?}, not {want:?}"),
            }
        }
    }
}
