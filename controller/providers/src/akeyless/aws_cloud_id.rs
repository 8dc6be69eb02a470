//! Akeyless's access type `aws_iam`: the controller's identity of AWS, proved by a `cloud-id`.
//!
//! Source: akeyless-go-cloud-id, `cloudprovider/aws`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::Error;
use secret::SecretBytes;

use crate::OpenContext;
use crate::aws::{self, Fields, Identity, Proof, Prover, region_of_partition};

const FIELDS: Fields = Fields {
    auth: "another access type in the Secret of spec.provider.akeyless.authSecretRef.secretRef",
    region: "the environment variable AWS_REGION and the way to AWS",
};
const SESSION: &str = "external-secrets-provider-akeyless";

/// Looks up the controller's own identity.
pub(super) async fn prover(cx: &OpenContext<'_>) -> Result<Prover, Error> {
    let environment = &cx.environment.aws;
    let region = environment.region.as_deref();
    let proved = region_of_partition(region);
    let identity = Identity {
        source: aws::own_source(environment),
        roles: Vec::new(),
        region: aws::checked_region(region.unwrap_or(proved), "the environment variable AWS_REGION")?,
        sts_endpoint: aws::sts_endpoint(environment)?,
        session: SESSION,
        fields: FIELDS,
    };
    Prover::open(&identity, proved, cx).await
}

/// A fresh one: AWS takes it for a few minutes.
pub(super) async fn cloud_id(prover: &Prover) -> Result<SecretBytes, Error> {
    let proof = prover.proof(None).await.map_err(|error| error.context("Require Cloud ID"))?;
    let (url, body, headers) = (proof.url(), Proof::body(), proof.headers()?);
    let fields = [
        ("sts_request_body", body.as_bytes()),
        ("sts_request_headers", headers.expose()),
        ("sts_request_method", Proof::METHOD.as_bytes()),
        ("sts_request_url", url.as_bytes()),
    ];
    Ok(SecretBytes::from(STANDARD.encode(gojson::string_map(fields, gojson::Html::Keep))))
}
