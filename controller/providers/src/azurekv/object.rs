//! Remote keys: `[secret/|key/|cert/]name`, and the version beside them.
//!
//! Deliberately not here: what is read of an object (`bundle.rs`).

use provider::{Error, ErrorKind};

/// The longest name that Key Vault takes.
const LONGEST: usize = 127;

/// What an object is; without a prefix a key names a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Key,
    Certificate,
}

impl Kind {
    /// The prefix in remote keys, and the word in texts.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
            Self::Certificate => "certificate",
        }
    }

    /// The collection in URLs.
    pub(super) fn collection(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Key => "keys",
            Self::Certificate => "certificates",
        }
    }

    /// The call that reads, as the metric names it.
    pub(super) fn get(self) -> &'static str {
        match self {
            Self::Secret => "GetSecret",
            Self::Key => "GetKey",
            Self::Certificate => "GetCertificate",
        }
    }

    /// The call that writes.
    pub(super) fn set(self) -> &'static str {
        match self {
            Self::Secret => "SetSecret",
            Self::Key => "ImportKey",
            Self::Certificate => "ImportCertificate",
        }
    }

    /// The call that deletes.
    pub(super) fn delete(self) -> &'static str {
        match self {
            Self::Secret => "DeleteSecret",
            Self::Key => "DeleteKey",
            Self::Certificate => "DeleteCertificate",
        }
    }

    /// Azure's code for an object of this kind, or a version of it, that isn't there.
    pub(super) fn missing(self) -> &'static str {
        match self {
            Self::Secret => "SecretNotFound",
            Self::Key => "KeyNotFound",
            Self::Certificate => "CertificateNotFound",
        }
    }
}

/// An object of the vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Object<'k> {
    pub(super) kind: Kind,
    pub(super) name: &'k str,
}

impl<'k> Object<'k> {
    /// What a remote key names. As in the reference, whatever follows a second slash has no meaning.
    ///
    /// # Errors
    /// `Invalid` for an unknown prefix and for a name that no vault can hold.
    pub(super) fn of(key: &'k str, operation: &'static str) -> Result<Self, Error> {
        let mut parts = key.split('/');
        let first = parts.next().unwrap_or_default();
        let (kind, name) = match parts.next() {
            None => (Kind::Secret, first),
            Some(name) => {
                let kind = match first {
                    "secret" => Kind::Secret,
                    "key" => Kind::Key,
                    "cert" => Kind::Certificate,
                    _ => {
                        let text = format!(
                            "unknown Azure Keyvault object Type for {name}: the remote key may begin with secret/, \
                             key/ or cert/"
                        );
                        return Err(Error::new(ErrorKind::Invalid, operation, text));
                    }
                };
                (kind, name)
            }
        };
        if !is_name(name) {
            let text = format!(
                "remote key {}: not a name that Key Vault can hold, which is 1 to {LONGEST} letters, digits and hyphens",
                gojson::quote(key)
            );
            return Err(Error::new(ErrorKind::Invalid, operation, text));
        }
        Ok(Self { kind, name })
    }
}

/// Whether a vault can hold an object of this name.
pub(super) fn is_name(name: &str) -> bool {
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// A version as it can stand in a URL.
///
/// # Errors
/// `Invalid` for what can't be one.
pub(super) fn version<'v>(version: Option<&'v str>, operation: &'static str) -> Result<Option<&'v str>, Error> {
    let version = version.filter(|version| !version.is_empty());
    match version {
        Some(text) if !text.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            let text = format!("remoteRef.version: {} is not the id of a version", gojson::quote(text));
            Err(Error::new(ErrorKind::Invalid, operation, text))
        }
        _ => Ok(version),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_names_an_object_of_a_kind() {
        use Kind::{Certificate, Key, Secret};
        let long = "x".repeat(127);
        let cases = [
            ("app", Ok((Secret, "app"))),
            ("secret/app", Ok((Secret, "app"))),
            ("key/app", Ok((Key, "app"))),
            ("cert/app-2", Ok((Certificate, "app-2"))),
            ("secret/app/more", Ok((Secret, "app"))),
            (&long, Ok((Secret, long.as_str()))),
            ("other/app", Err("unknown Azure Keyvault object Type for app")),
            ("/app", Err("unknown Azure Keyvault object Type for app")),
            ("", Err("remote key \"\": not a name")),
            ("secret/", Err("remote key \"secret/\": not a name")),
            ("..", Err("remote key \"..\": not a name")),
            ("a?b", Err("remote key \"a?b\": not a name")),
            ("a_b", Err("remote key \"a_b\": not a name")),
        ];
        for (key, want) in cases {
            match (Object::of(key, "GetSecret"), want) {
                (Ok(Object { kind, name }), Ok(want)) => assert_eq!((kind, name), want),
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{key}: {got:?}, not {want:?}"),
            }
        }
        assert!(Object::of(&"x".repeat(128), "GetSecret").is_err());
    }

    #[test]
    fn a_version_stays_in_its_place_of_the_url() {
        for (given, want) in
            [(None, Ok(None)), (Some(""), Ok(None)), (Some("0a1B"), Ok(Some("0a1B"))), (Some(".."), Err(()))]
        {
            assert_eq!(version(given, "GetSecret").map_err(|_| ()), want, "{given:?}");
        }
    }
}
