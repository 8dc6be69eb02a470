//! Keys from passwords, and the ciphers and digests that PKCS#12 files use, old ones included.
//!
//! Deriving keys is the costly part, and the file says how often: it is counted before it is done.

use std::num::NonZeroU32;

use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm as Cipher, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac, pbkdf2};
use cbc::cipher::block_padding::NoPadding;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use zeroize::Zeroizing;

use super::{Fault, Password};
use crate::function::{Call, Failure};
use crate::pki::der::{Algorithm, OPTIONAL, PLAIN, Reader, Shape, int};

type Secret = Zeroizing<Vec<u8>>;

pub(super) const PBES2: &str = "1.2.840.113549.1.5.13";
pub(super) const PBKDF2: &str = "1.2.840.113549.1.5.12";
const PBMAC1: &str = "1.2.840.113549.1.5.14";
pub(super) const HMAC_SHA256: &str = "1.2.840.113549.2.9";
pub(super) const AES_256_CBC: &str = "2.16.840.1.101.3.4.1.42";
const TRIPLE_DES_CBC: &str = "1.2.840.113549.3.7";
pub(super) const SHA256: &str = "2.16.840.1.101.3.4.2.1";

/// Iterations that count as one step. With the usual two million steps a rendering may take four million iterations: one
/// file with the 600,000 that are advised today, its key and its certificates read apart.
const ITERATIONS_A_STEP: u64 = 2;

/// A digest with what HMAC and PBKDF2 are called on it.
#[derive(Clone, Copy)]
struct Hash {
    digest: &'static digest::Algorithm,
    hmac: hmac::Algorithm,
    pbkdf2: pbkdf2::Algorithm,
}

fn sha1() -> Hash {
    Hash {
        digest: &digest::SHA1_FOR_LEGACY_USE_ONLY,
        hmac: hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        pbkdf2: pbkdf2::PBKDF2_HMAC_SHA1,
    }
}

fn sha256() -> Hash {
    Hash { digest: &digest::SHA256, hmac: hmac::HMAC_SHA256, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA256 }
}

fn sha512() -> Hash {
    Hash { digest: &digest::SHA512, hmac: hmac::HMAC_SHA512, pbkdf2: pbkdf2::PBKDF2_HMAC_SHA512 }
}

/// The digest of a plain algorithm, as MACs name it.
fn plain_hash(id: &str) -> Option<Hash> {
    match id {
        "1.3.14.3.2.26" => Some(sha1()),
        SHA256 => Some(sha256()),
        "2.16.840.1.101.3.4.2.3" => Some(sha512()),
        _ => None,
    }
}

/// The digest of an HMAC.
fn keyed_hash(id: &str) -> Option<Hash> {
    match id {
        "1.2.840.113549.2.7" => Some(sha1()),
        HMAC_SHA256 => Some(sha256()),
        "1.2.840.113549.2.11" => Some(sha512()),
        _ => None,
    }
}

/// Counts a derivation of `size` bytes, and gives the number of rounds, at least one.
fn count(call: &mut Call<'_>, hash: Hash, iterations: i64, size: usize) -> Result<NonZeroU32, Fault> {
    let rounds = u64::try_from(iterations).unwrap_or(1).max(1);
    let blocks = size.div_ceil(hash.digest.output_len()) as u64;
    let refused = || {
        Fault::Bare(Failure::from(
            "what the password protects asks for more rounds of key derivation than are done here; \
             write it anew with at most 600000 iterations",
        ))
    };
    call.step(rounds.saturating_mul(blocks) / ITERATIONS_A_STEP).map_err(|_| refused())?;
    u32::try_from(rounds).ok().and_then(NonZeroU32::new).ok_or_else(refused)
}

/// What a derived key is for.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Purpose {
    Key = 1,
    Iv = 2,
    Mac = 3,
}

