//! The rules of SecretStore and ClusterSecretStore that all stores share. Not here: the providers' own (`provider`).

use crate::finding::{Code, Finding};
use crate::provider;
use api::{
    ClusterSecretStore, GoDuration, ProviderSpec, ProviderSpecError, SecretStore, SecretStoreSpec, StoreKind,
    StoreProvider,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Which store the rules are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// SecretStore or ClusterSecretStore: decides which references may or must name a namespace.
    pub kind: StoreKind,
    /// Name of the store.
    pub name: &'a str,
    /// Namespace of the store; empty for a ClusterSecretStore.
    pub namespace: &'a str,
    /// What [`token_file`] named, if the caller looked and couldn't read it. Without it such a file counts as readable.
    pub unreadable: Option<Unreadable<'a>>,
}

/// A file that can't be read on the machine that the rules run on. The rules themselves look at no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable<'a> {
    /// Its path, as [`token_file`] gave it.
    pub path: &'a str,
    /// Go's text for the reason, such as `open /a: no such file or directory`.
    pub reason: &'a str,
}

impl<'a> Store<'a> {
    /// A SecretStore.
    pub fn of_namespace(object: &'a SecretStore) -> Self {
        let metadata = &object.metadata;
        Self {
            kind: StoreKind::SecretStore,
            name: metadata.name.as_deref().unwrap_or_default(),
            namespace: metadata.namespace.as_deref().unwrap_or_default(),
            unreadable: None,
        }
    }

    /// A ClusterSecretStore.
    pub fn of_cluster(object: &'a ClusterSecretStore) -> Self {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        Self { kind: StoreKind::ClusterSecretStore, name, namespace: "", unreadable: None }
    }
}

/// What the webhook says about a SecretStore.
pub fn secret_store(object: &SecretStore) -> Vec<Finding> {
    store(&object.spec, &Store::of_namespace(object))
}

/// What the webhook says about a ClusterSecretStore.
pub fn cluster_secret_store(object: &ClusterSecretStore) -> Vec<Finding> {
    store(&object.spec, &Store::of_cluster(object))
}

/// What the webhook says about a store. As in ESO each step is reached only if the one before found no error: durations,
/// namespace expressions, refresh interval, the choice of the provider, its own rules.
pub fn store(spec: &SecretStoreSpec, store: &Store<'_>) -> Vec<Finding> {
    let provider = parse(spec);
    if let Err(error) = &provider
        && bad_duration(error).is_some()
    {
        return vec![refused(error, store)];
    }
    let regexps = namespace_regexps(spec);
    if !regexps.is_empty() {
        return regexps;
    }
    match choice(spec, provider, store) {
        Ok(provider) => {
            let mut findings = provider::rules(&provider, store);
            findings.extend(unmaintained(&provider, store));
            findings
        }
        Err(finding) => vec![finding],
    }
}

/// The file that the rules want to be readable, which depends on the machine: the token of a container, with which the
/// provider `ibm` logs in. For [`Store::unreadable`].
pub fn token_file(spec: &SecretStoreSpec) -> Option<String> {
    // Settings of other providers need not be read twice.
    spec.provider.as_ref().filter(|StoreProvider(settings)| settings.contains_key("ibm"))?;
    match parse(spec) {
        Ok(ProviderSpec::Ibm(settings)) => provider::ibm_token_file(&settings).map(str::to_owned),
        Ok(_) | Err(_) => None,
    }
}

fn parse(spec: &SecretStoreSpec) -> Result<ProviderSpec, ProviderSpecError> {
    spec.provider.as_ref().map_or(Err(ProviderSpecError::NotExactlyOne(0)), StoreProvider::parse)
}

fn choice(
    spec: &SecretStoreSpec,
    provider: Result<ProviderSpec, ProviderSpecError>,
    store: &Store<'_>,
) -> Result<ProviderSpec, Finding> {
    if let Some(interval) = &spec.refresh_interval {
        let refuse = |text| Finding::error("spec.refreshInterval", Code::BadRefreshInterval, text);
        refresh_interval(interval).map_err(refuse)?;
    }
    provider.map_err(|error| refused(&error, store))
}

/// Time between two validations of a store: a number of seconds, or a Go duration. Zero means the controller's default.
///
/// # Errors
/// ESO's text, which names the value: no duration, or a negative one.
pub fn refresh_interval(interval: &IntOrString) -> Result<GoDuration, String> {
    let (duration, text) = match interval {
        IntOrString::Int(seconds) => (GoDuration::from_secs(i64::from(*seconds)), seconds.to_string()),
        IntOrString::String(text) => {
            let parsed = text.parse().map_err(|e| format!("invalid refreshInterval {}: {e}", gourl::quoted(text)))?;
            (parsed, text.clone())
        }
    };
    if duration < GoDuration::ZERO {
        return Err(format!("invalid refreshInterval {}: must not be negative", gourl::quoted(&text)));
    }
    Ok(duration)
}

fn namespace_regexps(spec: &SecretStoreSpec) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (entry, condition) in spec.conditions.iter().enumerate() {
        for (index, pattern) in condition.namespace_regexes.iter().enumerate() {
            if let Err(error) = goregexp::check(pattern.as_bytes()) {
                findings.push(Finding::error(
                    format!("spec.conditions[{entry}].namespaceRegexes[{index}]"),
                    Code::BadRegexp,
                    format!("failed to compile {index}th namespace regex in {entry}th condition: {error}"),
                ));
            }
        }
    }
    findings
}

fn unmaintained(provider: &ProviderSpec, store: &Store<'_>) -> Option<Finding> {
    matches!(provider, ProviderSpec::Fake(_)).then(|| {
        Finding::warning(
            "spec.provider.fake",
            Code::ProviderUnmaintained,
            format!("store {} isn't currently maintained. Please plan and prepare accordingly.", store.name),
        )
    })
}

/// The text of a duration that can't be read: with Go its decoder says only that, before any rule is asked.
fn bad_duration(error: &ProviderSpecError) -> Option<&str> {
    match error {
        ProviderSpecError::Invalid { message, provider: _ } => {
            Some(message.as_str()).filter(|it| it.starts_with("time: "))
        }
        ProviderSpecError::NotExactlyOne(_) | ProviderSpecError::Unsupported(_) => None,
    }
}

fn refused(error: &ProviderSpecError, store: &Store<'_>) -> Finding {
    let path = "spec.provider";
    match error {
        ProviderSpecError::NotExactlyOne(_) => {
            Finding::error(path, Code::ProviderCount, format!("store error for {}: {error}", store.name))
        }
        ProviderSpecError::Unsupported(provider) => {
            let text = format!("{error}, name: {}", store.name);
            Finding::error(format!("{path}.{provider}"), Code::ProviderUnknown, text)
        }
        ProviderSpecError::Invalid { provider, message: _ } => {
            let text = bad_duration(error).map_or_else(|| error.to_string(), str::to_owned);
            Finding::error(format!("{path}.{provider}"), Code::ProviderUnreadable, text)
        }
    }
}
