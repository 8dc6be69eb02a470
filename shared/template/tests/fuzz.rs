//! Generated and damaged templates: whatever comes, there is an output or an error, soon, and within the bounds.
//!
//! Runs for two seconds; `FUZZ_SECONDS=60` makes it longer and `FUZZ_SEED` repeats a run, whose seed a failure names.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use fuzz::{Dice, for_a_while};
    use jiff::Timestamp;
    use template::{Delims, Env, Failure, Function, Functions, KNOWN, Limits, Options, Value, parse};

    /// A template within the limits takes milliseconds, a few seconds at most; this allows for a machine that compiles
    /// beside it, and still tells what hangs.
    const BOUND: Duration = Duration::from_secs(60);

    /// All functions, but for making keys and hashes: they are slow by nature, limited by a budget that other tests use up.
    fn functions() -> Functions {
        let mut functions = Functions::eso();
        let slow = [
            "bcrypt",
            "derivePassword",
            "genCA",
            "genCAWithKey",
            "genPrivateKey",
            "genSelfSignedCert",
            "genSelfSignedCertWithKey",
            "genSignedCert",
            "genSignedCertWithKey",
            "htpasswd",
        ];
        let failing = slow.map(|name| Function {
            call: |_, _| Err(Failure("not made here".to_owned())),
            ..*functions.get(name).unwrap()
        });
        functions.extend(&failing);
        functions
    }

    /// Templates of the recorded cases, as a start for damage.
    fn samples() -> Vec<String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
        let lines = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
        let mut samples = Vec::new();
        for line in lines("cases.jsonl").lines().chain(lines("go.jsonl").lines()) {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            samples.extend(case["template"].as_str().map(str::to_owned));
            let texts = case["in"]["template"].as_object().into_iter().flatten();
            samples.extend(texts.filter_map(|(_, text)| text.as_str().map(str::to_owned)));
        }
        assert!(samples.len() > 300, "the samples are gone: {}", samples.len());
        samples
    }

    const OPERANDS: &[&str] = &[
        ".",
        ".a",
        ".b",
        "$",
        "$x",
        "$.a",
        ".missing",
        "nil",
        "true",
        "0",
        "1",
        "-1",
        "3",
        "1.5",
        "1e308",
        "1i",
        "'x'",
        "1000000000",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551615",
        "0x1p-2",
        "\"\"",
        "\"a\"",
        "\"a,b\"",
        "\"%d %s %v\"",
        "\"%1000000d\"",
        "\"%[3]*.[2]*[1]f\"",
        "\"[a-z]+\"",
        "\"(a*)*b\"",
        "\"a{1000}\"",
        "\"1h\"",
        "\"UTC\"",
        "\"2006-01-02\"",
        "\"2024-02-29\"",
        "\"{\\\"k\\\":[1,null]}\"",
        "\"\\xff\\xfe\"",
        "`\n\n`",
        "\"1.2.3\"",
        "\">=1, <2\"",
        "\"YWJj\"",
        "(list 1 2 3)",
        "(list \"a\" nil (dict))",
        "(dict \"k\" .)",
        "(dict)",
        "(until 5)",
        "(now)",
        "(semver \"1.2.3\")",
        "(index . \"a\")",
        "(repeat 100 .a)",
        "(fromJson .j)",
    ];

    const SHAPES: &[&str] = &[
        "{{ if P }}B{{ end }}",
        "{{ if P }}B{{ else }}B{{ end }}",
        "{{ range P }}B{{ end }}",
        "{{ range $i, $x := P }}B{{ else }}B{{ end }}",
        "{{ with P }}B{{ end }}",
        "{{ $x := P }}B",
        "{{ $x = P }}",
        "{{ P }}",
        "{{ P }}",
        "{{ P }}",
        "{{- P -}}",
        "{{ template \"d\" P }}",
        "{{ block \"e\" P }}B{{ end }}",
        "{{ define \"d\" }}B{{ end }}",
        "{{ range 9 }}{{ if P }}{{ break }}{{ end }}B{{ continue }}{{ end }}",
        "text\n",
        "{{/* c */}}",
        "{{ set $d \"k\" P }}",
        "{{ range 300 }}{{ $s = P }}{{ end }}",
        "{{ (P).String }}",
    ];

    fn one(dice: &mut Dice, from: &[&'static str]) -> &'static str {
        from[dice.below(from.len())]
    }

    fn pipeline(dice: &mut Dice, depth: usize) -> String {
        let mut text = String::new();
        for stage in 0..=dice.below(3) {
            if stage > 0 {
                text.push_str(" | ");
            } else if dice.below(3) == 0 {
                text.push_str(one(dice, OPERANDS));
                continue;
            }
            text.push_str(one(dice, KNOWN));
            for _ in 0..dice.below(4) {
                text.push(' ');
                if depth > 0 && dice.below(4) == 0 {
                    text.push_str(&format!("({})", pipeline(dice, depth - 1)));
                } else {
                    text.push_str(one(dice, OPERANDS));
                }
            }
        }
        text
    }

    fn body(dice: &mut Dice, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..=dice.below(3) {
            for part in one(dice, SHAPES).split_inclusive(['P', 'B']) {
                match (part.strip_suffix('P'), part.strip_suffix('B')) {
                    (Some(before), _) => text.push_str(&format!("{before}{}", pipeline(dice, 2))),
                    (_, Some(before)) if depth == 0 => text.push_str(before),
                    (_, Some(before)) => text.push_str(&format!("{before}{}", body(dice, depth - 1))),
                    (None, None) => text.push_str(part),
                }
            }
        }
        text
    }

    fn damaged(mut text: String, other: &str, dice: &mut Dice) -> String {
        let place = |text: &str, dice: &mut Dice| {
            (dice.below(text.len() + 1)..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0)
        };
        for _ in 0..=dice.below(4) {
            let at = place(&text, dice);
            match dice.below(6) {
                0 => text.truncate(at),
                1 => text
                    .insert_str(at, one(dice, &["{{", "}}", "(", ")", "|", "\"", "`", "-", " ", ":=", ",", "é", "\0"])),
                2 => text.insert_str(at, one(dice, OPERANDS)),
                3 => text.insert_str(at, &"(".repeat(dice.below(400))),
                4 => text.insert_str(at, &other[..place(other, dice)]),
                _ => {
                    let end = place(&text, dice).max(at);
                    drop(text.drain(at..end));
                }
            }
        }
        text
    }

    fn render(text: &str, functions: &Functions) {
        let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
        let data = Value::string_map([
            ("a", b"x,y,z".as_slice()),
            ("b", b"\xff\x00\xe2\x98"),
            ("j", br#"{"k":[1,{"l":null}],"m":"x"}"#),
        ]);
        let limits = Limits { steps: 200_000, output: 1 << 16, produced: 1 << 20, depth: 50 };
        let options = Options { limits, ..Options::default() };
        let start = Instant::now();
        let parsed = parse("t", text, &Delims::default(), functions);
        assert_eq!(parsed.is_ok(), parse("t", text, &Delims::default(), &functions.clone()).is_ok());
        match parsed.as_ref().map(|parsed| parsed.render(&data, functions, &env, &options)) {
            Ok(Ok(out)) => assert!(out.len() <= 1 << 16, "{} bytes", out.len()),
            Ok(Err(error)) => assert!(error.text.starts_with("template: t:") && error.line > 0, "{error:?}"),
            Err(error) => assert!(error.text.starts_with("template: t:"), "{error:?}"),
        }
        let took = start.elapsed();
        assert!(took < BOUND, "took {took:?}: {text}");
    }

    #[test]
    fn generated_templates_end_within_the_bounds() {
        let functions = functions();
        for_a_while(|dice| {
            render(&format!("{{{{ $x := .a }}}}{{{{ $s := .a }}}}{{{{ $d := dict }}}}{}", body(dice, 2)), &functions)
        });
    }

    #[test]
    fn damaged_templates_end_within_the_bounds() {
        let (samples, functions) = (samples(), functions());
        for_a_while(|dice| {
            let text = samples[dice.below(samples.len())].clone();
            let other = &samples[dice.below(samples.len())];
            render(&damaged(text, other, dice), &functions);
        });
    }
}
