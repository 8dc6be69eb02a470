//! Which entries of an ExternalSecret failed, why, and what to do about each: for `status.failures`.
//!
//! Nothing here holds a value: reasons are providers' texts, which are safe to show, and hints are made of the manifest.
//! Deliberately not here: what a failure means for the object ([`crate::data`]), and the condition ([`crate::status`]).

use api::{DeletionPolicy, EntryFailure, ExternalSecretData, ExternalSecretSpec, GeneratorRef};
use provider::{Error, ErrorKind, RemoteRef};

use crate::data::{self, FailedEntry, Fetched, Need, StoreName, What};
use crate::template;

/// Most failures that a status lists: the object is to stay small, and whoever has repaired these sees the next.
pub const MOST: usize = 16;
/// Most bytes of one reason.
const LONGEST: usize = 512;

/// The operation of an [`Error`] that says that a store may not be used, or isn't there.
pub const RESOLVE: &str = "ResolveStore";

/// What didn't come of a fetch. `answers` are those to [`data::needs`], in its order. A missing remote key that the
/// deletion policy lets pass is no failure.
pub fn of_answers(spec: &ExternalSecretSpec, answers: &[Result<Fetched, Error>]) -> Vec<EntryFailure> {
    let skips = spec.target.deletion_policy != DeletionPolicy::Retain;
    let failed = |answer: &Result<Fetched, Error>| match answer {
        Ok(_) => None,
        Err(error) if skips && error.kind() == ErrorKind::NotFound => None,
        Err(error) => Some(error.clone()),
    };
    if answers.iter().all(|answer| failed(answer).is_none()) {
        return Vec::new();
    }
    let asked = entries(spec).into_iter().zip(answers);
    let told = asked.filter_map(|((entry, need), answer)| {
        let error = failed(answer)?;
        let (kind, reason) = (error.kind().as_str(), error.to_string());
        Some(EntryFailure { hint: Some(hint(&error, &need)), ..about(entry, &need, kind, &reason) })
    });
    told.take(MOST).collect()
}

/// All that keeps an object without data: what didn't come, and before it the entry whose values couldn't be used.
pub fn of_data(spec: &ExternalSecretSpec, unfetched: Vec<EntryFailure>, failure: &data::Failure) -> Vec<EntryFailure> {
    let mut all = unfetched;
    if failure.cause.is_none()
        && let Some(first) = failure.entry.as_ref().and_then(|entry| of_values(spec, entry))
    {
        all.insert(0, first);
        all.truncate(MOST);
    }
    all
}

/// An entry that was fetched, and whose values can't be used.
fn of_values(spec: &ExternalSecretSpec, failed: &FailedEntry) -> Option<EntryFailure> {
    let FailedEntry { need, reason } = failed;
    let (entry, need) = entries(spec).into_iter().nth(*need)?;
    let hint = what_to_do(reason).map(str::to_owned);
    Some(EntryFailure { hint, ..about(entry, &need, "InvalidValue", reason) })
}

/// What to do about values that can't be used.
fn what_to_do(reason: &str) -> Option<&'static str> {
    let hints = [
        ("error applying rewrite", "correct the operation of rewrite that the reason names"),
        ("error applying conversion", "two remote keys get one name: rename one of them with rewrite"),
        ("invalid secret keys", "rename the keys with rewrite, or set a conversionStrategy"),
        ("null bytes", "leave nullBytePolicy out if the value is meant to be binary"),
        ("decod", "the value isn't encoded as decodingStrategy says: correct it, or set it to None"),
    ];
    hints.into_iter().find(|(mark, _)| reason.contains(mark)).map(|(_, hint)| hint)
}

/// A template that can't be rendered.
pub fn of_template(failure: &template::Failure) -> EntryFailure {
    let template::Failure { text, field, position, reason, hint } = failure;
    let entry = if field.is_empty() { "spec.target.template" } else { field };
    let said = match (reason, field.is_empty()) {
        (Some(reason), _) => reason,
        (None, true) => text,
        (None, false) => "it can't be rendered; the event tells why",
    };
    let number = |number: usize| i64::try_from(number).ok();
    EntryFailure {
        line: position.and_then(|(line, _)| number(line)),
        column: position.and_then(|(_, column)| number(column)),
        hint: hint.clone(),
        ..bare(entry.to_owned(), "Template", said)
    }
}

/// Each fetch with the field that asks for it, in the order of [`data::needs`].
fn entries(spec: &ExternalSecretSpec) -> Vec<(String, Need)> {
    let alone = |one: ExternalSecretSpec| {
        data::needs(&ExternalSecretSpec { secret_store_ref: spec.secret_store_ref.clone(), ..one })
    };
    let mut all = Vec::new();
    for (index, entry) in spec.data_from.iter().enumerate() {
        for need in alone(ExternalSecretSpec { data_from: vec![entry.clone()], ..ExternalSecretSpec::default() }) {
            let field = match need {
                Need::Read { what: What::Find(_), .. } => "find",
                Need::Read { what: What::Map(_) | What::Value(_), .. } => "extract",
                Need::Generate(_) => "sourceRef.generatorRef",
            };
            all.push((format!("spec.dataFrom[{index}].{field}"), need));
        }
    }
    for (index, entry) in spec.data.iter().enumerate() {
        let data: Vec<ExternalSecretData> = vec![entry.clone()];
        for need in alone(ExternalSecretSpec { data, ..ExternalSecretSpec::default() }) {
            all.push((format!("spec.data[{index}]"), need));
        }
    }
    all
}

