//! Patterns and templates made to hurt: each ends soon, and what a template costs is asked before it is written.

use std::time::{Duration, Instant};

use goregexp::{Replacement, check, compile};

/// Without optimisation and on a busy machine; the point is that it isn't minutes.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn names_of_classes_that_never_end_are_looked_for_once() {
    let begun = Instant::now();
    for pattern in [format!("[{}", "[:".repeat(30_000)), "[[:a]".repeat(16_000)] {
        assert_eq!(
            check(format!("{pattern}{}", "x".repeat(1 << 20)).as_bytes()).is_ok(),
            pattern.ends_with(']'),
            "{}",
            &pattern[..5]
        );
    }
    assert!(begun.elapsed() < BOUND, "took {:?}", begun.elapsed());
    assert!(check(b"[[:a][[:digit:]]").is_err());
}

#[test]
fn templates_that_write_nothing_are_not_free() {
    let regexp = compile(b"a(b)?").expect("compiles");
    let cost = |template: &[u8]| {
        let mut costs = Vec::new();
        let replaced = regexp.try_replace_all(b"aab", Replacement::Template(template), |cost| {
            costs.push(cost);
            Ok::<(), ()>(())
        });
        (replaced.unwrap_or_default(), costs)
    };
    assert_eq!(cost(&b"$1".repeat(100)), (b"b".repeat(100), vec![100, 100]));
    assert_eq!(cost(b"$1-"), (b"-b-".to_vec(), vec![1, 2]));
}

#[test]
fn long_templates_are_read_once() {
    let pattern = "(?P<a>)".repeat(500);
    let begun = Instant::now();
    let replaced = compile(pattern.as_bytes()).expect("compiles").replace_all(b"", &b"${a}".repeat(250_000));
    assert!(replaced.is_empty());
    assert!(begun.elapsed() < BOUND, "took {:?}", begun.elapsed());
}
