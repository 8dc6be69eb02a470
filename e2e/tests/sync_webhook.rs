//! The provider `webhook` (not the admission webhook): values of an HTTPS API become Secrets.

use e2e::backend::Shelf;
use e2e::testbed::{Parts, Suite};
use e2e::{Result, wait};
use serde_json::json;

static SUITE: Suite = Suite::new(|| Parts { backends: false, ..Parts::syncing() });

const LOGIN: &str = "
apiVersion: v1
kind: Secret
metadata: {name: login, namespace: $NS, labels: {external-secrets.io/type: webhook}}
stringData: {token: shelf-token}
---
";

/// One kind of store for each way to ask.
const STORES: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: whole, namespace: $NS}
spec:
  provider:
    webhook:
      url: $SHELF/whole?id={{ .remoteRef.key }}
      result: {jsonPath: '$.data{{ if .remoteRef.property }}.{{ .remoteRef.property }}{{ end }}'}
      headers: {Authorization: 'Bearer {{ .login.token }}'}
      secrets: [{name: login, secretRef: {name: login}}]
      caBundle: $CA
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: split, namespace: $NS}
spec:
  provider:
    webhook:
      url: $SHELF/split/{{ .remoteRef.key }}/{{ .remoteRef.property }}
      headers: {Authorization: 'Bearer {{ .login.token }}'}
      secrets: [{name: login, secretRef: {name: login}}]
      caBundle: $CA
";

const OBJECTS: &str = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: whole, namespace: $NS}
spec:
  secretStoreRef: {name: whole}
  dataFrom: [{extract: {key: team/db}}]
  data: [{secretKey: by-path, remoteRef: {key: team/db, property: user}}]
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: split, namespace: $NS}
spec:
  secretStoreRef: {name: split}
  data:
  - {secretKey: user, remoteRef: {key: db, property: user}}
  - {secretKey: password, remoteRef: {key: db, property: password}}
";

fn on(shelf: &Shelf, yaml: &str) -> String {
    yaml.replace("$SHELF", shelf.address()).replace("$CA", &shelf.ca_bundle())
}

#[test]
fn values_are_read_by_url_and_path() -> Result {
    SUITE.run("hook-read", async |bed, ns| {
        let shelf = Shelf::start().await?;
        shelf.put("/whole?id=team%2Fdb", &json!({"data": {"user": "ada", "port": 5432}}).to_string());
        shelf.put("/split/db/user", "ada");
        shelf.put("/split/db/password", "hunter2-canary");
        bed.apply(&ns, LOGIN).await?;
        bed.apply(&ns, &on(&shelf, STORES)).await?;
        let store = bed.store_says(&ns, "whole", "True Valid: store validated").await?;
        assert_eq!(wait::field(&store, "/status/capabilities"), "ReadWrite");
        bed.apply(&ns, OBJECTS).await?;
        let wished: [(&str, &[(&str, &str)]); 2] = [
            ("whole", &[("user", "ada"), ("port", "5432"), ("by-path", "ada")]),
            // They ask for different things, though of one key.
            ("split", &[("user", "ada"), ("password", "hunter2-canary")]),
        ];
        for (name, wished) in wished {
            bed.synced(&ns, name).await?;
            let wished = wished.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(bed.values(&ns, name).await?, wished, "{name}");
        }
        for value in ["hunter2-canary", "shelf-token"] {
            assert!(!bed.logs().contains(value), "{value}");
        }
        Ok(())
    })
}

#[test]
fn a_cluster_store_whose_template_asks_for_the_namespace_serves_each_its_own() -> Result {
    SUITE.run("hook-cluster", async |bed, ns| {
        let other = bed.cluster.namespace("hook-other").await?;
        let shelf = Shelf::start().await?;
        bed.apply(&ns, LOGIN).await?;
        let store = "
apiVersion: external-secrets.io/v1
kind: ClusterSecretStore
metadata: {name: $NS}
spec:
  provider:
    webhook:
      url: $SHELF/{{ .remoteRef.namespace }}/{{ .remoteRef.key }}
      headers: {Authorization: 'Bearer {{ .login.token }}'}
      secrets: [{name: login, secretRef: {name: login, namespace: $NS}}]
      caBundle: $CA
";
        bed.apply(&ns, &on(&shelf, store)).await?;
        for namespace in [&ns, &other] {
            shelf.put(&format!("/{namespace}/db"), namespace);
            let object = format!(
                "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: es, namespace: {namespace}}}
spec:
  secretStoreRef: {{name: {ns}, kind: ClusterSecretStore}}
  data: [{{secretKey: k, remoteRef: {{key: db}}}}]
"
            );
            bed.apply(namespace, &object).await?;
        }
        for namespace in [&ns, &other] {
            bed.synced(namespace, "es").await?;
            assert_eq!(bed.values(namespace, "es").await?.get("k"), Some(namespace));
        }
        Ok(())
    })
}

#[test]
fn a_store_works_once_its_secret_bears_the_label() -> Result {
    SUITE.run("hook-label", async |bed, ns| {
        let shelf = Shelf::start().await?;
        bed.apply(&ns, &LOGIN.replace("external-secrets.io/type: webhook", "other: label")).await?;
        bed.apply(&ns, &on(&shelf, STORES)).await?;
        bed.store_says(&ns, "whole", "False InvalidProviderConfig: unable to create client").await?;
        let event = bed.event(&ns, "whole", "needed label 'external-secrets.io/type: webhook'").await?;
        assert!(event.contains("spec.provider.webhook.secrets[login]"), "{event}");
        bed.apply(&ns, LOGIN).await?;
        bed.store_says(&ns, "whole", "True Valid: store validated").await?;
        Ok(())
    })
}

#[test]
fn a_server_that_the_store_does_not_trust_is_named_with_what_to_check() -> Result {
    SUITE.run("hook-trust", async |bed, ns| {
        let (shelf, other) = (Shelf::start().await?, Shelf::start().await?);
        shelf.put("/split/db/user", "ada");
        bed.apply(&ns, LOGIN).await?;
        bed.apply(&ns, &STORES.replace("$SHELF", shelf.address()).replace("$CA", &other.ca_bundle())).await?;
        bed.apply(&ns, OBJECTS).await?;
        let told = bed.says(&ns, "split", "False SecretSyncedError: could not get secret data from provider").await?;
        let reason = wait::field(&told, "/status/failures/0/reason");
        let why = "the server's certificate is signed by an unknown authority (give it in caBundle or caProvider)";
        assert!(reason.to_string().contains(why), "{reason}");
        Ok(())
    })
}
