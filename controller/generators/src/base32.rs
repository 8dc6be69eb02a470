//! Base32 of RFC 4648, as Go has it.
//!
//! Own code: Go ignores line breaks, and without padding it accepts lengths that no encoder makes, which every Rust crate
//! refuses. Seeds with such lengths work with the reference, and have to give the same codes here.

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Encodes with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let digits = (chunk.len() * 8).div_ceil(5);
        out.extend((0..digits).map(|index| char::from(ALPHABET[(bits >> (35 - 5 * index) & 31) as usize])));
        out.extend(std::iter::repeat_n('=', 8 - digits));
    }
    out
}

/// Decodes without padding. Of a last block with 1, 3 or 6 digits Go keeps nothing but counts none as wrong.
///
/// # Errors
/// The place of the first byte that isn't a digit, line breaks not counted.
pub(crate) fn decode_unpadded(text: &[u8]) -> Result<Vec<u8>, usize> {
    let mut digits = Vec::with_capacity(text.len());
    for byte in text.iter().filter(|byte| !matches!(byte, b'\r' | b'\n')) {
        let digit = ALPHABET.iter().position(|known| known == byte).ok_or(digits.len())?;
        digits.push(digit as u64);
    }
    let mut out = Vec::with_capacity(digits.len() * 5 / 8);
    for block in digits.chunks(8) {
        let bytes = match block.len() {
            2 | 4 | 5 | 7 | 8 => block.len() * 5 / 8,
            _ => 0,
        };
        let bits = block.iter().enumerate().fold(0, |bits, (index, digit)| bits | digit << (35 - 5 * index));
        out.extend_from_slice(&u64::to_be_bytes(bits)[3..3 + bytes]);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_as_the_rfc_says_and_decodes_again() {
        let rows = [
            ("", ""),
            ("f", "MY======"),
            ("fo", "MZXQ===="),
            ("foo", "MZXW6==="),
            ("foob", "MZXW6YQ="),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI======"),
        ];
        for (plain, encoded) in rows {
            assert_eq!(encode(plain.as_bytes()), encoded);
            assert_eq!(decode_unpadded(encoded.trim_end_matches('=').as_bytes()), Ok(plain.as_bytes().to_vec()));
        }
    }
}
