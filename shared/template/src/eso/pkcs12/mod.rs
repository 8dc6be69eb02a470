//! PKCS#12 files in templates.
//!
//! Lives here: the functions. The format is in `read` and `write`, keys and ciphers in `crypt`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use zeroize::Zeroizing;

use super::{STR, chain};
use crate::builtin::bytes;
use crate::env::Env;
use crate::function::{Answer, Call, Failure, Function, Limits};
use crate::pki::keys::{self, PrivateKey};
use crate::pki::pem::{self, Block, CERTIFICATE, PRIVATE_KEY};
use crate::pki::x509::{self, Certificate};
use crate::sprig::NIL_PANIC;
use crate::text::runes;
use crate::value::Value;

mod crypt;
mod pkcs8;
mod read;
mod write;

pub use pkcs8::open_pkcs8;

pub(super) const TABLE: &[Function] = &[
    Function::new("pkcs12key", &[STR], |c, a| key(c, b"", bytes(&a[0]))),
    Function::new("pkcs12keyPass", &[STR, STR], |c, a| key(c, bytes(&a[0]), bytes(&a[1]))),
    Function::new("pkcs12cert", &[STR], |c, a| certificates(c, b"", bytes(&a[0]))),
    Function::new("pkcs12certPass", &[STR, STR], |c, a| certificates(c, bytes(&a[0]), bytes(&a[1]))),
    Function::new("pemToPkcs12", &[STR, STR], |c, a| store(c, a, b"", false)),
    Function::new("pemToPkcs12Pass", &[STR, STR, STR], |c, a| store(c, a, bytes(&a[2]), false)),
    Function::new("fullPemToPkcs12", &[STR, STR], |c, a| store(c, a, b"", true)),
    Function::new("fullPemToPkcs12Pass", &[STR, STR, STR], |c, a| store(c, a, bytes(&a[2]), true)),
    Function::new("pemTruststoreToPKCS12", &[STR], |c, a| trust_store(c, bytes(&a[0]), b"")),
    Function::new("pemTruststoreToPKCS12Pass", &[STR, STR], |c, a| trust_store(c, bytes(&a[0]), bytes(&a[1]))),
];

/// Why a file could not be read.
enum Fault {
    /// Go's library returns an error; the function says what it was doing.
    Text(String),
    /// Go's library panics, or our budget is used up; nothing is put before the text.
    Bare(Failure),
}

impl From<String> for Fault {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Bare(failure)
    }
}

impl Fault {
    fn within(self, doing: &str) -> Failure {
        match self {
            Self::Text(text) => Failure(format!("{doing}: {text}")),
            Self::Bare(failure) => failure,
        }
    }

    /// The same with a text before it.
    fn after(self, what: &str) -> Self {
        match self {
            Self::Text(text) => Self::Text(format!("{what}: {text}")),
            Self::Bare(failure) => Self::Bare(failure),
        }
    }
}

/// A password in both forms that the format uses.
struct Password {
    /// Two bytes a character, ended by a zero; empty if even that is left out.
    wide: Zeroizing<Vec<u8>>,
    utf8: Zeroizing<Vec<u8>>,
}

impl Password {
    fn new(text: &[u8]) -> Result<Self, String> {
        let mut wide = wide(text)?;
        wide.extend([0, 0]);
        let utf8: Zeroizing<String> = Zeroizing::new(runes(text).map(|(c, _)| c).collect());
        Ok(Self { wide, utf8: Zeroizing::new(utf8.as_bytes().to_vec()) })
    }

    /// How some programs write the empty password.
    fn nothing() -> Self {
        Self { wide: Zeroizing::default(), utf8: Zeroizing::default() }
    }

    fn is_empty(&self) -> bool {
        self.utf8.is_empty()
    }
}

