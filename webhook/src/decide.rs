//! Decides what the webhook does about its certificates: the Secret, the published bundle and its own leaf. Pure.
//!
//! The order that keeps every API server happy: a new CA is stored together with the old one, then both are published,
//! and only when that has settled is a leaf of the new CA served. The steps are carried out in `trust`.

use std::time::Duration;

use certgen::inject::{Configuration, Service, Which};
use certgen::{Authority, Bundle, Held, Leaf, Lifetimes, Names, Step, authority};
use jiff::Timestamp;
use json_patch::Patch as JsonPatch;
use rustls_pki_types::CertificateDer;

/// What the webhook knows.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The Secret; `None` until it was first read.
    pub held: Option<&'a Held>,
    /// The configurations that are installed.
    pub configurations: &'a [Configuration],
    /// The leaf that is served.
    pub leaf: Option<&'a Leaf>,
    /// The CAs that were last in use.
    pub remembered: &'a Bundle,
    /// The CA that every configuration carries, and since when.
    pub published: Option<&'a Published>,
}

/// A CA that every configuration carries. It says which CA, since the Secret may meanwhile hold another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The CA's certificate.
    pub ca: CertificateDer<'static>,
    /// Since when it was seen in every configuration.
    pub since: Timestamp,
}

impl Published {
    fn settled_at(&self, settle: Duration) -> Timestamp {
        self.since.checked_add(settle).unwrap_or(Timestamp::MAX)
    }
}

/// What the webhook was told.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Names of its leaf.
    pub names: Names,
    /// The Service that the API servers call.
    pub service: Service,
    /// Lives of CA and leaf.
    pub lifetimes: Lifetimes,
    /// How long a bundle must have been published before a leaf of a new CA is served: API servers read
    /// configurations through a watch, each at its own pace.
    pub settle: Duration,
}

/// Why a leaf is issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeafReason {
    /// There is none.
    First,
    /// The one that is served isn't valid at this time.
    NotValid,
    /// No published bundle trusts the CA of the one that is served.
    Untrusted,
    /// The CA was replaced, and the new one is published.
    NewCa,
    /// Two thirds of its life are over.
    Due,
}

impl LeafReason {
    /// The word for logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::NotValid => "not_valid_now",
            Self::Untrusted => "untrusted",
            Self::NewCa => "new_ca",
            Self::Due => "due",
        }
    }
}

/// What to do now.
#[derive(Clone, Debug, Default)]
pub struct Decision {
    /// Write the Secret so ([`Step::Keep`] never stands here).
    pub secret: Option<Step>,
    /// The CA to sign with; `None` while there is none that can.
    pub authority: Option<Authority>,
    /// Publish so.
    pub patches: Vec<(Which, JsonPatch)>,
    /// Issue a leaf.
    pub leaf: Option<LeafReason>,
    /// When something is due next if nothing changes.
    pub wake_at: Option<Timestamp>,
}

/// Decides what to do at `now`.
pub fn decide(seen: &Seen<'_>, policy: &Policy, now: Timestamp) -> Decision {
    let Some(held) = seen.held else { return Decision::default() };
    let step = authority::decide(held, seen.remembered, &policy.names, now, &policy.lifetimes);
    let authority = match &step {
        Step::Keep(authority) | Step::Mend { authority, serving: _ } => authority.clone(),
        // Nothing may be published or served before the new CA is stored: another replica may win the race.
        Step::Replace { .. } => return Decision { secret: Some(step), ..Decision::default() },
    };
    let bundle = stored_bundle(held).unwrap_or_else(|| authority.bundle.clone());
    let pem = bundle.pem();
    let patches = seen
        .configurations
        .iter()
        .filter_map(|c| c.patch(&policy.service, pem.as_bytes()).map(|patch| (c.which, patch)))
        .collect();
    let leaf = leaf_reason(seen, policy, &authority, now);
    let wake_at = [
        Some(authority.ca.validity().due_at()),
        bundle.next_departure(policy.lifetimes.leaf),
        seen.leaf.map(|leaf| leaf.validity().due_at()),
        seen.published.map(|published| published.settled_at(policy.settle)).filter(|settled| *settled > now),
    ]
    .into_iter()
    .flatten()
    .min();
    let secret = match step {
        Step::Keep(_) => None,
        Step::Mend { .. } | Step::Replace { .. } => Some(step),
    };
    Decision { secret, authority: Some(authority), patches, leaf, wake_at }
}

