//! What lies below `spec.provider` of a store: every provider of ESO v2.9, with its settings typed.
//!
//! Not here: rules on the settings (crate `validate`) and the clients. A provider whose settings are known need not have
//! a client: that is for the crate `providers` to say.

pub mod akeyless;
pub mod aws;
pub mod azurekv;
pub mod barbican;
pub mod beyondtrust;
pub mod beyondtrust_workload;
pub mod bitwarden;
pub mod chef;
pub mod cloudru;
pub mod conjur;
pub mod crd;
pub mod delinea;
pub mod doppler;
pub mod dvls;
pub mod fake;
pub mod fortanix;
pub mod gcpsm;
pub mod github;
pub mod gitlab;
pub mod ibm;
pub mod infisical;
pub mod keepersecurity;
pub mod kubernetes;
pub mod nebius;
pub mod ngrok;
pub mod onboardbase;
pub mod onepassword;
pub mod onepassword_sdk;
pub mod openbao;
pub mod oracle;
pub mod ovh;
pub mod passbolt;
pub mod passworddepot;
pub mod previder;
pub mod pulumi;
pub mod scaleway;
pub mod secretserver;
pub mod senhasegura;
pub mod vault;
pub mod volcengine;
pub mod webhook;
pub mod yandex;

use crate::schema::settled;
use akeyless::AkeylessProvider;
use aws::AwsProvider;
use azurekv::AzureKvProvider;
use barbican::BarbicanProvider;
use beyondtrust::BeyondtrustProvider;
use beyondtrust_workload::BeyondtrustWorkloadProvider;
use bitwarden::BitwardenProvider;
use chef::ChefProvider;
use cloudru::CloudRuProvider;
use conjur::ConjurProvider;
use crd::CrdProvider;
use delinea::DelineaProvider;
use doppler::DopplerProvider;
use dvls::DvlsProvider;
use fake::FakeProvider;
use fortanix::FortanixProvider;
use gcpsm::GcpSmProvider;
use github::GithubProvider;
use gitlab::GitlabProvider;
use ibm::IbmProvider;
use infisical::InfisicalProvider;
use keepersecurity::KeeperSecurityProvider;
use kubernetes::KubernetesProvider;
use nebius::NebiusProvider;
use ngrok::NgrokProvider;
use onboardbase::OnboardbaseProvider;
use onepassword::OnePasswordProvider;
use onepassword_sdk::OnePasswordSdkProvider;
use openbao::OpenBaoProvider;
use oracle::OracleProvider;
use ovh::OvhProvider;
use passbolt::PassboltProvider;
use passworddepot::PasswordDepotProvider;
use previder::PreviderProvider;
use pulumi::PulumiProvider;
use scaleway::ScalewayProvider;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use secretserver::SecretServerProvider;
use senhasegura::SenhaseguraProvider;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fmt;
use vault::VaultProvider;
use volcengine::VolcengineProvider;
use webhook::WebhookProvider;
use yandex::{YandexCertificateManagerProvider, YandexLockboxProvider};

/// `spec.provider` as it is on the wire: provider key to its settings, nothing lost.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreProvider(pub Map<String, Value>);

