//! A fake API server for tests: objects in memory with versions, preconditions, updates (of a status too), JSON and merge
//! patches, deletions with finalizers, lists and watches.
//!
//! It stands in for the API machinery only: no schema, no defaulting, no roles. Tests on a real one are in `e2e`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::stream;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The server; clones share the objects.
#[derive(Clone)]
pub struct FakeApi {
    state: Arc<Mutex<State>>,
    /// Counts the events, to wake watches.
    grown: watch::Sender<usize>,
}

/// A request that was made.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// `GET`, `PUT` …
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The query's pairs; of its encoding only `%2F` and `%3D` are undone.
    pub query: BTreeMap<String, String>,
    /// The body; null where there is none.
    pub body: Value,
}

#[derive(Default)]
struct State {
    version: u64,
    objects: BTreeMap<String, Value>,
    events: Vec<Event>,
    calls: Vec<Call>,
    refusals: Vec<Refusal>,
    pruned: Vec<String>,
}

struct Refusal {
    method: String,
    path: String,
    code: u16,
    reason: String,
    message: String,
}

struct Event {
    version: u64,
    path: String,
    kind: &'static str,
    object: Value,
}

impl Default for FakeApi {
    fn default() -> Self {
        Self { state: Arc::default(), grown: watch::channel(0).0 }
    }
}

impl FakeApi {
    /// A client of it.
    pub fn client(&self) -> Client {
        let api = self.clone();
        let router = Router::new().fallback(move |request: Request| {
            let api = api.clone();
            async move { api.answer(request).await }
        });
        Client::new(router, "default")
    }

    /// Stores an object at its path (`/api/v1/namespaces/ns/secrets/name`), as any other writer would.
    pub fn put(&self, path: &str, object: Value) {
        let mut state = self.lock();
        let kind = if state.objects.contains_key(path) { "MODIFIED" } else { "ADDED" };
        state.store(path, object, kind);
        self.wake(&state);
    }

    /// Deletes an object, as any other writer would.
    pub fn delete(&self, path: &str) {
        let mut state = self.lock();
        if let Some(object) = state.objects.remove(path) {
            state.store_event(path, object, "DELETED");
        }
        self.wake(&state);
    }

    /// The object at a path.
    pub fn get(&self, path: &str) -> Option<Value> {
        self.lock().objects.get(path).cloned()
    }

    /// The requests so far, as `METHOD path`, without queries.
    pub fn requests(&self) -> Vec<String> {
        self.lock().calls.iter().map(|call| format!("{} {}", call.method, call.path)).collect()
    }

    /// The requests so far, in full.
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// All objects by path.
    pub fn objects(&self) -> BTreeMap<String, Value> {
        self.lock().objects.clone()
    }

    /// How many of the requests begin so.
    pub fn count(&self, prefix: &str) -> usize {
        self.requests().iter().filter(|r| r.starts_with(prefix)).count()
    }

    /// Refuses the next request of this method on this path with a status code.
    pub fn refuse_once(&self, method: &str, path: &str, code: u16) {
        // Clients go by the reason and not by the code.
        let reason = match code {
            403 => "Forbidden",
            404 => "NotFound",
            409 => "Conflict",
            422 => "Invalid",
            _ => "InternalError",
        };
        self.refuse_once_with(method, path, code, reason, "refused by the test");
    }

    /// As [`refuse_once`](Self::refuse_once), with the answer's reason and message.
    pub fn refuse_once_with(&self, method: &str, path: &str, code: u16, reason: &str, message: &str) {
        let (method, path) = (method.to_owned(), path.to_owned());
        let (reason, message) = (reason.to_owned(), message.to_owned());
        self.lock().refusals.push(Refusal { method, path, code, reason, message });
    }

    /// From now on drops these fields of statuses, at any depth, as a schema does that doesn't know them.
    pub fn prune(&self, fields: &[&str]) {
        self.lock().pruned = fields.iter().map(|field| (*field).to_owned()).collect();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, state: &State) {
        self.grown.send_replace(state.events.len());
    }

