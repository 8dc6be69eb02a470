//! Private keys in PKCS#8 that a password guards (RFC 5958, section 3), for whoever gets one as a credential.
//!
//! Deliberately not here: the ciphers (`crypt`).

use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{Fault, Password, crypt};
use crate::env::Env;
use crate::function::{Call, Failure, Limits};
use crate::pki::der::{PLAIN, Reader};
use crate::pki::pem::{self, PRIVATE_KEY};

/// The key in such a PEM text, as PEM without a password, with the limits of one rendering.
///
/// # Errors
/// What can't be read or decrypted; the texts hold nothing of the key.
pub fn open_pkcs8(text: &[u8], password: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let (block, _) = pem::decode(text).ok_or("it is not PEM")?;
    let mut outer = Reader::new(&block.data);
    let mut fields = outer.sequence("EncryptedPrivateKeyInfo")?;
    let algorithm = fields.algorithm(PLAIN)?.ok_or("asn1: syntax error: sequence truncated")?;
    let data = fields.octets()?;
    // Decrypting takes neither clock nor chance.
    let (env, limits) = (Env::new(Timestamp::UNIX_EPOCH, |_| ()), Limits::default());
    let plain = crypt::decrypt_key(&mut Call::new(&env, &limits), &algorithm, data, &Password::new(password)?);
    let plain = plain.map_err(|fault| match fault {
        // The words are those for files.
        Fault::Text(text) | Fault::Bare(Failure(text)) => {
            text.strip_prefix("pkcs12: ").or_else(|| text.strip_prefix("pkcs8: ")).map(str::to_owned).unwrap_or(text)
        }
    })?;
    // A wrong password may leave padding that looks right.
    Reader::new(&plain).sequence("PrivateKeyInfo")?;
    let mut out = Zeroizing::new(Vec::with_capacity(8 * 1024));
    pem::encode(&mut out, PRIVATE_KEY, &plain);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    // Made by `openssl pkcs8 -topk8 -v2 aes-256-cbc -v2prf hmacWithSHA256`, and so on; the password is `hunter2`.
    const AES_256_SHA_256: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjP0VxsCqjW4wICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDUKbInvYsBq7yTi+v2ow98EgZBI
guvI5evqLfi4i3xo97PcrOyrKjahWfVV4akfSl6aMATscV3sIN0hRq5v0WDJAKvT
20fVDugGxYeRnVcWkMlLVua0k6XhankcHXMKeHwRlHIy16oHbOATelky2bPDKr1t
spHCqYhk/tvrqFKlCOdiL/BadzKPVG8mnlnY5fT5gsVBm/tKDUIvXvq+uNQoJ4g=
-----END ENCRYPTED PRIVATE KEY-----
";
    const AES_128_SHA_1: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHeMEkGCSqGSIb3DQEFDTA8MBsGCSqGSIb3DQEFDDAOBAjQQe1VnlOSlQICCAAw
HQYJYIZIAWUDBAECBBB3/dopU6n12fNtyFYPwoB+BIGQ6xFIs0faXEl2XhjWNlfW
Jzu9lFmLKt5QaNF4ajbnhM3ZUruu3uY1RtX3MXz1OI0Nib+m15v7/lvi+M9NnWVX
ZaAACyaXZKETsjssObB+kfHrnGL1oJfRLfhWmt9SHNXf15jPEDut0O2Q3Eq146AM
UHid3v8L2u7bJ8Z5PI/myzmdUay1+HbrHwXoP8G6wLt5
-----END ENCRYPTED PRIVATE KEY-----
";
    const TRIPLE_DES_SHA_256: &str = "-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAhIby2Y0AlhtwICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIrjwPRJ/ruzQEgZDoPuqbjJxrV4O3
B2Mt+RubJyZWuvDJfR/Fx/pzDedPpn6sEcpwyTIRVK2icB4wn3U5g2BgpvzxWb96
2Qld9aYFmAF6VjOa5t8PSXJjZv+0QfK9Kd+4P/2dxFKlKQVAgN2onog9o241iKZB
b1iUgB61NSKfeDz9cjdfrf0GciJ3odq3BHOTzEb9Z/0aVw2Bi9Q=
-----END ENCRYPTED PRIVATE KEY-----
";
    const PLAIN_TEXT: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgKzEFj1NOUrh1Cp46
a6d+EAxRXZmsoF2FaCZTIbNRpOqhRANCAATJXFcvdlck/iimxrqkMuFf7LqOgO2M
hjCfoAmA1X1jhmMCu05pDZeVLZfi/6Va3y4R0cQ+F8TDJRSp6CI34j61
-----END PRIVATE KEY-----
";

    #[test]
    fn a_key_is_opened_by_its_password_alone() {
        for text in [AES_256_SHA_256, AES_128_SHA_1, TRIPLE_DES_SHA_256] {
            let opened = open_pkcs8(text.as_bytes(), b"hunter2").unwrap();
            assert_eq!(std::str::from_utf8(&opened).unwrap(), PLAIN_TEXT);
            for password in ["hunter3", ""] {
                let why = open_pkcs8(text.as_bytes(), password.as_bytes()).unwrap_err();
                assert!(why.contains("decryption error") || why.contains("asn1"), "{why}");
            }
        }
        for (text, want) in [("canary", "it is not PEM"), (PLAIN_TEXT, "asn1")] {
            let why = open_pkcs8(text.as_bytes(), b"hunter2").unwrap_err();
            assert!(why.contains(want) && !why.contains("canary"), "{why}");
        }
    }

    #[test]
    fn a_key_that_is_no_file_is_not_called_one() {
        let mut der = pem::decode(AES_256_SHA_256.as_bytes()).unwrap().0.data.to_vec();
        let broken = [&der[..der.len() - 1], &[0][..]].concat();
        // Salt and rounds, of eight and two bytes: of six and four.
        let salt = der.windows(2).position(|bytes| bytes == [4, 8]).unwrap();
        der.splice(salt..salt + 14, [4, 6, 1, 1, 1, 1, 1, 1, 2, 4, 0x7f, 0xff, 0xff, 0xff]);
        for (bytes, want) in [(der, "rounds of key derivation"), (broken, "decryption error")] {
            let mut text = Vec::new();
            pem::encode(&mut text, "ENCRYPTED PRIVATE KEY", &bytes);
            let why = open_pkcs8(&text, b"hunter2").unwrap_err();
            assert!(why.contains(want), "{why}");
            assert!(!why.to_ascii_lowercase().contains("pkcs") && !why.contains("template"), "{why}");
        }
    }

    #[test]
    fn damaged_keys_are_refused_and_never_a_panic() {
        let der = |text: &str| pem::decode(text.as_bytes()).unwrap().0.data.to_vec();
        for text in [AES_256_SHA_256, TRIPLE_DES_SHA_256] {
            let whole = der(text);
            for place in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[place] ^= 0x55;
                for bytes in [&damaged[..], &whole[..place]] {
                    let mut out = Vec::new();
                    pem::encode(&mut out, "ENCRYPTED PRIVATE KEY", bytes);
                    if let Ok(opened) = open_pkcs8(&out, b"hunter2") {
                        assert!(opened.starts_with(b"-----BEGIN PRIVATE KEY-----"));
                    }
                }
            }
        }
    }
}
