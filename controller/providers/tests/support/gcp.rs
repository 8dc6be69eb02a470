//! Google as the provider sees it: a Secret Manager that keeps what it is told, and the servers that grant tokens.
//!
//! Built from the vendor's REST reference (Secret Manager v1, OAuth 2.0 for service accounts, Security Token Service,
//! IAM Service Account Credentials, Compute Engine metadata). Paths and texts are theirs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use providers::GcpEnvironment;
use serde_json::{Value, json};

use super::{Reply, Seen};

/// One key for all tests: making one takes a while.
fn pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// Where [`quiet_key`]s log in.
const QUIET: &str = "/quiet/token";

/// A service account key whose login always works, whatever the stub beside does, and isn't in the log. Its token is `token`.
pub(crate) fn quiet_key(url: &str, token: &str) -> String {
    key(&format!("{url}{QUIET}"), token)
}

/// The login of [`quiet_key`]s.
pub(crate) fn quiet_login(seen: &Seen) -> Option<Reply> {
    if seen.path != QUIET {
        return None;
    }
    let claims = assertion(seen).ok()?;
    let token = claims["iss"].as_str()?.split('@').next()?;
    Some(Reply::json(200, json!({"access_token": token, "expires_in": 3600})))
}

/// A service account key as Google hands it out, with the token server at `url`.
pub(crate) fn key_file(url: &str) -> String {
    key(&format!("{url}/token"), "sa")
}

fn key(token_uri: &str, name: &str) -> String {
    let der: Pkcs8V1Der<'static> = pair().as_der().unwrap();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", STANDARD.encode(der.as_ref()));
    json!({"type": "service_account", "project_id": "p", "private_key_id": "7", "private_key": pem,
        "client_email": format!("{name}@p.iam.gserviceaccount.com"), "token_uri": token_uri})
    .to_string()
}

/// An environment in which every server of Google is at `url`.
pub(crate) fn everywhere(url: &str) -> GcpEnvironment {
    let endpoint = Some(url.to_owned());
    GcpEnvironment {
        secret_manager_endpoint: endpoint.clone(),
        sts_endpoint: endpoint.clone(),
        secure_token_endpoint: endpoint.clone(),
        iam_credentials_endpoint: endpoint,
        metadata_host: url.strip_prefix("http://").map(str::to_owned),
        application_credentials: None,
    }
}

/// A form's fields, decoded.
pub(crate) fn fields(body: &str) -> BTreeMap<String, String> {
    reqwest::Url::parse(&format!("http://h/?{body}")).unwrap().query_pairs().into_owned().collect()
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) annotations: BTreeMap<String, String>,
    /// What it was created with beside labels and annotations.
    pub(crate) more: Value,
    /// Bytes and state, oldest first.
    pub(crate) versions: Vec<(Vec<u8>, &'static str)>,
    pub(crate) etag: u64,
}

impl Stored {
    pub(crate) fn of(versions: &[&str]) -> Self {
        let versions = versions.iter().map(|text| (text.as_bytes().to_vec(), "ENABLED")).collect();
        Self { versions, ..Self::default() }
    }

    pub(crate) fn labelled(mut self, labels: &[(&str, &str)]) -> Self {
        self.labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self
    }

    pub(crate) fn ours(self) -> Self {
        self.labelled(&[("managed-by", "external-secrets")])
    }
}

/// All of Google.
#[derive(Default)]
pub(crate) struct Google {
    pub(crate) secrets: Mutex<BTreeMap<String, Stored>>,
    /// Number of the newest token; tokens are `t1`, `t2`, …
    pub(crate) issued: AtomicUsize,
    /// Tokens up to this one are refused.
    pub(crate) revoked: AtomicUsize,
    pub(crate) lifetime: AtomicU64,
    /// Status of whatever grants tokens, if it shall fail.
    pub(crate) token_status: Mutex<Option<u16>>,
    /// Status of calls by their method and path's end, if they shall fail.
    pub(crate) faults: Mutex<Vec<(&'static str, &'static str, u16)>>,
    /// Secrets of a page.
    pub(crate) page: usize,
    pub(crate) damaged: bool,
}

impl Google {
    pub(crate) fn of(secrets: &[(&str, Stored)]) -> Arc<Self> {
        let secrets = secrets.iter().map(|(id, stored)| ((*id).to_owned(), stored.clone())).collect();
        Arc::new(Self { secrets: Mutex::new(secrets), lifetime: AtomicU64::new(3600), page: 2, ..Self::default() })
    }

    pub(crate) async fn stub(self: &Arc<Self>) -> super::Stub {
        let google = Arc::clone(self);
        super::Stub::start(move |seen| google.answer(seen)).await
    }

