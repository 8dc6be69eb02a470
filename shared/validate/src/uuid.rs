//! Which texts three libraries of the reference take for a UUID. Not here: making or reading one.

/// Google's Go library: plain, with dashes, in braces or as a URN.
///
/// # Errors
/// That library's text.
pub(crate) fn check(text: &str) -> Result<(), String> {
    let bytes = text.as_bytes();
    let dashed = match bytes.len() {
        32 if bytes.iter().all(u8::is_ascii_hexdigit) => return Ok(()),
        32 => &[][..],
        36 => bytes,
        // Only where the braces are counts, not what they are.
        38 => &bytes[1..37],
        45 => {
            let (prefix, rest) = bytes.split_at(9);
            if !prefix.eq_ignore_ascii_case(b"urn:uuid:") {
                return Err(format!("invalid urn prefix: {}", gourl::quoted(prefix)));
            }
            rest
        }
        length => return Err(format!("invalid UUID length: {length}")),
    };
    if is_dashed(dashed) { Ok(()) } else { Err("invalid UUID format".to_owned()) }
}

/// The form with dashes and no other, as Scaleway's library wants it.
pub(crate) fn has_dashes(text: &str) -> bool {
    is_dashed(text.as_bytes())
}

/// The form with dashes, version 4.
pub(crate) fn is_random(text: &str) -> bool {
    let bytes = text.as_bytes();
    is_dashed(bytes) && bytes[14] == b'4' && b"89abAB".contains(&bytes[19])
}

fn is_dashed(text: &[u8]) -> bool {
    let fits = |(index, byte): (usize, &u8)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.len() == 36 && text.iter().enumerate().all(fits)
}

#[cfg(test)]
mod tests {
    use super::{check, has_dashes, is_random};

    #[test]
    fn forms_are_told_apart() {
        let error = |text: &str| check(text).expect_err(text);
        for good in [
            "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
            "x6ba7b810-9dad-11d1-80b4-00c04fd430c8y",
            "URN:uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            "6ba7b8109dad11d180b400c04fd430c8",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert_eq!(error(""), "invalid UUID length: 0");
        assert_eq!(error("6ba7b810-9dad-11d1-80b4_00c04fd430c8"), "invalid UUID format");
        assert_eq!(error("6ba7b8109dad11d180b400c04fd430cx"), "invalid UUID format");
        assert_eq!(error("urn_uuid:6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "invalid urn prefix: \"urn_uuid:\"");
        assert!(has_dashes("6BA7B810-9dad-11d1-80b4-00c04fd430c8") && !has_dashes("6ba7b8109dad11d180b400c04fd430c8"));
        assert!(is_random("7b0a7c6e-2f5e-4a51-9b3c-1d2e3f405162"));
        assert!(!is_random("6ba7b810-9dad-11d1-80b4-00c04fd430c8"));
        assert!(!is_random("7b0a7c6e-2f5e-4a51-cb3c-1d2e3f405162"));
    }
}
