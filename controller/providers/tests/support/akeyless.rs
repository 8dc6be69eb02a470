//! Akeyless in a stub, after its published API of version 2: logins, items of each type, lists in pages, writes.
//!
//! Tokens are `t-1`, `t-2`, … The access id `AKID` with the key `SECRET` is admitted, and the id `p-k8s` with any service
//! account's token for the configuration `cluster`, the id `p-aws` with a proof by the key `KEY-pod`, and `AKID` with any
//! cloud id of Google or Azure.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::backends::DATA;
use super::sigv4::Passed;
use super::{Reply, Seen, Stub};

pub(crate) const AUTH: &str = "POST /v2/auth";

/// What Akeyless keeps of one item.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As in `item_type`.
    pub(crate) kind: &'static str,
    pub(crate) tags: Vec<String>,
    /// Oldest first: texts of static secrets, whole answers of others.
    pub(crate) versions: Vec<Value>,
}

/// What Akeyless holds.
pub(crate) struct Account {
    pub(crate) items: Mutex<BTreeMap<String, Item>>,
    /// Number of the newest token.
    pub(crate) issued: AtomicUsize,
    /// Tokens up to this one are refused.
    pub(crate) revoked: AtomicUsize,
    /// Items on a page of a list.
    page: usize,
}

pub(crate) fn item(kind: &'static str, value: Value) -> Item {
    Item { kind, tags: Vec::new(), versions: vec![value] }
}

impl Account {
    pub(crate) fn of(items: Vec<(String, Item)>) -> Arc<Self> {
        let items = Mutex::new(items.into_iter().collect());
        Arc::new(Self { items, issued: 0.into(), revoked: 0.into(), page: 3 })
    }

