//! What an entry's metadata refers to beside the source, such as a resource policy: a key of a ConfigMap or Secret in the
//! PushSecret's own namespace, whatever the kind of the store. I/O; writes nothing.
//!
//! Deliberately not here: what a store makes of it.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use plan::secret_object::SecretObject;
use plan::template::SourceKind;
use provider::{Beside, BesideKind, Error, ErrorKind};
use secret::SecretBytes;

use crate::context::Context;
use crate::dependencies::{Dependant, Input};
use crate::lookup::api_text;
use crate::world::Key;

const OPERATION: &str = "PushSecret";

/// Whether `text` can be an object's name, and so one segment of a path.
fn is_name(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
    !text.is_empty() && text.len() <= 253 && text.bytes().all(allowed) && !text.starts_with('.')
}

/// Reads it. It is noted if it is to be followed, so that its next text is pushed at once.
pub(super) async fn read(cx: &Context, reader: &Key, followed: bool, beside: &Beside) -> Result<SecretBytes, Error> {
    let Beside { kind, name, key, purpose } = beside;
    if !is_name(name) {
        let kind = kind.as_str();
        let text = format!(
            "{purpose}: metadata: name {name:?} can't be that of a {kind}: small letters, digits, '-' and '.' alone, \
             no '.' first"
        );
        return Err(Error::new(ErrorKind::Invalid, OPERATION, text));
    }
    let namespace = &reader.namespace;
    let source = match kind {
        BesideKind::ConfigMap => SourceKind::ConfigMap,
        BesideKind::Secret => SourceKind::Secret,
    };
    let dependant = Dependant::PushSecret(reader.clone());
    let input = Input { kind: source, key: Key { namespace: namespace.clone(), name: name.clone() } };
    if followed {
        // Before it is read: a change in the meantime must find its reader.
        cx.world.will_depend_on(dependant.clone(), input.clone());
    }
    let found = match kind {
        BesideKind::ConfigMap => {
            let map: Result<ConfigMap, _> = Api::namespaced(cx.client.clone(), namespace).get(name).await;
            map.map(|map| {
                let value = map.data.and_then(|mut data| data.remove(key)).map(SecretBytes::from);
                (map.metadata.resource_version, value)
            })
        }
        BesideKind::Secret => {
            let secret: Result<SecretObject, _> = Api::namespaced(cx.client.clone(), namespace).get(name).await;
            secret.map(|mut secret| (secret.metadata.resource_version.take(), secret.data.remove(key)))
        }
    };
    if followed {
        let version = found.as_ref().ok().and_then(|(version, _)| version.clone());
        cx.world.depends_on(dependant, input, version);
    }
    let kind = kind.as_str();
    let text = match found {
        Ok((_, Some(value))) => return Ok(value),
        Ok((_, None)) => format!("{purpose}: key {key} not found in {kind} {namespace}/{name}"),
        Err(error) => format!("{purpose}: failed to get {kind} {namespace}/{name}: {}", api_text(&error)),
    };
    Err(Error::new(ErrorKind::Invalid, OPERATION, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_lead_elsewhere_is_no_name() {
        for name in ["policy", "a.b-1", "a..b"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(254);
        for name in ["", ".", "..", "../secrets/x", "a/b", "a%2fb", "a?b", "a#b", "Policy", "a b", long.as_str()] {
            assert!(!is_name(name), "{name}");
        }
    }
}
