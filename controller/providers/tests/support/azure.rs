//! An Azure Key Vault in this process, with its login: Entra ID's token endpoint and the metadata service of nodes.
//!
//! Built from the REST API's description: versions, soft deletion, pages, and the challenge that answers a request without a
//! good token. Tests look into [`State`]; what it doesn't know it refuses as Key Vault does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{Reply, Seen, Stub};

/// Whom tokens must be for.
pub(crate) const RESOURCE: &str = "https://vault.azure.net";
/// The tenant of the conformance suite: its logins always work, whatever the stub beside does, and aren't in the log.
pub(crate) const QUIET_TENANT: &str = "conformance";

/// What the vault and its login hold.
pub(crate) struct State {
    /// `secrets/app` to its versions, the newest last.
    pub(crate) objects: BTreeMap<String, Vec<Value>>,
    pub(crate) deleted: BTreeSet<String>,
    /// Answers in place of the vault's own, by path without query.
    pub(crate) instead: BTreeMap<String, Reply>,
    /// An answer in place of every login's.
    pub(crate) no_login: Option<Reply>,
    /// Tokens `t<first>` up to `t<last>` are good.
    pub(crate) good: std::ops::RangeInclusive<usize>,
    pub(crate) logins: usize,
    pub(crate) lifetime: Value,
    pub(crate) resource: &'static str,
    pub(crate) page: usize,
}

/// A vault that tests can change while it runs.
#[derive(Clone)]
pub(crate) struct KeyVault(pub(crate) Arc<Mutex<State>>);

impl KeyVault {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(State {
            objects: BTreeMap::new(),
            deleted: BTreeSet::new(),
            instead: BTreeMap::new(),
            no_login: None,
            good: 1..=usize::MAX,
            logins: 0,
            lifetime: json!(3600),
            resource: RESOURCE,
            page: 25,
        })))
    }

    pub(crate) async fn stub(&self) -> Stub {
        let this = self.clone();
        Stub::start(move |seen| this.answer(seen)).await
    }

    pub(crate) fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap());
    }

    /// Puts a version of an object there, such as of `secrets/app`.
    pub(crate) fn put(&self, path: &str, mut object: Value) {
        self.change(|state| {
            let versions = state.objects.entry(path.to_owned()).or_default();
            object["id"] = json!(format!("https://team.vault.azure.net/{path}/{}", versions.len() + 1));
            versions.push(object);
        });
    }

    /// The newest version.
    pub(crate) fn get(&self, path: &str) -> Option<Value> {
        self.0.lock().unwrap().objects.get(path)?.last().cloned()
    }

    pub(crate) fn versions(&self, path: &str) -> usize {
        self.0.lock().unwrap().objects.get(path).map_or(0, Vec::len)
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        if path.ends_with("/token") {
            return self.log_in(seen);
        }
        {
            let state = self.0.lock().unwrap();
            if !state.accepts(seen.header("authorization")) {
                let challenge =
                    format!("Bearer authorization=\"https://evil.example/t\", resource=\"{}\"", state.resource);
                return error(401, "Unauthorized", "").with("www-authenticate", challenge);
            }
            if !query.starts_with("api-version=7.") {
                return error(400, "BadParameter", "");
            }
            if let Some(reply) = state.instead.get(path) {
                return reply.clone();
            }
        }
        let path = path.trim_start_matches('/');
        match (seen.method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
            ("GET", ["secrets"]) => self.list(seen, query),
            ("GET", [collection, name, version @ ..]) => self.read(&format!("{collection}/{name}"), version.first()),
            ("PUT", ["secrets" | "keys", _]) => self.write(path, seen.json()),
            ("POST", ["certificates", name, "import"]) => self.write(&format!("certificates/{name}"), seen.json()),
            ("DELETE", [_, _]) => self.delete(path),
            _ => error(404, "NotFound", ""),
        }
    }

    fn log_in(&self, seen: &Seen) -> Reply {
        self.0.lock().unwrap().log_in(seen)
    }

    fn list(&self, seen: &Seen, query: &str) -> Reply {
        let state = self.0.lock().unwrap();
        let start: usize = query.split_once("$skiptoken=").map_or(0, |(_, token)| token.parse().unwrap());
        let secrets = state.objects.iter().filter(|(path, _)| path.starts_with("secrets/"));
        let item = |(path, versions): (&String, &Vec<Value>)| {
            let newest = versions.last().unwrap();
            let id = format!("https://team.vault.azure.net/{path}");
            json!({"id": id, "attributes": newest["attributes"], "tags": newest["tags"]})
        };
        let all: Vec<Value> = secrets.map(item).collect();
        let page: Vec<&Value> = all.iter().skip(start).take(state.page).collect();
        let next = (start + state.page < all.len()).then(|| {
            let host = seen.header("host").unwrap();
            format!("http://{host}/secrets?api-version=7.0&$skiptoken={}", start + state.page)
        });
        Reply::json(200, json!({"value": page, "nextLink": next}))
    }

    fn read(&self, path: &str, version: Option<&&str>) -> Reply {
        let state = self.0.lock().unwrap();
        let versions = state.objects.get(path).map(Vec::as_slice).unwrap_or_default();
        let found = match version {
            None => versions.last(),
            Some(version) => version.parse::<usize>().ok().and_then(|n| versions.get(n.checked_sub(1)?)),
        };
        match found {
            Some(object) if object["attributes"]["enabled"] == json!(false) => {
                error(403, "Forbidden", "SecretDisabled")
            }
            Some(object) => Reply::json(200, object.clone()),
            None => missing(path),
        }
    }

    fn write(&self, path: &str, body: Value) -> Reply {
        if self.0.lock().unwrap().deleted.contains(path) {
            return error(409, "Conflict", "ObjectIsDeletedButRecoverable");
        }
        let mut object = body;
        if path.starts_with("certificates/") {
            // Imported by the tests in DER alone.
            object["cer"] = object["value"].take();
        }
        if let Some(key) = object["key"].as_object_mut() {
            key.retain(|name, _| matches!(name.as_str(), "kty" | "n" | "e" | "crv" | "x" | "y"));
        }
        self.put(path, object);
        Reply::json(200, self.get(path).unwrap())
    }

    fn delete(&self, path: &str) -> Reply {
        let mut state = self.0.lock().unwrap();
        match state.objects.remove(path) {
            None => missing(path),
            Some(_) => {
                state.deleted.insert(path.to_owned());
                Reply::json(200, json!({"recoveryId": "r"}))
            }
        }
    }
}

