//! Templates and rewrites from the manifest to the Secret: where they are read from, what they make, and what happens
//! when one can't be rendered.

use std::time::Duration;

use e2e::testbed::{Parts, Suite, Testbed};
use e2e::{Result, wait};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

/// What is rendered anew "at once" may take this long, on two cores that do much else.
const AT_ONCE: Duration = Duration::from_secs(3);

const UNCHANGED: &str = "False SecretSyncedError: could not update secret";

const STORE: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: fake, namespace: $NS}
spec:
  provider:
    fake:
      data:
        - {key: user, value: ada}
        - {key: password, value: canary-7f3a}
        - {key: app, value: '{\"DB_HOST\": \"db\", \"DB_PORT\": 5432}'}
";

/// An ExternalSecret of `user` and `password` with this `target`.
fn with_target(target: &str) -> String {
    format!(
        "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: es, namespace: $NS, labels: {{team: blue}}}}
spec:
  refreshInterval: 1h
  secretStoreRef: {{name: fake}}
  target:
{target}
  data:
    - {{secretKey: user, remoteRef: {{key: user}}}}
    - {{secretKey: password, remoteRef: {{key: password}}}}
"
    )
}

async fn apply(bed: &Testbed, ns: &str, target: &str) -> Result {
    bed.apply(ns, STORE).await?;
    bed.apply(ns, &with_target(target)).await
}

#[test]
fn a_template_makes_data_type_labels_and_annotations() -> Result {
    SUITE.run("template", async |bed, ns| {
        let target = r#"
    name: rendered
    template:
      type: kubernetes.io/basic-auth
      metadata:
        labels: {app: "{{ .user | upper }}"}
        annotations: {made-of: "{{ .user }}"}
      data:
        username: "{{ .user }}"
        password: "{{ .password | trunc 6 }}"
        config.ini: |
          {{- range $key, $value := . }}
          {{ $key }}={{ $value | b64enc }}
          {{- end }}
"#;
        apply(bed, &ns, target).await?;
        bed.synced(&ns, "es").await?;
        let secret = bed.cluster.secrets(&ns).get("rendered").await?;
        assert_eq!(secret.type_.as_deref(), Some("kubernetes.io/basic-auth"));
        let labels = secret.metadata.labels.clone().unwrap_or_default();
        assert_eq!(labels.get("app").map(String::as_str), Some("ADA"));
        assert_eq!(labels.get("team"), None, "with a template the object's own labels stay behind");
        let annotations = secret.metadata.annotations.clone().unwrap_or_default();
        assert_eq!(annotations.get("made-of").map(String::as_str), Some("ada"));
        let values = bed.values(&ns, "rendered").await?;
        assert_eq!(values.keys().collect::<Vec<_>>(), ["config.ini", "password", "username"]);
        assert_eq!(values["password"], "canary");
        assert_eq!(values["config.ini"], "\npassword=Y2FuYXJ5LTdmM2E=\nuser=YWRh\n");
        Ok(())
    })
}

#[test]
fn templates_lie_in_configmaps_secrets_and_literals() -> Result {
    SUITE.run("template-from", async |bed, ns| {
        let sources = r#"
apiVersion: v1
kind: ConfigMap
metadata: {name: texts, namespace: $NS}
data: {url: "postgres://{{ .user }}:{{ .password }}@db"}
---
apiVersion: v1
kind: Secret
metadata: {name: texts, namespace: $NS}
stringData: {pairs: "first: {{ .user }}\nport: 5432\n"}
"#;
        bed.apply(&ns, sources).await?;
        let target = r#"
    template:
      mergePolicy: Merge
      templateFrom:
        - configMap: {name: texts, items: [{key: url}]}
        - secret: {name: texts, items: [{key: pairs, templateAs: KeysAndValues}]}
        - literal: "{{ .user }}-key: yes"
        - target: Annotations
          literal: "owner: {{ .user }}"
"#;
        apply(bed, &ns, target).await?;
        bed.synced(&ns, "es").await?;
        let values = bed.values(&ns, "es").await?;
        let shown: Vec<String> = values.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let wished = [
            "ada-key=true",
            "first=ada",
            "password=canary-7f3a",
            "port=5432",
            "url=postgres://ada:canary-7f3a@db",
            "user=ada",
        ];
        assert_eq!(shown, wished);
        let annotations = bed.cluster.secrets(&ns).get("es").await?.metadata.annotations.unwrap_or_default();
        assert_eq!(annotations.get("owner").map(String::as_str), Some("ada"));
        Ok(())
    })
}

