//! Logging in to Entra ID, Microsoft's login service, for every provider that takes identities of Azure: the requests for
//! tokens, and what identifies the pods of workload identity.
//!
//! Deliberately not here: who logs in and for what (each provider's `auth.rs`), and when.

mod error;

use std::path::Path;
use std::time::Duration;

use api::ServiceAccountSelector;
use gojson::{Document, Item};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use crate::http::{Answer, Http, Request, TOTAL_TIMEOUT, form};
use crate::lifetime;

const LOGIN: &str = "Login";
/// Whom a service account's token is for, beside the audiences that the store adds.
const AUDIENCE: &str = "api://AzureADTokenExchange";
/// The annotations of a Kubernetes service account that stands for a client.
pub(crate) const CLIENT_ANNOTATION: &str = "azure.workload.identity/client-id";
pub(crate) const TENANT_ANNOTATION: &str = "azure.workload.identity/tenant-id";
/// The life of a token of which nothing is said.
const UNSAID: Duration = Duration::from_secs(300);
/// The instance metadata service, the same on every node of every cloud.
pub(crate) const METADATA: &str = "http://169.254.169.254";
/// What it knows without asking anybody it says in this time, or it isn't there.
const NEAR: Duration = Duration::from_secs(5);

/// A token as it was granted.
pub(crate) struct Lease {
    pub(crate) token: SecretBytes,
    pub(crate) lifetime: Duration,
}

/// The login service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authority {
    pub(crate) url: Url,
    /// The setting that decides on it, for errors.
    pub(crate) setting: &'static str,
}

/// A client of Entra ID.
pub(crate) struct Client<'c> {
    pub(crate) authority: &'c Authority,
    pub(crate) tenant: &'c str,
    pub(crate) id: &'c str,
    /// What to look at if it is refused.
    pub(crate) hint: &'c str,
}

/// How a client proves that it is the one.
pub(crate) enum Proof {
    Secret(SecretBytes),
    /// A JWT, by the client's certificate or by somebody whom Entra ID trusts.
    Assertion(SecretBytes),
}

/// An identity that a node has.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Node<'n> {
    /// The one that is assigned to the node itself.
    Own,
    /// By the id of its client.
    Client(&'n str),
    /// By the id of its object in the directory.
    Object(&'n str),
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "Open", text)
}

/// What a Kubernetes service account shows. Its token is asked to live so long; it is used at once.
///
/// # Errors
/// Those of [`Credentials::service_account_token`].
pub(crate) async fn of_account(
    account: &ServiceAccountSelector,
    lifetime: Duration,
    credentials: &dyn Credentials,
) -> Result<Proof, Error> {
    let granted = credentials.service_account_token(account, &[AUDIENCE.to_owned()], lifetime).await?;
    Ok(Proof::Assertion(granted.token))
}

/// What the controller's own pod shows.
///
/// # Errors
/// `Invalid` if it has no such file.
pub(crate) async fn of_file(file: &Path) -> Result<Proof, Error> {
    let token = tokio::fs::read(file).await.map_err(|_| {
        invalid(format!("unable to read token file {}, which AZURE_FEDERATED_TOKEN_FILE names", file.display()))
    })?;
    Ok(Proof::Assertion(SecretBytes::new(token.trim_ascii().to_vec())))
}

