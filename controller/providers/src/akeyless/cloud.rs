//! Identities of clouds that Akeyless admits in place of a key. What it is shown is called a cloud id: a token of the cloud's,
//! in base64.
//!
//! Deliberately not here: the login itself (`auth.rs`), and how a cloud is asked for a token (`azure.rs`, `crate::google`).
//!
//! Source: Akeyless's own <https://github.com/akeylesslabs/akeyless-go-cloud-id>.

use std::sync::Arc;

use api::ServiceAccountSelector;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::{Error, ErrorKind};
use secret::SecretBytes;

use super::AUTH_FIELD;
use super::azure::Azure;
use crate::OpenContext;
use crate::google::{Authority, id_token};
use crate::http::TlsSettings;

/// For whom a token of Google's is, unless the store says it.
const GOOGLE_AUDIENCE: &str = "akeyless.io";

/// Where a cloud id comes from.
pub(super) enum Cloud {
    Google { audience: String, authority: Box<Authority> },
    Azure(Box<Azure>),
}

impl Cloud {
    /// The controller's own identity at Google, for an audience.
    pub(super) fn google(audience: Option<&SecretBytes>, cx: &OpenContext<'_>) -> Result<Self, Error> {
        let audience = text(audience)?.unwrap_or_else(|| GOOGLE_AUDIENCE.to_owned());
        let http = cx.http.get(&TlsSettings::default())?;
        let authority = Authority::new(http, Arc::clone(&cx.credentials), cx.environment, AUTH_FIELD)?;
        Ok(Self::Google { audience, authority: Box::new(authority) })
    }

    /// A service account's identity at Azure, or the controller's own. `id` is that of a client or of an object.
    pub(super) fn azure(
        id: Option<&SecretBytes>,
        account: Option<ServiceAccountSelector>,
        cx: &OpenContext<'_>,
    ) -> Result<Self, Error> {
        Azure::new(text(id)?, account, cx).map(|azure| Self::Azure(Box::new(azure)))
    }

    /// As Akeyless names it.
    pub(super) fn access_type(&self) -> &'static str {
        match self {
            Self::Google { audience: _, authority: _ } => "gcp",
            Self::Azure(_) => "azure_ad",
        }
    }

    /// What to check if Akeyless refuses it.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Google { audience: _, authority: _ } => {
                "check the access id, the audience in accessTypeParam, and which service accounts or instances this \
                 authentication method admits"
            }
            Self::Azure(_) => "check the access id, and which tenant and identities this authentication method admits",
        }
    }

    /// A fresh one.
    pub(super) async fn id(&self) -> Result<SecretBytes, Error> {
        let token = match self {
            Self::Google { audience, authority } => id_token::own(audience, authority).await,
            Self::Azure(azure) => azure.token().await,
        };
        let token = token.map_err(|error| error.context("Require Cloud ID"))?;
        Ok(SecretBytes::from(STANDARD.encode(token.expose())))
    }
}

fn text(parameter: Option<&SecretBytes>) -> Result<Option<String>, Error> {
    let unfit = || {
        let text = "the Secret that authSecretRef.secretRef.accessTypeParam refers to holds no text";
        Error::new(ErrorKind::Invalid, "Open", text)
    };
    let text = parameter.map(|parameter| parameter.expose_str().ok_or_else(unfit)).transpose()?;
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}
