//! Settings of `onepassword`: from the spec to what the rest needs. Pure.

use std::collections::BTreeSet;

use api::SecretKeySelector;
use api::provider::onepassword::{OnePasswordAuth, OnePasswordProvider, OnePasswordSecretRef};
use provider::{Error, ErrorKind};
use reqwest::Url;

use super::HOST;

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) server: Url,
    /// Names or ids, first the one that is searched first.
    pub(super) vaults: Vec<String>,
    pub(super) token: SecretKeySelector,
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::Invalid, "Open", format!("received invalid 1Password SecretStore resource: {text}"))
}

impl Settings {
    /// Checks a store's settings.
    ///
    /// # Errors
    /// `Invalid`, naming the field, in the reference's words for what its admission refuses.
    pub(super) fn of(spec: &OnePasswordProvider) -> Result<Self, Error> {
        let OnePasswordProvider { auth, connect_host, vaults } = spec;
        let OnePasswordAuth { secret_ref: OnePasswordSecretRef { connect_token_secret_ref: token } } = auth;
        if vaults.is_empty() {
            return Err(invalid("must be at least one vault: spec.provider.onepassword.vaults".to_owned()));
        }
        if vaults.contains_key("") {
            return Err(invalid("spec.provider.onepassword.vaults: a vault has no name".to_owned()));
        }
        if vaults.values().collect::<BTreeSet<_>>().len() < vaults.len() {
            return Err(invalid("vault order numbers must be unique: spec.provider.onepassword.vaults".to_owned()));
        }
        let mut ordered: Vec<(&String, &i64)> = vaults.iter().collect();
        ordered.sort_by_key(|(_, place)| **place);
        let vaults = ordered.into_iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { server: server(connect_host)?, vaults, token: token.clone() })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> [Option<&str>; 1] {
        [self.token.namespace.as_deref()]
    }
}

/// Unlike elsewhere no scheme is guessed: Connect speaks plain HTTP unless it is set up for TLS, and the reference needs
/// one too.
fn server(given: &str) -> Result<Url, Error> {
    let url: Option<Url> = given.trim().parse().ok();
    let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let mut url = url.ok_or_else(|| {
        invalid(format!("unable to parse URL: {HOST}: write one such as http://onepassword-connect.connect:8080"))
    })?;
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(connect_host: &str, vaults: Value) -> Result<Settings, Error> {
        let token = json!({"connectTokenSecretRef": {"name": "t", "key": "k"}});
        let spec = json!({"connectHost": connect_host, "vaults": vaults, "auth": {"secretRef": token}});
        Settings::of(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn vaults_are_searched_in_the_order_of_their_numbers() {
        let settings = settings("http://connect:8080/", json!({"a": 10, "b": -1, "c": 2})).unwrap();
        assert_eq!(settings.vaults, ["b", "c", "a"]);
        assert_eq!(settings.server.as_str(), "http://connect:8080/");
    }

    #[test]
    fn bad_settings_are_refused_by_name() {
        let good = || json!({"a": 1});
        let cases = [
            ("http://c", json!({}), "must be at least one vault: spec.provider.onepassword.vaults"),
            ("http://c", json!({"": 1}), "spec.provider.onepassword.vaults: a vault has no name"),
            ("http://c", json!({"a": 1, "b": 1}), "vault order numbers must be unique"),
            ("connect:8080", good(), "unable to parse URL: spec.provider.onepassword.connectHost"),
            ("connect", good(), "unable to parse URL"),
            ("ftp://connect", good(), "unable to parse URL"),
            ("", good(), "unable to parse URL"),
        ];
        for (host, vaults, text) in cases {
            let error = settings(host, vaults).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            let start = "received invalid 1Password SecretStore resource: ";
            assert!(error.to_string().starts_with(start) && error.to_string().contains(text), "{host}: {error}");
        }
    }
}
