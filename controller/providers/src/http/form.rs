//! A body of the type `application/x-www-form-urlencoded`, which logins are sent as.

use secret::SecretBytes;

/// Names, which need no encoding, and values of any bytes.
pub(crate) fn form(fields: &[(&str, &[u8])]) -> SecretBytes {
    // As long as it can get: where it grew, it would leave copies behind.
    let mut out = Vec::with_capacity(fields.iter().map(|(name, value)| name.len() + 3 * value.len() + 2).sum());
    for (name, value) in fields {
        if !out.is_empty() {
            out.push(b'&');
        }
        out.extend_from_slice(name.as_bytes());
        out.push(b'=');
        percent_encode(&mut out, value);
    }
    SecretBytes::new(out)
}

/// Appends bytes so that they stand for themselves in a form's value.
pub(crate) fn percent_encode(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~*".contains(byte) {
            out.push(*byte);
        } else {
            out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_encoded_bytewise() {
        let check = |fields: &[(&str, &[u8])], want| assert_eq!(form(fields).expose_str(), Some(want));
        check(&[("a", b"x y+&=%/~"), ("b", "ü".as_bytes())], "a=x%20y%2B%26%3D%25%2F~&b=%C3%BC");
        check(&[("a", b"x y&=%"), ("b", "ü~-_.".as_bytes())], "a=x%20y%26%3D%25&b=%C3%BC~-_.");
        check(
            &[("grant_type", b"urn:a"), ("apikey", "a b+&=/é-._*".as_bytes())],
            "grant_type=urn%3Aa&apikey=a%20b%2B%26%3D%2F%C3%A9-._*",
        );
    }
}
