//! Logging in: who is to log in, and the request that gets a token for a resource.
//!
//! Deliberately not here: when to log in (`session.rs`), and the form of certificates (`certificate.rs`).

use std::path::PathBuf;
use std::time::Duration;

use api::{SecretKeySelector, ServiceAccountSelector};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use gojson::{Document, Item};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;

use super::certificate::{Claims, ClientCertificate};
use super::config::{Authority, Given, Login, Proof, invalid, missing_tenant};
use super::error;
use crate::http::{Answer, Http, Request, form};

const LOGIN: &str = "Login";
/// Whom a service account's token is for, beside the audiences that the store adds.
const AUDIENCE: &str = "api://AzureADTokenExchange";
const CLIENT_ANNOTATION: &str = "azure.workload.identity/client-id";
const TENANT_ANNOTATION: &str = "azure.workload.identity/tenant-id";
/// What a service account's token is asked to live; it is used at once.
const JWT_LIFETIME: Duration = Duration::from_secs(3600);
/// The life of a token of which nothing is said.
const UNSAID: Duration = Duration::from_secs(300);

/// A token as it was granted.
pub(super) struct Lease {
    pub(super) token: SecretBytes,
    pub(super) lifetime: Duration,
}

/// Who logs in.
enum Who<'l> {
    Client(Principal<'l>),
    /// The node does it, for one of its identities.
    Node {
        metadata: &'l Url,
        client: Option<&'l str>,
    },
}

/// A client of Entra ID, and how it proves that it is the one.
struct Principal<'l> {
    authority: &'l Authority,
    tenant: String,
    client: String,
    evidence: Evidence<'l>,
    /// What to look at if it is refused.
    hint: &'static str,
}

enum Evidence<'l> {
    Secret(SecretBytes),
    Certificate(Box<ClientCertificate>),
    Account(&'l ServiceAccountSelector),
    File(&'l PathBuf),
}

/// Looks up what a login needs, so that what is missing shows before the first request.
///
/// # Errors
/// `Invalid`, naming the Secret, account or field.
pub(super) async fn check(login: &Login, credentials: &dyn Credentials) -> Result<(), Error> {
    who(login, credentials).await.map(|_| ())
}

/// Gets a token for `resource`.
///
/// # Errors
/// `Unauthenticated` if the login is refused; what `check` gives; and what has no answer.
pub(super) async fn log_in(
    http: &Http,
    login: &Login,
    resource: &str,
    credentials: &dyn Credentials,
) -> Result<Lease, Error> {
    match who(login, credentials).await? {
        Who::Client(principal) => exchange(http, &principal, resource, credentials).await,
        Who::Node { metadata, client } => managed_identity(http, metadata, client, resource).await,
    }
}

/// An id or secret out of a Secret: people's editors leave a line break behind it.
async fn trimmed(selector: &SecretKeySelector, credentials: &dyn Credentials) -> Result<SecretBytes, Error> {
    Ok(credentials.secret_key(selector, "").await?.trimmed())
}

async fn text(selector: &SecretKeySelector, field: &str, credentials: &dyn Credentials) -> Result<String, Error> {
    let value = trimmed(selector, credentials).await?;
    let unfit = || invalid(format!("spec.provider.azurekv.authSecretRef.{field}: the Secret's value is not an id"));
    value.expose_str().filter(|text| is_id(text)).map(str::to_owned).ok_or_else(unfit)
}

/// Whether this can be the id of a client or tenant: a GUID, or a domain.
fn is_id(text: &str) -> bool {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    fits && text.bytes().any(|b| b.is_ascii_alphanumeric())
}

async fn who<'l>(login: &'l Login, credentials: &dyn Credentials) -> Result<Who<'l>, Error> {
    let principal = match login {
        Login::ManagedIdentity { metadata, client } => {
            return Ok(Who::Node { metadata, client: client.as_deref() });
        }
        Login::ServicePrincipal { authority, tenant, client, proof } => {
            let client = text(client, "clientId", credentials).await?;
            let (evidence, hint) = match proof {
                Proof::Secret(selector) => (
                    Evidence::Secret(trimmed(selector, credentials).await?),
                    "check spec.provider.azurekv.tenantId and authSecretRef (clientId, clientSecret)",
                ),
                Proof::Certificate(selector) => {
                    let given = credentials.secret_key(selector, "").await?;
                    let certificate = ClientCertificate::of(given.expose()).map_err(|why| {
                        let field = "spec.provider.azurekv.authSecretRef.clientCertificate";
                        invalid(format!("failed to get oauth token from certificate auth: failed to decode certificate: {why}; check {field}"))
                    })?;
                    (
                        Evidence::Certificate(Box::new(certificate)),
                        "check spec.provider.azurekv.tenantId and authSecretRef (clientId), and that the certificate is \
                         registered with the application",
                    )
                }
            };
            Principal { authority, tenant: tenant.clone(), client, evidence, hint }
        }
        Login::Account { authority, account, given } => {
            let (client, tenant) = identity(account, given, credentials).await?;
            let hint =
                "check the service account's annotations and the federated credential (issuer, subject, audience)";
            Principal { authority, tenant, client, evidence: Evidence::Account(account), hint }
        }
        Login::Pod { authority, tenant, client, token_file } => {
            let hint = "check the label azure.workload.identity/use of the controller's pod, its service account, and the \
                        federated credential (issuer, subject, audience)";
            let (tenant, client) = (tenant.clone(), client.clone());
            Principal { authority, tenant, client, evidence: Evidence::File(token_file), hint }
        }
    };
    for (what, id) in [("tenant", &principal.tenant), ("client", &principal.client)] {
        if !is_id(id) {
            return Err(invalid(format!("{} is not the id of a {what}", gojson::quote(id))));
        }
    }
    Ok(Who::Client(principal))
}

