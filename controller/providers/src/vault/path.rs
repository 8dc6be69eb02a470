//! From a remote key to the segments of a request path, without a way out of the mount. Pure.

use api::VaultVersion;
use provider::{Error, ErrorKind};

use super::READ;
use super::product::Product;

/// Where a store's keys lie.
pub(super) struct Paths {
    /// `path` of the settings as it was given.
    mount: Option<String>,
    product: Product,
    pub(super) version: VaultVersion,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, READ, text)
}

impl Paths {
    /// Checks the mount.
    pub(super) fn new(mount: Option<&str>, version: VaultVersion, product: Product) -> Result<Self, Error> {
        if let Some(mount) = mount {
            mount_segments(mount, &product.field("path"))?;
        }
        Ok(Self { mount: mount.map(str::to_owned), product, version })
    }

    /// The segments of the mount that is set.
    pub(super) fn mount(&self) -> Result<Vec<String>, Error> {
        mount_segments(self.mount.as_deref().unwrap_or_default(), &self.product.field("path"))
    }

    /// The path of a key's value.
    pub(super) fn data(&self, key: &str) -> Result<Vec<String>, Error> {
        let path = match (&self.mount, self.version) {
            (Some(mount), VaultVersion::V1) => format!("{mount}/{}", self.below(mount, key)),
            (Some(mount), VaultVersion::V2) => format!("{mount}/data/{}", self.below(mount, key)),
            (None, VaultVersion::V1) => key.to_owned(),
            (None, VaultVersion::V2) if key.contains("/data/") => key.to_owned(),
            (None, VaultVersion::V2) => match key.split_once('/') {
                Some((mount, rest)) => format!("{mount}/data/{rest}"),
                None => format!("{key}/data"),
            },
        };
        remote_segments(&path, key)
    }

    /// The path of a key's metadata, and an older spelling of it that some have written to.
    pub(super) fn metadata(&self, key: &str) -> Result<(Vec<String>, Option<Vec<String>>), Error> {
        let Some(mount) = &self.mount else {
            if !key.contains("data") {
                return Err(invalid(
                    "provided Path isn't a valid kv v2 path: without spec.provider.vault.path, remoteRef.key must \
                     begin with <mount>/data/",
                ));
            }
            return Ok((remote_segments(&key.replacen("/data/", "/metadata/", 1), key)?, None));
        };
        let path = remote_segments(&format!("{mount}/metadata/{}", self.below(mount, key)), key)?;
        let older = remote_segments(&format!("{mount}/metadata/{key}"), key)?;
        Ok((path.clone(), Some(older).filter(|older| *older != path)))
    }

    /// The path under which a folder is listed; it is empty or ends with a slash.
    pub(super) fn folder(&self, folder: &str) -> Result<Vec<String>, Error> {
        let path = match (&self.mount, self.version) {
            (Some(mount), VaultVersion::V1) => format!("{mount}/{folder}"),
            (Some(mount), VaultVersion::V2) => format!("{mount}/metadata/{folder}"),
            (None, VaultVersion::V1) if folder.trim_matches('/').is_empty() => {
                return Err(invalid("without spec.provider.vault.path, find.path must begin with the mount"));
            }
            (None, VaultVersion::V1) => folder.to_owned(),
            (None, VaultVersion::V2) if folder.contains("/data/") => folder.replacen("/data/", "/metadata/", 1),
            (None, VaultVersion::V2) => {
                return Err(invalid(
                    "provided Path isn't a valid kv v2 path: without spec.provider.vault.path, find.path must begin \
                     with <mount>/data",
                ));
            }
        };
        listed_segments(&path)
    }

    /// The paths of data and metadata of a name out of a list. Unlike a key that a manifest names, it never begins with
    /// the mount that is set.
    pub(super) fn listed(&self, name: &str) -> Result<Listed, Error> {
        let (data, metadata) = match (&self.mount, self.version) {
            (Some(mount), VaultVersion::V1) => (format!("{mount}/{name}"), format!("{mount}/{name}")),
            (Some(mount), VaultVersion::V2) => (format!("{mount}/data/{name}"), format!("{mount}/metadata/{name}")),
            (None, VaultVersion::V1) => (name.to_owned(), name.to_owned()),
            (None, VaultVersion::V2) => (name.to_owned(), name.replacen("/data/", "/metadata/", 1)),
        };
        Ok(Listed { data: listed_segments(&data)?, metadata: listed_segments(&metadata)? })
    }

    /// The key without the mount (and `data/` after it, in version 2) if it begins with it. To the reference's OpenBao
    /// provider such a beginning is a folder.
    fn below<'k>(&self, mount: &str, key: &'k str) -> &'k str {
        if self.product == Product::OpenBao {
            return key;
        }
        let Some(rest) = key.strip_prefix(mount).and_then(|rest| rest.strip_prefix('/')) else { return key };
        match self.version {
            VaultVersion::V1 => rest,
            VaultVersion::V2 => rest.strip_prefix("data/").unwrap_or(rest),
        }
    }
}

/// The segments of a mount's path.
pub(super) fn mount_segments(path: &str, field: &str) -> Result<Vec<String>, Error> {
    match segments(path) {
        Some(segments) if !segments.is_empty() => Ok(segments),
        _ => Err(invalid(format!("{field}: must be the path of a mount, without \"..\" and control characters"))),
    }
}

/// Where a name out of a list lies.
pub(super) struct Listed {
    pub(super) data: Vec<String>,
    pub(super) metadata: Vec<String>,
}

fn listed_segments(path: &str) -> Result<Vec<String>, Error> {
    segments(path).ok_or_else(|| {
        invalid("find.path must not have \"..\" as a part, nor control characters: it can't leave the mount")
    })
}

