//! What a template makes of fetched values for a Secret.
//!
//! Lives here: order and precedence of a template's parts. Deliberately not here: the Secret that the result goes into
//! (see [`target`](crate::target)).

use std::collections::BTreeMap;

use api::{ExternalSecretSpec, Template, TemplateFrom, TemplateMergePolicy, TemplateRef, TemplateScope};
use secret::{SecretBytes, SecretMap};
use template::Env;

use super::mask::masked;
use super::scope::{Job, Known, Output};
use super::source::{SourceKind, Sources};
use super::{Engine, Failure, path};
use crate::hash;

/// The only engine there is.
pub(super) const ENGINE: &str = "v2";

/// What a template made. Labels and annotations may be made of values, hence their type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rendered {
    /// Key to value.
    pub data: SecretMap,
    /// Labels to set; they are text, invalid UTF-8 is replaced when they are.
    pub labels: SecretMap,
    /// Annotations to set, as the labels.
    pub annotations: SecretMap,
    /// Finalizers to add to a target that isn't being deleted.
    pub finalizers: Vec<String>,
    /// The type to set; none leaves it as it is.
    pub type_: Option<String>,
}

impl Rendered {
    /// A hash over all of it: equal means that nothing would be written differently.
    pub fn digest(&self) -> String {
        let Self { data, labels, annotations, finalizers, type_ } = self;
        let parts = [data, labels, annotations].map(hash::data);
        hash::of_text(&format!("{parts:?} {finalizers:?} {type_:?}"))
    }
}

impl Output for Rendered {
    fn put(&mut self, target: &str, key: &str, value: SecretBytes) -> Result<(), String> {
        let map = match Known::of(target) {
            Some(Known::Data) => &mut self.data,
            Some(Known::Labels) => &mut self.labels,
            Some(Known::Annotations) => &mut self.annotations,
            None => return Err(no_path(target)),
        };
        map.insert(key.to_owned(), value);
        Ok(())
    }

    fn put_parsed(&mut self, target: &str, _parsed: serde_json::Value) -> Result<(), String> {
        Err(no_path(target))
    }
}

/// Paths lead into manifests; in a Secret they would reach fields that a template must not set.
fn no_path(target: &str) -> String {
    path::parse(target).err().unwrap_or_else(|| {
        format!(
            "templateFrom target={} is not allowed when targeting a Secret, must be one of \"Data\", \"Annotations\" or \"Labels\"",
            gojson::quote(target)
        )
    })
}

/// Renders the template of an ExternalSecret whose target is a Secret; nothing if it has none. `sources` are what
/// [`sources`](super::sources) asked for. Labels, annotations and data of the template's own go before those of `templateFrom`.
///
/// # Errors
/// `could not apply template: …` as the reference says it, with `***` for values of the data.
pub fn render(
    spec: &ExternalSecretSpec,
    data: &SecretMap,
    sources: &Sources,
    engine: &Engine,
    env: &Env,
) -> Result<Option<Rendered>, Failure> {
    let Some(template) = spec.target.template.as_deref() else { return Ok(None) };
    let made = allowed(spec).and_then(|()| {
        let Template { type_: _, engine_version, metadata: _, data: own, template_from, merge_policy } = template;
        let mut rendered = begun(template);
        let keeps = match merge_policy {
            TemplateMergePolicy::Merge => true,
            TemplateMergePolicy::Replace => own.is_empty() && template_from.is_empty(),
        };
        if keeps {
            rendered.data = data.clone();
        }
        if engine_version != ENGINE {
            let text = format!("unsupported template engine version: {engine_version}");
            return Err(Failure::new(text).at(|| format!("{SECRET}.engineVersion")));
        }
        fill(template, SECRET, sources, &Job::new(data, engine, env), &mut rendered)?;
        Ok(rendered)
    });
    made.map(Some).map_err(|failure| silent(failure.within("could not apply template: "), data, sources))
}

/// Renders the template of a PushSecret over the data of its source Secret, which stays beside what is rendered. The engine
/// is always v2, the merge policy doesn't count, and the type replaces that of the source even where it is empty.
///
/// # Errors
/// The reference's texts, with `***` for values of the data.
pub fn render_pushed(
    template: &Template,
    data: &SecretMap,
    sources: &Sources,
    engine: &Engine,
    env: &Env,
) -> Result<Rendered, Failure> {
    let mut rendered = Rendered { data: data.clone(), ..begun(template) };
    fill(template, "spec.template", sources, &Job::new(data, engine, env), &mut rendered)
        .map_err(|failure| silent(failure, data, sources))?;
    Ok(rendered)
}

