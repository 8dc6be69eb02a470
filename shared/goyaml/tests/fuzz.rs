//! Generated and damaged documents: whatever comes, there is a value or Go's error, soon, and values can be written.
//!
//! Runs for two seconds; `FUZZ_SECONDS=60` makes it longer and `FUZZ_SEED` repeats a run, whose seed a failure names.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use fuzz::{Dice, for_a_while};
    /// A small document takes less than a millisecond; this allows for a machine that compiles beside it.
    const BOUND: Duration = Duration::from_secs(5);

    /// Documents of the recorded cases, as a start for damage.
    fn samples() -> Vec<Vec<u8>> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/recorded.jsonl");
        let lines = std::fs::read_to_string(path).unwrap();
        let cases = lines.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let samples: Vec<_> = cases.filter_map(|case| Some(case["parse"].as_str()?.as_bytes().to_vec())).collect();
        assert!(samples.len() > 300, "the samples are gone: {}", samples.len());
        samples
    }

    const PARTS: &[&[u8]] = &[
        b"a",
        b": ",
        b":",
        b"- ",
        b"-",
        b"? ",
        b"?",
        b"\n",
        b"\n  ",
        b"\n    ",
        b"\r\n",
        b" ",
        b"\t",
        b"[",
        b"]",
        b"{",
        b"}",
        b",",
        b"#",
        b" #",
        b"&a ",
        b"*a",
        b"*b ",
        b"<<: ",
        b"!!str ",
        b"!!binary ",
        b"!!int ",
        b"!t ",
        b"!<x> ",
        b"!%41 ",
        b"|\n",
        b">-\n",
        b"|2+\n",
        b"'",
        b"\"",
        b"\\",
        b"\\x41",
        b"\\U00110000",
        b"---\n",
        b"...\n",
        b"%YAML 1.1\n",
        b"%TAG ! x\n",
        b"0777",
        b"0x1f",
        b"1e400",
        b"-.inf",
        b"1_0",
        b"2001-01-01",
        b"~",
        b"yes",
        b"18446744073709551615",
        "é".as_bytes(),
        "\u{85}".as_bytes(),
        "\u{2028}".as_bytes(),
        "\u{feff}".as_bytes(),
        b"\xff\xfe",
        b"\xe2\x98",
        b"\0",
    ];

    fn document(dice: &mut Dice, samples: &[Vec<u8>]) -> Vec<u8> {
        let mut text = if dice.below(2) == 0 { Vec::new() } else { samples[dice.below(samples.len())].clone() };
        for _ in 0..=dice.below(if text.is_empty() { 30 } else { 4 }) {
            let at = dice.below(text.len() + 1);
            match dice.below(8) {
                0 => text.truncate(at),
                1 => drop(text.drain(at..at + dice.below(text.len() - at + 1))),
                2 => {
                    let other = &samples[dice.below(samples.len())];
                    let end = dice.below(other.len() + 1);
                    drop(text.splice(at..at, other[..end].iter().copied()));
                }
                kind => {
                    let times = if dice.below(100) == 0 { dice.below(1500) } else { 1 };
                    let at = if kind < 5 { at } else { text.len() };
                    drop(text.splice(at..at, PARTS[dice.below(PARTS.len())].repeat(times)));
                }
            }
        }
        text
    }

    fn round(dice: &mut Dice, samples: &[Vec<u8>]) {
        let text = document(dice, samples);
        let start = Instant::now();
        match goyaml::parse(&text) {
            Ok(value) => {
                // What is written isn't always read again, by Go neither: a key `<<` stays plain and is then a merge.
                drop(goyaml::emit(&value));
                assert_eq!(goyaml::parse_map(&text).is_ok(), value.is_object() || value.is_null());
            }
            Err(error) => assert!(error.to_string().starts_with("error converting YAML to JSON: "), "{error}"),
        }
        drop(goyaml::parse_string_map(&text));
        let took = start.elapsed();
        assert!(took < BOUND, "took {took:?}: {}", text.escape_ascii());
    }

    #[test]
    fn any_document_has_an_answer() {
        let samples = samples();
        for_a_while(|dice| round(dice, &samples));
    }
}
