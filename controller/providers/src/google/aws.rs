//! AWS's proof of an identity for Google: a signed request that Google sends to AWS to learn who signed it.
//!
//! Source: Google, "Configure Workload Identity Federation with AWS"; AWS, "Signature Version 4" and "Retrieve instance
//! metadata".

use std::time::{Duration, SystemTime};

use api::SecretKeySelector;
use aws_credential_types::Credentials as Keys;
use http::{HeaderValue, Method};
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::json;

use super::{Authority, invalid, metadata, now};
use crate::aws::signed_headers;
use crate::http::{Request, percent_encode, url};

const OPERATION: &str = "Token";
const VERIFICATION: &str = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15";
const ROLES: &str = r"^http://(metadata\.google\.internal|169\.254\.169\.254|\[fd00:ec2::254\])/latest/meta-data/iam/security-credentials$";
const ZONE: &str = r"^http://(metadata\.google\.internal|169\.254\.169\.254|\[fd00:ec2::254\])/latest/meta-data/placement/availability-zone$";
const SESSION: &str = r"^http://(metadata\.google\.internal|169\.254\.169\.254|\[fd00:ec2::254\])/latest/api/token$";
/// AWS's own domains.
const VERIFIER: &str =
    r"^https://sts(\.(\{region\}|[a-z0-9-]+))?\.amazonaws\.com(\.cn)?/?\?Action=GetCallerIdentity&Version=2011-06-15$";
const HINT: &str = "credential_source: AWS's metadata server, which only its machines have";

/// The keys of a Secret.
pub(super) async fn from_secret(
    name: &str,
    namespace: Option<&str>,
    credentials: &dyn Credentials,
) -> Result<Keys, Error> {
    let key = async |key: &str| {
        let selector = SecretKeySelector {
            name: Some(name.to_owned()),
            namespace: namespace.map(str::to_owned),
            key: Some(key.to_owned()),
        };
        let value = credentials.secret_key(&selector, "").await;
        value.map(|value| value.expose_str().unwrap_or_default().trim().to_owned())
    };
    let missing = |error: Error| error.context("failed to fetch AwsSecurityCredentials secret");
    let id = key("aws_access_key_id").await.map_err(missing)?;
    let secret = key("aws_secret_access_key").await.map_err(missing)?;
    if id.is_empty() || secret.is_empty() {
        let text = "aws_access_key_id and aws_secret_access_key keys must be present in AwsSecurityCredentials secret";
        return Err(invalid(OPERATION, text));
    }
    let session = match key("aws_session_token").await {
        Ok(session) => Some(session).filter(|session| !session.is_empty()),
        // Long-lived keys have none.
        Err(error) if error.to_string().starts_with("cannot find secret data for key") => None,
        Err(error) => return Err(missing(error)),
    };
    Ok(Keys::new(id, secret, session, None, "federation"))
}

/// The proof: the request, signed and not sent, as Google wants it written.
pub(super) fn subject_token(
    keys: &Keys,
    region: &str,
    verification: Option<&str>,
    audience: &str,
) -> Result<SecretBytes, Error> {
    subject_token_at(now(), keys, region, verification, audience)
}

fn subject_token_at(
    time: SystemTime,
    keys: &Keys,
    region: &str,
    verification: Option<&str>,
    audience: &str,
) -> Result<SecretBytes, Error> {
    let failed = || invalid(OPERATION, "the request that proves the AWS identity can't be signed; check the region");
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if region.is_empty() || !region.bytes().all(good) {
        return Err(failed());
    }
    let target: Url =
        url(&verification.unwrap_or(VERIFICATION).replace("{region}", region), "the address of AWS's STS")?;
    let headers = [("x-goog-cloud-target-resource", audience)];
    let headers = signed_headers(time, keys, region, &target, &headers, b"").ok_or_else(failed)?;
    let headers: Vec<_> = headers.into_iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let request = json!({"url": target.as_str(), "method": "POST", "headers": headers});
    let mut token = Vec::new();
    percent_encode(&mut token, request.to_string().as_bytes());
    Ok(SecretBytes::new(token))
}

/// The identity of the machine that the controller runs on.
pub(super) struct MachineCredentials {
    roles: Url,
    zone: Url,
    session: Option<Url>,
    verification: Option<String>,
}

