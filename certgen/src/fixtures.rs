//! Certificates, names and times for this crate's tests.

use std::time::Duration;

use jiff::Timestamp;

use crate::authority::{self, Authority, Material};
use crate::issue::{Ca, Names, fresh_key};
use crate::{Bundle, Lifetimes};

/// 2026-06-01T00:00:00Z plus seconds.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_780_272_000 + seconds).unwrap()
}

pub(crate) fn day(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

pub(crate) fn names() -> Names {
    Names::for_service("hook", "ns", &["localhost".into()]).unwrap()
}

pub(crate) fn ca(issued: Timestamp) -> Ca {
    Ca::issue(fresh_key().unwrap(), issued, day(365)).unwrap()
}

/// What a healthy Secret holds, issued at a time.
pub(crate) fn healthy(issued: Timestamp) -> Material {
    let authority = authority::replace(fresh_key().unwrap(), &[], issued, &Lifetimes::default()).unwrap();
    stored(&authority, issued)
}

pub(crate) fn stored(authority: &Authority, issued: Timestamp) -> Material {
    authority::material(authority, Some(&fresh_key().unwrap()), None, &names(), issued).unwrap()
}

pub(crate) fn first_ca(material: &Material) -> rustls_pki_types::CertificateDer<'static> {
    Bundle::parse(&material.ca_crt).unwrap().certificates()[0].clone()
}

/// What the reference's certcontroller stores, made by Go: RSA-2048, PKCS#1 keys, serial numbers 0 and 1, ten years from
/// 2026-01-01, for `external-secrets-webhook.external-secrets.svc`.
pub(crate) fn reference() -> Material {
    Material {
        ca_crt: include_bytes!("../testdata/reference/ca.crt").to_vec(),
        ca_key: include_bytes!("../testdata/reference/ca.key").to_vec().into(),
        tls_crt: include_bytes!("../testdata/reference/tls.crt").to_vec(),
        tls_key: include_bytes!("../testdata/reference/tls.key").to_vec().into(),
    }
}
