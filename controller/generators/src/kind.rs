//! The kinds of generators, whether this build has them or not.

use api::generator;

macro_rules! kinds {
    ($($(#[$meta:meta])* $variant:ident = $type:ident / $field:literal,)*) => {
        /// A kind that an ExternalSecret or a ClusterGenerator may name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$meta])* $variant,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The kind on the wire, such as `Password`.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => generator::$type::KIND),* }
            }

            /// The kind in URLs, such as `passwords`.
            pub fn plural(self) -> &'static str {
                match self { $(Self::$variant => generator::$type::PLURAL),* }
            }

            /// The field of a ClusterGenerator's `spec.generator` that holds its spec, such as `passwordSpec`.
            pub fn cluster_field(self) -> &'static str {
                match self { $(Self::$variant => $field),* }
            }
        }
    };
}

kinds! {
    /// Tokens for a container registry of Azure.
    AcrAccessToken = AcrAccessToken / "acrAccessTokenSpec",
    /// Short-lived credentials from BeyondTrust.
    BeyondtrustDynamicSecret = BeyondtrustDynamicSecret / "beyondtrustWorkloadCredentialsDynamicSecretSpec",
    /// Tokens for Cloudsmith.
    CloudsmithAccessToken = CloudsmithAccessToken / "cloudsmithAccessTokenSpec",
    /// Logins for container registries of AWS.
    EcrAuthorizationToken = EcrAuthorizationToken / "ecrAuthorizationTokenSpec",
    /// Fixed values.
    Fake = Fake / "fakeSpec",
    /// Tokens for registries of Google Cloud.
    GcrAccessToken = GcrAccessToken / "gcrAccessTokenSpec",
    /// Tokens of a GitHub App.
    GithubAccessToken = GithubAccessToken / "githubAccessTokenSpec",
    /// Deploy tokens of GitLab.
    GitlabDeployToken = GitlabDeployToken / "gitlabDeployTokenSpec",
    /// Tokens of service accounts at Grafana.
    Grafana = Grafana / "grafanaSpec",
    /// One-time passwords.
    Mfa = Mfa / "mfaSpec",
    /// Random passwords.
    Password = Password / "passwordSpec",
    /// Tokens of robot accounts at Quay.
    QuayAccessToken = QuayAccessToken / "quayAccessTokenSpec",
    /// Pairs of SSH keys.
    SshKey = SshKey / "sshKeySpec",
    /// Temporary credentials of AWS.
    StsSessionToken = StsSessionToken / "stsSessionTokenSpec",
    /// Random UUIDs.
    Uuid = Uuid / "uuidSpec",
    /// What a path of Vault answers.
    VaultDynamicSecret = VaultDynamicSecret / "vaultDynamicSecretSpec",
    /// What an HTTP server answers.
    Webhook = Webhook / "webhookSpec",
}

impl Kind {
    /// The kind with this name on the wire.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.as_str() == name)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_kinds_and_their_fields_are_those_of_the_api() {
        let known: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(known, generator::KINDS.iter().copied().collect());
        let schema = serde_json::to_value(schemars::schema_for!(generator::GeneratorSpec)).unwrap();
        let fields: BTreeSet<_> = schema["properties"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(fields, Kind::ALL.iter().map(|kind| kind.cluster_field()).collect());
    }
}
