//! Certificates: authorities, self-signed ones, ones that an authority signs. Byte for byte in the shape that Go gives them.
//!
//! Deliberately not here: private keys (see `keys`), and how certificates are read (see `pki::x509`).

use std::net::IpAddr;
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::keys::{self, Key};
use super::{STR, int};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::gofmt::show;
use crate::object::{Certificate, Object};
use crate::pki::der::{Encoded, bits, identifier, octets, sequence, signed, tag, tlv, unsigned};
use crate::pki::{common_name, pem, x509};
use crate::text::quoted;
use crate::value::{INT, LIST, Type, Value};

const CERTIFICATE: Type = Type::Object(Certificate::TYPE);

pub(super) const TABLE: &[Function] = &[
    Function::new("buildCustomCert", &[STR, STR], build_custom),
    Function::new("genCA", &[STR, INT], |c, a| {
        let key = keys::new_rsa_2048(c)?;
        Request { name: bytes(&a[0]), ips: None, dns: None, days: int(&a[1]), authority: true }.issue(c, &key, None)
    }),
    Function::new("genCAWithKey", &[STR, INT, STR], |c, a| {
        let key = given_key(c, &a[2])?;
        Request { name: bytes(&a[0]), ips: None, dns: None, days: int(&a[1]), authority: true }.issue(c, &key, None)
    }),
    Function::new("genSelfSignedCert", &[STR, LIST, LIST, INT], |c, a| {
        let key = keys::new_rsa_2048(c)?;
        Request::leaf(a).issue(c, &key, None)
    }),
    Function::new("genSelfSignedCertWithKey", &[STR, LIST, LIST, INT, STR], |c, a| {
        let key = given_key(c, &a[4])?;
        Request::leaf(a).issue(c, &key, None)
    }),
    Function::new("genSignedCert", &[STR, LIST, LIST, INT, CERTIFICATE], |c, a| {
        let authority = Authority::parse(c, &a[4])?;
        let key = keys::new_rsa_2048(c)?;
        Request::leaf(a).issue(c, &key, Some(&authority))
    }),
    Function::new("genSignedCertWithKey", &[STR, LIST, LIST, INT, CERTIFICATE, STR], |c, a| {
        let key = given_key(c, &a[5])?;
        let authority = Authority::parse(c, &a[4])?;
        Request::leaf(a).issue(c, &key, Some(&authority))
    }),
];

/// Steps for a signature, and for the check of the key: 90 by default, at up to 40 ms each with the largest RSA keys.
const SIGN: u64 = 20_000;

fn given_key(call: &mut Call<'_>, text: &Value) -> Result<Key, Failure> {
    keys::parse(call, bytes(text)).map_err(|Failure(reason)| Failure(format!("parsing private key: {reason}")))
}

fn build_custom(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let decoded = |value: &Value, what: &str| {
        super::encoding::base64_bytes(bytes(value)).map_err(|_| Failure(format!("unable to decode base64 {what}")))
    };
    let cert = decoded(&a[0], "certificate")?;
    let key = decoded(&a[1], "private key")?;
    call.charge(cert.len() + key.len())?;
    Authority::parse_certificate(&cert)?;
    keys::parse(call, &key).map_err(|Failure(reason)| Failure(format!("error parsing private key: {reason}")))?;
    Ok(answer(&cert, &key))
}

fn answer(cert: &[u8], key: &[u8]) -> Value {
    Value::Object(Object::Certificate(Arc::new(Certificate { cert: cert.into(), key: key.into() })))
}

/// The signer: what a certificate takes over from its authority's, and the key.
struct Authority {
    subject: Vec<u8>,
    /// Empty if there is none.
    key_id: Vec<u8>,
    public_info: Vec<u8>,
    key: Key,
}

/// What a certificate says of its holder, as far as it is taken over.
type Holder = (Vec<u8>, Vec<u8>, Vec<u8>);

