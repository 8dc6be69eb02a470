//! Logging in: one function a method, and what one does with a token.
//!
//! Deliberately not here: when to log in (`session.rs`).

use std::time::Duration;

use gojson::{Document, Html, Item};
use http::{Method, StatusCode};
use provider::{Credentials, Error, ErrorKind};
use secret::SecretBytes;

use super::error;
use super::gcp::Gcp;
use super::login::{Jwt, RoleId};
use super::product::Peer;
use super::wire::{Call, Wire};
use crate::google::Authority;
use crate::http::Answer;
use crate::lifetime;

const LOGIN: &str = "Login";
const LOOKUP: &str = "LookupSelf";
const RENEW: &str = "RenewSelf";
const REVOKE: &str = "RevokeSelf";

/// A token as the server granted it.
pub(super) struct Lease {
    pub(super) token: SecretBytes,
    /// `None` is for ever.
    pub(super) lifetime: Option<Duration>,
    pub(super) renewable: bool,
}

/// AppRole. Source: Vault HTTP API, "AppRole auth method, login".
pub(super) async fn app_role(
    wire: &Wire,
    credentials: &dyn Credentials,
    mount: &[String],
    role: &RoleId,
    secret: &api::SecretKeySelector,
) -> Result<Lease, Error> {
    let role = match role {
        RoleId::Text(id) => SecretBytes::from(id.as_str()),
        RoleId::Secret(selector) => credentials.secret_key(selector, "").await?.trimmed(),
    };
    let secret = credentials.secret_key(secret, "").await?.trimmed();
    let hint = format!("check the role id, the secret id and {}", wire.field("auth.appRole.path"));
    log_in(wire, mount, &[], &[("role_id", role.expose()), ("secret_id", secret.expose())], &hint).await
}

/// Kubernetes. Source: Vault HTTP API, "Kubernetes auth method, login".
pub(super) async fn kubernetes(
    wire: &Wire,
    credentials: &dyn Credentials,
    mount: &[String],
    role: &str,
    jwt: &Jwt,
) -> Result<Lease, Error> {
    let jwt = token_of(credentials, jwt).await?;
    let hint =
        format!("check {} (mountPath, role) and which service accounts the role admits", wire.field("auth.kubernetes"));
    log_in(wire, mount, &[], &[("jwt", jwt.expose()), ("role", role.as_bytes())], &hint).await
}

/// LDAP, and users of Vault's own. Source: Vault HTTP API, "LDAP auth method, login with LDAP user" and "Userpass auth
/// method, login".
pub(super) async fn password(
    wire: &Wire,
    credentials: &dyn Credentials,
    method: &'static str,
    mount: &[String],
    user: &str,
    password: &api::SecretKeySelector,
) -> Result<Lease, Error> {
    let password = credentials.secret_key(password, "").await?;
    let hint =
        format!("check {} (path, username) and the password in its secretRef", wire.field(&format!("auth.{method}")));
    log_in(wire, mount, &[user.to_owned()], &[("password", without_line_end(&password))], &hint).await
}

/// White space may be part of a password, but for the line break that an editor leaves behind it.
fn without_line_end(password: &SecretBytes) -> &[u8] {
    let mut bytes = password.expose();
    while let [rest @ .., b'\n' | b'\r'] = bytes {
        bytes = rest;
    }
    bytes
}

/// A JWT. Source: Vault HTTP API, "JWT/OIDC auth method, JWT login".
pub(super) async fn jwt(
    wire: &Wire,
    credentials: &dyn Credentials,
    mount: &[String],
    role: Option<&str>,
    jwt: &Jwt,
) -> Result<Lease, Error> {
    let jwt = token_of(credentials, jwt).await?;
    let hint = format!(
        "check {} (path, role), and which issuer, audience and subject the role admits",
        wire.field("auth.jwt")
    );
    let mut body = vec![("jwt", jwt.expose())];
    body.extend(role.map(|role| ("role", role.as_bytes())));
    log_in(wire, mount, &[], &body, &hint).await
}

/// The client certificate of the connection. Source: Vault HTTP API, "TLS certificate auth method, login".
pub(super) async fn certificate(wire: &Wire, mount: &[String], role: Option<&str>) -> Result<Lease, Error> {
    let body: Vec<(&str, &[u8])> = role.map(|role| ("name", role.as_bytes())).into_iter().collect();
    let hint = format!("check {} (path, vaultRole) and which certificates the role admits", wire.field("auth.cert"));
    log_in(wire, mount, &[], &body, &hint).await
}

/// An identity of Google. Source: Vault HTTP API, "Google Cloud auth method, login".
pub(super) async fn gcp(wire: &Wire, gcp: &Gcp, google: &Authority) -> Result<Lease, Error> {
    let jwt = gcp.jwt(&wire.address(), google).await?;
    let hint = "check spec.provider.vault.auth.gcp (path, role), the role's type (iam for secretRef and workloadIdentity; for \
                the controller's own identity gce on a virtual machine, iam with max_jwt_exp=1h in a pod of GKE with workload \
                identity) and which service accounts or instances it admits";
    log_in(wire, &gcp.mount, &[], &[("jwt", jwt.expose()), ("role", gcp.role.as_bytes())], hint).await
}

async fn token_of(credentials: &dyn Credentials, jwt: &Jwt) -> Result<SecretBytes, Error> {
    let token = match jwt {
        Jwt::Requested { account, audiences, lifetime } => {
            credentials.service_account_token(account, audiences, *lifetime).await?.token
        }
        Jwt::Secret(selector) => credentials.secret_key(selector, "token").await?,
        Jwt::Own => credentials.own_token().await?,
    };
    Ok(token.trimmed())
}

