//! From a spec to what must be fetched, and from what was fetched to the data of the Secret.
//!
//! A provider's failure is an input here: [`assemble`] says what it means for the object.

use api::{
    DataFrom, DeletionPolicy, ExternalSecretData, ExternalSecretSpec, MetadataPolicy, SecretStoreRef, StoreKind,
};
use provider::{Error, ErrorKind, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use crate::event::{EventReason, Note};
use crate::{decode, keys};

/// Which store an entry reads from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreName {
    /// SecretStore or ClusterSecretStore.
    pub kind: StoreKind,
    /// The store's name; may be empty when the manifest names none.
    pub name: String,
}

/// One fetch that a spec asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// From which store.
    pub store: StoreName,
    /// What.
    pub reference: RemoteRef,
    /// `dataFrom` entries bring maps, `data` entries bring values.
    pub shape: Shape,
}

/// How many values a fetch brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Key-value pairs.
    Map,
    /// One value.
    Value,
}

/// What a fetch brought.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// For [`Shape::Map`].
    Map(SecretMap),
    /// For [`Shape::Value`].
    Value(SecretBytes),
}

/// The data of the Secret, and what is to be told about entries that were skipped.
#[derive(Debug, Default)]
pub struct Assembled {
    /// Secret key to value.
    pub data: SecretMap,
    /// Events about remote keys that don't exist and that the deletion policy skips.
    pub notes: Vec<Note>,
}

/// Why there is no data: the kind for the queue, and the full text for the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The provider's error behind it.
    pub cause: Option<Error>,
    /// The reference's text, from the entry inwards.
    pub text: String,
}

/// What `spec` asks for that this build can't do yet; the object is refused rather than half obeyed.
/// Each text names the field.
pub fn unsupported(spec: &ExternalSecretSpec) -> Option<String> {
    let field = |path: String| Some(format!("{path} is not supported by this version of the controller"));
    for (index, entry) in spec.data_from.iter().enumerate() {
        let DataFrom { extract: _, find, rewrite, source_ref } = entry;
        if find.is_some() {
            return field(format!("spec.dataFrom[{index}].find"));
        }
        if !rewrite.is_empty() {
            return field(format!("spec.dataFrom[{index}].rewrite"));
        }
        if source_ref.as_ref().is_some_and(|source| source.generator_ref.is_some()) {
            return field(format!("spec.dataFrom[{index}].sourceRef.generatorRef"));
        }
    }
    if spec.target.template.is_some() {
        return field("spec.target.template".into());
    }
    if spec.target.manifest.is_some() {
        return field("spec.target.manifest".into());
    }
    None
}

/// What must be fetched, `dataFrom` first and then `data`, in the order of the manifest.
pub fn needs(spec: &ExternalSecretSpec) -> Vec<Need> {
    let from = spec.data_from.iter().filter_map(|entry| {
        let extract = entry.extract.as_ref()?;
        let own = entry.source_ref.as_ref().and_then(|source| source.store_ref.as_ref());
        Some(Need { store: store_name(spec, own), reference: reference(extract), shape: Shape::Map })
    });
    let single = spec.data.iter().map(|entry| {
        let own = entry.source_ref.as_ref().and_then(|source| source.store_ref.as_ref());
        Need { store: store_name(spec, own), reference: reference(&entry.remote_ref), shape: Shape::Value }
    });
    from.chain(single).collect()
}

/// Every store that `spec` names.
pub fn stores(spec: &ExternalSecretSpec) -> Vec<StoreName> {
    let mut names: Vec<StoreName> = needs(spec).into_iter().map(|need| need.store).collect();
    if spec.secret_store_ref.as_ref().is_some_and(|store| store.name.is_some()) {
        names.push(store_name(spec, None));
    }
    names.dedup();
    names
}

