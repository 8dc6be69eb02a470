//! What lies below `spec.provider` of a store: the typed providers, and the others by name.
//!
//! Not here: rules on the settings (crate `validate`) and the clients.

pub mod aws;
pub mod fake;
pub mod kubernetes;
pub mod vault;

use crate::schema::settled;
use aws::AwsProvider;
use fake::FakeProvider;
use kubernetes::KubernetesProvider;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use vault::VaultProvider;

/// Providers of ESO v2.9 whose settings are kept as they are, but which no code here can reach yet.
pub const UNTYPED: &[&str] = &[
    "akeyless",
    "azurekv",
    "barbican",
    "beyondtrust",
    "beyondtrustworkloadcredentials",
    "bitwardensecretsmanager",
    "chef",
    "cloudrusm",
    "conjur",
    "crd",
    "delinea",
    "doppler",
    "dvls",
    "fortanix",
    "gcpsm",
    "github",
    "gitlab",
    "ibm",
    "infisical",
    "keepersecurity",
    "nebiusmysterybox",
    "ngrok",
    "onboardbase",
    "onepassword",
    "onepasswordSDK",
    "openBao",
    "oracle",
    "ovh",
    "passbolt",
    "passworddepot",
    "previder",
    "pulumi",
    "scaleway",
    "secretserver",
    "senhasegura",
    "volcengine",
    "webhook",
    "yandexcertificatemanager",
    "yandexlockbox",
];

/// `spec.provider` as it is on the wire: provider key to its settings, nothing lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreProvider(pub Map<String, Value>);

/// The settings of the one provider of a store.
#[derive(Clone, Debug, PartialEq)]
pub enum ProviderSpec {
    /// Amazon Web Services.
    Aws(Box<AwsProvider>),
    /// HashiCorp Vault and OpenBao.
    Vault(Box<VaultProvider>),
    /// Fixed values, for tests.
    Fake(FakeProvider),
    /// Secrets of this or another cluster.
    Kubernetes(Box<KubernetesProvider>),
}

impl ProviderSpec {
    /// The key below `spec.provider`.
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Aws(_) => "aws",
            Self::Vault(_) => "vault",
            Self::Fake(_) => "fake",
            Self::Kubernetes(_) => "kubernetes",
        }
    }
}

/// Why `spec.provider` can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSpecError {
    /// Not exactly one key; how many there are.
    NotExactlyOne(usize),
    /// A provider that isn't built in: one of ESO's others, or an unknown name.
    Unsupported(String),
    /// The settings can't be read.
    Invalid {
        /// The key below `spec.provider`.
        provider: String,
        /// What is wrong; names the field but holds no value that could be secret.
        message: String,
    },
}

impl fmt::Display for ProviderSpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotExactlyOne(found) => {
                write!(f, "secret stores must only have exactly one backend specified, found {found}")
            }
            Self::Unsupported(provider) if UNTYPED.contains(&provider.as_str()) => {
                write!(f, "provider \"{provider}\" is not supported by this build yet")
            }
            Self::Unsupported(provider) => write!(f, "failed to find registered store backend for type: {provider}"),
            Self::Invalid { provider, message } => write!(f, "invalid settings of provider \"{provider}\": {message}"),
        }
    }
}

impl std::error::Error for ProviderSpecError {}

impl StoreProvider {
    /// The key of the provider, if there is exactly one.
    ///
    /// # Errors
    /// [`ProviderSpecError::NotExactlyOne`] otherwise.
    pub fn key(&self) -> Result<&str, ProviderSpecError> {
        self.only().map(|(key, _)| key)
    }

    /// The typed settings.
    ///
    /// # Errors
    /// See [`ProviderSpecError`].
    pub fn parse(&self) -> Result<ProviderSpec, ProviderSpecError> {
        let (key, settings) = self.only()?;
        Ok(match key {
            "aws" => ProviderSpec::Aws(read(key, settings)?),
            "vault" => ProviderSpec::Vault(read(key, settings)?),
            "fake" => ProviderSpec::Fake(read(key, settings)?),
            "kubernetes" => ProviderSpec::Kubernetes(read(key, settings)?),
            other => return Err(ProviderSpecError::Unsupported(other.to_owned())),
        })
    }

    fn only(&self) -> Result<(&str, &Value), ProviderSpecError> {
        let mut set = self.0.iter().filter(|(_, settings)| !settings.is_null());
        match (set.next(), set.next()) {
            (Some((key, settings)), None) => Ok((key, settings)),
            (first, second) => Err(ProviderSpecError::NotExactlyOne(
                usize::from(first.is_some()) + usize::from(second.is_some()) + set.count(),
            )),
        }
    }
}

impl From<ProviderSpec> for StoreProvider {
    /// The wire form of typed settings.
    fn from(spec: ProviderSpec) -> Self {
        let key = spec.key().to_owned();
        let settings = match spec {
            ProviderSpec::Aws(settings) => json!(settings),
            ProviderSpec::Vault(settings) => json!(settings),
            ProviderSpec::Fake(settings) => json!(settings),
            ProviderSpec::Kubernetes(settings) => json!(settings),
        };
        Self(Map::from_iter([(key, settings)]))
    }
}

fn read<T: for<'de> Deserialize<'de>>(provider: &str, settings: &Value) -> Result<T, ProviderSpecError> {
    T::deserialize(settings)
        .map_err(|e| ProviderSpecError::Invalid { provider: provider.to_owned(), message: e.to_string() })
}

impl JsonSchema for StoreProvider {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "StoreProvider".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut properties = Map::new();
        for name in UNTYPED {
            // Kept whole, so that installing these CRDs over ESO's takes nothing from the stores that are there.
            let schema = json!({
                "type": "object",
                "x-kubernetes-preserve-unknown-fields": true,
                "description": "Settings of this provider, kept as they are. The provider isn't built in yet.",
            });
            properties.insert((*name).to_owned(), schema);
        }
        properties.insert("aws".to_owned(), settled::<AwsProvider>(generator));
        properties.insert("vault".to_owned(), settled::<VaultProvider>(generator));
        properties.insert("fake".to_owned(), settled::<FakeProvider>(generator));
        properties.insert("kubernetes".to_owned(), settled::<KubernetesProvider>(generator));
        schemars::json_schema!({
            "type": "object", "minProperties": 1, "maxProperties": 1, "properties": properties,
        })
    }
}