/// What is published is exactly what is stored, so that all replicas publish the same.
fn stored_bundle(held: &Held) -> Option<Bundle> {
    match held {
        Held::Missing => None,
        Held::Present { resource_version: _, material } => Bundle::parse(&material.ca_crt).ok(),
    }
}

fn leaf_reason(seen: &Seen<'_>, policy: &Policy, authority: &Authority, now: Timestamp) -> Option<LeafReason> {
    let Some(leaf) = seen.leaf else { return Some(LeafReason::First) };
    if !leaf.validity().contains(now) {
        return Some(LeafReason::NotValid);
    }
    let current = authority.ca.certificate();
    if leaf.issuer() == current {
        return leaf.validity().is_due(now).then_some(LeafReason::Due);
    }
    if is_trusted_nowhere(seen.configurations, leaf.issuer()) {
        return Some(LeafReason::Untrusted);
    }
    let settled = seen.published.is_some_and(|p| p.ca == *current && p.settled_at(policy.settle) <= now);
    settled.then_some(LeafReason::NewCa)
}

/// Whether every webhook of ours in every configuration carries `ca`. True when none is installed.
pub fn is_published(configurations: &[Configuration], ca: &CertificateDer<'_>) -> bool {
    bundles(configurations).all(|bundle| bundle.is_some_and(|b| b.contains(ca)))
}

fn is_trusted_nowhere(configurations: &[Configuration], ca: &CertificateDer<'_>) -> bool {
    let mut any = false;
    for bundle in bundles(configurations) {
        any = true;
        if bundle.is_some_and(|b| b.contains(ca)) {
            return false;
        }
    }
    any
}

fn bundles(configurations: &[Configuration]) -> impl Iterator<Item = Option<Bundle>> {
    configurations.iter().flat_map(Configuration::ours).map(|hook| Bundle::parse(&hook.ca_bundle).ok())
}

