//! New keys for what `dataFrom` brought: regexp, transform and merge, in the order of the manifest.
//!
//! Lives here: the three operations with the reference's texts. Deliberately not here: the conversion and validation of
//! keys (see [`keys`](crate::keys)).

use std::collections::BTreeMap;

use api::{
    Rewrite, RewriteConflictPolicy, RewriteMerge, RewriteMergeStrategy, RewritePriorityPolicy, RewriteRegexp,
    RewriteTransform,
};
use gojson::{Document, Html, Numbers};
use goregexp::Replacement;
use secret::{SecretBytes, SecretMap};
use template::{Env, Value};

use crate::template::Engine;

/// How long a key may get on the way, in bytes, and how large all keys and values together; ESO has no bound, and
/// operations that double a key can be chained.
pub(crate) const LONGEST_KEY: usize = 64 << 10;
const LARGEST: usize = 32 << 20;

/// Applies `operations` one after the other. A transform sees the whole set of functions, default delimiters, and
/// `.value`, the key.
///
/// # Errors
/// `failed rewrite operation[<index>]: ` and why; the reference's texts, without any value.
pub fn apply(operations: &[Rewrite], data: SecretMap, engine: &Engine, env: &Env) -> Result<SecretMap, String> {
    let mut data = data;
    for (index, operation) in operations.iter().enumerate() {
        let Rewrite { merge: merging, regexp: replacing, transform: rendering } = operation;
        let done = if let Some(operation) = merging {
            merge(operation, data)
        } else if let Some(operation) = replacing {
            regexp(operation, data)
        } else if let Some(operation) = rendering {
            transform(operation, data, engine, env)
        } else {
            Ok(data)
        };
        data = done.map_err(|text| format!("failed rewrite operation[{index}]: {text}"))?;
    }
    Ok(data)
}

/// Replaces every match of a Go regular expression in each key; `$1` and `${name}` stand for groups. Of keys that become
/// the same one the last in order wins.
///
/// # Errors
/// `regexp failed with failed to compile: ` and Go's text.
pub fn regexp(operation: &RewriteRegexp, data: SecretMap) -> Result<SecretMap, String> {
    let RewriteRegexp { source, target } = operation;
    let pattern = goregexp::compile(source.as_bytes())
        .map_err(|error| format!("regexp failed with failed to compile: {error}"))?;
    renamed(data, |key| {
        let mut room = LONGEST_KEY;
        let allow = |bytes: usize| {
            room = room.checked_sub(bytes).ok_or_else(|| format!("regexp failed with {}", too_long()))?;
            Ok(())
        };
        pattern.try_replace_all(key.as_bytes(), Replacement::Template(target.as_bytes()), allow)
    })
}

/// Renders a template for each key. Keys that become the same one: as in [`regexp`].
///
/// # Errors
/// `transform failed with failed to parse template: …` or `… failed to execute template for key "<key>": …`.
pub fn transform(
    operation: &RewriteTransform,
    data: SecretMap,
    engine: &Engine,
    env: &Env,
) -> Result<SecretMap, String> {
    let parsed = engine
        .transform(&operation.template)
        .map_err(|error| format!("transform failed with failed to parse template: {error}"))?;
    renamed(data, |key| {
        let dot = Value::string_map([("value", key)]);
        let made = parsed.render(&dot, env).map_err(|error| {
            format!("transform failed with failed to execute template for key {}: {error}", gojson::quote(key))
        })?;
        if made.len() > LONGEST_KEY { Err(format!("transform failed with {}", too_long())) } else { Ok(made) }
    })
}

/// Merges values that are JSON objects: the keys outside of `priority` in order, then those of `priority`; later ones win.
///
/// # Errors
/// `merge failed with …`: a missing priority key, a value that is no object, conflicting keys, or no `into`.
fn merge(operation: &RewriteMerge, data: SecretMap) -> Result<SecretMap, String> {
    let RewriteMerge { into, priority, priority_policy, conflict_policy, strategy } = operation;
    let first = data.keys().filter(|key| !priority.contains(key));
    let order: Vec<&String> = first.chain(priority).collect();
    let mut merged: BTreeMap<String, Member> = BTreeMap::new();
    let mut conflicts = Vec::new();
    for key in order {
        let Some(value) = data.get(key) else {
            match priority_policy {
                RewritePriorityPolicy::IgnoreNotFound => continue,
                RewritePriorityPolicy::Strict => {
                    return Err(format!("merge failed with key {} not found in input map", gojson::quote(key)));
                }
            }
        };
        for (name, member) in
            members(value).map_err(|error| format!("merge failed with failed to unmarshal JSON: {error}"))?
        {
            if merged.insert(name.clone(), member).is_some() {
                conflicts.push(name);
            }
        }
    }
    match conflict_policy {
        RewriteConflictPolicy::Error if !conflicts.is_empty() => {
            return Err(format!("merge failed with conflicts: {}", conflicts.join(", ")));
        }
        RewriteConflictPolicy::Error | RewriteConflictPolicy::Ignore => {}
    }
    match strategy {
        RewriteMergeStrategy::Extract => Ok(merged.into_iter().map(|(key, member)| (key, member.bytes)).collect()),
        RewriteMergeStrategy::Json if into.is_empty() => Err("merge failed with missing 'into' field".to_owned()),
        RewriteMergeStrategy::Json => {
            let mut data = data;
            data.insert(into.clone(), object(&merged));
            let size: usize = data.iter().map(|(key, value)| key.len() + value.len()).sum();
            if size > LARGEST { Err(format!("merge failed with {}", too_large())) } else { Ok(data) }
        }
    }
}

/// A member of a merged object, as a secret's bytes and as JSON.
struct Member {
    bytes: SecretBytes,
    json: SecretBytes,
}

fn members(value: &SecretBytes) -> Result<Vec<(String, Member)>, gojson::Error> {
    let document = Document::parse(value.expose())?;
    let members = document.members("map[string]interface {}")?;
    let mut out = Vec::new();
    for (name, id) in members.into_iter().flatten() {
        let json = document.compact(*id, Numbers::Float64, Html::Keep)?.into();
        let bytes = document.bytes(*id, Numbers::Float64)?.into();
        out.push((name.clone(), Member { bytes, json }));
    }
    Ok(out)
}

fn object(members: &BTreeMap<String, Member>) -> SecretBytes {
    let size = members.iter().map(|(name, member)| name.len() + member.json.len() + 8).sum();
    let mut out = Vec::with_capacity(size);
    out.push(b'{');
    for (name, member) in members {
        if out.len() > 1 {
            out.push(b',');
        }
        gojson::write_string(&mut out, name.as_bytes(), Html::Keep);
        out.push(b':');
        out.extend_from_slice(member.json.expose());
    }
    out.push(b'}');
    out.into()
}

fn renamed(data: SecretMap, rename: impl Fn(&str) -> Result<Vec<u8>, String>) -> Result<SecretMap, String> {
    let mut out = SecretMap::new();
    let mut size = 0;
    for (key, value) in data {
        let key = text(rename(&key)?);
        size += key.len();
        if size > LARGEST {
            return Err(too_large());
        }
        out.insert(key, value);
    }
    Ok(out)
}

/// What is said of a key that got longer than [`LONGEST_KEY`].
pub(crate) fn too_long() -> String {
    format!("a key of more than {LONGEST_KEY} bytes; make it shorter")
}

fn too_large() -> String {
    format!("more than {LARGEST} bytes of keys and values; rewrite fewer or smaller ones")
}

/// A key out of bytes. What is no UTF-8 becomes U+FFFD, which no Secret's key may have: validation then says so.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
