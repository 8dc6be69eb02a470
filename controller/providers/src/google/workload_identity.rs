//! Workload identity of GKE: a token of a Kubernetes service account becomes one of Google's.
//!
//! Source: Google, "About Workload Identity Federation for GKE", and RFC 8693 for the exchange.

use api::provider::gcpsm::GcpWorkloadIdentity;
use http::HeaderMap;
use provider::Error;
use secret::SecretBytes;

use super::{
    ACCESS_TOKEN, ACCOUNT_TOKEN_LIFETIME, ACTS_AS, Ask, Authority, Granted, JSON, JWT, LIFETIME, SCOPE, TOKEN_EXCHANGE,
    impersonation, invalid, metadata,
};

const BIND: &str = "GenerateIDBindToken";

/// These become part of a name that Google compares as text. `field` is where they are set.
pub(crate) fn check(identity: &GcpWorkloadIdentity, field: &str) -> Result<(), Error> {
    let GcpWorkloadIdentity { service_account_ref: _, cluster_location, cluster_name, cluster_project_id } = identity;
    let fields = [
        ("clusterLocation", cluster_location),
        ("clusterName", cluster_name),
        ("clusterProjectID", cluster_project_id),
    ];
    for (name, value) in fields {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
        if value.as_deref().is_some_and(|value| !value.bytes().all(good)) {
            return Err(invalid("Open", format!("{field}.{name}: it has a character that no name at Google has")));
        }
    }
    Ok(())
}

pub(super) async fn grant(identity: &GcpWorkloadIdentity, authority: &Authority) -> Result<Granted, Error> {
    let email = acts_as(identity, authority).await?;
    act(identity, email.as_deref(), authority).await
}

/// The service account of Google that the one of Kubernetes acts as, if it is annotated with one.
pub(super) async fn acts_as(identity: &GcpWorkloadIdentity, authority: &Authority) -> Result<Option<String>, Error> {
    let annotations = authority.credentials.service_account_annotations(&identity.service_account_ref).await?;
    Ok(annotations.get(ACTS_AS).filter(|email| !email.is_empty()).cloned())
}

/// A token of the service account of Google with this address, or else of the one of Kubernetes itself.
pub(super) async fn act(
    identity: &GcpWorkloadIdentity,
    email: Option<&str>,
    authority: &Authority,
) -> Result<Granted, Error> {
    let account = &identity.service_account_ref;
    let (pool, cluster) =
        cluster(identity, authority).await.map_err(|e| e.context("unable to lookup workload identity"))?;
    let audiences = std::slice::from_ref(&pool);
    let token = authority.credentials.service_account_token(account, audiences, ACCOUNT_TOKEN_LIFETIME).await;
    let token = token.map_err(|e| e.context("unable to fetch pod token"))?.token;
    let bound = bind(&token, &pool, &cluster, authority).await;
    let bound = bound.map_err(|e| e.context("unable to fetch identitybindingtoken"))?;
    match email {
        // Google's roles can be given to the Kubernetes service account itself.
        None => Ok(bound),
        Some(email) => {
            let from = format!(
                "the annotation {ACTS_AS} of the service account in {}.workloadIdentity.serviceAccountRef",
                authority.field
            );
            let granted = impersonation::grant(email, &from, &bound.token, LIFETIME, authority).await;
            granted.map_err(|e| e.context("unable to generate gcp access token"))
        }
    }
}

/// The pool of identities, and the cluster as their provider.
async fn cluster(identity: &GcpWorkloadIdentity, authority: &Authority) -> Result<(String, String), Error> {
    let GcpWorkloadIdentity { service_account_ref: _, cluster_location, cluster_name, cluster_project_id } = identity;
    let or_fact = async |given: &Option<String>, path: &str, field: &str, failed: &'static str| match given {
        Some(value) if !value.is_empty() => Ok(value.clone()),
        _ => metadata::fact(authority, path, &format!("{}.workloadIdentity.{field}", authority.field))
            .await
            .map_err(|e| e.context(failed)),
    };
    let project =
        or_fact(cluster_project_id, "project/project-id", "clusterProjectID", "unable to get project id").await?;
    let path = "instance/attributes/cluster-location";
    let location = or_fact(cluster_location, path, "clusterLocation", "unable to determine cluster location").await?;
    let path = "instance/attributes/cluster-name";
    let name = or_fact(cluster_name, path, "clusterName", "unable to determine cluster name").await?;
    let cluster =
        format!("https://container.googleapis.com/v1/projects/{project}/locations/{location}/clusters/{name}");
    Ok((format!("{project}.svc.id.goog"), cluster))
}

async fn bind(token: &SecretBytes, pool: &str, cluster: &str, authority: &Authority) -> Result<Granted, Error> {
    let audience = format!("identitynamespace:{pool}:{cluster}");
    let fields: [(&str, &[u8]); 6] = [
        ("audience", audience.as_bytes()),
        ("grant_type", TOKEN_EXCHANGE.as_bytes()),
        ("requested_token_type", ACCESS_TOKEN.as_bytes()),
        ("scope", SCOPE.as_bytes()),
        ("subject_token", token.expose()),
        ("subject_token_type", JWT.as_bytes()),
    ];
    let mut url = authority.secure_token.clone();
    url.set_path("/v1/identitybindingtoken");
    let body = SecretBytes::new(gojson::string_map(fields, gojson::Html::Keep));
    let hint = format!(
        "{}.workloadIdentity: clusterProjectID, clusterLocation and clusterName, and whether workload identity is on in \
         this cluster",
        authority.field
    );
    let ask = Ask { operation: BIND, url, content_type: JSON, headers: HeaderMap::new(), body, hint: &hint };
    authority.exchange(ask).await
}
