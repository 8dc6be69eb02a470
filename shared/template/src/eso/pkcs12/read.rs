//! Reading PKCS#12 files: DER, version 3, password privacy and integrity, in the order and with the complaints of the
//! library that the reference uses.

use zeroize::Zeroizing;

use super::crypt::{self, Mac, no_rest};
use super::{Fault, Password};
use crate::function::Call;
use crate::pki::der::{EXPLICIT_0, Element, OPTIONAL, PLAIN, Reader, Shape, Tags, elements, int};
use crate::pki::keys::{self, PrivateKey};
use crate::pki::x509;

pub(super) const DATA: &str = "1.2.840.113549.1.7.1";
pub(super) const ENCRYPTED_DATA: &str = "1.2.840.113549.1.7.6";
const KEY_BAG: &str = "1.2.840.113549.1.12.10.1.1";
pub(super) const SHROUDED_KEY_BAG: &str = "1.2.840.113549.1.12.10.1.2";
pub(super) const CERTIFICATE_BAG: &str = "1.2.840.113549.1.12.10.1.3";
pub(super) const X509_CERTIFICATE: &str = "1.2.840.113549.1.9.22.1";

/// What a file holds.
pub(super) struct Contents {
    pub(super) key: PrivateKey,
    /// Certificates in the file's order, encoded.
    pub(super) certificates: Vec<Zeroizing<Vec<u8>>>,
}

/// A value and nothing after it.
fn only<'a>(encoded: &'a [u8], shape: Shape) -> Result<Element<'a>, String> {
    let mut reader = Reader::new(encoded);
    let element = reader.field(shape, PLAIN)?;
    no_rest(&reader)?;
    Ok(element)
}

/// A type and its content, which may be missing.
fn content_info(bytes: &[u8]) -> Result<(String, &[u8]), String> {
    let mut fields = Reader::new(bytes);
    let kind = fields.oid()?;
    let content = fields.optional(Shape::Raw, Tags { optional: true, ..EXPLICIT_0 })?;
    Ok((kind, content.map_or(&[], |c| c.bytes)))
}

struct Outer<'a> {
    version: i64,
    kind: String,
    content: &'a [u8],
    mac: Option<Mac<'a>>,
}

fn outer(file: &[u8]) -> Result<Outer<'_>, String> {
    let mut reader = Reader::new(file);
    let mut fields = reader.sequence("pfxPdu")?;
    let version = fields.int()?;
    let (kind, content) = content_info(fields.field(Shape::Struct("contentInfo"), PLAIN)?.bytes)?;
    let mac = match fields.optional(Shape::Struct("macData"), OPTIONAL)? {
        None => None,
        Some(data) => {
            let mut fields = Reader::new(data.bytes);
            let mut info = fields.sequence("digestInfo")?;
            let algorithm = info.algorithm(PLAIN)?.ok_or("asn1: syntax error: sequence truncated")?;
            let digest = info.octets()?;
            let salt = fields.octets()?;
            let iterations = fields.optional(Shape::Int, OPTIONAL)?.map(|i| int(i.bytes)).transpose()?;
            Some(Mac { algorithm, digest, salt, iterations: iterations.unwrap_or(1) })
        }
    };
    no_rest(&reader)?;
    Ok(Outer { version, kind, content, mac })
}

/// Opens a file.
///
/// # Errors
///
/// The library's texts.
pub(super) fn contents(call: &mut Call<'_>, file: &[u8], password: &[u8]) -> Result<Contents, Fault> {
    call.charge(file.len().saturating_mul(4))?;
    let mut password = Password::new(password)?;
    let Outer { version, kind, content, mac } =
        outer(file).map_err(|e| format!("pkcs12: error reading P12 data: {e}"))?;
    if version != 3 {
        return Err(Fault::Text("pkcs12: can only decode v3 PFX PDU's".into()));
    }
    if kind != DATA {
        return Err(Fault::Text("pkcs12: only password-protected PFX is implemented".into()));
    }
    let safe = only(content, Shape::Raw)?.bytes;
    match mac {
        None if !password.is_empty() => return Err(Fault::Text("pkcs12: no MAC in data".into())),
        None => {}
        Some(mac) => {
            let mut fits = mac.verify(call, safe, &password)?;
            if !fits && password.is_empty() {
                password = Password::nothing();
                fits = mac.verify(call, safe, &password)?;
            }
            if !fits {
                return Err(Fault::Text("pkcs12: decryption password incorrect".into()));
            }
        }
    }
    let infos = elements(only(safe, Shape::List)?.bytes)?;
    let infos = infos.iter().map(|i| content_info(i.bytes)).collect::<Result<Vec<_>, _>>()?;
    if !(1..=2).contains(&infos.len()) {
        return Err(Fault::Text(format!(
            "pkcs12: expected between 1 and 2 items in the authenticated safe, but this file has {}",
            infos.len()
        )));
    }
    let mut safes = Vec::new();
    for (kind, content) in infos {
        let data = match kind.as_str() {
            DATA => Zeroizing::new(only(content, Shape::Octets)?.bytes.to_vec()),
            ENCRYPTED_DATA => decrypted(call, content, &password)?,
            _ => {
                return Err(Fault::Text(
                    "pkcs12: only data and encryptedData content types are supported in authenticated safe".into(),
                ));
            }
        };
        // The form of all bags is checked before any is opened.
        bags(&data)?;
        safes.push(data);
    }
    let mut found = Found { key: None, certificates: Vec::new() };
    for safe in &safes {
        for (kind, value) in bags(safe)? {
            found.add(call, &kind, value, &password)?;
        }
    }
    if found.certificates.is_empty() {
        return Err(Fault::Text("pkcs12: certificate missing".into()));
    }
    let key = found.key.ok_or_else(|| "pkcs12: private key missing".to_owned())?;
    Ok(Contents { key, certificates: found.certificates })
}

