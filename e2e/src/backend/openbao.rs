//! OpenBao in dev mode, which also stands for Vault: in memory, unsealed, KV v2 at `secret/` and KV v1 at `kv1/`; over HTTP,
//! and over TLS with an authority of its own.

use std::fs;
use std::path::{Path, PathBuf};

use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{answering, http_client, json_of};
use crate::deps;
use crate::error::{Context, Result};
use crate::guarded::{Guarded, Launch};
use crate::pki::Pki;
use crate::ports;

/// A running OpenBao.
pub struct OpenBao {
    address: String,
    client: Client,
    server: Option<Guarded>,
    audit: PathBuf,
    tls: Option<Tls>,
}

/// One request, as the server's audit log has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `read`, `list`, `update`, …: a login is an `update`.
    pub operation: String,
    /// Without `/v1/`, such as `secret/data/app` or `auth/kubernetes/login`.
    pub path: String,
}

/// The listener with TLS.
struct Tls {
    address: String,
    pki: Pki,
}

/// Credentials of an AppRole.
#[derive(Clone, Debug)]
pub struct AppRole {
    /// `role_id`.
    pub role_id: String,
    /// `secret_id`.
    pub secret_id: String,
}

impl OpenBao {
    /// The token that may do everything.
    pub const ROOT_TOKEN: &str = "root";

    /// Starts a server; its log goes to `folder`.
    ///
    /// # Errors
    /// If it can't be installed or doesn't answer.
    pub async fn start(folder: &Path) -> Result<Self> {
        let [port, tls_port] = ports::free()?;
        let address = format!("http://127.0.0.1:{port}");
        let (tls, config) = Tls::prepare(&folder.join("openbao-tls"), tls_port)?;
        let (audited, audit) = (folder.join("openbao-audit.hcl"), folder.join("openbao-audit.log"));
        // Not as JSON: the server doesn't take this block so.
        let device =
            format!("audit \"file\" \"log\" {{ options {{ file_path = {:?} }} }}", audit.display().to_string());
        fs::write(&audited, device).context(audited.display())?;
        let mut server = Launch::new("openbao", deps::backends()?.join("bao"), folder)
            .args(["server", "-dev", "-dev-no-store-token"])
            .args([format!("-dev-root-token-id={}", Self::ROOT_TOKEN)])
            .args([format!("-dev-listen-address=127.0.0.1:{port}")])
            .args([format!("-config={config}"), format!("-config={}", audited.display())])
            .env([("HOME", folder.display().to_string())])
            .spawn()?;
        let client = http_client()?;
        answering(&client, &format!("{address}/v1/sys/health"), &mut server).await?;
        let this = Self { address, client, server: Some(server), audit, tls: Some(tls) };
        this.initialised("secret").await?;
        this.call(Method::POST, "sys/mounts/kv1", json!({"type": "kv", "options": {"version": "1"}})).await?;
        let policy = r#"path "*" { capabilities = ["read", "list"] }"#;
        this.call(Method::PUT, "sys/policies/acl/reader", json!({ "policy": policy })).await?;
        Ok(this)
    }