impl Authority {
    fn parse(call: &mut Call<'_>, value: &Value) -> Result<Self, Failure> {
        let Value::Object(Object::Certificate(certificate)) = value else {
            return Err("unable to decode certificate".into());
        };
        let (subject, key_id, public_info) = Self::parse_certificate(&certificate.cert)?;
        let key = keys::parse(call, &certificate.key)
            .map_err(|Failure(reason)| Failure(format!("error parsing private key: {reason}")))?;
        Ok(Self { subject, key_id, public_info, key })
    }

    fn parse_certificate(text: &[u8]) -> Result<Holder, Failure> {
        let Some((block, _)) = pem::decode(text) else { return Err("unable to decode certificate".into()) };
        let found = x509::certificate(&block.data)
            .map_err(|reason| format!("error parsing certificate: decodedCert.Bytes: {reason}"))?;
        Ok((found.raw_subject.to_vec(), found.subject_key.to_vec(), found.public_info.to_vec()))
    }
}

/// What a template asks for.
struct Request<'a> {
    name: &'a [u8],
    ips: Option<&'a Value>,
    dns: Option<&'a Value>,
    days: i64,
    authority: bool,
}

/// The elements of a list argument; nil has none.
fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::List(list)) => list.items(),
        _ => &[],
    }
}

impl<'a> Request<'a> {
    /// From the first four arguments of a function.
    fn leaf(a: &'a [Value]) -> Self {
        Self { name: bytes(&a[0]), ips: Some(&a[1]), dns: Some(&a[2]), days: int(&a[3]), authority: false }
    }

    fn issue(&self, call: &mut Call<'_>, key: &Key, authority: Option<&Authority>) -> Answer {
        call.step(SIGN)?;
        let addresses = self.addresses()?;
        let names = self.names()?;
        call.charge(names.iter().map(|name| name.len() * 2).sum::<usize>() + addresses.len() * 64)?;
        let result = self.certificate(call, key, authority, &names, &addresses);
        let cert = result.map_err(|reason| format!("error creating certificate: {reason}"))?;
        let mut text = Vec::new();
        pem::encode(&mut text, pem::CERTIFICATE, &cert);
        let key = key.pem()?;
        call.charge(text.len() + key.len())?;
        Ok(answer(&text, &key))
    }

    fn addresses(&self) -> Result<Vec<Vec<u8>>, Failure> {
        let parse = |value: &Value| match value {
            Value::Str(text) => match gourl::parse_ip(text) {
                Some(IpAddr::V4(v4)) => Ok(v4.octets().to_vec()),
                Some(IpAddr::V6(v6)) => Ok(v6.octets().to_vec()),
                None => Err(Failure(format!("error parsing ip: {}", String::from_utf8_lossy(text)))),
            },
            other => Err(Failure(format!("error parsing ip: {} is not a string", show(other)))),
        };
        items(self.ips).iter().map(parse).collect()
    }

