//! JSON Web Keys to PEM, with the errors of the library that the reference uses.
//!
//! Deliberately not here: sets of keys, and what a key is allowed to be used for.

use aws_lc_rs::agreement::{self, X25519};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::alphabet::{self, Alphabet};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use gojson::{Document, Item, NodeId};
use zeroize::Zeroizing;

use super::STR;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::pki::der::Encoded;
use crate::pki::keys::{self, Curve, PrivateKey, PublicKey};
use crate::pki::pem::{self, PRIVATE_KEY};
use crate::pki::rsa::RsaNumbers;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("jwkPublicKeyPem", &[STR], |c, a| to_pem(c, a, "PUBLIC KEY", Raw::public)),
    Function::new("jwkPrivateKeyPem", &[STR], |c, a| to_pem(c, a, PRIVATE_KEY, Raw::private)),
];

fn to_pem(call: &mut Call<'_>, a: &[Value], kind: &str, encode: fn(&Raw) -> Result<Encoded, String>) -> Answer {
    let text = bytes(&a[0]);
    call.charge(text.len().saturating_mul(4))?;
    keys::count(call, text.len())?;
    let der = read(text).and_then(|key| key.raw()).and_then(|raw| encode(&raw)).map_err(Failure)?;
    let mut out = Zeroizing::new(Vec::with_capacity(der.len() * 2 + 64));
    pem::encode(&mut out, kind, &der);
    Ok(Value::str(&*out))
}

type Octets = Zeroizing<Vec<u8>>;

/// The members that make a key.
#[derive(Default)]
struct Members {
    crv: Option<String>,
    n: Option<Octets>,
    e: Option<Octets>,
    d: Option<Octets>,
    p: Option<Octets>,
    q: Option<Octets>,
    dp: Option<Octets>,
    dq: Option<Octets>,
    qi: Option<Octets>,
    x: Option<Octets>,
    y: Option<Octets>,
    k: Option<Octets>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    RsaPublic,
    RsaPrivate,
    EcPublic,
    EcPrivate,
    OkpPublic,
    OkpPrivate,
    Symmetric,
}

impl Kind {
    /// The Go type.
    fn name(self) -> &'static str {
        match self {
            Self::RsaPublic => "rsaPublicKey",
            Self::RsaPrivate => "rsaPrivateKey",
            Self::EcPublic => "ecdsaPublicKey",
            Self::EcPrivate => "ecdsaPrivateKey",
            Self::OkpPublic => "okpPublicKey",
            Self::OkpPrivate => "okpPrivateKey",
            Self::Symmetric => "symmetricKey",
        }
    }

    /// The members in Base64 that the kind knows, and whether they are needed, in the order in which Go misses them.
    fn members(self) -> &'static [(&'static str, bool)] {
        match self {
            Self::RsaPublic => &[("e", true), ("n", true)],
            Self::RsaPrivate => &[
                ("d", true),
                ("e", true),
                ("n", true),
                ("p", false),
                ("q", false),
                ("dp", false),
                ("dq", false),
                ("qi", false),
            ],
            Self::EcPublic => &[("x", true), ("y", true)],
            Self::EcPrivate => &[("d", true), ("x", true), ("y", true)],
            Self::OkpPublic => &[("x", true)],
            Self::OkpPrivate => &[("d", true), ("x", true)],
            Self::Symmetric => &[("k", true)],
        }
    }

    fn has_curve(self) -> bool {
        match self {
            Self::EcPublic | Self::EcPrivate | Self::OkpPublic | Self::OkpPrivate => true,
            Self::RsaPublic | Self::RsaPrivate | Self::Symmetric => false,
        }
    }
}

impl Members {
    fn slot(&mut self, name: &str) -> Option<&mut Option<Octets>> {
        Some(match name {
            "n" => &mut self.n,
            "e" => &mut self.e,
            "d" => &mut self.d,
            "p" => &mut self.p,
            "q" => &mut self.q,
            "dp" => &mut self.dp,
            "dq" => &mut self.dq,
            "qi" => &mut self.qi,
            "x" => &mut self.x,
            "y" => &mut self.y,
            "k" => &mut self.k,
            _ => return None,
        })
    }
}

