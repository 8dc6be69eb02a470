//! Which namespaces a declaration selects: by name, or by any of its selectors.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::label_selector;

/// The fields of a declaration that select namespaces.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection<'a> {
    /// `namespaces`
    pub names: &'a [String],
    /// `namespaceSelector` and `namespaceSelectors`: one that fits suffices.
    pub selectors: Vec<&'a LabelSelector>,
}

impl Selection<'_> {
    /// Whether every selector can be used.
    ///
    /// # Errors
    /// The reference's text about the first one that can't be.
    pub fn check(&self) -> Result<(), String> {
        for selector in &self.selectors {
            label_selector::selects(selector, &BTreeMap::new()).map_err(|error| {
                format!("failed to convert label selector {}: {error}", label_selector::shown(selector))
            })?;
        }
        Ok(())
    }

    /// Whether a namespace is selected. A selector that can't be used selects nothing.
    pub fn selects(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let fits = |selector: &&LabelSelector| label_selector::selects(selector, labels) == Ok(true);
        self.names.iter().any(|wanted| wanted == name) || self.selectors.iter().any(fits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selector(json: &str) -> LabelSelector {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_name_or_any_selector_suffices() {
        let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        let (blue, prod) = (labels(&[("team", "blue")]), labels(&[("tier", "prod")]));
        let team = selector(r#"{"matchLabels": {"team": "blue"}}"#);
        let tier = selector(r#"{"matchExpressions": [{"key": "tier", "operator": "Exists"}]}"#);
        let (all, wrong) = (selector("{}"), selector(r#"{"matchExpressions": [{"key": "tier", "operator": "Is"}]}"#));
        let names = ["shop".to_owned()];
        let cases: [(&[String], Vec<&LabelSelector>, [bool; 3]); 6] = [
            (&[], vec![], [false, false, false]),
            (&names, vec![], [true, false, false]),
            (&[], vec![&team], [false, true, false]),
            (&names, vec![&team, &tier], [true, true, true]),
            (&[], vec![&all], [true, true, true]),
            (&[], vec![&wrong, &tier], [false, false, true]),
        ];
        for (names, selectors, want) in cases {
            let selection = Selection { names, selectors };
            let got = [("shop", &labels(&[])), ("a", &blue), ("b", &prod)].map(|(name, l)| selection.selects(name, l));
            assert_eq!(got, want, "{selection:?}");
        }
    }

    #[test]
    fn a_selector_that_cannot_be_used_is_told_as_the_reference_does() {
        let wrong = selector(r#"{"matchExpressions": [{"key": "tier", "operator": "Is", "values": ["a"]}]}"#);
        let fine = selector("{}");
        let text = "failed to convert label selector &LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:Is,Values:[a],},},}: \"Is\" is not a valid label selector operator";
        assert_eq!(Selection { names: &[], selectors: vec![&fine, &wrong] }.check(), Err(text.to_owned()));
        assert_eq!(Selection { names: &[], selectors: vec![&fine] }.check(), Ok(()));
    }
}
