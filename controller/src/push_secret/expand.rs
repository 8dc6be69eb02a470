//! From sources to entries: the template over each source, then what each store is to get of it. Pure.
//!
//! Deliberately not here: reading sources and what templates lie in, and which entries go (`push_secret`).

use std::collections::BTreeMap;
use std::sync::Arc;

use api::PushSecret;
use jiff::Timestamp;
use plan::push::{self, Target, Wanted};
use plan::secret_object::SecretObject;
use plan::template::{self, Rendered, Sources};
use provider::Source;
use secret::{SecretBytes, SecretMap};

use super::source;
use crate::context::Context;
use crate::external_secret::env;

/// What the reference calls what a generator made.
const GENERATED: &str = "___generated-secret";

/// One source of values.
pub(super) struct Origin {
    pub(super) name: String,
    source: Source,
    /// It is as an ExternalSecret wrote it.
    pub(super) is_as_written: bool,
}

impl Origin {
    pub(super) fn of_secret(secret: SecretObject) -> Self {
        let is_as_written = push::is_as_written(&secret);
        Self { name: source::name(&secret), source: source::of(&secret), is_as_written }
    }

    pub(super) fn generated(made: &SecretMap) -> Self {
        let source = Source { data: made.clone(), ..Source::default() };
        Self { name: GENERATED.to_owned(), source, is_as_written: false }
    }
}

/// What each source wants of one store.
pub(super) type OfSources = Vec<(Origin, Result<Vec<Wanted>, String>)>;

/// For each store what each source wants of it, after the template.
pub(super) fn expand(
    cx: &Context,
    object: &PushSecret,
    sources: Vec<Origin>,
    targets: &[Target],
    read: &Sources,
    now: Timestamp,
) -> Result<Vec<OfSources>, String> {
    let env = env(now);
    let mut rendered = Vec::new();
    for origin in sources {
        let source = match object.spec.template.as_deref() {
            None => origin.source.clone(),
            Some(template) => {
                let made = template::render_pushed(template, &origin.source.data, read, &cx.templates, &env);
                templated(&origin.source, made.map_err(|failure| failure.text)?)
            }
        };
        rendered.push((origin, Arc::new(source)));
    }
    let of_store = |target: &Target| {
        let entries = |(origin, source): &(Origin, Arc<Source>)| {
            let entries = push::entries(&object.spec, target, source, &cx.templates, &env);
            let Origin { name, source: _, is_as_written } = origin;
            (Origin { name: name.clone(), source: Source::default(), is_as_written: *is_as_written }, entries)
        };
        rendered.iter().map(entries).collect()
    };
    Ok(targets.iter().map(of_store).collect())
}

/// A source as its template makes it.
fn templated(source: &Source, rendered: Rendered) -> Source {
    let Rendered { data, labels, annotations, finalizers: _, type_ } = rendered;
    let over = |own: &BTreeMap<String, String>, made: SecretMap| {
        let text = |(key, value): (String, SecretBytes)| (key, String::from_utf8_lossy(value.expose()).into_owned());
        own.clone().into_iter().chain(made.into_iter().map(text)).collect()
    };
    Source {
        data,
        type_: type_.unwrap_or_default(),
        labels: over(&source.labels, labels),
        annotations: over(&source.annotations, annotations),
    }
}
