//! The numbers of RSA keys, checked against each other with Go's texts.
//!
//! They are wiped only in their encoded form, since `num-bigint` can't. Deliberately not here: what is done with keys.

use num_bigint::BigUint;
use zeroize::Zeroizing;

use super::der::{Encoded, sequence, signed, unsigned};
use super::keys::{PublicKey, bit_length};

/// The longest RSA numbers that are worked with, in bits.
const MOST_BITS: u64 = 16_384;

/// The numbers of an RSA key whose primes are two.
pub(crate) struct RsaKey {
    n: BigUint,
    e: i64,
    d: BigUint,
    primes: [BigUint; 2],
    /// d mod p-1, d mod q-1, and the inverse of q mod p.
    rest: [BigUint; 3],
}

/// The numbers of an RSA key as they came.
pub(crate) struct RsaNumbers<'a> {
    pub(crate) n: &'a [u8],
    pub(crate) e: i64,
    pub(crate) d: &'a [u8],
    pub(crate) primes: [&'a [u8]; 2],
    /// What follows from the others, if it came.
    pub(crate) rest: Option<[&'a [u8]; 3]>,
}

/// Refuses a modulus that Go's arithmetic refuses.
fn modulus(bytes: &[u8]) -> Result<BigUint, String> {
    let n = BigUint::from_bytes_be(bytes);
    if n.bits() < 2 { Err("modulus must be > 1".into()) } else { Ok(n) }
}

/// A number below a modulus.
fn below(bytes: &[u8], modulus: &BigUint) -> Result<BigUint, String> {
    let n = BigUint::from_bytes_be(bytes);
    match &n < modulus {
        true => Ok(n),
        false if n.bits() > modulus.bits().div_ceil(64) * 64 => Err("input overflows the modulus size".into()),
        false => Err("input overflows the modulus".into()),
    }
}

impl RsaNumbers<'_> {
    /// The key, with all its numbers checked against each other.
    ///
    /// # Errors
    ///
    /// Go's texts; and that a number is too long to be worked with.
    pub(crate) fn key(&self) -> Result<RsaKey, String> {
        let all = [self.n, self.d].into_iter().chain(self.primes).chain(self.rest.into_iter().flatten());
        if all.into_iter().any(|b| bit_length(b) > MOST_BITS) {
            return Err(format!("crypto/rsa: keys of more than {MOST_BITS} bits are not supported"));
        }
        let n = modulus(self.n)?;
        let (p, q) = (modulus(self.primes[0])?, modulus(self.primes[1])?);
        let d = below(self.d, &n)?;
        let one = BigUint::from(1_u8);
        let rest = match self.rest {
            Some([dp, dq, inverse]) => [BigUint::from_bytes_be(dp), BigUint::from_bytes_be(dq), below(inverse, &p)?],
            None => {
                let (less_p, less_q) = (&p - &one, &q - &one);
                if less_p.bits() < 2 || less_q.bits() < 2 {
                    return Err("modulus must be > 1".into());
                }
                if !p.bit(0) {
                    return Err("crypto/rsa: p is even".into());
                }
                [&d % less_p, &d % less_q, (&q % &p).modinv(&p).unwrap_or_default()]
            }
        };
        let key = RsaKey { n, e: self.e, d, primes: [p, q], rest };
        key.check().map_err(|text| format!("crypto/rsa: {text}"))?;
        Ok(key)
    }
}

impl RsaKey {
    /// The bits of the modulus.
    pub(crate) fn bits(&self) -> u64 {
        self.n.bits()
    }

    /// The public key.
    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::rsa(&self.n.to_bytes_be(), self.e)
    }

    fn check(&self) -> Result<(), &'static str> {
        let Self { n, e, d, primes: [p, q], rest: [dp, dq, inverse] } = self;
        let one = BigUint::from(1_u8);
        if !n.bit(0) {
            return Err("public modulus is even");
        }
        if *e < 2 {
            return Err("public exponent too small or negative");
        }
        if e % 2 == 0 {
            return Err("public exponent is even");
        }
        let Some(exponent) = u32::try_from(*e).ok().filter(|e| i32::try_from(*e).is_ok()) else {
            return Err("public exponent too large");
        };
        if p >= n || q >= n {
            return Err("invalid prime");
        }
        if (p * q) % n != BigUint::ZERO {
            return Err("p * q != n");
        }
        for (prime, part) in [(p, dp), (q, dq)] {
            let less = prime - &one;
            if less.bits() < 2 {
                return Err("invalid prime");
            }
            if part >= &less || (part * exponent) % less != one {
                return Err("invalid CRT exponent");
            }
        }
        if (q * inverse) % p != one {
            return Err("invalid CRT coefficient");
        }
        if d % (p - &one) != *dp {
            return Err("d does not match dP");
        }
        if d % (q - &one) != *dq {
            return Err("d does not match dQ");
        }
        let apart = if p > q { p - q } else { q - p };
        if apart == BigUint::ZERO {
            return Err("p == q");
        }
        if apart.bits() + 100 <= n.bits() / 2 {
            return Err("|p - q| too small");
        }
        if d.bits() <= n.bits() / 2 {
            return Err("d too small");
        }
        Ok(())
    }

    /// The key in PKCS#1, with what follows from its numbers.
    pub(crate) fn pkcs1(&self) -> Encoded {
        let encode = |n: &BigUint| unsigned(&Zeroizing::new(n.to_bytes_be()));
        let Self { n, e, d, primes: [p, q], rest: [dp, dq, inverse] } = self;
        let mut body = Zeroizing::new(signed(0).to_vec());
        body.reserve(usize::try_from(n.bits()).unwrap_or_default());
        body.extend_from_slice(&encode(n));
        body.extend_from_slice(&signed(*e));
        for number in [d, p, q, dp, dq, inverse] {
            body.extend_from_slice(&encode(number));
        }
        sequence(&[&body])
    }
}