fn about(entry: String, need: &Need, kind: &str, reason: &str) -> EntryFailure {
    let Need::Read { store, what } = need else { return bare(entry, kind, reason) };
    let (key, property) = match what {
        What::Value(RemoteRef { read, property }) | What::Map(RemoteRef { read, property }) => {
            (Some(read.key.clone()), property.clone())
        }
        What::Find(find) => (find.path.clone(), None),
    };
    EntryFailure {
        store: Some(named(store)),
        remote_key: key.map(|key| shortened(&key)),
        property: property.map(|property| shortened(&property)),
        ..bare(entry, kind, reason)
    }
}

fn bare(entry: String, kind: &str, reason: &str) -> EntryFailure {
    EntryFailure { entry, kind: kind.to_owned(), reason: shortened(reason), ..EntryFailure::default() }
}

/// A store as [`EntryFailure::store`] names it.
pub(crate) fn named(store: &StoreName) -> String {
    format!("{}/{}", store.kind.as_str(), store.name)
}

fn shortened(text: &str) -> String {
    if text.len() <= LONGEST {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(LONGEST)])
}

/// What to do about a failed fetch.
fn hint(error: &Error, need: &Need) -> String {
    let (store, what) = match need {
        Need::Read { store, what } => (named(store), what),
        Need::Generate(generator) => return of_generator(error, generator),
    };
    let property = match what {
        What::Value(reference) | What::Map(reference) => reference.property.as_deref(),
        What::Find(_) => None,
    };
    match error.kind() {
        ErrorKind::NotFound => match what {
            What::Find(_) => format!("check find.path: {store} has nothing there"),
            What::Value(_) | What::Map(_) => match property {
                Some(_) => format!(
                    "check remoteRef.key, version and property: {store} has no such key, or it is empty; a key that may be missing needs \
                     a deletionPolicy other than Retain"
                ),
                None => format!(
                    "check remoteRef.key and version: {store} has no such key; a key that may be missing needs a \
                     deletionPolicy other than Retain"
                ),
            },
        },
        ErrorKind::BadProperty => {
            "the key is there: check remoteRef.property, or leave it out to get the whole value".to_owned()
        }
        ErrorKind::AccessDenied => {
            format!("allow {} on this key to the identity of {store} at the provider", error.operation())
        }
        ErrorKind::Unauthenticated => {
            format!("check the credentials that {store} refers to: they are missing, wrong or expired")
        }
        ErrorKind::Throttled => {
            "the provider asks for fewer calls: it is tried again by itself; a longer refreshInterval helps".to_owned()
        }
        ErrorKind::Unavailable | ErrorKind::Timeout => {
            format!("it is tried again by itself; if it stays, check the address in {store} and the way there")
        }
        ErrorKind::Malformed => {
            format!("check what is stored under this key, and that the address in {store} is the provider's")
        }
        ErrorKind::Invalid if error.operation() == RESOLVE => unusable(&store, &error.to_string()),
        ErrorKind::Invalid => format!("check this entry and the settings of {store}"),
        ErrorKind::Unsupported => {
            format!("this version can't do that with the provider of {store}: write the entry in another way")
        }
    }
}

/// What to do about a generator that gave nothing.
fn of_generator(error: &Error, generator: &GeneratorRef) -> String {
    let GeneratorRef { api_version: _, kind, name } = generator;
    match error.kind() {
        ErrorKind::Unsupported => format!("this version can't generate a {kind}: use another kind of generator"),
        _ => format!("check {kind}/{name} and what it refers to"),
    }
}

/// What to do about a store that can't be used; the text is the reference's.
fn unusable(store: &str, text: &str) -> String {
    if text.ends_with("is not ready") {
        format!("look at the condition of the store: kubectl describe {}", for_kubectl(store))
    } else if text.contains("denied by spec.condition") {
        format!("let this namespace in under spec.conditions of {store}, or use another store")
    } else if text.ends_with("not found") {
        format!("create {store}, or correct the name in secretStoreRef")
    } else if text.contains("unmanaged store") {
        format!("{store} belongs to another controller: see its spec.controller")
    } else {
        format!("look at {store}")
    }
}

/// `SecretStore/vault` as kubectl takes it: `secretstore/vault`.
fn for_kubectl(store: &str) -> String {
    match store.split_once('/') {
        Some((kind, name)) => format!("{}/{name}", kind.to_lowercase()),
        None => store.to_owned(),
    }
}
