//! Says what to do with the CA's Secret as it was found: keep it, mend it, or replace the CA. Pure.
//!
//! Reading and writing the Secret is `secret`. `ca.crt` is a bundle whose first certificate belongs to `ca.key`; the
//! others are replaced CAs which are still published. `tls.crt` and `tls.key` are only for those who mount the Secret,
//! as the reference's webhook does: our webhook keeps its own leaf in memory.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::KeyPair;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use secret::SecretBytes;

use crate::Lifetimes;
use crate::bundle::{Bundle, pem_block};
use crate::issue::{Ca, IssueError, Names};
use crate::renew::{self, Unusable};

/// The four keys of the Secret, as bytes; a missing key is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Material {
    /// `ca.crt`: PEM, the signing CA first.
    pub ca_crt: Vec<u8>,
    /// `ca.key`: PEM.
    pub ca_key: SecretBytes,
    /// `tls.crt`: PEM.
    pub tls_crt: Vec<u8>,
    /// `tls.key`: PEM.
    pub tls_key: SecretBytes,
}

/// The Secret as it was last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Held {
    /// There is none.
    Missing,
    /// It exists, whatever it holds.
    Present {
        /// The version that a write is preconditioned on.
        resource_version: String,
        /// What it holds.
        material: Material,
    },
}

/// A CA that can sign, and what is published with it.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The CA that signs.
    pub ca: Ca,
    /// What the API servers are told to trust: the CA and those it replaced.
    pub bundle: Bundle,
}

/// Why a CA is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There is no Secret, or it holds no CA yet (the reference's chart ships it empty).
    Absent,
    /// What it holds can't be used.
    Unusable(Unusable),
    /// Two thirds of its life are over.
    Due,
}

impl Reason {
    /// The word for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Unusable(Unusable::Certificate) => "certificate_unreadable",
            Self::Unusable(Unusable::Key) => "key_unreadable",
            Self::Unusable(Unusable::KeyMismatch) => "key_mismatch",
            Self::Unusable(Unusable::NotCa) => "not_a_ca",
            Self::Unusable(Unusable::NotValidNow) => "not_valid_now",
            Self::Unusable(Unusable::UnknownIssuer) => "unknown_issuer",
            Self::Unusable(Unusable::Name) => "wrong_name",
            Self::Due => "due",
        }
    }
}

/// What to do with the Secret.
#[derive(Clone, Debug)]
pub enum Step {
    /// Nothing: use it.
    Keep(Authority),
    /// The CA is good; write the Secret again with this bundle, and with a new serving pair if `serving` says so.
    Mend {
        /// The CA with the bundle that should be stored.
        authority: Authority,
        /// Whether `tls.crt` and `tls.key` are to be made anew.
        serving: bool,
    },
    /// Make a new CA, and publish these with it while they overlap.
    Replace {
        /// Why.
        reason: Reason,
        /// The CAs that leaves may still chain to, newest first.
        previous: Vec<CertificateDer<'static>>,
    },
}

/// Decides what to do with the Secret at `now`.
///
/// `remembered` are the CAs that the asker last saw in use: they overlap with the new one even if the Secret was deleted.
pub fn decide(held: &Held, remembered: &Bundle, names: &Names, now: Timestamp, lifetimes: &Lifetimes) -> Step {
    let replace = |reason, stored: &Bundle| {
        let previous = stored.certificates().iter().chain(remembered.certificates()).cloned().collect();
        Step::Replace { reason, previous }
    };
    let material = match held {
        Held::Present { resource_version: _, material }
            if !material.ca_crt.is_empty() || !material.ca_key.is_empty() =>
        {
            material
        }
        Held::Missing | Held::Present { .. } => return replace(Reason::Absent, &Bundle::default()),
    };
    let stored = match Bundle::parse(&material.ca_crt) {
        Ok(stored) => stored,
        Err(unusable) => return replace(Reason::Unusable(unusable), &Bundle::default()),
    };
    let ca = match signing_ca(&stored, &material.ca_key) {
        Ok(ca) => ca,
        Err(unusable) => return replace(Reason::Unusable(unusable), &stored),
    };
    if !ca.validity().contains(now) {
        return replace(Reason::Unusable(Unusable::NotValidNow), &stored);
    }
    if ca.validity().is_due(now) {
        return replace(Reason::Due, &stored);
    }
    let bundle = Bundle::overlapping(ca.certificate(), stored.certificates(), now, lifetimes.leaf);
    let serving = check_serving(material, &ca, names, now).is_err();
    let changed = bundle != stored;
    let authority = Authority { ca, bundle };
    if changed || serving { Step::Mend { authority, serving } } else { Step::Keep(authority) }
}

