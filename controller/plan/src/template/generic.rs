//! Targets that are no Secret: the whole object as it should be.
//!
//! Lives here: what it is built on, templates into it, its hash and its owner. Deliberately not here: whether generic
//! targets are allowed, and the write.

use api::{CreationPolicy, ExternalSecretSpec, ManifestRef, Template, TemplateFrom};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use secret::SecretMap;
use serde_json::{Map, Value, json};
use template::Env;

use super::scope::{Job, Known, Output};
use super::secret::{ENGINE, Rendered, SECRET, allowed, items, silent};
use super::source::{SourceKind, Sources};
use super::{Engine, Failure, Manifest};
use crate::names::{DATA_HASH_ANNOTATION, MANAGED_LABEL};
use crate::{hash, target};

const NOTHING_TO_HASH: &str = "generic target content does not have a spec or data field for content hashing";

/// The object that `spec.target.manifest` asks for: `owner` is the ExternalSecret's metadata, `live` the object as it is.
/// Merge and CreateOrMerge build on the live object, Owner and Orphan on an empty one.
///
/// # Errors
/// The reference's text, with `***` for values of the data; its condition says `could not apply template to manifest`.
pub fn wished(
    owner: &ObjectMeta,
    spec: &ExternalSecretSpec,
    data: &SecretMap,
    live: Option<&Value>,
    sources: &Sources,
    engine: &Engine,
    env: &Env,
) -> Result<Manifest, Failure> {
    let mut object = base(owner, spec, live);
    describe(&mut object, owner, spec.target.template.as_deref());
    match spec.target.template.as_deref() {
        None => plain(&mut object, data)?,
        Some(template) => {
            let job = Job::new(data, engine, env);
            // Of a v1 Secret: it must not become a token by a way around the rules for Secrets.
            let made = allowed(spec).and_then(|()| templated(template, sources, &job, &mut object));
            made.map_err(|failure| silent(failure, data, sources))?;
        }
    }
    let content = content_hash(object.expose()).map_err(|why| {
        let name = gojson::quote(spec.target.name.as_deref().unwrap_or_default());
        format!("failed to hash target {name} content: {why}")
    })?;
    let mut annotations = object.strings("annotations").unwrap_or_default();
    annotations.insert(DATA_HASH_ANNOTATION.to_owned(), content);
    object.set_strings("annotations", annotations);
    own(owner, spec, &mut object)?;
    Ok(object)
}

/// Whether a live object is as it was written: managed, and its content hashes to the annotation.
///
/// # Errors
/// `failed to hash target: …` if it has neither `spec` nor `data`.
pub fn is_intact(policy: CreationPolicy, live: Option<&Value>) -> Result<bool, String> {
    if policy == CreationPolicy::Orphan {
        return Ok(true);
    }
    let metadata = |part: &str, key: &str| live?.get("metadata")?.get(part)?.get(key)?.as_str();
    let Some(object) = live else { return Ok(false) };
    if metadata("labels", MANAGED_LABEL) != Some("true") {
        return Ok(false);
    }
    let content = content_hash(object).map_err(|why| format!("failed to hash target: {why}"))?;
    Ok(metadata("annotations", DATA_HASH_ANNOTATION) == Some(content.as_str()))
}

/// The hash of a generic target's content: of `spec` if there is one, else of `data`.
///
/// # Errors
/// If it has neither.
pub fn content_hash(object: &Value) -> Result<String, String> {
    let field = |name: &str| object.get(name).filter(|value| !value.is_null());
    field("spec").or_else(|| field("data")).map(hash::json).ok_or_else(|| NOTHING_TO_HASH.to_owned())
}

fn base(owner: &ObjectMeta, spec: &ExternalSecretSpec, live: Option<&Value>) -> Manifest {
    let builds_on_it = match spec.target.creation_policy {
        CreationPolicy::Merge | CreationPolicy::CreateOrMerge => true,
        CreationPolicy::Owner | CreationPolicy::Orphan | CreationPolicy::None => false,
    };
    if let Some(live) = live.filter(|_| builds_on_it) {
        return Manifest::new(live.clone());
    }
    let ManifestRef { api_version, kind } = spec.target.manifest.as_deref().cloned().unwrap_or_default();
    let content = if kind == "ConfigMap" || kind == "Secret" { "data" } else { "spec" };
    let name = target::name(owner.name.as_deref().unwrap_or_default(), spec);
    Manifest::new(json!({
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {"name": name, "namespace": owner.namespace.as_deref().unwrap_or_default()},
        content: {},
    }))
}

/// Labels and annotations: the template's as they are written, or the ExternalSecret's if there is no template.
fn describe(object: &mut Manifest, owner: &ObjectMeta, template: Option<&Template>) {
    let (more_labels, more_annotations) = match template {
        None => (owner.labels.clone().unwrap_or_default(), owner.annotations.clone().unwrap_or_default()),
        Some(template) => {
            let metadata = template.metadata.clone().unwrap_or_default();
            (metadata.labels, metadata.annotations)
        }
    };
    let mut labels = object.strings("labels").unwrap_or_default();
    labels.extend(more_labels);
    labels.insert(MANAGED_LABEL.to_owned(), "true".to_owned());
    object.set_strings("labels", labels);
    let mut annotations = object.strings("annotations").unwrap_or_default();
    annotations.extend(more_annotations);
    object.set_strings("annotations", annotations);
}

