//! Says when a certificate is due for renewal and whether a certificate is usable. Pure: the time is an argument.
//!
//! What follows from it for the Secret is `authority`; what follows for a serving webhook is its `decide`.

use std::time::Duration;

use jiff::Timestamp;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::BACKDATE;

/// Why a certificate, or a certificate with its key, can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// There is no certificate, or it is no X.509.
    #[error("the certificate can't be read")]
    Certificate,
    /// There is no key, or it is none that can sign.
    #[error("the private key can't be read")]
    Key,
    /// The key belongs to another certificate.
    #[error("the private key doesn't fit the certificate")]
    KeyMismatch,
    /// The certificate isn't marked as a CA.
    #[error("the certificate is no CA")]
    NotCa,
    /// The time lies before the first or after the last second of its life.
    #[error("the certificate is not valid at this time")]
    NotValidNow,
    /// No published CA signed it.
    #[error("the certificate was not signed by a CA of the bundle")]
    UnknownIssuer,
    /// It is for other names.
    #[error("the certificate is not for this name")]
    Name,
}

/// The first and last second of a certificate's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Valid from then on.
    pub not_before: Timestamp,
    /// Valid until then.
    pub not_after: Timestamp,
}

impl Validity {
    /// Reads it from a certificate.
    ///
    /// # Errors
    /// [`Unusable::Certificate`] when it is no X.509.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Self, Unusable> {
        let parsed = parse(certificate)?;
        let read =
            |t: x509_parser::time::ASN1Time| Timestamp::from_second(t.timestamp()).map_err(|_| Unusable::Certificate);
        Ok(Self { not_before: read(parsed.validity().not_before)?, not_after: read(parsed.validity().not_after)? })
    }

    /// Whether `now` lies inside of the life.
    pub fn contains(&self, now: Timestamp) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// When it was issued: certificates are back-dated by [`BACKDATE`].
    pub fn issued(&self) -> Timestamp {
        self.not_before.checked_add(BACKDATE).unwrap_or(self.not_before).min(self.not_after)
    }

    /// When to renew it: at two thirds of its life, counted from its issue.
    pub fn due_at(&self) -> Timestamp {
        let issued = self.issued();
        let life = u64::try_from(self.not_after.as_second().saturating_sub(issued.as_second())).unwrap_or(0);
        issued.checked_add(Duration::from_millis(life.saturating_mul(2000) / 3)).unwrap_or(self.not_after)
    }

    /// Whether it is due at `now`, also when its life hasn't begun (a clock was wrong).
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.due_at() || now < self.not_before
    }
}