/// A key as it was read.
struct Key {
    kind: Kind,
    members: Members,
}

/// What Go calls a value that has the wrong type.
fn found(item: Item<'_>) -> &'static str {
    match item {
        Item::Null => "null",
        Item::Bool(_) => "bool",
        Item::Number(_) => "number",
        Item::Text(_) => "string",
        Item::Array(_) => "array",
        Item::Object(_) => "object",
    }
}

/// A string, or nothing for null.
fn string<'d>(document: &'d Document<'_>, id: NodeId, wanted: &str) -> Result<&'d str, String> {
    match document.item(id) {
        Item::Text(text) => Ok(text),
        Item::Null => Ok(""),
        other => Err(format!("json: cannot unmarshal {} into Go value of type {wanted}", found(other))),
    }
}

fn octets(text: &str) -> Option<Octets> {
    let decode = |alphabet: &Alphabet, padding| {
        let config =
            GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true).with_decode_padding_mode(padding);
        let plain: Zeroizing<String> = Zeroizing::new(text.chars().filter(|c| !matches!(c, '\n' | '\r')).collect());
        GeneralPurpose::new(alphabet, config).decode(plain.as_bytes()).ok().map(Zeroizing::new)
    };
    let alphabet = if text.contains(['+', '/']) { &alphabet::STANDARD } else { &alphabet::URL_SAFE };
    let padding =
        if text.ends_with('=') { DecodePaddingMode::RequireCanonical } else { DecodePaddingMode::RequireNone };
    decode(alphabet, padding)
}

fn read(text: &[u8]) -> Result<Key, String> {
    let hint = |text: &str| format!("failed to unmarshal JSON into key hint: {text}");
    let document = Document::parse_first(text).map_err(|e| hint(&e.to_string()))?;
    let members = match document.item(document.root()) {
        Item::Object(members) => Some(members),
        Item::Null => None,
        other => {
            return Err(hint(&format!(
                "json: cannot unmarshal {} into Go value of type struct {{ Kty string \"json:\\\"kty\\\"\"; \
                 D json.RawMessage \"json:\\\"d\\\"\" }}",
                found(other)
            )));
        }
    };
    // In the order in which they are written: the first bad one is complained about.
    let mut listed: Vec<(&str, NodeId)> = members.into_iter().flatten().map(|(k, id)| (k.as_str(), *id)).collect();
    listed.sort_by_key(|(_, id)| document.raw(*id).as_ptr());

    let mut kty = "";
    let mut has_d = false;
    for (name, id) in &listed {
        // The hint is read with any case of letters.
        if name.eq_ignore_ascii_case("kty") {
            match document.item(*id) {
                Item::Text(text) => kty = text,
                Item::Null => {}
                other => {
                    let found = found(other);
                    return Err(hint(&format!(
                        "json: cannot unmarshal {found} into Go struct field .kty of type string"
                    )));
                }
            }
        }
        has_d |= name.eq_ignore_ascii_case("d");
    }
    let kind = match (kty, has_d) {
        ("RSA", false) => Kind::RsaPublic,
        ("RSA", true) => Kind::RsaPrivate,
        ("EC", false) => Kind::EcPublic,
        ("EC", true) => Kind::EcPrivate,
        ("OKP", false) => Kind::OkpPublic,
        ("OKP", true) => Kind::OkpPrivate,
        ("oct", _) => Kind::Symmetric,
        _ => return Err(format!("invalid key type from JSON ({kty})")),
    };
    let mut key = Key { kind, members: Members::default() };
    fill(&mut key, &document, &listed)
        .map_err(|e| format!("failed to unmarshal JSON into key (*jwk.{}): {e}", kind.name()))?;
    Ok(key)
}

