//! Logging in: who is to log in, and with what.
//!
//! Deliberately not here: when to log in (`session.rs`), the requests (`crate::entra`), and the form of certificates
//! (`certificate.rs`).

use std::path::PathBuf;
use std::time::Duration;

use api::{SecretKeySelector, ServiceAccountSelector};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use provider::{Credentials, Error};
use reqwest::Url;
use secret::SecretBytes;

use super::certificate::{Claims, ClientCertificate};
use super::config::{Given, Login, Proof, invalid, missing_tenant};
use crate::entra::{
    self, Authority, CLIENT_ANNOTATION, CLIENT_OF_ACCOUNT, CLIENT_OF_POD, Client, Lease, Node, TENANT_ANNOTATION,
    TENANT_OF_ACCOUNT, TENANT_OF_POD, check_ids, is_id, of_account, of_file, token_url,
};
use crate::http::Http;

/// What a service account's token is asked to live; it is used at once.
const JWT_LIFETIME: Duration = Duration::from_secs(3600);

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
    /// What said the tenant and the client, for errors.
    from: (&'static str, &'static str),
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
        Who::Client(principal) => {
            let Principal { authority, tenant, client, from: _, evidence, hint } = principal;
            let proof = proof(authority, &tenant, &client, evidence, credentials).await?;
            entra::log_in(http, &Client { authority, tenant: &tenant, id: &client, hint }, proof, resource).await
        }
        Who::Node { metadata, client } => {
            let settings = ("spec.provider.azurekv.authType", "spec.provider.azurekv.identityId");
            entra::managed_identity(http, metadata, client.map_or(Node::Own, Node::Client), resource, settings).await
        }
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
            let from = (TENANT_FIELD, CLIENT_FIELD);
            Principal { authority, tenant: tenant.clone(), client, from, evidence, hint }
        }
        Login::Account { authority, account, given } => {
            let ((client, client_from), (tenant, tenant_from)) = identity(account, given, credentials).await?;
            let from = (tenant_from, client_from);
            let hint =
                "check the service account's annotations and the federated credential (issuer, subject, audience)";
            Principal { authority, tenant, client, from, evidence: Evidence::Account(account), hint }
        }
        Login::Pod { authority, tenant, client, token_file } => {
            let hint = "check the label azure.workload.identity/use of the controller's pod, its service account, and the \
                        federated credential (issuer, subject, audience)";
            let (tenant, client) = (tenant.clone(), client.clone());
            let from = (TENANT_OF_POD, CLIENT_OF_POD);
            Principal { authority, tenant, client, from, evidence: Evidence::File(token_file), hint }
        }
    };
    let (tenant_from, client_from) = principal.from;
    check_ids((&principal.tenant, tenant_from), (&principal.client, client_from))?;
    Ok(Who::Client(principal))
}

const CLIENT_FIELD: &str = "spec.provider.azurekv.authSecretRef.clientId";
const TENANT_FIELD: &str = "spec.provider.azurekv.tenantId";
const TENANT_REF: &str = "spec.provider.azurekv.authSecretRef.tenantId";

/// An id, and what said it.
type Said = (String, &'static str);

/// Client and tenant of a service account.
async fn identity(
    account: &ServiceAccountSelector,
    given: &Given,
    credentials: &dyn Credentials,
) -> Result<(Said, Said), Error> {
    let Given { client, tenant_ref, tenant, environment_tenant, exclusive } = given;
    let annotations = credentials.service_account_annotations(account).await?;
    let annotated = |name: &str, from| annotations.get(name).filter(|id| !id.is_empty()).map(|id| (id.clone(), from));
    let from = async |selector: &Option<SecretKeySelector>, field: &str| match selector {
        None => Ok(None),
        Some(selector) => text(selector, field, credentials).await.map(Some),
    };
    let said = |id: Option<String>, from| id.map(|id| (id, from));
    let tenant = said(tenant.clone(), TENANT_FIELD);
    let given_client = said(from(client, "clientId").await?, CLIENT_FIELD);
    let annotated_client = annotated(CLIENT_ANNOTATION, CLIENT_OF_ACCOUNT);
    if *exclusive && given_client.is_some() && annotated_client.is_some() {
        return Err(invalid("multiple clientID found. Check secretRef and serviceAccountRef"));
    }
    let client = annotated_client.or(given_client).ok_or_else(|| {
        invalid(format!(
            "missing clientID: either serviceAccountRef or service account annotation '{CLIENT_ANNOTATION}' is missing"
        ))
    })?;

    let given_tenant = said(from(tenant_ref, "tenantId").await?, TENANT_REF);
    let annotated_tenant = annotated(TENANT_ANNOTATION, TENANT_OF_ACCOUNT);
    let tenant = if *exclusive {
        let given = given_tenant.or(tenant);
        if given.is_some() && annotated_tenant.is_some() {
            return Err(invalid(
                "multiple tenantID found. Check secretRef, 'spec.provider.azurekv.tenantId', and serviceAccountRef",
            ));
        }
        given.or(annotated_tenant)
    } else {
        tenant.or(annotated_tenant).or(given_tenant)
    };
    let tenant = tenant.or_else(|| said(environment_tenant.clone(), TENANT_OF_POD)).ok_or_else(missing_tenant)?;
    Ok((client, tenant))
}

async fn proof(
    authority: &Authority,
    tenant: &str,
    client: &str,
    evidence: Evidence<'_>,
    credentials: &dyn Credentials,
) -> Result<entra::Proof, Error> {
    match evidence {
        Evidence::Secret(secret) => Ok(entra::Proof::Secret(secret)),
        Evidence::Certificate(certificate) => {
            let (id, url) = (unique()?, token_url(&authority.url, tenant));
            let now = crate::clock::now().as_second();
            let claims = Claims { audience: url.as_str(), client, now, id: &id };
            certificate.assertion(&claims).map(entra::Proof::Assertion).map_err(invalid)
        }
        Evidence::Account(account) => of_account(account, JWT_LIFETIME, credentials).await,
        Evidence::File(file) => of_file(file).await,
    }
}

fn unique() -> Result<String, Error> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| invalid("the system has no random bytes"))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
