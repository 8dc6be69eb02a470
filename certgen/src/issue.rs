//! Makes certificates: the CA, leaves of it, and the names that a leaf is good for.
//!
//! The time and the key are handed in; [`fresh_key`] is the one function that draws randomness for a key (ECDSA
//! signatures draw their own inside of the crypto library). Whether a certificate is due or usable is `renew`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls_pki_types::{CertificateDer, DnsName, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use secret::SecretBytes;
use time::OffsetDateTime;

use crate::BACKDATE;
use crate::bundle::pem_block;
use crate::renew::{self, Unusable, Validity};

/// Common name and organisation of the CA, and the DNS name that it bears: the reference's certcontroller looks for it,
/// so that going back finds a CA it knows how to judge.
pub const CA_NAME: &str = "external-secrets";

/// X.520 allows 64 characters in a common name; longer service names go into the alternative names only.
const MAX_COMMON_NAME: usize = 64;

/// Why a certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// A name that is neither a DNS name nor an IP address.
    #[error("{0:?} is neither a DNS name nor an IP address: give names such as example.com, localhost or 10.0.0.1")]
    Name(String),
    /// The crypto library refused; the text is its own and holds no key.
    #[error("could not make a certificate: {0}")]
    Crypto(String),
    /// The certificate would end before it begins, or lies outside of what a certificate can express.
    #[error("could not make a certificate: its life would end at {0}, which is not after now")]
    Lifetime(Timestamp),
}

impl From<rcgen::Error> for IssueError {
    fn from(error: rcgen::Error) -> Self {
        Self::Crypto(error.to_string())
    }
}

/// Draws a new ECDSA P-256 key.
///
/// # Errors
/// [`IssueError::Crypto`] when the system has no randomness to give.
pub fn fresh_key() -> Result<KeyPair, IssueError> {
    Ok(KeyPair::generate()?)
}

/// The names that a leaf is good for; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    primary: String,
    others: Vec<String>,
}

impl Names {
    /// The names of a Service, from the one that the API server calls (`<service>.<namespace>.svc`) to the short and the
    /// long ones, and then `extra` (DNS names or IP addresses), without repeats.
    ///
    /// # Errors
    /// [`IssueError::Name`] for the first one that is neither.
    pub fn for_service(service: &str, namespace: &str, extra: &[String]) -> Result<Self, IssueError> {
        let primary = format!("{service}.{namespace}.svc");
        let mut others: Vec<String> = Vec::new();
        let own =
            [format!("{service}.{namespace}.svc.cluster.local"), format!("{service}.{namespace}"), service.to_owned()];
        for name in own.iter().chain(extra) {
            if *name != primary && !others.contains(name) {
                others.push(name.clone());
            }
        }
        for name in std::iter::once(&primary).chain(&others) {
            ServerName::try_from(name.as_str()).map_err(|_| IssueError::Name(name.clone()))?;
        }
        Ok(Self { primary, others })
    }

    /// The name under which the API server calls the Service.
    pub fn primary(&self) -> &str {
        &self.primary
    }

    /// All names, the primary one first.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.primary.as_str()).chain(self.others.iter().map(String::as_str))
    }

    fn alternative_names(&self) -> Result<Vec<SanType>, IssueError> {
        self.all()
            .map(|name| match name.parse::<IpAddr>() {
                Ok(address) => Ok(SanType::IpAddress(address)),
                Err(_) => {
                    DnsName::try_from(name).map_err(|_| IssueError::Name(name.to_owned()))?;
                    Ok(SanType::DnsName(name.try_into()?))
                }
            })
            .collect()
    }
}

/// A CA with its key: able to sign leaves. Not serialisable as a whole, so that the key travels only on purpose.
#[derive(Clone)]
pub struct Ca {
    certificate: CertificateDer<'static>,
    key: Arc<KeyPair>,
    key_pem: SecretBytes,
    validity: Validity,
}

impl std::fmt::Debug for Ca {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { certificate: _, key: _, key_pem: _, validity } = self;
        f.debug_struct("Ca").field("validity", validity).finish_non_exhaustive()
    }
}

