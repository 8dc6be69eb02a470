//! The CAs that are published together, as one PEM bundle: which belong in it, and how it is read and written.
//!
//! A replaced CA stays until no leaf of it can be served any more. The bundle's truth is the Secret's `ca.crt`; replicas
//! publish exactly what is there, so that clocks which differ can't make them undo each other's writes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use crate::renew::{self, Unusable, Validity};

/// More CAs than this are not kept: something is replacing them faster than leaves expire.
pub const MAX_CAS: usize = 8;

/// CA certificates in the order of publication, the signing one first; no repeats.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle(Vec<CertificateDer<'static>>);

impl Bundle {
    /// Reads PEM. Text between the blocks and blocks of other kinds are passed over; repeats are dropped.
    ///
    /// # Errors
    /// [`Unusable::Certificate`] when there is no certificate, or one of them can't be read.
    pub fn parse(pem: &[u8]) -> Result<Self, Unusable> {
        let mut bundle = Self::default();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| Unusable::Certificate)?.into_owned();
            Validity::of(&certificate)?;
            bundle.add(certificate);
        }
        if bundle.0.is_empty() { Err(Unusable::Certificate) } else { Ok(bundle) }
    }

    /// The bundle to publish when `current` signs and `previous` CAs did before.
    ///
    /// A previous CA stays while it is valid, is really a CA, and its successor was issued less than `overlap` ago; the
    /// newest [`MAX_CAS`] at most.
    pub fn overlapping<'a>(
        current: &CertificateDer<'static>,
        previous: impl IntoIterator<Item = &'a CertificateDer<'static>>,
        now: Timestamp,
        overlap: Duration,
    ) -> Self {
        let mut older: Vec<(Validity, CertificateDer<'static>)> = previous
            .into_iter()
            .filter(|ca| *ca != current && renew::check_ca(ca).is_ok())
            .filter_map(|ca| Validity::of(ca).ok().map(|validity| (validity, ca.clone())))
            .collect();
        older.sort_by_key(|(validity, _)| std::cmp::Reverse(validity.issued()));
        let mut bundle = Self::default();
        let mut successor = Validity::of(current).ok();
        bundle.add(current.clone());
        for (validity, ca) in older {
            let stays = validity.not_after > now && successor.is_none_or(|s| now < end_of_overlap(s, overlap));
            if stays && bundle.0.len() < MAX_CAS {
                bundle.add(ca);
            }
            successor = Some(validity);
        }
        bundle
    }

    /// When the next previous CA leaves the bundle, if there is one.
    pub fn next_departure(&self, overlap: Duration) -> Option<Timestamp> {
        let validities: Vec<Validity> = self.0.iter().filter_map(|ca| Validity::of(ca).ok()).collect();
        validities
            .windows(2)
            .filter_map(|pair| match pair {
                [successor, own] => Some(end_of_overlap(*successor, overlap).min(own.not_after)),
                _ => None,
            })
            .min()
    }

    /// The certificates, the signing one first.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.0
    }

    /// Whether `certificate` is one of them.
    pub fn contains(&self, certificate: &CertificateDer<'_>) -> bool {
        self.0.iter().any(|own| own == certificate)
    }

    /// The PEM text, one block a certificate.
    pub fn pem(&self) -> String {
        self.0.iter().map(|ca| pem_block("CERTIFICATE", ca)).collect()
    }

    fn add(&mut self, certificate: CertificateDer<'static>) {
        if !self.contains(&certificate) {
            self.0.push(certificate);
        }
    }
}

fn end_of_overlap(successor: Validity, overlap: Duration) -> Timestamp {
    successor.issued().checked_add(overlap).unwrap_or(Timestamp::MAX)
}

/// One PEM block, lines of 64 characters as RFC 7468 asks.
pub(crate) fn pem_block(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, at, day};

    const DAY: i64 = 86_400;

    #[test]
    fn a_replaced_ca_stays_until_its_leaves_are_gone() {
        let (oldest, old, new) = (fixtures::ca(at(0)), fixtures::ca(at(10 * DAY)), fixtures::ca(at(12 * DAY)));
        // (time, which of old and oldest are published with the new one)
        let table: [(i64, &[&CertificateDer<'static>]); 5] = [
            (12 * DAY, &[old.certificate(), oldest.certificate()]),
            (17 * DAY - 1, &[old.certificate(), oldest.certificate()]),
            (17 * DAY, &[old.certificate()]),
            (19 * DAY - 1, &[old.certificate()]),
            (19 * DAY, &[]),
        ];
        for (now, with) in table {
            let previous = [oldest.certificate(), old.certificate(), new.certificate(), old.certificate()];
            let bundle = Bundle::overlapping(new.certificate(), previous, at(now), day(7));
            let want: Vec<_> = std::iter::once(new.certificate()).chain(with.iter().copied()).collect();
            assert_eq!(bundle.certificates().iter().collect::<Vec<_>>(), want, "at {now}");
            let departure = bundle.next_departure(day(7));
            assert!(
                departure.is_none_or(|d| d > at(now)),
                "the next departure {departure:?} lies in the future of {now}"
            );
            assert_eq!(departure.is_none(), with.is_empty());
        }
    }

    #[test]
    fn expired_and_foreign_certificates_are_not_published() {
        let old = fixtures::ca(at(-364 * DAY));
        let new = fixtures::ca(at(0));
        let leaf = old.leaf(&crate::fresh_key().unwrap(), &fixtures::names(), at(-DAY), day(7)).unwrap();
        let junk = CertificateDer::from(b"junk".to_vec());
        let bundle = |now| {
            Bundle::overlapping(new.certificate(), [leaf.certificate(), &junk, old.certificate()], at(now), day(7))
        };
        assert_eq!(bundle(0).certificates(), [new.certificate().clone(), old.certificate().clone()]);
        assert_eq!(bundle(DAY).certificates(), [new.certificate().clone()], "the old one ended");
    }

    #[test]
    fn a_storm_of_replacements_is_bounded() {
        let many: Vec<_> = (0..12).map(|i| fixtures::ca(at(i))).collect();
        let bundle =
            Bundle::overlapping(many[11].certificate(), many.iter().map(crate::Ca::certificate), at(12), day(7));
        assert_eq!(bundle.certificates().len(), MAX_CAS);
        assert_eq!(bundle.certificates()[1], *many[10].certificate(), "the newest ones stay");
    }

    #[test]
    fn pem_survives_a_round_trip_with_text_between_the_blocks() {
        let (one, two) = (fixtures::ca(at(0)), fixtures::ca(at(1)));
        let bundle = Bundle::overlapping(two.certificate(), [one.certificate()], at(2), day(7));
        assert_eq!(Bundle::parse(bundle.pem().as_bytes()).unwrap(), bundle);
        let noisy = format!("# ours\n{}\nbetween\n{}", bundle.pem(), bundle.pem());
        assert_eq!(Bundle::parse(noisy.as_bytes()).unwrap(), bundle, "repeats are dropped");
    }

    #[test]
    fn what_is_no_bundle_is_refused() {
        let cut = fixtures::ca(at(0));
        let cut = pem_block("CERTIFICATE", &cut.certificate()[..100]);
        for bad in [
            "",
            "hello",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "-----BEGIN CERTIFICATE-----\n",
            &cut,
        ] {
            assert_eq!(Bundle::parse(bad.as_bytes()), Err(Unusable::Certificate), "{bad:?}");
        }
    }
}