    async fn answer(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query: BTreeMap<String, String> = parts
            .uri
            .query()
            .unwrap_or_default()
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(k, v)| (k.to_owned(), v.replace("%3D", "=").replace("%2F", "/")))
            .collect();
        let content_type =
            parts.headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let body = match to_bytes(body, 4 << 20).await {
            Ok(body) => serde_json::from_slice(&body).unwrap_or(Value::Null),
            Err(_) => return failure(400, "BadRequest", "unreadable body"),
        };
        // Lets tasks that race for the same object interleave between their requests, as they would over a network.
        tokio::task::yield_now().await;
        let mut state = self.lock();
        let method = parts.method.as_str().to_owned();
        state.calls.push(Call { method, path: path.clone(), query: query.clone(), body: body.clone() });
        if let Some(at) = state.refusals.iter().position(|r| r.method == parts.method.as_str() && r.path == path) {
            let refusal = state.refusals.remove(at);
            return failure(refusal.code, &refusal.reason, &refusal.message);
        }
        if let (&Method::PUT, Some(path)) = (&parts.method, path.strip_suffix("/status")) {
            let response = state.replace_status(path, &body);
            self.wake(&state);
            return response;
        }
        let collection = is_collection(&path);
        let response = match (parts.method, collection) {
            (Method::GET, true) if query.get("watch").is_some_and(|w| w == "true" || w == "1") => {
                drop(state);
                return self.watch(path, &query);
            }
            (Method::GET, true) => state.list(&path, query.get("fieldSelector")),
            (Method::GET, false) => state.objects.get(&path).map_or_else(|| not_found(&path), |o| answer(200, o)),
            (Method::POST, true) => state.create(&path, body),
            (Method::PUT, false) => state.replace(&path, body),
            (Method::PATCH, false) => state.patch(&path, &content_type, &body),
            (Method::DELETE, false) => state.delete(&path, &body),
            (_, true | false) => failure(405, "MethodNotAllowed", "the fake doesn't do this"),
        };
        self.wake(&state);
        response
    }

    fn watch(&self, collection: String, query: &BTreeMap<String, String>) -> Response {
        let since: u64 = query.get("resourceVersion").and_then(|v| v.parse().ok()).unwrap_or(0);
        let name = query.get("fieldSelector").and_then(|f| f.strip_prefix("metadata.name=")).map(str::to_owned);
        let start = (self.clone(), 0_usize, self.grown.subscribe());
        let frames = stream::unfold(start, move |(api, mut at, mut grown)| {
            let (collection, name) = (collection.clone(), name.clone());
            async move {
                loop {
                    let next = {
                        let state = api.lock();
                        let found = state.events.iter().enumerate().skip(at).find(|(_, event)| {
                            event.version > since && belongs(&event.path, &collection, name.as_ref())
                        });
                        // Others' events are looked at once.
                        at = state.events.len();
                        found.map(|(index, event)| {
                            (index, json!({"type": event.kind, "object": event.object}).to_string())
                        })
                    };
                    match next {
                        Some((index, line)) => {
                            at = index + 1;
                            return Some((Ok::<_, std::io::Error>(format!("{line}\n")), (api, at, grown)));
                        }
                        None => grown.changed().await.ok()?,
                    }
                }
            }
        });
        Response::new(Body::from_stream(frames))
    }
}

