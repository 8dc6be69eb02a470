//! The provider `scaleway`: URL of the API, region, project, keys.

use super::at::At;
use super::reference::Form;
use crate::finding::{Code, Finding};
use crate::uuid;
use api::provider::scaleway::ScalewayProvider;

pub(super) fn rules(provider: &ScalewayProvider, at: At<'_>) -> Result<(), Finding> {
    let ScalewayProvider { access_key, project_id, region, secret_key, api_url } = provider;
    let url = api_url.as_deref().unwrap_or_default();
    if gourl::parse(url.as_bytes()).is_err() {
        return Err(at.error("apiUrl", Code::Url, format!("invalid api url: {}", gourl::quoted(url))));
    }
    if !is_region(region) {
        return Err(at.error("region", Code::Region, format!("invalid region: {}", gourl::quoted(region))));
    }
    if !uuid::has_dashes(project_id) {
        let text = format!("invalid project id: {}", gourl::quoted(project_id));
        return Err(at.error("projectId", Code::SettingInvalid, text));
    }
    for (field, credential) in [("accessKey", access_key), ("secretKey", secret_key)] {
        let reference = at.one_of_both(field, credential)?;
        at.optional_secret(&format!("{field}.secretRef"), "", reference, Form::Referent)?;
    }
    Ok(())
}

/// Such as `fr-par`: two letters, then three to seven.
fn is_region(text: &str) -> bool {
    let letters = |part: &str| part.bytes().all(|b| b.is_ascii_lowercase());
    text.split_once('-').is_some_and(|(country, city)| {
        country.len() == 2 && (3..=7).contains(&city.len()) && letters(country) && letters(city)
    })
}