/// Puts together what was fetched; `answers` are those to [`needs`], in its order.
///
/// # Errors
/// The first entry that fails fails the whole, except a remote key that doesn't exist under a deletion policy other
/// than Retain: that one is skipped with an event.
pub fn assemble(spec: &ExternalSecretSpec, answers: Vec<Result<Fetched, Error>>) -> Result<Assembled, Failure> {
    let mut out = Assembled::default();
    let mut answers = answers.into_iter();
    let skips = spec.target.deletion_policy != DeletionPolicy::Retain;
    for (index, entry) in spec.data_from.iter().enumerate() {
        let Some(extract) = &entry.extract else { continue };
        let place = format!("error processing spec.dataFrom[{index}].extract, err: ");
        match next_answer(&mut answers) {
            Err(error) if skips && error.kind() == ErrorKind::NotFound => out.notes.push(Note::normal(
                EventReason::MissingProviderSecret,
                format!("secret does not exist at provider using spec.dataFrom[{index}]"),
            )),
            Err(error) => return Err(Failure { text: format!("{place}{error}"), cause: Some(error) }),
            Ok(Fetched::Map(map)) => {
                let ready =
                    extracted(extract, map).map_err(|text| Failure { cause: None, text: format!("{place}{text}") })?;
                out.data.extend(ready);
            }
            Ok(Fetched::Value(_)) => return Err(mismatch()),
        }
    }
    for (index, entry) in spec.data.iter().enumerate() {
        let key = &entry.remote_ref.key;
        let place = format!("error processing spec.data[{index}] (key: {key}), err: ");
        match next_answer(&mut answers) {
            Err(error) if skips && error.kind() == ErrorKind::NotFound => out.notes.push(Note::normal(
                EventReason::MissingProviderSecret,
                // The reference says dataFrom here too.
                format!("secret does not exist at provider using spec.dataFrom[{index}] (key={key})"),
            )),
            Err(error) => return Err(Failure { text: format!("{place}{error}"), cause: Some(error) }),
            Ok(Fetched::Value(value)) => {
                let ready =
                    single(entry, value).map_err(|text| Failure { cause: None, text: format!("{place}{text}") })?;
                out.data.insert(entry.secret_key.clone(), ready);
            }
            Ok(Fetched::Map(_)) => return Err(mismatch()),
        }
    }
    Ok(out)
}

fn extracted(extract: &api::RemoteRef, map: SecretMap) -> Result<SecretMap, String> {
    let strategy = extract.conversion_strategy;
    let converted = keys::convert(strategy, map).map_err(|text| {
        format!("error applying conversion strategy {} to keys: {text}", strategy.map_or("", |s| s.as_str()))
    })?;
    let valid = keys::validate(converted).map_err(|text| {
        format!("invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): {text}")
    })?;
    let strategy = extract.decoding_strategy;
    let decoded = decode::map(strategy, valid).map_err(|text| {
        format!("error applying decoding strategy {} to data: {text}", strategy.map_or("", |s| s.as_str()))
    })?;
    decode::refuse_null_bytes(extract.null_byte_policy, &decoded)?;
    Ok(decoded)
}

fn single(entry: &ExternalSecretData, value: SecretBytes) -> Result<SecretBytes, String> {
    let decoded = decode::value(entry.remote_ref.decoding_strategy, value)?;
    decode::refuse_null_bytes_in(entry.remote_ref.null_byte_policy, &entry.secret_key, &decoded)?;
    Ok(decoded)
}

fn next_answer(answers: &mut std::vec::IntoIter<Result<Fetched, Error>>) -> Result<Fetched, Error> {
    answers.next().unwrap_or_else(|| Err(Error::new(ErrorKind::Invalid, "Assemble", "an entry was not fetched")))
}

fn mismatch() -> Failure {
    Failure { cause: None, text: "an entry was fetched in the wrong shape".into() }
}

fn store_name(spec: &ExternalSecretSpec, own: Option<&SecretStoreRef>) -> StoreName {
    let named = own.or(spec.secret_store_ref.as_ref());
    StoreName {
        kind: named.and_then(|store| store.kind).unwrap_or_default(),
        name: named.and_then(|store| store.name.clone()).unwrap_or_default(),
    }
}

fn reference(wire: &api::RemoteRef) -> RemoteRef {
    let text = |field: &Option<String>| field.clone().filter(|text| !text.is_empty());
    RemoteRef {
        read: ReadKey {
            key: wire.key.clone(),
            version: text(&wire.version),
            metadata: wire.metadata_policy == Some(MetadataPolicy::Fetch),
        },
        property: text(&wire.property),
    }
}
