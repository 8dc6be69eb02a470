//! From a spec to what must be fetched, and from what was fetched to the data of the Secret.
//!
//! A provider's failure is an input here: [`assemble`] says what it means for the object.

use api::{
    ConversionStrategy, DataFrom, DecodingStrategy, DeletionPolicy, ExternalSecretData, ExternalSecretSpec, FindName,
    GeneratorRef, MetadataPolicy, NullBytePolicy, Rewrite, SecretStoreRef, StoreKind,
};
use provider::{Error, ErrorKind, Find, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};
use template::Env;

use crate::event::{EventReason, Note};
use crate::template::Engine;
use crate::{decode, keys, rewrite};

/// Which store an entry reads from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreName {
    /// SecretStore or ClusterSecretStore.
    pub kind: StoreKind,
    /// The store's name; may be empty when the manifest names none.
    pub name: String,
}

/// One fetch that a spec asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// From a store.
    Read {
        /// Which one.
        store: StoreName,
        /// What.
        what: What,
    },
    /// From a generator: `dataFrom[].sourceRef.generatorRef`.
    Generate(GeneratorRef),
}

/// What a store is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One value: `data[]`.
    Value(RemoteRef),
    /// The key-value pairs of one remote key: `dataFrom[].extract`.
    Map(RemoteRef),
    /// All remote keys that match, with their values: `dataFrom[].find`.
    Find(Find),
}

/// What a fetch brought.
#[derive(Clone, Debug)]
pub enum Fetched {
    /// For [`What::Map`].
    Map(SecretMap),
    /// For [`What::Value`].
    Value(SecretBytes),
    /// For [`What::Find`].
    Found {
        /// Remote names to values.
        values: SecretMap,
        /// Whether the names are converted before any rewrite, as some of the reference's providers do by themselves.
        convert_first: bool,
    },
    /// For [`Need::Generate`].
    Generated(SecretMap),
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
    /// The entry that failed, if it is one.
    pub entry: Option<FailedEntry>,
    /// The reference's text, from the entry inwards.
    pub text: String,
}

/// The entry of the manifest that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedEntry {
    /// Its place in [`needs`].
    pub need: usize,
    /// What is wrong with it; the end of the whole text.
    pub reason: String,
}

impl Failure {
    /// The failure of the entry that `place` opens the text with.
    fn of_entry(need: usize, place: &str, reason: String, cause: Option<Error>) -> Self {
        Self { cause, text: format!("{place}{reason}"), entry: Some(FailedEntry { need, reason }) }
    }
}

/// What must be fetched, `dataFrom` first and then `data`, in the order of the manifest.
pub fn needs(spec: &ExternalSecretSpec) -> Vec<Need> {
    let from = spec.data_from.iter().filter_map(|entry| {
        let what = match asked(entry)? {
            Asked::Find(find) => What::Find(wished(find)),
            Asked::Extract(extract) => What::Map(reference(extract)),
            Asked::Generator(generator) => return Some(Need::Generate(generator.clone())),
        };
        let own = entry.source_ref.as_ref().and_then(|source| source.store_ref.as_ref());
        Some(Need::Read { store: store_name(spec, own), what })
    });
    let single = spec.data.iter().map(|entry| {
        let store = match &entry.source_ref {
            // In `data` a sourceRef that names no store stands for no store, and not for the default one.
            Some(source) => named(source.store_ref.as_ref()),
            None => store_name(spec, None),
        };
        Need::Read { store, what: What::Value(reference(&entry.remote_ref)) }
    });
    from.chain(single).collect()
}

