//! The Connect token, as the header that every request bears. It is looked up once: who changes the Secret gets a new
//! session.

use api::SecretKeySelector;
use http::HeaderValue;
use provider::{Credentials, Error, ErrorKind};

/// Looks the token up.
///
/// # Errors
/// That of the lookup; `Unauthenticated` for what can't be a token.
pub(super) async fn bearer(credentials: &dyn Credentials, selector: &SecretKeySelector) -> Result<HeaderValue, Error> {
    let token = credentials.secret_key(selector, "").await?;
    crate::http::bearer(&token.trimmed()).ok_or_else(|| {
        let text = "the Connect token holds a character that a token can't have; check the Secret that \
                    spec.provider.onepassword.auth.secretRef.connectTokenSecretRef names";
        Error::new(ErrorKind::Unauthenticated, "Open", text)
    })
}