#[test]
fn a_changed_template_source_is_rendered_at_once() -> Result {
    SUITE.run("template-source", async |bed, ns| {
        let target = "
    template:
      templateFrom: [{configMap: {name: texts, items: [{key: greeting}]}}]
";
        apply(bed, &ns, target).await?;
        bed.says(&ns, "es", UNCHANGED).await?;
        bed.event(
            &ns,
            "es",
            r#"could not apply template: error fetching templateFrom data: configmaps "texts" not found"#,
        )
        .await?;
        let secrets = bed.cluster.secrets(&ns);
        let greets = async |text: &'static str| {
            wait::exists(&secrets, "es", AT_ONCE, text, |it| wait::secret_text(it, "greeting").as_deref() == Some(text))
                .await
        };
        let map = "
apiVersion: v1
kind: ConfigMap
metadata: {name: texts, namespace: $NS}
data: {greeting: 'hello {{ .user }}'}
";
        bed.apply(&ns, map).await?;
        greets("hello ada").await?;
        bed.apply(&ns, &map.replace("hello", "good morning")).await?;
        greets("good morning ada").await?;
        // Gone: the last good Secret stays, and the object says why nothing new comes.
        let maps: kube::Api<k8s_openapi::api::core::v1::ConfigMap> = kube::Api::namespaced(bed.cluster.client(), &ns);
        maps.delete("texts", &DeleteParams::default()).await?;
        bed.says(&ns, "es", UNCHANGED).await?;
        greets("good morning ada").await?;
        Ok(())
    })
}

#[test]
fn a_template_that_cannot_be_rendered_leaves_the_secret_as_it_is() -> Result {
    SUITE.run("template-broken", async |bed, ns| {
        let good = r#"
    template: {data: {login: "{{ .user }}:{{ .password }}"}}
"#;
        apply(bed, &ns, good).await?;
        bed.synced(&ns, "es").await?;
        let bad = [
            (
                r#"{{ .user }}:{{ .pasword }}"#,
                r#"template: login:1:15: executing "login" at <.pasword>: map has no entry for key "pasword""#,
                "did you mean .password?",
            ),
            (r#"{{ .user"#, "unable to parse template at key login: template: login:1: unclosed action", "line 1"),
        ];
        for (template, event, detail) in bad {
            let target = json!({"spec": {"target": {"template": {"data": {"login": template}}}}});
            let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
            objects.patch("es", &PatchParams::default(), &Patch::Merge(&target)).await?;
            bed.event(&ns, "es", event).await?;
            let object = bed.says(&ns, "es", UNCHANGED).await?;
            let said = wait::field(&object, "/status/conditions/0/detail").as_str().unwrap_or_default().to_owned();
            assert!(said.contains(detail), "{said}");
            assert!(!said.contains("canary"), "{said}");
            assert_eq!(bed.values(&ns, "es").await?["login"], "ada:canary-7f3a");
        }
        Ok(())
    })
}

#[test]
fn keys_are_rewritten_before_they_are_used() -> Result {
    SUITE.run("rewrite", async |bed, ns| {
        bed.apply(&ns, STORE).await?;
        let object = r#"
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  secretStoreRef: {name: fake}
  dataFrom:
    - extract: {key: app}
      rewrite:
        - regexp: {source: "DB_(.*)", target: "database-$1"}
        - transform: {template: "{{ .value | lower }}"}
"#;
        bed.apply(&ns, object).await?;
        bed.synced(&ns, "es").await?;
        let values = bed.values(&ns, "es").await?;
        assert_eq!(values.keys().collect::<Vec<_>>(), ["database-host", "database-port"]);
        assert_eq!(values["database-port"], "5432");
        Ok(())
    })
}