/// Client and tenant of a service account.
async fn identity(
    account: &ServiceAccountSelector,
    given: &Given,
    credentials: &dyn Credentials,
) -> Result<(String, String), Error> {
    let Given { client, tenant_ref, tenant, environment_tenant, exclusive } = given;
    let annotations = credentials.service_account_annotations(account).await?;
    let annotated = |name: &str| annotations.get(name).filter(|id| !id.is_empty()).cloned();
    let from = async |selector: &Option<SecretKeySelector>, field: &str| match selector {
        None => Ok(None),
        Some(selector) => text(selector, field, credentials).await.map(Some),
    };
    let (given_client, annotated_client) = (from(client, "clientId").await?, annotated(CLIENT_ANNOTATION));
    if *exclusive && given_client.is_some() && annotated_client.is_some() {
        return Err(invalid("multiple clientID found. Check secretRef and serviceAccountRef"));
    }
    let client = annotated_client.or(given_client).ok_or_else(|| {
        invalid(format!(
            "missing clientID: either serviceAccountRef or service account annotation '{CLIENT_ANNOTATION}' is missing"
        ))
    })?;

    let (given_tenant, annotated_tenant) = (from(tenant_ref, "tenantId").await?, annotated(TENANT_ANNOTATION));
    let tenant = if *exclusive {
        let given = given_tenant.or_else(|| tenant.clone());
        if given.is_some() && annotated_tenant.is_some() {
            return Err(invalid(
                "multiple tenantID found. Check secretRef, 'spec.provider.azurekv.tenantId', and serviceAccountRef",
            ));
        }
        given.or(annotated_tenant)
    } else {
        tenant.clone().or(annotated_tenant).or(given_tenant)
    };
    let tenant = tenant.or_else(|| environment_tenant.clone()).ok_or_else(missing_tenant)?;
    Ok((client, tenant))
}

