//! The rules of each provider's settings, one file a provider: which provider has which. Not here: what all stores share.
//!
//! Rules follow the order of ESO, which stops at a provider's first error; so do these.

mod akeyless;
mod at;
mod aws;
mod azurekv;
mod barbican;
mod beyondtrust;
mod beyondtrust_workload;
mod bitwarden;
mod chef;
mod cloudru;
mod conjur;
mod crd;
mod delinea;
mod doppler;
mod dvls;
mod fake;
mod fortanix;
mod gcpsm;
mod gitlab;
mod ibm;
mod infisical;
mod keepersecurity;
mod kubernetes;
mod nebius;
mod ngrok;
mod onboardbase;
mod onepassword;
mod onepassword_sdk;
mod openbao;
mod oracle;
mod ovh;
mod passbolt;
mod plain_text;
mod previder;
mod pulumi;
mod reference;
mod scaleway;
mod secretserver;
mod senhasegura;
mod vault;
mod volcengine;
mod yandex;

use crate::finding::Finding;
use crate::store::Store;
use api::ProviderSpec;
use at::At;

pub(crate) use ibm::token_file as ibm_token_file;
pub(crate) use plain_text::advice as plain_text_advice;

/// What a provider's own rules say.
pub(crate) fn rules(provider: &ProviderSpec, store: &Store<'_>) -> Vec<Finding> {
    let at = At::new(store, provider.key());
    let first = match provider {
        // These can warn as well.
        ProviderSpec::Beyondtrust(settings) => return beyondtrust::rules(settings, at),
        ProviderSpec::Bitwarden(settings) => return bitwarden::rules(settings, at),
        ProviderSpec::Crd(settings) => return crd::rules(settings, at),
        ProviderSpec::Kubernetes(settings) => return kubernetes::rules(settings, at),
        // ESO has no rules for these.
        ProviderSpec::Github(_) | ProviderSpec::PasswordDepot(_) | ProviderSpec::Webhook(_) => return Vec::new(),
        ProviderSpec::Akeyless(settings) => akeyless::rules(settings, at),
        ProviderSpec::Aws(settings) => aws::rules(settings, store),
        ProviderSpec::AzureKv(settings) => azurekv::rules(settings, at),
        ProviderSpec::Barbican(settings) => barbican::rules(settings, at),
        ProviderSpec::BeyondtrustWorkload(settings) => beyondtrust_workload::rules(settings, at),
        ProviderSpec::Chef(settings) => chef::rules(settings, at),
        ProviderSpec::CloudRu(settings) => cloudru::rules(settings, at),
        ProviderSpec::Conjur(settings) => conjur::rules(settings, at),
        ProviderSpec::Delinea(settings) => delinea::rules(settings, at),
        ProviderSpec::Doppler(settings) => doppler::rules(settings, at),
        ProviderSpec::Dvls(settings) => dvls::rules(settings, at),
        ProviderSpec::Fake(settings) => fake::rules(settings),
        ProviderSpec::Fortanix(settings) => fortanix::rules(settings, at),
        ProviderSpec::GcpSm(settings) => gcpsm::rules(settings, at),
        ProviderSpec::Gitlab(settings) => gitlab::rules(settings, at),
        ProviderSpec::Ibm(settings) => ibm::rules(settings, at),
        ProviderSpec::Infisical(settings) => infisical::rules(settings, at),
        ProviderSpec::KeeperSecurity(settings) => keepersecurity::rules(settings, at),
        ProviderSpec::Nebius(settings) => nebius::rules(settings, at),
        ProviderSpec::Ngrok(settings) => ngrok::rules(settings, at),
        ProviderSpec::Onboardbase(settings) => onboardbase::rules(settings, at),
        ProviderSpec::OnePassword(settings) => onepassword::rules(settings, at),
        ProviderSpec::OnePasswordSdk(settings) => onepassword_sdk::rules(settings, at),
        ProviderSpec::OpenBao(settings) => openbao::rules(settings, at),
        ProviderSpec::Oracle(settings) => oracle::rules(settings, at),
        ProviderSpec::Ovh(settings) => ovh::rules(settings, at),
        ProviderSpec::Passbolt(settings) => passbolt::rules(settings, at),
        ProviderSpec::Previder(settings) => previder::rules(settings, at),
        ProviderSpec::Pulumi(settings) => pulumi::rules(settings, at),
        ProviderSpec::Scaleway(settings) => scaleway::rules(settings, at),
        ProviderSpec::SecretServer(settings) => secretserver::rules(settings, at),
        ProviderSpec::Senhasegura(settings) => senhasegura::rules(settings, at),
        ProviderSpec::Vault(settings) => vault::rules(settings, store),
        ProviderSpec::Volcengine(settings) => volcengine::rules(settings, at),
        ProviderSpec::YandexCertificateManager(settings) => yandex::certificate_manager(settings, at),
        ProviderSpec::YandexLockbox(settings) => yandex::lockbox(settings, at),
    };
    first.err().into_iter().collect()
}
