//! The provider `azurekv`: references of the login methods, custom clouds.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use api::provider::azurekv::{AzureKvCustomCloud, AzureKvEnvironment, AzureKvProvider, AzureKvSecretRef};

pub(super) fn rules(provider: &AzureKvProvider, at: At<'_>) -> Result<(), Finding> {
    let AzureKvProvider {
        auth_secret_ref,
        service_account_ref,
        custom_cloud_config,
        environment_type,
        use_azure_sdk,
        vault_url: _,
        auth_type: _,
        identity_id: _,
        tenant_id: _,
    } = provider;
    if let Some(AzureKvSecretRef { client_id, client_secret, client_certificate: _, tenant_id: _ }) = auth_secret_ref {
        // ESO doesn't look at the other two here.
        let (id, secret) = (client_id.as_ref(), client_secret.as_ref());
        at.optional_secret("authSecretRef.clientId", "invalid AuthSecretRef.ClientID: ", id, Form::Referent)?;
        let prefix = "invalid AuthSecretRef.ClientSecret: ";
        at.optional_secret("authSecretRef.clientSecret", prefix, secret, Form::Referent)?;
    }
    let account = service_account_ref.as_ref();
    at.account("serviceAccountRef", "invalid ServiceAccountRef: ", account, Form::Referent)?;
    match (custom_cloud_config, environment_type) {
        (Some(cloud), _) => custom_cloud(cloud, *use_azure_sdk, at),
        (None, AzureKvEnvironment::AzureStackCloud) => Err(at.error(
            "customCloudConfig",
            Code::SettingMissing,
            "CustomCloudConfig is required when EnvironmentType is AzureStackCloud",
        )),
        (
            None,
            AzureKvEnvironment::PublicCloud
            | AzureKvEnvironment::USGovernmentCloud
            | AzureKvEnvironment::ChinaCloud
            | AzureKvEnvironment::GermanCloud,
        ) => Ok(()),
    }
}

fn custom_cloud(cloud: &AzureKvCustomCloud, azure_sdk: bool, at: At<'_>) -> Result<(), Finding> {
    let AzureKvCustomCloud {
        active_directory_endpoint,
        key_vault_dns_suffix: _,
        key_vault_endpoint: _,
        resource_manager_endpoint: _,
    } = cloud;
    if !azure_sdk {
        return Err(at.error(
            "useAzureSDK",
            Code::SettingConflict,
            "CustomCloudConfig requires UseAzureSDK to be set to true - the legacy SDK does not support custom clouds",
        ));
    }
    let text = "activeDirectoryEndpoint is required in CustomCloudConfig";
    at.filled("customCloudConfig.activeDirectoryEndpoint", active_directory_endpoint, text)
}
