//! The provider `webhook`: any HTTP API, by templates of its URL, headers and body. Not the admission webhook.
//!
//! `config.rs` checks the settings, `auth.rs` looks up the Secrets that templates use, `ntlm/` logs in, `text.rs` is one template,
//! `request.rs` makes requests of them, `wire.rs` sends these, `read.rs` picks values out of answers, `push.rs` writes,
//! `error.rs` sorts statuses. For users: `docs/providers/webhook.md`.

mod auth;
mod config;
mod error;
mod ntlm;
mod push;
mod read;
mod request;
mod text;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use api::WebhookProvider;
use async_trait::async_trait;
use provider::{Capabilities, Error, Payload, Provider, ReadKey, RemoteRef, Validation, Write};
use secret::{SecretBytes, SecretMap};

use crate::OpenContext;
use crate::http::TlsSettings;
use config::Settings;
use ntlm::Ntlm;
use request::About;
use wire::{Way, Wire};

const METRIC_NAME: &str = "Webhook";
/// Every request bears one name in the metric, as in the reference.
const CALL: &str = "HTTPRequest";
const URL: &str = "spec.provider.webhook.url";

/// An opened `webhook` store.
pub(crate) struct Webhook {
    wire: Wire,
    /// The namespace of the object that uses the store, which templates may ask for.
    namespace: String,
}

/// Checks the settings and looks up what templates use.
pub(crate) async fn open(spec: &WebhookProvider, cx: &OpenContext<'_>) -> Result<Box<dyn Provider>, Error> {
    let settings = Settings::of(spec)?;
    let secrets = auth::look_up(&settings.secrets, cx.credentials.as_ref()).await?;
    let bundle = spec.ca_bundle.as_deref();
    let roots = crate::ca::roots(bundle, spec.ca_provider.as_ref(), cx.credentials.as_ref()).await?;
    let tls = TlsSettings { roots, identity: None };
    let way = match &settings.ntlm {
        None => Way::Plain(cx.http.get(&tls)?),
        Some(login) => {
            let (user, password) = auth::user_and_password(login, cx.credentials.as_ref()).await?;
            Way::Ntlm(Box::new(Ntlm::new(|| cx.http.alone(&tls), &user, password)?))
        }
    };
    let wire = Wire::new(way, settings, secrets, &cx.environment.proxy);
    Ok(Box::new(Webhook { wire, namespace: cx.store.namespace.clone().unwrap_or_default() }))
}

/// See [`crate::uses_consumer`].
pub(crate) fn uses_consumer(spec: &WebhookProvider) -> bool {
    Settings::of(spec).is_ok_and(|settings| settings.templates.read_consumer())
}

impl Webhook {
    fn about<'a>(&'a self, key: &'a str, version: &'a str, property: &'a str) -> About {
        About::read(key, version, property, &self.namespace)
    }
}

#[async_trait]
impl Provider for Webhook {
    fn metric_name(&self) -> &'static str {
        METRIC_NAME
    }

    fn call_name(&self, _: &ReadKey) -> &'static str {
        CALL
    }

    fn read_key(&self, reference: &RemoteRef) -> ReadKey {
        read::key(reference, self.wire.templates().property_in_request)
    }

    async fn read(&self, key: &ReadKey) -> Result<Payload, Error> {
        let (version, property) = read::parts(key, self.wire.templates().property_in_request);
        read::read(&self.wire, self.about(&key.key, version, property)).await
    }

    fn patience(&self) -> Option<Duration> {
        Some(self.wire.timeout())
    }

    fn value(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let path = read::path(&self.wire, reference, &self.namespace)?;
        read::value(payload, path.as_ref())
    }

    fn map(&self, payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let path = read::path(&self.wire, reference, &self.namespace)
            .map_err(|error| error.context("cannot get templated json path"))?;
        read::map(payload, path.as_ref())
    }

    fn writer(&self) -> Option<&dyn Write> {
        Some(self)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ReadWrite
    }

    async fn validate(&self) -> Validation {
        self.wire.validate().await
    }
}

/// What templates may call.
fn functions() -> &'static template::Functions {
    static FUNCTIONS: std::sync::LazyLock<template::Functions> = std::sync::LazyLock::new(template::Functions::eso);
    &FUNCTIONS
}

/// Secrets by the names that templates know them by.
type Secrets = Arc<std::collections::BTreeMap<String, SecretMap>>;
