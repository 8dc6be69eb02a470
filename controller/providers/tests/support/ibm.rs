//! IBM Cloud: IAM and an instance of Secrets Manager in one stub, after their published APIs.
//!
//! Tokens are `iam-1`, `iam-2`, … The API key `good` is admitted, and so is any compute resource token for the profile
//! `team`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::backends::DATA;
use super::{Reply, Seen, Stub};

pub(crate) const TOKEN: &str = "POST /identity/token";

/// What the cloud holds.
pub(crate) struct Cloud {
    secrets: Mutex<Vec<Value>>,
    /// Number of the newest token.
    pub(crate) issued: AtomicUsize,
    /// Tokens up to this one are refused.
    pub(crate) revoked: AtomicUsize,
    /// `expires_in`.
    pub(crate) lifetime: u64,
}

impl Cloud {
    /// With these secrets, as the API shows them.
    pub(crate) fn of(secrets: Vec<Value>, lifetime: u64) -> Arc<Self> {
        Arc::new(Self { secrets: Mutex::new(secrets), issued: 0.into(), revoked: 0.into(), lifetime })
    }

    /// With the data set of the conformance suite, in the group `team`.
    pub(crate) fn conforming() -> Arc<Self> {
        let data: Value = serde_json::from_str(DATA).unwrap();
        Self::of(vec![secret("kv", "app", json!({"data": data}))], 3600)
    }

    pub(crate) async fn stub(self: &Arc<Self>) -> Stub {
        let cloud = Arc::clone(self);
        Stub::start(move |seen| cloud.answer(seen)).await
    }

    pub(crate) fn remove(&self, name: &str) {
        self.secrets.lock().unwrap().retain(|secret| secret["name"] != name);
    }

    fn answer(&self, seen: &Seen) -> Reply {
        if seen.line() == TOKEN {
            return self.token(seen);
        }
        let token = seen.header("authorization").and_then(|text| text.strip_prefix("Bearer iam-"));
        let number: usize = token.and_then(|number| number.parse().ok()).unwrap_or_default();
        if number == 0 || number <= self.revoked.load(Ordering::SeqCst) {
            return refusal(401, "unauthorized");
        }
        let parts: Vec<&str> = seen.path.split('/').skip(1).collect();
        let secrets = self.secrets.lock().unwrap();
        let found = match parts.as_slice() {
            ["api", "v2", "secrets", id] => secrets.iter().find(|secret| secret["id"] == *id),
            ["api", "v2", "secret_groups", "locked", ..] => return refusal(403, "forbidden"),
            ["api", "v2", "secret_groups", "team", "secret_types", kind, "secrets", name] => {
                secrets.iter().find(|secret| secret["secret_type"] == *kind && secret["name"] == *name)
            }
            _ => None,
        };
        if seen.method != "GET" {
            return refusal(405, "method_not_allowed");
        }
        found.map_or_else(|| refusal(404, "not_found"), |secret| Reply::json(200, secret.clone()))
    }

    fn token(&self, seen: &Seen) -> Reply {
        let form = |name: &str| seen.body.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let good = match form("grant_type") {
            Some("urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey") => form("apikey") == Some("good"),
            Some("urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Acr-token") => {
                form("cr_token").is_some_and(|token| !token.is_empty()) && form("profile_name") == Some("team")
            }
            _ => false,
        };
        if !good || seen.header("content-type") != Some("application/x-www-form-urlencoded") {
            let context = json!({"requestId": "1-2-3"});
            return Reply::json(400, json!({"errorCode": "BXNIM0415E", "errorMessage": "canary", "context": context}));
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        granted(&format!("iam-{number}"), self.lifetime)
    }
}

/// IAM's answer to a login that is admitted.
pub(crate) fn granted(token: &str, lifetime: u64) -> Reply {
    Reply::json(
        200,
        json!({"access_token": token, "refresh_token": "not_supported", "token_type": "Bearer",
            "expires_in": lifetime, "expiration": 1_700_000_000_u64 + lifetime, "scope": "ibm openid"}),
    )
}

fn refusal(status: u16, code: &str) -> Reply {
    let errors = json!([{"code": code, "message": "canary"}]);
    Reply::json(status, json!({"status_code": status, "errors": errors, "trace": "canary-1-2-3"}))
}

/// A secret as the API shows it: its metadata and `fields`.
pub(crate) fn secret(kind: &str, name: &str, fields: Value) -> Value {
    let mut secret = json!({"id": id(name), "name": name, "secret_type": kind, "secret_group_id": "default",
        "labels": ["a", "b"], "versions_total": 1, "custom_metadata": {"k": "v"}, "description": null});
    secret.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    secret
}

/// The id of the secret with that name.
pub(crate) fn id(name: &str) -> String {
    let number: u64 = name.bytes().map(u64::from).sum();
    format!("0b5ee9f0-4b36-4c8f-9f7a-{number:012x}")
}
