//! `dataFrom[].find` over real backends: what is found, under which keys, and what its failures say.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::Result;
use e2e::testbed::{Parts, Suite, Testbed};
use reqwest::Method;
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

/// A name, the fields below `find` in YAML flow style, and the wished keys and values.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

async fn ask(bed: &Testbed, namespace: &str, store: &str, name: &str, spec: &str) -> Result {
    let head = format!(
        "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}, namespace: $NS}}\n"
    );
    bed.apply(namespace, &format!("{head}spec:\n  secretStoreRef: {{name: {store}}}\n  {spec}\n")).await
}

async fn deliver(bed: &Testbed, namespace: &str, store: &str, rows: &[Row]) -> Result {
    for (name, find, _) in rows {
        ask(bed, namespace, store, name, &format!("dataFrom: [{{find: {find}}}]")).await?;
    }
    for (name, _, wished) in rows {
        bed.synced(namespace, name).await?;
        let values = bed.values(namespace, name).await?;
        let wished = wished.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        assert_eq!(values, wished, "{name}");
    }
    Ok(())
}

const VAULT: &str = "
apiVersion: v1
kind: Secret
metadata: {name: vault-token, namespace: $NS}
stringData: {token: root}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: v2, namespace: $NS}
spec: {provider: {vault: {server: $VAULT, path: secret, auth: {tokenSecretRef: {name: vault-token, key: token}}}}}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: v1, namespace: $NS}
spec: {provider: {vault: {server: $VAULT, path: kv1, version: v1, auth: {tokenSecretRef: {name: vault-token, key: token}}}}}
";