    /// With the data set of the conformance suite.
    pub(crate) fn conforming() -> Arc<Self> {
        let versions = vec![json!(r#"{"user":"old"}"#), json!(DATA)];
        Self::of(vec![("app".to_owned(), Item { versions, ..item("STATIC_SECRET", json!("")) })])
    }

    pub(crate) async fn stub(self: &Arc<Self>) -> Stub {
        let account = Arc::clone(self);
        Stub::start(move |seen| account.answer(seen)).await
    }

    /// The newest value of a static secret.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        self.items.lock().unwrap().get(name)?.versions.last()?.as_str().map(str::to_owned)
    }

    pub(crate) fn answer(&self, seen: &Seen) -> Reply {
        let refusal = |status: u16| Reply::json(status, json!({"error": "canary 1-2-3"}));
        let Some(command) = seen.path.strip_prefix("/v2/").filter(|_| seen.method == "POST") else {
            return Reply::text(404, "<html>");
        };
        let body = seen.json();
        if command == "auth" {
            return self.token(&body);
        }
        let number: usize = body["token"].as_str().and_then(|t| t.strip_prefix("t-")?.parse().ok()).unwrap_or_default();
        if number == 0 || number <= self.revoked.load(Ordering::SeqCst) {
            return refusal(401);
        }
        let name = body["name"].as_str().or(body["names"].as_str()).or(body["names"][0].as_str()).unwrap_or_default();
        if name.starts_with("/locked/") {
            return refusal(403);
        }
        let mut items = self.items.lock().unwrap();
        if command == "list-items" {
            return self.list(&items, &body);
        }
        if command == "create-secret" {
            if items.contains_key(name) {
                return refusal(409);
            }
            let tags = body["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect();
            items.insert(name.to_owned(), Item { tags, ..item("STATIC_SECRET", body["value"].clone()) });
            return Reply::json(200, json!({"name": name}));
        }
        let Some(item) = items.get_mut(name) else { return refusal(404) };
        let version = usize::try_from(body["version"].as_u64().unwrap_or_default()).unwrap();
        let newest = item.versions.len();
        let value = item.versions.get(if version == 0 { newest - 1 } else { version - 1 });
        match (command, item.kind) {
            ("describe-item", kind) => Reply::json(
                200,
                json!({"item_name": name, "item_type": kind, "item_tags": item.tags, "last_version": newest}),
            ),
            ("get-secret-value", "STATIC_SECRET") => {
                value.map_or_else(|| refusal(404), |value| Reply::json(200, json!({name: value})))
            }
            ("get-dynamic-secret-value", "DYNAMIC_SECRET")
            | ("get-rotated-secret-value", "ROTATED_SECRET")
            | ("get-certificate-value", "CERTIFICATE") => {
                value.map_or_else(|| refusal(404), |value| Reply::json(200, value.clone()))
            }
            ("update-secret-val", "STATIC_SECRET") => {
                item.versions.push(body["value"].clone());
                Reply::json(200, json!({"name": name, "version": newest + 1}))
            }
            ("delete-item", _) => {
                items.remove(name);
                Reply::json(200, json!({"item_name": name, "version": -1}))
            }
            _ => refusal(400),
        }
    }

    fn token(&self, body: &Value) -> Reply {
        let good = match body["access-type"].as_str() {
            Some("access_key") => body["access-id"] == "AKID" && body["access-key"] == "SECRET",
            Some("k8s") => {
                body["access-id"] == "p-k8s"
                    && body["k8s-auth-config-name"] == "cluster"
                    && body["k8s-service-account-token"].as_str().is_some_and(|token| !token.is_empty())
            }
            Some("gcp" | "azure_ad") => {
                let id = body["cloud-id"].as_str().map(|id| STANDARD.decode(id).unwrap()).unwrap_or_default();
                body["access-id"] == "AKID" && !id.is_empty()
            }
            Some("aws_iam") => body["access-id"] == "p-aws" && proved(&body["cloud-id"]).as_deref() == Some("KEY-pod"),
            _ => false,
        };
        if !good {
            return Reply::json(401, json!({"error": "canary 1-2-3"}));
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        granted(&format!("t-{number}"))
    }

    fn list(&self, items: &BTreeMap<String, Item>, body: &Value) -> Reply {
        let kind = |item: &Item| item.kind.to_lowercase().replace('_', "-");
        let wanted = |(name, item): &(&String, &Item)| {
            let typed = body["type"].as_array().is_some_and(|types| types.contains(&json!(kind(item))));
            let tagged = body["tag"].as_str().is_none_or(|tag| item.tags.iter().any(|held| held == tag));
            // As Akeyless does: anywhere in the name.
            typed && tagged && name.contains(body["filter"].as_str().unwrap_or_default())
        };
        let all: Vec<_> = items.iter().filter(wanted).collect();
        let from: usize = body["pagination-token"].as_str().and_then(|token| token.parse().ok()).unwrap_or_default();
        let shown: Vec<Value> = all
            .iter()
            .skip(from)
            .take(self.page)
            .map(|(name, item)| {
                let minimal = body["minimal-view"] == true;
                if minimal { json!({"item_name": name}) } else { json!({"item_name": name, "item_type": item.kind}) }
            })
            .collect();
        let next = if from + self.page < all.len() { json!((from + self.page).to_string()) } else { json!("") };
        let shown = if shown.is_empty() { Value::Null } else { json!(shown) };
        Reply::json(200, json!({"items": shown, "folders": [], "next_page": next}))
    }
}

/// Who signed what a `cloud-id` holds.
fn proved(cloud_id: &Value) -> Option<String> {
    let parts: Value = serde_json::from_slice(&STANDARD.decode(cloud_id.as_str()?).ok()?).ok()?;
    let known = ["sts_request_body", "sts_request_headers", "sts_request_method", "sts_request_url"];
    assert_eq!(parts.as_object()?.keys().collect::<Vec<_>>(), known);
    assert_eq!(parts["sts_request_method"], "POST");
    let [body, headers, _, url] = known.map(|name| &parts[name]);
    let passed = Passed::decoded(url, headers, body);
    assert_eq!(passed.body, "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(passed.url.starts_with("https://sts."), "{passed:?}");
    passed.signer("s")
}

/// The answer to a login that is admitted.
pub(crate) fn granted(token: &str) -> Reply {
    Reply::json(200, json!({"token": token, "creds": {"expiry": 0}}))
}