/// The derivation of RFC 7292, appendix B.
fn derive(
    call: &mut Call<'_>,
    hash: Hash,
    salt: &[u8],
    password: &[u8],
    iterations: i64,
    purpose: Purpose,
    size: usize,
) -> Result<Secret, Fault> {
    let rounds = count(call, hash, iterations, size)?.get();
    let width = hash.digest.block_len();
    let repeated =
        |text: &[u8]| -> Vec<u8> { text.iter().copied().cycle().take(text.len().div_ceil(width) * width).collect() };
    let mut block: Secret = Zeroizing::new(vec![purpose as u8; width]);
    let input = Zeroizing::new([repeated(salt), repeated(password)].concat());
    block.extend_from_slice(&input);
    let mut out: Secret = Zeroizing::new(Vec::with_capacity(size + hash.digest.output_len()));
    loop {
        let mut sum = digest::digest(hash.digest, &block);
        for _ in 1..rounds {
            sum = digest::digest(hash.digest, sum.as_ref());
        }
        out.extend_from_slice(sum.as_ref());
        if out.len() >= size {
            out.truncate(size);
            return Ok(out);
        }
        // Each part of the input grows by the sum and one.
        for part in block[width..].chunks_exact_mut(width) {
            let mut carry = 1_u16;
            let added = sum.as_ref().iter().copied().cycle().take(width).collect::<Vec<u8>>();
            for (byte, add) in part.iter_mut().zip(added).rev() {
                carry += u16::from(*byte) + u16::from(add);
                [_, *byte] = carry.to_be_bytes();
                carry >>= 8;
            }
        }
    }
}

/// Parameters of PBKDF2.
struct Pbkdf2<'a> {
    salt: &'a [u8],
    iterations: i64,
    length: i64,
    hash: Hash,
}

impl<'a> Pbkdf2<'a> {
    /// Reads them; `asked` names who asks, in Go's errors.
    fn read(kdf: &Algorithm<'a>, asked: &str, prf: &str) -> Result<Self, String> {
        let mut outer = Reader::new(kdf.encoded());
        let mut fields = outer.sequence("pbkdf2Params")?;
        let salt = fields.field(Shape::Raw, PLAIN)?;
        let iterations = fields.int()?;
        let length = fields.optional(Shape::Int, OPTIONAL)?.map(|l| int(l.bytes)).transpose()?.unwrap_or_default();
        let function = fields.algorithm(OPTIONAL)?;
        no_rest(&outer)?;
        if salt.tag != 4 {
            return Err(format!("pkcs12: only octet string salts are supported for {asked}"));
        }
        let hash = match function {
            None => sha1(),
            Some(f) => keyed_hash(&f.id).ok_or_else(|| format!("pkcs12: {prf} {} is not supported", f.id))?,
        };
        Ok(Self { salt: salt.bytes, iterations, length, hash })
    }

    fn derive(&self, call: &mut Call<'_>, password: &Password, size: usize) -> Result<Secret, Fault> {
        let rounds = count(call, self.hash, self.iterations, size)?;
        call.charge(size)?;
        let mut key = Zeroizing::new(vec![0; size]);
        pbkdf2::derive(self.hash.pbkdf2, rounds, self.salt, &password.utf8, &mut key);
        Ok(key)
    }
}

/// Refuses what follows a value.
pub(super) fn no_rest(reader: &Reader<'_>) -> Result<(), String> {
    if reader.rest().is_empty() { Ok(()) } else { Err("pkcs12: trailing data found".into()) }
}

/// Two algorithms in a row.
fn pair<'a>(encoded: &'a [u8], name: &'static str) -> Result<[Algorithm<'a>; 2], String> {
    let mut outer = Reader::new(encoded);
    let mut fields = outer.sequence(name)?;
    let missing = || "asn1: syntax error: sequence truncated".to_owned();
    let first = fields.algorithm(PLAIN)?.ok_or_else(missing)?;
    let second = fields.algorithm(PLAIN)?.ok_or_else(missing)?;
    no_rest(&outer)?;
    Ok([first, second])
}

/// What a file says of its MAC.
pub(super) struct Mac<'a> {
    pub(super) algorithm: Algorithm<'a>,
    pub(super) digest: &'a [u8],
    pub(super) salt: &'a [u8],
    pub(super) iterations: i64,
}

