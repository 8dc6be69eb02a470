//! MFA: a one-time password (TOTP, RFC 6238) of a seed that lies in a Secret, and how long it lasts.
//!
//! `algorithm` is never looked at, as in the reference: codes are made with SHA-1.

use api::generator::MfaSpec;
use async_trait::async_trait;
use aws_lc_rs::hmac;
use provider::Error;
use secret::{SecretBytes, SecretMap};
use zeroize::Zeroizing;

use crate::{Generator, Given, base32, invalid};

const LENGTH: usize = 6;
const PERIOD: i64 = 30;

/// Longer codes are nothing but leading zeros, and don't fit into a Secret.
const MAX_LENGTH: usize = 1 << 20;

pub(crate) struct Mfa(pub(crate) MfaSpec);

#[async_trait]
impl Generator for Mfa {
    async fn generate(&self, given: &Given<'_>) -> Result<SecretMap, Error> {
        let MfaSpec { secret, length, time_period, algorithm: _, when } = &self.0;
        let (name, key) = (secret.name.as_deref().unwrap_or_default(), secret.key.as_deref().unwrap_or_default());
        let found = given.secrets.secret(name).await;
        let data = found.map_err(|error| error.context("failed to find secret for token key"))?;
        let seed =
            data.get(key).ok_or_else(|| invalid(format!("secret key {key} does not exist in secret data map")))?;
        let length =
            length.filter(|length| *length > 0).map_or(LENGTH, |length| length.try_into().unwrap_or(usize::MAX));
        if length > MAX_LENGTH {
            return Err(invalid(format!("spec.length is {length}: set one of at most {MAX_LENGTH}")));
        }
        let period = time_period.filter(|seconds| *seconds > 0).unwrap_or(PERIOD);
        let at = when.as_ref().map_or(given.now, |when| when.0).as_second();
        let code = code(seed, at, period, length)
            .map_err(|text| invalid(format!("failed to generate code for token key: {text}")))?;
        let left = period - at % period;
        Ok(SecretMap::from([("token".to_owned(), code), ("timeLeft".to_owned(), SecretBytes::from(left.to_string()))]))
    }
}

fn code(seed: &SecretBytes, at: i64, period: i64, length: usize) -> Result<SecretBytes, String> {
    // Bytes that aren't text become U+FFFD, which isn't a digit of base32 either.
    let text = Zeroizing::new(String::from_utf8_lossy(seed.expose()).replace(' ', "").to_uppercase());
    let key = Zeroizing::new(
        base32::decode_unpadded(text.as_bytes())
            .map_err(|place| format!("failed to generate OTP code: illegal base32 data at input byte {place}"))?,
    );
    let step = at.div_euclid(period);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key), &step.to_be_bytes());
    let digest = tag.as_ref();
    let offset = usize::from(digest[digest.len() - 1] & 0xf);
    let number = digest[offset..offset + 4].iter().fold(0, |number, byte| number << 8 | u64::from(*byte)) & 0x7fff_ffff;
    let code = u32::try_from(length).ok().and_then(|length| 10_u64.checked_pow(length)).map_or(number, |n| number % n);
    Ok(SecretBytes::from(format!("{code:0length$}")))
}