/// Whether this can be the id of a client or tenant: a GUID, or a domain.
pub(crate) fn is_id(text: &str) -> bool {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    fits && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

/// An id of a client or its tenant, and what said it, for errors.
pub(crate) type Said<'s> = (&'s str, &'s str);
/// What may say an id.
pub(crate) const CLIENT_OF_ACCOUNT: &str = "the annotation azure.workload.identity/client-id of the service account";
pub(crate) const TENANT_OF_ACCOUNT: &str = "the annotation azure.workload.identity/tenant-id of the service account";
pub(crate) const CLIENT_OF_POD: &str = "the environment variable AZURE_CLIENT_ID";
pub(crate) const TENANT_OF_POD: &str = "the environment variable AZURE_TENANT_ID";

/// Checks the ids of a client and its tenant, which become parts of URLs and of errors.
///
/// # Errors
/// `Invalid`, with what said the id, and the id.
pub(crate) fn check_ids(tenant: Said<'_>, client: Said<'_>) -> Result<(), Error> {
    for (what, (id, from)) in [("tenant", tenant), ("client", client)] {
        if !is_id(id) {
            return Err(invalid(format!("{from}: {} is not the id of a {what}", gojson::quote(id))));
        }
    }
    Ok(())
}

/// Gets a client a token for `resource`.
///
/// Source: Microsoft identity platform, "OAuth 2.0 client credentials flow": shared secret, certificate, federated credential.
///
/// # Errors
/// `Unauthenticated` if the login is refused, and what has no answer.
pub(crate) async fn log_in(http: &Http, client: &Client<'_>, proof: Proof, resource: &str) -> Result<Lease, Error> {
    let Client { authority, tenant, id, hint } = client;
    let scope = format!("{resource}/.default");
    let (kind, proof) = match &proof {
        Proof::Secret(secret) => ("client_secret", secret),
        Proof::Assertion(assertion) => ("client_assertion", assertion),
    };
    let mut fields = vec![
        ("grant_type", b"client_credentials".as_slice()),
        ("client_id", id.as_bytes()),
        ("scope", scope.as_bytes()),
        (kind, proof.expose()),
    ];
    if kind == "client_assertion" {
        fields.push(("client_assertion_type", b"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    }
    let mut request = Request::new(Method::POST, token_url(&authority.url, tenant));
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.body = Some(form(&fields));
    let origin = authority.url.origin().ascii_serialization();
    let place = format!("cannot log in to Entra ID as client {id} of tenant {tenant}");
    let answer =
        http.send(request).await.map_err(|e| e.into_error(LOGIN, &origin, authority.setting).context(&place))?;
    granted(&answer, &origin, || error::of_login(&answer, LOGIN, &origin, hint)).map_err(|error| error.context(place))
}

/// Gets an identity of the node a token for `resource`. `setting` is what has it asked, for errors, and `which` what says
/// which identity it is.
///
/// Source: Azure documentation, "How to use managed identities on an Azure VM to acquire an access token".
///
/// # Errors
/// As [`log_in`].
pub(crate) async fn managed_identity(
    http: &Http,
    metadata: &Url,
    node: Node<'_>,
    resource: &str,
    (setting, which): (&str, &str),
) -> Result<Lease, Error> {
    let mut url = below(metadata, &["metadata", "identity", "oauth2", "token"]);
    url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", resource);
    match node {
        Node::Own => {}
        Node::Client(id) => drop(url.query_pairs_mut().append_pair("client_id", id)),
        Node::Object(id) => drop(url.query_pairs_mut().append_pair("object_id", id)),
    }
    let place = "cannot get a token of the managed identity";
    let setting = format!("that the nodes have an identity, {setting}, and NetworkPolicies");
    let answer = ask_node(http, url, TOTAL_TIMEOUT, &setting).await.map_err(|error| error.context(place))?;
    let hint = format!("check that the identity is assigned to the nodes, and {which}");
    let origin = metadata.origin().ascii_serialization();
    granted(&answer, &origin, || error::of_node(&answer, LOGIN, &origin, &hint)).map_err(|error| error.context(place))
}

/// The cloud that the node is in, in the metadata service's words, if it says so.
///
/// Source: Azure documentation, "Azure Instance Metadata Service, azEnvironment".
pub(crate) async fn cloud_of_node(http: &Http, metadata: &Url) -> Option<String> {
    let mut url = below(metadata, &["metadata", "instance"]);
    url.query_pairs_mut().append_pair("api-version", "2021-02-01").append_pair("format", "json");
    let answer = ask_node(http, url, NEAR, "").await.ok()?;
    let document = Document::parse(answer.body.expose()).ok()?;
    let compute = document.member(document.root(), "compute")?;
    match document.item(document.member(compute, "azEnvironment")?) {
        Item::Text(name) => Some(name.to_owned()),
        Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
    }
}

async fn ask_node(http: &Http, url: Url, timeout: Duration, setting: &str) -> Result<Answer, Error> {
    let origin = url.origin().ascii_serialization();
    let mut request = Request::new(Method::GET, url);
    request.timeout = timeout;
    request.headers.insert(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
    http.send(request).await.map_err(|failure| failure.into_error(LOGIN, &origin, setting))
}

fn granted(answer: &Answer, origin: &str, failure: impl FnOnce() -> Error) -> Result<Lease, Error> {
    if !answer.status.is_success() {
        return Err(failure());
    }
    lease(answer).ok_or_else(|| {
        Error::new(
            ErrorKind::Malformed,
            LOGIN,
            format!("{origin} answered without a token; does something else answer there?"),
        )
    })
}

fn lease(answer: &Answer) -> Option<Lease> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let Item::Object(members) = document.item(document.root()) else { return None };
    let item = |name: &str| members.get(name).map(|id| document.item(*id));
    let Some(Item::Text(token)) = item("access_token") else { return None };
    // Entra ID says it as a number, the metadata service as a text.
    let seconds = match item("expires_in") {
        Some(Item::Number(text) | Item::Text(text)) => text.parse().ok(),
        Some(Item::Null | Item::Bool(_) | Item::Array(_) | Item::Object(_)) | None => None,
    };
    let token = Some(token).filter(|token| !token.is_empty())?;
    Some(Lease { token: SecretBytes::from(token), lifetime: seconds.map_or(UNSAID, lifetime::of_seconds) })
}

fn below(url: &Url, segments: &[&str]) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url.set_fragment(None);
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
    }
    url
}

/// Where a tenant grants tokens. AD FS, which Azure Stack may log in at, has no tenants and its own path.
pub(crate) fn token_url(authority: &Url, tenant: &str) -> Url {
    if !tenant.eq_ignore_ascii_case("adfs") {
        return below(authority, &[tenant, "oauth2", "v2.0", "token"]);
    }
    match authority.path().trim_end_matches('/').to_ascii_lowercase().ends_with("/adfs") {
        true => below(authority, &["oauth2", "token"]),
        false => below(authority, &["adfs", "oauth2", "token"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_asked_for_at_the_tenants_place() {
        let cases = [
            ("https://login.microsoftonline.com", "t", "https://login.microsoftonline.com/t/oauth2/v2.0/token"),
            ("https://login.local/base/?x#y", "t", "https://login.local/base/t/oauth2/v2.0/token"),
            ("https://adfs.local", "adfs", "https://adfs.local/adfs/oauth2/token"),
            ("https://adfs.local/adfs/", "ADFS", "https://adfs.local/adfs/oauth2/token"),
        ];
        for (authority, tenant, want) in cases {
            assert_eq!(token_url(&authority.parse().unwrap(), tenant).as_str(), want);
        }
    }

    #[test]
    fn a_lease_is_read_from_the_answer() {
        let cases = [
            (r#"{"access_token":"t","expires_in":3599}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":"3599"}"#, Some(3599)),
            (r#"{"access_token":"t","expires_in":18446744073709551615}"#, Some(31_536_000)),
            (r#"{"access_token":"t","expires_in":-1}"#, Some(300)),
            (r#"{"access_token":"t"}"#, Some(300)),
            (r#"{"access_token":""}"#, None),
            ("<html>", None),
        ];
        for (body, want) in cases {
            let (status, headers) = (http::StatusCode::OK, http::HeaderMap::new());
            let answer = Answer { status, headers, body: SecretBytes::from(body) };
            assert_eq!(lease(&answer).map(|lease| lease.lifetime.as_secs()), want, "{body}");
        }
    }

    #[test]
    fn ids_are_guids_and_domains() {
        for (id, want) in [("2f6f-11", true), ("corp.example.org", true), ("..", false), ("", false), ("a/b", false)] {
            assert_eq!(is_id(id), want, "{id}");
        }
    }
}