/// `user`: what follows in the path.
pub(super) async fn log_in(
    wire: &Wire,
    mount: &[String],
    user: &[String],
    body: &[(&str, &[u8])],
    hint: &str,
) -> Result<Lease, Error> {
    let mut path = vec!["auth".to_owned()];
    path.extend_from_slice(mount);
    path.push("login".to_owned());
    path.extend_from_slice(user);
    let place = format!("cannot log in to {} at auth/{}", wire.peer().product.name(), mount.join("/"));
    let body = Some(SecretBytes::new(gojson::string_map(body.iter().copied(), Html::Keep)));
    let call = Call { operation: LOGIN, method: Method::PUT, path: &path, query: None, token: None, body, login: true };
    let answer = wire.send(call).await.map_err(|e| e.context(&place))?;
    if !answer.status.is_success() {
        return Err(error::of_login(&answer, LOGIN, wire.peer(), hint).context(&place));
    }
    lease(&answer).ok_or_else(|| no_token(LOGIN, wire.peer()).context(&place))
}

/// Asks whether the token is good. Source: Vault HTTP API, "Token auth method, lookup a token (self)".
pub(super) async fn look_up(wire: &Wire, token: Option<&SecretBytes>) -> Result<(), Error> {
    let path = ["auth", "token", "lookup-self"].map(str::to_owned);
    let call =
        Call { operation: LOOKUP, method: Method::GET, path: &path, query: None, token, body: None, login: false };
    let answer = wire.send(call).await?;
    let document = Document::parse_first(answer.body.expose()).ok();
    let has_data = document.as_ref().and_then(|d| d.member(d.root(), "data").map(|id| d.item(id)));
    match (answer.status, has_data) {
        (StatusCode::OK, Some(Item::Object(_))) => Ok(()),
        (_, _) => Err(error::of_answer(&answer, LOOKUP, wire.peer())),
    }
}

/// Lengthens the token's life. Source: Vault HTTP API, "Token auth method, renew a token (self)".
pub(super) async fn renew(wire: &Wire, token: &SecretBytes) -> Result<Lease, Error> {
    let path = ["auth", "token", "renew-self"].map(str::to_owned);
    let body = Some(SecretBytes::from("{}"));
    let call = Call {
        operation: RENEW,
        method: Method::PUT,
        path: &path,
        query: None,
        token: Some(token),
        body,
        login: false,
    };
    let answer = wire.send(call).await?;
    if !answer.status.is_success() {
        return Err(error::of_answer(&answer, RENEW, wire.peer()));
    }
    lease(&answer).ok_or_else(|| no_token(RENEW, wire.peer()))
}

/// Ends the token's life. Source: Vault HTTP API, "Token auth method, revoke a token (self)".
pub(super) async fn revoke(wire: &Wire, token: &SecretBytes) -> Result<(), Error> {
    let path = ["auth", "token", "revoke-self"].map(str::to_owned);
    let body = Some(SecretBytes::from("{}"));
    let call = Call {
        operation: REVOKE,
        method: Method::PUT,
        path: &path,
        query: None,
        token: Some(token),
        body,
        login: false,
    };
    let answer = wire.send(call).await?;
    if answer.status.is_success() { Ok(()) } else { Err(error::of_answer(&answer, REVOKE, wire.peer())) }
}

fn no_token(operation: &'static str, peer: &Peer) -> Error {
    let text =
        format!("{peer} answered without a token; does something other than {} answer there?", peer.product.name());
    Error::new(ErrorKind::Malformed, operation, text)
}

/// The `auth` part of an answer.
fn lease(answer: &Answer) -> Option<Lease> {
    let document = Document::parse_first(answer.body.expose()).ok()?;
    let auth = document.member(document.root(), "auth")?;
    let Item::Text(token) = document.item(document.member(auth, "client_token")?) else { return None };
    let seconds = match document.member(auth, "lease_duration").map(|id| document.item(id)) {
        Some(Item::Number(text)) => text.parse::<u64>().ok()?,
        _ => 0,
    };
    let renewable = matches!(document.member(auth, "renewable").map(|id| document.item(id)), Some(Item::Bool(true)));
    if token.is_empty() {
        return None;
    }
    let lifetime = (seconds > 0).then(|| lifetime::of_seconds(seconds));
    Some(Lease { token: SecretBytes::from(token), lifetime, renewable })
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    #[test]
    fn a_lease_is_read_from_the_answer() {
        let cases = [
            (r#"{"auth":{"client_token":"t","lease_duration":60,"renewable":true}}"#, Some((Some(60), true))),
            (r#"{"auth":{"client_token":"t","lease_duration":0,"renewable":false}}"#, Some((None, false))),
            (r#"{"auth":{"client_token":"t"}}"#, Some((None, false))),
            (r#"{"auth":{"client_token":"t","lease_duration":18446744073709551615}}"#, Some((Some(31_536_000), false))),
            (r#"{"auth":{"client_token":""}}"#, None),
            (r#"{"auth":null}"#, None),
            (r#"{"auth":{"client_token":"t","lease_duration":-1}}"#, None),
            ("<html>", None),
        ];
        for (body, want) in cases {
            let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: SecretBytes::from(body) };
            let got = lease(&answer).map(|l| (l.lifetime.map(|d| d.as_secs()), l.renewable));
            assert_eq!(got, want, "{body}");
        }
    }
}