fn remote_segments(path: &str, key: &str) -> Result<Vec<String>, Error> {
    if key.trim_matches('/').is_empty() {
        return Err(invalid("remoteRef.key must not be empty"));
    }
    segments(path).ok_or_else(|| {
        invalid("remoteRef.key must not have \"..\" as a part of its path, nor control characters: it can't leave the mount")
    })
}

/// Splits at slashes. Empty segments and `.` fall out, as in the reference; `..` and control characters don't pass.
fn segments(path: &str) -> Option<Vec<String>> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let bad = |part: &&str| *part == ".." || part.chars().any(char::is_control);
    (!parts.iter().any(bad)).then(|| parts.into_iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_paths_follow_the_mount_and_the_version() {
        use VaultVersion::{V1, V2};
        let cases = [
            (Some("kv"), V2, "foo", "kv/data/foo"),
            (Some("kv"), V1, "foo", "kv/foo"),
            (Some("secret/path"), V2, "foo/bar", "secret/path/data/foo/bar"),
            (Some("secret/path"), V2, "secret/path/foo", "secret/path/data/foo"),
            (Some("secret/path"), V2, "secret/path/data/foo", "secret/path/data/foo"),
            (Some("secret/path"), V1, "secret/path/foo", "secret/path/foo"),
            (Some("kv"), V2, "data/foo", "kv/data/data/foo"),
            (Some("kv"), V1, "kv/data/foo", "kv/data/foo"),
            (Some("kv"), V2, "/foo//bar/./", "kv/data/foo/bar"),
            (Some("kv/"), V2, "foo", "kv/data/foo"),
            (Some("kv"), V2, "a?b#c", "kv/data/a?b#c"),
            (None, V2, "secret/path/foo", "secret/data/path/foo"),
            (None, V2, "secret/path/data/foo", "secret/path/data/foo"),
            (None, V1, "secret/path/foo", "secret/path/foo"),
        ];
        for (mount, version, key, want) in cases {
            let paths = Paths::new(mount, version, Product::Vault).unwrap();
            assert_eq!(paths.data(key).unwrap().join("/"), want, "{mount:?} {version} {key}");
        }
    }

    #[test]
    fn metadata_paths_replace_data() {
        let cases = [
            (Some("kv"), "foo", "kv/metadata/foo", None),
            (Some("kv"), "kv/data/foo", "kv/metadata/foo", Some("kv/metadata/kv/data/foo")),
            (None, "kv/data/foo/data/x", "kv/metadata/foo/data/x", None),
        ];
        for (mount, key, want, older) in cases {
            let (path, legacy) = Paths::new(mount, VaultVersion::V2, Product::Vault).unwrap().metadata(key).unwrap();
            assert_eq!(path.join("/"), want);
            assert_eq!(legacy.map(|p| p.join("/")).as_deref(), older);
        }
        let error = Paths::new(None, VaultVersion::V2, Product::Vault).unwrap().metadata("kv/foo").unwrap_err();
        assert!(error.to_string().starts_with("provided Path isn't a valid kv v2 path"), "{error}");
    }

    #[test]
    fn folders_and_names_of_a_list_lie_where_the_mount_says() {
        use VaultVersion::{V1, V2};
        let cases = [
            (Some("kv"), V2, "", "kv/metadata", "kv/data/x", "kv/metadata/x"),
            (Some("kv"), V2, "a/b/", "kv/metadata/a/b", "kv/data/a/b/x", "kv/metadata/a/b/x"),
            (Some("kv"), V2, "kv/", "kv/metadata/kv", "kv/data/kv/x", "kv/metadata/kv/x"),
            (Some("kv"), V1, "a//", "kv/a", "kv/a/x", "kv/a/x"),
            (None, V1, "kv/a/", "kv/a", "kv/a/x", "kv/a/x"),
            (None, V2, "kv/data/", "kv/metadata", "kv/data/x", "kv/metadata/x"),
            (None, V2, "kv/data/a/", "kv/metadata/a", "kv/data/a/x", "kv/metadata/a/x"),
        ];
        for (mount, version, folder, listed, data, metadata) in cases {
            let paths = Paths::new(mount, version, Product::Vault).unwrap();
            assert_eq!(paths.folder(folder).unwrap().join("/"), listed, "{mount:?} {version} {folder}");
            let name = paths.listed(&format!("{folder}x")).unwrap();
            assert_eq!((name.data.join("/").as_str(), name.metadata.join("/").as_str()), (data, metadata));
        }
        let refused =
            [(Some("kv"), V2, "../sys/"), (Some("kv"), V1, "a/../../sys/"), (None, V1, "/"), (None, V2, "kv/a/")];
        for (mount, version, folder) in refused {
            let error = Paths::new(mount, version, Product::Vault).unwrap().folder(folder).unwrap_err();
            assert!(error.to_string().contains("find.path"), "{error}");
        }
    }

    #[test]
    fn no_key_leaves_the_mount() {
        for key in ["a/../../sys/mounts", "..", "../x", "x/..", "a\0b", "a\r\nb", "", "/", "kv/data/../../sys"] {
            for (mount, version) in
                [(Some("kv"), VaultVersion::V2), (Some("kv"), VaultVersion::V1), (None, VaultVersion::V2)]
            {
                let error = Paths::new(mount, version, Product::Vault).unwrap().data(key).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::Invalid, "{key:?}");
                assert!(error.to_string().contains("remoteRef.key"), "{key:?}: {error}");
            }
        }
        let encoded = Paths::new(Some("kv"), VaultVersion::V2, Product::Vault).unwrap().data("%2e%2e/x").unwrap();
        assert_eq!(encoded.join("/"), "kv/data/%2e%2e/x");
    }
}
