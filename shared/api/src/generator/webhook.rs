//! Webhook: what any HTTP server answers. Not here: the provider of the same name (`provider`).

use crate::duration::GoDuration;
use crate::generator::{LocalSecretKey, NoStatus};
use crate::provider::webhook::{WebhookAuth, WebhookResult};
use crate::resource::kind;
use crate::selector::CaProvider;
use k8s_openapi::NamespaceResourceScope;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

kind! {
    /// Asks any HTTP server.
    Webhook = "generators.external-secrets.io" / "v1alpha1" / ("Webhook"),
    "webhooks", NamespaceResourceScope, WebhookSpec, NoStatus
}

/// What to send, and what to take of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSpec {
    /// URL to ask; a template over `secrets`.
    pub url: String,
    /// HTTP method. Without it `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Headers; their values are templates over `secrets`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Body; a template over `secrets`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// How to authenticate beyond headers: exactly one of the keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<WebhookAuth>,
    /// Longest time to wait, as a Go duration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// What to take of the answer.
    pub result: WebhookResult,
    /// Secrets for the templates, by name. Each must bear the label `external-secrets.io/type: webhook`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<WebhookGeneratorSecret>,
    /// CA certificates in PEM, base64 encoded. Wins over `caProvider`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "byte"))]
    pub ca_bundle: Option<String>,
    /// Where CA certificates are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_provider: Option<CaProvider>,
}

/// A Secret for the templates.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookGeneratorSecret {
    /// Name in the templates.
    pub name: String,
    /// The Secret, and the key of it if only one is meant.
    pub secret_ref: LocalSecretKey,
}
