//! What the process's environment says to the providers, read once at start.
//!
//! Lives here: names and defaults of the variables. Deliberately not here: any decision on them, and the variables that
//! AWS's own credential chain reads for itself (`AWS_ACCESS_KEY_ID`, `AWS_PROFILE`, `AWS_CONFIG_FILE`,
//! `AWS_EC2_METADATA_DISABLED`, `AWS_CONTAINER_CREDENTIALS_FULL_URI` and their like).

use std::path::PathBuf;
use std::time::Duration;

use secret::SecretBytes;

use crate::FakeMemory;

/// The variables that matter to the providers. Plain data; the default is an empty environment.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// Proxies for outgoing requests.
    pub proxy: ProxyEnvironment,
    /// Variables of the provider `aws`.
    pub aws: AwsEnvironment,
    /// Variables of identities at Azure.
    pub azure: AzureEnvironment,
    /// Variables of the provider `vault`.
    pub vault: VaultEnvironment,
    /// Variables of the provider `openBao`: each by the prefix `BAO_`, else by `VAULT_`, as OpenBao's SDK reads them. Those
    /// of TLS stay unset, since they have no effect on the reference's provider.
    pub openbao: VaultEnvironment,
    /// What was pushed to stores of the provider `fake`. No variable, but as much the process's own.
    pub fake: FakeMemory,
    /// Variables of the provider `gcpsm`.
    pub gcp: GcpEnvironment,
    /// Files with tokens of the operator's own identity, whoever reads them: those that `AWS_WEB_IDENTITY_TOKEN_FILE`,
    /// `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE` and `AZURE_FEDERATED_TOKEN_FILE` name.
    pub identity_files: Vec<PathBuf>,
}

/// `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in capitals or small letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProxyEnvironment {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// Hosts, domains and address ranges that are reached directly, separated by commas. Loopback always is.
    pub none: Option<String>,
}

/// Endpoints and web identity of AWS.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AwsEnvironment {
    /// URL in place of Secrets Manager's: `AWS_SECRETSMANAGER_ENDPOINT`, else the SDK's
    /// `AWS_ENDPOINT_URL_SECRETS_MANAGER`, else `AWS_ENDPOINT_URL`.
    pub secrets_manager_endpoint: Option<String>,
    /// URL in place of Systems Manager's, for Parameter Store: `AWS_SSM_ENDPOINT`, else `AWS_ENDPOINT_URL_SSM`, else
    /// `AWS_ENDPOINT_URL`.
    pub ssm_endpoint: Option<String>,
    /// URL in place of Certificate Manager's: `AWS_ACM_ENDPOINT`, else `AWS_ENDPOINT_URL_ACM`, else `AWS_ENDPOINT_URL`.
    pub acm_endpoint: Option<String>,
    /// URL in place of STS's: `AWS_STS_ENDPOINT`, else `AWS_ENDPOINT_URL_STS`, else `AWS_ENDPOINT_URL`.
    pub sts_endpoint: Option<String>,
    /// A file of CA certificates in PEM that are trusted in place of the system's: `AWS_CA_BUNDLE`.
    pub ca_bundle: Option<PathBuf>,
    /// Whether static credentials are set, which go before a web identity.
    pub has_static_credentials: bool,
    /// Whether `AWS_CONTAINER_CREDENTIALS_FULL_URI` is set, as EKS does for pod identities.
    pub container_credentials: bool,
    /// `AWS_REGION`, else `AWS_DEFAULT_REGION`.
    pub region: Option<String>,
    /// A web identity, if both `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN` are set.
    pub web_identity: Option<AwsWebIdentity>,
}

/// What a service account with a role gets mounted and set by EKS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AwsWebIdentity {
    /// The file with the token, which is replaced from time to time.
    pub token_file: PathBuf,
    /// The role to assume with it.
    pub role_arn: String,
    /// `AWS_ROLE_SESSION_NAME`.
    pub session_name: Option<String>,
}