/// What an entry of `dataFrom` is about. One that names several takes the first of them, as in the reference.
enum Asked<'e> {
    Find(&'e api::Find),
    Extract(&'e api::RemoteRef),
    Generator(&'e GeneratorRef),
}

fn asked(entry: &DataFrom) -> Option<Asked<'_>> {
    let DataFrom { extract, find, rewrite: _, source_ref } = entry;
    let generator = || source_ref.as_ref()?.generator_ref.as_ref().map(Asked::Generator);
    let found = find.as_deref().map(Asked::Find);
    found.or_else(|| extract.as_ref().map(Asked::Extract)).or_else(generator)
}

/// Every generator that `spec` names, whether it is asked or not: each may belong to another controller.
pub fn generators(spec: &ExternalSecretSpec) -> Vec<GeneratorRef> {
    let of = |entry: &DataFrom| entry.source_ref.as_ref()?.generator_ref.clone();
    spec.data_from.iter().filter_map(of).collect()
}

/// Every store that `spec` names.
pub fn stores(spec: &ExternalSecretSpec) -> Vec<StoreName> {
    let of_need = |need| match need {
        Need::Read { store, what: _ } => Some(store),
        Need::Generate(_) => None,
    };
    let mut names: Vec<StoreName> = needs(spec).into_iter().filter_map(of_need).collect();
    if spec.secret_store_ref.as_ref().is_some_and(|store| store.name.is_some()) {
        names.push(store_name(spec, None));
    }
    names.dedup();
    names
}

/// The store that `spec` is about: the one it names for all entries, else that of the first entry that names one.
pub fn main_store(spec: &ExternalSecretSpec) -> Option<StoreName> {
    let named = spec.secret_store_ref.as_ref().is_some_and(|store| store.name.is_some());
    if named { Some(store_name(spec, None)) } else { stores(spec).into_iter().next() }
}

/// Puts together what was fetched; `answers` are those to [`needs`], in its order.
///
/// # Errors
/// The first entry that fails fails the whole, except a remote key that doesn't exist under a deletion policy other
/// than Retain: that one is skipped with an event.
pub fn assemble(
    spec: &ExternalSecretSpec,
    answers: Vec<Result<Fetched, Error>>,
    engine: &Engine,
    env: &Env,
) -> Result<Assembled, Failure> {
    let mut out = Assembled::default();
    let count = answers.len();
    let mut answers = answers.into_iter();
    let skips = spec.target.deletion_policy != DeletionPolicy::Retain;
    for (index, entry) in spec.data_from.iter().enumerate() {
        let Some(asked) = asked(entry) else { continue };
        let field = match asked {
            Asked::Find(_) => "find",
            Asked::Extract(_) => "extract",
            Asked::Generator(_) => "sourceRef.generatorRef",
        };
        let place = format!("error processing spec.dataFrom[{index}].{field}, err: ");
        let (need, answer) = next_answer(count, &mut answers);
        let fail = |reason| Failure::of_entry(need, &place, reason, None);
        let fetched = match answer {
            Err(error) if skips && error.kind() == ErrorKind::NotFound => {
                out.notes.push(Note::normal(
                    EventReason::MissingProviderSecret,
                    format!("secret does not exist at provider using spec.dataFrom[{index}]"),
                ));
                continue;
            }
            Err(error) => return Err(Failure::of_entry(need, &place, error.to_string(), Some(error))),
            Ok(fetched) => fetched,
        };
        let ready = match (asked, fetched) {
            (Asked::Extract(extract), Fetched::Map(map)) => {
                Treatment::of_extracted(extract, &entry.rewrite).apply(map, engine, env)
            }
            (Asked::Find(find), Fetched::Found { values, convert_first }) => {
                let treatment = Treatment::of_found(find, &entry.rewrite);
                let values = if convert_first {
                    let converted = keys::convert(treatment.conversion, values);
                    converted.map_err(|text| fail(format!("error getting all secrets: {text}")))?
                } else {
                    values
                };
                treatment.apply(values, engine, env)
            }
            (Asked::Generator(_), Fetched::Generated(map)) => generated(entry, map, engine, env),
            (Asked::Extract(_) | Asked::Find(_) | Asked::Generator(_), _) => return Err(mismatch()),
        };
        out.data.extend(ready.map_err(fail)?);
    }
    for (index, entry) in spec.data.iter().enumerate() {
        let key = &entry.remote_ref.key;
        let place = format!("error processing spec.data[{index}] (key: {key}), err: ");
        let (need, answer) = next_answer(count, &mut answers);
        match answer {
            Err(error) if skips && error.kind() == ErrorKind::NotFound => out.notes.push(Note::normal(
                EventReason::MissingProviderSecret,
                // The reference says dataFrom here too.
                format!("secret does not exist at provider using spec.dataFrom[{index}] (key={key})"),
            )),
            Err(error) => return Err(Failure::of_entry(need, &place, error.to_string(), Some(error))),
            Ok(Fetched::Value(value)) => {
                let ready = single(entry, value).map_err(|reason| Failure::of_entry(need, &place, reason, None))?;
                out.data.insert(entry.secret_key.clone(), ready);
            }
            Ok(Fetched::Map(_) | Fetched::Generated(_) | Fetched::Found { values: _, convert_first: _ }) => {
                return Err(mismatch());
            }
        }
    }
    Ok(out)
}

/// What an entry of `dataFrom` wants done to the pairs that it brought.
struct Treatment<'e> {
    rewrite: &'e [Rewrite],
    conversion: Option<ConversionStrategy>,
    decoding: Option<DecodingStrategy>,
    null_bytes: Option<NullBytePolicy>,
}

