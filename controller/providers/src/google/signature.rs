//! A JWT that a service account of Google vouches for: Google's IAM signs it.
//!
//! Deliberately not here: JWTs that a key signs for Google itself (`key.rs`).
//!
//! Source: IAM Service Account Credentials API, "signJwt".

use std::time::Duration;

use api::SecretKeySelector;
use api::provider::gcpsm::GcpWorkloadIdentity;
use provider::Error;
use secret::SecretBytes;
use serde_json::{Value, json};

use super::impersonation::{self, Call};
use super::{ACTS_AS, Authority, Granted, invalid, now, seconds, workload_identity};

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
        // One that acts was checked before.
        let url = &impersonation::url_of(email, "'client_email' of the key", "signJwt")?;
        let claims = claims(email, audience, seconds(now()), lifetime).to_string();
        let body = json!({"payload": claims});
        let token = &granted.token;
        Call { operation: OPERATION, url, token, body, answer: "signedJwt", hint: HINT }.send(authority).await
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