/// Without a template: the `data` of a ConfigMap, the `spec.data` of anything else.
fn plain(object: &mut Manifest, data: &SecretMap) -> Result<(), Failure> {
    let texts: Map<String, Value> = data
        .iter()
        .map(|(key, value)| (key.clone(), Value::String(String::from_utf8_lossy(value.expose()).into_owned())))
        .collect();
    let is_config_map = object.text("/kind") == "ConfigMap";
    let Some(fields) = object.object() else { return Err(Failure::new("the target is no object")) };
    if is_config_map {
        fields.insert("data".to_owned(), Value::Object(texts));
        return Ok(());
    }
    let spec = fields.entry("spec").or_insert(Value::Null);
    if spec.is_null() {
        *spec = json!({});
    }
    let Value::Object(spec) = spec else { return Err(Failure::new("the target's spec is no object")) };
    spec.insert("data".to_owned(), Value::Object(texts));
    Ok(())
}

fn templated(template: &Template, sources: &Sources, job: &Job<'_>, object: &mut Manifest) -> Result<(), Failure> {
    let Template { type_: _, engine_version, metadata: _, data, template_from, merge_policy: _ } = template;
    if engine_version != ENGINE {
        let text = format!("failed to get template engine: unsupported template engine version: {engine_version}");
        return Err(Failure::new(text).at(|| format!("{SECRET}.engineVersion")));
    }
    for (index, entry) in template_from.iter().enumerate() {
        from(entry, &format!("{SECRET}.templateFrom[{index}]"), sources, job, object)?;
    }
    for (key, text) in data {
        job.value(key, text.as_bytes(), "Data", None, object).map_err(|failure| {
            failure.at(|| format!("{SECRET}.data[{key}]")).within("failed to execute template.data: ")
        })?;
    }
    Ok(())
}

fn from(
    entry: &TemplateFrom,
    field: &str,
    sources: &Sources,
    job: &Job<'_>,
    object: &mut Manifest,
) -> Result<(), Failure> {
    let TemplateFrom { config_map, secret, literal, target, values_decoding_strategy } = entry;
    let path = if target.is_empty() { "Data" } else { target.as_str() };
    if let Some(literal) = literal {
        job.pairs(literal.as_bytes(), path, *values_decoding_strategy, object).map_err(|failure| {
            failure.at(|| format!("{field}.literal")).within("failed to execute literal template: ")
        })?;
    }
    if config_map.is_none() && secret.is_none() {
        return Ok(());
    }
    // What the reference does: items are rendered into a Secret, and only its data is looked at afterwards. It is rendered
    // once more into the object, so only the target Data has an effect.
    let mut rendered = Aside::default();
    let kinds = [
        (SourceKind::ConfigMap, "failed to merge configmap template: "),
        (SourceKind::Secret, "failed to merge secret template: "),
    ];
    for (kind, prefix) in kinds {
        items(entry, kind, field, sources, job, &mut rendered).map_err(|failure| failure.within(prefix))?;
    }
    for (key, text) in &rendered.0.data {
        job.value(key, text.expose(), path, None, object).map_err(|failure| {
            failure.at(|| field.to_owned()).within(&format!("failed to apply merged templates to path {path}: "))
        })?;
    }
    Ok(())
}

/// A Secret that is thrown away but for its data. What goes to a path of it is lost.
#[derive(Default)]
struct Aside(Rendered);

impl Output for Aside {
    fn put(&mut self, target: &str, key: &str, value: secret::SecretBytes) -> Result<(), String> {
        match Known::of(target) {
            Some(_) => self.0.put(target, key, value),
            None if target.eq_ignore_ascii_case("spec") => Ok(()),
            None => super::path::parse(target).map(drop),
        }
    }

    fn put_parsed(&mut self, target: &str, _parsed: Value) -> Result<(), String> {
        super::path::parse(target).map(drop)
    }
}

fn own(owner: &ObjectMeta, spec: &ExternalSecretSpec, object: &mut Manifest) -> Result<(), Failure> {
    let metadata = object.expose().get("metadata").cloned().unwrap_or_default();
    let mut metadata: ObjectMeta =
        serde_json::from_value(metadata).map_err(|_| Failure::new("the target's metadata can't be read"))?;
    target::own(owner, spec.target.creation_policy, &mut metadata).map_err(|refusal| Failure::new(refusal.text))?;
    object.set_strings("labels", metadata.labels.unwrap_or_default());
    match metadata.owner_references {
        Some(references) => {
            let references = references.iter().map(|reference| json!(reference)).collect();
            object.set_metadata("ownerReferences", Value::Array(references));
        }
        None => {
            if let Some(Value::Object(metadata)) = object.object().and_then(|object| object.get_mut("metadata")) {
                metadata.remove("ownerReferences");
            }
        }
    }
    Ok(())
}