impl Ca {
    /// Makes a self-signed CA which is valid from an hour before `now` until `lifetime` after it.
    ///
    /// # Errors
    /// [`IssueError::Crypto`] or [`IssueError::Lifetime`].
    pub fn issue(key: KeyPair, now: Timestamp, lifetime: Duration) -> Result<Self, IssueError> {
        let mut params = params(now, saturating_add(now, lifetime))?;
        params.distinguished_name = distinguished_name(Some(CA_NAME));
        params.subject_alt_names = vec![SanType::DnsName(CA_NAME.try_into()?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate: CertificateDer<'static> = params.self_signed(&key)?.into();
        let validity = Validity::of(&certificate).map_err(|e| IssueError::Crypto(e.to_string()))?;
        let key_pem = SecretBytes::from(key.serialize_pem());
        Ok(Self { certificate, key: Arc::new(key), key_pem, validity })
    }

    /// Takes a CA as it was stored: DER certificate and PEM key (PKCS#8, SEC1, or PKCS#1 as the reference writes it).
    ///
    /// # Errors
    /// [`Unusable`] when a part can't be read, the key isn't the certificate's, or it is no CA. Its dates are not judged.
    pub fn from_parts(certificate: CertificateDer<'static>, key_pem: SecretBytes) -> Result<Self, Unusable> {
        let text = key_pem.expose_str().filter(|t| !t.trim().is_empty()).ok_or(Unusable::Key)?;
        let key = KeyPair::from_pem(text).map_err(|_| Unusable::Key)?;
        let validity = Validity::of(&certificate)?;
        renew::check_ca(&certificate)?;
        renew::check_key(&certificate, key.public_key_raw())?;
        Ok(Self { certificate, key: Arc::new(key), key_pem, validity })
    }

    /// The certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The key, PEM, for the Secret.
    pub fn key_pem(&self) -> &SecretBytes {
        &self.key_pem
    }

    /// From when to when the CA is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// Signs a leaf for `names`, valid from an hour before `now` until `lifetime` after it, or until the CA ends.
    ///
    /// # Errors
    /// [`IssueError::Name`] for a name that can't be in a certificate, [`IssueError::Crypto`], or
    /// [`IssueError::Lifetime`] when the CA has ended.
    pub fn leaf(&self, key: &KeyPair, names: &Names, now: Timestamp, lifetime: Duration) -> Result<Leaf, IssueError> {
        let mut params = params(now, saturating_add(now, lifetime).min(self.validity.not_after))?;
        params.distinguished_name = distinguished_name(Some(names.primary()).filter(|n| n.len() <= MAX_COMMON_NAME));
        params.subject_alt_names = names.alternative_names()?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let issuer = Issuer::from_ca_cert_der(&self.certificate, &*self.key)?;
        let certificate: CertificateDer<'static> = params.signed_by(key, &issuer)?.into();
        let validity = Validity::of(&certificate).map_err(|e| IssueError::Crypto(e.to_string()))?;
        let key = SecretBytes::new(key.serialize_der());
        Ok(Leaf { certificate, key, issuer: self.certificate.clone(), validity })
    }
}

/// A serving certificate with its key.
#[derive(Clone)]
pub struct Leaf {
    certificate: CertificateDer<'static>,
    key: SecretBytes,
    issuer: CertificateDer<'static>,
    validity: Validity,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { certificate: _, key: _, issuer: _, validity } = self;
        f.debug_struct("Leaf").field("validity", validity).finish_non_exhaustive()
    }
}

impl Leaf {
    /// The certificate, DER.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The certificate of the CA that signed it, DER.
    pub fn issuer(&self) -> &CertificateDer<'static> {
        &self.issuer
    }

    /// From when to when the leaf is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    /// The key in the form that rustls takes.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.expose().to_vec()))
    }

    /// The key as PEM (PKCS#8), for the Secret.
    pub fn key_pem(&self) -> SecretBytes {
        SecretBytes::from(pem_block("PRIVATE KEY", self.key.expose()))
    }
}

fn params(now: Timestamp, not_after: Timestamp) -> Result<CertificateParams, IssueError> {
    if not_after <= now {
        return Err(IssueError::Lifetime(not_after));
    }
    let mut params = CertificateParams::default();
    params.not_before = to_offset(now.checked_sub(BACKDATE).unwrap_or(Timestamp::UNIX_EPOCH))?;
    params.not_after = to_offset(not_after)?;
    Ok(params)
}

