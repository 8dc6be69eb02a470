//! URLs and addresses against Go's answers.
#![expect(clippy::expect_used, reason = "a test ends at the first thing that is not as it should be")]

use gourl::{Error, Url, User, parse, parse_addr, parse_request_uri};
use serde_json::{Map, Value};
use std::net::IpAddr;

fn cases(lines: &'static str) -> impl Iterator<Item = Value> {
    lines.lines().map(|line| serde_json::from_str(line).expect("a JSON line"))
}

fn string(bytes: &[u8]) -> Value {
    std::str::from_utf8(bytes).expect("UTF-8").into()
}

/// Go 1.26's answers, some of them to texts that are drawn at random.
#[test]
fn texts_are_judged_as_go_judges_them() {
    for case in cases(include_str!("../testdata/verdicts.jsonl")) {
        let text = case["url"].as_str().expect("a URL");
        let check = |got: Result<Url<'_>, Error>, want: &Value| match got {
            Ok(url) => {
                assert_eq!(want["error"], Value::Null, "{text:?}");
                assert_eq!(want["scheme"], string(&url.scheme), "{text:?}");
                assert_eq!(want["host"].as_bool(), Some(!url.host.is_empty()), "{text:?}");
            }
            Err(error) => assert_eq!(want["error"], error.to_string(), "{text:?}"),
        };
        check(parse(text.as_bytes()), &case["parse"]);
        check(parse_request_uri(text.as_bytes()), &case["request"]);
    }
}

/// The parts that aren't empty, and the URL as it is written again.
#[test]
fn parts_are_those_of_go() {
    for want in cases(include_str!("../testdata/parts.jsonl")) {
        let text = want["url"].as_str().expect("a URL");
        let mut got = Map::from_iter([("url".to_owned(), text.into())]);
        match parse(text.as_bytes()) {
            Ok(url) => {
                let parts: [(&str, &[u8]); 7] = [
                    ("scheme", &url.scheme),
                    ("opaque", &url.opaque),
                    ("host", &url.host),
                    ("hostname", url.hostname()),
                    ("path", &url.path),
                    ("query", &url.query),
                    ("fragment", &url.fragment),
                ];
                let parts = parts.into_iter().filter(|(_, part)| !part.is_empty());
                got.extend(parts.map(|(name, part)| (name.to_owned(), string(part))));
                got.extend(url.user.as_ref().map(|user| ("user".to_owned(), string(&User::text(user)))));
                got.insert("text".to_owned(), string(&url.text()));
            }
            Err(error) => {
                got.insert("error".to_owned(), error.to_string().into());
            }
        }
        assert_eq!(Value::Object(got), want);
    }
}

#[test]
fn addresses_are_those_of_go() {
    for want in cases(include_str!("../testdata/addresses.jsonl")) {
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let text = want["ip"].as_str().expect("an address");
        let got = match parse_addr(text.as_bytes()) {
            Ok(IpAddr::V4(address)) => serde_json::json!({ "ip": text, "bytes": hex(&address.octets()) }),
            Ok(IpAddr::V6(address)) => serde_json::json!({ "ip": text, "bytes": hex(&address.octets()) }),
            Err(error) => serde_json::json!({ "ip": text, "error": error.to_string() }),
        };
        assert_eq!(got, want);
    }
}