/// Makes a new CA with `key`, published together with `previous` ones that are still needed.
///
/// # Errors
/// [`IssueError`] when the crypto library refuses.
pub fn replace(
    key: KeyPair,
    previous: &[CertificateDer<'static>],
    now: Timestamp,
    lifetimes: &Lifetimes,
) -> Result<Authority, IssueError> {
    let ca = Ca::issue(key, now, lifetimes.ca)?;
    let bundle = Bundle::overlapping(ca.certificate(), previous, now, lifetimes.leaf);
    Ok(Authority { ca, bundle })
}

/// What to store for an authority. The serving pair is made with `serving_key`, and lives as long as the CA, since those
/// who mount the Secret don't renew it; without a key the pair of `kept` stays.
///
/// # Errors
/// [`IssueError`] when the serving certificate can't be made.
pub fn material(
    authority: &Authority,
    serving_key: Option<&KeyPair>,
    kept: Option<&Material>,
    names: &Names,
    now: Timestamp,
) -> Result<Material, IssueError> {
    let Authority { ca, bundle } = authority;
    let (tls_crt, tls_key) = match (serving_key, kept) {
        (Some(key), _) => {
            let leaf = ca.leaf(key, names, now, Duration::MAX)?;
            (pem_block("CERTIFICATE", leaf.certificate()).into_bytes(), leaf.key_pem())
        }
        (None, Some(kept)) => (kept.tls_crt.clone(), kept.tls_key.clone()),
        (None, None) => (Vec::new(), SecretBytes::default()),
    };
    Ok(Material { ca_crt: bundle.pem().into_bytes(), ca_key: ca.key_pem().clone(), tls_crt, tls_key })
}

/// The CA that the key belongs to: normally the first; after an edit by hand perhaps another.
fn signing_ca(stored: &Bundle, key: &SecretBytes) -> Result<Ca, Unusable> {
    let mut first = None;
    for certificate in stored.certificates() {
        match Ca::from_parts(certificate.clone(), key.clone()) {
            Ok(ca) => return Ok(ca),
            Err(unusable) => {
                first.get_or_insert(unusable);
            }
        }
    }
    Err(first.unwrap_or(Unusable::Certificate))
}

fn check_serving(material: &Material, ca: &Ca, names: &Names, now: Timestamp) -> Result<(), Unusable> {
    let certificate = CertificateDer::from_pem_slice(&material.tls_crt).map_err(|_| Unusable::Certificate)?;
    let key = material.tls_key.expose_str().and_then(|pem| KeyPair::from_pem(pem).ok()).ok_or(Unusable::Key)?;
    renew::check_key(&certificate, key.public_key_raw())?;
    let name = ServerName::try_from(names.primary()).map_err(|_| Unusable::Name)?;
    renew::check_leaf(&certificate, std::slice::from_ref(ca.certificate()), &name, now)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{self, at, day};

    const DAY: i64 = 86_400;

    fn present(material: Material) -> Held {
        Held::Present { resource_version: "1".into(), material }
    }

    /// A short form of a step for the table.
    fn show(step: &Step) -> String {
        match step {
            Step::Keep(authority) => format!("keep, {} published", authority.bundle.certificates().len()),
            Step::Mend { authority, serving } => {
                format!(
                    "mend{}, {} published",
                    if *serving { " serving" } else { "" },
                    authority.bundle.certificates().len()
                )
            }
            Step::Replace { reason, previous } => format!("replace: {}, {} previous", reason.as_str(), previous.len()),
        }
    }

    #[test]
    fn each_state_of_the_secret_has_its_step() {
        let good = fixtures::healthy(at(0));
        let other = fixtures::healthy(at(0));
        let remembered = Bundle::parse(&other.ca_crt).unwrap();
        let none = Bundle::default();
        let with = |change: &dyn Fn(&mut Material)| {
            let mut material = good.clone();
            change(&mut material);
            present(material)
        };
        let rotated = {
            let previous = Bundle::parse(&other.ca_crt).unwrap();
            let authority =
                replace(crate::fresh_key().unwrap(), previous.certificates(), at(0), &Lifetimes::default()).unwrap();
            fixtures::stored(&authority, at(0))
        };
        let table: Vec<(&str, Held, &Bundle, i64, &str)> = vec![
            ("no Secret", Held::Missing, &none, 0, "replace: absent, 0 previous"),
            ("Secret deleted under us", Held::Missing, &remembered, 0, "replace: absent, 1 previous"),
            ("the empty Secret of a chart", present(Material::default()), &none, 0, "replace: absent, 0 previous"),
            ("healthy", present(good.clone()), &none, 0, "keep, 1 published"),
            ("healthy, another remembered", present(good.clone()), &remembered, 0, "keep, 1 published"),
            ("just before two thirds", present(good.clone()), &none, 243 * DAY, "keep, 1 published"),
            ("two thirds over", present(good.clone()), &none, 244 * DAY, "replace: due, 1 previous"),
            ("ended while we were down", present(good.clone()), &none, 366 * DAY, "replace: not_valid_now, 1 previous"),
            ("made by a clock far ahead", present(good.clone()), &none, -DAY, "replace: not_valid_now, 1 previous"),
            (
                "garbage certificate",
                with(&|m| m.ca_crt = b"garbage".to_vec()),
                &remembered,
                0,
                "replace: certificate_unreadable, 1 previous",
            ),
            ("garbage key", with(&|m| m.ca_key = "garbage".into()), &none, 0, "replace: key_unreadable, 1 previous"),
            ("lost key", with(&|m| m.ca_key = SecretBytes::default()), &none, 0, "replace: key_unreadable, 1 previous"),
            (
                "another CA's key",
                with(&|m| m.ca_key = other.ca_key.clone()),
                &none,
                0,
                "replace: key_mismatch, 1 previous",
            ),
            (
                "a leaf in place of the CA",
                with(&|m| {
                    m.ca_crt = m.tls_crt.clone();
                    m.ca_key = m.tls_key.clone()
                }),
                &none,
                0,
                "replace: not_a_ca, 1 previous",
            ),
            (
                "certificate lost",
                with(&|m| m.ca_crt = Vec::new()),
                &remembered,
                0,
                "replace: certificate_unreadable, 1 previous",
            ),
            ("serving pair lost", with(&|m| m.tls_crt = Vec::new()), &none, 0, "mend serving, 1 published"),
            (
                "serving pair of another CA",
                with(&|m| {
                    m.tls_crt = other.tls_crt.clone();
                    m.tls_key = other.tls_key.clone()
                }),
                &none,
                0,
                "mend serving, 1 published",
            ),
            (
                "serving key of another",
                with(&|m| m.tls_key = other.tls_key.clone()),
                &none,
                0,
                "mend serving, 1 published",
            ),
            ("freshly rotated", present(rotated.clone()), &none, 0, "keep, 2 published"),
            ("overlap over", present(rotated), &none, 7 * DAY, "mend, 1 published"),
            ("written by the reference", present(fixtures::reference()), &none, 0, "mend serving, 1 published"),
        ];
        for (what, held, remembered, now, want) in table {
            let step = decide(&held, remembered, &fixtures::names(), at(now), &Lifetimes::default());
            assert_eq!(show(&step), want, "{what}");
        }
    }

    #[test]
    fn what_the_reference_stored_for_our_service_is_kept_untouched() {
        let names = Names::for_service("external-secrets-webhook", "external-secrets", &[]).unwrap();
        let step = decide(&present(fixtures::reference()), &Bundle::default(), &names, at(0), &Lifetimes::default());
        assert_eq!(show(&step), "keep, 1 published");
    }

    #[test]
    fn the_signing_ca_is_put_first_again_after_an_edit_by_hand() {
        let good = fixtures::healthy(at(0));
        let other = fixtures::healthy(at(0));
        let ca_crt = [other.ca_crt.clone(), good.ca_crt.clone()].concat();
        let step = decide(
            &present(Material { ca_crt, ..good.clone() }),
            &Bundle::default(),
            &fixtures::names(),
            at(1),
            &Lifetimes::default(),
        );
        let Step::Mend { authority, serving: false } = step else { panic!("{step:?}") };
        assert_eq!(authority.bundle.certificates(), [fixtures::first_ca(&good), fixtures::first_ca(&other)]);
    }

    #[test]
    fn what_is_stored_after_a_replacement_is_kept_and_serves_to_the_end_of_the_ca() {
        let lifetimes = Lifetimes { ca: day(30), leaf: day(1) };
        let authority = replace(crate::fresh_key().unwrap(), &[], at(0), &lifetimes).unwrap();
        let stored = fixtures::stored(&authority, at(0));
        let leaf = CertificateDer::from_pem_slice(&stored.tls_crt).unwrap();
        assert_eq!(renew::Validity::of(&leaf).unwrap().not_after, authority.ca.validity().not_after);
        let step = decide(&present(stored), &Bundle::default(), &fixtures::names(), at(0), &lifetimes);
        assert_eq!(show(&step), "keep, 1 published");
    }
}
