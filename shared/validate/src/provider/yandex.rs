//! The providers `yandexlockbox` and `yandexcertificatemanager`: how resources are found.

use super::at::At;
use crate::finding::{Code, Finding};
use api::provider::yandex::{
    YandexCertificateManagerProvider, YandexFetching, YandexFetchingByName, YandexLockboxProvider,
};

pub(super) fn lockbox(provider: &YandexLockboxProvider, at: At<'_>) -> Result<(), Finding> {
    // ESO looks at no reference here, in both providers.
    let YandexLockboxProvider { fetching: policy, auth: _, api_endpoint: _, ca_provider: _ } = provider;
    fetching(policy.as_ref(), "Yandex Lockbox", at)
}

pub(super) fn certificate_manager(provider: &YandexCertificateManagerProvider, at: At<'_>) -> Result<(), Finding> {
    let YandexCertificateManagerProvider { fetching: policy, auth: _, api_endpoint: _, ca_provider: _ } = provider;
    fetching(policy.as_ref(), "Yandex Certificate Manager", at)
}

fn fetching(policy: Option<&YandexFetching>, product: &str, at: At<'_>) -> Result<(), Finding> {
    match policy {
        None | Some(YandexFetching { by_id: Some(_), by_name: None }) => Ok(()),
        Some(YandexFetching { by_name: Some(YandexFetchingByName { folder_id }), by_id: _ }) => {
            let text = "folderID is required when fetching policy is 'byName'";
            at.filled("fetching.byName.folderID", folder_id, text)
        }
        Some(YandexFetching { by_id: None, by_name: None }) => {
            let text = format!("invalid {product} SecretStore: requires either 'byName' or 'byID' policy");
            Err(at.error("fetching", Code::SettingMissing, text))
        }
    }
}