/// Checks that a leaf chains to one of `anchors` and is good for `name` at `now`, as a TLS client would.
///
/// # Errors
/// [`Unusable`] with the first thing that a client would object to.
pub fn check_leaf(
    leaf: &CertificateDer<'_>,
    anchors: &[CertificateDer<'static>],
    name: &ServerName<'_>,
    now: Timestamp,
) -> Result<(), Unusable> {
    let end = EndEntityCert::try_from(leaf).map_err(|_| Unusable::Certificate)?;
    let anchors: Vec<_> = anchors.iter().filter_map(|ca| webpki::anchor_from_trusted_cert(ca).ok()).collect();
    let seconds = u64::try_from(now.as_second()).map_err(|_| Unusable::NotValidNow)?;
    end.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &anchors,
        &[],
        UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map_err(|error| match error {
        webpki::Error::CertExpired { .. } | webpki::Error::CertNotValidYet { .. } => Unusable::NotValidNow,
        _ => Unusable::UnknownIssuer,
    })?;
    end.verify_is_valid_for_subject_name(name).map_err(|_| Unusable::Name)
}

/// Checks that a public key, as the raw bits of the SubjectPublicKeyInfo, is the certificate's.
///
/// # Errors
/// [`Unusable::Certificate`] or [`Unusable::KeyMismatch`].
pub fn check_key(certificate: &CertificateDer<'_>, public_key: &[u8]) -> Result<(), Unusable> {
    let parsed = parse(certificate)?;
    if *parsed.public_key().subject_public_key.data == *public_key { Ok(()) } else { Err(Unusable::KeyMismatch) }
}

/// Checks that a certificate is marked as a CA and may sign certificates.
///
/// # Errors
/// [`Unusable::Certificate`] or [`Unusable::NotCa`].
pub fn check_ca(certificate: &CertificateDer<'_>) -> Result<(), Unusable> {
    let parsed = parse(certificate)?;
    let may_sign = match parsed.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    if parsed.is_ca() && may_sign { Ok(()) } else { Err(Unusable::NotCa) }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Unusable> {
    X509Certificate::from_der(certificate).map(|(_, parsed)| parsed).map_err(|_| Unusable::Certificate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, at, day};
    use crate::issue::{Ca, fresh_key};

    #[test]
    fn a_certificate_is_due_at_two_thirds_of_its_life_from_issue() {
        // (seconds of life from issue, seconds from issue to now, due)
        let table = [
            (300, 199, false),
            (300, 200, true),
            (300, 301, true),
            (365 * 86_400, 243 * 86_400, false),
            (365 * 86_400, 244 * 86_400, true),
            (300, -3600, false),
            (300, -3601, true),
        ];
        for (life, now, due) in table {
            let validity = Validity { not_before: at(-3600), not_after: at(life) };
            assert_eq!(validity.is_due(at(now)), due, "life {life}, now {now}");
        }
    }

    #[test]
    fn a_life_shorter_than_the_back_dating_is_due_at_its_end() {
        let validity = Validity { not_before: at(0), not_after: at(60) };
        assert_eq!(validity.due_at(), at(60));
    }

    #[test]
    fn a_leaf_is_judged_as_a_client_would() {
        let (ours, other) = (fixtures::ca(at(0)), fixtures::ca(at(0)));
        let leaf = ours.leaf(&fresh_key().unwrap(), &fixtures::names(), at(0), day(7)).unwrap();
        let both = [other.certificate().clone(), ours.certificate().clone()];
        // (anchors, seconds from issue, name, verdict)
        let table: [(&[_], i64, &str, Result<(), Unusable>); 7] = [
            (&both[1..], 0, "hook.ns.svc", Ok(())),
            (&both, 0, "hook.ns.svc", Ok(())),
            (&both[..1], 0, "hook.ns.svc", Err(Unusable::UnknownIssuer)),
            (&[], 0, "hook.ns.svc", Err(Unusable::UnknownIssuer)),
            (&both, 0, "else.ns.svc", Err(Unusable::Name)),
            (&both, -3601, "hook.ns.svc", Err(Unusable::NotValidNow)),
            (&both, 7 * 86_400 + 1, "hook.ns.svc", Err(Unusable::NotValidNow)),
        ];
        for (anchors, seconds, name, verdict) in table {
            let server = ServerName::try_from(name).unwrap();
            assert_eq!(check_leaf(leaf.certificate(), anchors, &server, at(seconds)), verdict, "{name} at {seconds}");
        }
    }

    #[test]
    fn parts_that_do_not_make_a_ca_are_told_apart() {
        let (ours, other) = (fixtures::ca(at(0)), fixtures::ca(at(0)));
        let leaf = ours.leaf(&fresh_key().unwrap(), &fixtures::names(), at(0), day(7)).unwrap();
        let junk = CertificateDer::from(b"junk".to_vec());
        let table = [
            (ours.certificate().clone(), other.key_pem().clone(), Unusable::KeyMismatch),
            (ours.certificate().clone(), "".into(), Unusable::Key),
            (ours.certificate().clone(), "junk".into(), Unusable::Key),
            (ours.certificate().clone(), vec![0xff, 0xfe].into(), Unusable::Key),
            (leaf.certificate().clone(), leaf.key_pem(), Unusable::NotCa),
            (junk, ours.key_pem().clone(), Unusable::Certificate),
        ];
        for (certificate, key, why) in table {
            assert_eq!(Ca::from_parts(certificate, key).map(|_| ()).unwrap_err(), why);
        }
    }
}