impl State {
    fn store(&mut self, path: &str, mut object: Value, kind: &'static str) {
        self.version += 1;
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("resourceVersion".into(), json!(self.version.to_string()));
            metadata.entry("name").or_insert_with(|| json!(path.rsplit('/').next()));
            metadata.entry("uid").or_insert_with(|| json!(format!("uid-{}", self.version)));
        }
        self.objects.insert(path.to_owned(), object.clone());
        self.events.push(Event { version: self.version, path: path.to_owned(), kind, object });
    }

    fn store_event(&mut self, path: &str, object: Value, kind: &'static str) {
        self.version += 1;
        self.events.push(Event { version: self.version, path: path.to_owned(), kind, object });
    }

    fn list(&self, collection: &str, selector: Option<&String>) -> Response {
        let name = selector.and_then(|f| f.strip_prefix("metadata.name=")).map(str::to_owned);
        let items: Vec<&Value> =
            self.objects.iter().filter(|(path, _)| belongs(path, collection, name.as_ref())).map(|(_, o)| o).collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": self.version.to_string()}, "items": items});
        answer(200, &list)
    }

    fn create(&mut self, collection: &str, object: Value) -> Response {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let path = format!("{collection}/{name}");
        if self.objects.contains_key(&path) {
            return failure(409, "AlreadyExists", &format!("{name} already exists"));
        }
        self.store(&path, object, "ADDED");
        self.objects.get(&path).map_or_else(|| not_found(&path), |o| answer(201, o))
    }

    fn replace(&mut self, path: &str, mut object: Value) -> Response {
        let Some(current) = self.objects.get(path).cloned() else { return not_found(path) };
        if let Some(refusal) = stale(&object["metadata"], &current) {
            return refusal;
        }
        for (at, field) in [("metadata", "uid"), ("metadata", "resourceVersion"), ("", "status")] {
            let pointer = if at.is_empty() { String::new() } else { format!("/{at}") };
            let kept = current.pointer(&pointer).and_then(|parent| parent.get(field)).cloned();
            if let (Some(kept), Some(parent)) = (kept, object.pointer_mut(&pointer).and_then(Value::as_object_mut)) {
                parent.insert(field.to_owned(), kept);
            }
        }
        self.change(path, &current, object)
    }

    fn replace_status(&mut self, path: &str, object: &Value) -> Response {
        let Some(current) = self.objects.get(path).cloned() else { return not_found(path) };
        if let Some(refusal) = stale(&object["metadata"], &current) {
            return refusal;
        }
        let mut wanted = current.clone();
        wanted["status"] = object["status"].clone();
        without(&mut wanted["status"], &self.pruned);
        self.change(path, &current, wanted)
    }

    /// Stores a new version if it is one. An object that is being deleted goes with its last finalizer.
    fn change(&mut self, path: &str, current: &Value, wanted: Value) -> Response {
        let held = wanted["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty());
        if wanted["metadata"]["deletionTimestamp"].is_string() && !held {
            self.objects.remove(path);
            self.store_event(path, wanted.clone(), "DELETED");
            return answer(200, &wanted);
        }
        if wanted != *current {
            self.store(path, wanted, "MODIFIED");
        }
        self.objects.get(path).map_or_else(|| not_found(path), |o| answer(200, o))
    }

    fn delete(&mut self, path: &str, options: &Value) -> Response {
        let Some(mut current) = self.objects.get(path).cloned() else { return not_found(path) };
        if let Some(refusal) = stale(&options["preconditions"], &current) {
            return refusal;
        }
        if current["metadata"]["finalizers"].as_array().is_some_and(|held| !held.is_empty()) {
            current["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            self.store(path, current.clone(), "MODIFIED");
            return answer(200, &current);
        }
        self.objects.remove(path);
        self.store_event(path, current, "DELETED");
        answer(200, &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}))
    }

    fn patch(&mut self, path: &str, content_type: &str, patch: &Value) -> Response {
        let Some(current) = self.objects.get(path).cloned() else { return not_found(path) };
        let mut wanted = current.clone();
        if content_type.contains("json-patch") {
            let Ok(patch) = serde_json::from_value::<json_patch::Patch>(patch.clone()) else {
                return failure(400, "BadRequest", "no JSON patch");
            };
            if json_patch::patch(&mut wanted, &patch).is_err() {
                return failure(422, "Invalid", "the patch doesn't apply");
            }
        } else {
            json_patch::merge(&mut wanted, patch);
            if wanted["metadata"]["resourceVersion"] != current["metadata"]["resourceVersion"] {
                return failure(409, "Conflict", "the object has been modified");
            }
        }
        if let Some(status) = wanted.get_mut("status") {
            without(status, &self.pruned);
        }
        self.change(path, &current, wanted)
    }
}

fn without(value: &mut Value, fields: &[String]) {
    match value {
        Value::Object(map) => {
            map.retain(|field, _| !fields.contains(field));
            map.values_mut().for_each(|inner| without(inner, fields));
        }
        Value::Array(list) => list.iter_mut().for_each(|inner| without(inner, fields)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The refusal of a request whose UID or resourceVersion, where it gives one, isn't that of `current`.
fn stale(given: &Value, current: &Value) -> Option<Response> {
    let differs = |field: &str| given[field].is_string() && given[field] != current["metadata"][field];
    (differs("uid") || differs("resourceVersion")).then(|| failure(409, "Conflict", "the object has been modified"))
}

/// Paths of collections end in a plural: `/api/v1/namespaces/ns/secrets`, `/api/v1/namespaces`, `/apis/group/v1/plural`.
fn is_collection(path: &str) -> bool {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let after_version = match parts.first() {
        Some(&"api") => parts.len() - 2,
        _ => parts.len().saturating_sub(3),
    };
    after_version % 2 == 1
}

fn belongs(path: &str, collection: &str, name: Option<&String>) -> bool {
    let within = |path: &str| {
        path.strip_prefix(collection)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|rest| !rest.contains('/') && name.is_none_or(|name| name == rest))
    };
    // A collection without a namespace has the objects of all of them.
    let anywhere = || {
        let (before, after) = path.split_once("/namespaces/")?;
        let (_, resource) = after.split_once('/')?;
        Some(within(&format!("{before}/{resource}")))
    };
    within(path) || anywhere().unwrap_or(false)
}

fn answer(code: u16, object: &Value) -> Response {
    let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (code, [("content-type", "application/json")], object.to_string()).into_response()
}

fn not_found(path: &str) -> Response {
    let mut parts = path.rsplit('/');
    let (name, resource) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    failure(404, "NotFound", &format!("{resource} {name:?} not found"))
}

fn failure(code: u16, reason: &str, message: &str) -> Response {
    answer(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}),
    )
}
