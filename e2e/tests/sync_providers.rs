//! Providers that need no backend of their own deliver what they hold: fake, and the API server itself.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::testbed::{Parts, Row, Suite};
use e2e::{Context, Result, wait};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;

static SUITE: Suite = Suite::new(Parts::syncing);

#[test]
fn fake() -> Result {
    SUITE.run("fake", async |bed, ns| {
        bed.apply(
            &ns,
            r#"
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec:
  provider:
    fake:
      data:
        - {key: one, value: "1"}
        - {key: one, value: "2", version: v2}
        - {key: many, value: '{"a":"x","b":{"c":"y"}}'}
"#,
        )
        .await?;
        bed.deliver(
            &ns,
            "fake",
            &[
                ("whole", "data: [{secretKey: k, remoteRef: {key: one}}]", &[("k", "1")]),
                ("version", "data: [{secretKey: k, remoteRef: {key: one, version: v2}}]", &[("k", "2")]),
                ("property", "data: [{secretKey: k, remoteRef: {key: many, property: b.c}}]", &[("k", "y")]),
                ("extract", "dataFrom: [{extract: {key: many}}]", &[("a", "x"), ("b", r#"{"c":"y"}"#)]),
                (
                    "data-wins",
                    "dataFrom: [{extract: {key: many}}]\n  data: [{secretKey: a, remoteRef: {key: one}}]",
                    &[("a", "1"), ("b", r#"{"c":"y"}"#)],
                ),
                ("decoded", "data: [{secretKey: k, remoteRef: {key: one, decodingStrategy: Auto}}]", &[("k", "1")]),
            ],
        )
        .await?;
        bed.event(&ns, "fake", "StoreUnmaintained").await?;
        Ok(())
    })
}

#[test]
fn kubernetes_secrets_of_another_namespace() -> Result {
    SUITE.run("kubernetes", async |bed, ns| {
        let remote = bed.cluster.namespace("kubernetes-remote").await?;
        bed.cluster.write_secret(&remote, "app", &[("user", "ada"), ("config", r#"{"port":5432}"#)]).await?;
        let authorities: Api<ConfigMap> = Api::namespaced(bed.cluster.client(), &ns);
        wait::until(&authorities, "kube-root-ca.crt", e2e::testbed::SOON, "to be published", |it| it.is_some()).await?;
        let yaml = "
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: $REMOTE}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: $REMOTE}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: reader, namespace: $NS}]
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: kubernetes, namespace: $NS}
spec:
  provider:
    kubernetes:
      remoteNamespace: $REMOTE
      server: {url: $SERVER, caProvider: {type: ConfigMap, name: kube-root-ca.crt, key: ca.crt}}
      auth: {serviceAccount: {name: reader}}
";
        bed.apply(&ns, &yaml.replace("$REMOTE", &remote)).await?;
        bed.deliver(
            &ns,
            "kubernetes",
            &[
                ("key", "data: [{secretKey: k, remoteRef: {key: app, property: user}}]", &[("k", "ada")]),
                ("path", "data: [{secretKey: k, remoteRef: {key: app, property: config.port}}]", &[("k", "5432")]),
                ("extract", "dataFrom: [{extract: {key: app}}]", &[("user", "ada"), ("config", r#"{"port":5432}"#)]),
            ],
        )
        .await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(bed.cluster.client(), &ns);
        accounts.get_opt("reader").await?.context("the account of the store").map(|_| ())
    })
}

#[test]
fn objects_of_a_custom_kind() -> Result {
    SUITE.run("crd", async |bed, ns| {
        let remote = bed.cluster.namespace("crd-remote").await?;
        let yaml = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.crd.example.io}
spec:
  group: crd.example.io
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, properties: {spec: {type: object, x-kubernetes-preserve-unknown-fields: true}}}}
---
apiVersion: crd.example.io/v1
kind: Widget
metadata: {name: app, namespace: $NS}
spec: {password: hunter2, port: 5432, big: 9007199254740993, more: {user: ada}}
---
apiVersion: crd.example.io/v1
kind: Widget
metadata: {name: team, namespace: $NS}
spec: {password: other}
---
apiVersion: crd.example.io/v1
kind: Widget
metadata: {name: app, namespace: $REMOTE}
spec: {password: far}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: $NS}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: nobody, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: $NS}
rules: [{apiGroups: [crd.example.io], resources: [widgets], verbs: [get, list]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: $NS}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: $NS}
subjects: [{kind: ServiceAccount, name: reader, namespace: $NS}]
";
        bed.apply(&ns, &yaml.replace("$REMOTE", &remote)).await?;
        let store = |name: &str, account: &str, whitelist: &str| {
            format!(
                "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: {name}, namespace: $NS}}
spec:
  provider:
    crd:
      server: {{url: $SERVER, caBundle: {}}}
      auth: {{serviceAccount: {{name: {account}}}}}
      resource: {{group: crd.example.io, version: v1, kind: Widget}}
      whitelist: {{rules: [{whitelist}]}}
",
                STANDARD.encode(bed.cluster.ca())
            )
        };
        bed.apply(&ns, &store("crd", "reader", "{name: ^app$}")).await?;
        let big: Row = ("big", "data: [{secretKey: k, remoteRef: {key: app, property: spec.big}}]", &[("k", "9007199254740993")]);
        bed.deliver(&ns,
            "crd",
            &[
                ("property", "data: [{secretKey: k, remoteRef: {key: app, property: spec.password}}]", &[("k", "hunter2")]),
                big,
                ("extract", "dataFrom: [{extract: {key: app, property: spec.more}}]", &[("user", "ada")]),
            ],
        )
        .await?;
        let found = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: found, namespace: $NS}
spec: {secretStoreRef: {name: crd}, dataFrom: [{find: {name: {regexp: .}}}]}
";
        bed.apply(&ns, found).await?;
        bed.synced(&ns, "found").await?;
        let values = bed.values(&ns, "found").await?;
        assert_eq!(values.keys().collect::<Vec<_>>(), ["app"], "what the whitelist doesn't name isn't found");
        let object: serde_json::Value = serde_json::from_str(&values["app"])?;
        assert_eq!(object["spec"]["password"], "hunter2");

        let wrong = [
            ("denied", "team", "crd: request for \"team\" denied by whitelist rules"),
            ("elsewhere", "$REMOTE/app", "crd: remoteRef.key must not contain '/' for SecretStore; "),
        ];
        for (name, key, text) in wrong {
            let one = format!(
                "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}, namespace: $NS}}\n\
                 spec: {{secretStoreRef: {{name: crd}}, data: [{{secretKey: k, remoteRef: {{key: {key}, property: spec.password}}}}]}}\n"
            );
            bed.apply(&ns, &one.replace("$REMOTE", &remote)).await?;
            bed.event(&ns, name, text).await?;
        }
        let ready = bed.store_says(&ns, "crd", "True Valid: store validated").await?;
        assert_eq!(wait::field(&ready, "/status/capabilities"), "ReadOnly");
        bed.apply(&ns, &store("unable", "nobody", "{name: ^app$}")).await?;
        let text = "crd: serviceaccount is not allowed to \"get\" resource \"widgets\" in apiGroup \"crd.example.io\"; ";
        bed.event(&ns, "unable", text).await?;
        Ok(())
    })
}
