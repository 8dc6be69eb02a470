//! The Secrets that templates may use. Deliberately not here: which namespace each is looked up in ([`Credentials`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{SecretKeySelector, WebhookSecret};
use provider::{Credentials, Error, ErrorKind};

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
        if credentials.is_cluster_store() && secret_ref.namespace.as_deref().is_none_or(str::is_empty) {
            return Err(no_namespace(secret_ref).context(field()));
        }
        let found = credentials.labelled_secret(secret_ref, LABEL).await.map_err(|error| error.context(field()))?;
        secrets.entry(name.clone()).or_insert_with(secret::SecretMap::new).extend(found);
    }
    Ok(Arc::new(secrets))
}

fn no_namespace(selector: &SecretKeySelector) -> Error {
    let name = selector.name.as_deref().unwrap_or_default();
    Error::new(ErrorKind::Invalid, OPERATION, format!("no namespace on ClusterScoped webhook secret {name}"))
}