    /// Speaks to a server that runs already, such as the demo's.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn at(address: &str) -> Result<Self> {
        Ok(Self { address: address.to_owned(), client: http_client()?, server: None, audit: PathBuf::new(), tls: None })
    }

    /// Every request so far, from the server's own audit log; empty for one that ran already.
    ///
    /// # Errors
    /// If the log holds something else than JSON lines.
    pub fn audit(&self) -> Result<Vec<Asked>> {
        let log = fs::read_to_string(&self.audit).unwrap_or_default();
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).context(self.audit.display()));
        let asked = entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry["type"] == "request"));
        let part = |entry: &Value, name| text(&entry["request"][name], name);
        asked
            .map(|entry| {
                entry.and_then(|entry| Ok(Asked { operation: part(&entry, "operation")?, path: part(&entry, "path")? }))
            })
            .collect()
    }

    /// The server answers before its dev set-up is done, of which the mount at `secret/` is the last thing, and a new mount
    /// of version 2 takes writes only a moment later.
    async fn initialised(&self, mount: &str) -> Result<()> {
        let path = format!("{mount}/data/e2e-is-ready");
        let mut last = Ok(Value::Null);
        for _ in 0..200 {
            last = self.call(Method::POST, &path, json!({"data": {"ready": "yes"}})).await;
            if last.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(25)).await;
        }
        last.map(|_| ())
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Its URL with TLS, and the authority of its certificate, PEM.
    ///
    /// # Errors
    /// If somebody else started it.
    pub fn tls(&self) -> Result<(&str, &str)> {
        let tls = self.tls.as_ref().context("only who started OpenBao knows its authority")?;
        Ok((&tls.address, tls.pki.ca()))
    }

    /// Calls the API with the root token: `path` without `/v1/`, a `null` body sends none.
    ///
    /// # Errors
    /// If the answer isn't a success.
    pub async fn call(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        let what = format!("OpenBao {method} {path}");
        let mut request = self.client.request(method, format!("{}/v1/{path}", self.address));
        request = request.header("X-Vault-Token", Self::ROOT_TOKEN);
        if !body.is_null() {
            request = request.json(&body);
        }
        json_of(request.send().await.context(&what)?, &what).await
    }

    /// Writes a secret to the KV v2 mount at `secret/`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn write(&self, key: &str, data: Value) -> Result<()> {
        self.call(Method::POST, &format!("secret/data/{key}"), json!({ "data": data })).await?;
        Ok(())
    }

    /// Writes a secret to the KV v1 mount at `kv1/`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn write_v1(&self, key: &str, data: Value) -> Result<()> {
        self.call(Method::POST, &format!("kv1/{key}"), data).await?;
        Ok(())
    }

    /// Deletes a secret of the KV v2 mount with all its versions.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn delete(&self, key: &str) -> Result<()> {
        self.call(Method::DELETE, &format!("secret/metadata/{key}"), Value::Null).await?;
        Ok(())
    }

    /// Makes a token that may read everything.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn reader_token(&self) -> Result<String> {
        let body = json!({"policies": ["reader"], "no_parent": true, "ttl": "24h"});
        let made = self.call(Method::POST, "auth/token/create", body).await?;
        text(&made["auth"]["client_token"], "a created token")
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn revoke(&self, token: &str) -> Result<()> {
        self.call(Method::POST, "auth/token/revoke", json!({ "token": token })).await?;
        Ok(())
    }

    /// Switches AppRole on and makes a role that may read everything.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn approle(&self, role: &str) -> Result<AppRole> {
        self.auth_method("approle").await?;
        let path = format!("auth/approle/role/{role}");
        self.call(Method::POST, &path, json!({"token_policies": ["reader"], "token_ttl": "1h"})).await?;
        let id = self.call(Method::GET, &format!("{path}/role-id"), Value::Null).await?;
        let secret = self.call(Method::POST, &format!("{path}/secret-id"), json!({})).await?;
        Ok(AppRole {
            role_id: text(&id["data"]["role_id"], "a role id")?,
            secret_id: text(&secret["data"]["secret_id"], "a secret id")?,
        })
    }

    /// Switches Kubernetes authentication on: tokens of `account` in `namespace` get the role `role`, checked by
    /// TokenReview of the cluster at `server` under `reviewer`'s token.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn kubernetes_auth(
        &self,
        role: &str,
        (namespace, account): (&str, &str),
        (server, ca, reviewer): (&str, &str, &str),
    ) -> Result<()> {
        self.auth_method("kubernetes").await?;
        let config = json!({
            "kubernetes_host": server, "kubernetes_ca_cert": ca, "token_reviewer_jwt": reviewer,
            "disable_local_ca_jwt": true,
        });
        self.call(Method::POST, "auth/kubernetes/config", config).await?;
        let bound = json!({
            "bound_service_account_names": [account], "bound_service_account_namespaces": [namespace],
            "token_policies": ["reader"], "token_ttl": "1h",
        });
        self.call(Method::POST, &format!("auth/kubernetes/role/{role}"), bound).await?;
        Ok(())
    }

    /// Makes a namespace with a KV v2 mount at `kv/`.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        self.call(Method::POST, &format!("sys/namespaces/{name}"), json!({})).await?;
        let mount = json!({"type": "kv", "options": {"version": "2"}});
        self.call(Method::POST, &format!("{name}/sys/mounts/kv"), mount).await?;
        self.initialised(&format!("{name}/kv")).await
    }

    /// Switches users and passwords on and makes a user who may read everything.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn user(&self, name: &str, password: &str) -> Result<()> {
        self.auth_method("userpass").await?;
        let body = json!({"password": password, "token_policies": ["reader"], "token_ttl": "1h"});
        self.call(Method::POST, &format!("auth/userpass/users/{name}"), body).await?;
        Ok(())
    }

    /// Switches logins by certificates on: those of `authority`, PEM, get the role `role`, which may read everything.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn certificate_auth(&self, role: &str, authority: &str) -> Result<()> {
        self.auth_method("cert").await?;
        let body = json!({"certificate": authority, "token_policies": ["reader"], "token_ttl": "1h"});
        self.call(Method::POST, &format!("auth/cert/certs/{role}"), body).await?;
        Ok(())
    }

    /// Switches logins by JWT on: those for the audience `vault` that `key`, a public one in PEM, verifies and that are about
    /// `subject` get the role `role`, which may read everything.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn jwt_auth(&self, role: &str, key: &str, subject: &str) -> Result<()> {
        self.auth_method("jwt").await?;
        let config = json!({"jwt_validation_pubkeys": [key], "jwt_supported_algs": ["ES256"]});
        self.call(Method::POST, "auth/jwt/config", config).await?;
        let bound = json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_subject": subject,
            "token_policies": ["reader"], "token_ttl": "1h",
        });
        self.call(Method::POST, &format!("auth/jwt/role/{role}"), bound).await?;
        Ok(())
    }

    async fn auth_method(&self, name: &str) -> Result<()> {
        let enabled = self.call(Method::GET, "sys/auth", Value::Null).await?;
        if enabled["data"].get(format!("{name}/")).is_none() {
            self.call(Method::POST, &format!("sys/auth/{name}"), json!({ "type": name })).await?;
        }
        Ok(())
    }

    /// Seals the server: it answers every read with 503 from then on.
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn seal(&self) -> Result<()> {
        self.call(Method::POST, "sys/seal", Value::Null).await?;
        Ok(())
    }

    /// Unseals the server with the key that it printed at its start.
    ///
    /// # Errors
    /// If it printed none or the server refuses.
    pub async fn unseal(&self) -> Result<()> {
        let log = self.server.as_ref().map(Guarded::log).context("only who started OpenBao knows its unseal key")?;
        let key =
            log.lines().find_map(|line| line.trim().strip_prefix("Unseal Key:")).context("no unseal key printed")?;
        self.call(Method::POST, "sys/unseal", json!({ "key": key.trim() })).await?;
        Ok(())
    }
}

impl Tls {
    /// Makes the certificates and the file that tells OpenBao of the listener.
    fn prepare(folder: &Path, port: u16) -> Result<(Self, String)> {
        fs::create_dir_all(folder)?;
        let pki = Pki::new(folder)?;
        pki.server("openbao", &["127.0.0.1"])?;
        let listener = json!({"listener": {"tcp": {
            "address": format!("127.0.0.1:{port}"),
            "tls_cert_file": pki.file("openbao.crt"),
            "tls_key_file": pki.file("openbao.key"),
        }}});
        fs::write(folder.join("listener.json"), listener.to_string())?;
        let config = pki.file("listener.json");
        Ok((Self { address: format!("https://127.0.0.1:{port}"), pki }, config))
    }
}

fn text(value: &Value, what: &str) -> Result<String> {
    Ok(value.as_str().context(format!("OpenBao gave no text for {what}: {value}"))?.to_owned())
}
