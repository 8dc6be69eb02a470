//! Vault and OpenBao, by each login that a real server takes, deliver what it holds.

use e2e::pki::Pki;
use e2e::testbed::{Parts, Row, Suite};
use e2e::{Context, Result, wait};
use reqwest::Method;
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

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
        bed.deliver(
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
        bed.deliver(
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
            bed.deliver(&ns, store, &[row]).await?;
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
        bed.deliver(&ns, "vault", &[row]).await
    })
}

/// The cluster's own signature counts here, without a question to it.
#[test]
fn vault_with_a_token_of_a_service_account() -> Result {
    SUITE.run("vault-jwt", async |bed, ns| {
        let openbao = bed.openbao()?;
        openbao.write("jwt/app", json!({"user": "ada"})).await?;
        let key = std::fs::read_to_string(bed.cluster.folder().join("service-account.pub"))?;
        openbao.jwt_auth("sync", &key, &format!("system:serviceaccount:{ns}:app")).await?;
        for account in ["app", "other"] {
            let object = format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {account}, namespace: $NS}}\n");
            bed.apply(&ns, &object).await?;
            let auth = format!(
                "auth: {{jwt: {{role: sync, kubernetesServiceAccountToken: {{serviceAccountRef: {{name: {account}}}}}}}}}"
            );
            let store = VAULT.replace("auth: {tokenSecretRef: {name: vault-token, key: token}}", &auth);
            bed.apply(&ns, &store.replace("name: vault,", &format!("name: {account},"))).await?;
        }
        let row: Row = ("es", "data: [{secretKey: k, remoteRef: {key: jwt/app, property: user}}]", &[("k", "ada")]);
        bed.deliver(&ns, "app", &[row]).await?;
        let store = bed.store_says(&ns, "other", "False InvalidProviderConfig: unable to create client").await?;
        let detail = wait::field(&store, "/status/conditions/0/detail").to_string();
        assert!(detail.contains("login refused; check spec.provider.vault.auth.jwt"), "{detail}");
        Ok(())
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
        bed.deliver(&ns, "ours", &[row]).await?;
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
        bed.deliver(
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
        bed.deliver(&ns, "openbao", &[row]).await?;

        let none = "data: [{secretKey: k, remoteRef: {key: bao-wrong/none, property: user}}]";
        let yaml = "apiVersion: external-secrets.io/v1\nkind: ExternalSecret\nmetadata: {name: none, namespace: $NS}\n";
        bed.apply(&ns, &format!("{yaml}spec:\n  secretStoreRef: {{name: openbao}}\n  {none}\n")).await?;
        bed.says(&ns, "none", "False SecretSyncedError: could not get secret data from provider").await?;
        bed.event(&ns, "none", "Secret does not exist").await?;
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
