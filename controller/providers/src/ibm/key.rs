//! Remote keys of `ibm`: `[[<group>/]<type>/]<name or id>`. Pure.

use provider::{Error, ErrorKind};

use super::BY_ID;

/// Types of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Arbitrary,
    UsernamePassword,
    IamCredentials,
    ServiceCredentials,
    ImportedCert,
    PublicCert,
    PrivateCert,
    Kv,
    CustomCredentials,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Arbitrary,
        Self::UsernamePassword,
        Self::IamCredentials,
        Self::ServiceCredentials,
        Self::ImportedCert,
        Self::PublicCert,
        Self::PrivateCert,
        Self::Kv,
        Self::CustomCredentials,
    ];

    /// IBM's name of the type.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Arbitrary => "arbitrary",
            Self::UsernamePassword => "username_password",
            Self::IamCredentials => "iam_credentials",
            Self::ServiceCredentials => "service_credentials",
            Self::ImportedCert => "imported_cert",
            Self::PublicCert => "public_cert",
            Self::PrivateCert => "private_cert",
            Self::Kv => "kv",
            Self::CustomCredentials => "custom_credentials",
        }
    }

    /// The type of that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A remote key, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key<'k> {
    group: &'k str,
    pub(super) kind: Kind,
    pub(super) name: &'k str,
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::Invalid, BY_ID, text)
}

impl<'k> Key<'k> {
    /// Takes `key` apart: the type is `arbitrary` unless named. More than two slashes belong to a name, as in the reference.
    ///
    /// # Errors
    /// `Invalid` with `unknown secret type …`.
    pub(super) fn of(key: &'k str) -> Result<Self, Error> {
        let parts: Vec<&str> = key.split('/').collect();
        let (group, kind, name) = match parts.as_slice() {
            [kind, name] => ("", *kind, *name),
            [group, kind, name] => (*group, *kind, *name),
            _ => ("", Kind::Arbitrary.as_str(), key),
        };
        let Some(kind) = Kind::named(kind) else {
            let known: Vec<&str> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
            let text = format!("unknown secret type {kind} in remoteRef.key; known are {}", known.join(", "));
            return Err(invalid(text));
        };
        Ok(Self { group, kind, name })
    }

    /// Whether the name is an id.
    pub(super) fn is_id(&self) -> bool {
        is_uuid(self.name)
    }

    /// The path of the request.
    ///
    /// # Errors
    /// `Invalid` for a name without a group, and for parts that a path can't have.
    pub(super) fn path(&self) -> Result<Vec<&'k str>, Error> {
        let Self { group, kind, name } = *self;
        if self.is_id() {
            return Ok(vec!["api", "v2", "secrets", name]);
        }
        if group.is_empty() {
            let text = "failed to fetch the secret, secret group name is missing: write remoteRef.key as \
                        <group>/<type>/<name>, or as <type>/<id>";
            return Err(invalid(text.to_owned()));
        }
        if [group, name].iter().any(|part| matches!(*part, "" | "." | "..")) {
            return Err(invalid("remoteRef.key: group and name must not be empty, . or ..".to_owned()));
        }
        Ok(vec!["api", "v2", "secret_groups", group, "secret_types", kind.as_str(), "secrets", name])
    }
}

/// The forms that Google's Go library takes for a UUID, of which IBM knows the first.
fn is_uuid(text: &str) -> bool {
    let bare = match text.len() {
        45 if text.get(..9).is_some_and(|head| head.eq_ignore_ascii_case("urn:uuid:")) => {
            text.get(9..).unwrap_or_default()
        }
        38 => text.get(1..37).unwrap_or_default(),
        36 | 32 => text,
        _ => return false,
    };
    matches!(bare.len(), 32 | 36)
        && bare.bytes().enumerate().all(|(place, byte)| match (bare.len(), place) {
            (36, 8 | 13 | 18 | 23) => byte == b'-',
            (32 | 36, _) => byte.is_ascii_hexdigit(),
            _ => false,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0b5ee9f0-4b36-4c8f-9f7a-8c2d8f1f5e11";

    #[test]
    fn keys_are_ids_or_names_in_a_group_with_a_type() {
        let typed = format!("kv/{ID}");
        let grouped = format!("team/kv/{ID}");
        let cases = [
            (ID, Ok(format!("arbitrary api/v2/secrets/{ID}"))),
            (&typed, Ok(format!("kv api/v2/secrets/{ID}"))),
            (&grouped, Ok(format!("kv api/v2/secrets/{ID}"))),
            (
                "team/imported_cert/web",
                Ok("imported_cert api/v2/secret_groups/team/secret_types/imported_cert/secrets/web".to_owned()),
            ),
            ("web", Err("secret group name is missing")),
            ("kv/web", Err("secret group name is missing")),
            ("/kv/web", Err("secret group name is missing")),
            ("a/b/c/d", Err("secret group name is missing")),
            ("", Err("secret group name is missing")),
            ("team/kv/", Err("must not be empty")),
            ("../kv/web", Err("must not be empty")),
            ("team/kv/..", Err("must not be empty")),
            ("team/tls/web", Err("unknown secret type tls in remoteRef.key; known are arbitrary, ")),
            ("tls/web", Err("unknown secret type tls")),
        ];
        for (key, want) in cases {
            let got = Key::of(key).and_then(|key| Ok(format!("{} {}", key.kind.as_str(), key.path()?.join("/"))));
            match (got, want) {
                (Ok(got), Ok(want)) => assert_eq!(got, want, "{key}"),
                (Err(error), Err(text)) => {
                    assert_eq!(error.kind(), ErrorKind::Invalid);
                    assert!(error.to_string().contains(text), "{key}: {error}");
                }
                (got, want) => panic!("{key}: {got:?}, not {want:?}"),
            }
        }
    }

    #[test]
    fn uuids_are_what_the_reference_takes_for_one() {
        let bare = ID.replace('-', "");
        let cases = [
            (ID.to_owned(), true),
            (ID.to_uppercase(), true),
            (format!("urn:uuid:{ID}"), true),
            (format!("{{{ID}}}"), true),
            (bare.clone(), true),
            (bare.replace('0', "g"), false),
            (ID.replace('-', "_"), false),
            ("é".repeat(18), false),
            ("é".repeat(19), false),
            (String::new(), false),
        ];
        for (text, want) in cases {
            assert_eq!(is_uuid(&text), want, "{text}");
        }
    }
}
