//! From keys of a Secret to remote keys: the `rewrite` of a `dataTo`, key by key.

use api::{PushSecretRewrite, RewriteRegexp, RewriteTransform};
use gojson::quote;
use goregexp::Replacement;
use template::{Env, Value};

use crate::rewrite::{LONGEST_KEY, too_long};
use crate::template::{Engine, Transform};

/// One operation, ready for all keys.
enum Operation<'e> {
    Nothing,
    Regexp(goregexp::Regexp, &'e str),
    Transform(Transform<'e>),
}

/// What becomes of each of `keys`, in their order.
///
/// # Errors
/// The reference's texts.
pub(super) fn renamed<'k>(
    operations: &[PushSecretRewrite],
    keys: impl IntoIterator<Item = &'k str>,
    engine: &Engine,
    env: &Env,
) -> Result<Vec<(&'k str, String)>, String> {
    let mut map: Vec<(&str, String)> = keys.into_iter().map(|key| (key, key.to_owned())).collect();
    for (index, operation) in operations.iter().enumerate() {
        let ready = ready(operation, engine).map_err(|why| format!("rewrite[{index}]: {why}"))?;
        for (_, key) in &mut map {
            *key = apply(&ready, key, env).map_err(|why| format!("rewrite[{index}] on key {}: {why}", quote(&*key)))?;
        }
    }
    Ok(map)
}

fn ready<'e>(operation: &'e PushSecretRewrite, engine: &'e Engine) -> Result<Operation<'e>, String> {
    let PushSecretRewrite { regexp, transform } = operation;
    if let Some(RewriteRegexp { source, target }) = regexp {
        let pattern = goregexp::compile(source.as_bytes());
        let pattern = pattern.map_err(|error| format!("invalid regexp {}: {error}", quote(source)))?;
        Ok(Operation::Regexp(pattern, target))
    } else if let Some(RewriteTransform { template }) = transform {
        let parsed = engine.transform(template);
        Ok(Operation::Transform(parsed.map_err(|error| format!("invalid template: {}", as_here(error)))?))
    } else {
        Ok(Operation::Nothing)
    }
}

fn apply(operation: &Operation<'_>, key: &str, env: &Env) -> Result<String, String> {
    let made = match operation {
        Operation::Nothing => return Ok(key.to_owned()),
        Operation::Regexp(pattern, target) => {
            let mut room = LONGEST_KEY;
            let allow = |bytes: usize| {
                room = room.checked_sub(bytes).ok_or_else(too_long)?;
                Ok::<(), String>(())
            };
            pattern.try_replace_all(key.as_bytes(), Replacement::Template(target.as_bytes()), allow)?
        }
        Operation::Transform(parsed) => {
            let made = parsed.render(&Value::string_map([("value", key)]), env);
            made.map_err(|error| format!("template exec: {}", as_here(error)))?
        }
    };
    if made.len() > LONGEST_KEY {
        return Err(too_long());
    }
    Ok(String::from_utf8(made).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The reference parses these templates under another name than those of an ExternalSecret.
fn as_here(error: impl ToString) -> String {
    error
        .to_string()
        .replace("template: transform:", "template: t:")
        .replace("executing \"transform\"", "executing \"t\"")
}