/// Defines [`ProviderSpec`] and all that goes from a key to its type, from one list.
macro_rules! providers {
    ($($(#[$meta:meta])* $variant:ident($settings:ty) = $key:literal),+ $(,)?) => {
        /// The settings of the one provider of a store.
        #[derive(Clone, Debug, PartialEq)]
        pub enum ProviderSpec {
            $($(#[$meta])* $variant($settings)),+
        }

        impl ProviderSpec {
            /// Every key that may stand below `spec.provider`.
            pub const KEYS: &'static [&'static str] = &[$($key),+];

            /// The key below `spec.provider`.
            pub const fn key(&self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $key),+
                }
            }

            fn read(key: &str, settings: &Value) -> Result<Self, ProviderSpecError> {
                match key {
                    $($key => read(key, settings).map(Self::$variant),)+
                    unknown => Err(ProviderSpecError::Unsupported(unknown.to_owned())),
                }
            }

            fn into_settings(self) -> Value {
                match self {
                    $(Self::$variant(settings) => json!(settings)),+
                }
            }
        }

        /// The schemas of the settings, by key.
        fn schemas(generator: &mut SchemaGenerator) -> Map<String, Value> {
            Map::from_iter([$(($key.to_owned(), settled::<$settings>(generator))),+])
        }
    };
}

providers! {
    /// Akeyless.
    Akeyless(Box<AkeylessProvider>) = "akeyless",
    /// Amazon Web Services.
    Aws(Box<AwsProvider>) = "aws",
    /// Azure Key Vault.
    AzureKv(Box<AzureKvProvider>) = "azurekv",
    /// OpenStack Barbican.
    Barbican(Box<BarbicanProvider>) = "barbican",
    /// BeyondTrust Password Safe and Secrets Safe.
    Beyondtrust(Box<BeyondtrustProvider>) = "beyondtrust",
    /// BeyondTrust Workload Credentials.
    BeyondtrustWorkload(Box<BeyondtrustWorkloadProvider>) = "beyondtrustworkloadcredentials",
    /// Bitwarden Secrets Manager.
    Bitwarden(Box<BitwardenProvider>) = "bitwardensecretsmanager",
    /// Chef data bags.
    Chef(Box<ChefProvider>) = "chef",
    /// Cloud.ru Secret Manager.
    CloudRu(Box<CloudRuProvider>) = "cloudrusm",
    /// CyberArk Conjur.
    Conjur(Box<ConjurProvider>) = "conjur",
    /// Custom resources of this or another cluster.
    Crd(Box<CrdProvider>) = "crd",
    /// Delinea DevOps Secrets Vault.
    Delinea(Box<DelineaProvider>) = "delinea",
    /// Doppler.
    Doppler(Box<DopplerProvider>) = "doppler",
    /// Devolutions Server.
    Dvls(Box<DvlsProvider>) = "dvls",
    /// Fixed values, for tests.
    Fake(FakeProvider) = "fake",
    /// Fortanix Data Security Manager.
    Fortanix(Box<FortanixProvider>) = "fortanix",
    /// Google Cloud Secret Manager.
    GcpSm(Box<GcpSmProvider>) = "gcpsm",
    /// Secrets of GitHub Actions.
    Github(Box<GithubProvider>) = "github",
    /// CI/CD variables of GitLab.
    Gitlab(Box<GitlabProvider>) = "gitlab",
    /// IBM Cloud Secrets Manager.
    Ibm(Box<IbmProvider>) = "ibm",
    /// Infisical.
    Infisical(Box<InfisicalProvider>) = "infisical",
    /// Keeper Secrets Manager.
    KeeperSecurity(Box<KeeperSecurityProvider>) = "keepersecurity",
    /// Secrets of this or another cluster.
    Kubernetes(Box<KubernetesProvider>) = "kubernetes",
    /// Nebius MysteryBox.
    Nebius(Box<NebiusProvider>) = "nebiusmysterybox",
    /// ngrok vaults.
    Ngrok(Box<NgrokProvider>) = "ngrok",
    /// Onboardbase.
    Onboardbase(Box<OnboardbaseProvider>) = "onboardbase",
    /// 1Password through a Connect server.
    OnePassword(Box<OnePasswordProvider>) = "onepassword",
    /// 1Password with a service account.
    OnePasswordSdk(Box<OnePasswordSdkProvider>) = "onepasswordSDK",
    /// OpenBao.
    OpenBao(Box<OpenBaoProvider>) = "openBao",
    /// Oracle Cloud Vault.
    Oracle(Box<OracleProvider>) = "oracle",
    /// OVHcloud Secret Manager.
    Ovh(Box<OvhProvider>) = "ovh",
    /// Passbolt.
    Passbolt(Box<PassboltProvider>) = "passbolt",
    /// Password Depot.
    PasswordDepot(Box<PasswordDepotProvider>) = "passworddepot",
    /// Previder Vault.
    Previder(Box<PreviderProvider>) = "previder",
    /// Pulumi ESC.
    Pulumi(Box<PulumiProvider>) = "pulumi",
    /// Scaleway Secret Manager.
    Scaleway(Box<ScalewayProvider>) = "scaleway",
    /// Delinea Secret Server and the Delinea Platform.
    SecretServer(Box<SecretServerProvider>) = "secretserver",
    /// senhasegura DevOps Secret Management.
    Senhasegura(Box<SenhaseguraProvider>) = "senhasegura",
    /// HashiCorp Vault and OpenBao, KV version 1 and 2.
    Vault(Box<VaultProvider>) = "vault",
    /// Volcengine KMS.
    Volcengine(Box<VolcengineProvider>) = "volcengine",
    /// Any HTTP server, by templates.
    Webhook(Box<WebhookProvider>) = "webhook",
    /// Yandex Certificate Manager.
    YandexCertificateManager(Box<YandexCertificateManagerProvider>) = "yandexcertificatemanager",
    /// Yandex Lockbox.
    YandexLockbox(Box<YandexLockboxProvider>) = "yandexlockbox",
}

/// Why `spec.provider` can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderSpecError {
    /// Not exactly one key; how many there are.
    NotExactlyOne(usize),
    /// A name that no provider of ESO v2.9 has.
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
        ProviderSpec::read(key, settings)
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
        Self(Map::from_iter([(key, spec.into_settings())]))
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
        schemars::json_schema!({
            "type": "object", "minProperties": 1, "maxProperties": 1, "properties": schemas(generator),
        })
    }
}
