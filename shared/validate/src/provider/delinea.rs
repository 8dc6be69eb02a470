//! The provider `delinea`: tenant and credentials.

use super::at::At;
use crate::finding::Finding;
use api::provider::delinea::DelineaProvider;

pub(super) fn rules(provider: &DelineaProvider, at: At<'_>) -> Result<(), Finding> {
    let DelineaProvider { client_id, client_secret, tenant, tld: _, url_template: _ } = provider;
    at.filled("tenant", tenant, "tenant must not be empty")?;
    for (field, credential) in [("clientId", client_id), ("clientSecret", client_secret)] {
        let reference = at.one_of_both(field, credential)?;
        at.whole_reference(field, reference)?;
    }
    Ok(())
}
