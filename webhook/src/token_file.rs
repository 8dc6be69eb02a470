//! The one thing outside of an object that a rule asks for: whether the token with which the provider `ibm` logs in from a
//! container can be read in this pod. ESO's webhook looks for it too.
//!
//! Not here: the rule and its text. Nothing of the file is read, and nothing is opened that isn't a plain file.

use std::fs::{self, File};
use std::io;

use api::{ClusterSecretStore, SecretStore, SecretStoreSpec};
use validate::{Finding, Store, Unreadable};

/// What the rules say about a SecretStore in this pod.
pub(crate) fn secret_store(object: &SecretStore) -> Vec<Finding> {
    judge(&object.spec, Store::of_namespace(object))
}

/// What the rules say about a ClusterSecretStore in this pod.
pub(crate) fn cluster_secret_store(object: &ClusterSecretStore) -> Vec<Finding> {
    judge(&object.spec, Store::of_cluster(object))
}

fn judge(spec: &SecretStoreSpec, store: Store<'_>) -> Vec<Finding> {
    let path = validate::token_file(spec);
    let reason = path.as_deref().and_then(|path| readable(path).err());
    let unreadable = path.as_deref().zip(reason.as_deref()).map(|(path, reason)| Unreadable { path, reason });
    validate::store(spec, &Store { unreadable, ..store })
}

/// # Errors
/// Go's text for why the file can't be opened.
fn readable(path: &str) -> Result<(), String> {
    let opened = match fs::metadata(path) {
        // Anything else could block or react: a pipe, a device.
        Ok(found) if found.is_file() => File::open(path).map(drop),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    };
    opened.map_err(|error| format!("open {path}: {}", go_text(&error)))
}

/// Go's text for an error of the system, which is that of the C library in small letters.
fn go_text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((text, _)) => text.to_lowercase(),
        // A path that no system call takes, such as one with a NUL.
        None => "invalid argument".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_file_that_is_not_there_is_told_of_in_go_s_words() {
        let here = env!("CARGO_MANIFEST_DIR");
        let long = format!("/{}", "a".repeat(300));
        for (path, reason) in [
            (&*format!("{here}/Cargo.toml"), None),
            (here, None),
            ("/dev/null", None),
            ("/absent/token", Some("no such file or directory")),
            (&*format!("{here}/Cargo.toml/token"), Some("not a directory")),
            (&*long, Some("file name too long")),
            ("/a\0b", Some("invalid argument")),
        ] {
            let want = reason.map_or(Ok(()), |reason| Err(format!("open {path}: {reason}")));
            assert_eq!(readable(path), want);
        }
    }
}