/// What Azure's workload identity webhook sets, and where managed identities are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AzureEnvironment {
    /// The client of the pod's own identity: `AZURE_CLIENT_ID`.
    pub client_id: Option<String>,
    /// Its tenant, also of service accounts that name none: `AZURE_TENANT_ID`.
    pub tenant_id: Option<String>,
    /// The file with the pod's token, which is replaced from time to time: `AZURE_FEDERATED_TOKEN_FILE`.
    pub federated_token_file: Option<PathBuf>,
    /// Scheme and host in place of the instance metadata service's: `AZURE_POD_IDENTITY_AUTHORITY_HOST`.
    pub metadata_host: Option<String>,
    /// The secret of the pod's own client, where that isn't a workload identity: `AZURE_CLIENT_SECRET`.
    pub client_secret: Option<SecretBytes>,
    /// The cloud, in Azure's own words, of which the first that is known counts: `AZURE_ENVIRONMENT`, `AZURE_CLOUD`.
    pub cloud_names: Vec<String>,
    /// URL in place of the cloud's login service, as Azure's webhook sets it: `AZURE_AUTHORITY_HOST`.
    pub authority_host: Option<String>,
}

/// The variables of Vault's own SDK that also apply here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultEnvironment {
    /// CA certificates for stores that name none: `VAULT_CACERT`.
    pub ca_cert: Option<PathBuf>,
    /// Accept any certificate: `VAULT_SKIP_VERIFY`.
    pub skip_verify: bool,
    /// The namespace of stores that name none: `VAULT_NAMESPACE`.
    pub namespace: Option<String>,
    /// Tries after the first: `VAULT_MAX_RETRIES`.
    pub max_retries: Option<u32>,
    /// Time for one request: `VAULT_CLIENT_TIMEOUT`.
    pub client_timeout: Option<Duration>,
    /// The token of stores without `auth`: `VAULT_TOKEN`.
    pub token: Option<SecretBytes>,
}

/// Endpoints and default credentials of Google Cloud.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GcpEnvironment {
    /// URL in place of Secret Manager's, for all locations: `GCP_SECRETMANAGER_ENDPOINT`. With `http://`, stores without
    /// `auth` send no token, as emulators want it.
    pub secret_manager_endpoint: Option<String>,
    /// URL in place of `https://sts.googleapis.com`: `GCP_STS_ENDPOINT`.
    pub sts_endpoint: Option<String>,
    /// URL in place of `https://securetoken.googleapis.com`: `GCP_SECURETOKEN_ENDPOINT`.
    pub secure_token_endpoint: Option<String>,
    /// URL in place of `https://iamcredentials.googleapis.com`: `GCP_IAMCREDENTIALS_ENDPOINT`.
    pub iam_credentials_endpoint: Option<String>,
    /// Host, and port if it isn't 80, of the metadata server: Google's own `GCE_METADATA_HOST`.
    pub metadata_host: Option<String>,
    /// A file with default credentials: Google's own `GOOGLE_APPLICATION_CREDENTIALS`.
    pub application_credentials: Option<PathBuf>,
}

impl Environment {
    /// Reads the process's own environment.
    pub fn from_process() -> Self {
        Self::from_lookup(|name| std::env::var(name).ok())
    }