#[cfg(test)]
mod tests {
    use certgen::inject::{CONFIGURATIONS, Hook};
    use certgen::{Material, fresh_key};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_780_272_000 + seconds).unwrap()
    }

    fn policy() -> Policy {
        Policy {
            names: Names::for_service("hook", "ns", &[]).unwrap(),
            service: Service { name: "hook".into(), namespace: "ns".into() },
            lifetimes: Lifetimes::default(),
            settle: Duration::from_secs(10),
        }
    }

    /// A CA issued at `at(0)` on top of `previous`, and what is stored for it.
    fn authority_after(previous: &[CertificateDer<'static>]) -> (Authority, Material) {
        let authority = authority::replace(fresh_key().unwrap(), previous, at(0), &Lifetimes::default()).unwrap();
        let key = fresh_key().unwrap();
        let material = authority::material(&authority, Some(&key), None, &policy().names, at(0)).unwrap();
        (authority, material)
    }

    fn leaf_of(authority: &Authority) -> Leaf {
        authority.ca.leaf(&fresh_key().unwrap(), &policy().names, at(0), Lifetimes::default().leaf).unwrap()
    }

    fn installed(bundle: &[u8]) -> Vec<Configuration> {
        let hook = Hook {
            name: "x.external-secrets.io".into(),
            url: None,
            service: Some(policy().service),
            ca_bundle: bundle.to_vec(),
        };
        vec![Configuration { which: CONFIGURATIONS[0], labelled: true, hooks: vec![hook] }]
    }

    struct Row<'a> {
        what: &'static str,
        stored: Option<&'a Material>,
        published: &'a [Configuration],
        /// Which CA is known to be published, and since when.
        since: Option<(&'a Authority, i64)>,
        leaf: Option<&'a Leaf>,
        now: i64,
        /// Secret write, number of patches, reason for a leaf.
        want: (&'static str, usize, Option<LeafReason>),
    }

    #[test]
    fn each_situation_has_its_decision() {
        const DAY: i64 = 86_400;
        let (old, old_stored) = authority_after(&[]);
        let (new, new_stored) = authority_after(old.bundle.certificates());
        let (stranger, _) = authority_after(&[]);
        let (old_leaf, new_leaf, lost_leaf) = (leaf_of(&old), leaf_of(&new), leaf_of(&stranger));
        let old_published = installed(old.bundle.pem().as_bytes());
        let both_published = installed(new.bundle.pem().as_bytes());
        let (wiped, foreign) = (installed(b""), installed(stranger.bundle.pem().as_bytes()));
        let garbage = Material { ca_key: "garbage".into(), ..old_stored.clone() };
        let none: Vec<Configuration> = Vec::new();
        let empty = Material::default();

        let (old_stored, new_stored) = (Some(&old_stored), Some(&new_stored));
        let table = [
            Row {
                what: "an empty Secret gets a CA before anything else",
                stored: Some(&empty),
                published: &wiped,
                since: None,
                leaf: None,
                now: 0,
                want: ("replace", 0, None),
            },
            Row {
                what: "first leaf and first publication",
                stored: old_stored,
                published: &wiped,
                since: None,
                leaf: None,
                now: 0,
                want: ("", 1, Some(LeafReason::First)),
            },
            Row {
                what: "all in order",
                stored: old_stored,
                published: &old_published,
                since: Some((&old, 0)),
                leaf: Some(&old_leaf),
                now: 60,
                want: ("", 0, None),
            },
            Row {
                what: "nothing installed is in order too",
                stored: old_stored,
                published: &none,
                since: Some((&old, 0)),
                leaf: Some(&old_leaf),
                now: 60,
                want: ("", 0, None),
            },
            Row {
                what: "a wiped bundle is published again, the leaf stays",
                stored: old_stored,
                published: &wiped,
                since: None,
                leaf: Some(&old_leaf),
                now: 60,
                want: ("", 1, None),
            },
            Row {
                what: "a foreign bundle is replaced, the leaf stays",
                stored: old_stored,
                published: &foreign,
                since: None,
                leaf: Some(&old_leaf),
                now: 60,
                want: ("", 1, None),
            },
            Row {
                what: "a broken Secret is replaced, what works goes on",
                stored: Some(&garbage),
                published: &old_published,
                since: Some((&old, 0)),
                leaf: Some(&old_leaf),
                now: 60,
                want: ("replace", 0, None),
            },
            Row {
                what: "a new CA is published before it is used",
                stored: new_stored,
                published: &old_published,
                since: None,
                leaf: Some(&old_leaf),
                now: 60,
                want: ("", 1, None),
            },
            Row {
                what: "that the old one has long been published doesn't count",
                stored: new_stored,
                published: &both_published,
                since: Some((&old, 0)),
                leaf: Some(&old_leaf),
                now: 60,
                want: ("", 0, None),
            },
            Row {
                what: "it isn't used at once",
                stored: new_stored,
                published: &both_published,
                since: Some((&new, 60)),
                leaf: Some(&old_leaf),
                now: 69,
                want: ("", 0, None),
            },
            Row {
                what: "it is used when API servers know it",
                stored: new_stored,
                published: &both_published,
                since: Some((&new, 60)),
                leaf: Some(&old_leaf),
                now: 70,
                want: ("", 0, Some(LeafReason::NewCa)),
            },
            Row {
                what: "after that nothing is left to do",
                stored: new_stored,
                published: &both_published,
                since: Some((&new, 60)),
                leaf: Some(&new_leaf),
                now: 71,
                want: ("", 0, None),
            },
            Row {
                what: "a leaf that nobody trusts is replaced at once",
                stored: new_stored,
                published: &both_published,
                since: Some((&new, 60)),
                leaf: Some(&lost_leaf),
                now: 61,
                want: ("", 0, Some(LeafReason::Untrusted)),
            },
            Row {
                what: "a leaf at two thirds of its life",
                stored: old_stored,
                published: &old_published,
                since: Some((&old, 0)),
                leaf: Some(&old_leaf),
                now: 5 * DAY,
                want: ("", 0, Some(LeafReason::Due)),
            },
            Row {
                what: "a leaf that ended while the machine slept",
                stored: old_stored,
                published: &old_published,
                since: Some((&old, 0)),
                leaf: Some(&old_leaf),
                now: 8 * DAY,
                want: ("", 0, Some(LeafReason::NotValid)),
            },
            Row {
                what: "the old CA leaves when its leaves are gone",
                stored: new_stored,
                published: &both_published,
                since: Some((&new, 0)),
                leaf: Some(&new_leaf),
                now: 7 * DAY - 1,
                want: ("", 0, Some(LeafReason::Due)),
            },
            Row {
                what: "first in the Secret",
                stored: new_stored,
                published: &both_published,
                since: Some((&new, 0)),
                leaf: None,
                now: 7 * DAY,
                want: ("mend", 0, Some(LeafReason::First)),
            },
            Row {
                what: "a CA at two thirds of its life",
                stored: old_stored,
                published: &old_published,
                since: Some((&old, 0)),
                leaf: None,
                now: 250 * DAY,
                want: ("replace", 0, None),
            },
        ];
        for Row { what, stored, published, since, leaf, now, want } in table {
            let held =
                stored.map(|material| Held::Present { resource_version: "1".into(), material: material.clone() });
            let remembered = Bundle::default();
            let since = since.map(|(authority, s)| Published { ca: authority.ca.certificate().clone(), since: at(s) });
            let seen = Seen {
                held: held.as_ref(),
                configurations: published,
                leaf,
                remembered: &remembered,
                published: since.as_ref(),
            };
            let decision = decide(&seen, &policy(), at(now));
            let secret = match &decision.secret {
                None => "",
                Some(Step::Keep(_)) => "keep",
                Some(Step::Mend { .. }) => "mend",
                Some(Step::Replace { .. }) => "replace",
            };
            assert_eq!((secret, decision.patches.len(), decision.leaf), want, "{what}");
            if want == ("", 0, None) {
                assert!(decision.wake_at.is_some_and(|wake| wake > at(now)), "{what}: wakes at {:?}", decision.wake_at);
            }
        }
    }

    #[test]
    fn nothing_is_done_before_the_secret_is_known() {
        let remembered = Bundle::default();
        let published = installed(b"");
        let seen =
            Seen { held: None, configurations: &published, leaf: None, remembered: &remembered, published: None };
        let Decision { secret, authority, patches, leaf, wake_at } = decide(&seen, &policy(), at(0));
        assert!(secret.is_none() && authority.is_none() && patches.is_empty() && leaf.is_none() && wake_at.is_none());
    }

    #[test]
    fn a_deleted_secret_overlaps_with_the_remembered_ca() {
        let (old, _) = authority_after(&[]);
        let published = installed(old.bundle.pem().as_bytes());
        let seen = Seen {
            held: Some(&Held::Missing),
            configurations: &published,
            leaf: None,
            remembered: &old.bundle,
            published: None,
        };
        let Some(Step::Replace { reason: _, previous }) = decide(&seen, &policy(), at(0)).secret else {
            panic!("no new CA")
        };
        assert_eq!(previous, old.bundle.certificates());
    }
}
