//! PushSecrets on a real cluster with real backends: what goes out, when, and what is taken back.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use e2e::operator::Controller;
use e2e::testbed::{Parts, SOON, Suite, Testbed};
use e2e::{Context, Result, wait};
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use reqwest::Method;
use serde_json::{Value, json};

static SUITE: Suite = Suite::new(Parts::syncing);
static KILLED: Suite = Suite::new(|| Parts { controller: None, ..Parts::syncing() });

const SYNCED: &str = "True Synced: PushSecret synced successfully";
const SYNCED_IF_NOT_EXISTS: &str =
    "True Synced: PushSecret synced successfully. Existing secrets in providers unchanged.";

const STORES: &str = "
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: $NS}
stringData: {id: test, secret: test, token: root}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: vault, namespace: $NS}
spec:
  provider:
    vault: {server: $VAULT, path: secret, version: v2, auth: {tokenSecretRef: {name: login, key: token}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: secretsmanager, namespace: $NS}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      secretsManager: {forceDeleteWithoutRecovery: true}
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: login, key: id}
          secretAccessKeySecretRef: {name: login, key: secret}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: parameterstore, namespace: $NS}
spec:
  provider:
    aws:
      service: ParameterStore
      region: eu-central-1
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: login, key: id}
          secretAccessKeySecretRef: {name: login, key: secret}
---
apiVersion: v1
kind: Secret
metadata: {name: source, namespace: $NS}
stringData: {username: admin, password: first}
";

/// The three stores, each as a place in which texts lie under keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Store {
    Vault,
    SecretsManager,
    Parameters,
}

impl Store {
    const ALL: [Self; 3] = [Self::Vault, Self::SecretsManager, Self::Parameters];

    fn name(self) -> &'static str {
        match self {
            Self::Vault => "vault",
            Self::SecretsManager => "secretsmanager",
            Self::Parameters => "parameterstore",
        }
    }

    /// Vault holds objects, so that a value needs a property there.
    fn property(self) -> &'static str {
        match self {
            Self::Vault => ", property: value",
            Self::SecretsManager | Self::Parameters => "",
        }
    }

    /// The value, and something that changes with each write.
    async fn read(self, bed: &Testbed, key: &str) -> Result<Option<(String, String)>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(match self {
            Self::Vault => {
                let found = bed.openbao()?.call(Method::GET, &format!("secret/data/{key}"), Value::Null).await.ok();
                found.map(|it| (text(&it["data"]["data"]["value"]), it["data"]["metadata"]["version"].to_string()))
            }
            Self::SecretsManager => {
                let found = bed.moto()?.call("GetSecretValue", json!({ "SecretId": key })).await.ok();
                found.map(|it| {
                    let bytes = it["SecretBinary"].as_str().and_then(|bytes| STANDARD.decode(bytes).ok());
                    let value =
                        bytes.map_or_else(|| text(&it["SecretString"]), |it| String::from_utf8_lossy(&it).into());
                    (value, text(&it["VersionId"]))
                })
            }
            Self::Parameters => {
                let found = bed.moto()?.parameter(key).await.ok();
                found.map(|it| (text(&it["Value"]), it["Version"].to_string()))
            }
        })
    }

    async fn write(self, bed: &Testbed, key: &str, value: &str) -> Result<()> {
        match self {
            Self::Vault => bed.openbao()?.write(key, json!({ "value": value })).await,
            Self::SecretsManager => bed.moto()?.create(key, value).await,
            Self::Parameters => bed.moto()?.put_parameter(key, value, &[]).await,
        }
    }
}

/// A PushSecret of the source's password to one store, under `key`.
fn push(store: Store, key: &str, more: &str) -> String {
    format!(
        "
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {{name: {name}, namespace: $NS}}
spec:
  refreshInterval: 1h
  secretStoreRefs: [{{name: {name}}}]
  selector: {{secret: {{name: source}}}}
  data: [{{match: {{secretKey: password, remoteRef: {{remoteKey: {key}{property}}}}}}}]
  {more}
",
        name = store.name(),
        property = store.property(),
    )
}

async fn says(bed: &Testbed, namespace: &str, name: &str, wished: &str) -> Result<DynamicObject> {
    wait::ready_says(&bed.cluster.objects("PushSecret", Some(namespace))?, name, SOON, wished).await
}