    pub(crate) fn stored(&self, id: &str) -> Option<Stored> {
        self.secrets.lock().unwrap().get(id).cloned()
    }

    pub(crate) fn newest(&self, id: &str) -> Option<(String, usize)> {
        let stored = self.stored(id)?;
        let (bytes, _) = stored.versions.last()?;
        Some((String::from_utf8(bytes.clone()).unwrap(), stored.versions.len()))
    }

    /// What grants tokens; `None` if the request is for something else.
    pub(crate) fn login(&self, seen: &Seen) -> Option<Reply> {
        let path = seen.path.as_str();
        let about = path.strip_prefix("/v1/projects/-/serviceAccounts/").and_then(|rest| rest.split_once(':'));
        let iam = about.is_some();
        let metadata = path.starts_with("/computeMetadata/v1/");
        if !iam && !metadata && !matches!(path, "/token" | "/v1/token" | "/v1/identitybindingtoken") {
            return None;
        }
        if let Some(status) = *self.token_status.lock().unwrap() {
            return Some(Reply::json(status, json!({"error": "canary", "error_description": "canary"})));
        }
        if metadata {
            return Some(self.metadata(seen));
        }
        if about.is_some_and(|(_, call)| call != "generateAccessToken") && !self.is_good(seen) {
            return Some(refused(401, "UNAUTHENTICATED", "canary"));
        }
        match about {
            Some((email, "signJwt")) => {
                let jwt = signed(email, &seen.json()["payload"]);
                return Some(Reply::json(200, json!({"keyId": "1", "signedJwt": jwt})));
            }
            Some((email, "generateIdToken")) => {
                return Some(Reply::json(200, json!({"token": signed(email, &seen.json())})));
            }
            _ => {}
        }
        if path == "/token" && fields(&seen.body).get("grant_type").is_some_and(|grant| grant.ends_with("jwt-bearer")) {
            match assertion(seen) {
                Ok(claims) if claims["target_audience"].is_string() => {
                    return Some(Reply::json(200, json!({"id_token": signed("token", &claims)})));
                }
                Ok(_) => {}
                Err(why) => {
                    return Some(Reply::json(400, json!({"error": "invalid_grant", "error_description": why})));
                }
            }
        }
        let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
        let lifetime = self.lifetime.load(Ordering::SeqCst);
        let token = format!("t{number}");
        Some(Reply::json(
            200,
            match iam {
                true => json!({"accessToken": token, "expireTime": "2026-01-01T00:00:00Z"}),
                false => json!({"access_token": token, "expires_in": lifetime, "token_type": "Bearer"}),
            },
        ))
    }

