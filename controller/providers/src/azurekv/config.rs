//! Settings of `azurekv`: from the spec (and the pod's environment) to what the rest needs. Pure.

use std::path::PathBuf;

use api::provider::azurekv::{
    AzureKvAuthType, AzureKvCustomCloud, AzureKvEnvironment, AzureKvProvider, AzureKvSecretRef,
};
use api::{SecretKeySelector, ServiceAccountSelector};
use provider::{Error, ErrorKind};
use reqwest::Url;

use crate::entra::{Authority, METADATA};
use crate::environment::AzureEnvironment;

const OPEN: &str = "Open";
pub(super) const VAULT_URL: &str = "spec.provider.azurekv.vaultUrl";
const ENVIRONMENT_TYPE: &str = "spec.provider.azurekv.environmentType";
const AUTHORITY: &str = "spec.provider.azurekv.customCloudConfig.activeDirectoryEndpoint";

/// A checked store.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) vault: Url,
    /// `useAzureSDK`.
    pub(super) modern: bool,
    /// Whom tokens are good for, such as `https://vault.azure.net`. `None`: the vault says it when it is asked.
    pub(super) resource: Option<String>,
    pub(super) login: Login,
}

/// How to get a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// A client with a secret or certificate.
    ServicePrincipal { authority: Authority, tenant: String, client: SecretKeySelector, proof: Proof },
    /// The identity of the node or pod, from the metadata service.
    ManagedIdentity { metadata: Url, client: Option<String> },
    /// A service account that Entra ID trusts.
    Account { authority: Authority, account: ServiceAccountSelector, given: Given },
    /// The controller's own service account.
    Pod { authority: Authority, tenant: String, client: String, token_file: PathBuf },
}

/// What a service principal shows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Proof {
    Secret(SecretKeySelector),
    Certificate(SecretKeySelector),
}

/// What is known of a service account's identity beside its annotations.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Given {
    pub(super) client: Option<SecretKeySelector>,
    pub(super) tenant_ref: Option<SecretKeySelector>,
    pub(super) tenant: Option<String>,
    /// If nothing else names a tenant.
    pub(super) environment_tenant: Option<String>,
    /// Whether it is an error that two places name a client or tenant, as with the reference's older client. With the newer
    /// one an annotated client and the store's tenant count.
    pub(super) exclusive: bool,
}

pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

pub(super) fn missing_tenant() -> Error {
    invalid("missing tenantID in store config: set spec.provider.azurekv.tenantId")
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(spec: &AzureKvProvider, environment: &AzureEnvironment) -> Result<Self, Error> {
        let AzureKvProvider {
            vault_url,
            auth_secret_ref,
            auth_type,
            custom_cloud_config,
            environment_type,
            identity_id,
            service_account_ref,
            tenant_id,
            use_azure_sdk,
        } = spec;
        let AzureEnvironment {
            client_id: own_client,
            tenant_id: own_tenant,
            federated_token_file,
            metadata_host,
            client_secret: _, // The reference's azurekv reads no more than these four.
            cloud_names: _,
            authority_host: _,
        } = environment;
        let vault = http_url(vault_url, VAULT_URL, "https://team.vault.azure.net")?;
        let (authority, resource) = cloud(*environment_type, custom_cloud_config.as_ref(), *use_azure_sdk)?;
        let tenant_id = filled(tenant_id.as_deref()).map(str::to_owned);
        let login = match (auth_type, service_account_ref) {
            (AzureKvAuthType::ServicePrincipal, _) => {
                service_principal(authority, tenant_id, auth_secret_ref.as_ref())?
            }
            (AzureKvAuthType::ManagedIdentity, _) => {
                let (host, setting) = match metadata_host {
                    None => (METADATA, "spec.provider.azurekv.authType"),
                    Some(host) => (host.as_str(), "AZURE_POD_IDENTITY_AUTHORITY_HOST"),
                };
                let client = filled(identity_id.as_deref()).map(str::to_owned);
                Login::ManagedIdentity { metadata: http_url(host, setting, METADATA)?, client }
            }
            (AzureKvAuthType::WorkloadIdentity, Some(account)) => {
                let (client, tenant_ref) = match auth_secret_ref {
                    None => (None, None),
                    Some(AzureKvSecretRef { client_id, tenant_id, client_secret: _, client_certificate: _ }) => {
                        if client_id.is_none() && !use_azure_sdk {
                            return Err(missing_client());
                        }
                        (client_id.clone(), tenant_id.clone())
                    }
                };
                let given = Given {
                    client,
                    tenant_ref,
                    tenant: tenant_id,
                    environment_tenant: own_tenant.clone(),
                    exclusive: !use_azure_sdk,
                };
                Login::Account { authority, account: account.clone(), given }
            }
            (AzureKvAuthType::WorkloadIdentity, None) => match (own_client, own_tenant, federated_token_file) {
                (Some(client), Some(tenant), Some(file)) => {
                    Login::Pod { authority, tenant: tenant.clone(), client: client.clone(), token_file: file.clone() }
                }
                _ => {
                    return Err(invalid(
                        "missing environment variables. AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE \
                         must be set; or name a service account in spec.provider.azurekv.serviceAccountRef",
                    ));
                }
            },
        };
        Ok(Self { vault, modern: *use_azure_sdk, resource, login })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.login {
            Login::ServicePrincipal { authority: _, tenant: _, client, proof } => {
                let proof = match proof {
                    Proof::Secret(selector) | Proof::Certificate(selector) => selector,
                };
                vec![client.namespace.as_deref(), proof.namespace.as_deref()]
            }
            Login::Account { authority: _, account, given } => {
                let Given { client, tenant_ref, tenant: _, environment_tenant: _, exclusive: _ } = given;
                let secrets = client.iter().chain(tenant_ref).map(|selector| selector.namespace.as_deref());
                secrets.chain([account.namespace.as_deref()]).collect()
            }
            Login::ManagedIdentity { metadata: _, client: _ }
            | Login::Pod { authority: _, tenant: _, client: _, token_file: _ } => Vec::new(),
        }
    }
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

fn missing_client() -> Error {
    invalid(
        "missing accessKeyID/secretAccessKey in store config: set clientId, and clientSecret or clientCertificate, below \
         spec.provider.azurekv.authSecretRef",
    )
}

fn http_url(text: &str, setting: &str, example: &str) -> Result<Url, Error> {
    let url: Url =
        text.trim().parse().map_err(|_| invalid(format!("{setting}: not a URL; write a URL such as {example}")))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(invalid(format!("{setting}: neither http:// nor https://; write a URL such as {example}")));
    }
    Ok(url)
}

