//! Logging in with an identity of AWS: its settings, and what is sent.
//!
//! Deliberately not here: credentials of AWS and the signature (`aws`), and when to log in (`session.rs`).
//!
//! Source: Vault HTTP API, "AWS auth method, login", type `iam`.

use api::{SecretKeySelector, ServiceAccountSelector, VaultIamAuth};
use http::HeaderValue;
use provider::{Error, ErrorKind};

use super::auth::{self, Lease};
use super::path::mount_segments;
use super::wire::Wire;
use crate::OpenContext;
use crate::aws::{self, Fields, Identity, Proof, Prover, Role, Source};
use crate::environment::AwsEnvironment;

const FIELD: &str = "spec.provider.vault.auth.iam";
const FIELDS: Fields = Fields { auth: FIELD, region: "spec.provider.vault.auth.iam.region and the way to AWS" };
const SESSION: &str = "external-secrets-provider-vault";
const MOUNT: &str = "aws";
const REGION: &str = "us-east-1";
/// A server that was told its name takes only proofs that bear it.
const SERVER_ID: &str = "x-vault-aws-iam-server-id";

/// A checked `auth.iam`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Iam {
    mount: Vec<String>,
    region: String,
    /// `None`: the controller's own.
    source: Option<Source>,
    /// Assumed before the login.
    aws_role: Option<Role>,
    vault_role: String,
    server_id: Option<String>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "Open", text)
}

impl Iam {
    pub(super) fn of(spec: &VaultIamAuth) -> Result<Self, Error> {
        let VaultIamAuth { path, region, aws_role, vault_role, external_id, server_id, secret_ref, jwt } = spec;
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let source = match (jwt, secret_ref) {
            (Some(jwt), _) => Some(aws::account_source(jwt, FIELD)?),
            (None, Some(keys)) => Some(aws::static_source(keys, FIELD)?),
            (None, None) => None,
        };
        let server_id = given(server_id);
        if server_id.as_ref().is_some_and(|id| HeaderValue::from_str(id).is_err()) {
            let text = "holds a character that an HTTP header can't have";
            return Err(invalid(format!("{FIELD}.vaultAwsIamServerID: {text}")));
        }
        let role = |arn| Role { arn, external_id: given(external_id), tags: vec![], transitive_tag_keys: vec![] };
        Ok(Self {
            mount: mount_segments(given(path).as_deref().unwrap_or(MOUNT), &format!("{FIELD}.path"))?,
            region: aws::checked_region(given(region).as_deref().unwrap_or(REGION), &format!("{FIELD}.region"))?,
            source,
            aws_role: given(aws_role).map(role),
            vault_role: vault_role.clone(),
            server_id,
        })
    }

    pub(super) fn selectors(&self) -> (Vec<&SecretKeySelector>, Vec<&ServiceAccountSelector>) {
        match &self.source {
            Some(Source::Static { id, key, session }) => ([id, key].into_iter().chain(session).collect(), vec![]),
            Some(Source::ServiceAccount(account)) => (vec![], vec![account]),
            Some(Source::WebIdentity(_) | Source::DefaultChain) | None => (vec![], vec![]),
        }
    }

    fn identity(&self, environment: &AwsEnvironment) -> Result<Identity, Error> {
        let source = match &self.source {
            Some(source) => source.clone(),
            None => match (&environment.web_identity, environment.container_credentials) {
                (Some(own), _) => Source::WebIdentity(own.clone()),
                (None, true) => Source::DefaultChain,
                (None, false) => {
                    return Err(invalid(format!(
                        "no AWS authentication method found: expected either IRSA or Pod Identity; set {FIELD}.secretRef \
                         or jwt, or give the controller's service account a role"
                    )));
                }
            },
        };
        Ok(Identity {
            source,
            roles: self.aws_role.iter().cloned().collect(),
            region: self.region.clone(),
            sts_endpoint: aws::sts_endpoint(environment)?,
            session: SESSION,
            fields: FIELDS,
        })
    }

    /// Looks up what the identity needs.
    pub(super) async fn prover(&self, cx: &OpenContext<'_>) -> Result<Prover, Error> {
        Prover::open(&self.identity(&cx.environment.aws)?, &self.region, cx).await
    }
}

pub(super) async fn log_in(wire: &Wire, iam: &Iam, prover: &Prover) -> Result<Lease, Error> {
    let Iam { mount, region: _, source: _, aws_role: _, vault_role, server_id } = iam;
    let proof = prover.proof(server_id.as_deref().map(|id| (SERVER_ID, id))).await?;
    let (url, content, headers) = (proof.url(), Proof::body(), proof.headers()?);
    let mut body = vec![
        ("iam_http_request_method", Proof::METHOD.as_bytes()),
        ("iam_request_body", content.as_bytes()),
        ("iam_request_headers", headers.expose()),
        ("iam_request_url", url.as_bytes()),
    ];
    // Without a role Vault takes the one that is called like the identity.
    if !vault_role.is_empty() {
        body.push(("role", vault_role.as_bytes()));
    }
    let hint = "check spec.provider.vault.auth.iam (path, vaultRole, region, vaultAwsIamServerID), which identities of AWS the \
                role admits, and the method's sts_endpoint and sts_region";
    let lease = auth::log_in(wire, mount, &[], &body, hint).await;
    let refused = |error: &Error| matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::AccessDenied);
    if lease.as_ref().is_err_and(refused) {
        prover.refused();
    }
    lease
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::environment::AwsWebIdentity;

    fn iam(spec: Value) -> Result<Iam, Error> {
        Iam::of(&serde_json::from_value(spec).unwrap())
    }

    #[test]
    fn bad_settings_name_the_field() {
        let cases = [
            (json!({"vaultRole": "r", "jwt": {}}), "auth.iam.jwt.serviceAccountRef"),
            (json!({"vaultRole": "r", "secretRef": {}}), "auth.iam.secretRef.accessKeyIDSecretRef"),
            (json!({"vaultRole": "r", "region": "eu/west"}), "auth.iam.region"),
            (json!({"vaultRole": "r", "path": "a/../b"}), "auth.iam.path"),
            (json!({"vaultRole": "r", "vaultAwsIamServerID": "a\nb"}), "auth.iam.vaultAwsIamServerID"),
        ];
        for (spec, text) in cases {
            let error = iam(spec.clone()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{spec}");
            assert!(error.to_string().contains(text), "{spec}: {error}");
        }
    }

    #[test]
    fn the_controllers_own_identity_is_its_web_identity_or_its_pods() {
        let own = AwsWebIdentity { token_file: "/token".into(), role_arn: "role".to_owned(), session_name: None };
        let environment = |web_identity: Option<&AwsWebIdentity>, container_credentials| AwsEnvironment {
            web_identity: web_identity.cloned(),
            container_credentials,
            ..AwsEnvironment::default()
        };
        let cases = [
            (environment(Some(&own), true), Some(Source::WebIdentity(own.clone()))),
            (environment(None, true), Some(Source::DefaultChain)),
            (environment(None, false), None),
        ];
        for (environment, want) in cases {
            let got = iam(json!({"vaultRole": "r"})).unwrap().identity(&environment);
            match (got, want) {
                (Ok(identity), Some(source)) => assert_eq!(identity.source, source),
                (Err(error), None) => {
                    let text = "no AWS authentication method found: expected either IRSA or Pod Identity";
                    assert!(error.to_string().starts_with(text), "{error}");
                }
                (got, want) => panic!("{got:?}, not {want:?}"),
            }
        }
    }
}