impl Mac<'_> {
    /// Whether the password is the right one.
    pub(super) fn verify(&self, call: &mut Call<'_>, message: &[u8], password: &Password) -> Result<bool, Fault> {
        let key = if self.algorithm.id == PBMAC1 {
            self.modern_key(call, password)?
        } else {
            let hash = plain_hash(&self.algorithm.id)
                .ok_or_else(|| format!("pkcs12: MAC digest algorithm not supported: {}", self.algorithm.id))?;
            mac_key(call, hash, self.salt, self.iterations, password)?
        };
        Ok(hmac::verify(&key, message, self.digest).is_ok())
    }

    /// The key of RFC 9579's MACs, whose parameters are in the algorithm.
    fn modern_key(&self, call: &mut Call<'_>, password: &Password) -> Result<hmac::Key, Fault> {
        let [kdf, mac] = pair(self.algorithm.encoded(), "pbmac1Params")
            .map_err(|e| format!("error decoding PBMAC1 parameters: {e}"))?;
        if kdf.id != PBKDF2 {
            return Err(Fault::Text(format!("pkcs12: PBMAC1 KDF algorithm {} is not supported", kdf.id)));
        }
        let parameters = Pbkdf2::read(&kdf, "PBMAC1/PBKDF2", "PBMAC1 PRF")?;
        let hash =
            keyed_hash(&mac.id).ok_or_else(|| format!("pkcs12: PBMAC1 MAC algorithm {} is not supported", mac.id))?;
        let length = usize::try_from(parameters.length)
            .ok()
            .filter(|l| *l > 0)
            .ok_or_else(|| "pkcs12: PBMAC1 requires explicit KeyLength parameter in PBKDF2 parameters".to_owned())?;
        let key = parameters.derive(call, password, length)?;
        Ok(hmac::Key::new(hash.hmac, &key))
    }
}

fn mac_key(
    call: &mut Call<'_>,
    hash: Hash,
    salt: &[u8],
    iterations: i64,
    password: &Password,
) -> Result<hmac::Key, Fault> {
    let size = hash.digest.output_len();
    let key = derive(call, hash, salt, &password.wide, iterations, Purpose::Mac, size)?;
    Ok(hmac::Key::new(hash.hmac, &key))
}

/// The MAC that is written: HMAC-SHA-256.
pub(super) fn mac(
    call: &mut Call<'_>,
    message: &[u8],
    salt: &[u8],
    iterations: i64,
    password: &Password,
) -> Result<Vec<u8>, Fault> {
    let key = mac_key(call, sha256(), salt, iterations, password)?;
    Ok(hmac::sign(&key, message).as_ref().to_vec())
}

/// Decrypts by password.
pub(super) fn decrypt(
    call: &mut Call<'_>,
    algorithm: &Algorithm<'_>,
    data: &[u8],
    password: &Password,
) -> Result<Secret, Fault> {
    let (plain, width) = match algorithm.id.as_str() {
        PBES2 => (decrypt_modern(call, algorithm, data, password)?, 16),
        "1.2.840.113549.1.12.1.3" | "1.2.840.113549.1.12.1.5" | "1.2.840.113549.1.12.1.6" => {
            (decrypt_old(call, algorithm, data, password)?, 8)
        }
        other => return Err(Fault::Text(format!("pkcs12: pbe algorithm {other} is not supported"))),
    };
    unpadded(plain, width).ok_or_else(|| Fault::Text("pkcs12: decryption error, incorrect padding".into()))
}

/// Decrypts a private key that stands by itself: as [`decrypt`] where that is modern, and triple DES with such a key.
pub(super) fn decrypt_key(
    call: &mut Call<'_>,
    algorithm: &Algorithm<'_>,
    data: &[u8],
    password: &Password,
) -> Result<Secret, Fault> {
    if algorithm.id == PBES2 {
        let [kdf, scheme] = pair(algorithm.encoded(), "pbes2Params")?;
        if kdf.id == PBKDF2 && scheme.id == TRIPLE_DES_CBC {
            check_length(data, 8)?;
            let key = Pbkdf2::read(&kdf, "pbes2/pbkdf2", "pbes2 prf")?.derive(call, password, 24)?;
            let iv = scheme.parameters.map_or(&[][..], |p| p.bytes);
            let broken = || Fault::Text("pkcs8: decryption error".into());
            let mut plain = Zeroizing::new(data.to_vec());
            cbc_in_place::<cbc::Decryptor<des::TdesEde3>>(&key, iv, &mut plain).ok_or_else(broken)?;
            return unpadded(plain, 8).ok_or_else(broken);
        }
    }
    decrypt(call, algorithm, data, password)
}

fn check_length(data: &[u8], width: usize) -> Result<(), String> {
    if data.is_empty() {
        return Err("pkcs12: empty encrypted data".into());
    }
    if !data.len().is_multiple_of(width) {
        return Err("pkcs12: input is not a multiple of the block size".into());
    }
    Ok(())
}

fn unpadded(mut plain: Secret, width: usize) -> Option<Secret> {
    let last = *plain.last()?;
    let count = usize::from(last);
    let start = plain.len().checked_sub(count).filter(|_| (1..=width).contains(&count))?;
    plain[start..].iter().all(|b| *b == last).then(|| plain.truncate(start))?;
    Some(plain)
}

