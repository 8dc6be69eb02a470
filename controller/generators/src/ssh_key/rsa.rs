//! RSA keys. They come from aws-lc with its own randomness: finding good primes is nothing to do by hand.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};

use super::openssh::{Blob, Key};

/// Sizes in bits that the reference refuses as insecure are below this.
const INSECURE_BELOW: i64 = 1024;

pub(super) fn make(bits: i64) -> Result<Key, String> {
    let size = match bits {
        2048 => KeySize::Rsa2048,
        3072 => KeySize::Rsa3072,
        4096 => KeySize::Rsa4096,
        8192 => KeySize::Rsa8192,
        _ if bits < INSECURE_BELOW => {
            let why = "(see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)";
            return Err(format!("crypto/rsa: {bits}-bit keys are insecure {why}"));
        }
        _ => {
            return Err(format!(
                "spec.keySize {bits} is not supported by this version of the controller: set 2048, 3072, 4096 or 8192"
            ));
        }
    };
    let unmade = |error: aws_lc_rs::error::Unspecified| error.to_string();
    let key = PrivateDecryptingKey::generate(size).map_err(unmade)?;
    let der: Pkcs8V1Der<'static> = key.as_der().map_err(unmade)?;
    written(der.as_ref()).ok_or_else(|| "the new key can't be read back".to_owned())
}

/// From PKCS#8 (RFC 5958) around PKCS#1 (RFC 8017) to what OpenSSH writes.
fn written(pkcs8: &[u8]) -> Option<Key> {
    let mut document = Der(Der(pkcs8).next(SEQUENCE)?);
    document.next(INTEGER)?;
    document.next(SEQUENCE)?;
    let mut numbers = Der(Der(document.next(OCTETS)?).next(SEQUENCE)?);
    numbers.next(INTEGER)?;
    let (n, e, d) = (numbers.next(INTEGER)?, numbers.next(INTEGER)?, numbers.next(INTEGER)?);
    let (p, q) = (numbers.next(INTEGER)?, numbers.next(INTEGER)?);
    let (_dp, _dq, coefficient) = (numbers.next(INTEGER)?, numbers.next(INTEGER)?, numbers.next(INTEGER)?);
    let mut public = Blob::default();
    public.integer(e);
    public.integer(n);
    let mut private = Blob::default();
    for number in [n, e, d, coefficient, p, q] {
        private.integer(number);
    }
    Some(Key { algorithm: "ssh-rsa", public, private })
}

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// As much of DER as a key that we made ourselves needs.
struct Der<'d>(&'d [u8]);

impl<'d> Der<'d> {
    /// The content of the next element, if it has this tag.
    fn next(&mut self, tag: u8) -> Option<&'d [u8]> {
        let (head, rest) = self.0.split_at_checked(2)?;
        let (size, rest) = match head[1] {
            short @ ..0x80 => (usize::from(short), rest),
            long => {
                let (size, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
                (
                    size.iter().try_fold(0_usize, |sum, byte| sum.checked_mul(256)?.checked_add(usize::from(*byte)))?,
                    rest,
                )
            }
        };
        let (content, rest) = rest.split_at_checked(size)?;
        self.0 = rest;
        (head[0] == tag).then_some(content)
    }
}