    fn names(&self) -> Result<Vec<&'a [u8]>, Failure> {
        let parse = |value: &'a Value| match value {
            Value::Str(text) => Ok(&**text),
            other => Err(Failure(format!("error processing alternate dns name: {} is not a string", show(other)))),
        };
        items(self.dns).iter().map(parse).collect()
    }

    fn certificate(
        &self,
        call: &Call<'_>,
        key: &Key,
        authority: Option<&Authority>,
        names: &[&[u8]],
        addresses: &[Vec<u8>],
    ) -> Result<Encoded, String> {
        let signer = authority.map_or(key, |a| &a.key);
        let algorithm = signer.signature_algorithm()?;
        let public = key.public()?;
        let subject = common_name(self.name)?;
        if let Some(authority) = authority
            && authority.public_info != *signer.public()?.info()
        {
            return Err("x509: provided PrivateKey doesn't match parent's PublicKey".into());
        }
        let issuer = authority.map_or(&subject[..], |a| &a.subject);
        let authority_id = authority.filter(|a| a.subject != *subject).map(|a| &a.key_id[..]);
        let subject_id = self.authority.then(|| digest(&SHA256, &public.bits));

        // Bits for signatures and for encryption of keys, and for an authority the one for certificates.
        let usage: &[u8] = if self.authority { &[2, 0xa4] } else { &[5, 0xa0] };
        let constraints: &[u8] = if self.authority { &[tag::BOOLEAN, 1, 0xff] } else { &[] };
        let mut extensions = vec![
            extension(15, true, &tlv(tag::BIT_STRING, &[usage])),
            extension(37, false, &sequence(&[&identifier(SERVER), &identifier(CLIENT)])),
            extension(19, true, &sequence(&[constraints])),
        ];
        if let Some(id) = &subject_id {
            extensions.push(extension(14, false, &octets(&id.as_ref()[..20])));
        }
        if let Some(id) = authority_id.filter(|id| !id.is_empty()) {
            extensions.push(extension(35, false, &sequence(&[&tlv(tag::implicit(0), &[id])])));
        }
        if !names.is_empty() || !addresses.is_empty() {
            let mut alternatives = Vec::new();
            for name in names {
                if !name.is_ascii() {
                    return Err(format!("x509: {} cannot be encoded as an IA5String", quoted(name)));
                }
                alternatives.extend_from_slice(&tlv(tag::implicit(2), &[name]));
            }
            for address in addresses {
                alternatives.extend_from_slice(&tlv(tag::implicit(7), &[address]));
            }
            let nameless = self.name.is_empty();
            extensions.push(extension(17, nameless, &sequence(&[&alternatives])));
        }

        let (from, to) = validity(call.env.now(), self.days)?;
        let extensions: Vec<&[u8]> = extensions.iter().map(|e| e.as_slice()).collect();
        let contents = sequence(&[
            &tlv(tag::explicit(0), &[&signed(2)]),
            &unsigned(&call.env.random(16)),
            &algorithm,
            issuer,
            &sequence(&[&from, &to]),
            &subject,
            &public.info(),
            &tlv(tag::explicit(3), &[&sequence(&extensions)]),
        ]);
        let signature = signer.sign(&contents)?;
        Ok(sequence(&[&contents, &algorithm, &bits(&signature)]))
    }
}

const SERVER: &str = "1.3.6.1.5.5.7.3.1";
const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

/// An extension by the last number of its identifier, `2.5.29.…`.
fn extension(number: u8, critical: bool, value: &[u8]) -> Encoded {
    let critical: &[u8] = if critical { &[tag::BOOLEAN, 1, 0xff] } else { &[] };
    sequence(&[&identifier(&format!("2.5.29.{number}")), critical, &octets(value)])
}

/// From now on for so many days. The length wraps around as Go's durations do, at 292 years.
fn validity(now: Timestamp, days: i64) -> Result<(Encoded, Encoded), String> {
    const DAY: i64 = 24 * 60 * 60 * 1_000_000_000;
    let end = now.as_nanosecond() + i128::from(DAY.wrapping_mul(days));
    let time = |nanoseconds: i128| {
        let second = i64::try_from(nanoseconds.div_euclid(1_000_000_000)).ok();
        let time = second.and_then(|s| Timestamp::from_second(s).ok()).map(|t| t.to_zoned(TimeZone::UTC));
        match time {
            Some(t) if (1950..2050).contains(&t.year()) => {
                Ok(tlv(tag::UTC_TIME, &[t.strftime("%y%m%d%H%M%SZ").to_string().as_bytes()]))
            }
            Some(t) if t.year() >= 0 => {
                Ok(tlv(tag::GENERALIZED_TIME, &[t.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes()]))
            }
            Some(_) | None => Err("asn1: structure error: cannot represent time as GeneralizedTime".to_owned()),
        }
    };
    Ok((time(now.as_nanosecond())?, time(end)?))
}
