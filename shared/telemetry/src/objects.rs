//! The series of single objects, in a hundred bytes an object: with a registry's own records, series by name and
//! namespace were a third of the controller's memory.
//!
//! Deliberately not here: series whose labels are from closed vocabularies (`metrics`).

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Kind, ReadyStatus};

/// What is told of one object.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    calls: u64,
    errors: u64,
    duration_ns: Option<u64>,
    ready: Option<bool>,
    deleted: bool,
}

/// Namespace, then name.
type Rows = BTreeMap<Box<str>, BTreeMap<Box<str>, Row>>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    kinds: [Mutex<Rows>; Kind::ALL.len()],
}

/// A family's name and text, and the lines of one row.
struct Family {
    name: String,
    help: &'static str,
    type_: &'static str,
    lines: fn(&Row, &mut Tell<'_>),
}

/// Takes a series' value; for a condition with its type and status.
type Tell<'a> = dyn FnMut(Option<Condition>, f64) + 'a;

/// Its type and status.
type Condition = (&'static str, &'static str);

impl Objects {
    /// Changes what is told of an object, of which nothing may have been told so far.
    fn change(&self, kind: Kind, name: &str, namespace: &str, change: impl FnOnce(&mut Row)) {
        let mut rows = self.lock(kind);
        // Looked up first: the key is made only once.
        if let Some(row) = rows.get_mut(namespace).and_then(|names| names.get_mut(name)) {
            return change(row);
        }
        change(rows.entry(namespace.into()).or_default().entry(name.into()).or_default());
    }

    pub(crate) fn sync_call(&self, name: &str, namespace: &str) {
        self.change(Kind::ExternalSecret, name, namespace, |row| row.calls += 1);
    }

    pub(crate) fn sync_error(&self, name: &str, namespace: &str) {
        self.change(Kind::ExternalSecret, name, namespace, |row| row.errors += 1);
    }

    pub(crate) fn ready(&self, kind: Kind, name: &str, namespace: &str, status: ReadyStatus) {
        let ready = match status {
            ReadyStatus::True => true,
            ReadyStatus::False => false,
        };
        self.change(kind, name, namespace, |row| row.ready = Some(ready));
    }

    pub(crate) fn reconciled(&self, kind: Kind, name: &str, namespace: &str, nanoseconds: u64) {
        self.change(kind, name, namespace, |row| row.duration_ns = Some(nanoseconds));
    }

    /// What another process tells from now on; what was counted stays.
    pub(crate) fn disown(&self, kind: Kind, name: &str, namespace: &str) {
        let mut rows = self.lock(kind);
        if let Some(row) = rows.get_mut(namespace).and_then(|names| names.get_mut(name)) {
            *row = Row { duration_ns: None, ready: None, ..*row };
        }
    }

    pub(crate) fn forget(&self, kind: Kind, name: &str, namespace: &str) {
        match kind {
            Kind::ExternalSecret => self.change(kind, name, namespace, |row| {
                *row = Row { duration_ns: None, ready: None, deleted: true, ..*row };
            }),
            Kind::SecretStore
            | Kind::ClusterSecretStore
            | Kind::ClusterExternalSecret
            | Kind::ClusterPushSecret
            | Kind::PushSecret => {
                let mut rows = self.lock(kind);
                if let Some(names) = rows.get_mut(namespace) {
                    names.remove(name);
                    if names.is_empty() {
                        rows.remove(namespace);
                    }
                }
            }
        }
    }

    /// Each family's name and labels.
    #[cfg(test)]
    pub(crate) fn families() -> Vec<(String, Vec<String>)> {
        let described = |family: Family| {
            let labels: &[&str] = if family.name.ends_with("_status_condition") {
                &["name", "namespace", "condition", "status"]
            } else {
                &["name", "namespace"]
            };
            (family.name, labels.iter().map(|label| (*label).to_owned()).collect())
        };
        Kind::ALL.into_iter().flat_map(families).map(described).collect()
    }

    /// How many texts there are.
    pub(crate) fn parts() -> usize {
        Kind::ALL.into_iter().map(|kind| families(kind).len()).sum()
    }

    /// The text of one family as Prometheus reads it, below [`Objects::parts`]; empty if it has no series. One by one, so
    /// that never all of them are in memory at once.
    pub(crate) fn part(&self, number: usize) -> String {
        let of_kind = |kind| families(kind).into_iter().map(move |family| (kind, family));
        let part = Kind::ALL.into_iter().flat_map(of_kind).nth(number);
        part.map(|(kind, family)| self.text(kind, &family)).unwrap_or_default()
    }