/// Gives the source Secret a password.
async fn rotate(bed: &Testbed, namespace: &str, password: &str) -> Result<()> {
    let patch = json!({"stringData": {"password": password}});
    bed.cluster.secrets(namespace).patch("source", &PatchParams::default(), &Patch::Merge(&patch)).await?;
    Ok(())
}

/// Asks the backend, which can't be watched, until it holds `wished`.
async fn holds(bed: &Testbed, store: Store, key: &str, wished: Option<&str>) -> Result<()> {
    let asking = async {
        loop {
            let found = store.read(bed, key).await?.map(|(value, _)| value);
            if found.as_deref() == wished {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(SOON, asking).await.context(format!("{} {key} does not become {wished:?}", store.name()))?
}

async fn delete(bed: &Testbed, namespace: &str, name: &str) -> Result<()> {
    let all = bed.cluster.objects("PushSecret", Some(namespace))?;
    all.delete(name, &DeleteParams::default()).await?;
    wait::until(&all, name, SOON, "to be gone", |it| it.is_none()).await?;
    Ok(())
}

#[test]
fn a_change_goes_out_at_once_and_what_is_as_wished_gets_no_new_version() -> Result {
    SUITE.run("push-change", async |bed, ns| {
        bed.apply(&ns, STORES).await?;
        for store in Store::ALL {
            let key = format!("{ns}-{}", store.name());
            bed.apply(&ns, &push(store, &key, "")).await?;
            says(bed, &ns, store.name(), SYNCED).await?;
            let before = store.read(bed, &key).await?.context(format!("{store:?}: nothing was pushed"))?;
            assert_eq!(before.0, "first", "{store:?}");
            // A new annotation makes a push due, which finds everything as it should be.
            let note = json!({"metadata": {"annotations": {"note": "again"}}});
            let all = bed.cluster.objects("PushSecret", Some(&ns))?;
            let version = |it: &DynamicObject| wait::field(it, "/status/syncedResourceVersion").clone();
            let seen = version(&all.get(store.name()).await?);
            all.patch(store.name(), &PatchParams::default(), &Patch::Merge(&note)).await?;
            wait::exists(&all, store.name(), SOON, "to be pushed again", |it| version(it) != seen).await?;
            assert_eq!(store.read(bed, &key).await?, Some(before), "{store:?}: no new version");
        }
        rotate(bed, &ns, "second").await?;
        for store in Store::ALL {
            holds(bed, store, &format!("{ns}-{}", store.name()), Some("second")).await?;
        }
        Ok(())
    })
}

#[test]
fn every_policy_holds_at_every_store() -> Result {
    SUITE.run("push-policy", async |bed, ns| {
        bed.apply(&ns, STORES).await?;
        for store in Store::ALL {
            let name = store.name();
            // A remote secret of somebody else's is refused, or left alone, and never deleted.
            let theirs = format!("{ns}-{name}-theirs");
            store.write(bed, &theirs, "theirs").await?;
            bed.apply(&ns, &push(store, &theirs, "deletionPolicy: Delete")).await?;
            let refused = format!(
                "False Errored: set secret failed: could not write remote ref password to target secretstore {name}: "
            );
            let all = bed.cluster.objects("PushSecret", Some(&ns))?;
            wait::exists(&all, name, SOON, "to be refused", |it| {
                wait::condition(it, "Ready").is_some_and(|it| {
                    let text = it.text();
                    text.starts_with(&refused) && text.contains("secret not managed by external-secrets")
                })
            })
            .await?;
            let unless = push(store, &theirs, "deletionPolicy: Delete\n  updatePolicy: IfNotExists");
            bed.apply(&ns, &unless).await?;
            says(bed, &ns, name, SYNCED_IF_NOT_EXISTS).await?;
            delete(bed, &ns, name).await?;
            assert_eq!(store.read(bed, &theirs).await?.map(|it| it.0).as_deref(), Some("theirs"), "{store:?}");

            // One's own stays with None and goes with Delete; IfNotExists writes it once.
            let ours = format!("{ns}-{name}-ours");
            bed.apply(&ns, &push(store, &ours, "updatePolicy: IfNotExists")).await?;
            says(bed, &ns, name, SYNCED_IF_NOT_EXISTS).await?;
            let first = store.read(bed, &ours).await?;
            rotate(bed, &ns, "changed").await?;
            bed.apply(&ns, &push(store, &ours, "updatePolicy: IfNotExists\n  template: {type: Opaque}")).await?;
            wait::exists(&all, name, SOON, "to be seen", |it| {
                let seen = wait::field(it, "/status/syncedResourceVersion").as_str().unwrap_or_default().to_owned();
                it.metadata.generation.is_some_and(|generation| seen.starts_with(&format!("{generation}-")))
            })
            .await?;
            assert_eq!(store.read(bed, &ours).await?, first, "{store:?}: IfNotExists writes once");
            delete(bed, &ns, name).await?;
            assert_eq!(store.read(bed, &ours).await?, first, "{store:?}: None leaves it");

            bed.apply(&ns, &push(store, &ours, "deletionPolicy: Delete")).await?;
            says(bed, &ns, name, SYNCED).await?;
            holds(bed, store, &ours, Some("changed")).await?;
            // Renamed, the old one goes; then the object goes, and takes the new one along.
            let renamed = format!("{ns}-{name}-renamed");
            bed.apply(&ns, &push(store, &renamed, "deletionPolicy: Delete")).await?;
            holds(bed, store, &renamed, Some("changed")).await?;
            holds(bed, store, &ours, None).await?;
            delete(bed, &ns, name).await?;
            assert_eq!(store.read(bed, &renamed).await?, None, "{store:?}: Delete takes it");
            rotate(bed, &ns, "first").await?;
        }
        Ok(())
    })
}

#[test]
fn one_entry_that_fails_is_named_and_the_others_go_out() -> Result {
    SUITE.run("push-partial", async |bed, ns| {
        bed.apply(&ns, STORES).await?;
        let (good, bad) = (format!("{ns}-good"), format!("{ns}-bad"));
        Store::Vault.write(bed, &bad, "theirs").await?;
        let entries = format!(
            "
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {{name: partial, namespace: $NS}}
spec:
  secretStoreRefs: [{{name: vault}}]
  selector: {{secret: {{name: source}}}}
  data:
    - {{match: {{secretKey: password, remoteRef: {{remoteKey: {bad}, property: value}}}}}}
    - {{match: {{secretKey: password, remoteRef: {{remoteKey: {good}, property: value}}}}}}
"
        );
        bed.apply(&ns, &entries).await?;
        holds(bed, Store::Vault, &good, Some("first")).await?;
        bed.event(&ns, "partial", "could not write remote ref password to target secretstore vault").await?;
        let object = bed.cluster.objects("PushSecret", Some(&ns))?.get("partial").await?;
        let recorded = wait::field(&object, "/status/syncedPushSecrets").to_string();
        assert!(recorded.contains(&good) && !recorded.contains(&bad), "{recorded}");
        // The owner gives it away, so that it can be pushed.
        bed.openbao()?.delete(&bad).await?;
        says(bed, &ns, "partial", SYNCED).await?;
        holds(bed, Store::Vault, &bad, Some("first")).await
    })
}

/// Killed at whatever moment, it neither writes twice what is there nor forgets what it has to take back.
#[test]
fn a_killed_controller_doubles_nothing_and_loses_nothing() -> Result {
    KILLED.run("push-killed", async |bed, ns| {
        bed.apply(&ns, STORES).await?;
        let env = bed.moto()?.environment();
        let start = async || {
            let controller = Controller::spawn(&bed.cluster, &["--loglevel=debug"], &env).await?;
            while e2e::http_get(controller.ready_url()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            bed.store_says(&ns, "vault", "True Valid: store validated").await?;
            Ok::<_, e2e::Error>(controller)
        };
        let all = bed.cluster.objects("PushSecret", Some(&ns))?;
        let mut moments = BTreeMap::new();
        for round in 0..6_u64 {
            let mut controller = start().await?;
            let key = format!("{ns}-{round}");
            bed.apply(&ns, &push(Store::Vault, &key, "deletionPolicy: Delete")).await?;
            tokio::time::sleep(Duration::from_millis(15 * round)).await;
            controller.signal(rustix::process::Signal::KILL)?;
            controller.ended(SOON).await?;
            let there = Store::Vault.read(bed, &key).await?.is_some();
            let told = all.get("vault").await?.data["status"]["refreshTime"].is_string();
            *moments.entry((there, told)).or_insert(0) += 1;
            let controller = start().await?;
            says(bed, &ns, "vault", SYNCED).await?;
            let (value, version) = Store::Vault.read(bed, &key).await?.context("it was not pushed")?;
            assert_eq!((value.as_str(), version.as_str()), ("first", "1"), "round {round}");
            delete(bed, &ns, "vault").await?;
            assert_eq!(Store::Vault.read(bed, &key).await?, None, "round {round}");
            controller.stop(SOON).await?;
        }
        eprintln!("(written, told) at the kill, and how often: {moments:?}");
        Ok(())
    })
}

#[test]
fn what_another_operator_made_is_read_back_in_another_namespace() -> Result {
    SUITE.run("push-cnpg", async |bed, ns| {
        let other = bed.cluster.namespace("push-cnpg-reader").await?;
        bed.apply(&ns, STORES).await?;
        bed.apply(&other, STORES).await?;
        let key = format!("{ns}-app");
        let whole = "
apiVersion: v1
kind: Secret
metadata: {name: app, namespace: $NS, labels: {cnpg.io/cluster: app}}
type: kubernetes.io/basic-auth
stringData: {username: app, password: made, uri: 'postgresql://app:made@app-rw'}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: app, namespace: $NS}
spec:
  secretStoreRefs: [{name: vault}]
  selector: {secret: {name: app}}
  dataTo: [{storeRef: {name: vault}, remoteKey: $KEY, match: {regexp: '^(username|password)$'}}]
";
        bed.apply(&ns, &whole.replace("$KEY", &key)).await?;
        let reader = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: app, namespace: $NS}
spec:
  refreshInterval: 1s
  secretStoreRef: {name: vault}
  dataFrom: [{extract: {key: $KEY}}]
";
        bed.apply(&other, &reader.replace("$KEY", &key)).await?;
        bed.synced(&other, "app").await?;
        let wished = [("password", "made"), ("username", "app")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert_eq!(bed.values(&other, "app").await?, BTreeMap::from(wished));
        let patch = json!({"stringData": {"password": "rotated"}});
        bed.cluster.secrets(&ns).patch("app", &PatchParams::default(), &Patch::Merge(&patch)).await?;
        wait::exists(&bed.cluster.secrets(&other), "app", SOON, "to be rotated", |it| {
            wait::secret_text(it, "password").as_deref() == Some("rotated")
        })
        .await?;
        Ok(())
    })
}

/// An entry's metadata may say where its place is: that is where it is looked for, and deleted.
#[test]
fn what_was_pushed_to_another_namespace_is_deleted_there_and_nowhere_else() -> Result {
    SUITE.run("push-remote", async |bed, ns| {
        let (home, away) = (bed.cluster.namespace("push-home").await?, bed.cluster.namespace("push-away").await?);
        bed.cluster.write_secret(&home, "copy", &[("theirs", "stays")]).await?;
        bed.apply(&ns, STORES).await?;
        let yaml = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: writer, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $NS}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list, watch, create, update, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: $NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: $NS}
subjects: [{kind: ServiceAccount, name: writer, namespace: $NS}]
---
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: $NS}
spec:
  provider:
    kubernetes:
      remoteNamespace: $HOME
      server: {url: $SERVER, caProvider: {type: ConfigMap, name: kube-root-ca.crt, key: ca.crt, namespace: $NS}}
      auth: {serviceAccount: {name: writer, namespace: $NS}}
---
apiVersion: external-secrets.io/v1alpha1
kind: PushSecret
metadata: {name: remote, namespace: $NS}
spec:
  deletionPolicy: Delete
  secretStoreRefs: [{name: $NS, kind: ClusterSecretStore}]
  selector: {secret: {name: source}}
  data:
    - match: {remoteRef: {remoteKey: copy}}
      metadata:
        apiVersion: kubernetes.external-secrets.io/v1alpha1
        kind: PushSecretMetadata
        spec: {remoteNamespace: $AWAY}
";
        bed.apply(&ns, &yaml.replace("$HOME", &home).replace("$AWAY", &away)).await?;
        says(bed, &ns, "remote", SYNCED).await?;
        assert_eq!(bed.values(&away, "copy").await?["password"], "first");
        delete(bed, &ns, "remote").await?;
        assert!(bed.cluster.secrets(&away).get_opt("copy").await?.is_none(), "what was pushed is gone");
        assert_eq!(bed.values(&home, "copy").await?["theirs"], "stays");
        Ok(())
    })
}
