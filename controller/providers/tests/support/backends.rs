//! One data set as each backend would hold it, and stubs that answer for it.
//!
//! The data set: secret `app` = [`DATA`], before that `{"user":"old"}`, with
//! the metadata `owner: me`.

use std::sync::Arc;

use provider::Capabilities;
use serde_json::{Value, json};

use super::azure::{KeyVault, QUIET_TENANT};
use super::gcp::{Google, Stored, quiet_key};
use super::onepassword::{self, Connect};
use super::{Lookup, Opening, Reply, Seen, Stub, akeyless, crd, ibm};

pub(crate) const DATA: &str = r#"{"a.b":"exact","doc":{"a":{"b":"c"}},"user":"u","word":"grüße ✓ 🦀 \"q\""}"#;
/// The longest word of the data set: text that a byte lost anywhere would spoil.
pub(crate) const WORD: &str = r#"grüße ✓ 🦀 "q""#;

/// What a backend can do beyond the common behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Fake,
    VaultV1,
    VaultV2,
    Aws,
    ParameterStore,
    Kubernetes,
    Crd,
    AzureKv,
    GcpSm,
    OnePassword,
    Ibm,
    Akeyless,
    OpenBao,
}

impl Backend {
    pub(crate) const ALL: [Self; 13] = [
        Self::Fake,
        Self::VaultV1,
        Self::VaultV2,
        Self::Aws,
        Self::ParameterStore,
        Self::Kubernetes,
        Self::Crd,
        Self::AzureKv,
        Self::GcpSm,
        Self::OnePassword,
        Self::Ibm,
        Self::Akeyless,
        Self::OpenBao,
    ];
    pub(crate) const NETWORKED: [Self; 12] = [
        Self::VaultV1,
        Self::VaultV2,
        Self::Aws,
        Self::ParameterStore,
        Self::Kubernetes,
        Self::Crd,
        Self::AzureKv,
        Self::GcpSm,
        Self::OnePassword,
        Self::Ibm,
        Self::Akeyless,
        Self::OpenBao,
    ];

    /// Credentials that are there and wrong.
    pub(crate) fn wrong_credentials(url: &str) -> Arc<Lookup> {
        let key = quiet_key(url, "bad");
        Lookup::of(&[
            ("creds/token", "bad"),
            ("creds/id", "BAD"),
            ("creds/key", "BAD"),
            ("creds/type", "api_key"),
            ("creds/google", &key),
        ])
    }

    /// What its stores say that they can do.
    pub(crate) fn capabilities(self) -> Capabilities {
        match self {
            Self::Ibm | Self::OpenBao | Self::Crd => Capabilities::ReadOnly,
            Self::Fake
            | Self::VaultV1
            | Self::VaultV2
            | Self::Aws
            | Self::ParameterStore
            | Self::Kubernetes
            | Self::AzureKv
            | Self::GcpSm
            | Self::OnePassword
            | Self::Akeyless => Capabilities::ReadWrite,
        }
    }

    /// Whether it can find.
    pub(crate) fn finds(self) -> bool {
        self != Self::Ibm
    }

    /// Those that take pushes, and whose reads can be told from writes by the request line.
    pub(crate) fn pushed() -> impl Iterator<Item = Self> {
        let left_out = |backend: &Self| matches!(backend, Self::Ibm | Self::Akeyless | Self::OpenBao | Self::Crd);
        Self::NETWORKED.into_iter().filter(move |backend| !left_out(backend))
    }

    /// How the backend spells the key of a secret with that name.
    pub(crate) fn key(self, name: &str) -> String {
        match self {
            Self::Ibm => format!("team/kv/{name}"),
            Self::Crd => format!("remote/{name}"),
            _ => name.to_owned(),
        }
    }

    /// The answer to a login (or to what else is asked once), if the request is one: for stubs that misbehave only afterwards.
    pub(crate) fn login(self, seen: &Seen) -> Option<Reply> {
        match (self, seen.line().as_str()) {
            (Self::Crd, _) => crd::prelude(seen),
            (Self::Ibm, ibm::TOKEN) => Some(ibm::granted("leaked-token", 3600)),
            (Self::Akeyless, akeyless::AUTH) => Some(akeyless::granted("leaked-token")),
            _ => None,
        }
    }

