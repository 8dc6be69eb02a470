//! AWS, by static credentials and by roles of service accounts, delivers secrets and certificates.

use e2e::Result;
use e2e::testbed::{AWS_STORE, Parts, Row, Suite};

static SUITE: Suite = Suite::new(Parts::syncing);

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
        bed.apply(&ns, AWS_STORE).await?;
        let prefixed = AWS_STORE.replace("region:", "prefix: aws/\n      region:");
        bed.apply(&ns, &prefixed.replace("SecretStore\nmetadata: {name: aws,", "SecretStore\nmetadata: {name: prefixed,")).await?;
        bed.deliver(
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
        bed.deliver(&ns, "prefixed", &[row]).await
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
        bed.deliver(&ns, "one", &[("one", entry, &[("k", "of the account's role")])]).await?;
        bed.deliver(&ns, "chain", &[("chain", entry, &[("k", "of the role after it")])]).await?;

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
