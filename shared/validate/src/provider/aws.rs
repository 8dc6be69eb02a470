//! The provider `aws`: region, deletion settings, references of the credentials.

use super::reference::{Form, Reference};
use crate::finding::{Code, Finding};
use crate::store::Store;
use api::{AwsAuth, AwsDeletion, AwsProvider, AwsSecretRef};

pub(super) fn rules(provider: &AwsProvider, store: &Store<'_>) -> Result<(), Finding> {
    let AwsProvider {
        region,
        auth,
        secrets_manager,
        service: _,
        role: _,
        additional_roles: _,
        external_id: _,
        session_tags: _,
        transitive_tag_keys: _,
        session_tags_policy: _,
        custom_session_tags: _,
        prefix: _,
    } = provider;
    if !region_makes_a_url(region) {
        let text = format!("region not found: {region}");
        return Err(Finding::error("spec.provider.aws.region", Code::Region, text));
    }
    secrets_manager.as_ref().map_or(Ok(()), deletion)?;
    credentials(auth, store)
}

/// True when a region gives an endpoint, `https://<service>.<region>.amazonaws.com`, that is a URL. That is the only test
/// that a region has to pass in ESO: the AWS SDK puts it into an endpoint and parses that.
fn region_makes_a_url(region: &str) -> bool {
    gourl::parse(format!("https://service.{region}.amazonaws.com").as_bytes()).is_ok()
}

fn credentials(auth: &AwsAuth, store: &Store<'_>) -> Result<(), Finding> {
    let AwsAuth { secret_ref, jwt } = auth;
    if let Some(AwsSecretRef { access_key_id_secret_ref, secret_access_key_secret_ref, session_token_secret_ref }) =
        secret_ref
    {
        let references = [
            ("accessKeyIDSecretRef", "invalid Auth.SecretRef.AccessKeyID: ", access_key_id_secret_ref),
            ("secretAccessKeySecretRef", "invalid Auth.SecretRef.SecretAccessKey: ", secret_access_key_secret_ref),
            ("sessionTokenSecretRef", "invalid Auth.SecretRef.SessionToken: ", session_token_secret_ref),
        ];
        for (field, prefix, selector) in references {
            let path = format!("spec.provider.aws.auth.secretRef.{field}");
            if let Some(selector) = selector {
                Reference::secret(&path, prefix, selector).check(store, Form::Referent)?;
            }
        }
    }
    if let Some(account) = jwt.as_ref().and_then(|jwt| jwt.service_account_ref.as_ref()) {
        let path = "spec.provider.aws.auth.jwt.serviceAccountRef";
        let prefix = "invalid Auth.JWT.ServiceAccountRef: ";
        Reference::service_account(path, prefix, account).check(store, Form::Referent)?;
    }
    Ok(())
}

fn deletion(settings: &AwsDeletion) -> Result<(), Finding> {
    let AwsDeletion { force_delete_without_recovery, recovery_window_in_days } = settings;
    let path = "spec.provider.aws.secretsManager.recoveryWindowInDays";
    // Zero is the same as absent.
    let Some(days) = recovery_window_in_days.filter(|days| *days != 0) else { return Ok(()) };
    let text = if !(7..=30).contains(&days) {
        "invalid DeleteSecretInput: RecoveryWindowInDays must be between 7 and 30 days"
    } else if *force_delete_without_recovery {
        "invalid DeleteSecretInput: ForceDeleteWithoutRecovery conflicts with RecoveryWindowInDays"
    } else {
        return Ok(());
    };
    Err(Finding::error(path, Code::DeletionSettings, text))
}

#[cfg(test)]
mod tests {
    use super::region_makes_a_url;

    /// Answers of Go 1.26.
    #[test]
    fn regions_are_judged_as_go_judges_the_url() {
        for good in
            ["", "eu-west-1", "eu_west_1", "-x", "a]", "eu/west", "a/%20", "a?%", "a#%41", "\u{e4}", "a@b", "%c3"]
        {
            assert!(region_makes_a_url(good), "{good:?}");
        }
        for bad in [
            "a\n", "::#", "a b", "a\\", "a^", "a|", "{a}", "a%", "a%20", "a:b", "a:1", "[a", "[a]", "a/%2", "a#%",
            "a b@c",
        ] {
            assert!(!region_makes_a_url(bad), "{bad:?}");
        }
    }
}
