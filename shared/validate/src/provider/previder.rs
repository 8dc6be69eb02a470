//! The provider `previder`: the access token.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::previder::{PreviderAuth, PreviderProvider, PreviderSecretRef};

pub(super) fn rules(provider: &PreviderProvider, at: At<'_>) -> Result<(), Finding> {
    let PreviderProvider { auth: PreviderAuth { secret_ref }, base_uri: _ } = provider;
    let Some(PreviderSecretRef { access_token }) = secret_ref else {
        return Err(at.error("auth.secretRef", Code::AuthIncomplete, "missing Previder Auth SecretRef"));
    };
    let field = "auth.secretRef.accessToken";
    at.name(field, access_token, "missing Previder accessToken name")?;
    at.key(field, access_token, "missing Previder accessToken key")
}
