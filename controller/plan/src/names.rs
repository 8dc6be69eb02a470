//! Labels, annotations and the field manager that mark what is ours, as the reference names them, so that taking over
//! a running cluster rewrites nothing.

use crate::hash;

/// On every Secret that an ExternalSecret writes, with the value `true`.
pub const MANAGED_LABEL: &str = "reconcile.external-secrets.io/managed";
/// On a Secret with creationPolicy Owner: which ExternalSecret owns it, see [`hash::owner`].
pub const OWNER_LABEL: &str = "reconcile.external-secrets.io/created-by";
/// The hash of the data that was written, see [`hash::data`].
pub const DATA_HASH_ANNOTATION: &str = "reconcile.external-secrets.io/data-hash";
/// The API group of all our kinds.
pub const GROUP: &str = "external-secrets.io";

/// The field manager under which the Secret of the ExternalSecret `name` is written. At most 63 characters, so a long
/// name stands there as its hash.
pub fn field_manager(name: &str) -> String {
    let plain = format!("externalsecrets.external-secrets.io/{name}");
    if plain.len() <= 63 { plain } else { format!("externalsecrets.external-secrets.io/sha3/{}", hash::of_text(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_hashed() {
        assert_eq!(field_manager("db"), "externalsecrets.external-secrets.io/db");
        assert_eq!(field_manager(&"x".repeat(27)).len(), 63);
        assert!(field_manager(&"x".repeat(28)).starts_with("externalsecrets.external-secrets.io/sha3/"));
    }
}
