//! The provider `oracle`: vault, region, user and its key.

use super::at::At;
use super::reference::Form;
use crate::finding::Finding;
use api::provider::oracle::{OracleAuth, OracleProvider, OracleSecretRef};

pub(super) fn rules(provider: &OracleProvider, at: At<'_>) -> Result<(), Finding> {
    let OracleProvider {
        region,
        vault,
        auth,
        service_account_ref,
        compartment: _,
        encryption_key: _,
        principal_type: _,
    } = provider;
    at.filled("vault", vault, "vault cannot be empty")?;
    at.filled("region", region, "region cannot be empty")?;
    // Without a user ESO looks at nothing more, the service account neither.
    let Some(OracleAuth { secret_ref, tenancy, user }) = auth else { return Ok(()) };
    at.filled("auth.user", user, "user cannot be empty")?;
    at.filled("auth.tenancy", tenancy, "tenant cannot be empty")?;
    let OracleSecretRef { fingerprint, privatekey } = secret_ref;
    for (field, name, selector) in
        [("privatekey", "privateKey", privatekey), ("fingerprint", "fingerprint", fingerprint)]
    {
        let field = format!("auth.secretRef.{field}");
        at.name(&field, selector, &format!("{name}.name cannot be empty"))?;
        at.key(&field, selector, &format!("{name}.key cannot be empty"))?;
        at.secret(&field, "", selector, Form::Strict)?;
    }
    let account = service_account_ref.as_ref();
    at.account("serviceAccountRef", "invalid ServiceAccountRef: ", account, Form::Referent)
}