impl MachineCredentials {
    pub(super) fn of(
        environment: &str,
        roles: &str,
        zone: &str,
        verification: &str,
        session: &str,
    ) -> Result<Self, Error> {
        if !environment.to_lowercase().starts_with("aws") {
            let given = gojson::quote(environment);
            let text = format!(
                "invalid external_account config: credential_source.environment_id {given} must start with aws"
            );
            return Err(invalid("Open", text));
        }
        let checked = |text: &str, pattern: &str, field: &str| {
            super::federation::matches(text, pattern, field).and_then(|()| url(text, field))
        };
        let verification = Some(verification).filter(|text| !text.is_empty());
        if let Some(text) = verification {
            super::federation::matches(text, VERIFIER, "credential_source.regional_cred_verification_url")?;
        }
        let session = Some(session).filter(|text| !text.is_empty());
        Ok(Self {
            roles: checked(roles, ROLES, "credential_source.aws.url")?,
            zone: checked(zone, ZONE, "credential_source.aws.region_url")?,
            session: session
                .map(|text| checked(text, SESSION, "credential_source.aws.imdsv2_session_token_url"))
                .transpose()?,
            verification: verification.map(str::to_owned),
        })
    }

    pub(super) async fn subject_token(&self, audience: &str, authority: &Authority) -> Result<SecretBytes, Error> {
        let malformed =
            || Error::new(ErrorKind::Malformed, OPERATION, format!("the answer can't be understood; check {HINT}"));
        let session = match &self.session {
            None => None,
            Some(url) => {
                let mut request = Request::new(Method::PUT, url.clone());
                request.timeout = TIMEOUT;
                request.headers.insert("x-aws-ec2-metadata-token-ttl-seconds", HeaderValue::from_static("300"));
                let token = metadata::plain(authority, request, HINT).await?;
                let mut header = HeaderValue::from_bytes(token.expose().trim_ascii()).map_err(|_| malformed())?;
                header.set_sensitive(true);
                Some(header)
            }
        };
        let get = async |url: Url| {
            let mut request = Request::new(Method::GET, url);
            request.timeout = TIMEOUT;
            request.headers.extend(session.clone().map(|token| (SESSION_HEADER, token)));
            metadata::plain(authority, request, HINT).await
        };
        let zone = get(self.zone.clone()).await?;
        // A zone is its region and a letter.
        let region = zone.expose_str().map(str::trim).and_then(|zone| zone.get(..zone.len().saturating_sub(1)));
        let role = get(self.roles.clone()).await?;
        let role =
            role.expose_str().and_then(|text| text.lines().next()).map(str::trim).filter(|role| !role.is_empty());
        let (region, role) = region.zip(role).ok_or_else(malformed)?;
        let mut url = self.roles.clone();
        url.path_segments_mut().map_err(|()| malformed())?.push(role);
        let answer = get(url).await?;

        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Body {
            access_key_id: String,
            secret_access_key: String,
            token: Option<String>,
        }
        let body: Body = serde_json::from_slice(answer.expose()).map_err(|_| malformed())?;
        let Body { access_key_id, secret_access_key, token } = body;
        let keys = Keys::new(access_key_id, secret_access_key, token, None, "federation");
        subject_token(&keys, region, self.verification.as_deref(), audience)
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);
const SESSION_HEADER: http::HeaderName = http::HeaderName::from_static("x-aws-ec2-metadata-token");

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::Value;

    use super::*;

    fn decoded(token: &SecretBytes) -> Value {
        let mut bytes = Vec::new();
        let mut rest = token.expose().iter();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => {
                    let pair = [*rest.next().unwrap(), *rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&pair).unwrap(), 16).unwrap()
                }
                byte => *byte,
            });
        }
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn the_proof_is_a_signed_request_that_names_the_audience() {
        let keys = Keys::new("AKID", "SECRET", Some("SESSION".to_owned()), None, "t");
        let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let token = subject_token_at(time, &keys, "eu-west-1", None, "//iam/x").unwrap();
        let proof = decoded(&token);
        assert_eq!(proof["method"], "POST");
        assert_eq!(proof["url"], "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15");
        let header = |name: &str| {
            let mut headers = proof["headers"].as_array().unwrap().iter();
            headers.find(|h| h["key"] == name).map(|h| h["value"].as_str().unwrap().to_owned()).unwrap_or_default()
        };
        assert_eq!(header("host"), "sts.eu-west-1.amazonaws.com");
        assert_eq!(header("x-amz-date"), "20150830T123600Z");
        assert_eq!(header("x-amz-security-token"), "SESSION");
        assert_eq!(header("x-goog-cloud-target-resource"), "//iam/x");
        let signed = "AWS4-HMAC-SHA256 Credential=AKID/20150830/eu-west-1/sts/aws4_request, \
                      SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, Signature=";
        assert!(header("authorization").starts_with(signed), "{proof}");
        assert!(!proof.to_string().contains("SECRET"));
        assert!(subject_token_at(time, &keys, "evil.org/", None, "a").is_err());
    }
}