pub(super) const SECRET: &str = "spec.target.template";

/// What the reconciler itself refuses, whether or not a webhook stood before it.
pub(super) fn allowed(spec: &ExternalSecretSpec) -> Result<(), Failure> {
    match validate::denial(&validate::runtime_external_secret(spec)) {
        Some(text) => Err(Failure::new(text).at(|| SECRET.to_owned())),
        None => Ok(()),
    }
}

/// What a template sets without being rendered. All labels and annotations are rendered later and then replace these.
fn begun(template: &Template) -> Rendered {
    let metadata = template.metadata.clone().unwrap_or_default();
    Rendered {
        finalizers: metadata.finalizers,
        type_: template.type_.clone().filter(|text| !text.is_empty()),
        ..Rendered::default()
    }
}

fn fill(
    template: &Template,
    field: &str,
    sources: &Sources,
    job: &Job<'_>,
    rendered: &mut Rendered,
) -> Result<(), Failure> {
    for (index, entry) in template.template_from.iter().enumerate() {
        let place = format!("{field}.templateFrom[{index}]");
        from(entry, &place, sources, job, rendered)
            .map_err(|failure| failure.within("error fetching templateFrom data: "))?;
    }
    let metadata = template.metadata.clone().unwrap_or_default();
    own(&template.data, "Data", &format!("{field}.data"), job, rendered)?;
    own(&metadata.labels, "Labels", &format!("{field}.metadata.labels"), job, rendered)?;
    own(&metadata.annotations, "Annotations", &format!("{field}.metadata.annotations"), job, rendered)
}

fn own(
    templates: &BTreeMap<String, String>,
    target: &str,
    field: &str,
    job: &Job<'_>,
    rendered: &mut Rendered,
) -> Result<(), Failure> {
    for (key, text) in templates {
        job.value(key, text.as_bytes(), target, None, rendered).map_err(|failure| {
            // The reference says it twice.
            failure.at(|| format!("{field}[{key}]")).within("could not execute template: could not execute template: ")
        })?;
    }
    Ok(())
}

fn from(
    entry: &TemplateFrom,
    field: &str,
    sources: &Sources,
    job: &Job<'_>,
    output: &mut dyn Output,
) -> Result<(), Failure> {
    let TemplateFrom { config_map: _, secret: _, literal, target, values_decoding_strategy } = entry;
    for kind in [SourceKind::ConfigMap, SourceKind::Secret] {
        items(entry, kind, field, sources, job, output)?;
    }
    if let Some(literal) = literal {
        let done = job.pairs(literal.as_bytes(), target, *values_decoding_strategy, output);
        done.map_err(|failure| failure.at(|| format!("{field}.literal")))?;
    }
    Ok(())
}

/// The items of `configMap` or `secret` of an entry.
pub(super) fn items(
    entry: &TemplateFrom,
    kind: SourceKind,
    field: &str,
    sources: &Sources,
    job: &Job<'_>,
    output: &mut dyn Output,
) -> Result<(), Failure> {
    let TemplateFrom { config_map, secret, literal: _, target, values_decoding_strategy: decoding } = entry;
    let (reference, name_of_kind, field) = match kind {
        SourceKind::ConfigMap => (config_map, "configmap", format!("{field}.configMap")),
        SourceKind::Secret => (secret, "secret", format!("{field}.secret")),
    };
    let Some(TemplateRef { name, items }) = reference else { return Ok(()) };
    let data = sources.get(kind, name).map_err(|why| Failure::new(why).at(|| format!("{field}.name")))?;
    for item in items {
        let key = &item.key;
        let place = || format!("{field}.items[{key}]");
        let Some(text) = data.get(key) else {
            return Err(Failure::new(format!("error in {name_of_kind} {name}: missing key {key}")).at(place));
        };
        let done = match item.template_as {
            TemplateScope::Values => job.value(key, text.expose(), target, *decoding, output),
            TemplateScope::KeysAndValues => job.pairs(text.expose(), target, *decoding, output),
        };
        done.map_err(|failure| failure.at(place))?;
    }
    Ok(())
}

/// Takes values out of what is told: those of the data, and those of Secrets that templates come from.
pub(super) fn silent(failure: Failure, data: &SecretMap, sources: &Sources) -> Failure {
    let hidden = [data].into_iter().chain(sources.secrets());
    let hidden: Vec<&SecretMap> = hidden.collect();
    let quiet = |text: String| hidden.iter().fold(text, |text, data| masked(text, data));
    let Failure { text, field, position, reason, hint } = failure;
    Failure { text: quiet(text), field, position, reason: reason.map(quiet), hint }
}
