//! RSA decryption.

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA512_MGF1SHA512, OaepAlgorithm, OaepPrivateDecryptingKey,
    PrivateDecryptingKey,
};
use zeroize::Zeroizing;

use super::STR;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::pki::keys::{self, PrivateKey};
use crate::pki::pem;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[Function::new("rsaDecrypt", &[STR, STR, STR, STR], decrypt)];

fn oaep(hash: &[u8]) -> &'static OaepAlgorithm {
    match hash {
        b"SHA1" => &OAEP_SHA1_MGF1SHA1,
        b"SHA512" => &OAEP_SHA512_MGF1SHA512,
        // As in the reference, whatever it is called.
        _ => &OAEP_SHA256_MGF1SHA256,
    }
}

fn decrypt(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let (scheme, hash, input, key) = (bytes(&a[0]), bytes(&a[1]), bytes(&a[2]), bytes(&a[3]));
    match scheme {
        b"None" => return Ok(a[2].clone()),
        b"RSA-OAEP" => {}
        other => {
            let other = String::from_utf8_lossy(other);
            return Err(Failure(format!("decryption scheme {other} is not supported")));
        }
    }
    call.charge(key.len())?;
    let (block, _) = pem::decode(key).ok_or("failed to decode PEM block")?;
    keys::count(call, block.data.len())?;
    let parsed = keys::any(&block.data).map_err(|e| format!("could not parse private key: {e}"))?;
    let PrivateKey::Rsa(numbers) = &parsed else { return Err("could not parse RSA private key".into()) };
    let size = numbers.bits();
    // The work grows with the third power of the length.
    call.step(100 * size.div_ceil(1024).pow(3))?;
    open(size, &parsed, oaep(hash), input)
        .map(|plain| Value::str(&*plain))
        .map_err(|e| Failure(format!("error decrypting data with RSA: {e}")))
}

fn open(
    size: u64,
    key: &PrivateKey,
    algorithm: &'static OaepAlgorithm,
    input: &[u8],
) -> Result<Zeroizing<Vec<u8>>, String> {
    let failed = || "crypto/rsa: decryption error".to_owned();
    if size < 1024 {
        return Err(format!(
            "crypto/rsa: {size}-bit keys are insecure (see https://go.dev/pkg/crypto/rsa#hdr-Minimum_key_size)"
        ));
    }
    if !(2048..=8192).contains(&size) {
        return Err(format!("{size}-bit keys are not supported; use a key of 2048 to 8192 bits"));
    }
    let key = PrivateDecryptingKey::from_pkcs8(&key.pkcs8()).map_err(|_| failed())?;
    let key = OaepPrivateDecryptingKey::new(key).map_err(|_| failed())?;
    // Go takes a text that lost its leading zeros.
    let missing = key.key_size_bytes().checked_sub(input.len()).ok_or_else(failed)?;
    let mut whole = vec![0; missing];
    whole.extend_from_slice(input);
    let mut plain = Zeroizing::new(vec![0; key.min_output_size()]);
    let length = key.decrypt(algorithm, &whole, &mut plain, None).map_err(|_| failed())?.len();
    plain.truncate(length);
    Ok(plain)
}
