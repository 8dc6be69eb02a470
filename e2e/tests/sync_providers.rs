//! Every provider and login method of this release delivers what its backend holds.
//!
//! Each row of a table is one ExternalSecret and what must come of it; all rows of a provider share its store.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use e2e::pki::Pki;
use e2e::testbed::{Parts, Suite, Testbed};
use e2e::{Context, Result, wait};
use k8s_openapi::api::core::v1::{ConfigMap, ServiceAccount};
use kube::Api;
use reqwest::Method;
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

/// A name, the `spec` below `secretStoreRef` in YAML flow style, and the wished keys and values.
type Row = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

async fn deliver(bed: &Testbed, namespace: &str, store: &str, rows: &[Row]) -> Result {
    for (name, spec, _) in rows {
        let head = format!(
            "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {name}, namespace: $NS}}\n"
        );
        bed.apply(namespace, &format!("{head}spec:\n  secretStoreRef: {{name: {store}}}\n  {spec}\n")).await?;
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
metadata: {name: vault, namespace: $NS}
spec:
  provider:
    vault:
      server: $VAULT
      path: secret
      auth: {tokenSecretRef: {name: vault-token, key: token}}
";

#[test]
fn vault_kv_v2_with_a_token() -> Result {
    SUITE.run("vault-v2", async |bed, ns| {
        let openbao = bed.openbao()?;
        openbao.write("v2/app", json!({"user": "old"})).await?;
        let data =
            json!({"user": "ada", "nested": {"port": 5432, "list": ["a", "b"]}, "dotted.key": "dot", "flag": true});
        openbao.write("v2/app", data).await?;
        bed.apply(&ns, VAULT).await?;
        deliver(
            bed,
            &ns,
            "vault",
            &[
                ("property", "data: [{secretKey: k, remoteRef: {key: v2/app, property: user}}]", &[("k", "ada")]),
                ("path", "data: [{secretKey: k, remoteRef: {key: v2/app, property: nested.list.1}}]", &[("k", "b")]),
                ("dotted", "data: [{secretKey: k, remoteRef: {key: v2/app, property: dotted.key}}]", &[("k", "dot")]),
                ("number", "data: [{secretKey: k, remoteRef: {key: v2/app, property: nested.port}}]", &[("k", "5432")]),
                (
                    "version",
                    "data: [{secretKey: k, remoteRef: {key: v2/app, property: user, version: '1'}}]",
                    &[("k", "old")],
                ),
                (
                    "mounted",
                    "data: [{secretKey: k, remoteRef: {key: secret/data/v2/app, property: user}}]",
                    &[("k", "ada")],
                ),
                (
                    "extract",
                    "dataFrom: [{extract: {key: v2/app}}]",
                    &[
                        ("user", "ada"),
                        ("nested", r#"{"list":["a","b"],"port":5432}"#),
                        ("dotted.key", "dot"),
                        ("flag", "true"),
                    ],
                ),
                (
                    "extract-below",
                    "dataFrom: [{extract: {key: v2/app, property: nested}}]",
                    &[("port", "5432"), ("list", r#"["a","b"]"#)],
                ),
            ],
        )
        .await?;
        let store = bed.store_says(&ns, "vault", "True Valid: store validated").await?;
        assert_eq!(wait::field(&store, "/status/capabilities"), "ReadWrite");
        Ok(())
    })
}

#[test]
fn vault_kv_v1_with_a_token() -> Result {
    SUITE.run("vault-v1", async |bed, ns| {
        bed.openbao()?.write_v1("app", json!({"user": "ada", "password": "p"})).await?;
        bed.apply(&ns, &VAULT.replace("path: secret", "path: kv1\n      version: v1")).await?;
        deliver(
            bed,
            &ns,
            "vault",
            &[
                ("property", "data: [{secretKey: k, remoteRef: {key: app, property: user}}]", &[("k", "ada")]),
                ("extract", "dataFrom: [{extract: {key: app}}]", &[("user", "ada"), ("password", "p")]),
            ],
        )
        .await
    })
}

#[test]
fn vault_with_an_app_role() -> Result {
    SUITE.run("vault-approle", async |bed, ns| {
        bed.openbao()?.write("approle/app", json!({"user": "ada"})).await?;
        let role = bed.openbao()?.approle("sync").await?;
        let login = [("role-id", role.role_id.as_str()), ("secret-id", &role.secret_id)];
        bed.cluster.write_secret(&ns, "login", &login).await?;
        for (store, id) in [
            ("by-value", format!("roleId: {}", role.role_id)),
            ("by-reference", "roleRef: {name: login, key: role-id}".to_owned()),
        ] {
            let auth =
                format!("auth: {{appRole: {{path: approle, {id}, secretRef: {{name: login, key: secret-id}}}}}}");
            let yaml = VAULT.replace("auth: {tokenSecretRef: {name: vault-token, key: token}}", &auth);
            bed.apply(&ns, &yaml.replace("name: vault,", &format!("name: {store},"))).await?;
            let name = if store == "by-value" { "role-by-value" } else { "role-by-reference" };
            let row: Row =
                (name, "data: [{secretKey: k, remoteRef: {key: approle/app, property: user}}]", &[("k", "ada")]);
            deliver(bed, &ns, store, &[row]).await?;
        }
        Ok(())
    })
}

#[test]
fn vault_with_a_service_account_that_the_cluster_vouches_for() -> Result {
    SUITE.run("vault-kubernetes", async |bed, ns| {
        bed.kubernetes_login(&ns, "sync").await?;
        bed.openbao()?.write("kubernetes-auth/app", json!({"user": "ada"})).await?;
        let auth = "auth: {kubernetes: {mountPath: kubernetes, role: sync, serviceAccountRef: {name: app}}}";
        bed.apply(&ns, &VAULT.replace("auth: {tokenSecretRef: {name: vault-token, key: token}}", auth)).await?;
        let row: Row =
            ("es", "data: [{secretKey: k, remoteRef: {key: kubernetes-auth/app, property: user}}]", &[("k", "ada")]);
        deliver(bed, &ns, "vault", &[row]).await
    })
}

#[test]
fn vault_with_a_client_certificate() -> Result {
    SUITE.run("vault-cert", async |bed, ns| {
        let openbao = bed.openbao()?;
        openbao.write("cert/app", json!({"user": "ada"})).await?;
        let (ours, theirs) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (ours, theirs) = (Pki::new(ours.path())?, Pki::new(theirs.path())?);
        openbao.certificate_auth("sync", ours.ca()).await?;
        let (address, authority) = openbao.tls()?;
        bed.cluster.write_secret(&ns, "vault-ca", &[("ca.crt", authority)]).await?;
        for (name, pki) in [("ours", &ours), ("theirs", &theirs)] {
            let pair = pki.client("app", "shop")?;
            bed.cluster.write_secret(&ns, name, &[("tls.crt", &pair.cert), ("tls.key", &pair.key)]).await?;
            let store = format!(
                "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: {name}, namespace: $NS}}
spec:
  provider:
    vault:
      server: {address}
      path: secret
      caProvider: {{type: Secret, name: vault-ca, key: ca.crt}}
      auth: {{cert: {{clientCert: {{name: {name}}}, secretRef: {{name: {name}}}, vaultRole: sync}}}}
"
            );
            bed.apply(&ns, &store).await?;
        }
        let row: Row = ("es", "data: [{secretKey: k, remoteRef: {key: cert/app, property: user}}]", &[("k", "ada")]);
        deliver(bed, &ns, "ours", &[row]).await?;
        bed.store_says(&ns, "ours", "True Valid: store validated").await?;

        let store = bed.store_says(&ns, "theirs", "False InvalidProviderConfig: unable to create client").await?;
        let refused = format!(
            "cannot log in to Vault at auth/cert: {address} answered 400: login refused; check \
             spec.provider.vault.auth.cert (path, vaultRole) and which certificates the role admits"
        );
        assert_eq!(wait::field(&store, "/status/conditions/0/detail"), &json!(refused));
        Ok(())
    })
}

const OPENBAO: &str = "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: openbao, namespace: $NS}
spec:
  provider:
    openBao:
      server: $VAULT
      path: secret
      auth: {tokenSecretRef: {name: openbao, key: token}}
";

#[test]
fn openbao_kv_v2_with_a_token_that_may_read_one_folder() -> Result {
    SUITE.run("openbao-v2", async |bed, ns| {
        let openbao = bed.openbao()?;
        openbao.write("bao/app", json!({"user": "old"})).await?;
        openbao.write("bao/app", json!({"user": "ada", "nested": {"port": 5432}, "dotted.key": "dot"})).await?;
        openbao.write("bao/db", json!({"user": "bob"})).await?;
        openbao.write("bao/below/x", json!({"user": "eve"})).await?;
        openbao.write("bao/secret/app", json!({"user": "not me"})).await?;
        let policy = r#"
path "secret/data/bao/*" { capabilities = ["read"] }
path "secret/metadata/bao/*" { capabilities = ["list"] }
"#;
        openbao.call(Method::PUT, "sys/policies/acl/bao", json!({ "policy": policy })).await?;
        let made = json!({"policies": ["bao"], "no_default_policy": true, "ttl": "1h"});
        let made = openbao.call(Method::POST, "auth/token/create", made).await?;
        let token = made["auth"]["client_token"].as_str().context("a token")?;
        bed.cluster.write_secret(&ns, "openbao", &[("token", token)]).await?;
        bed.apply(&ns, OPENBAO).await?;
        deliver(
            bed,
            &ns,
            "openbao",
            &[
                ("whole", "data: [{secretKey: k, remoteRef: {key: bao/db}}]", &[("k", r#"{"user":"bob"}"#)]),
                ("property", "data: [{secretKey: k, remoteRef: {key: bao/app, property: user}}]", &[("k", "ada")]),
                ("path", "data: [{secretKey: k, remoteRef: {key: bao/app, property: nested.port}}]", &[("k", "5432")]),
                ("dotted", "data: [{secretKey: k, remoteRef: {key: bao/app, property: dotted.key}}]", &[("k", "dot")]),
                (
                    "version",
                    "data: [{secretKey: k, remoteRef: {key: bao/app, property: user, version: '1'}}]",
                    &[("k", "old")],
                ),
                (
                    "extract",
                    "dataFrom: [{extract: {key: bao/app}}]",
                    &[("user", "ada"), ("nested", r#"{"port":5432}"#), ("dotted.key", "dot")],
                ),
                (
                    "found",
                    "dataFrom: [{find: {path: bao, name: {regexp: '^[ad]'}}}]",
                    &[
                        ("app", r#"{"dotted.key":"dot","nested":{"port":5432},"user":"ada"}"#),
                        ("db", r#"{"user":"bob"}"#),
                    ],
                ),
            ],
        )
        .await?;
        let store = bed.store_says(&ns, "openbao", "True Valid: store validated").await?;
        assert_eq!(wait::field(&store, "/status/capabilities"), "ReadOnly");
        Ok(())
    })
}

#[test]
fn openbao_with_logins_kv_v1_and_namespaces() -> Result {
    SUITE.run("openbao-logins", async |bed, ns| {
        let openbao = bed.openbao()?;
        openbao.write_v1("bao", json!({"user": "ada"})).await?;
        openbao.namespace("bao-team").await?;
        openbao.call(Method::POST, "bao-team/kv/data/app", json!({"data": {"user": "eve"}})).await?;
        openbao.user("bao", "p4ss ").await?;
        let role = openbao.approle("bao").await?;
        let login = [("password", "p4ss \n"), ("role-id", &role.role_id), ("secret-id", &role.secret_id)];
        bed.cluster.write_secret(&ns, "openbao", &login).await?;
        let user = "userPass: {path: userpass, username: bao, secretRef: {name: openbao, key: password}}";
        let role_id = format!("roleId: {}", role.role_id);
        let role = |id: &str| format!("appRole: {{path: approle, {id}, secretRef: {{name: openbao, key: secret-id}}}}");
        let cases = [
            ("user", "path: kv1\n      version: v1", user.to_owned(), "bao", "ada"),
            ("role", "path: kv1\n      version: v1", role(&role_id), "bao", "ada"),
            ("role-ref", "path: kv1\n      version: v1", role("roleRef: {name: openbao, key: role-id}"), "bao", "ada"),
            // The user is one of the root namespace; the mount is the default one.
            ("team", "namespace: bao-team", format!("namespace: '', {user}"), "app", "eve"),
        ];
        for (store, place, auth, key, value) in cases {
            let yaml = OPENBAO.replace("path: secret", place).replace("name: openbao,", &format!("name: {store},"));
            let token = format!("auth: {{tokenSecretRef: {{name: {store}, key: token}}}}");
            bed.apply(&ns, &yaml.replace(&token, &format!("auth: {{{auth}}}"))).await?;
            let spec = format!(
                "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {{name: {store}, namespace: $NS}}\n\
                 spec:\n  secretStoreRef: {{name: {store}}}\n  data: [{{secretKey: k, remoteRef: {{key: {key}, property: user}}}}]\n"
            );
            bed.apply(&ns, &spec).await?;
            bed.synced(&ns, store).await?;
            assert_eq!(bed.values(&ns, store).await?["k"], value, "{store}");
            bed.store_says(&ns, store, "True Valid: store validated").await?;
        }
        Ok(())
    })
}

#[test]
fn openbao_says_which_version_the_mount_has_and_takes_it() -> Result {
    SUITE.run("openbao-wrong", async |bed, ns| {
        bed.openbao()?.write("bao-wrong/app", json!({"user": "ada"})).await?;
        bed.cluster.write_secret(&ns, "openbao", &[("token", e2e::backend::OpenBao::ROOT_TOKEN)]).await?;
        bed.apply(&ns, &OPENBAO.replace("path: secret", "path: secret\n      version: v1")).await?;
        let store = bed.store_says(&ns, "openbao", "False InvalidProviderConfig: unable to validate store").await?;
        let text = "expected kv engine version 1 found version 2; set spec.provider.openBao.version to v2";
        assert_eq!(wait::field(&store, "/status/conditions/0/detail"), text);
        bed.event(&ns, "openbao", text).await?;

        bed.apply(&ns, &OPENBAO.replace("path: secret", "path: secret\n      version: v2")).await?;
        let row: Row =
            ("es", "data: [{secretKey: k, remoteRef: {key: bao-wrong/app, property: user}}]", &[("k", "ada")]);
        deliver(bed, &ns, "openbao", &[row]).await?;

        let none = "data: [{secretKey: k, remoteRef: {key: bao-wrong/none, property: user}}]";
        let yaml = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: none, namespace: $NS}\n";
        bed.apply(&ns, &format!("{yaml}spec:\n  secretStoreRef: {{name: openbao}}\n  {none}\n")).await?;
        bed.says(&ns, "none", "False SecretSyncedError: could not get secret data from provider").await?;
        bed.event(&ns, "none", "Secret does not exist").await?;
        Ok(())
    })
}

#[test]
fn aws_secrets_manager_with_static_credentials() -> Result {
    SUITE.run("aws", async |bed, ns| {
        let moto = bed.moto()?;
        moto.create("aws/app", r#"{"user":"old"}"#).await?;
        moto.rotate("aws/app", r#"{"user":"ada","nested":{"port":5432},"dotted.key":"dot"}"#).await?;
        moto.create("aws/plain", "not JSON at all").await?;
        for number in 1..=8 {
            moto.create(&format!("aws/many-{number}"), &number.to_string()).await?;
        }
        bed.apply(
            &ns,
            "
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
      service: SecretsManager
      region: eu-central-1
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: aws, key: id}
          secretAccessKeySecretRef: {name: aws, key: secret}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: prefixed, namespace: $NS}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      prefix: aws/
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: aws, key: id}
          secretAccessKeySecretRef: {name: aws, key: secret}
",
        )
        .await?;
        deliver(
            bed,
            &ns,
            "aws",
            &[
                ("whole", "data: [{secretKey: k, remoteRef: {key: aws/plain}}]", &[("k", "not JSON at all")]),
                ("property", "data: [{secretKey: k, remoteRef: {key: aws/app, property: user}}]", &[("k", "ada")]),
                ("path", "data: [{secretKey: k, remoteRef: {key: aws/app, property: nested.port}}]", &[("k", "5432")]),
                ("dotted", "data: [{secretKey: k, remoteRef: {key: aws/app, property: dotted.key}}]", &[("k", "dot")]),
                (
                    "stage",
                    "data: [{secretKey: k, remoteRef: {key: aws/app, property: user, version: AWSPREVIOUS}}]",
                    &[("k", "old")],
                ),
                // All eight in one call.
                (
                    "many",
                    "data: [{secretKey: a, remoteRef: {key: aws/many-1}}, {secretKey: b, remoteRef: {key: aws/many-2}}, \
                     {secretKey: c, remoteRef: {key: aws/many-3}}, {secretKey: d, remoteRef: {key: aws/many-4}}, \
                     {secretKey: e, remoteRef: {key: aws/many-5}}, {secretKey: f, remoteRef: {key: aws/many-6}}, \
                     {secretKey: g, remoteRef: {key: aws/many-7}}, {secretKey: h, remoteRef: {key: aws/many-8}}]",
                    &[
                        ("a", "1"),
                        ("b", "2"),
                        ("c", "3"),
                        ("d", "4"),
                        ("e", "5"),
                        ("f", "6"),
                        ("g", "7"),
                        ("h", "8"),
                    ],
                ),
                (
                    "extract",
                    "dataFrom: [{extract: {key: aws/app}}]",
                    &[("user", "ada"), ("nested", r#"{"port":5432}"#), ("dotted.key", "dot")],
                ),
            ],
        )
        .await?;
        let row: Row = ("prefix", "data: [{secretKey: k, remoteRef: {key: app, property: user}}]", &[("k", "ada")]);
        deliver(bed, &ns, "prefixed", &[row]).await
    })
}

#[test]
fn aws_secrets_manager_with_the_role_of_a_service_account() -> Result {
    SUITE.run("aws-jwt", async |bed, ns| {
        let moto = bed.moto()?;
        // Only who assumed a role of these accounts sees them.
        moto.create_in("222222222222", "jwt/app", "of the account's role").await?;
        moto.create_in("333333333333", "jwt/app", "of the role after it").await?;
        let store = |name: &str, account: &str, more: &str| {
            format!(
                "
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: {name}, namespace: $NS}}
spec:
  provider:
    aws:
      service: SecretsManager
      region: eu-central-1
      auth: {{jwt: {{serviceAccountRef: {{name: {account}, namespace: elsewhere}}}}}}
{more}"
            )
        };
        let accounts = "
apiVersion: v1
kind: ServiceAccount
metadata:
  name: app
  namespace: $NS
  annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::222222222222:role/app'}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: plain, namespace: $NS}
";
        let chain = store("chain", "app", "      role: arn:aws:iam::333333333333:role/last\n");
        let stores = [store("one", "app", ""), chain, store("none", "plain", "")].concat();
        bed.apply(&ns, &format!("{accounts}{stores}")).await?;
        bed.store_says(&ns, "one", "True Valid: store validated").await?;
        let entry = "data: [{secretKey: k, remoteRef: {key: jwt/app}}]";
        deliver(bed, &ns, "one", &[("one", entry, &[("k", "of the account's role")])]).await?;
        deliver(bed, &ns, "chain", &[("chain", entry, &[("k", "of the role after it")])]).await?;

        bed.store_says(&ns, "none", "False InvalidProviderConfig: unable to create client").await?;
        let text = format!("an IAM role must be associated with service account plain (namespace: {ns})");
        bed.event(&ns, "none", &text).await?;
        Ok(())
    })
}

#[test]
fn aws_certificates_with_their_keys() -> Result {
    SUITE.run("aws-acm", async |bed, ns| {
        let (open, locked) =
            (bed.moto()?.certificate("a.example.org", true), bed.moto()?.certificate("b.example.org", false));
        let (open, locked) = (open.await?, locked.await?);
        bed.apply(
            &ns,
            "
apiVersion: v1
kind: Secret
metadata: {name: aws, namespace: $NS}
stringData: {id: test, secret: test}
---
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {name: acm, namespace: $NS}
spec:
  provider:
    aws:
      service: CertificateManager
      region: eu-central-1
      auth:
        secretRef:
          accessKeyIDSecretRef: {name: aws, key: id}
          secretAccessKeySecretRef: {name: aws, key: secret}
",
        )
        .await?;
        let secret = |name: &str, arn: &str| {
            format!(
                "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: {name}, namespace: $NS}}
spec:
  secretStoreRef: {{name: acm}}
  target:
    template:
      type: kubernetes.io/tls
      data:
        tls.crt: '{{{{ .pem | filterPEM \"CERTIFICATE\" }}}}'
        tls.key: '{{{{ .pem | filterPEM \"PRIVATE KEY\" }}}}'
  data: [{{secretKey: pem, remoteRef: {{key: '{arn}'}}}}]
"
            )
        };
        bed.apply(&ns, &secret("open", &open)).await?;
        bed.apply(&ns, &secret("locked", &locked)).await?;
        bed.synced(&ns, "open").await?;
        let values = bed.values(&ns, "open").await?;
        assert!(values["tls.crt"].starts_with("-----BEGIN CERTIFICATE-----\n"), "{}", values["tls.crt"]);
        assert!(values["tls.key"].starts_with("-----BEGIN PRIVATE KEY-----\n"), "a key without a passphrase");
        bed.event(&ns, "locked", "is not exportable (Options.Export is not ENABLED)").await?;
        Ok(())
    })
}

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
        deliver(
            bed,
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
        deliver(
            bed,
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
        deliver(
            bed,
            &ns,
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

#[test]
fn manifests_of_v1beta1() -> Result {
    SUITE.run("v1beta1", async |bed, ns| {
        bed.openbao()?.write("v1beta1/app", json!({"user": "ada"})).await?;
        let yaml = VAULT.to_owned()
            + "
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  refreshInterval: 1h
  secretStoreRef: {kind: SecretStore, name: vault}
  target: {name: app-credentials, creationPolicy: Owner}
  data: [{secretKey: k, remoteRef: {key: v1beta1/app, property: user}}]
";
        bed.apply(&ns, &yaml.replace("external-secrets.io/v1\n", "external-secrets.io/v1beta1\n")).await?;
        bed.synced(&ns, "es").await?;
        assert_eq!(bed.values(&ns, "app-credentials").await?["k"], "ada");
        Ok(())
    })
}