fn distinguished_name(common_name: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, CA_NAME);
    if let Some(common_name) = common_name {
        name.push(DnType::CommonName, common_name);
    }
    name
}

/// Certificates count in whole seconds.
fn to_offset(at: Timestamp) -> Result<OffsetDateTime, IssueError> {
    OffsetDateTime::from_unix_timestamp(at.as_second()).map_err(|_| IssueError::Lifetime(at))
}

fn saturating_add(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, at, day};
    use crate::renew::check_leaf;

    #[test]
    fn names_of_a_service_come_in_every_form_without_repeats() {
        let names = Names::for_service("hook", "ns", &["localhost".into(), "hook".into(), "10.0.0.1".into()]).unwrap();
        let all: Vec<&str> = names.all().collect();
        assert_eq!(all, ["hook.ns.svc", "hook.ns.svc.cluster.local", "hook.ns", "hook", "localhost", "10.0.0.1"]);
    }

    #[test]
    fn a_bad_name_is_named() {
        for bad in ["has space", "", "https://x", "a..b"] {
            let error = Names::for_service("hook", "ns", &[bad.into()]).unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn a_leaf_is_good_for_each_of_its_names_and_for_no_other() {
        let ca = fixtures::ca(at(0));
        let names = Names::for_service("hook", "ns", &["localhost".into(), "127.0.0.1".into(), "::1".into()]).unwrap();
        let leaf = ca.leaf(&fresh_key().unwrap(), &names, at(0), day(7)).unwrap();
        let check = |name: &str| {
            let name = ServerName::try_from(name.to_owned()).unwrap();
            check_leaf(leaf.certificate(), std::slice::from_ref(ca.certificate()), &name, at(0))
        };
        for name in names.all() {
            assert_eq!(check(name), Ok(()), "{name}");
        }
        assert_eq!(check("hook.other.svc"), Err(Unusable::Name));
        assert_eq!(check("127.0.0.2"), Err(Unusable::Name));
    }

    #[test]
    fn lives_are_back_dated_by_an_hour_and_a_leaf_ends_with_its_ca() {
        let ca = fixtures::ca(at(0));
        assert_eq!(ca.validity(), Validity { not_before: at(-3600), not_after: at(365 * 86_400) });
        let late = at(364 * 86_400);
        let leaf = ca.leaf(&fresh_key().unwrap(), &fixtures::names(), late, day(7)).unwrap();
        assert_eq!(
            leaf.validity(),
            Validity { not_before: at(364 * 86_400 - 3600), not_after: ca.validity().not_after }
        );
        assert!(matches!(
            ca.leaf(&fresh_key().unwrap(), &fixtures::names(), at(366 * 86_400), day(7)),
            Err(IssueError::Lifetime(_))
        ));
    }

    #[test]
    fn a_service_name_too_long_for_a_common_name_is_still_served() {
        let ca = fixtures::ca(at(0));
        let names = Names::for_service(&"h".repeat(60), "namespace", &[]).unwrap();
        let leaf = ca.leaf(&fresh_key().unwrap(), &names, at(0), day(7)).unwrap();
        let name = ServerName::try_from(names.primary().to_owned()).unwrap();
        assert_eq!(check_leaf(leaf.certificate(), std::slice::from_ref(ca.certificate()), &name, at(0)), Ok(()));
    }

    #[test]
    fn the_references_rsa_ca_signs_as_it_is() {
        let material = fixtures::reference();
        let certificate = crate::Bundle::parse(&material.ca_crt).unwrap().certificates()[0].clone();
        let ca = Ca::from_parts(certificate, material.ca_key).unwrap();
        let leaf = ca.leaf(&fresh_key().unwrap(), &fixtures::names(), at(0), day(7)).unwrap();
        let name = ServerName::try_from(fixtures::names().primary().to_owned()).unwrap();
        assert_eq!(check_leaf(leaf.certificate(), std::slice::from_ref(ca.certificate()), &name, at(0)), Ok(()));
    }

    #[test]
    fn debug_shows_no_key() {
        let ca = fixtures::ca(at(0));
        let leaf = ca.leaf(&fresh_key().unwrap(), &fixtures::names(), at(0), day(7)).unwrap();
        let shown = format!("{ca:?} {leaf:?} {:?}", leaf.key_pem());
        assert!(!shown.contains("PRIVATE") && shown.contains("validity"), "{shown}");
    }
}