/// Text with two bytes a character.
fn wide(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, String> {
    let mut out = Zeroizing::new(Vec::with_capacity(text.len() * 2 + 2));
    for (c, _) in runes(text) {
        let unit = u16::try_from(u32::from(c))
            .map_err(|_| "pkcs12: string contains characters that cannot be encoded in UCS-2")?;
        out.extend(unit.to_be_bytes());
    }
    Ok(out)
}

/// What a PKCS#12 file holds, for whoever gets one as a credential.
pub struct KeyStore {
    /// The private key in PKCS#8.
    pub key: Zeroizing<Vec<u8>>,
    /// The certificates in the file's order, in DER; at least one.
    pub certificates: Vec<Zeroizing<Vec<u8>>>,
}

impl std::fmt::Debug for KeyStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyStore({} certificates)", self.certificates.len())
    }
}

/// Opens a PKCS#12 file with the limits of one rendering.
///
/// # Errors
/// The texts of the library that the reference uses; they hold nothing of the file.
pub fn open_pkcs12(file: &[u8], password: &[u8]) -> Result<KeyStore, String> {
    // Reading takes neither clock nor chance.
    let (env, limits) = (Env::new(Timestamp::UNIX_EPOCH, |_| ()), Limits::default());
    match read::contents(&mut Call::new(&env, &limits), file, password) {
        Ok(contents) => Ok(KeyStore { key: contents.key.pkcs8(), certificates: contents.certificates }),
        Err(Fault::Text(text) | Fault::Bare(Failure(text))) => Err(text),
    }
}

fn key(call: &mut Call<'_>, password: &[u8], file: &[u8]) -> Answer {
    let contents =
        read::contents(call, file, password).map_err(|e| e.within("unable to decode pkcs12 with password"))?;
    let mut out = Zeroizing::new(Vec::with_capacity(4096));
    pem::encode(&mut out, PRIVATE_KEY, &contents.key.pkcs8());
    Ok(Value::str(&*out))
}

fn certificates(call: &mut Call<'_>, password: &[u8], file: &[u8]) -> Answer {
    let contents = read::contents(call, file, password)
        .map_err(|e| e.within("unable to decode pkcs12 certificate with password"))?;
    let found: Result<Vec<_>, String> = contents.certificates.iter().map(|der| x509::certificate(der)).collect();
    let found = found?;
    let order = chain::ordered(&found).unwrap_or_else(|_| found.iter().collect());
    let mut out = Vec::new();
    for certificate in order {
        pem::encode(&mut out, CERTIFICATE, certificate.raw);
    }
    Ok(Value::str(out))
}

/// The certificates of a text; Go panics where a block should be and isn't.
fn authorities(call: &mut Call<'_>, text: &[u8]) -> Result<Vec<Block>, Failure> {
    let mut rest = text;
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let (block, after) = pem::decode(rest).ok_or(NIL_PANIC)?;
        call.charge(1024)?;
        x509::certificate(&block.data)?;
        blocks.push(block);
        rest = after;
    }
    Ok(blocks)
}

fn parsed(blocks: &[Block]) -> Result<Vec<Certificate<'_>>, String> {
    blocks.iter().map(|b| x509::certificate(&b.data)).collect()
}

fn store(call: &mut Call<'_>, a: &[Value], password: &[u8], full: bool) -> Answer {
    let (certificates, key) = (bytes(&a[0]), bytes(&a[1]));
    call.charge(certificates.len().saturating_add(key.len()).saturating_mul(8))?;
    let (first, rest) = pem::decode(certificates).ok_or(NIL_PANIC)?;
    x509::certificate(&first.data)?;
    let mut blocks = vec![first];
    if full {
        blocks.extend(authorities(call, rest)?);
    }
    let (block, _) = pem::decode(key).ok_or(NIL_PANIC)?;
    keys::count(call, block.data.len())?;
    let key: PrivateKey = keys::any(&block.data)?;
    let password = Password::new(password)?;
    let file = write::key_store(call, &key, &parsed(&blocks)?, &password)?;
    Ok(Value::str(STANDARD.encode(&file)))
}

fn trust_store(call: &mut Call<'_>, certificates: &[u8], password: &[u8]) -> Answer {
    call.charge(certificates.len().saturating_mul(8))?;
    let blocks = authorities(call, certificates)?;
    let password = Password::new(password)?;
    let file = write::trust_store(call, &parsed(&blocks)?, &password)?;
    Ok(Value::str(STANDARD.encode(&file)))
}
