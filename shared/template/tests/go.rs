//! Templates with what Go's `text/template` and the reference's functions made of them, recorded from
//! `e2e/gotemplate`. The first line of `testdata/go.jsonl` holds the values; every other one is a case.

use std::error::Error;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value as Json;
use template::{Delims, Env, Functions, Options, Value, parse};

fn text<'j>(case: &'j Json, key: &str) -> &'j str {
    case[key].as_str().unwrap_or_default()
}

fn entries(values: &Json, decode: impl Fn(&str) -> Vec<u8>) -> Vec<(String, Vec<u8>)> {
    let entries = values.as_object().into_iter().flatten();
    entries.map(|(key, value)| (key.clone(), decode(value.as_str().unwrap_or_default()))).collect()
}

fn render(case: &Json, data: &Value, functions: &Functions) -> Result<Vec<u8>, String> {
    let name = case["name"].as_str().unwrap_or("t");
    let delims = Delims { left: text(case, "left").into(), right: text(case, "right").into() };
    let parsed = parse(name, text(case, "template"), &delims, functions).map_err(|e| e.text)?;
    let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
    parsed.render(data, functions, &env, &Options::default()).map_err(|e| e.text)
}

/// Go's JSON and ours show bytes that are no UTF-8 by one or several replacement characters.
fn same(got: &str, want: &str) -> bool {
    let squeezed = |text: &str| {
        let mut text: Vec<char> = text.chars().collect();
        text.dedup_by(|a, b| *a == '\u{fffd}' && *b == '\u{fffd}');
        text
    };
    got == want || squeezed(got) == squeezed(want)
}

#[test]
fn go_gives_the_same_outputs_and_errors() -> Result<(), Box<dyn Error>> {
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/go.jsonl"))?;
    let mut lines = file.lines();
    let values: Json = serde_json::from_str(lines.next().unwrap_or_default())?;
    let mut all = entries(&values["data"], |text| text.as_bytes().to_vec());
    all.extend(entries(&values["data64"], |text| STANDARD.decode(text).unwrap_or_default()));
    let (data, functions) = (Value::string_map(all), Functions::eso());
    let mut wrong = Vec::new();
    let mut count = 0;
    for line in lines {
        let case: Json = serde_json::from_str(line)?;
        count += 1;
        let got = render(&case, &data, &functions);
        let fits = match (&got, case.get("err"), case.get("want64")) {
            (Err(got), Some(want), _) => same(got, want.as_str().unwrap_or_default()),
            (Ok(got), None, Some(want)) => STANDARD.encode(got) == want.as_str().unwrap_or_default(),
            (Ok(got), None, None) => got == text(&case, "want").as_bytes(),
            (Ok(_), Some(_), _) | (Err(_), None, _) => false,
        };
        if !fits {
            wrong.push(format!("{line}\n   got {got:?}"));
        }
    }
    assert!(count > 1500, "the cases are gone: {count}");
    assert!(wrong.is_empty(), "{} of {count} differ\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
