//! ID tokens: JWTs of Google's that say to somebody else who the controller is.
//!
//! Deliberately not here: access tokens, which are for Google itself.
//!
//! Source: Google, "Get an ID token"; IAM Service Account Credentials API, "generateIdToken".

use provider::{Error, ErrorKind};
use secret::SecretBytes;
use serde_json::json;

use super::default_file::{self, FileCredentials};
use super::federation::ExternalAccount;
use super::impersonation::Call;
use super::{Authority, metadata};

const OPERATION: &str = "GenerateIdToken";
const HINT: &str = "that the Google service account may get ID tokens for itself (roles/iam.serviceAccountTokenCreator on \
                    itself)";

/// Of the controller's own identity, for `audience`: that of its default credentials, else of its machine.
///
/// # Errors
/// `Unsupported` for a person's login, and the kinds of a refused login.
pub(crate) async fn own(audience: &str, authority: &Authority) -> Result<SecretBytes, Error> {
    let Some(path) = &authority.file else { return metadata::identity(audience, authority).await };
    match default_file::read(path).await? {
        FileCredentials::Key(key) => key.id_token(audience, authority).await,
        FileCredentials::External(account) => of_external(&account, audience, authority).await,
        FileCredentials::User(_) => {
            let text = format!("{}: a person's login gets no ID tokens; use a service account", default_file::FILE);
            Err(Error::new(ErrorKind::Unsupported, OPERATION, text))
        }
    }
}

/// Of the service account that a federation acts as.
async fn of_external(account: &ExternalAccount, audience: &str, authority: &Authority) -> Result<SecretBytes, Error> {
    let Some(url) = account.id_token_url() else {
        let text = format!(
            "{}: only a service account gets ID tokens; set service_account_impersonation_url",
            default_file::FILE
        );
        return Err(Error::new(ErrorKind::Unsupported, OPERATION, text));
    };
    let token = &account.grant(authority).await?.token;
    let body = json!({"audience": audience, "includeEmail": true});
    Call { operation: OPERATION, url: &url, token, body, answer: "token", hint: HINT }.send(authority).await
}
