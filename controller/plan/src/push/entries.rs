//! The entries that a source Secret makes for one store: `data`, and what `dataTo` stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::{
    PushSecretConversionStrategy, PushSecretData, PushSecretDataTo, PushSecretDeletionPolicy, PushSecretMatch,
    PushSecretRemoteRef, PushSecretSpec,
};
use gojson::quote;
use provider::{Place, Push, Source};
use secret::SecretMap;
use template::Env;

use super::rename::renamed;
use super::stores::{Target, is_for};
use super::{entry_key, named, place};
use crate::keys;
use crate::template::Engine;

/// An entry, and what is to be pushed for it or why nothing can be.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// As it stands in the spec, or as a `dataTo` made it.
    pub data: PushSecretData,
    /// What is pushed; otherwise the reference's text.
    pub push: Result<Push, String>,
}

impl Wanted {
    /// Where it goes.
    pub fn place(&self) -> Place {
        place(&self.data)
    }
}

/// What a `dataTo` made.
struct Expanded {
    data: PushSecretData,
    /// What goes in one piece, if not a single key.
    bundle: Option<SecretMap>,
}

/// The entries for one store, in order: what `dataTo` stands for, then `data`, which wins over it.
///
/// # Errors
/// The reference's texts about the spec as a whole: patterns, rewrites, entries with one destination. A key that isn't in
/// the Secret concerns its entry alone.
pub fn entries(
    spec: &PushSecretSpec,
    target: &Target,
    source: &Arc<Source>,
    engine: &Engine,
    env: &Env,
) -> Result<Vec<Wanted>, String> {
    let mut expanded = Vec::new();
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for (index, entry) in spec.data_to.iter().enumerate() {
        if !is_for(entry, target).map_err(|why| format!("failed to filter dataTo: dataTo[{index}]: {why}"))? {
            continue;
        }
        let failed = |why: String| format!("failed to expand dataTo: dataTo[{index}]: {why}");
        for (key, made) in expand(entry, &source.data, engine, env).map_err(failed)? {
            let remote = &made.data.matching.remote_ref.remote_key;
            if let Some(other) = seen.insert(remote.clone(), format!("dataTo[{index}]:{key}")) {
                let (remote, key) = (quote(remote), quote(&key));
                return Err(failed(format!(
                    "duplicate remote key {remote} from source key {key} (conflicts with {other})"
                )));
            }
            expanded.push(made);
        }
    }
    let all = merged(expanded, &spec.data, &source.data)?;
    all_differ(&all).map_err(|why| format!("failed to merge data entries: {why}"))?;
    let mut sources = Sources { plain: source.clone(), reversed: None };
    Ok(all.into_iter().map(|entry| wanted(entry, &mut sources)).collect())
}

/// A `dataTo` with the source keys (as converted) of what it made.
fn expand(
    entry: &PushSecretDataTo,
    data: &SecretMap,
    engine: &Engine,
    env: &Env,
) -> Result<Vec<(String, Expanded)>, String> {
    let PushSecretDataTo { store_ref: _, remote_key, matching, rewrite, metadata, conversion_strategy } = entry;
    let remote_key = remote_key.as_deref().filter(|key| !key.is_empty());
    if remote_key.is_some() && !rewrite.is_empty() {
        let text = "remoteKey and rewrite are mutually exclusive: rewrite is only supported in per-key mode (without remoteKey)";
        return Err(text.to_owned());
    }
    // Converted key to the key itself.
    let mut keys = BTreeMap::new();
    for key in data.keys() {
        let converted = converted_key(*conversion_strategy, key)?;
        if keys.insert(converted.clone(), key).is_some() {
            return Err(format!("conversion failed: secret name collision during conversion: {converted}"));
        }
    }
    if let Some(pattern) = matching.as_ref().and_then(|it| it.regexp.as_deref()).filter(|it| !it.is_empty()) {
        let regexp = goregexp::compile(pattern.as_bytes())
            .map_err(|error| format!("match failed: failed to compile regexp pattern {}: {error}", quote(pattern)))?;
        keys.retain(|key, _| regexp.is_match(key.as_bytes()));
    }
    let entry = |secret_key: Option<String>, remote_key: String| PushSecretData {
        matching: PushSecretMatch { secret_key, remote_ref: PushSecretRemoteRef { remote_key, property: None } },
        metadata: metadata.clone(),
        conversion_strategy: PushSecretConversionStrategy::None,
    };
    if let (Some(remote_key), false) = (remote_key, keys.is_empty()) {
        let values = keys.iter().filter_map(|(key, own)| Some((key.clone(), data.get(*own)?.clone())));
        let bundle = Some(values.collect());
        return Ok(vec![("(bundle)".to_owned(), Expanded { data: entry(None, remote_key.to_owned()), bundle })]);
    }
    let renamed = renamed(rewrite, keys.keys().map(String::as_str), engine, env);
    let mut made = Vec::new();
    for (key, remote) in renamed.map_err(|why| format!("rewrite failed: {why}"))? {
        if remote.is_empty() {
            return Err(format!("empty remote key produced for source key {}", quote(key)));
        }
        let own = keys.get(key).map(|own| (*own).clone());
        made.push((key.to_owned(), Expanded { data: entry(own, remote), bundle: None }));
    }
    Ok(made)
}

fn converted_key(strategy: PushSecretConversionStrategy, key: &str) -> Result<String, String> {
    match strategy {
        PushSecretConversionStrategy::None => Ok(key.to_owned()),
        PushSecretConversionStrategy::ReverseUnicode => keys::reverse_unicode_key(key),
    }
}