/// Source: Microsoft identity platform, "OAuth 2.0 client credentials flow": shared secret, certificate, federated credential.
async fn exchange(
    http: &Http,
    principal: &Principal<'_>,
    resource: &str,
    credentials: &dyn Credentials,
) -> Result<Lease, Error> {
    let Principal { authority, tenant, client, evidence, hint } = principal;
    let url = token_url(&authority.url, tenant);
    let (kind, evidence) = match evidence {
        Evidence::Secret(secret) => ("client_secret", secret.clone()),
        Evidence::Certificate(certificate) => {
            let id = unique()?;
            let now = crate::clock::now().as_second();
            let claims = Claims { audience: url.as_str(), client, now, id: &id };
            ("client_assertion", certificate.assertion(&claims).map_err(invalid)?)
        }
        Evidence::Account(account) => {
            let audiences = [AUDIENCE.to_owned()];
            let granted = credentials.service_account_token(account, &audiences, JWT_LIFETIME).await?;
            ("client_assertion", granted.token)
        }
        Evidence::File(file) => {
            let token = tokio::fs::read(file).await.map_err(|_| {
                invalid(format!("unable to read token file {}, which AZURE_FEDERATED_TOKEN_FILE names", file.display()))
            })?;
            ("client_assertion", SecretBytes::new(token.trim_ascii().to_vec()))
        }
    };
    let scope = format!("{resource}/.default");
    let mut fields = vec![
        ("grant_type", b"client_credentials".as_slice()),
        ("client_id", client.as_bytes()),
        ("scope", scope.as_bytes()),
        (kind, evidence.expose()),
    ];
    if kind == "client_assertion" {
        fields.push(("client_assertion_type", b"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"));
    }
    let mut request = Request::new(Method::POST, url);
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    request.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.body = Some(form(&fields));
    let origin = authority.url.origin().ascii_serialization();
    let place = format!("cannot log in to Entra ID as client {client} of tenant {tenant}");
    let answer =
        http.send(request).await.map_err(|e| e.into_error(LOGIN, &origin, authority.setting).context(&place))?;
    granted(&answer, &origin, hint).map_err(|error| error.context(place))
}

/// Source: Azure documentation, "How to use managed identities on an Azure VM to acquire an access token".
async fn managed_identity(http: &Http, metadata: &Url, client: Option<&str>, resource: &str) -> Result<Lease, Error> {
    let mut url = below(metadata, &["metadata", "identity", "oauth2", "token"]);
    url.query_pairs_mut().append_pair("api-version", "2018-02-01").append_pair("resource", resource);
    if let Some(client) = client {
        url.query_pairs_mut().append_pair("client_id", client);
    }
    let mut request = Request::new(Method::GET, url);
    request.headers.insert(HeaderName::from_static("metadata"), HeaderValue::from_static("true"));
    let origin = metadata.origin().ascii_serialization();
    let place = "cannot get a token of the managed identity";
    let setting = "that the nodes have an identity, spec.provider.azurekv.authType, and NetworkPolicies";
    let answer = http.send(request).await.map_err(|e| e.into_error(LOGIN, &origin, setting).context(place))?;
    let hint = "check that the identity is assigned to the nodes, and spec.provider.azurekv.identityId";
    granted(&answer, &origin, hint).map_err(|error| error.context(place))
}

fn granted(answer: &Answer, origin: &str, hint: &str) -> Result<Lease, Error> {
    if !answer.status.is_success() {
        return Err(error::of_login(answer, LOGIN, origin, hint));
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
    Some(Lease { token: SecretBytes::from(token), lifetime: seconds.map_or(UNSAID, Duration::from_secs) })
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

/// AD FS, which Azure Stack may log in at, has no tenants and its own path.
fn token_url(authority: &Url, tenant: &str) -> Url {
    if !tenant.eq_ignore_ascii_case("adfs") {
        return below(authority, &[tenant, "oauth2", "v2.0", "token"]);
    }
    match authority.path().trim_end_matches('/').to_ascii_lowercase().ends_with("/adfs") {
        true => below(authority, &["oauth2", "token"]),
        false => below(authority, &["adfs", "oauth2", "token"]),
    }
}

fn unique() -> Result<String, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| invalid("the system has no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
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
    fn ids_are_guids_and_domains() {
        for (id, want) in [("2f6f-11", true), ("corp.example.org", true), ("..", false), ("", false), ("a/b", false)] {
            assert_eq!(is_id(id), want, "{id}");
        }
    }
}
