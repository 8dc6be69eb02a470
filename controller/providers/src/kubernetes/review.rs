//! Whether the store's account may get Secrets: asked of the API server itself.

use gojson::{Html, Item, NodeId};
use provider::{Error, ErrorKind, Validation};

use super::Kubernetes;
use crate::cluster::review;

const OPERATION: &str = "Validate";

/// Rules first, which name what is allowed; then the access itself, for authorisers that can't list rules.
pub(super) async fn validate(store: &Kubernetes) -> Validation {
    match rules_allow(store).await {
        Ok(true) => return Validation::Ready,
        Ok(false) => {}
        Err(error) => return Validation::Unknown(Some(error.context("could not verify if client is valid"))),
    }
    match access_allowed(store).await {
        Ok(true) => Validation::Ready,
        Ok(false) => {
            let text = format!(
                "client is not allowed to get secrets; allow its account the verb get on secrets in namespace {}",
                gojson::quote(&store.namespace)
            );
            Validation::Failed(Error::new(ErrorKind::AccessDenied, OPERATION, text))
        }
        Err(error) => Validation::Unknown(Some(error.context("could not verify if client is valid"))),
    }
}

async fn rules_allow(store: &Kubernetes) -> Result<bool, Error> {
    let spec = gojson::string_map([("namespace", store.namespace.as_bytes())], Html::Keep);
    let spec = String::from_utf8_lossy(&spec);
    let answer = review::ask(&store.cluster, OPERATION, "SelfSubjectRulesReview", &spec).await?;
    let document = review::parsed(&store.cluster, OPERATION, &answer)?;
    let rules = document.member(document.root(), "status").and_then(|id| document.member(id, "resourceRules"));
    let Some(Item::Array(rules)) = rules.map(|id| document.item(id)) else { return Ok(false) };
    let has = |rule: NodeId, field: &str, wanted: &str| match document.member(rule, field).map(|id| document.item(id)) {
        Some(Item::Array(values)) => values
            .iter()
            .any(|value| matches!(document.item(*value), Item::Text(text) if text == wanted || text == "*")),
        _ => false,
    };
    let no_groups = |rule: NodeId| {
        !matches!(document.member(rule, "apiGroups").map(|id| document.item(id)), Some(Item::Array([_, ..])))
    };
    let allows = |rule: &&NodeId| {
        has(**rule, "resources", "secrets")
            && has(**rule, "verbs", "get")
            && (no_groups(**rule) || has(**rule, "apiGroups", ""))
    };
    Ok(rules.iter().any(|rule| allows(&rule)))
}

async fn access_allowed(store: &Kubernetes) -> Result<bool, Error> {
    let attributes = [("namespace", store.namespace.as_str()), ("resource", "secrets"), ("verb", "get")];
    review::is_allowed(&store.cluster, OPERATION, &attributes).await
}