/// `data` after what `dataTo` made of other keys. In the reference an entry of `data` for the whole Secret takes the place
/// of every bundle; here only keys are taken out.
fn merged(expanded: Vec<Expanded>, own: &[PushSecretData], data: &SecretMap) -> Result<Vec<Expanded>, String> {
    let mut taken = BTreeSet::new();
    for entry in own {
        let Some(wanted) = secret_key(entry) else { continue };
        let mut original = wanted;
        for key in data.keys() {
            if converted_key(entry.conversion_strategy, key)? == wanted {
                original = key;
            }
        }
        taken.insert(original);
    }
    let rest = expanded.into_iter().filter(|it| secret_key(&it.data).is_none_or(|key| !taken.contains(key)));
    Ok(rest.chain(own.iter().map(|data| Expanded { data: data.clone(), bundle: None })).collect())
}

fn secret_key(data: &PushSecretData) -> Option<&str> {
    data.matching.secret_key.as_deref().filter(|key| !key.is_empty())
}

fn all_differ(all: &[Expanded]) -> Result<(), String> {
    let mut seen: BTreeMap<Place, &str> = BTreeMap::new();
    for Expanded { data, bundle: _ } in all {
        let key = secret_key(data).unwrap_or_default();
        let place = place(data);
        if let Some(other) = seen.insert(place.clone(), key) {
            let (other, key) = (quote(other), quote(key));
            let place = named(&place);
            return Err(format!("duplicate {place}: source keys {other} and {key} both map to the same destination"));
        }
    }
    Ok(())
}

/// The source in the forms that entries need.
struct Sources {
    plain: Arc<Source>,
    reversed: Option<Result<Arc<Source>, String>>,
}

impl Sources {
    fn with(&self, data: SecretMap) -> Arc<Source> {
        Arc::new(Source { data, ..(*self.plain).clone() })
    }

    fn get(&mut self, strategy: PushSecretConversionStrategy) -> Result<Arc<Source>, String> {
        match strategy {
            PushSecretConversionStrategy::None => Ok(self.plain.clone()),
            PushSecretConversionStrategy::ReverseUnicode => {
                if self.reversed.is_none() {
                    let data = keys::reverse_unicode(self.plain.data.clone());
                    self.reversed = Some(data.map(|data| self.with(data)));
                }
                self.reversed.clone().unwrap_or_else(|| Ok(self.plain.clone()))
            }
        }
    }
}

fn wanted(entry: Expanded, sources: &mut Sources) -> Wanted {
    let Expanded { data, bundle } = entry;
    let source = match bundle {
        Some(bundle) => Ok(sources.with(bundle)),
        None => sources.get(data.conversion_strategy),
    };
    let source = source.map_err(|why| format!("could not apply conversion strategy to keys: {why}"));
    let push = source.and_then(|source| {
        if data.matching.remote_ref.remote_key.is_empty() {
            return Err("match.remoteRef.remoteKey is empty: name the secret at the provider".to_owned());
        }
        let secret_key = secret_key(&data).map(str::to_owned);
        if let Some(key) = secret_key.as_ref().filter(|key| !source.data.contains_key(*key)) {
            return Err(format!("secret key {key} does not exist"));
        }
        Ok(Push { source, secret_key, place: place(&data), metadata: data.metadata.clone() })
    });
    Wanted { data, push }
}

/// The entries of several source Secrets for one store as one. Where two of them want different things at one place, none
/// of them is pushed there: in the reference they overwrite each other at each refresh.
pub fn unite(of_sources: Vec<(String, Vec<Wanted>)>) -> Vec<Wanted> {
    let mut all: Vec<(String, Wanted)> = Vec::new();
    for (secret, entries) in of_sources {
        for entry in entries {
            match all.iter_mut().find(|(_, known)| known.place() == entry.place()) {
                None => all.push((secret.clone(), entry)),
                Some((_, known)) if says_the_same(known, &entry) => {}
                Some((other, known)) => {
                    let place = named(&known.place());
                    let (other, secret) = (quote(&*other), quote(&secret));
                    let text =
                        format!("duplicate {place}: Secrets {other} and {secret} both map to the same destination");
                    if known.push.is_ok() {
                        known.push = Err(text);
                    }
                }
            }
        }
    }
    all.into_iter().map(|(_, entry)| entry).collect()
}

fn says_the_same(one: &Wanted, other: &Wanted) -> bool {
    let value = |entry: &Wanted| entry.push.as_ref().ok().and_then(|push| push.value().ok());
    one.data.metadata == other.data.metadata && value(one).is_some() && value(one) == value(other)
}

/// Refuses entries that `status.syncedPushSecrets` couldn't tell apart, where it says what is to be deleted.
pub fn indistinct(policy: PushSecretDeletionPolicy, entries: &mut [Wanted]) {
    match policy {
        PushSecretDeletionPolicy::None => return,
        PushSecretDeletionPolicy::Delete => {}
    }
    let mut seen: BTreeMap<String, Place> = BTreeMap::new();
    for entry in entries {
        let place = entry.place();
        let other = seen.entry(entry_key(&place)).or_insert_with(|| place.clone());
        if *other != place {
            entry.push = Err(format!(
                "{} and {} cannot be told apart in status.syncedPushSecrets, which deletionPolicy Delete goes by: push one of \
                 them in another PushSecret",
                named(other),
                named(&place)
            ));
        }
    }
}
