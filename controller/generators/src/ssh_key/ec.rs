//! Keys over elliptic curves: Ed25519 and ECDSA over NIST's curves.

use aws_lc_rs::agreement::{Algorithm, ECDH_P256, ECDH_P384, ECDH_P521, PrivateKey};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use zeroize::Zeroizing;

use super::openssh::{Blob, Key};
use crate::Random;

/// A draw is no private key with a probability below 2^-30 at worst.
const DRAWS: usize = 64;

pub(super) fn ed25519(random: Random<'_>) -> Result<Key, String> {
    let seed = Zeroizing::new(random.bytes::<32>());
    let pair = Ed25519KeyPair::from_seed_unchecked(&*seed).map_err(|error| error.to_string())?;
    let point = pair.public_key().as_ref();
    let mut public = Blob::default();
    public.string(point);
    let mut private = Blob::default();
    private.string(point);
    private.string(&Zeroizing::new([&*seed, point].concat()));
    Ok(Key { algorithm: "ssh-ed25519", public, private })
}

#[derive(Clone, Copy)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    fn algorithm(self) -> &'static str {
        match self {
            Self::P256 => "ecdsa-sha2-nistp256",
            Self::P384 => "ecdsa-sha2-nistp384",
            Self::P521 => "ecdsa-sha2-nistp521",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P256 => "nistp256",
            Self::P384 => "nistp384",
            Self::P521 => "nistp521",
        }
    }

    /// Bytes of a private key, and which bits of the first one count.
    fn size(self) -> (usize, u8) {
        match self {
            Self::P256 => (32, 0xff),
            Self::P384 => (48, 0xff),
            Self::P521 => (66, 0x01),
        }
    }

    /// Used for its points only: a private key is the same number for ECDH and ECDSA.
    fn points(self) -> &'static Algorithm {
        match self {
            Self::P256 => &ECDH_P256,
            Self::P384 => &ECDH_P384,
            Self::P521 => &ECDH_P521,
        }
    }
}

pub(super) fn ecdsa(curve: Curve, random: Random<'_>) -> Result<Key, String> {
    let (bytes, mask) = curve.size();
    let mut scalar = Zeroizing::new(vec![0; bytes]);
    for _ in 0..DRAWS {
        random.fill(&mut scalar);
        scalar[0] &= mask;
        // Refused if it is zero or not below the curve's order.
        let Ok(key) = PrivateKey::from_private_key(curve.points(), &scalar) else { continue };
        let point = key.compute_public_key().map_err(|error| error.to_string())?;
        let mut public = Blob::default();
        public.text(curve.name());
        public.string(point.as_ref());
        let mut private = Blob::default();
        private.text(curve.name());
        private.string(point.as_ref());
        private.integer(&scalar);
        return Ok(Key { algorithm: curve.algorithm(), public, private });
    }
    Err("the source of randomness gives no usable private key".to_owned())
}