    fn metadata(&self, seen: &Seen) -> Reply {
        if seen.header("metadata-flavor") != Some("Google") {
            return Reply::text(403, "canary");
        }
        match seen.path.as_str() {
            "/computeMetadata/v1/project/project-id" => Reply::text(200, "p"),
            "/computeMetadata/v1/instance/attributes/cluster-location" => Reply::text(200, "europe-west1"),
            "/computeMetadata/v1/instance/attributes/cluster-name" => Reply::text(200, "c\n"),
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                let number = self.issued.fetch_add(1, Ordering::SeqCst) + 1;
                Reply::json(200, json!({"access_token": format!("t{number}"), "expires_in": 3600}))
            }
            path => match path.strip_prefix("/computeMetadata/v1/instance/service-accounts/default/identity?") {
                Some(query) => Reply::text(200, signed("machine", &json!(fields(query)))),
                None => Reply::text(404, "<html>"),
            },
        }
    }

    fn is_good(&self, seen: &Seen) -> bool {
        let token = seen.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        match token.and_then(|token| token.strip_prefix('t')?.parse::<usize>().ok()) {
            Some(number) => number > self.revoked.load(Ordering::SeqCst),
            None => token == Some("good"),
        }
    }

    pub(crate) fn answer(&self, seen: &Seen) -> Reply {
        if let Some(reply) = self.login(seen) {
            return reply;
        }
        if !self.is_good(seen) {
            return refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. canary 1-2-3");
        }
        self.secret_manager(seen)
    }

    /// Secret Manager alone, whoever asks.
    pub(crate) fn secret_manager(&self, seen: &Seen) -> Reply {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let faults = self.faults.lock().unwrap();
        if let Some((_, _, status)) =
            faults.iter().find(|(method, end, _)| seen.method == *method && path.ends_with(end))
        {
            return refused(*status, "UNAVAILABLE", "canary");
        }
        drop(faults);
        let query = fields(query);
        // Google answers with the project's number.
        let (parent, rest) = match path.strip_prefix("/v1/projects/p/locations/l") {
            Some(rest) => ("projects/1/locations/l", rest),
            None => match path.strip_prefix("/v1/projects/p") {
                Some(rest) => ("projects/1", rest),
                None => return refused(403, "PERMISSION_DENIED", "canary"),
            },
        };
        let Some(rest) = rest.strip_prefix("/secrets") else { return Reply::text(404, "<html>canary") };
        let method = seen.method.as_str();
        if rest.is_empty() {
            return match method {
                "GET" => self.list(parent, &query),
                "POST" => self.create(parent, &query["secretId"], &seen.json()),
                _ => Reply::text(405, ""),
            };
        }
        let rest = rest.trim_start_matches('/');
        match rest.split_once('/') {
            None => match rest.split_once(':') {
                Some((id, "addVersion")) if method == "POST" => self.add(parent, id, &seen.json()),
                Some(_) => Reply::text(404, "<html>canary"),
                None => self.one(parent, rest, method, &query, &seen.json()),
            },
            Some((id, "versions")) => self.versions(parent, id, &query),
            Some((id, version)) => {
                let version = version.strip_prefix("versions/").and_then(|version| version.strip_suffix(":access"));
                version.map_or_else(|| Reply::text(404, "<html>canary"), |version| self.access(parent, id, version))
            }
        }
    }

    fn list(&self, parent: &str, query: &BTreeMap<String, String>) -> Reply {
        let start: usize = query.get("pageToken").map_or(0, |token| token.parse().unwrap());
        let secrets = self.secrets.lock().unwrap();
        // `labels.k=v` is understood; a part of a name is left to the asker.
        let filter = query.get("filter").map(String::as_str).unwrap_or_default();
        let labels: Vec<(&str, &str)> =
            filter.split(' ').filter_map(|term| term.strip_prefix("labels.")?.split_once('=')).collect();
        let matching: Vec<Value> = secrets
            .iter()
            .filter(|(_, stored)| labels.iter().all(|(k, v)| stored.labels.get(*k).is_some_and(|held| held == v)))
            .map(|(id, stored)| shown(parent, id, stored))
            .collect();
        let end = (start + self.page).min(matching.len());
        let mut page = json!({});
        if start < end {
            page["secrets"] = matching[start..end].into();
        }
        if end < matching.len() {
            page["nextPageToken"] = end.to_string().into();
        }
        Reply::json(200, page)
    }

    fn create(&self, parent: &str, id: &str, body: &Value) -> Reply {
        let mut secrets = self.secrets.lock().unwrap();
        if secrets.contains_key(id) {
            return refused(409, "ALREADY_EXISTS", "Secret already exists. canary");
        }
        let texts = |field: &str| serde_json::from_value(body[field].clone()).unwrap_or_default();
        let mut more = body.clone();
        for field in ["labels", "annotations"] {
            more.as_object_mut().unwrap().remove(field);
        }
        let stored =
            Stored { labels: texts("labels"), annotations: texts("annotations"), more, etag: 1, ..Stored::default() };
        let answer = shown(parent, id, &stored);
        secrets.insert(id.to_owned(), stored);
        Reply::json(200, answer)
    }

    fn one(&self, parent: &str, id: &str, method: &str, query: &BTreeMap<String, String>, body: &Value) -> Reply {
        let mut secrets = self.secrets.lock().unwrap();
        let Some(stored) = secrets.get_mut(id) else { return missing(parent, id) };
        let etag = body["etag"].as_str().map(str::to_owned).or_else(|| query.get("etag").cloned());
        if etag.is_some_and(|etag| etag != format!("\"{}\"", stored.etag)) {
            return refused(400, "FAILED_PRECONDITION", "The etag provided does not match. canary");
        }
        match method {
            "GET" => Reply::json(200, shown(parent, id, stored)),
            "PATCH" => {
                assert_eq!(query["updateMask"], "labels,annotations");
                stored.labels = serde_json::from_value(body["labels"].clone()).unwrap();
                stored.annotations = serde_json::from_value(body["annotations"].clone()).unwrap();
                stored.etag += 1;
                Reply::json(200, shown(parent, id, stored))
            }
            "DELETE" => {
                secrets.remove(id);
                Reply::json(200, json!({}))
            }
            _ => Reply::text(405, ""),
        }
    }

    fn add(&self, parent: &str, id: &str, body: &Value) -> Reply {
        let mut secrets = self.secrets.lock().unwrap();
        let Some(stored) = secrets.get_mut(id) else { return missing(parent, id) };
        let data = STANDARD.decode(body["payload"]["data"].as_str().unwrap()).unwrap();
        if body["payload"]["dataCrc32c"].as_str() != Some(crc32c(&data).to_string().as_str()) {
            return refused(400, "INVALID_ARGUMENT", "The checksum doesn't match. canary");
        }
        stored.versions.push((data, "ENABLED"));
        let name = format!("{parent}/secrets/{id}/versions/{}", stored.versions.len());
        Reply::json(200, json!({"name": name, "state": "ENABLED"}))
    }

    fn versions(&self, parent: &str, id: &str, query: &BTreeMap<String, String>) -> Reply {
        assert_eq!(query["filter"], "state:ENABLED");
        let start: usize = query.get("pageToken").map_or(0, |token| token.parse().unwrap());
        let secrets = self.secrets.lock().unwrap();
        let Some(stored) = secrets.get(id) else { return missing(parent, id) };
        let enabled = stored.versions.iter().enumerate().filter(|(_, (_, state))| *state == "ENABLED");
        let names: Vec<Value> = enabled
            .map(|(at, _)| json!({"name": format!("{parent}/secrets/{id}/versions/{}", at + 1), "state": "ENABLED"}))
            .collect();
        let end = (start + self.page).min(names.len());
        let mut page = json!({"versions": names[start..end]});
        if end < names.len() {
            page["nextPageToken"] = end.to_string().into();
        }
        Reply::json(200, page)
    }

    fn access(&self, parent: &str, id: &str, version: &str) -> Reply {
        let secrets = self.secrets.lock().unwrap();
        let Some(stored) = secrets.get(id).filter(|stored| !stored.versions.is_empty()) else {
            return missing(parent, id);
        };
        let number = if version == "latest" { stored.versions.len() } else { version.parse().unwrap_or(0) };
        let name = format!("{parent}/secrets/{id}/versions/{number}");
        match number.checked_sub(1).and_then(|at| stored.versions.get(at)) {
            None => refused(404, "NOT_FOUND", &format!("Secret Version [{name}] not found.")),
            Some((bytes, "ENABLED")) => {
                let sum = if self.damaged { 1 } else { crc32c(bytes) };
                let payload = json!({"data": STANDARD.encode(bytes), "dataCrc32c": sum.to_string()});
                Reply::json(200, json!({"name": name, "payload": payload}))
            }
            Some((_, state)) => {
                refused(400, "FAILED_PRECONDITION", &format!("Secret Version [{name}] is in {state} state. canary"))
            }
        }
    }
}