    fn text(&self, kind: Kind, family: &Family) -> String {
        let Family { name, help, type_, lines } = family;
        let mut text = String::new();
        for (namespace, names) in self.lock(kind).iter() {
            for (object, row) in names {
                lines(row, &mut |condition, value| {
                    if text.is_empty() {
                        text = format!("# HELP {name} {help}\n# TYPE {name} {type_}\n");
                    }
                    // Writing into a String can't fail.
                    match condition {
                        None => writeln!(text, r#"{name}{{name="{object}",namespace="{namespace}"}} {value}"#),
                        Some((of, status)) => writeln!(
                            text,
                            r#"{name}{{condition="{of}",name="{object}",namespace="{namespace}",status="{status}"}} {value}"#
                        ),
                    }
                    .ok();
                });
            }
        }
        text
    }

    fn lock(&self, kind: Kind) -> MutexGuard<'_, Rows> {
        self.kinds[kind as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The families of a kind. Names of Kubernetes objects hold nothing that a label would have to escape.
fn families(kind: Kind) -> Vec<Family> {
    let prefix = kind.as_str();
    let mut families = vec![
        Family {
            name: format!("{prefix}_status_condition"),
            help: "The status condition of an object",
            type_: "gauge",
            lines: |row, tell| {
                if let Some(ready) = row.ready {
                    tell(Some(("Ready", "True")), f64::from(u8::from(ready)));
                    tell(Some(("Ready", "False")), f64::from(u8::from(!ready)));
                }
                if row.deleted {
                    tell(Some(("Deleted", "False")), 1.0);
                }
            },
        },
        Family {
            name: format!("{prefix}_reconcile_duration"),
            help: "The duration of the last reconcile, in nanoseconds",
            type_: "gauge",
            lines: |row, tell| {
                if let Some(duration) = row.duration_ns {
                    tell(None, duration as f64);
                }
            },
        },
    ];
    match kind {
        Kind::ExternalSecret => families.extend([
            Family {
                name: "externalsecret_sync_calls_total".into(),
                help: "Total number of the External Secret sync calls",
                type_: "counter",
                lines: |row, tell| {
                    if row.calls > 0 {
                        tell(None, row.calls as f64);
                    }
                },
            },
            Family {
                name: "externalsecret_sync_calls_error".into(),
                help: "Total number of the External Secret sync errors",
                type_: "counter",
                lines: |row, tell| {
                    if row.errors > 0 {
                        tell(None, row.errors as f64);
                    }
                },
            },
        ]),
        Kind::SecretStore
        | Kind::ClusterSecretStore
        | Kind::ClusterExternalSecret
        | Kind::ClusterPushSecret
        | Kind::PushSecret => {}
    }
    families
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_family_stands_together_and_tells_every_object() {
        let objects = Objects::default();
        objects.sync_call("db", "shop");
        objects.sync_call("db", "shop");
        objects.sync_error("db", "shop");
        objects.ready(Kind::ExternalSecret, "db", "shop", ReadyStatus::False);
        objects.ready(Kind::ExternalSecret, "mail", "shop", ReadyStatus::True);
        objects.reconciled(Kind::ExternalSecret, "db", "shop", 1_500_000);
        objects.ready(Kind::ClusterSecretStore, "vault", "", ReadyStatus::True);
        objects.forget(Kind::ExternalSecret, "mail", "shop");
        objects.ready(Kind::SecretStore, "gone", "shop", ReadyStatus::True);
        objects.forget(Kind::SecretStore, "gone", "shop");
        let want = r#"# HELP externalsecret_status_condition The status condition of an object
# TYPE externalsecret_status_condition gauge
externalsecret_status_condition{condition="Ready",name="db",namespace="shop",status="True"} 0
externalsecret_status_condition{condition="Ready",name="db",namespace="shop",status="False"} 1
externalsecret_status_condition{condition="Deleted",name="mail",namespace="shop",status="False"} 1
# HELP externalsecret_reconcile_duration The duration of the last reconcile, in nanoseconds
# TYPE externalsecret_reconcile_duration gauge
externalsecret_reconcile_duration{name="db",namespace="shop"} 1500000
# HELP externalsecret_sync_calls_total Total number of the External Secret sync calls
# TYPE externalsecret_sync_calls_total counter
externalsecret_sync_calls_total{name="db",namespace="shop"} 2
# HELP externalsecret_sync_calls_error Total number of the External Secret sync errors
# TYPE externalsecret_sync_calls_error counter
externalsecret_sync_calls_error{name="db",namespace="shop"} 1
# HELP clustersecretstore_status_condition The status condition of an object
# TYPE clustersecretstore_status_condition gauge
clustersecretstore_status_condition{condition="Ready",name="vault",namespace="",status="True"} 1
clustersecretstore_status_condition{condition="Ready",name="vault",namespace="",status="False"} 0
"#;
        assert_eq!((0..Objects::parts()).map(|part| objects.part(part)).collect::<String>(), want);
    }
}