    /// The name of the older version, if the backend keeps one.
    pub(crate) fn older_version(self) -> Option<&'static str> {
        match self {
            Self::Fake => Some("v1"),
            Self::VaultV2 | Self::ParameterStore | Self::AzureKv | Self::GcpSm | Self::Akeyless | Self::OpenBao => {
                Some("1")
            }
            Self::Aws => Some("AWSPREVIOUS"),
            Self::VaultV1 | Self::Kubernetes | Self::Crd | Self::OnePassword | Self::Ibm => None,
        }
    }

    /// The property of the metadata that says `me`.
    pub(crate) fn owner(self) -> Option<&'static str> {
        match self {
            Self::VaultV2 | Self::Aws | Self::ParameterStore | Self::AzureKv => Some("owner"),
            Self::Kubernetes | Self::GcpSm => Some("labels.owner"),
            Self::Fake | Self::VaultV1 | Self::Crd | Self::OnePassword | Self::Ibm | Self::Akeyless | Self::OpenBao => {
                None
            }
        }
    }

    /// A stub that holds the data set.
    pub(crate) async fn stub(self) -> Stub {
        match self {
            Self::Fake => Stub::start(|_| Reply::Close).await,
            Self::VaultV1 => Stub::start(vault_v1).await,
            Self::VaultV2 => Stub::start(vault_v2).await,
            Self::Aws => Stub::start(aws).await,
            Self::ParameterStore => Stub::start(parameter_store).await,
            Self::Kubernetes => Stub::start(kubernetes).await,
            Self::Crd => Stub::start(crd::server).await,
            Self::AzureKv => {
                let vault = KeyVault::new();
                vault.put("secrets/app", json!({"value": "{\"user\":\"old\"}"}));
                vault.put("secrets/app", json!({"value": DATA, "tags": {"owner": "me"}}));
                vault.stub().await
            }
            Self::GcpSm => {
                let app = Stored::of(&["{\"user\":\"old\"}", DATA]).labelled(&[("owner", "me")]);
                Google::of(&[("app", app)]).stub().await
            }
            Self::OnePassword => {
                let app = onepassword::item(
                    "app",
                    &[("user", "u"), ("a.b", "exact"), ("doc", r#"{"a":{"b":"c"}}"#), ("word", WORD)],
                );
                Stub::start(Connect::with(&[("main", vec![app])]).handler()).await
            }
            Self::Ibm => ibm::Cloud::conforming().stub().await,
            Self::Akeyless => akeyless::Account::conforming().stub().await,
            Self::OpenBao => Stub::start(openbao).await,
        }
    }

    /// A store on a server at `url`, with good credentials and without retries.
    pub(crate) fn opening(self, url: &str) -> Opening {
        let key = quiet_key(url, "good");
        let lookup = Lookup::of(&[
            ("creds/token", "good"),
            ("creds/id", "AKID"),
            ("creds/key", "SECRET"),
            ("creds/google", &key),
            ("creds/type", "api_key"),
        ]);
        let token = json!({"name": "creds", "key": "token"});
        let spec = match self {
            Self::Fake => json!({"fake": {"data": [
                {"key": "app", "value": DATA},
                {"key": "app", "version": "v1", "value": "{\"user\":\"old\"}"},
            ]}}),
            Self::VaultV1 => {
                json!({"vault": {"server": url, "path": "kv", "version": "v1", "auth": {"tokenSecretRef": token}}})
            }
            Self::VaultV2 => {
                json!({"vault": {"server": url, "path": "kv", "version": "v2", "auth": {"tokenSecretRef": token}}})
            }
            Self::OpenBao => {
                json!({"openBao": {"server": url, "path": "kv", "version": "v2", "auth": {"tokenSecretRef": token}}})
            }
            Self::Aws => with_keys("SecretsManager"),
            Self::ParameterStore => with_keys("ParameterStore"),
            Self::Kubernetes => json!({"kubernetes": {"server": {"url": url}, "remoteNamespace": "remote",
                "auth": {"token": {"bearerToken": token}}}}),
            Self::Crd => crd::spec(url),
            Self::AzureKv => json!({"azurekv": {"vaultUrl": url, "tenantId": QUIET_TENANT, "useAzureSDK": true,
                "customCloudConfig": {"activeDirectoryEndpoint": url},
                "authSecretRef": {"clientId": {"name": "creds", "key": "id"}, "clientSecret": token}}}),
            Self::GcpSm => json!({"gcpsm": {"projectID": "p", "auth": {"secretRef": {
                "secretAccessKeySecretRef": {"name": "creds", "key": "google"}}}}}),
            Self::OnePassword => onepassword::spec(url, json!({"main": 1})),
            Self::Ibm => json!({"ibm": {"serviceUrl": url,
                "auth": {"secretRef": {"secretApiKeySecretRef": token, "iamEndpoint": url}}}}),
            Self::Akeyless => {
                json!({"akeyless": {"akeylessGWApiURL": format!("{url}/v2"), "authSecretRef": {"secretRef": {
                "accessID": {"name": "creds", "key": "id"}, "accessType": {"name": "creds", "key": "type"},
                "accessTypeParam": {"name": "creds", "key": "key"}}}}})
            }
        };
        let mut opening = Opening::of(spec, lookup).once();
        opening.environment.aws.secrets_manager_endpoint = Some(url.to_owned());
        opening.environment.aws.ssm_endpoint = Some(url.to_owned());
        opening.environment.aws.sts_endpoint = Some(url.to_owned());
        opening.environment.gcp.secret_manager_endpoint = Some(url.to_owned());
        opening
    }
}

fn with_keys(service: &str) -> Value {
    json!({"aws": {"service": service, "region": "eu-west-1", "auth": {"secretRef": {
        "accessKeyIDSecretRef": {"name": "creds", "key": "id"},
        "secretAccessKeySecretRef": {"name": "creds", "key": "key"},
    }}}})
}

fn data() -> Value {
    serde_json::from_str(DATA).unwrap()
}

fn denied() -> Reply {
    Reply::json(403, json!({"errors": ["permission denied"]}))
}

fn vault_v1(seen: &Seen) -> Reply {
    if seen.header("x-vault-token") != Some("good") {
        return denied();
    }
    match seen.path.as_str() {
        "/v1/kv/app" => Reply::json(200, json!({"lease_duration": 2_764_800, "data": data()})),
        "/v1/auth/token/lookup-self" => Reply::json(200, json!({"data": {"ttl": 0}})),
        _ => Reply::json(404, json!({"errors": []})),
    }
}

fn vault_v2(seen: &Seen) -> Reply {
    if seen.header("x-vault-token") != Some("good") {
        return denied();
    }
    let answer =
        |data: Value, version: u32| Reply::json(200, json!({"data": {"data": data, "metadata": {"version": version}}}));
    match seen.path.as_str() {
        "/v1/kv/data/app" => answer(data(), 2),
        "/v1/kv/data/app?version=1" => answer(json!({"user": "old"}), 1),
        "/v1/kv/metadata/app" => Reply::json(
            200,
            json!({"data": {"created_time": "2026-01-01T00:00:00Z", "current_version": 2,
                "custom_metadata": {"owner": "me"}}}),
        ),
        "/v1/auth/token/lookup-self" => Reply::json(200, json!({"data": {"ttl": 0}})),
        _ => Reply::json(404, json!({"errors": []})),
    }
}

fn openbao(seen: &Seen) -> Reply {
    match (seen.header("x-vault-token"), seen.path.as_str()) {
        (Some("good"), "/v1/sys/internal/ui/mounts/kv") => {
            Reply::json(200, json!({"data": {"type": "kv", "options": {"version": "2"}}}))
        }
        _ => vault_v2(seen),
    }
}

fn aws(seen: &Seen) -> Reply {
    let signed = seen.header("authorization").is_some_and(|a| a.contains("Credential=AKID/"));
    let error = |code: &str| Reply::json(400, json!({"__type": code, "message": "canary request id: 1-2-3"}));
    if !signed {
        return error("UnrecognizedClientException");
    }
    let body = seen.json();
    let operation = seen.header("x-amz-target").unwrap_or_default();
    match (operation, body["SecretId"].as_str(), body["VersionStage"].as_str()) {
        ("secretsmanager.GetSecretValue", Some("app"), Some("AWSCURRENT")) => {
            Reply::json(200, json!({"Name": "app", "SecretString": DATA}))
        }
        ("secretsmanager.GetSecretValue", Some("app"), Some("AWSPREVIOUS")) => {
            Reply::json(200, json!({"Name": "app", "SecretString": "{\"user\":\"old\"}"}))
        }
        ("secretsmanager.DescribeSecret", Some("app"), None) => {
            Reply::json(200, json!({"Name": "app", "Tags": [{"Key": "owner", "Value": "me"}]}))
        }
        _ => error("ResourceNotFoundException"),
    }
}

fn parameter_store(seen: &Seen) -> Reply {
    let signed = seen.header("authorization").is_some_and(|a| a.contains("Credential=AKID/"));
    let error = |code: &str| Reply::json(400, json!({"__type": code, "message": "canary request id: 1-2-3"}));
    if !signed {
        return error("UnrecognizedClientException");
    }
    let body = seen.json();
    let answer = |value: &str| Reply::json(200, json!({"Parameter": {"Name": "app", "Value": value}}));
    match (seen.header("x-amz-target").unwrap_or_default(), body["Name"].as_str(), body["ResourceId"].as_str()) {
        ("AmazonSSM.GetParameter", Some("app"), None) => answer(DATA),
        ("AmazonSSM.GetParameter", Some("app:1"), None) => answer("{\"user\":\"old\"}"),
        ("AmazonSSM.ListTagsForResource", None, Some("app")) => {
            Reply::json(200, json!({"TagList": [{"Key": "owner", "Value": "me"}]}))
        }
        (_, Some(name), None) if name.starts_with("app:") => error("ParameterVersionNotFound"),
        _ => error("ParameterNotFound"),
    }
}

fn kubernetes(seen: &Seen) -> Reply {
    let status = |code: u16, reason: &str| {
        let details = json!({"name": "x", "kind": "secrets"});
        Reply::json(
            code,
            json!({"kind": "Status", "status": "Failure", "reason": reason, "details": details, "code": code}),
        )
    };
    if seen.header("authorization") != Some("Bearer good") {
        return status(401, "Unauthorized");
    }
    match seen.path.as_str() {
        "/api/v1/namespaces/remote/secrets/app" => Reply::json(
            200,
            json!({"kind": "Secret", "metadata": {"name": "app", "labels": {"owner": "me"}},
                "data": {"user": "dQ==", "a.b": "ZXhhY3Q=", "doc": "eyJhIjp7ImIiOiJjIn19", "word": "Z3LDvMOfZSDinJMg8J+mgCAicSI="}}),
        ),
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews" => Reply::json(
            201,
            json!({"status": {"resourceRules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"]}]}}),
        ),
        _ => status(404, "NotFound"),
    }
}