impl State {
    fn accepts(&self, authorization: Option<&str>) -> bool {
        let token = authorization.and_then(|header| header.strip_prefix("Bearer "));
        match token.and_then(|token| token.strip_prefix('t')?.parse::<usize>().ok()) {
            Some(number) => self.good.contains(&number),
            None => token == Some("good"),
        }
    }

    fn log_in(&mut self, seen: &Seen) -> Reply {
        if let Some(reply) = &self.no_login {
            return reply.clone();
        }
        let fields = fields(seen);
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let known = match seen.path.starts_with("/metadata/identity/") {
            true => seen.header("metadata") == Some("true") && field("resource") == self.resource,
            false => {
                let proof = match (field("client_secret"), field("client_assertion")) {
                    (secret, "") => secret == "s3cret +&",
                    (_, _) => {
                        field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
                    }
                };
                proof
                    && field("grant_type") == "client_credentials"
                    && field("client_id") == "app-id"
                    && field("scope") == format!("{}/.default", self.resource)
            }
        };
        if !known {
            return bad_client();
        }
        self.logins += 1;
        Reply::json(200, json!({"access_token": format!("t{}", self.logins), "expires_in": self.lifetime}))
    }
}

/// The fields of a form, or of the query.
pub(crate) fn fields(seen: &Seen) -> BTreeMap<String, String> {
    let text = if seen.method == "POST" { seen.body.as_str() } else { seen.path.split_once('?').unwrap().1 };
    reqwest::Url::parse(&format!("http://x/?{text}")).unwrap().query_pairs().into_owned().collect()
}

/// Key Vault's form of an error.
pub(crate) fn error(status: u16, code: &str, inner: &str) -> Reply {
    Reply::json(
        status,
        json!({"error": {"code": code, "message": "canary request id: 1-2-3", "innererror": {"code": inner}}}),
    )
}

/// Entra ID's answer to a wrong client secret.
pub(crate) fn bad_client() -> Reply {
    Reply::json(
        401,
        json!({"error": "invalid_client", "error_description": "AADSTS7000215: canary 1-2-3", "error_codes": [7_000_215]}),
    )
}

fn missing(path: &str) -> Reply {
    let code = match path.split('/').next() {
        Some("secrets") => "SecretNotFound",
        Some("keys") => "KeyNotFound",
        _ => "CertificateNotFound",
    };
    error(404, code, "")
}

/// The login of [`QUIET_TENANT`].
pub(crate) fn quiet_login(seen: &Seen) -> Option<Reply> {
    if seen.path != format!("/{QUIET_TENANT}/oauth2/v2.0/token") {
        return None;
    }
    let token = match fields(seen).get("client_secret").map(String::as_str) {
        Some("good") => "good",
        Some("leaked-token") => "leaked-access-token",
        _ => return None,
    };
    Some(Reply::json(200, json!({"access_token": token, "expires_in": 3600})))
}
