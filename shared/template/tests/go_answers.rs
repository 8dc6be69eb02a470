//! Passwords, ciphers, keys, certificates and URLs against answers that ESO's functions gave, run with Go 1.26.
//!
//! `testdata/go_answers.jsonl`: the template `t`, the data `d`, and what came of it, `ok` or `err`. Half of the inputs were
//! drawn at random. The keys in it were made for this file.

use std::error::Error;

use jiff::Timestamp;
use serde_json::Value as Json;
use template::{Delims, Env, Functions, Options, Value, parse};

fn outcome(case: &Json, functions: &Functions) -> Result<Vec<u8>, String> {
    let data = case["d"].as_object().into_iter().flatten();
    let data = Value::string_map(data.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().to_owned())));
    let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(7));
    let text = case["t"].as_str().unwrap_or_default();
    let parsed = parse("t", text, &Delims::default(), functions).map_err(|e| e.to_string())?;
    parsed.render(&data, functions, &env, &Options::default()).map_err(|e| e.to_string())
}

#[test]
fn answers_are_those_of_go() -> Result<(), Box<dyn Error>> {
    let mut wrong = Vec::new();
    let functions = Functions::eso();
    let cases = include_str!("../testdata/go_answers.jsonl");
    for line in cases.lines() {
        let case: Json = serde_json::from_str(line)?;
        let want = match case["ok"].as_str() {
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(case["err"].as_str().unwrap_or_default().to_owned()),
        };
        let got = outcome(&case, &functions);
        if got != want {
            let shown = |r: Result<Vec<u8>, String>| r.map(|b| String::from_utf8_lossy(&b).into_owned());
            wrong.push(format!("{line}\n   got {:?}\n  want {:?}", shown(got), shown(want)));
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n{}", wrong.len(), cases.lines().count(), wrong.join("\n"));
    Ok(())
}