fn service_principal(
    authority: Authority,
    tenant: Option<String>,
    secrets: Option<&AzureKvSecretRef>,
) -> Result<Login, Error> {
    let tenant = tenant.ok_or_else(missing_tenant)?;
    let missing = "missing secretRef in provider config: set spec.provider.azurekv.authSecretRef";
    let AzureKvSecretRef { client_id, client_secret, client_certificate, tenant_id: _ } =
        secrets.ok_or_else(|| invalid(missing))?;
    let client = client_id.clone().ok_or_else(missing_client)?;
    let proof = match (client_secret, client_certificate) {
        (Some(secret), None) => Proof::Secret(secret.clone()),
        (None, Some(certificate)) => Proof::Certificate(certificate.clone()),
        (None, None) => return Err(missing_client()),
        (Some(_), Some(_)) => {
            return Err(invalid(
                "both clientSecret and clientCredentials set: spec.provider.azurekv.authSecretRef takes one of \
                 clientSecret and clientCertificate",
            ));
        }
    };
    Ok(Login::ServicePrincipal { authority, tenant, client, proof })
}

/// Where to log in, and for which resource.
///
/// Source: Azure documentation, "National clouds: Microsoft Entra authentication endpoints" and "Azure Key Vault DNS
/// suffixes"; for Azure Stack its operator says both.
fn cloud(
    environment: AzureKvEnvironment,
    custom: Option<&AzureKvCustomCloud>,
    modern: bool,
) -> Result<(Authority, Option<String>), Error> {
    let known = match environment {
        AzureKvEnvironment::PublicCloud => Some(("https://login.microsoftonline.com", "https://vault.azure.net")),
        AzureKvEnvironment::USGovernmentCloud => {
            Some(("https://login.microsoftonline.us", "https://vault.usgovcloudapi.net"))
        }
        AzureKvEnvironment::ChinaCloud => Some(("https://login.chinacloudapi.cn", "https://vault.azure.cn")),
        AzureKvEnvironment::GermanCloud if modern => {
            return Err(invalid(format!(
                "{ENVIRONMENT_TYPE}: GermanCloud was discontinued in 2021; use PublicCloud with a region there, or \
                 AzureStackCloud with customCloudConfig"
            )));
        }
        AzureKvEnvironment::GermanCloud => {
            Some(("https://login.microsoftonline.de", "https://vault.microsoftazure.de"))
        }
        AzureKvEnvironment::AzureStackCloud => None,
    };
    let Some(custom) = custom else {
        let text = "CustomCloudConfig is required when EnvironmentType is AzureStackCloud";
        let (authority, resource) = known.ok_or_else(|| invalid(text))?;
        let url = http_url(authority, ENVIRONMENT_TYPE, authority)?;
        return Ok((Authority { url, setting: ENVIRONMENT_TYPE }, Some(resource.to_owned())));
    };
    if !modern {
        return Err(invalid(
            "CustomCloudConfig requires UseAzureSDK to be set to true: set spec.provider.azurekv.useAzureSDK",
        ));
    }
    let AzureKvCustomCloud {
        active_directory_endpoint,
        key_vault_dns_suffix,
        key_vault_endpoint,
        resource_manager_endpoint: _, // Nothing here asks the Resource Manager.
    } = custom;
    let url = http_url(active_directory_endpoint, AUTHORITY, "https://login.microsoftonline.com")?;
    let named = filled(key_vault_endpoint.as_deref()).map(|url| url.trim_end_matches('/').to_owned());
    let suffix = || {
        let suffix = filled(key_vault_dns_suffix.as_deref())?.trim_matches(['.', '/']);
        Some(format!("https://{suffix}"))
    };
    let resource = named.or_else(|| known.map(|(_, resource)| resource.to_owned())).or_else(suffix);
    Ok((Authority { url, setting: AUTHORITY }, resource))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(patch: Value) -> Result<Settings, Error> {
        let mut spec = json!({"vaultUrl": "https://team.vault.azure.net", "tenantId": "t", "authSecretRef": {
            "clientId": {"name": "s", "key": "id"}, "clientSecret": {"name": "s", "key": "secret"}}});
        spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        spec.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        Settings::of(&serde_json::from_value(spec).unwrap(), &AzureEnvironment::default())
    }

    #[test]
    fn bad_settings_name_the_field() {
        let (id, secret) = (json!({"name": "s", "key": "id"}), json!({"name": "s", "key": "k"}));
        let account = json!({"name": "reader"});
        let cases = [
            (json!({"vaultUrl": "team.vault.azure.net"}), "spec.provider.azurekv.vaultUrl: not a URL"),
            (json!({"vaultUrl": "ftp://team"}), "spec.provider.azurekv.vaultUrl: neither http"),
            (json!({"tenantId": null}), "missing tenantID in store config"),
            (json!({"tenantId": " "}), "missing tenantID in store config"),
            (json!({"authSecretRef": null}), "missing secretRef in provider config"),
            (json!({"authSecretRef": {"clientSecret": secret}}), "missing accessKeyID/secretAccessKey in store config"),
            (json!({"authSecretRef": {"clientId": id}}), "missing accessKeyID/secretAccessKey in store config"),
            (
                json!({"authSecretRef": {"clientId": id, "clientSecret": secret, "clientCertificate": secret}}),
                "both clientSecret and clientCredentials set",
            ),
            (
                json!({"authType": "WorkloadIdentity", "authSecretRef": null}),
                "missing environment variables. AZURE_CLIENT_ID, AZURE_TENANT_ID and AZURE_FEDERATED_TOKEN_FILE must be set",
            ),
            (
                json!({"authType": "WorkloadIdentity", "serviceAccountRef": account, "authSecretRef": {"tenantId": id}}),
                "missing accessKeyID/secretAccessKey in store config",
            ),
            (json!({"environmentType": "AzureStackCloud"}), "CustomCloudConfig is required when"),
            (
                json!({"customCloudConfig": {"activeDirectoryEndpoint": "https://login"}}),
                "CustomCloudConfig requires UseAzureSDK to be set to true",
            ),
            (
                json!({"useAzureSDK": true, "customCloudConfig": {"activeDirectoryEndpoint": "login"}}),
                "spec.provider.azurekv.customCloudConfig.activeDirectoryEndpoint: not a URL",
            ),
            (
                json!({"useAzureSDK": true, "environmentType": "GermanCloud"}),
                "spec.provider.azurekv.environmentType: GermanCloud",
            ),
        ];
        for (patch, text) in cases {
            let error = settings(patch.clone()).err().unwrap();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{patch}");
            assert!(error.to_string().starts_with(text), "{patch}: {error}");
        }
    }

    #[test]
    fn the_cloud_decides_on_login_and_resource() {
        let own = |more: Value| {
            let mut cloud = json!({"activeDirectoryEndpoint": "https://adfs.local/adfs"});
            cloud.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"useAzureSDK": true, "customCloudConfig": cloud})
        };
        let stack = |more: Value| {
            let mut patch = own(more);
            patch["environmentType"] = json!("AzureStackCloud");
            patch
        };
        let cases = [
            (json!({}), "https://login.microsoftonline.com/", Some("https://vault.azure.net")),
            (
                json!({"environmentType": "USGovernmentCloud"}),
                "https://login.microsoftonline.us/",
                Some("https://vault.usgovcloudapi.net"),
            ),
            (
                json!({"environmentType": "ChinaCloud"}),
                "https://login.chinacloudapi.cn/",
                Some("https://vault.azure.cn"),
            ),
            (
                json!({"environmentType": "GermanCloud"}),
                "https://login.microsoftonline.de/",
                Some("https://vault.microsoftazure.de"),
            ),
            (own(json!({})), "https://adfs.local/adfs", Some("https://vault.azure.net")),
            (
                own(json!({"keyVaultEndpoint": "https://kv.local/"})),
                "https://adfs.local/adfs",
                Some("https://kv.local"),
            ),
            (stack(json!({})), "https://adfs.local/adfs", None),
            (
                stack(json!({"keyVaultDNSSuffix": ".vault.local"})),
                "https://adfs.local/adfs",
                Some("https://vault.local"),
            ),
        ];
        for (patch, authority, resource) in cases {
            let settings = settings(patch.clone()).unwrap();
            let Login::ServicePrincipal { authority: found, .. } = &settings.login else { panic!("{patch}") };
            assert_eq!((found.url.as_str(), settings.resource.as_deref()), (authority, resource), "{patch}");
        }
    }
}
