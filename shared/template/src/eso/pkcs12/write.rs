//! Writing PKCS#12 files as the reference does: PBES2 with PBKDF2-HMAC-SHA-256 and AES-256-CBC, a SHA-256 MAC, 2048
//! iterations, salts of 16 bytes. With the same chance the bytes are the same.

use aws_lc_rs::digest;

use super::crypt::{self, AES_256_CBC, HMAC_SHA256, PBES2, PBKDF2, SHA256};
use super::read::{CERTIFICATE_BAG, DATA, ENCRYPTED_DATA, SHROUDED_KEY_BAG, X509_CERTIFICATE};
use super::{Fault, Password, wide};
use crate::function::{Call, Failure};
use crate::pki::der::{Encoded, identifier, octets, sequence, signed, tlv, unsigned};
use crate::pki::keys::PrivateKey;
use crate::pki::x509::Certificate;

const ITERATIONS: i64 = 2048;

const FRIENDLY_NAME: &str = "1.2.840.113549.1.9.20";
const LOCAL_KEY_ID: &str = "1.2.840.113549.1.9.21";
/// Oracle's mark of a trusted certificate, and the use it is trusted for: any.
const TRUSTED: &str = "2.16.840.1.113894.746875.1.1";
const ANY_USE: &str = "2.5.29.37.0";

fn explicit(parts: &[&[u8]]) -> Encoded {
    tlv(0xa0, parts)
}

fn attribute(id: &str, value: &[u8]) -> Encoded {
    sequence(&[&identifier(id), &tlv(0x31, &[value])])
}

/// A set, whose elements DER puts in order.
fn set(mut parts: Vec<Encoded>) -> Encoded {
    parts.sort_by(|a, b| a.as_slice().cmp(b.as_slice()));
    let parts: Vec<&[u8]> = parts.iter().map(|p| p.as_slice()).collect();
    tlv(0x31, &parts)
}

fn certificate_bag(raw: &[u8], attributes: Vec<Encoded>) -> Encoded {
    let value = sequence(&[&identifier(X509_CERTIFICATE), &explicit(&[&octets(raw)])]);
    sequence(&[&identifier(CERTIFICATE_BAG), &explicit(&[&value]), &set(attributes)])
}

/// The algorithm and the data encrypted with it.
fn encrypted(call: &mut Call<'_>, data: &[u8], password: &Password) -> Result<(Encoded, Encoded), Fault> {
    let salt = call.env.random(16);
    let random = call.env.random(16);
    let iv = <[u8; 16]>::try_from(random.as_slice()).unwrap_or_default();
    let prf = sequence(&[&identifier(HMAC_SHA256)]);
    let kdf = sequence(&[&identifier(PBKDF2), &sequence(&[&octets(&salt), &signed(ITERATIONS), &prf])]);
    let scheme = sequence(&[&identifier(AES_256_CBC), &octets(&iv)]);
    let algorithm = sequence(&[&identifier(PBES2), &sequence(&[&kdf, &scheme])]);
    Ok((algorithm, crypt::encrypt(call, data, &salt, iv, ITERATIONS, password)?))
}

/// Bags, encrypted.
fn closed_safe(call: &mut Call<'_>, bags: &[Encoded], password: &Password) -> Result<Encoded, Fault> {
    let bags: Vec<&[u8]> = bags.iter().map(|b| b.as_slice()).collect();
    let (algorithm, data) = encrypted(call, &sequence(&bags), password)?;
    let info = sequence(&[&identifier(DATA), &algorithm, &tlv(0x80, &[&data])]);
    let inner = sequence(&[&signed(0), &info]);
    Ok(sequence(&[&identifier(ENCRYPTED_DATA), &explicit(&[&inner])]))
}

/// The whole file around its safes.
fn file(call: &mut Call<'_>, safes: &[&[u8]], password: &Password) -> Result<Vec<u8>, Fault> {
    let safe = sequence(safes);
    let salt = call.env.random(16);
    let mac = crypt::mac(call, &safe, &salt, ITERATIONS, password)?;
    let digest = sequence(&[&sequence(&[&identifier(SHA256)]), &octets(&mac)]);
    let mac = sequence(&[&digest, &octets(&salt), &signed(ITERATIONS)]);
    let content = sequence(&[&identifier(DATA), &explicit(&[&octets(&safe)])]);
    Ok(sequence(&[&unsigned(&[3]), &content, &mac]).to_vec())
}

/// A key with its certificate, which comes first, and further ones.
pub(super) fn key_store(
    call: &mut Call<'_>,
    key: &PrivateKey,
    certificates: &[Certificate<'_>],
    password: &Password,
) -> Result<Vec<u8>, Failure> {
    let work = |call: &mut Call<'_>| -> Result<Vec<u8>, Fault> {
        let first = certificates.first().map_or(&[][..], |c| c.raw);
        let fingerprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, first);
        let local_id = || attribute(LOCAL_KEY_ID, &octets(fingerprint.as_ref()));
        let bags: Vec<Encoded> = certificates
            .iter()
            .enumerate()
            .map(|(i, c)| certificate_bag(c.raw, if i == 0 { vec![local_id()] } else { Vec::new() }))
            .collect();
        let (algorithm, data) = encrypted(call, &key.pkcs8(), password)?;
        let shrouded = sequence(&[&algorithm, &octets(&data)]);
        let key_bag = sequence(&[&identifier(SHROUDED_KEY_BAG), &explicit(&[&shrouded]), &set(vec![local_id()])]);
        let certificates = closed_safe(call, &bags, password)?;
        let key = sequence(&[&identifier(DATA), &explicit(&[&octets(&sequence(&[&key_bag]))])]);
        file(call, &[&certificates, &key], password)
    };
    work(call).map_err(failure)
}

/// Certificates that Java trusts, each by the name of its subject.
pub(super) fn trust_store(
    call: &mut Call<'_>,
    certificates: &[Certificate<'_>],
    password: &Password,
) -> Result<Vec<u8>, Failure> {
    let work = |call: &mut Call<'_>| -> Result<Vec<u8>, Fault> {
        let mut bags = Vec::new();
        for certificate in certificates {
            let name = tlv(0x1e, &[&wide(certificate.subject.written().as_bytes())?]);
            let attributes = vec![attribute(TRUSTED, &identifier(ANY_USE)), attribute(FRIENDLY_NAME, &name)];
            bags.push(certificate_bag(certificate.raw, attributes));
        }
        let safe = closed_safe(call, &bags, password)?;
        file(call, &[&safe], password)
    };
    work(call).map_err(failure)
}

fn failure(fault: Fault) -> Failure {
    match fault {
        Fault::Text(text) => Failure(text),
        Fault::Bare(failure) => failure,
    }
}
