//! Decoding of fetched values: `decodingStrategy` and `nullBytePolicy`.
//!
//! Lives here: base64 as Go's `encoding/base64` decodes it, with its error texts. Deliberately not here: choosing the
//! strategy, and the texts around these errors.
//!
//! The decoder is our own because Go's differs from the usual ones: it skips line breaks, ignores surplus bits of the
//! last digit, insists on padding, and names the byte where it stopped.

use api::{DecodingStrategy, NullBytePolicy};
use secret::{SecretBytes, SecretMap};

/// Decodes one value. `None` leaves it as it is; `Auto` tries base64, then its URL alphabet, then leaves it.
///
/// # Errors
/// `illegal base64 data at input byte <n>`.
pub fn value(strategy: Option<DecodingStrategy>, value: SecretBytes) -> Result<SecretBytes, String> {
    match strategy {
        None | Some(DecodingStrategy::None) => Ok(value),
        Some(DecodingStrategy::Base64) => base64(&STANDARD, value.expose()),
        Some(DecodingStrategy::Base64Url) => base64(&URL_SAFE, value.expose()),
        Some(DecodingStrategy::Auto) => {
            Ok(base64(&STANDARD, value.expose()).or_else(|_| base64(&URL_SAFE, value.expose())).unwrap_or(value))
        }
    }
}

/// Decodes every value of a map.
///
/// # Errors
/// `failure decoding key <key>: …`, for the first key in order.
pub fn map(strategy: Option<DecodingStrategy>, map: SecretMap) -> Result<SecretMap, String> {
    let decode = |(key, raw)| match value(strategy, raw) {
        Ok(decoded) => Ok((key, decoded)),
        Err(text) => Err(format!("failure decoding key {key}: {text}")),
    };
    map.into_iter().map(decode).collect()
}

/// Refuses a map in which a value has a NUL byte, if the policy says so.
///
/// # Errors
/// The reference's text with the first such key in order.
pub fn refuse_null_bytes(policy: Option<NullBytePolicy>, map: &SecretMap) -> Result<(), String> {
    map.iter().try_for_each(|(key, value)| refuse_null_bytes_in(policy, key, value))
}

/// As [`refuse_null_bytes`], for one value and the key that it is meant for.
///
/// # Errors
/// The reference's text with that key.
pub fn refuse_null_bytes_in(policy: Option<NullBytePolicy>, key: &str, value: &SecretBytes) -> Result<(), String> {
    match policy {
        None | Some(NullBytePolicy::Ignore) => Ok(()),
        Some(NullBytePolicy::Fail) if !value.expose().contains(&0) => Ok(()),
        Some(NullBytePolicy::Fail) => Err(format!(
            "fetched secret value for key {} contains null bytes; use a text-safe format such as PEM/base64 or leave \
             nullBytePolicy unset for intentional binary data",
            gojson::quote(key)
        )),
    }
}

/// The two characters for 62 and 63.
struct Alphabet([u8; 2]);

const STANDARD: Alphabet = Alphabet(*b"+/");
const URL_SAFE: Alphabet = Alphabet(*b"-_");

impl Alphabet {
    fn digit(&self, byte: u8) -> Option<u8> {
        match byte {
            b'A'..=b'Z' => Some(byte - b'A'),
            b'a'..=b'z' => Some(byte - b'a' + 26),
            b'0'..=b'9' => Some(byte - b'0' + 52),
            _ if byte == self.0[0] => Some(62),
            _ if byte == self.0[1] => Some(63),
            _ => None,
        }
    }
}

fn base64(alphabet: &Alphabet, text: &[u8]) -> Result<SecretBytes, String> {
    decode(alphabet, text).map(SecretBytes::new).map_err(|at| format!("illegal base64 data at input byte {at}"))
}

/// Decodes `text`, or says at which byte it stops making sense.
fn decode(alphabet: &Alphabet, text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let mut group = [0_u8; 4];
    let mut digits = 0;
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'\r' | b'\n' => {}
            b'=' => {
                padding(text, at, digits)?;
                push_group(&mut out, group, digits);
                return Ok(out);
            }
            _ => {
                let slot = group.get_mut(digits).ok_or(at)?;
                *slot = alphabet.digit(byte).ok_or(at - 1)?;
                digits += 1;
                if digits == 4 {
                    push_group(&mut out, group, digits);
                    digits = 0;
                }
            }
        }
    }
    // Go counts back over the digits alone, even when there were line breaks among them.
    if digits == 0 { Ok(out) } else { Err(at - digits) }
}

/// Checks what follows the first `=`, which ends at `at` after so many digits of its group.
fn padding(text: &[u8], at: usize, digits: usize) -> Result<(), usize> {
    let skip = |from: usize| {
        from + text.get(from..).unwrap_or_default().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
    };
    let end = match digits {
        0 | 1 => return Err(at - 1),
        2 => {
            let second = skip(at);
            match text.get(second) {
                None => return Err(text.len()),
                Some(b'=') => second + 1,
                Some(_) => return Err(second - 1),
            }
        }
        _ => at,
    };
    let rest = skip(end);
    if rest < text.len() { Err(rest) } else { Ok(()) }
}

/// Appends the whole bytes that so many digits make; surplus bits are ignored.
fn push_group(out: &mut Vec<u8>, [a, b, c, d]: [u8; 4], digits: usize) {
    let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    out.extend_from_slice(bytes.get(..digits.saturating_sub(1)).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn null_bytes_are_refused_by_policy_only() {
        let map = SecretMap::from([
            ("a\"".to_owned(), SecretBytes::new(vec![1, 0])),
            ("b".to_owned(), SecretBytes::new(vec![0])),
        ]);
        assert_eq!(refuse_null_bytes(None, &map), Ok(()));
        assert_eq!(refuse_null_bytes(Some(NullBytePolicy::Ignore), &map), Ok(()));
        let error = refuse_null_bytes(Some(NullBytePolicy::Fail), &map).unwrap_err();
        assert!(
            error.starts_with(r#"fetched secret value for key "a\"" contains null bytes; use a text-safe"#),
            "{error}"
        );
        let clean = SecretMap::from([("a".to_owned(), SecretBytes::from("x"))]);
        assert_eq!(refuse_null_bytes(Some(NullBytePolicy::Fail), &clean), Ok(()));
    }
}
