//! Whether the store's account may get Secrets: asked of the API server itself.

use gojson::{Document, Item, NodeId};
use http::Method;
use provider::{Error, ErrorKind, Validation};
use secret::SecretBytes;

use super::{Call, Kubernetes, error};

const OPERATION: &str = "Validate";
const REVIEWS: [&str; 3] = ["apis", "authorization.k8s.io", "v1"];

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
    let spec = gojson::string_map([("namespace", store.namespace.as_bytes())], gojson::Html::Keep);
    let body = review("SelfSubjectRulesReview", &String::from_utf8_lossy(&spec));
    let answer = ask(store, "selfsubjectrulesreviews", &body).await?;
    let document = Document::parse(answer.body.expose()).map_err(|_| not_json(store))?;
    let rules = at(&document, document.root(), "status").and_then(|id| at(&document, id, "resourceRules"));
    let Some(Item::Array(rules)) = rules.map(|id| document.item(id)) else { return Ok(false) };
    let has = |rule: NodeId, field: &str, wanted: &str| match at(&document, rule, field).map(|id| document.item(id)) {
        Some(Item::Array(values)) => values
            .iter()
            .any(|value| matches!(document.item(*value), Item::Text(text) if text == wanted || text == "*")),
        _ => false,
    };
    let no_groups = |rule: NodeId| {
        !matches!(at(&document, rule, "apiGroups").map(|id| document.item(id)), Some(Item::Array([_, ..])))
    };
    let allows = |rule: &&NodeId| {
        has(**rule, "resources", "secrets")
            && has(**rule, "verbs", "get")
            && (no_groups(**rule) || has(**rule, "apiGroups", ""))
    };
    Ok(rules.iter().any(|rule| allows(&rule)))
}

async fn access_allowed(store: &Kubernetes) -> Result<bool, Error> {
    let attributes = [("namespace", store.namespace.as_bytes()), ("resource", b"secrets"), ("verb", b"get")];
    let attributes = gojson::string_map(attributes, gojson::Html::Keep);
    let spec = format!("{{\"resourceAttributes\":{}}}", String::from_utf8_lossy(&attributes));
    let answer = ask(store, "selfsubjectaccessreviews", &review("SelfSubjectAccessReview", &spec)).await?;
    let document = Document::parse(answer.body.expose()).map_err(|_| not_json(store))?;
    let allowed = at(&document, document.root(), "status").and_then(|id| at(&document, id, "allowed"));
    Ok(matches!(allowed.map(|id| document.item(id)), Some(Item::Bool(true))))
}

fn review(kind: &str, spec: &str) -> String {
    format!("{{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"{kind}\",\"spec\":{spec}}}")
}

async fn ask(store: &Kubernetes, resource: &str, body: &str) -> Result<crate::http::Answer, Error> {
    let [apis, group, version] = REVIEWS;
    let path = [apis, group, version, resource];
    let body = SecretBytes::from(body);
    let call = Call { operation: OPERATION, method: Method::POST, path: &path, query: &[], body: Some(&body) };
    let answer = store.send(&call).await?;
    if answer.status.is_success() {
        Ok(answer)
    } else {
        Err(error::of_answer(&answer, OPERATION, &store.origin(), "ask what the account may do"))
    }
}

fn not_json(store: &Kubernetes) -> Error {
    let text = format!("the answer of {} is not JSON; check {}", store.origin(), store.server_setting);
    Error::new(ErrorKind::Malformed, OPERATION, text)
}

fn at(document: &Document<'_>, of: NodeId, name: &str) -> Option<NodeId> {
    match document.item(of) {
        Item::Object(members) => members.get(name).copied(),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Array(_) => None,
    }
}
