//! Whose token a federation exchanges: that of a Kubernetes service account, of AWS, out of a file, or from a URL.
//!
//! Lives here: the checks of `credential_source`, and reading files and URLs. Deliberately not here: the exchange
//! (`federation.rs`), and how AWS's proof is made (`aws.rs`).
//!
//! Source: AIP-4117, "External account credentials".

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use api::ServiceAccountSelector;
use api::provider::gcpsm::{GcpAwsCredentials, GcpAwsCredentialsRef};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use provider::{Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;
use serde::Deserialize;
use serde_json::Value;

use super::aws::{self, MachineCredentials};
use super::default_file::{self, FileCredentials};
use super::federation::{Rules, refused};
use super::{ACCOUNT_TOKEN_LIFETIME, Authority, invalid, metadata};
use crate::http::{Request, url};

const OPERATION: &str = "Token";
/// A token is no longer than this.
const LONGEST_FILE: u64 = 64 << 10;
/// Where a store's configuration must not read, beside what the environment names: the operator's own identity, and what
/// the kernel shows of it.
const OWN: [&str; 4] = ["/var/run/secrets/kubernetes.io", "/proc", "/sys", "/dev"];

/// Whose token is exchanged.
pub(super) enum Subject {
    Account(ServiceAccountSelector),
    AwsSecret(GcpAwsCredentials),
    AwsMachine(Box<MachineCredentials>),
    File { path: PathBuf, field: Option<String>, guarded: bool },
    Url { url: Url, headers: HeaderMap, field: Option<String> },
}

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct CredentialSource {
    file: String,
    url: String,
    headers: BTreeMap<String, String>,
    executable: Option<Value>,
    certificate: Option<Value>,
    environment_id: String,
    region_url: String,
    regional_cred_verification_url: String,
    imdsv2_session_token_url: String,
    format: Format,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Format {
    #[serde(rename = "type")]
    type_: String,
    subject_token_field_name: String,
}

impl Subject {
    /// Checks where a configuration takes tokens from.
    pub(super) fn of(source: CredentialSource, rules: &Rules<'_>) -> Result<Self, Error> {
        let CredentialSource {
            file,
            url: given,
            headers,
            executable,
            certificate,
            environment_id,
            region_url,
            regional_cred_verification_url,
            imdsv2_session_token_url,
            format,
        } = source;
        let field = match format.type_.as_str() {
            "" | "text" => None,
            "json" if !format.subject_token_field_name.is_empty() => Some(format.subject_token_field_name),
            _ => return Err(refused("credential_source.format: write text, or json with subject_token_field_name")),
        };
        if executable.is_some() {
            return Err(refused("credential_source.executable.command is not allowed"));
        }
        if certificate.is_some() {
            let text =
                "invalid external_account config: credential_source.certificate is not supported; use file or url";
            return Err(Error::new(ErrorKind::Unsupported, "Open", text));
        }
        if !environment_id.is_empty() {
            let machine = MachineCredentials::of(
                &environment_id,
                &given,
                &region_url,
                &regional_cred_verification_url,
                &imdsv2_session_token_url,
            )?;
            return Ok(Self::AwsMachine(Box::new(machine)));
        }
        if file.is_empty() && given.is_empty() {
            return Err(refused(
                "one of credential_source.file, credential_source.url or credential_source.environment_id should be provided",
            ));
        }
        if let Rules::Store { endpoint, setting: _ } = rules
            && given != *endpoint
        {
            let (given, endpoint) = (gojson::quote(&given), gojson::quote(endpoint));
            return Err(refused(format!(
                "credential_source.url {given} does not match with the configured {endpoint} externalTokenEndpoint"
            )));
        }
        if !file.is_empty() {
            return Ok(Self::File {
                path: PathBuf::from(file),
                field,
                guarded: matches!(rules, Rules::Store { endpoint: _, setting: _ }),
            });
        }
        let mut all = HeaderMap::new();
        for (name, value) in &headers {
            let pair = HeaderName::from_bytes(name.as_bytes()).ok().zip(HeaderValue::from_str(value).ok());
            let (name, mut value) = pair.ok_or_else(|| refused("credential_source.headers: one is no HTTP header"))?;
            value.set_sensitive(true);
            all.insert(name, value);
        }
        Ok(Self::Url { url: url(&given, "credential_source.url")?, headers: all, field })
    }

    /// Its token, to be exchanged for `audience`. `setting` is where it was configured, for errors.
    pub(super) async fn token(
        &self,
        audience: &str,
        setting: &str,
        authority: &Authority,
    ) -> Result<SecretBytes, Error> {
        match self {
            Self::Account(account) => {
                let token = authority.credentials.service_account_token(account, &[], ACCOUNT_TOKEN_LIFETIME).await;
                Ok(token.map_err(|e| e.context("unable to fetch pod token"))?.token)
            }
            Self::AwsSecret(GcpAwsCredentials { aws_credentials_secret_ref, region }) => {
                let GcpAwsCredentialsRef { name, namespace } = aws_credentials_secret_ref;
                let keys = aws::from_secret(name, namespace.as_deref(), authority.credentials.as_ref()).await?;
                aws::subject_token(&keys, region, None, audience)
            }
            Self::AwsMachine(machine) => machine.subject_token(audience, authority).await,
            Self::File { path, field, guarded } => {
                let own = if *guarded { Some(own_files(authority).await) } else { None };
                token_of(&read(path, own.as_deref()).await?, field.as_deref(), "credential_source.file")
            }
            Self::Url { url, headers, field } => {
                let mut request = Request::new(Method::GET, url.clone());
                request.headers = headers.clone();
                let hint = format!("{setting}: credential_source.url");
                token_of(&metadata::plain(authority, request, &hint).await?, field.as_deref(), "credential_source.url")
            }
        }
    }
}

/// Where a store's configuration must not read.
async fn own_files(authority: &Authority) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = OWN.iter().map(PathBuf::from).collect();
    files.extend_from_slice(&authority.identity_files);
    if let Some(file) = &authority.file {
        files.push(file.clone());
        if let Ok(FileCredentials::External(account)) = default_file::read(file).await {
            files.extend(account.token_file().map(Path::to_owned));
        }
    }
    files
}

/// The bytes of a small file that is none of `own` nor below one.
async fn read(path: &Path, own: Option<&[PathBuf]>) -> Result<SecretBytes, Error> {
    let unreadable = || invalid(OPERATION, "credential_source.file: the controller's pod has no such readable file");
    let real = tokio::fs::canonicalize(path).await.map_err(|_| unreadable())?;
    for own in own.unwrap_or_default() {
        let resolved = tokio::fs::canonicalize(own).await.unwrap_or_else(|_| own.clone());
        if real.starts_with(own) || real.starts_with(resolved) {
            let text = "credential_source.file: this file is the operator's own; mount a token of its own for this \
                        store, or use serviceAccountRef";
            return Err(invalid(OPERATION, text));
        }
    }
    let facts = tokio::fs::metadata(&real).await.map_err(|_| unreadable())?;
    if !facts.is_file() || facts.len() > LONGEST_FILE {
        return Err(unreadable());
    }
    tokio::fs::read(&real).await.map(SecretBytes::new).map_err(|_| unreadable())
}

/// The token in a text, or in a field of a JSON object.
fn token_of(content: &SecretBytes, field: Option<&str>, setting: &str) -> Result<SecretBytes, Error> {
    let malformed = |text: &str| Error::new(ErrorKind::Malformed, OPERATION, format!("{setting}: {text}"));
    let Some(field) = field else {
        let token = content.expose().trim_ascii();
        return if token.is_empty() { Err(malformed("it is empty")) } else { Ok(SecretBytes::new(token.to_vec())) };
    };
    let members = gojson::object_to_map(content.expose()).map_err(|_| malformed("it is not a JSON object"))?;
    let token = members.into_iter().find(|(name, value)| name == field && !value.is_empty());
    token.map(|(_, token)| SecretBytes::new(token)).ok_or_else(|| malformed("it has no subject_token_field_name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stores_file_is_not_the_operators_own() {
        let directory = tempfile::tempdir().unwrap();
        let token = directory.path().join("token");
        std::fs::write(&token, " t\n").unwrap();
        let large = directory.path().join("large");
        std::fs::write(&large, vec![b'x'; 70_000]).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("/proc/self/environ", &link).unwrap();
        let cases = [
            (token.as_path(), true, None),
            (large.as_path(), true, Some("no such readable file")),
            (directory.path(), true, Some("no such readable file")),
            (Path::new("/none"), true, Some("no such readable file")),
            (Path::new("/proc/self/environ"), true, Some("the operator's own")),
            (Path::new("/dev/../proc/self/environ"), true, Some("the operator's own")),
            (link.as_path(), true, Some("the operator's own")),
            (link.as_path(), false, None),
        ];
        let own = OWN.map(PathBuf::from);
        for (path, guarded, want) in cases {
            let got = read(path, guarded.then_some(own.as_slice())).await;
            match (&got, want) {
                (Ok(_), None) => {}
                (Err(error), Some(text)) => assert!(error.to_string().contains(text), "{error}"),
                (got, want) => panic!("{}: {got:?}, not {want:?}", path.display()),
            }
        }
    }

    #[test]
    fn a_token_is_a_text_or_a_field() {
        let cases = [
            (" t\n", None, Some("t")),
            ("", None, None),
            (r#"{"id":"t"}"#, Some("id"), Some("t")),
            (r#"{"id":"t"}"#, Some("other"), None),
            ("canary", Some("id"), None),
        ];
        for (content, field, want) in cases {
            let got = token_of(&content.into(), field, "s");
            assert_eq!(got.as_ref().ok().map(|token| token.expose_str().unwrap()), want, "{content}");
            assert!(got.err().is_none_or(|error| !error.to_string().contains("canary")));
        }
    }
}
