//! The file that `GOOGLE_APPLICATION_CREDENTIALS` names: a service account key, a federation, or a person's login.
//!
//! Source: AIP-4110 to AIP-4117, "Application Default Credentials".

use std::path::Path;

use http::HeaderMap;
use provider::{Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;
use serde::Deserialize;

use super::federation::{ExternalAccount, Rules, secret_text};
use super::key::ServiceAccountKey;
use super::{Ask, Authority, FORM, Granted, invalid};
use crate::http::{form, url};

const OPERATION: &str = "Token";
/// The file, for errors.
pub(super) const FILE: &str = "the file that the environment variable GOOGLE_APPLICATION_CREDENTIALS names";

/// What the file holds.
pub(super) enum FileCredentials {
    Key(Box<ServiceAccountKey>),
    External(Box<ExternalAccount>),
    User(Box<User>),
}

/// A person's login, as `gcloud auth application-default login` leaves it.
pub(super) struct User {
    client: String,
    secret: SecretBytes,
    refresh: SecretBytes,
    token_url: Url,
}

impl FileCredentials {
    pub(super) fn project(&self) -> Option<String> {
        match self {
            Self::Key(key) => key.project.clone(),
            Self::External(_) | Self::User(_) => None,
        }
    }

    fn parse(json: &[u8]) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "type", default)]
            type_: String,
            #[serde(default)]
            client_id: String,
            #[serde(default, deserialize_with = "secret_text")]
            client_secret: SecretBytes,
            #[serde(default, deserialize_with = "secret_text")]
            refresh_token: SecretBytes,
        }
        let file: File =
            serde_json::from_slice(json).map_err(|_| invalid("Open", "it is not the JSON of credentials"))?;
        match file.type_.as_str() {
            "service_account" => ServiceAccountKey::parse(json).map(|key| Self::Key(Box::new(key))),
            "external_account" => {
                ExternalAccount::parse(json, None, &Rules::Operator).map(|account| Self::External(Box::new(account)))
            }
            "authorized_user" => Ok(Self::User(Box::new(User {
                client: file.client_id,
                secret: file.client_secret,
                refresh: file.refresh_token,
                token_url: url("https://oauth2.googleapis.com/token", "token_uri")?,
            }))),
            other => {
                let text = format!(
                    "'type' field is {}; supported are service_account, external_account and authorized_user",
                    gojson::quote(other)
                );
                Err(Error::new(ErrorKind::Unsupported, "Open", text))
            }
        }
    }
}

/// Reads and checks the file.
pub(super) async fn read(path: &Path) -> Result<FileCredentials, Error> {
    let json = tokio::fs::read(path).await.map(SecretBytes::new);
    let json = json.map_err(|_| invalid("Open", format!("{FILE} can't be read")))?;
    FileCredentials::parse(json.expose()).map_err(|error| error.context(FILE))
}

impl User {
    pub(super) async fn grant(&self, authority: &Authority) -> Result<Granted, Error> {
        let body = form(&[
            ("grant_type", b"refresh_token"),
            ("client_id", self.client.as_bytes()),
            ("client_secret", self.secret.expose()),
            ("refresh_token", self.refresh.expose()),
        ]);
        let hint = format!("{FILE}: the login in it may have ended");
        let (url, headers) = (self.token_url.clone(), HeaderMap::new());
        authority.exchange(Ask { operation: OPERATION, url, content_type: FORM, headers, body, hint: &hint }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_decides() {
        let cases = [
            (r#"{"type":"authorized_user","client_id":"c","refresh_token":"canary"}"#, None),
            (r#"{"type":"external_account","audience":"a","credential_source":{"file":"/t"}}"#, None),
            (r#"{"type":"service_account"}"#, Some("'client_email' is missing")),
            (
                r#"{"type":"impersonated_service_account"}"#,
                Some("'type' field is \"impersonated_service_account\"; sup"),
            ),
            ("canary", Some("it is not the JSON of credentials")),
        ];
        for (json, want) in cases {
            let error = FileCredentials::parse(json.as_bytes()).err().map(|error| error.to_string());
            match want {
                None => assert_eq!(error, None, "{json}"),
                Some(text) => assert!(error.as_ref().is_some_and(|error| error.starts_with(text)), "{error:?}"),
            }
        }
    }
}
