//! A stub of an API server with objects of one kind, `Widget` of `example.io/v1`, in namespaces.

use serde_json::{Value, json};

use super::backends::DATA;
use super::{Reply, Seen};

pub(crate) const DISCOVERY: &str = "GET /apis/example.io/v1";
pub(crate) const REVIEW: &str = "POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews";

/// The settings of a store on that kind.
pub(crate) fn spec(url: &str) -> Value {
    json!({"crd": {
        "server": {"url": url},
        "auth": {"token": {"bearerToken": {"name": "creds", "key": "token"}}},
        "resource": {"group": "example.io", "version": "v1", "kind": "Widget"},
    }})
}

/// An object with these further members.
pub(crate) fn widget(namespace: &str, name: &str, members: Value) -> Value {
    let mut object = json!({"apiVersion": "example.io/v1", "kind": "Widget",
        "metadata": {"name": name, "namespace": namespace}});
    object.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    object
}

/// The object of the conformance suite: its values are top-level members.
pub(crate) fn app() -> Value {
    widget("remote", "app", serde_json::from_str(DATA).unwrap())
}

/// The API server's way to say that it has no such object.
pub(crate) fn missing() -> Reply {
    let details = json!({"name": "none", "group": "example.io", "kind": "widgets"});
    let status = json!({"kind": "Status", "status": "Failure", "reason": "NotFound", "details": details, "code": 404});
    Reply::json(404, status)
}

/// Whether the account may.
pub(crate) fn reviewed(allowed: bool) -> Reply {
    Reply::json(201, json!({"kind": "SelfSubjectAccessReview", "status": {"allowed": allowed}}))
}

/// What is asked before an object is: where the kind is, and whether it may be read.
pub(crate) fn prelude(seen: &Seen) -> Option<Reply> {
    let parts = json!({"name": "widgets/status", "kind": "Widget", "namespaced": true});
    let widgets = json!({"name": "widgets", "kind": "Widget", "namespaced": true, "verbs": ["get", "list"]});
    let gears = json!({"name": "gears", "kind": "Gear", "namespaced": false, "verbs": ["get", "list"]});
    match seen.line().as_str() {
        DISCOVERY => Some(Reply::json(
            200,
            json!({"kind": "APIResourceList", "groupVersion": "example.io/v1", "resources": [parts, widgets, gears]}),
        )),
        REVIEW => Some(reviewed(true)),
        _ => None,
    }
}

/// Holds the object of the suite, for who has the good token.
pub(crate) fn server(seen: &Seen) -> Reply {
    if seen.header("authorization") != Some("Bearer good") {
        return Reply::json(401, json!({"kind": "Status", "reason": "Unauthorized", "code": 401}));
    }
    prelude(seen).unwrap_or_else(|| match seen.path.as_str() {
        "/apis/example.io/v1/namespaces/remote/widgets/app" => Reply::json(200, app()),
        _ => missing(),
    })
}
