//! A JWT that a service account of Google vouches for: Google's IAM signs it.
//!
//! Deliberately not here: JWTs that a key signs for Google itself (`key.rs`).
//!
//! Source: IAM Service Account Credentials API, "signJwt".

use std::borrow::Cow;
use std::time::Duration;

use api::SecretKeySelector;
use api::provider::gcpsm::GcpWorkloadIdentity;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use provider::Error;
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    ACTS_AS, Ask, Authority, Granted, JSON, bearer_header, error, impersonation, invalid, now, seconds,
    workload_identity,
};

const OPERATION: &str = "SignJwt";
const HINT: &str = "that the IAM Service Account Credentials API (iamcredentials.googleapis.com) is enabled, and that the \
                    Google service account may sign as itself (roles/iam.serviceAccountTokenCreator on itself)";

/// Whose signature it is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Signer {
    /// The service account of a key, which is in a Secret.
    Key(SecretKeySelector),
    /// The one that a Kubernetes service account acts as.
    WorkloadIdentity(Box<GcpWorkloadIdentity>),
}

/// A service account that has logged in.
pub(crate) struct SignedIn {
    email: String,
    granted: Granted,
}

impl Signer {
    /// Gets the service account a token.
    ///
    /// # Errors
    /// What is wrong with the key or the workload identity, and the kinds of a refused login.
    pub(crate) async fn sign_in(&self, authority: &Authority) -> Result<SignedIn, Error> {
        match self {
            Self::Key(selector) => {
                let key = authority.key(selector).await?;
                let granted = key.grant(authority).await?;
                Ok(SignedIn { email: key.email, granted })
            }
            Self::WorkloadIdentity(identity) => {
                let email = workload_identity::acts_as(identity, authority).await?.ok_or_else(|| {
                    let text = format!(
                        "{}.workloadIdentity.serviceAccountRef: the service account has no annotation {ACTS_AS}; annotate it \
                         with the Google service account that signs",
                        authority.field
                    );
                    invalid("Open", text)
                })?;
                let granted = workload_identity::act(identity, Some(&email), authority).await?;
                Ok(SignedIn { email, granted })
            }
        }
    }
}

impl SignedIn {
    /// A JWT about the service account for `audience`.
    ///
    /// # Errors
    /// The kinds of a refused login.
    pub(crate) async fn sign(
        &self,
        audience: &str,
        lifetime: Duration,
        authority: &Authority,
    ) -> Result<SecretBytes, Error> {
        let Self { email, granted } = self;
        let mut url = impersonation::url_of(email, "signJwt")?;
        if let Some(iam) = &authority.iam {
            let path = url.path().to_owned();
            url = iam.clone();
            url.set_path(&path);
        }
        let origin = url.origin().ascii_serialization();
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, bearer_header(&granted.token, OPERATION)?);
        let claims = claims(email, audience, seconds(now()), lifetime);
        let body = json!({"payload": claims.to_string()}).to_string().into();
        let answer =
            authority.post(Ask { operation: OPERATION, url, content_type: JSON, headers, body, hint: HINT }).await?;

        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Body<'a> {
            #[serde(borrow)]
            signed_jwt: Cow<'a, str>,
        }
        let body: Option<Body<'_>> = serde_json::from_slice(answer.body.expose()).ok();
        match body.filter(|body| !body.signed_jwt.is_empty()) {
            Some(Body { signed_jwt }) => Ok(SecretBytes::from(signed_jwt.into_owned())),
            None => Err(error::no_token(OPERATION, &origin)),
        }
    }
}

/// `now` in seconds since 1970.
fn claims(email: &str, audience: &str, now: u64, lifetime: Duration) -> Value {
    json!({"aud": audience, "sub": email, "exp": now + lifetime.as_secs()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_claims_end_when_their_life_is_over() {
        let got = claims("a@p", "vault/r", 1_000, Duration::from_secs(600));
        assert_eq!(got, json!({"aud": "vault/r", "sub": "a@p", "exp": 1_600}));
    }
}
