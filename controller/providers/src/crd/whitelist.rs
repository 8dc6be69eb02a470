//! `whitelist`: which objects, and which properties of them, may be read. Pure.

use api::StoreKind;
use api::provider::crd::{CrdWhitelist, CrdWhitelistRule};
use goregexp::Regexp;
use provider::Error;

use super::config::invalid;
use super::key::Key;

/// The rules, of which one must fit; without any everything is allowed.
#[derive(Debug)]
pub(super) struct Whitelist(Vec<Rule>);

/// All that is set must fit.
#[derive(Debug)]
struct Rule {
    name: Option<Regexp>,
    namespace: Option<Regexp>,
    properties: Vec<Regexp>,
}

impl Whitelist {
    /// Compiles the rules of a store of this kind.
    ///
    /// # Errors
    /// `Invalid` in the reference's words: for a rule without content, an expression that doesn't compile, and a
    /// namespace in a SecretStore, which reads its own only.
    pub(super) fn of(whitelist: Option<&CrdWhitelist>, store: StoreKind) -> Result<Self, Error> {
        let Some(CrdWhitelist { rules }) = whitelist else { return Ok(Self(Vec::new())) };
        let rules = rules.iter().enumerate().map(|(index, rule)| Rule::of(rule, index, store));
        rules.collect::<Result<_, _>>().map(Self)
    }

    /// Whether an object may be read: with a property that property of it, else all of it.
    pub(super) fn permits(&self, object: Key<'_>, property: Option<&str>) -> bool {
        self.0.is_empty() || self.0.iter().any(|rule| rule.fits(object, property))
    }
}

impl Rule {
    fn of(rule: &CrdWhitelistRule, index: usize, store: StoreKind) -> Result<Self, Error> {
        let CrdWhitelistRule { name, namespace, properties } = rule;
        let (name, namespace) = (name.as_deref().unwrap_or_default(), namespace.as_deref().unwrap_or_default());
        let field = format!("whitelist.rules[{index}]");
        if name.is_empty() && namespace.is_empty() && properties.is_empty() {
            let text = format!("crd: {field}: whitelist rule must define name, namespace, or properties");
            return Err(invalid(text));
        }
        if store == StoreKind::SecretStore && !namespace.is_empty() {
            let text = format!(
                "crd: {field}.namespace is not supported for a SecretStore (it only reads its own namespace); remove it or use a \
                 ClusterSecretStore"
            );
            return Err(invalid(text));
        }
        let optional = |name: &str, pattern: &str| match pattern {
            "" => Ok(None),
            pattern => compiled(&format!("{field}.{name}"), pattern).map(Some),
        };
        let properties = properties.iter().enumerate();
        let properties = properties.map(|(at, pattern)| compiled(&format!("{field}.properties[{at}]"), pattern));
        Ok(Self {
            name: optional("name", name)?,
            namespace: optional("namespace", namespace)?,
            properties: properties.collect::<Result<_, _>>()?,
        })
    }

    fn fits(&self, object: Key<'_>, property: Option<&str>) -> bool {
        let Self { name, namespace, properties } = self;
        let matches = |pattern: &Regexp, text: &str| pattern.is_match(text.as_bytes());
        // An object without a namespace is none of those that a rule about namespaces is for.
        name.as_ref().is_none_or(|pattern| matches(pattern, object.name))
            && namespace.as_ref().is_none_or(|pattern| object.namespace.is_some_and(|ns| matches(pattern, ns)))
            && (properties.is_empty()
                || property.is_some_and(|property| properties.iter().any(|pattern| matches(pattern, property))))
    }
}

fn compiled(field: &str, pattern: &str) -> Result<Regexp, Error> {
    goregexp::compile(pattern.as_bytes())
        .map_err(|error| invalid(format!("crd: invalid {field} regex {}: {error}", gojson::quote(pattern))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn whitelist(rules: Value, store: StoreKind) -> Result<Whitelist, Error> {
        Whitelist::of(Some(&serde_json::from_value(json!({"rules": rules})).unwrap()), store)
    }

    #[test]
    fn one_rule_must_fit_with_all_its_parts() {
        let all = json!([]);
        let name = json!([{"name": "^app-"}]);
        let namespace = json!([{"namespace": "^prod$"}]);
        let properties = json!([{"properties": ["^spec\\.user$", "^spec\\.pass"]}]);
        let every = json!([{"name": "b$", "namespace": "prod", "properties": ["user"]}]);
        let two = json!([{"name": "^x$"}, {"name": "^y$"}]);
        let cases = [
            (&all, Some("prod"), "x", None, true),
            (&name, None, "app-a", None, true),
            (&name, None, "app-a", Some("spec.user"), true),
            (&name, None, "an-app-a", None, false),
            (&namespace, Some("prod"), "x", None, true),
            (&namespace, Some("preprod"), "x", None, false),
            (&namespace, None, "x", None, false),
            (&properties, None, "x", Some("spec.user"), true),
            (&properties, None, "x", Some("spec.password"), true),
            (&properties, None, "x", Some("spec"), false),
            (&properties, None, "x", None, false),
            (&every, Some("prod"), "b", Some("user"), true),
            (&every, Some("prod"), "b", None, false),
            (&every, Some("prod"), "c", Some("user"), false),
            (&every, Some("dev"), "b", Some("user"), false),
            (&two, None, "y", None, true),
            (&two, None, "z", None, false),
        ];
        for (rules, namespace, name, property, want) in cases {
            let whitelist = whitelist(rules.clone(), StoreKind::ClusterSecretStore).unwrap();
            assert_eq!(whitelist.permits(Key { namespace, name }, property), want, "{rules} {namespace:?} {name}");
        }
        assert!(Whitelist::of(None, StoreKind::SecretStore).unwrap().permits(Key { namespace: None, name: "x" }, None));
    }

    #[test]
    fn bad_rules_get_the_references_words() {
        use StoreKind::{ClusterSecretStore, SecretStore};
        let cases = [
            (
                ClusterSecretStore,
                json!([{"name": "a"}, {"name": "", "properties": []}]),
                "crd: whitelist.rules[1]: whitelist rule must define name, namespace, or properties",
            ),
            (
                ClusterSecretStore,
                json!([{"name": "a("}]),
                "crd: invalid whitelist.rules[0].name regex \"a(\": error parsing regexp: missing closing ): `a(`",
            ),
            (
                ClusterSecretStore,
                json!([{"namespace": "a("}]),
                "crd: invalid whitelist.rules[0].namespace regex \"a(\": error parsing regexp",
            ),
            (
                SecretStore,
                json!([{"properties": ["a", "a("]}]),
                "crd: invalid whitelist.rules[0].properties[1] regex \"a(\": error parsing regexp",
            ),
            (
                SecretStore,
                json!([{"namespace": "a"}]),
                "crd: whitelist.rules[0].namespace is not supported for a SecretStore (it only reads its own namespace); remove it \
                 or use a ClusterSecretStore",
            ),
        ];
        for (store, rules, text) in cases {
            let error = whitelist(rules.clone(), store).unwrap_err();
            assert!(error.to_string().starts_with(text), "{rules}: {error}");
        }
    }
}
