//! What our own surfaces tell beside Go's text: the place, who is to blame, and what was probably meant.

use jiff::Timestamp;
use template::{Delims, Env, Fault, Functions, KNOWN, Options, Value, hint, parse};

const KEYS: [&str; 6] = ["a", "db-password", "password", "tls.crt", "user", "userName"];

/// The error as `LINE:COLUMN TEMPLATE, key KEY, function FUNCTION, HINT`, what there isn't left out.
fn told(text: &str) -> String {
    fn line(error: &impl Fault) -> String {
        let mut parts = vec![format!("{}:{} {}", error.line(), error.column(), error.template())];
        parts.extend(error.missing_key().map(|key| format!("key {key}")));
        parts.extend(error.function().map(|name| format!("function {name}")));
        parts.extend(hint(error, KEYS));
        parts.join(", ")
    }
    let functions = Functions::eso();
    let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
    let data = Value::string_map(KEYS.map(|key| (key, "v")));
    match parse("t", text, &Delims::default(), &functions) {
        Err(error) => line(&error),
        Ok(parsed) => match parsed.render(&data, &functions, &env, &Options::default()) {
            Err(error) => line(&error),
            Ok(_) => "no error".into(),
        },
    }
}

#[test]
fn errors_name_the_place_and_what_was_meant() {
    let cases = [
        ("{{ .password }}", "no error"),
        ("{{ .passwrod }}", "1:4 t, key passwrod, did you mean .password?"),
        ("x\n  {{ .Password }}", "2:6 t, key Password, did you mean .password?"),
        ("{{ .dbPassword }}", "1:4 t, key dbPassword, did you mean {{ index . \"db-password\" }}?"),
        ("{{ .tls.crt }}", "1:8 t, key tls, did you mean {{ index . \"tls.crt\" }}?"),
        ("{{ .usr }}", "1:4 t, key usr, did you mean .user?"),
        ("{{ .username }}", "1:4 t, key username, did you mean .userName?"),
        ("{{ .something }}", "1:4 t, key something, there are a, db-password, password, tls.crt, user, …"),
        ("{{ .b }}", "1:4 t, key b, there are a, db-password, password, tls.crt, user, …"),
        // The keys at hand are the root's.
        ("{{ (dict \"x\" 1).passwrod }}", "1:14 t, key passwrod"),
        ("{{ .db-password }}", "1:4 t, a key with a dash is read by {{ index . \"db-password\" }}"),
        ("{{ .user | b64encode }}", "1:12 t, function b64encode, did you mean the function b64enc?"),
        ("\n{{ .user | toyaml }}", "2:12 t, function toyaml, did you mean the function toYaml?"),
        ("{{ .user | Upper }}", "1:12 t, function Upper, did you mean the function upper?"),
        ("{{ frobnicate }}", "1:4 t, function frobnicate"),
        ("{{ fail \"x\" }}", "1:4 t, function fail"),
        ("{{ upper }}", "1:4 t, function upper"),
        ("{{ if }}", "1:7 t"),
        ("{{ with (dict \"x\" 1) }}{{ .user }}{{ end }}", "1:27 t, key user, inside of range and with it is $.user"),
        ("{{ password }}", "1:4 t, function password, did you mean .password?"),
        ("{{ if .user }}x", "1:16 t, an {{ end }} is missing"),
        ("{{ get . \"user\" }}", "1:8 t, the values are read by {{ index . \"key\" }}"),
    ];
    for (text, want) in cases {
        assert_eq!(told(text), want, "{text}");
    }
}

#[test]
fn known_names_are_those_of_every_function_there_is_in_order() {
    assert!(KNOWN.is_sorted_by(|a, b| a < b));
    let functions = Functions::eso();
    assert_eq!(functions.names().collect::<Vec<_>>(), KNOWN);
}

#[test]
fn a_template_is_checked_by_names_alone() {
    assert!(parse("t", "{{ .a | toYaml | upper }}", &Delims::default(), &KNOWN).is_ok());
    assert!(parse("t", "{{ env \"HOME\" }}", &Delims::default(), &KNOWN).is_err());
}