fn fill(key: &mut Key, document: &Document<'_>, listed: &[(&str, NodeId)]) -> Result<(), String> {
    let next = "error reading next value: ";
    for (name, id) in listed.iter().copied() {
        let bad = |text: String| format!("failed to decode value for key {name}: {text}");
        if key.kind.members().iter().any(|(known, _)| *known == name) {
            let text = string(document, id, "string").map_err(|e| bad(format!("{next}{e}")))?;
            let value = octets(text).ok_or_else(|| bad("expected base64 encoded []byte (string)".into()))?;
            if let Some(slot) = key.members.slot(name) {
                *slot = Some(value);
            }
            continue;
        }
        match name {
            "kty" => {
                string(document, id, "string").map_err(|e| format!("error reading token: {next}{e}"))?;
            }
            "kid" | "use" | "x5t" | "x5t#S256" | "x5u" => {
                string(document, id, "string").map_err(|e| bad(format!("{next}{e}")))?;
            }
            "alg" => {
                string(document, id, "string").map_err(bad)?;
            }
            "crv" if key.kind.has_curve() => {
                let name = string(document, id, "jwa.EllipticCurveAlgorithm").map_err(bad)?;
                key.members.crv = Some(name.to_owned());
            }
            "key_ops" => list(document, id, "jwk.KeyOperationList", "jwk.KeyOperation").map_err(bad)?,
            "x5c" => list(document, id, "[]string", "string")
                .map_err(|e| bad(format!("failed to unmarshal certificate chain: {e}")))?,
            _ => {}
        }
    }
    if key.kind.has_curve() && key.members.crv.is_none() {
        return Err("required field crv is missing".into());
    }
    for (name, needed) in key.kind.members() {
        if *needed && key.members.slot(name).is_some_and(|slot| slot.is_none()) {
            return Err(format!("required field {name} is missing"));
        }
    }
    Ok(())
}

/// Refuses what is no list of strings.
fn list(document: &Document<'_>, id: NodeId, wanted: &str, element: &str) -> Result<(), String> {
    match document.item(id) {
        Item::Null => Ok(()),
        Item::Array(items) => items.iter().try_for_each(|item| string(document, *item, element).map(|_| ())),
        other => Err(format!("json: cannot unmarshal {} into Go value of type {wanted}", found(other))),
    }
}