#[test]
fn vault() -> Result {
    SUITE.run("find-vault", async |bed, ns| {
        let openbao = bed.openbao()?;
        let secrets = [("find/app", "1", "prod"), ("find/team/a", "2", "prod"), ("find/team/deep/b", "3", "dev")];
        for (key, value, env) in secrets {
            openbao.write(key, json!({"k": value})).await?;
            let metadata = json!({"custom_metadata": {"env": env, "suite": "find"}});
            openbao.call(Method::POST, &format!("secret/metadata/{key}"), metadata).await?;
            openbao.write_v1(key, json!({"k": value})).await?;
        }
        openbao.write("find/gone", json!({"k": "old"})).await?;
        openbao.call(Method::DELETE, "secret/data/find/gone", json!(null)).await?;
        bed.apply(&ns, VAULT).await?;
        let by_name: &[Row] = &[
            (
                "all",
                "{path: find}",
                &[("find_app", r#"{"k":"1"}"#), ("find_team_a", r#"{"k":"2"}"#), ("find_team_deep_b", r#"{"k":"3"}"#)],
            ),
            ("named", "{name: {regexp: '^find/team/.*b$'}}", &[("find_team_deep_b", r#"{"k":"3"}"#)]),
            (
                "unicode",
                "{path: find/team, name: {regexp: a$}, conversionStrategy: Unicode}",
                &[("find_U002f_team_U002f_a", r#"{"k":"2"}"#)],
            ),
        ];
        deliver(bed, &ns, "v2", by_name).await?;
        let by_tags: &[Row] = &[
            (
                "tagged",
                "{tags: {env: prod, suite: find}}",
                &[("find_app", r#"{"k":"1"}"#), ("find_team_a", r#"{"k":"2"}"#)],
            ),
            ("tagged-below", "{path: find/team, tags: {env: dev}}", &[("find_team_deep_b", r#"{"k":"3"}"#)]),
        ];
        deliver(bed, &ns, "v2", by_tags).await?;
        let version_1: Vec<Row> = by_name.iter().map(|(name, find, wished)| (v1_name(name), *find, *wished)).collect();
        deliver(bed, &ns, "v1", &version_1).await
    })
}

fn v1_name(name: &str) -> &'static str {
    match name {
        "all" => "all-v1",
        "named" => "named-v1",
        _ => "unicode-v1",
    }
}

#[test]
fn hundreds_of_vault_secrets_come_in_one_object() -> Result {
    SUITE.run("find-many", async |bed, ns| {
        let openbao = bed.openbao()?;
        for number in 0..600 {
            openbao.write(&format!("many/{}/s{number}", number / 50), json!({"n": number})).await?;
        }
        bed.apply(&ns, VAULT).await?;
        ask(bed, &ns, "v2", "many", "dataFrom: [{find: {path: many, name: {regexp: s}}}]").await?;
        bed.synced(&ns, "many").await?;
        let values = bed.values(&ns, "many").await?;
        assert_eq!(values.len(), 600);
        assert_eq!(values["many_3_s199"], r#"{"n":199}"#);
        Ok(())
    })
}

const AWS: &str = "
apiVersion: v1
kind: Secret
metadata: {name: aws, namespace: $NS}
stringData: {id: test, secret: test}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: aws, namespace: $NS}
spec:
  provider:
    aws:
      service: $SERVICE
      region: eu-central-1
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: aws, key: id}
          secretAccessKeySecretRef: {name: aws, key: secret}
";

#[test]
fn aws_secrets_manager() -> Result {
    SUITE.run("find-sm", async |bed, ns| {
        let moto = bed.moto()?;
        for (name, value, env) in
            [("find/a", "1", "find-prod"), ("find/b", "2", "find-dev"), ("found/c", "3", "find-prod")]
        {
            let tags = json!([{"Key": "find-env", "Value": env}]);
            moto.call("CreateSecret", json!({"Name": name, "SecretString": value, "Tags": tags})).await?;
        }
        bed.apply(&ns, &AWS.replace("$SERVICE", "SecretsManager")).await?;
        let rows: &[Row] = &[
            ("named", "{name: {regexp: '^fo?i?u?nd/'}}", &[("find_a", "1"), ("find_b", "2"), ("found_c", "3")]),
            ("one", "{name: {regexp: '^find/a$'}}", &[("find_a", "1")]),
            ("below", "{path: find/, name: {regexp: '[ac]$'}}", &[("find_a", "1")]),
            ("tagged", "{tags: {find-env: find-prod}}", &[("find_a", "1"), ("found_c", "3")]),
            ("tagged-below", "{path: found, tags: {find-env: find-prod}}", &[("found_c", "3")]),
            ("tagged-named", "{name: {regexp: a$}, tags: {find-env: find-prod}}", &[("find_a", "1")]),
        ];
        deliver(bed, &ns, "aws", rows).await
    })
}

#[test]
fn aws_parameter_store() -> Result {
    SUITE.run("find-ps", async |bed, ns| {
        const USER: &str = r#"{"name":"ada"}"#;
        let moto = bed.moto()?;
        moto.put_parameter("/find/app/user", USER, &[("env", "prod")]).await?;
        moto.put_parameter("/find/app/key", "secret", &[("env", "dev")]).await?;
        moto.put_parameter("/find/other", "o", &[("env", "prod")]).await?;
        bed.apply(&ns, &AWS.replace("$SERVICE", "ParameterStore")).await?;
        let rows: &[Row] = &[
            ("named", "{name: {regexp: '^/find/.*r$'}}", &[("_find_app_user", USER), ("_find_other", "o")]),
            (
                "below",
                "{path: /find/app, name: {regexp: ''}}",
                &[("_find_app_user", USER), ("_find_app_key", "secret")],
            ),
            ("tagged", "{path: /find, tags: {env: prod}}", &[("_find_app_user", USER), ("_find_other", "o")]),
        ];
        deliver(bed, &ns, "aws", rows).await?;
        ask(
            bed,
            &ns,
            "aws",
            "single",
            "data: [{secretKey: k, remoteRef: {key: /find/app/user, property: name}}, \
             {secretKey: old, remoteRef: {key: /find/other, version: '1'}}]",
        )
        .await?;
        bed.synced(&ns, "single").await?;
        let values = bed.values(&ns, "single").await?;
        assert_eq!((values["k"].as_str(), values["old"].as_str()), ("ada", "o"));
        Ok(())
    })
}

#[test]
fn kubernetes() -> Result {
    SUITE.run("find-kubernetes", async |bed, ns| {
        let remote = bed.cluster.namespace("find-kubernetes-remote").await?;
        let yaml = "
apiVersion: v1
kind: Secret
metadata: {name: a, namespace: $REMOTE, labels: {team: red}}
stringData: {user: ada, dotted.key: dot}
---
apiVersion: v1
kind: Secret
metadata: {name: b.c, namespace: $REMOTE, labels: {team: blue}}
stringData: {user: bob}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: $NS}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader, namespace: $REMOTE}
rules: [{apiGroups: [''], resources: [secrets], verbs: [get, list]}]
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
      server: {url: $SERVER, caBundle: $CA}
      auth: {serviceAccount: {name: reader}}
";
        let ca = STANDARD.encode(bed.cluster.ca());
        bed.apply(&ns, &yaml.replace("$REMOTE", &remote).replace("$CA", &ca)).await?;
        let (a, b) = (r#"{"dotted.key":"dot","user":"ada"}"#, r#"{"user":"bob"}"#);
        let all: &[(&str, &str)] = &[("a", a), ("b.c", b)];
        ask(bed, &ns, "kubernetes", "named", "dataFrom: [{find: {name: {regexp: '^(a|b)'}}}]").await?;
        ask(bed, &ns, "kubernetes", "labelled", "dataFrom: [{find: {tags: {team: blue}}}]").await?;
        for (name, wished) in [("named", all), ("labelled", &all[1..])] {
            bed.synced(&ns, name).await?;
            let wished = wished.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
            assert_eq!(bed.values(&ns, name).await?, wished, "{name}");
        }
        // A Secret that isn't there is missing to extract; to data it is an error that deletes nothing.
        let missing = "data: [{secretKey: k, remoteRef: {key: none, property: p}}]\n  target: {deletionPolicy: Delete}";
        ask(bed, &ns, "kubernetes", "missing", missing).await?;
        bed.event(&ns, "missing", "secrets \"none\" not found").await?;
        Ok(())
    })
}

#[test]
fn failures_say_which_entry_and_why_and_only_a_place_that_is_gone_may_delete() -> Result {
    SUITE.run("find-failures", async |bed, ns| {
        bed.apply(&ns, VAULT).await?;
        let at = "error processing spec.dataFrom[0].find, err: error getting all secrets: ";
        let cases = [
            (
                "pattern",
                "v2",
                "{name: {regexp: 'a(b'}}",
                "could not compile find.name.regexp [a(b]: error parsing regexp",
            ),
            ("tags-v1", "v1", "{tags: {a: b}}", "cannot perform find by tag operations with kv version v1"),
            ("nothing", "v2", "{path: find-failures/none}", "Secret does not exist"),
        ];
        for (name, store, find, _) in cases {
            ask(bed, &ns, store, name, &format!("dataFrom: [{{find: {find}}}]")).await?;
        }
        for (name, _, _, text) in cases {
            bed.event(&ns, name, &format!("{at}{text}")).await?;
        }
        let openbao = bed.openbao()?;
        openbao.write("find-failures/app", json!({"k": "v"})).await?;
        let owned =
            "dataFrom: [{find: {path: find-failures}}]\n  target: {deletionPolicy: Delete}\n  refreshInterval: 1s";
        ask(bed, &ns, "v2", "owned", owned).await?;
        bed.synced(&ns, "owned").await?;
        openbao.delete("find-failures/app").await?;
        let event = bed.event(&ns, "owned", "secret does not exist at provider using spec.dataFrom[0]").await?;
        assert!(event.starts_with("Normal MissingProviderSecret"), "{event}");
        Ok(())
    })
}