fn shown(parent: &str, id: &str, stored: &Stored) -> Value {
    let mut secret = json!({"name": format!("{parent}/secrets/{id}"), "createTime": "2026-01-01T00:00:00Z",
        "etag": format!("\"{}\"", stored.etag)});
    for (field, map) in [("labels", &stored.labels), ("annotations", &stored.annotations)] {
        if !map.is_empty() {
            secret[field] = json!(map);
        }
    }
    secret
}

fn missing(parent: &str, id: &str) -> Reply {
    refused(404, "NOT_FOUND", &format!("Secret [{parent}/secrets/{id}] not found or has no versions."))
}

pub(crate) fn refused(code: u16, status: &str, message: &str) -> Reply {
    Reply::json(code, json!({"error": {"code": code, "message": message, "status": status}}))
}

/// A JWT that its signer is the signature of. Claims may be a text, as IAM takes them.
fn signed(signer: &str, claims: &Value) -> String {
    let claims = claims.as_str().map_or_else(|| claims.to_string(), str::to_owned);
    ["{}", &claims, signer].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
}

/// The claims of a JWT that the stub signed, and the signer.
pub(crate) fn claims(jwt: &str) -> (Value, String) {
    let parts: Vec<Vec<u8>> = jwt.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    (serde_json::from_slice(&parts[1]).unwrap(), String::from_utf8(parts[2].clone()).unwrap())
}

/// The claims of a signed JWT, if its signature is good.
fn assertion(seen: &Seen) -> Result<Value, &'static str> {
    let form = fields(&seen.body);
    let (signed, signature) = form.get("assertion").and_then(|jwt| jwt.rsplit_once('.')).ok_or("no assertion")?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair().public_key().as_ref());
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "no base64")?;
    public.verify(signed.as_bytes(), &signature).map_err(|_| "bad signature")?;
    let claims = URL_SAFE_NO_PAD.decode(signed.split('.').nth(1).unwrap()).unwrap();
    Ok(serde_json::from_slice(&claims).unwrap())
}

/// By the definition, bit by bit.
pub(crate) fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum: u32, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (if sum & 1 == 1 { 0x82f6_3b78 } else { 0 }))
    })
}