fn decrypt_modern(
    call: &mut Call<'_>,
    algorithm: &Algorithm<'_>,
    data: &[u8],
    password: &Password,
) -> Result<Secret, Fault> {
    let [kdf, scheme] = pair(algorithm.encoded(), "pbes2Params")?;
    if kdf.id != PBKDF2 {
        return Err(Fault::Text(format!("pkcs12: pbes2 kdf algorithm {} is not supported", kdf.id)));
    }
    let parameters = Pbkdf2::read(&kdf, "pbes2/pbkdf2", "pbes2 prf")?;
    let (cipher, size): (&'static Cipher, usize) = match scheme.id.as_str() {
        AES_256_CBC => (&AES_256, 32),
        "2.16.840.1.101.3.4.1.22" => (&AES_192, 24),
        "2.16.840.1.101.3.4.1.2" => (&AES_128, 16),
        other => return Err(Fault::Text(format!("pkcs12: pbes2 algorithm {other} is not supported"))),
    };
    let iv = scheme.parameters.map_or(&[][..], |p| p.bytes);
    let iv = <[u8; 16]>::try_from(iv)
        .map_err(|_| Failure::from("cipher.NewCBCDecrypter: IV length must equal block size"))?;
    check_length(data, 16)?;
    let key = parameters.derive(call, password, size)?;
    let broken = |_| Fault::Text("pkcs12: decryption error, incorrect padding".into());
    let key = DecryptingKey::cbc(UnboundCipherKey::new(cipher, &key).map_err(broken)?).map_err(broken)?;
    let mut plain = Zeroizing::new(data.to_vec());
    key.decrypt(&mut plain, DecryptionContext::Iv128(FixedLength::from(iv))).map_err(broken)?;
    Ok(plain)
}

/// Triple DES and RC2 with keys by SHA-1, which files before some 2022 have.
fn decrypt_old(
    call: &mut Call<'_>,
    algorithm: &Algorithm<'_>,
    data: &[u8],
    password: &Password,
) -> Result<Secret, Fault> {
    let mut outer = Reader::new(algorithm.encoded());
    let mut fields = outer.sequence("pbeParams")?;
    let salt = fields.octets()?;
    let iterations = fields.int()?;
    no_rest(&outer)?;
    check_length(data, 8)?;
    let size = match algorithm.id.as_str() {
        "1.2.840.113549.1.12.1.3" => 24,
        "1.2.840.113549.1.12.1.5" => 16,
        _ => 5,
    };
    let key = derive(call, sha1(), salt, &password.wide, iterations, Purpose::Key, size)?;
    let iv = derive(call, sha1(), salt, &password.wide, iterations, Purpose::Iv, 8)?;
    let mut plain = Zeroizing::new(data.to_vec());
    let done = if size == 24 {
        cbc_in_place::<cbc::Decryptor<des::TdesEde3>>(&key, &iv, &mut plain)
    } else {
        cbc_in_place::<cbc::Decryptor<rc2::Rc2>>(&key, &iv, &mut plain)
    };
    done.ok_or_else(|| Fault::Text("pkcs12: decryption error, incorrect padding".into()))?;
    Ok(plain)
}

fn cbc_in_place<M: BlockModeDecrypt + KeyIvInit>(key: &[u8], iv: &[u8], data: &mut [u8]) -> Option<()> {
    M::new_from_slices(key, iv).ok()?.decrypt_padded::<NoPadding>(data).ok().map(|_| ())
}

/// Encrypts with AES-256 by a password, PBKDF2 and HMAC-SHA-256.
pub(super) fn encrypt(
    call: &mut Call<'_>,
    data: &[u8],
    salt: &[u8],
    iv: [u8; 16],
    iterations: i64,
    password: &Password,
) -> Result<Secret, Fault> {
    let parameters = Pbkdf2 { salt, iterations, length: 0, hash: sha256() };
    let key = parameters.derive(call, password, 32)?;
    let failed = |_| Fault::Text("AES failed".into());
    let key = EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, &key).map_err(failed)?).map_err(failed)?;
    let padding = 16 - data.len() % 16;
    let mut out = Zeroizing::new(Vec::with_capacity(data.len() + padding));
    out.extend_from_slice(data);
    out.extend(std::iter::repeat_n(padding.to_be_bytes()[7], padding));
    key.less_safe_encrypt(&mut out, EncryptionContext::Iv128(FixedLength::from(iv))).map_err(failed)?;
    Ok(out)
}
