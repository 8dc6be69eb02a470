//! The proof of an identity of AWS for somebody else: a signed `sts:GetCallerIdentity` that they send to AWS, to learn who
//! signed it. The one place where this crate signs a request itself.
//!
//! Deliberately not here: how each of them wants it written.
//!
//! Source: AWS, "Signature Version 4" and STS API, "GetCallerIdentity".

use std::collections::BTreeMap;
use std::time::SystemTime;

use ::provider::{Error, ErrorKind};
use aws_credential_types::Credentials as Keys;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::identity::Identity as SdkIdentity;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Url;
use secret::SecretBytes;
use zeroize::Zeroizing;

use super::config::Identity;
use super::error::{self, Target};
use super::kept::{Refusal, Refusals};
use crate::OpenContext;

const OPERATION: &str = "GetCallerIdentity";
const BODY: &str = "Action=GetCallerIdentity&Version=2011-06-15";
/// The one region whose requests go to the address that isn't any region's. Whoever checks proofs asks there, unless they
/// were told another one.
const GLOBAL: &str = "us-east-1";

/// An identity of AWS that can prove itself.
pub(crate) struct Prover {
    credentials: SharedCredentialsProvider,
    target: Target,
    region: String,
    refusals: Refusals,
}

impl Prover {
    /// Looks up what the identity's credentials need. Its proofs are for STS of `region`.
    pub(crate) async fn open(identity: &Identity, region: &str, cx: &OpenContext<'_>) -> Result<Self, Error> {
        let base = identity.sdk_config(super::client(cx).await?);
        let refusals = Refusals::default();
        let credentials = super::auth::credentials(identity, &base, &cx.credentials, &cx.store, &refusals).await;
        let credentials = credentials.map_err(|error| error.context("unable to create session"))?;
        Ok(Self { credentials, target: Target::sts(identity, &refusals), region: region.to_owned(), refusals })
    }

    /// Whoever was shown a proof refused it, and didn't say whose fault that is: old credentials are replaced.
    pub(crate) fn refused(&self) {
        self.refusals.count(Refusal::Unclear);
    }

    /// A fresh proof, which AWS takes for a few minutes. `header` is signed too.
    pub(crate) async fn proof(&self, header: Option<(&str, &str)>) -> Result<Proof, Error> {
        let keys = self.credentials.provide_credentials().await;
        let keys = keys.map_err(|error| error::of_credentials(&error, OPERATION, &self.target))?;
        Proof::at(crate::clock::now().into(), &keys, &self.region, header).await
    }
}

/// See the module.
pub(crate) struct Proof {
    url: Url,
    /// By their names in small letters.
    headers: BTreeMap<String, Zeroizing<String>>,
}

impl Proof {
    pub(crate) const METHOD: &str = "POST";

    async fn at(time: SystemTime, keys: &Keys, region: &str, header: Option<(&str, &str)>) -> Result<Self, Error> {
        let url = address(region).await.ok_or_else(|| unsigned(region))?;
        let content = ("content-type", "application/x-www-form-urlencoded; charset=utf-8");
        let headers: Vec<_> = [Some(content), header].into_iter().flatten().collect();
        let headers =
            signed_headers(time, keys, region, &url, &headers, BODY.as_bytes()).ok_or_else(|| unsigned(region))?;
        Ok(Self { url, headers: headers.into_iter().map(|(name, value)| (name, Zeroizing::new(value))).collect() })
    }

    /// The address, in base64.
    pub(crate) fn url(&self) -> String {
        STANDARD.encode(self.url.as_str())
    }

    /// The body, in base64.
    pub(crate) fn body() -> String {
        STANDARD.encode(BODY)
    }

    /// The headers as Go prints them, a JSON object of lists, in base64. The host is the address's.
    pub(crate) fn headers(&self) -> Result<SecretBytes, Error> {
        let headers = self.headers.iter().filter(|(name, _)| *name != "host");
        let headers: BTreeMap<String, [&str; 1]> =
            headers.map(|(name, value)| (shown(name), [value.as_str()])).collect();
        // Large enough for a session token: what grows leaves copies behind.
        let mut json = Zeroizing::new(Vec::with_capacity(8 * 1024));
        serde_json::to_writer(&mut *json, &headers).map_err(|_| unsigned(""))?;
        Ok(SecretBytes::from(STANDARD.encode(&*json)))
    }
}