    /// Reads variables through `lookup`. Empty ones count as unset; values that can't be understood are logged and
    /// count as unset.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Self {
        let get = |name: &str| lookup(name).filter(|value| !value.is_empty());
        let either = |name: &str| get(name).or_else(|| get(&name.to_ascii_lowercase()));
        let endpoint = |ours: &str, sdk: &str| {
            let sdk_heeded = !get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS").is_some_and(|v| truth(&v));
            get(ours).or_else(|| {
                sdk_heeded
                    .then(|| get(&format!("AWS_ENDPOINT_URL_{sdk}")).or_else(|| get("AWS_ENDPOINT_URL")))
                    .flatten()
            })
        };
        Self {
            proxy: ProxyEnvironment {
                http: either("HTTP_PROXY"),
                https: either("HTTPS_PROXY"),
                none: either("NO_PROXY"),
            },
            aws: AwsEnvironment {
                secrets_manager_endpoint: endpoint("AWS_SECRETSMANAGER_ENDPOINT", "SECRETS_MANAGER"),
                ssm_endpoint: endpoint("AWS_SSM_ENDPOINT", "SSM"),
                acm_endpoint: endpoint("AWS_ACM_ENDPOINT", "ACM"),
                sts_endpoint: endpoint("AWS_STS_ENDPOINT", "STS"),
                ca_bundle: get("AWS_CA_BUNDLE").map(PathBuf::from),
                has_static_credentials: get("AWS_ACCESS_KEY_ID").is_some() && get("AWS_SECRET_ACCESS_KEY").is_some(),
                container_credentials: get("AWS_CONTAINER_CREDENTIALS_FULL_URI").is_some(),
                region: get("AWS_REGION").or_else(|| get("AWS_DEFAULT_REGION")),
                web_identity: get("AWS_WEB_IDENTITY_TOKEN_FILE").zip(get("AWS_ROLE_ARN")).map(|(file, role_arn)| {
                    AwsWebIdentity {
                        token_file: PathBuf::from(file),
                        role_arn,
                        session_name: get("AWS_ROLE_SESSION_NAME"),
                    }
                }),
            },
            azure: AzureEnvironment {
                client_id: get("AZURE_CLIENT_ID"),
                tenant_id: get("AZURE_TENANT_ID"),
                federated_token_file: get("AZURE_FEDERATED_TOKEN_FILE").map(PathBuf::from),
                metadata_host: get("AZURE_POD_IDENTITY_AUTHORITY_HOST"),
                client_secret: get("AZURE_CLIENT_SECRET").map(SecretBytes::from),
                cloud_names: ["AZURE_ENVIRONMENT", "AZURE_CLOUD"].into_iter().filter_map(get).collect(),
                authority_host: get("AZURE_AUTHORITY_HOST"),
            },
            vault: VaultEnvironment {
                ca_cert: get("VAULT_CACERT").map(PathBuf::from),
                skip_verify: get("VAULT_SKIP_VERIFY").is_some_and(|v| truth(&v)),
                ..vault(|name| format!("VAULT_{name}"), get)
            },
            openbao: vault(
                |name| {
                    let own = format!("BAO_{name}");
                    if lookup(&own).is_some() { own } else { format!("VAULT_{name}") }
                },
                get,
            ),
            fake: FakeMemory::default(),
            gcp: GcpEnvironment {
                secret_manager_endpoint: get("GCP_SECRETMANAGER_ENDPOINT"),
                sts_endpoint: get("GCP_STS_ENDPOINT"),
                secure_token_endpoint: get("GCP_SECURETOKEN_ENDPOINT"),
                iam_credentials_endpoint: get("GCP_IAMCREDENTIALS_ENDPOINT"),
                metadata_host: get("GCE_METADATA_HOST"),
                application_credentials: get("GOOGLE_APPLICATION_CREDENTIALS").map(PathBuf::from),
            },
            identity_files: [
                "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
                "AZURE_FEDERATED_TOKEN_FILE",
            ]
            .into_iter()
            .filter_map(|name| get(name).map(PathBuf::from))
            .collect(),
        }
    }
}

/// The variables that Vault's SDK and OpenBao's read alike, but those of TLS. `variable` makes a variable of its end.
fn vault(variable: impl Fn(&str) -> String, get: impl Fn(&str) -> Option<String>) -> VaultEnvironment {
    let (retries, timeout) = (variable("MAX_RETRIES"), variable("CLIENT_TIMEOUT"));
    VaultEnvironment {
        ca_cert: None,
        skip_verify: false,
        namespace: get(&variable("NAMESPACE")),
        max_retries: get(&retries).and_then(|v| understood(&retries, v.parse().ok())),
        client_timeout: get(&timeout).and_then(|v| understood(&timeout, seconds_or_duration(&v))),
        token: get(&variable("TOKEN")).map(SecretBytes::from),
    }
}

/// What Go's `strconv.ParseBool` takes for true.
fn truth(value: &str) -> bool {
    matches!(value, "1" | "t" | "T" | "true" | "TRUE" | "True")
}

