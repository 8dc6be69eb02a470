//! From a `generatorRef` to the object that it names, before anything is read.

use api::GeneratorRef;
use api::generator::{ClusterGenerator, GROUP, VERSION};
use provider::Error;

use crate::Kind;
use crate::spec::terminal;

/// The object that a reference names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// A generator in the namespace of the object that refers to it.
    Namespaced(Kind),
    /// A ClusterGenerator.
    Cluster,
}

impl Wanted {
    /// Reads the reference's version and kind.
    ///
    /// # Errors
    /// `Invalid`, not to be retried: the group isn't that of generators, or it has no such version and kind.
    pub fn of(reference: &GeneratorRef) -> Result<Self, Error> {
        let GeneratorRef { api_version, kind, name: _ } = reference;
        let (group, version) = match api_version.as_str() {
            "/" => ("", ""),
            text => match text.split_once('/') {
                None => ("", text),
                Some((_, rest)) if rest.contains('/') => {
                    let text = format!("unexpected GroupVersion string: {text}");
                    return Err(terminal(format!("generatorRef has invalid APIVersion: {text}")));
                }
                Some(parts) => parts,
            },
        };
        if group != GROUP {
            let text = format!("generatorRef may only reference the generators group, but got {group}");
            return Err(terminal(text));
        }
        let found = match Kind::of(kind) {
            Some(known) => Some(Self::Namespaced(known)),
            None => (kind == ClusterGenerator::KIND).then_some(Self::Cluster),
        };
        found
            .filter(|_| version == VERSION)
            .ok_or_else(|| terminal(format!("generatorRef references unknown GVK {group}/{version}, Kind={kind}")))
    }

    /// The kind in URLs.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Namespaced(kind) => kind.plural(),
            Self::Cluster => ClusterGenerator::PLURAL,
        }
    }

    /// The kind on the wire.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Namespaced(kind) => kind.as_str(),
            Self::Cluster => ClusterGenerator::KIND,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_read_as_the_reference_operator_does() {
        let group = "generators.external-secrets.io/v1alpha1";
        let wrong = "terminal error: generatorRef may only reference the generators group, but got ";
        let rows = [
            (group, "Password", Ok(Wanted::Namespaced(Kind::Password))),
            (group, "ECRAuthorizationToken", Ok(Wanted::Namespaced(Kind::EcrAuthorizationToken))),
            (group, "ClusterGenerator", Ok(Wanted::Cluster)),
            (group, "GeneratorState", Err("terminal error: generatorRef references unknown GVK generators.external-secrets.io/v1alpha1, Kind=GeneratorState".to_owned())),
            ("generators.external-secrets.io/v1", "UUID", Err("terminal error: generatorRef references unknown GVK generators.external-secrets.io/v1, Kind=UUID".to_owned())),
            ("external-secrets.io/v1", "UUID", Err(format!("{wrong}external-secrets.io"))),
            ("v1", "UUID", Err(wrong.to_owned())),
            ("", "UUID", Err(wrong.to_owned())),
            ("/", "UUID", Err(wrong.to_owned())),
            ("a/b/c", "UUID", Err("terminal error: generatorRef has invalid APIVersion: unexpected GroupVersion string: a/b/c".to_owned())),
        ];
        for (api_version, kind, wished) in rows {
            let reference = GeneratorRef { api_version: api_version.into(), kind: kind.into(), name: "g".into() };
            let got = Wanted::of(&reference).map_err(|error| {
                assert_eq!(error.retry_when(), provider::Retry::Never);
                error.to_string()
            });
            assert_eq!(got, wished, "{api_version} {kind}");
        }
    }
}
