//! The Secrets that templates may use, and those of a login. Deliberately not here: which namespace each is looked up in ([`Credentials`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{SecretKeySelector, WebhookNtlmAuth, WebhookSecret};
use provider::{Credentials, Error, ErrorKind};
use secret::{SecretBytes, SecretMap};

use super::Secrets;

const OPERATION: &str = "Open";
/// The value of the label `external-secrets.io/type` that each must bear.
const LABEL: &str = "webhook";

/// All keys of all of them; Secrets of one name are one in templates.
///
/// # Errors
/// `Invalid`, naming the entry, for one that isn't there, bears no label, or needs a namespace.
pub(super) async fn look_up(wanted: &[WebhookSecret], credentials: &dyn Credentials) -> Result<Secrets, Error> {
    let mut secrets = BTreeMap::<String, _>::new();
    for WebhookSecret { name, secret_ref } in wanted {
        let field = || format!("spec.provider.webhook.secrets[{name}]");
        let found = labelled(secret_ref, credentials).await.map_err(|error| error.context(field()))?;
        secrets.entry(name.clone()).or_insert_with(SecretMap::new).extend(found);
    }
    Ok(Arc::new(secrets))
}

/// User and password of `auth.ntlm`.
///
/// # Errors
/// As of [`look_up`], naming the field; `Invalid` for a key that isn't there.
pub(super) async fn user_and_password(
    ntlm: &WebhookNtlmAuth,
    credentials: &dyn Credentials,
) -> Result<(SecretBytes, SecretBytes), Error> {
    let WebhookNtlmAuth { password_secret, username_secret } = ntlm;
    let value = async |name: &str, selector: &SecretKeySelector| {
        let in_field = |error: Error| error.context(format!("spec.provider.webhook.auth.ntlm.{name}"));
        let key = selector.key.as_deref().unwrap_or_default();
        let mut found = labelled(selector, credentials).await.map_err(in_field)?;
        found.remove(key).ok_or_else(|| {
            let text = format!("cannot find secret data for key: {}", gojson::quote(key));
            in_field(Error::new(ErrorKind::Invalid, OPERATION, text))
        })
    };
    Ok((value("usernameSecret", username_secret).await?, value("passwordSecret", password_secret).await?))
}

async fn labelled(selector: &SecretKeySelector, credentials: &dyn Credentials) -> Result<SecretMap, Error> {
    if credentials.is_cluster_store() && selector.namespace.as_deref().is_none_or(str::is_empty) {
        let name = selector.name.as_deref().unwrap_or_default();
        let text = format!("no namespace on ClusterScoped webhook secret {name}");
        return Err(Error::new(ErrorKind::Invalid, OPERATION, text));
    }
    credentials.labelled_secret(selector, LABEL).await
}