/// A key in the form that Go's encoders take.
enum Raw {
    RsaPublic(Octets, i64),
    RsaPrivate(Box<Members>),
    EcPublic(&'static Curve, Octets, Octets),
    EcPrivate(&'static Curve, Octets, Octets, Octets),
    Ed25519Public(Octets),
    Ed25519Private(Octets),
    X25519Public,
    X25519Private,
    Symmetric,
}

/// The number that Go makes of an exponent: its last 64 bits.
fn exponent(bytes: &[u8]) -> i64 {
    bytes.iter().fold(0, |n, b| n << 8 | i64::from(*b))
}

impl Key {
    fn raw(self) -> Result<Raw, String> {
        let mut m = self.members;
        let public = |text: String| format!("failed to build public key: {text}");
        let crv = m.crv.take().unwrap_or_default();
        let mut take = |name: &str| m.slot(name).and_then(Option::take).unwrap_or_default();
        let unknown = || public(format!("invalid curve algorithm {crv}"));
        let curve = || Curve::by_jwk(&crv).ok_or_else(unknown);
        Ok(match self.kind {
            Kind::RsaPublic => {
                let e = exponent(&take("e"));
                Raw::RsaPublic(take("n"), e)
            }
            Kind::RsaPrivate => Raw::RsaPrivate(Box::new(m)),
            Kind::EcPublic => Raw::EcPublic(curve()?, take("x"), take("y")),
            Kind::EcPrivate => Raw::EcPrivate(curve()?, take("x"), take("y"), take("d")),
            Kind::OkpPublic => match crv.as_str() {
                "Ed25519" => Raw::Ed25519Public(take("x")),
                "X25519" => Raw::X25519Public,
                _ => return Err(unknown()),
            },
            Kind::OkpPrivate => {
                let (x, d) = (take("x"), take("d"));
                if d.is_empty() {
                    return Err(public("cannot use empty seed".into()));
                }
                let wrong = || public("invalid x value given d value".into());
                match crv.as_str() {
                    "Ed25519" => {
                        if d.len() != 32 {
                            return Err(public("wrong private key size".into()));
                        }
                        let pair = Ed25519KeyPair::from_seed_unchecked(&d).map_err(|_| wrong())?;
                        if pair.public_key().as_ref() != x.as_slice() {
                            return Err(wrong());
                        }
                        Raw::Ed25519Private(d)
                    }
                    "X25519" => {
                        if d.len() != 32 {
                            let length = d.len();
                            return Err(public(format!(
                                "unable to construct x25519 private key from seed: unexpected seed size: {length}"
                            )));
                        }
                        let pair = agreement::PrivateKey::from_private_key(&X25519, &d).map_err(|_| wrong())?;
                        if pair.compute_public_key().map_err(|_| wrong())?.as_ref() != x.as_slice() {
                            return Err(wrong());
                        }
                        Raw::X25519Private
                    }
                    _ => return Err(unknown()),
                }
            }
            Kind::Symmetric => Raw::Symmetric,
        })
    }
}

impl Raw {
    /// The Go type.
    fn name(&self) -> &'static str {
        match self {
            Self::RsaPublic(..) => "*rsa.PublicKey",
            Self::RsaPrivate(_) => "*rsa.PrivateKey",
            Self::EcPublic(..) => "*ecdsa.PublicKey",
            Self::EcPrivate(..) => "*ecdsa.PrivateKey",
            Self::Ed25519Public(_) => "ed25519.PublicKey",
            Self::Ed25519Private(_) => "ed25519.PrivateKey",
            Self::X25519Public => "x25519.PublicKey",
            Self::X25519Private => "x25519.PrivateKey",
            Self::Symmetric => "[]uint8",
        }
    }

    fn public(&self) -> Result<Encoded, String> {
        match self {
            Self::RsaPublic(n, e) => Ok(PublicKey::rsa(n, *e).info()),
            Self::EcPublic(curve, x, y) => PublicKey::from_coordinates(curve, x, y).map(|key| key.info()),
            Self::Ed25519Public(x) => Ok(PublicKey::ed25519(x).info()),
            Self::RsaPrivate(_)
            | Self::EcPrivate(..)
            | Self::Ed25519Private(_)
            | Self::X25519Public
            | Self::X25519Private
            | Self::Symmetric => Err(format!("x509: unsupported public key type: {}", self.name())),
        }
    }

    fn private(&self) -> Result<Encoded, String> {
        match self {
            Self::RsaPrivate(members) => rsa_private(members),
            Self::EcPrivate(curve, x, y, d) => PrivateKey::ec(curve, x, y, d)
                .map(|key| key.pkcs8())
                .map_err(|e| format!("x509: failed to marshal EC private key while building PKCS#8: {e}")),
            Self::Ed25519Private(seed) => Ok(PrivateKey::Ed25519(seed.clone()).pkcs8()),
            Self::RsaPublic(..)
            | Self::EcPublic(..)
            | Self::Ed25519Public(_)
            | Self::X25519Public
            | Self::X25519Private
            | Self::Symmetric => Err(format!("x509: unknown key type while marshaling PKCS#8: {}", self.name())),
        }
    }
}

fn slice(octets: &Option<Octets>) -> &[u8] {
    octets.as_ref().map_or(&[], |o| o.as_slice())
}

fn rsa_private(m: &Members) -> Result<Encoded, String> {
    let rest = [slice(&m.dp), slice(&m.dq), slice(&m.qi)];
    let numbers = RsaNumbers {
        n: slice(&m.n),
        e: exponent(slice(&m.e)),
        d: slice(&m.d),
        primes: [slice(&m.p), slice(&m.q)],
        rest: rest.iter().all(|r| !r.is_empty()).then_some(rest),
    };
    numbers.key().map(|key| PrivateKey::Rsa(key).pkcs8())
}
