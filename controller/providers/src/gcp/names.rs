//! Resource names: of the parent of secrets, of secrets and of their versions. Pure.
//!
//! Whatever comes from a user is one segment of a path here, checked against what Google allows for it.

use provider::{Error, ErrorKind};

/// The longest secret id.
const LONGEST: usize = 255;
pub(super) const LATEST: &str = "latest";

/// Names within a project, or within a location of it.
#[derive(Debug)]
pub(super) struct Names {
    parent: Vec<String>,
}

fn invalid(text: String) -> Error {
    Error::new(ErrorKind::Invalid, "Open", text)
}

fn consists_of(text: &str, more: &[u8]) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.contains(&b))
}

/// A location is also part of a host's name.
pub(super) fn check_location(location: &str) -> Result<(), Error> {
    if consists_of(location, b"-") {
        return Ok(());
    }
    let text = "spec.provider.gcpsm.location: a location has letters, digits and - only, such as europe-west1";
    Err(invalid(text.to_owned()))
}

impl Names {
    /// Source: Secret Manager's REST reference, "Resource: Secret", `name`.
    pub(super) fn new(project: &str, location: Option<&str>) -> Result<Self, Error> {
        if !consists_of(project, b"-_.:") || project.bytes().all(|b| b == b'.') {
            let text = "spec.provider.gcpsm.projectID: write the id of a project, such as my-project";
            return Err(invalid(text.to_owned()));
        }
        let mut parent = vec!["projects".to_owned(), project.to_owned()];
        if let Some(location) = location {
            check_location(location)?;
            parent.extend(["locations".to_owned(), location.to_owned()]);
        }
        Ok(Self { parent })
    }

    pub(super) fn is_regional(&self) -> bool {
        self.parent.len() > 2
    }

    /// The place of all secrets.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut path = self.parent.clone();
        path.push("secrets".to_owned());
        path
    }

    /// One secret.
    ///
    /// # Errors
    /// `Invalid` for a key that no secret can have.
    pub(super) fn secret(&self, key: &str) -> Result<Vec<String>, Error> {
        if !consists_of(key, b"-_") || key.len() > LONGEST {
            let text = format!(
                "{} is no id of a secret: write the id alone, up to {LONGEST} letters, digits, - and _",
                gojson::quote(key)
            );
            return Err(Error::new(ErrorKind::Invalid, super::ACCESS, text));
        }
        let mut path = self.secrets();
        path.push(key.to_owned());
        Ok(path)
    }

    /// A secret with a method of Google's after it, such as `:addVersion`.
    pub(super) fn method(&self, key: &str, method: &str) -> Result<Vec<String>, Error> {
        let mut path = self.secret(key)?;
        if let Some(last) = path.last_mut() {
            last.push_str(method);
        }
        Ok(path)
    }

    /// The versions of a secret.
    pub(super) fn versions(&self, key: &str) -> Result<Vec<String>, Error> {
        let mut path = self.secret(key)?;
        path.push("versions".to_owned());
        Ok(path)
    }

    /// The payload of a version: a number, an alias, or `latest`.
    ///
    /// # Errors
    /// `Invalid` for a key or a version that there can't be.
    pub(super) fn payload(&self, key: &str, version: &str) -> Result<Vec<String>, Error> {
        if !consists_of(version, b"-_") {
            let text = format!(
                "{} is no version: write a number, an alias, or nothing for the latest one",
                gojson::quote(version)
            );
            return Err(Error::new(ErrorKind::Invalid, super::ACCESS, text));
        }
        let mut path = self.versions(key)?;
        path.push(format!("{version}:access"));
        Ok(path)
    }
}

/// The last part of a secret's or version's full name, which has the project's number in it. `None` if it is another name.
pub(super) fn last_of<'n>(name: &'n str, collection: &str) -> Option<&'n str> {
    let mut parts = name.rsplit('/');
    let last = parts.next().filter(|last| consists_of(last, b"-_"))?;
    parts.next().filter(|parent| *parent == collection).map(|_| last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_global_or_of_a_location() {
        let global = Names::new("p", None).unwrap();
        let regional = Names::new("example.com:p", Some("europe-west1")).unwrap();
        assert_eq!(global.payload("k", LATEST).unwrap().join("/"), "projects/p/secrets/k/versions/latest:access");
        let want = "projects/example.com:p/locations/europe-west1/secrets/k_1:addVersion";
        assert_eq!(regional.method("k_1", ":addVersion").unwrap().join("/"), want);
        assert_eq!((global.is_regional(), regional.is_regional()), (false, true));
    }

    #[test]
    fn nothing_leaves_its_segment() {
        let names = Names::new("p", None).unwrap();
        let long = "k".repeat(256);
        for key in ["", "a/b", "..", "a b", "projects/p/secrets/k", "k:access", "k?x", long.as_str()] {
            assert_eq!(names.secret(key).unwrap_err().kind(), ErrorKind::Invalid, "{key}");
        }
        for version in ["", "1/../2", "1:destroy", ".."] {
            assert_eq!(names.payload("k", version).unwrap_err().kind(), ErrorKind::Invalid, "{version}");
        }
        for (project, location) in [("", None), ("..", None), ("p/q", None), ("p", Some("a.b")), ("p", Some("x/y"))] {
            assert!(Names::new(project, location).is_err(), "{project} {location:?}");
        }
    }

    #[test]
    fn the_last_part_of_a_name_is_the_id() {
        let cases = [
            ("projects/1/secrets/k", "secrets", Some("k")),
            ("projects/1/locations/l/secrets/k", "secrets", Some("k")),
            ("projects/1/secrets/k/versions/3", "versions", Some("3")),
            ("projects/1/secrets/k/versions/3", "secrets", None),
            ("secrets/", "secrets", None),
            ("k", "secrets", None),
        ];
        for (name, collection, want) in cases {
            assert_eq!(last_of(name, collection), want, "{name}");
        }
    }
}
