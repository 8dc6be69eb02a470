//! Durations against Go's own answers: a table here, and the shared corpora where they are present.

#![expect(clippy::expect_used, clippy::panic, reason = "a test may stop at the first surprise")]

use api::GoDuration;
use serde_json::Value;
use std::path::PathBuf;

/// Nanoseconds with Go's way of writing them, or Go's error.
type Answer = Result<(i64, &'static str), &'static str>;

const TABLE: &[(&str, Answer)] = &[
    ("0", Ok((0, "0s"))),
    ("+0", Ok((0, "0s"))),
    ("15m", Ok((900_000_000_000, "15m0s"))),
    ("1h", Ok((3_600_000_000_000, "1h0m0s"))),
    ("-1.5h", Ok((-5_400_000_000_000, "-1h30m0s"))),
    ("1.000000001s", Ok((1_000_000_001, "1.000000001s"))),
    ("1.5ms", Ok((1_500_000, "1.5ms"))),
    ("1\u{b5}s1ns", Ok((1_001, "1.001\u{b5}s"))),
    ("1\u{3bc}s", Ok((1_000, "1\u{b5}s"))),
    ("0.100000000000000000000h", Ok((360_000_000_000, "6m0s"))),
    ("0.9223372036854775807h", Ok((3_320_413_933_267, "55m20.413933267s"))),
    ("9223372036854775807ns", Ok((i64::MAX, "2562047h47m16.854775807s"))),
    ("-9223372036854775808ns", Ok((i64::MIN, "-2562047h47m16.854775808s"))),
    ("", Err("time: invalid duration \"\"")),
    ("-", Err("time: invalid duration \"-\"")),
    (".s", Err("time: invalid duration \".s\"")),
    ("+-1s", Err("time: invalid duration \"+-1s\"")),
    ("3", Err("time: missing unit in duration \"3\"")),
    ("3.", Err("time: missing unit in duration \"3.\"")),
    ("1d", Err("time: unknown unit \"d\" in duration \"1d\"")),
    ("1h 2m", Err("time: unknown unit \"h \" in duration \"1h 2m\"")),
    ("1\"\\", Err("time: unknown unit \"\\\"\\\\\" in duration \"1\\\"\\\\\"")),
    ("1\u{e9}", Err("time: unknown unit \"\\xc3\\xa9\" in duration \"1\\xc3\\xa9\"")),
    ("9223372036854775808ns", Err("time: invalid duration \"9223372036854775808ns\"")),
    ("99999999999999999999s", Err("time: invalid duration \"99999999999999999999s\"")),
    ("9223372036s1s", Err("time: invalid duration \"9223372036s1s\"")),
];

fn check(text: &str, want: Result<(i64, Option<&str>), &str>) {
    match (text.parse::<GoDuration>(), want) {
        (Ok(got), Ok((nanos, printed))) => {
            assert_eq!(got.as_nanos(), nanos, "nanoseconds of {text:?}");
            if let Some(printed) = printed {
                assert_eq!(got.to_string(), printed, "text of {text:?}");
            }
            assert_eq!(got.to_string().parse(), Ok(got), "{text:?} printed and read again");
        }
        (Err(got), Err(error)) => assert_eq!(got.to_string(), error, "error of {text:?}"),
        (got, want) => panic!("{text:?}: got {got:?}, want {want:?}"),
    }
}

#[test]
fn reads_and_prints_as_go() {
    for (text, want) in TABLE {
        check(text, want.map(|(nanos, printed)| (nanos, Some(printed))));
    }
}

#[test]
fn is_a_string_on_the_wire_and_says_gos_error() {
    let read: GoDuration = serde_json::from_value("90s".into()).expect("a duration");
    assert_eq!(serde_json::to_value(read).expect("a string"), Value::from("1m30s"));
    let error = serde_json::from_value::<GoDuration>("1d".into()).expect_err("no duration");
    assert_eq!(error.to_string(), "time: unknown unit \"d\" in duration \"1d\"");
}

/// The lines of a file of the shared corpora, or nothing where they aren't checked out beside the repository.
fn corpus(file: &str) -> Vec<Value> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance").join(file);
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

#[test]
fn agrees_with_the_corpora() {
    let go = corpus("go/duration.jsonl");
    for case in &go {
        let text = case["text"].as_str().expect("text");
        let want = match case["error"].as_str() {
            Some("") => Ok((case["ns"].as_i64().expect("ns"), case["go_text"].as_str())),
            error => Err(error.expect("error")),
        };
        check(text, want);
    }
    let functions = corpus("functions/duration.jsonl");
    for case in &functions {
        let text = case["in"]["text"].as_str().expect("text");
        let want = match case.get("want_ok") {
            Some(nanos) => Ok((nanos.as_i64().expect("nanoseconds"), None)),
            None => Err(case["want_err"].as_str().expect("want_err")),
        };
        check(text, want);
    }
    println!("{} cases of Go, {} of the reference", go.len(), functions.len());
}