/// `60` is seconds, `60s` a Go duration.
fn seconds_or_duration(value: &str) -> Option<Duration> {
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let api::GoDuration(nanoseconds) = value.parse().ok()?;
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

fn understood<T>(name: &str, value: Option<T>) -> Option<T> {
    if value.is_none() {
        tracing::warn!(variable = name, "the environment variable can't be understood and is ignored");
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Environment {
        Environment::from_lookup(|name| pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
    }

    #[test]
    fn the_operators_own_endpoint_goes_before_the_sdks() {
        type Variables<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Variables<'_>, Option<&str>)] = &[
            (&[], None),
            (&[("AWS_SECRETSMANAGER_ENDPOINT", "")], None),
            (&[("AWS_ENDPOINT_URL", "http://all")], Some("http://all")),
            (
                &[("AWS_ENDPOINT_URL", "http://all"), ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://sm")],
                Some("http://sm"),
            ),
            (&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_SECRETSMANAGER_ENDPOINT", "http://own")], Some("http://own")),
            (&[("AWS_ENDPOINT_URL", "http://all"), ("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")], None),
        ];
        for (pairs, want) in cases {
            assert_eq!(read(pairs).aws.secrets_manager_endpoint.as_deref(), *want, "{pairs:?}");
        }
    }

    #[test]
    fn proxies_are_read_in_capitals_first() {
        let env = read(&[("http_proxy", "small"), ("HTTP_PROXY", "BIG"), ("no_proxy", "a,b")]);
        assert_eq!(env.proxy.http.as_deref(), Some("BIG"));
        assert_eq!(env.proxy.none.as_deref(), Some("a,b"));
    }

    #[test]
    fn vault_times_are_seconds_or_go_durations() {
        let cases = [
            ("30", Some(Duration::from_secs(30))),
            ("1m", Some(Duration::from_secs(60))),
            ("soon", None),
            ("-1s", None),
        ];
        for (text, want) in cases {
            assert_eq!(read(&[("VAULT_CLIENT_TIMEOUT", text)]).vault.client_timeout, want, "{text}");
        }
    }

    #[test]
    fn a_variable_of_openbao_goes_before_that_of_vault_even_if_it_is_empty() {
        let env = read(&[
            ("BAO_NAMESPACE", "bao"),
            ("VAULT_NAMESPACE", "vault"),
            ("BAO_TOKEN", ""),
            ("VAULT_TOKEN", "t"),
            ("VAULT_MAX_RETRIES", "7"),
            ("VAULT_CACERT", "/ca"),
            ("BAO_SKIP_VERIFY", "true"),
        ]);
        let want =
            VaultEnvironment { namespace: Some("bao".to_owned()), max_retries: Some(7), ..VaultEnvironment::default() };
        assert_eq!(env.openbao, want);
        assert_eq!(env.vault.namespace.as_deref(), Some("vault"));
    }

    #[test]
    fn the_pods_identity_at_azure_is_read() {
        let env = read(&[
            ("AZURE_CLIENT_ID", "c"),
            ("AZURE_TENANT_ID", ""),
            ("AZURE_FEDERATED_TOKEN_FILE", "/f"),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://m"),
            ("AZURE_CLIENT_SECRET", "s"),
            ("AZURE_CLOUD", "AzureChinaCloud"),
            ("AZURE_AUTHORITY_HOST", "http://l"),
        ]);
        let want = AzureEnvironment {
            client_id: Some("c".to_owned()),
            tenant_id: None,
            federated_token_file: Some(PathBuf::from("/f")),
            metadata_host: Some("http://m".to_owned()),
            client_secret: Some("s".into()),
            cloud_names: vec!["AzureChinaCloud".to_owned()],
            authority_host: Some("http://l".to_owned()),
        };
        assert_eq!(env.azure, want);
    }

    #[test]
    fn files_of_the_own_identity_are_known() {
        let env = read(&[
            ("AWS_WEB_IDENTITY_TOKEN_FILE", "/a"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/b"),
            ("AZURE_FEDERATED_TOKEN_FILE", "/c"),
        ]);
        assert_eq!(env.identity_files, ["/a", "/b", "/c"].map(PathBuf::from));
    }

    #[test]
    fn a_web_identity_needs_both_file_and_role() {
        assert_eq!(read(&[("AWS_ROLE_ARN", "r")]).aws.web_identity, None);
        let env = read(&[("AWS_ROLE_ARN", "r"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")]);
        assert_eq!(env.aws.web_identity.map(|w| w.role_arn).as_deref(), Some("r"));
    }
}
