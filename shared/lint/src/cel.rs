//! The CEL rules of the schemas, each as a function: there are few, and all of one kind, so that no evaluator is needed. A test
//! sees to it that none is missing. Not here: the other checks of a schema (`shape`).

use crate::yaml::{Content, Node};

/// Whether an object keeps a rule. Nothing if the rule isn't known here.
pub(crate) fn holds(rule: &str, object: &Node) -> Option<bool> {
    let has = |key: &str| object.get(key).is_some_and(|node| !node.is_null());
    let below =
        |key: &str, inner: &str| object.get(key).and_then(|node| node.get(inner)).is_some_and(|node| !node.is_null());
    let count = |keys: &[&str]| keys.iter().filter(|key| has(key)).count();
    let items = |key: &str| match object.get(key).map(|node| &node.content) {
        Some(Content::List(items)) => items.len(),
        Some(Content::Scalar(_) | Content::Map(_)) | None => 0,
    };
    Some(match rule {
        "!has(self.remoteKey) || !has(self.rewrite) || size(self.rewrite) == 0" => {
            !has("remoteKey") || items("rewrite") == 0
        }
        "has(self.storeRef) && (has(self.storeRef.name) || has(self.storeRef.labelSelector))" => {
            below("storeRef", "name") || below("storeRef", "labelSelector")
        }
        "(has(self.regexp) && !has(self.transform)) || (!has(self.regexp) && has(self.transform))" => {
            count(&["regexp", "transform"]) == 1
        }
        "!('esoNamespace' in self) && !('esoStoreName' in self) && !('esoStoreKind' in self)" => {
            count(&["esoNamespace", "esoStoreName", "esoStoreKind"]) == 0
        }
        "[has(self.auth),has(self.authRef)].filter(x,x==true).size() <= 1" => count(&["auth", "authRef"]) <= 1,
        "has(self.auth) || has(self.authRef)" => has("auth") || has("authRef"),
        "(has(self.secretRef) && !has(self.oidcConfig)) || (!has(self.secretRef) && has(self.oidcConfig))" => {
            count(&["secretRef", "oidcConfig"]) == 1
        }
        "has(self.serviceAccountCredsSecretRef) || has(self.tokenSecretRef)" => {
            has("serviceAccountCredsSecretRef") || has("tokenSecretRef")
        }
        "[has(self.vault),has(self.environment)].filter(x,x==true).size() <= 1" => {
            count(&["vault", "environment"]) <= 1
        }
        "[has(self.caBundle),has(self.caProvider)].filter(x,x==true).size() <= 1" => {
            count(&["caBundle", "caProvider"]) <= 1
        }
        "[has(self.appRole),has(self.tokenSecretRef),has(self.userPass)].filter(x,x==true).size() == 1" => {
            count(&["appRole", "tokenSecretRef", "userPass"]) == 1
        }
        "[has(self.roleId),has(self.roleRef)].filter(x,x==true).size() == 1" => count(&["roleId", "roleRef"]) == 1,
        "(has(self.auth) && !has(self.accessToken)) || (!has(self.auth) && has(self.accessToken))" => {
            count(&["auth", "accessToken"]) == 1
        }
        "(has(self.accessToken) && !has(self.oidcConfig)) || (!has(self.accessToken) && has(self.oidcConfig))" => {
            count(&["accessToken", "oidcConfig"]) == 1
        }
        "has(self.token) || (has(self.username) && has(self.password))" => {
            has("token") || count(&["username", "password"]) == 2
        }
        "has(self.value) != has(self.secretRef)" => count(&["value", "secretRef"]) == 1,
        "has(self.projectID) != has(self.groupID)" => count(&["projectID", "groupID"]) == 1,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::holds;
    use crate::yaml::documents;
    use serde_json::Value;

    fn rules<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(map) => {
                let here = map.get("x-kubernetes-validations").and_then(Value::as_array).into_iter().flatten();
                found.extend(here.filter_map(|rule| rule["rule"].as_str()));
                map.values().for_each(|inner| rules(inner, found));
            }
            Value::Array(items) => items.iter().for_each(|inner| rules(inner, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    #[test]
    fn every_rule_of_the_schemas_is_known() {
        let crds = api::crd::all();
        let mut found = Vec::new();
        crds.iter().for_each(|crd| rules(&crd.document, &mut found));
        found.sort_unstable();
        found.dedup();
        assert!(found.len() >= 10, "{found:?}");
        let object = documents("{a: 1}").into_iter().next().and_then(Result::ok).into_iter().next();
        let unknown: Vec<_> =
            found.iter().filter(|rule| object.as_ref().and_then(|object| holds(rule, object)).is_none()).collect();
        assert!(unknown.is_empty(), "{unknown:#?}");
    }
}
