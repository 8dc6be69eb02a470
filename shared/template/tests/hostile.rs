//! Templates that would not end, or grow without bound: each is stopped with an error that says why.

use jiff::Timestamp;
use template::{Delims, Env, Functions, Options, Value, parse};

fn outcome(text: &str) -> String {
    let functions = Functions::sprig();
    let parsed = match parse("t", text, &Delims::default(), &functions) {
        Ok(parsed) => parsed,
        Err(error) => return error.text,
    };
    let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
    match parsed.render(&Value::string_map([("a", "b")]), &functions, &env, &Options::default()) {
        Ok(out) => format!("{} bytes", out.len()),
        Err(error) => error.text,
    }
}

#[test]
fn what_would_not_end_is_stopped() {
    let cases = [
        ("{{ define \"l\" }}{{ template \"l\" }}{{ end }}{{ template \"l\" }}", "exceeded maximum template depth"),
        ("{{ range 1000000000000 }}{{ end }}", "steps"),
        ("{{ range until 1000000000 }}x{{ end }}", "produces more than"),
        ("{{ repeat 1000000000 \"abcdefgh\" }}", "produces more than"),
        ("{{ range 1000000 }}xxxxxxxxxx{{ end }}", "the output exceeds"),
        ("{{ printf \"%1000000d%1000000d%1000000d\" 1 2 3 }}", "the output exceeds"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ $d }}", "the output exceeds"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ mustToJson $d }}", "nest deeper"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepCopy $d }}", "nest deeper"),
        ("{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ deepEqual $d (dict \"d\" $d) }}", "nest deeper"),
        ("{{ $x := list }}{{ range 100000 }}{{ $x = list $x }}{{ end }}", "nest deeper"),
        ("{{ $x := list 1 }}{{ range 60 }}{{ $x = concat $x $x }}{{ end }}", "produces more than"),
        ("{{ $x := \"a\" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}", "produces more than"),
        ("{{ regexMatch \"((a{1000}){1000}){1000}\" .a }}", "5 bytes"),
        ("{{ range $i := 1000000 }}{{ $_ := regexMatch (print \"a{1000}\" $i) $.a }}{{ end }}", "produces more than"),
        ("{{ .a ", "unclosed action"),
    ];
    for (text, want) in cases {
        let got = outcome(text);
        assert!(got.contains(want), "{text}: {got}");
    }
}

#[test]
fn nesting_is_bounded_before_the_stack_is() {
    let cases = [
        format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000)),
        "{{ if true }}".repeat(100_000),
        "{{ if true }}{{ else }}".repeat(100_000),
        format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if false }}".repeat(100_000)),
        "{{ block \"a\" . }}".repeat(100_000),
        "{{ with . }}{{ range . }}".repeat(100_000),
    ];
    for text in cases {
        let got = outcome(&text);
        assert!(got.contains("nest deeper"), "{got}");
    }
    let deepest = format!("{}x{}", "{{ if true }}".repeat(140), "{{ end }}".repeat(140));
    assert_eq!(outcome(&deepest), "1 bytes");
}

#[test]
fn arbitrary_bytes_of_templates_never_panic() {
    let pieces = [
        "{{", "}}", "(", ")", "|", ".", "$", "x", ":=", "=", "\"", "`", "'", "1", "-", " ", "if", "end", "range", "é",
        "\n", ",",
    ];
    let mut state = 1_u64;
    for _ in 0..20_000 {
        let mut text = String::from("{{");
        for _ in 0..12 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(pieces[usize::try_from(state >> 33).unwrap_or(0) % pieces.len()]);
        }
        assert!(!outcome(&text).is_empty());
    }
}
