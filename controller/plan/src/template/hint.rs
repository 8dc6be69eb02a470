//! "Did you mean": what to do about a template that fails, from the names of the keys and functions at hand.
//!
//! Values are never looked at.

use template::{ExecError, ParseError};

use super::TemplateError;

/// How many keys a hint lists at most.
const LISTED: usize = 5;

/// A short advice, if there is any. `keys` are those of the data, `functions` the names of all functions.
pub fn hint<'k, 'f>(
    error: &TemplateError,
    keys: impl IntoIterator<Item = &'k str>,
    functions: impl IntoIterator<Item = &'f str>,
) -> Option<String> {
    match error {
        TemplateError::Exec(ExecError { missing_key: Some(key), text, line: _, column: _ }) => {
            missing(key, text, &keys.into_iter().collect::<Vec<_>>())
        }
        TemplateError::Exec(ExecError { missing_key: None, text, line: _, column: _ }) => {
            // `get`, `hasKey` and their like take another kind of map than the one that dot is.
            let typed = text.contains("expected map[string]interface {}; got map[string]string");
            typed.then(|| "the values are read by {{ index . \"key\" }}".to_owned())
        }
        TemplateError::Parse(error) => unparsed(error, keys, functions),
    }
}

fn missing(key: &str, text: &str, keys: &[&str]) -> Option<String> {
    let path = format!(" at <.{key}>: ");
    let root = format!(" at <$.{key}>: ");
    if keys.contains(&key) {
        // Dot is something else here, and the key is there at the root.
        return Some(format!("inside of range and with it is {}", written("$", key)));
    }
    if let Some(near) = nearest(key, keys.iter().copied()) {
        return Some(format!("did you mean {}?", written("", near)));
    }
    if !text.contains(&path) && !text.contains(&root) {
        // It is looked up in some other map.
        return None;
    }
    let mut listed: Vec<&str> = keys.iter().copied().take(LISTED).collect();
    if keys.len() > LISTED {
        listed.push("…");
    }
    if listed.is_empty() { None } else { Some(format!("there are {}", listed.join(", "))) }
}

fn unparsed<'k, 'f>(
    error: &ParseError,
    keys: impl IntoIterator<Item = &'k str>,
    functions: impl IntoIterator<Item = &'f str>,
) -> Option<String> {
    if let Some((before, _)) = error.text.split_once("\" not defined") {
        let name = before.rsplit_once("function \"")?.1;
        if let Some(near) = nearest(name, functions) {
            return Some(format!("did you mean {near}?"));
        }
        let key = nearest(name, keys)?;
        return Some(format!("did you mean {}?", written("", key)));
    }
    if error.text.contains("bad character U+002D '-'") {
        let key = keys.into_iter().find(|key| key.contains('-'));
        return Some(format!("a key with a dash is read by {}", written("", key.unwrap_or("the-key"))));
    }
    error.text.ends_with("unexpected EOF").then(|| "an {{ end }} is missing".to_owned())
}

/// How a template reads a key: `.key`, or by `index` where the language doesn't take it for a name.
fn written(root: &str, key: &str) -> String {
    let plain = key.chars().all(|c| c == '_' || c.is_alphanumeric());
    let dot = if root.is_empty() { "." } else { root };
    if plain && !key.is_empty() {
        format!("{root}.{key}")
    } else {
        format!("{{{{ index {dot} {} }}}}", gojson::quote(key))
    }
}

/// The nearest of the known words, if it is near enough to be what was meant: other letters' case, or a third of the
/// letters at most.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    let limit = (letters / 3).max(1);
    if letters > 253 {
        return None;
    }
    let plain = |word: &str| word.to_lowercase().replace(['-', '.'], "_");
    let word = plain(word);
    known
        .into_iter()
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= limit)
        .map(|candidate| (distance(&word, &plain(candidate)), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many letters have to be changed, put in or taken out.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        let mut next = vec![left];
        for (above, other) in row.iter().skip(1).zip(&to) {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = *above;
            left = changed.min(above + 1).min(left + 1);
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use template::{Delims, Env, Functions, Limits, Value};

    use super::super::Engine;
    use super::*;

    fn advice(text: &str) -> Option<String> {
        let keys = ["db-host", "json", "password", "user", "user.name"];
        let engine = Engine::new(Functions::sprig(), Delims::default(), Limits::default());
        let env = Env::new(Timestamp::UNIX_EPOCH, |buffer| buffer.fill(7));
        let values = [r#"h"#, r#"{"port": 1}"#, "canary", "u", "n"];
        let dot = Value::string_map(keys.iter().zip(values));
        let error = engine.render("k", text.as_bytes(), &dot, &env).unwrap_err();
        let names: Vec<&str> = engine.function_names().collect();
        hint(&error, keys, names)
    }

    #[test]
    fn a_hint_names_the_key_or_function_that_was_meant() {
        let cases = [
            ("{{ .pasword }}", Some("did you mean .password?")),
            ("{{ .Password }}", Some("did you mean .password?")),
            ("{{ .PASSWORD | upper }}", Some("did you mean .password?")),
            ("{{ .db_host }}", Some("did you mean {{ index . \"db-host\" }}?")),
            ("{{ .username }}", Some("did you mean {{ index . \"user.name\" }}?")),
            ("{{ .region }}", Some("there are db-host, json, password, user, user.name")),
            (
                "{{ range (list .json) }}{{ with (. | fromJson) }}{{ .user }}{{ end }}{{ end }}",
                Some("inside of range and with it is $.user"),
            ),
            ("{{ (.json | fromJson).region }}", None),
            ("{{ .password | b64encode }}", Some("did you mean b64enc?")),
            ("{{ .password | base64Encode }}", None),
            ("{{ .password | b64enx }}", Some("did you mean b64enc?")),
            ("{{ password }}", Some("did you mean .password?")),
            ("{{ .db-host }}", Some("a key with a dash is read by {{ index . \"db-host\" }}")),
            ("{{ if .user }}x", Some("an {{ end }} is missing")),
            ("{{ get . \"user\" }}", Some("the values are read by {{ index . \"key\" }}")),
            ("{{ fail .password }}", None),
        ];
        for (text, want) in cases {
            assert_eq!(advice(text).as_deref(), want, "{text}");
        }
    }
}