fn unsigned(region: &str) -> Error {
    let text = format!("the request that proves the AWS identity can't be signed; check the region {region}");
    Error::new(ErrorKind::Invalid, OPERATION, text)
}

/// Where STS of a region is.
async fn address(region: &str) -> Option<Url> {
    let params = Params::builder().region(region).use_global_endpoint(region == GLOBAL).build().ok()?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.ok()?;
    endpoint.url().parse().ok()
}

/// The region to sign for where whoever checks asks at the address that isn't any region's: that is only one of AWS's own
/// partition, and identities of the others are known only there.
pub(crate) fn region_of_partition(region: Option<&str>) -> &str {
    let apart = |region: &&str| ["cn-", "us-gov-", "us-iso", "eu-isoe", "eusc-"].iter().any(|p| region.starts_with(p));
    region.filter(apart).unwrap_or(GLOBAL)
}

/// As HTTP libraries of Go spell names of headers.
fn shown(name: &str) -> String {
    let part = |part: &str| {
        let (first, rest) = part.split_at(part.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('-').map(part).collect::<Vec<_>>().join("-")
}

/// Headers of a POST to STS, by their names in small letters: the given ones, the host, and those of the signature, which
/// holds for all of them.
pub(crate) fn signed_headers(
    time: SystemTime,
    keys: &Keys,
    region: &str,
    url: &Url,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<BTreeMap<String, String>> {
    let identity: SdkIdentity = keys.clone().into();
    let params = v4::SigningParams::builder().identity(&identity).region(region).name("sts").time(time);
    let params = params.settings(SigningSettings::default()).build().ok()?.into();
    let host = match url.port() {
        None => url.host_str()?.to_owned(),
        Some(port) => format!("{}:{port}", url.host_str()?),
    };
    let mut all: BTreeMap<String, String> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), (*value).to_owned())).collect();
    all.insert("host".to_owned(), host);
    let to_sign = all.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = SignableRequest::new(Proof::METHOD, url.as_str(), to_sign, SignableBody::Bytes(body)).ok()?;
    let (instructions, _) = sign(request, &params).ok()?.into_parts();
    let added = instructions.headers().map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
    let added: Vec<_> = added.collect();
    all.extend(added);
    Some(all)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[tokio::test]
    async fn a_proof_names_the_regions_address_and_signs_what_it_says() {
        let cases = [
            ("us-east-1", Some("https://sts.amazonaws.com/")),
            ("eu-west-1", Some("https://sts.eu-west-1.amazonaws.com/")),
            ("cn-north-1", Some("https://sts.cn-north-1.amazonaws.com.cn/")),
            ("us-gov-west-1", Some("https://sts.us-gov-west-1.amazonaws.com/")),
            ("evil.org/", None),
        ];
        let keys = Keys::new("AKID", "SECRET", Some("SESSION".to_owned()), None, "t");
        let time = UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        for (region, want) in cases {
            let proof = Proof::at(time, &keys, region, Some(("X-Own", "v"))).await;
            assert_eq!(proof.as_ref().ok().map(|proof| proof.url.as_str()), want, "{region}");
            let Ok(proof) = proof else { continue };
            let headers = STANDARD.decode(proof.headers().unwrap().expose()).unwrap();
            let headers: BTreeMap<String, [String; 1]> = serde_json::from_slice(&headers).unwrap();
            let names: Vec<&str> = headers.keys().map(String::as_str).collect();
            assert_eq!(names, ["Authorization", "Content-Type", "X-Amz-Date", "X-Amz-Security-Token", "X-Own"]);
            let begin = format!(
                "AWS4-HMAC-SHA256 Credential=AKID/20150830/{region}/sts/aws4_request, \
                 SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-own, Signature="
            );
            assert!(headers["Authorization"][0].starts_with(&begin), "{headers:?}");
            assert!(!format!("{headers:?}").contains("SECRET"));
        }
    }

    #[test]
    fn identities_of_other_partitions_are_known_only_there() {
        for (region, want) in [
            (None, "us-east-1"),
            (Some("eu-west-1"), "us-east-1"),
            (Some("cn-north-1"), "cn-north-1"),
            (Some("us-gov-west-1"), "us-gov-west-1"),
        ] {
            assert_eq!(region_of_partition(region), want);
        }
    }
}
