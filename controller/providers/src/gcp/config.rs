//! Settings of `gcpsm`: from the spec and the environment to what the rest needs. Pure.

use api::provider::gcpsm::{GcpAuth, GcpSecretRef, GcpSmProvider, GcpWorkloadIdentityFederation};
use provider::{Error, ErrorKind};
use reqwest::Url;

use super::AUTH;
use super::names::{Names, check_location};
use crate::environment::GcpEnvironment;
use crate::google::federation::Federation;
use crate::google::{Login, workload_identity};
use crate::http::url;

/// A checked store.
pub(super) struct Settings {
    pub(super) login: Login,
    pub(super) project: Option<String>,
    pub(super) location: Option<String>,
    pub(super) falls_back: bool,
    pub(super) endpoint: Endpoint,
}

/// Where Secret Manager answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: Url,
    /// What to look at when it can't be reached.
    pub(super) setting: &'static str,
}

pub(super) fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "Open", text)
}

impl Settings {
    /// Checks a store's settings.
    pub(super) fn of(spec: &GcpSmProvider, environment: &GcpEnvironment) -> Result<Self, Error> {
        let GcpSmProvider { auth, location, project_id, secret_version_selection_policy: policy } = spec;
        let falls_back = match policy.as_str() {
            "" | "LatestOrFail" => false,
            "LatestOrFetch" => true,
            other => {
                return Err(invalid(format!(
                    "spec.provider.gcpsm.secretVersionSelectionPolicy: {} is neither LatestOrFail nor LatestOrFetch",
                    gojson::quote(other)
                )));
            }
        };
        let location = location.clone().filter(|location| !location.is_empty());
        let endpoint = endpoint(location.as_deref(), environment)?;
        let login = login(auth.as_ref().unwrap_or(&GcpAuth::default()), &endpoint)?;
        let project = project_id.clone().filter(|project| !project.is_empty());
        let project = project.or_else(|| login.cluster_project());
        if let Some(project) = &project {
            Names::new(project, location.as_deref())?;
        }
        Ok(Self { login, project, location, falls_back, endpoint })
    }

    /// The namespaces that the needed selectors name.
    pub(super) fn namespaces(&self) -> Vec<Option<&str>> {
        match &self.login {
            Login::Anonymous | Login::Default => Vec::new(),
            Login::Key(selector) => vec![selector.namespace.as_deref()],
            Login::WorkloadIdentity(identity) => vec![identity.service_account_ref.namespace.as_deref()],
            Login::Federation(federation) => federation.namespaces(),
        }
    }
}

fn endpoint(location: Option<&str>, environment: &GcpEnvironment) -> Result<Endpoint, Error> {
    if let Some(text) = &environment.secret_manager_endpoint {
        let setting = "the environment variable GCP_SECRETMANAGER_ENDPOINT";
        return Ok(Endpoint { url: url(text, setting)?, setting });
    }
    let Some(location) = location else {
        let setting = "the way to googleapis.com (proxy, firewall)";
        return Ok(Endpoint { url: url("https://secretmanager.googleapis.com", setting)?, setting });
    };
    check_location(location)?;
    let setting = "spec.provider.gcpsm.location and the way to googleapis.com (proxy, firewall)";
    let host = format!("https://secretmanager.{location}.rep.googleapis.com");
    Ok(Endpoint { url: url(&host, setting)?, setting })
}

/// The first method that is there, in the reference's order.
fn login(auth: &GcpAuth, endpoint: &Endpoint) -> Result<Login, Error> {
    let GcpAuth { secret_ref, workload_identity, workload_identity_federation } = auth;
    if let Some(GcpSecretRef { secret_access_key_secret_ref }) = secret_ref {
        let field = "spec.provider.gcpsm.auth.secretRef.secretAccessKeySecretRef";
        let selector = secret_access_key_secret_ref.clone();
        return selector.map(Login::Key).ok_or_else(|| invalid(format!("{field}: name the Secret with the key")));
    }
    if let Some(identity) = workload_identity {
        workload_identity::check(identity, &format!("{AUTH}.workloadIdentity"))?;
        return Ok(Login::WorkloadIdentity(Box::new(identity.clone())));
    }
    if let Some(federation) = workload_identity_federation {
        return checked(federation).map(|federation| Login::Federation(Box::new(federation)));
    }
    // Nobody's token may be read on the way to an emulator.
    Ok(if endpoint.url.scheme() == "http" { Login::Anonymous } else { Login::Default })
}