impl<'e> Treatment<'e> {
    fn of_extracted(extract: &api::RemoteRef, rewrite: &'e [Rewrite]) -> Self {
        Self {
            rewrite,
            conversion: extract.conversion_strategy,
            decoding: extract.decoding_strategy,
            null_bytes: extract.null_byte_policy,
        }
    }

    fn of_found(find: &api::Find, rewrite: &'e [Rewrite]) -> Self {
        Self {
            rewrite,
            conversion: find.conversion_strategy,
            decoding: find.decoding_strategy,
            null_bytes: find.null_byte_policy,
        }
    }

    fn apply(&self, map: SecretMap, engine: &Engine, env: &Env) -> Result<SecretMap, String> {
        let strategy = self.conversion;
        let named = if self.rewrite.is_empty() {
            keys::convert(strategy, map).map_err(|text| {
                format!("error applying conversion strategy {} to keys: {text}", strategy.map_or("", |s| s.as_str()))
            })?
        } else {
            rewritten(self.rewrite, map, engine, env)?
        };
        let valid = validated(named)?;
        let strategy = self.decoding;
        let decoded = decode::map(strategy, valid).map_err(|text| undecoded(strategy, &text))?;
        decode::refuse_null_bytes(self.null_bytes, &decoded)?;
        Ok(decoded)
    }
}

/// What a generator brought is only rewritten and validated, neither converted nor decoded.
fn generated(entry: &DataFrom, map: SecretMap, engine: &Engine, env: &Env) -> Result<SecretMap, String> {
    validated(rewritten(&entry.rewrite, map, engine, env)?)
}

fn rewritten(operations: &[Rewrite], map: SecretMap, engine: &Engine, env: &Env) -> Result<SecretMap, String> {
    rewrite::apply(operations, map, engine, env).map_err(|text| format!("error applying rewrite to keys: {text}"))
}

fn validated(map: SecretMap) -> Result<SecretMap, String> {
    keys::validate(map)
        .map_err(|text| format!("invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): {text}"))
}

fn undecoded(strategy: Option<DecodingStrategy>, text: &str) -> String {
    format!("error applying decoding strategy {} to data: {text}", strategy.map_or("", |s| s.as_str()))
}

fn single(entry: &ExternalSecretData, value: SecretBytes) -> Result<SecretBytes, String> {
    let strategy = entry.remote_ref.decoding_strategy;
    let decoded = decode::value(strategy, value).map_err(|text| undecoded(strategy, &text))?;
    decode::refuse_null_bytes_in(entry.remote_ref.null_byte_policy, &entry.secret_key, &decoded)?;
    Ok(decoded)
}

/// The next of `count` answers, and its place among them.
fn next_answer(
    count: usize,
    answers: &mut std::vec::IntoIter<Result<Fetched, Error>>,
) -> (usize, Result<Fetched, Error>) {
    let place = count - answers.len();
    let unfetched = || Err(Error::new(ErrorKind::Invalid, "Assemble", "an entry was not fetched"));
    (place, answers.next().unwrap_or_else(unfetched))
}

fn mismatch() -> Failure {
    Failure { cause: None, entry: None, text: "an entry was fetched in the wrong shape".into() }
}

fn store_name(spec: &ExternalSecretSpec, own: Option<&SecretStoreRef>) -> StoreName {
    named(own.or(spec.secret_store_ref.as_ref()))
}

fn named(named: Option<&SecretStoreRef>) -> StoreName {
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

/// A name without a pattern is one with an empty pattern, which matches everything.
fn wished(wire: &api::Find) -> Find {
    let api::Find { path, name, tags, conversion_strategy: _, decoding_strategy: _, null_byte_policy: _ } = wire;
    let pattern = |FindName { regexp }: &FindName| regexp.clone().unwrap_or_default();
    Find { path: path.clone(), name: name.as_ref().map(pattern), tags: tags.clone() }
}