/// The types and values of bags.
fn bags(data: &[u8]) -> Result<Vec<(String, &[u8])>, String> {
    let mut found = Vec::new();
    for bag in elements(only(data, Shape::List)?.bytes)? {
        let mut fields = Reader::new(bag.bytes);
        let kind = fields.oid()?;
        let value = fields.field(Shape::Raw, EXPLICIT_0)?;
        if let Some(attributes) = fields.optional(Shape::List, Tags { optional: true, set: true, ..PLAIN })? {
            for attribute in elements(attributes.bytes)? {
                let mut fields = Reader::new(attribute.bytes);
                fields.oid()?;
                fields.field(Shape::Raw, Tags { set: true, ..PLAIN })?;
            }
        }
        found.push((kind, value.bytes));
    }
    Ok(found)
}

fn decrypted(call: &mut Call<'_>, content: &[u8], password: &Password) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let mut fields = Reader::new(only(content, Shape::Struct("encryptedData"))?.bytes);
    let version = fields.int()?;
    let mut info = fields.sequence("encryptedContentInfo")?;
    info.oid()?;
    let algorithm = info.algorithm(PLAIN)?.ok_or_else(|| "asn1: syntax error: sequence truncated".to_owned())?;
    let data = info.optional(Shape::Octets, Tags { optional: true, tag: Some(0), ..PLAIN })?;
    if version != 0 {
        return Err(Fault::Text("pkcs12: only version 0 of EncryptedData is supported".into()));
    }
    crypt::decrypt(call, &algorithm, data.map_or(&[], |d| d.bytes), password)
}

struct Found {
    key: Option<PrivateKey>,
    certificates: Vec<Zeroizing<Vec<u8>>>,
}

impl Found {
    fn add(&mut self, call: &mut Call<'_>, kind: &str, value: &[u8], password: &Password) -> Result<(), Fault> {
        match kind {
            CERTIFICATE_BAG => {
                call.charge(1024)?;
                let der = certificate_bag(value)?;
                if x509::certificates(der)?.len() != 1 {
                    return Err(Fault::Text("pkcs12: expected exactly one certificate in the certBag".into()));
                }
                self.certificates.push(Zeroizing::new(der.to_vec()));
            }
            KEY_BAG | SHROUDED_KEY_BAG => {
                if self.key.is_some() {
                    return Err(Fault::Text("pkcs12: expected exactly one key bag".into()));
                }
                keys::count(call, value.len())?;
                self.key = Some(match kind {
                    KEY_BAG => keys::pkcs8(value)?,
                    _ => shrouded_key(call, value, password)?,
                });
            }
            _ => {}
        }
        Ok(())
    }
}

fn certificate_bag(value: &[u8]) -> Result<&[u8], String> {
    let read = || -> Result<(String, &[u8]), String> {
        let mut reader = Reader::new(value);
        let mut fields = reader.sequence("certBag")?;
        let kind = fields.oid()?;
        let data = fields.field(Shape::Octets, EXPLICIT_0)?.bytes;
        no_rest(&reader)?;
        Ok((kind, data))
    };
    let (kind, data) = read().map_err(|e| format!("pkcs12: error decoding cert bag: {e}"))?;
    if kind != X509_CERTIFICATE {
        return Err("pkcs12: only X509 certificates are supported in cert bags".into());
    }
    Ok(data)
}

fn shrouded_key(call: &mut Call<'_>, value: &[u8], password: &Password) -> Result<PrivateKey, Fault> {
    let read = || -> Result<_, String> {
        let mut fields = Reader::new(only(value, Shape::Struct("encryptedPrivateKeyInfo"))?.bytes);
        let algorithm = fields.algorithm(PLAIN)?.ok_or("asn1: syntax error: sequence truncated")?;
        Ok((algorithm, fields.octets()?))
    };
    let (algorithm, data) = read().map_err(|e| format!("pkcs12: error decoding PKCS#8 shrouded key bag: {e}"))?;
    let key = crypt::decrypt(call, &algorithm, data, password)
        .map_err(|e| e.after("pkcs12: error decrypting PKCS#8 shrouded key bag"))?;
    only(&key, Shape::Raw).map_err(|e| format!("pkcs12: error unmarshaling decrypted private key: {e}"))?;
    Ok(keys::pkcs8(&key).map_err(|e| format!("pkcs12: error parsing PKCS#8 private key: {e}"))?)
}
