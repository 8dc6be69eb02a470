//! AES with a password: 256 bits, CBC, the initial vector in front, all in base64.
//!
//! The password is the key: cut or filled with zero bytes to 32 bytes. Nothing vouches for the text, so a wrong password
//! gives rubbish or one of Go's panics, never a plain error.

use aws_lc_rs::cipher::EncryptionContext;
use aws_lc_rs::cipher::{AES_256, DecryptingKey, DecryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::STR;
use super::encoding::base64_bytes;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("encryptAES", &[STR, STR], |c, a| encrypt(c, bytes(&a[0]), bytes(&a[1]))),
    Function::new("decryptAES", &[STR, STR], |c, a| decrypt(c, bytes(&a[0]), bytes(&a[1]))),
];

const BLOCK: usize = 16;
const BROKEN: &str = "AES failed";

fn key(password: &[u8]) -> Result<UnboundCipherKey, Failure> {
    let mut key = [0; 32];
    let length = password.len().min(key.len());
    key[..length].copy_from_slice(&password[..length]);
    UnboundCipherKey::new(&AES_256, &key).map_err(|_| BROKEN.into())
}

fn encrypt(call: &mut Call<'_>, password: &[u8], plain: &[u8]) -> Answer {
    if plain.is_empty() {
        return Ok(Value::str(b""));
    }
    call.charge(plain.len().saturating_mul(2))?;
    let mut iv = [0; BLOCK];
    iv.copy_from_slice(&call.env.random(BLOCK));
    let mut text = plain.to_vec();
    PaddedBlockEncryptingKey::cbc_pkcs7(key(password)?)
        .and_then(|key| key.less_safe_encrypt(&mut text, EncryptionContext::Iv128(FixedLength::from(iv))))
        .map_err(|_| BROKEN)?;
    Ok(Value::str(STANDARD.encode([&iv, text.as_slice()].concat())))
}

fn decrypt(call: &mut Call<'_>, password: &[u8], encoded: &[u8]) -> Answer {
    if encoded.is_empty() {
        return Ok(Value::str(b""));
    }
    call.charge(encoded.len().saturating_mul(2))?;
    let mut data = base64_bytes(encoded)?;
    // Go reserves what the text could hold at most, line breaks and padding counted, and names that.
    let capacity = encoded.len() / 4 * 3;
    if capacity < BLOCK {
        return Err(format!("runtime error: slice bounds out of range [:{BLOCK}] with capacity {capacity}").into());
    }
    if data.len() < BLOCK {
        return Err(format!("runtime error: slice bounds out of range [{BLOCK}:{}]", data.len()).into());
    }
    let mut text = data.split_off(BLOCK);
    if !text.len().is_multiple_of(BLOCK) {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let mut iv = [0; BLOCK];
    iv.copy_from_slice(&data);
    if !text.is_empty() {
        DecryptingKey::cbc(key(password)?)
            .and_then(|key| key.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(iv))).map(|_| ()))
            .map_err(|_| BROKEN)?;
    }
    let Some(&padding) = text.last() else { return Err("runtime error: index out of range [-1]".into()) };
    // The last byte alone says how much goes; nobody looks at the others.
    match text.len().checked_sub(usize::from(padding)) {
        Some(length) => Ok(Value::str(&text[..length])),
        None => {
            let excess = usize::from(padding) - text.len();
            Err(format!("runtime error: slice bounds out of range [:-{excess}]").into())
        }
    }
}