fn checked(spec: &GcpWorkloadIdentityFederation) -> Result<Federation, Error> {
    Federation::of(spec).map_err(|error| error.context("invalid workloadIdentityFederation config"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn settings(spec: Value, override_: Option<&str>) -> Result<Settings, Error> {
        let spec: GcpSmProvider = serde_json::from_value(spec).unwrap();
        let secret_manager_endpoint = override_.map(str::to_owned);
        Settings::of(&spec, &GcpEnvironment { secret_manager_endpoint, ..GcpEnvironment::default() })
    }

    #[test]
    fn the_endpoint_is_global_of_a_location_or_given() {
        let emulator = Some("http://emulator:9090/base");
        let cases = [
            (json!({}), None, Ok("https://secretmanager.googleapis.com/")),
            (json!({"location": ""}), None, Ok("https://secretmanager.googleapis.com/")),
            (json!({"location": "me-central2"}), None, Ok("https://secretmanager.me-central2.rep.googleapis.com/")),
            (json!({"location": "me-central2"}), emulator, Ok("http://emulator:9090/base")),
            (json!({"location": "evil.org/"}), None, Err("spec.provider.gcpsm.location: ")),
            (json!({"projectID": "a/b"}), None, Err("spec.provider.gcpsm.projectID: ")),
            (json!({}), Some("emulator:9090"), Err("the environment variable GCP_SECRETMANAGER_ENDPOINT: ")),
            (
                json!({"secretVersionSelectionPolicy": "Newest"}),
                None,
                Err("spec.provider.gcpsm.secretVersionSelectionPolicy: \"Newest\" is neither"),
            ),
            (json!({"auth": {"secretRef": {}}}), None, Err("spec.provider.gcpsm.auth.secretRef.secretAccessKey")),
        ];
        for (spec, given, want) in cases {
            let shown = spec.to_string();
            match (settings(spec, given), want) {
                (Ok(got), Ok(want)) => assert_eq!(got.endpoint.url.as_str(), want, "{shown}"),
                (Err(error), Err(text)) => assert!(error.to_string().starts_with(text), "{error}"),
                (got, want) => panic!("{shown}: {:?}, not {want:?}", got.map(|s| s.endpoint)),
            }
        }
    }

    #[test]
    fn the_first_method_there_is_the_login_and_says_whose_project_it_is() {
        let key = json!({"secretAccessKeySecretRef": {"name": "n", "key": "k"}});
        let identity = json!({"serviceAccountRef": {"name": "s", "namespace": "n"}, "clusterProjectID": "cluster"});
        let federation = json!({"audience": "a", "serviceAccountRef": {"name": "s"}});
        let cases = [
            (json!({}), None, "default", vec![], None),
            (json!({}), Some("https://psc.example.org"), "default", vec![], None),
            (json!({}), Some("http://emulator"), "anonymous", vec![], None),
            (json!({"secretRef": key, "workloadIdentity": identity}), Some("http://e"), "key", vec![None], None),
            (
                json!({"workloadIdentity": identity, "workloadIdentityFederation": federation}),
                None,
                "workload",
                vec![Some("n")],
                Some("cluster"),
            ),
            (json!({"workloadIdentityFederation": federation}), None, "federation", vec![None], None),
        ];
        for (auth, given, want, namespaces, project) in cases {
            let got = settings(json!({"auth": auth}), given).unwrap();
            let login = match &got.login {
                Login::Anonymous => "anonymous",
                Login::Default => "default",
                Login::Key(_) => "key",
                Login::WorkloadIdentity(_) => "workload",
                Login::Federation(_) => "federation",
            };
            assert_eq!((login, got.namespaces(), got.project.as_deref()), (want, namespaces, project), "{auth}");
        }
    }

    #[test]
    fn a_federation_has_one_source_and_an_audience() {
        let aws = json!({"region": "eu-west-1", "awsCredentialsSecretRef": {"name": "n"}});
        let config = json!({"name": "n", "key": "k"});
        let exactly = "invalid workloadIdentityFederation config: exactly one of credConfig, awsSecurityCredentials or \
                       serviceAccountRef must be provided";
        let audience = "invalid workloadIdentityFederation config: audience must be provided, when serviceAccountRef or \
                        awsSecurityCredentials is provided";
        let cases = [
            (json!({}), Some(exactly)),
            (json!({"credConfig": config, "serviceAccountRef": {"name": "s"}}), Some(exactly)),
            (json!({"awsSecurityCredentials": aws}), Some(audience)),
            (json!({"serviceAccountRef": {"name": "s"}}), Some(audience)),
            (json!({"credConfig": config}), None),
            (json!({"awsSecurityCredentials": aws, "audience": "a"}), None),
        ];
        for (spec, want) in cases {
            let got = settings(json!({"auth": {"workloadIdentityFederation": spec}}), None);
            assert_eq!(got.err().map(|error| error.to_string()).as_deref(), want, "{spec}");
        }
    }
}
