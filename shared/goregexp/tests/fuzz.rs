//! Generated and damaged patterns: whatever comes, there is a matcher or Go's error, soon, and what it finds is in the text.
//!
//! Runs for two seconds; `FUZZ_SECONDS=60` makes it longer and `FUZZ_SEED` repeats a run, whose seed a failure names.

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use fuzz::{Dice, for_a_while};
    use goregexp::{check, compile};

    /// The largest patterns take seconds without optimisation; this allows for a machine that compiles beside it.
    const BOUND: Duration = Duration::from_secs(20);

    const PARTS: &[&[u8]] = &[
        b"a",
        b"b",
        b"K",
        b"-",
        b" ",
        b"\n",
        "é".as_bytes(),
        "ſ".as_bytes(),
        "☃".as_bytes(),
        b"\xff",
        b"\xe2\x98",
        b"\0",
        b".",
        b"^",
        b"$",
        b"|",
        b"(",
        b"(",
        b")",
        b")",
        b"(?:",
        b"(?i)",
        b"(?s-m:",
        b"(?U",
        b"(?P<n>",
        b"(?<x1>",
        b"(?",
        b"*",
        b"+",
        b"?",
        b"*?",
        b"{2}",
        b"{1,}",
        b"{0,3}",
        b"{1000}",
        b"{1001}",
        b"{9999999999}",
        b"{",
        b"}",
        b"{,2}",
        b"[",
        b"]",
        b"[^",
        b"[a-z]",
        b"[]a]",
        b"[z-a]",
        b"[[:alpha:]]",
        b"[[:^word:]]",
        b"[[:no:]]",
        b"[:",
        b":]",
        b"\\",
        b"\\d",
        b"\\W",
        b"\\s",
        b"\\b",
        b"\\B",
        b"\\A",
        b"\\z",
        b"\\C",
        b"\\Q",
        b"\\E",
        b"\\n",
        b"\\x4",
        b"\\x41",
        b"\\x{",
        b"\\x{10ffff}",
        b"\\x{110000}",
        b"\\x{d800}",
        b"\\101",
        b"\\8",
        b"\\p",
        b"\\pL",
        b"\\P{^Greek}",
        b"\\p{Lu}",
        b"\\p{Nope}",
        b"\\p{",
    ];

    fn text(dice: &mut Dice, most: usize) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..dice.below(most) {
            let part = PARTS[dice.below(PARTS.len())];
            let times = if dice.below(100) == 0 { dice.below(2000) } else { 1 };
            text.extend_from_slice(&part.repeat(times));
        }
        for _ in 0..dice.below(3) {
            if !text.is_empty() {
                let at = dice.below(text.len());
                text[at] = u8::try_from(dice.below(256)).unwrap();
            }
        }
        text
    }

    fn round(dice: &mut Dice) {
        let pattern = text(dice, 20);
        let start = Instant::now();
        match compile(&pattern) {
            Ok(regexp) => {
                assert!(check(&pattern).is_ok());
                let (input, template) = (text(dice, 30), text(dice, 5));
                let found = regexp.find_all(&input, usize::MAX);
                assert_eq!(regexp.find(&input), found.first().cloned());
                assert_eq!(regexp.is_match(&input), !found.is_empty());
                assert!(found.iter().all(|span| span.start <= span.end && span.end <= input.len()));
                assert!(found.windows(2).all(|two| two[0].end <= two[1].start));
                assert_eq!(regexp.replace_all(&input, b"$0"), input);
                drop(regexp.replace_all(&input, &template));
                drop(regexp.split(&input, None));
            }
            Err(error) => assert!(error.to_string().starts_with("error parsing regexp: "), "{error}"),
        }
        let took = start.elapsed();
        assert!(took < BOUND, "took {took:?}: {}", pattern.escape_ascii());
    }

    #[test]
    fn any_pattern_has_an_answer() {
        for_a_while(round);
    }
}
