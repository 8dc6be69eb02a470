//! Whether the reference takes a text for a domain: its own rules on labels, after those of Go's `idna.Lookup`.
//!
//! Not here: labels beyond ASCII and those that stand for one (`xn--…`), of which only the shape is looked at. Go would refuse
//! some of them by Unicode's tables; they are let in, and fail when they are looked up.

/// A domain of at least two labels, the last of which is no number.
///
/// # Errors
/// The reference's text.
pub(crate) fn check(domain: &str) -> Result<(), String> {
    let refuse = |reason: &str| Err(reason.to_owned());
    if domain.ends_with('.') {
        return refuse("domain must not end with a dot");
    }
    let domain = domain.to_lowercase();
    idna(&domain)?;
    if domain.is_empty() || domain.len() > 253 {
        return refuse("domain length out of range");
    }
    let labels: Vec<&str> = domain.split('.').collect();
    if labels.len() < 2 {
        return refuse("domain must contain at least one dot");
    }
    if labels.iter().any(|label| label.is_empty() || label.len() > 63) {
        return refuse("label length out of range");
    }
    let numeric = labels.last().is_some_and(|label| label.bytes().all(|b| b.is_ascii_digit()));
    if numeric { refuse("numeric TLD is not allowed") } else { Ok(()) }
}

/// Go's package `idna` for ASCII: letters, digits, hyphens and dots, and where hyphens may be.
fn idna(domain: &str) -> Result<(), String> {
    let allowed = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    if let Some(c) = domain.chars().find(|c| !allowed(*c)) {
        return Err(format!("idna: disallowed rune U+{:04X}", u32::from(c)));
    }
    let misplaced = |label: &&str| {
        let bytes = label.as_bytes();
        // A label of the form xn-- stands for another.
        let third = bytes.len() > 4 && bytes[2..4] == *b"--" && !label.starts_with("xn--");
        third || label.starts_with('-') || label.ends_with('-')
    };
    match domain.split('.').find(misplaced) {
        Some(label) => Err(format!("idna: invalid label {}", gourl::quoted(label))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn labels_are_judged_as_the_reference_does() {
        for good in ["api.nebius.cloud", "API.Nebius.Cloud", "a.b", "xn--mnchen-3ya.de", "a1-b.c2", "\u{e4}.de"] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        let long = "a".repeat(64);
        for (bad, error) in [
            ("", "domain length out of range"),
            ("a.b.", "domain must not end with a dot"),
            ("localhost", "domain must contain at least one dot"),
            ("a..b", "label length out of range"),
            (&format!("{long}.b"), "label length out of range"),
            ("10.0.0.1", "numeric TLD is not allowed"),
            ("a_b.c", "idna: disallowed rune U+005F"),
            ("a/b.c", "idna: disallowed rune U+002F"),
            ("::1", "idna: disallowed rune U+003A"),
            ("-a.b", "idna: invalid label \"-a\""),
            ("a-.b", "idna: invalid label \"a-\""),
            ("ab--c.d", "idna: invalid label \"ab--c\""),
            (&format!("{}.b", vec!["a".repeat(63); 4].join(".")), "domain length out of range"),
        ] {
            assert_eq!(check(bad), Err(error.to_owned()), "{bad}");
        }
    }
}
