//! Generators on a real cluster: what they make arrives, is made anew at each refresh, and what can't be made is told.

use e2e::testbed::{Parts, Suite};
use e2e::{Result, wait};
use kube::api::{Patch, PatchParams};
use serde_json::json;

static SUITE: Suite = Suite::new(Parts::syncing);

const MADE: &str = r#"
apiVersion: generators.external-secrets.io/v1alpha1
kind: Password
metadata: {name: strong, namespace: $NS}
spec: {length: 40, digits: 8, symbols: 0, allowRepeat: true}
---
apiVersion: generators.external-secrets.io/v1alpha1
kind: ClusterGenerator
metadata: {name: $NS}
spec:
  kind: UUID
  generator: {uuidSpec: {}}
---
apiVersion: generators.external-secrets.io/v1alpha1
kind: SSHKey
metadata: {name: deploy, namespace: $NS}
spec: {keyType: ed25519, comment: deploy@ci}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: es, namespace: $NS}
spec:
  refreshInterval: 1h
  dataFrom:
    - sourceRef: {generatorRef: {kind: Password, name: strong}}
    - sourceRef: {generatorRef: {kind: ClusterGenerator, name: $NS}}
      rewrite: [{regexp: {source: "^uuid$", target: "install-id"}}]
    - sourceRef: {generatorRef: {kind: SSHKey, name: deploy}}
"#;

#[test]
fn generated_values_arrive_and_are_made_anew_when_asked() -> Result {
    SUITE.run("generated", async |bed, ns| {
        bed.apply(&ns, MADE).await?;
        bed.synced(&ns, "es").await?;
        let first = bed.values(&ns, "es").await?;
        assert_eq!(first.keys().collect::<Vec<_>>(), ["install-id", "password", "privateKey", "publicKey"]);
        assert_eq!(first["password"].len(), 40);
        assert_eq!(first["password"].chars().filter(char::is_ascii_digit).count(), 8);
        assert_eq!(first["install-id"].len(), 36);
        assert!(first["privateKey"].starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
        assert!(first["publicKey"].starts_with("ssh-ed25519 ") && first["publicKey"].ends_with(" deploy@ci\n"));

        let objects = bed.cluster.objects("ExternalSecret", Some(&ns))?;
        let force = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": "1"}}});
        objects.patch("es", &PatchParams::default(), &Patch::Merge(&force)).await?;
        let secrets = bed.cluster.secrets(&ns);
        let anew = |it: &_| wait::secret_text(it, "password").is_some_and(|text| text != first["password"]);
        wait::exists(&secrets, "es", std::time::Duration::from_secs(5), "a new password", anew).await?;
        Ok(())
    })
}

#[test]
fn a_generator_that_cannot_be_asked_is_told_by_name() -> Result {
    SUITE.run("ungenerated", async |bed, ns| {
        let object = "
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: $NAME, namespace: $NS}
spec:
  dataFrom: [{sourceRef: {generatorRef: {kind: $KIND, name: missing}}}]
";
        for (name, kind, event) in
            [("absent", "UUID", "not found"), ("remote", "ECRAuthorizationToken", "ECRAuthorizationToken")]
        {
            bed.apply(&ns, &object.replace("$NAME", name).replace("$KIND", kind)).await?;
            bed.says(&ns, name, "False SecretSyncedError: could not get secret data from provider").await?;
            let text = bed.event(&ns, name, event).await?;
            let place = "Warning UpdateFailed: error processing spec.dataFrom[0].sourceRef.generatorRef, err: ";
            assert!(text.starts_with(place), "{text}");
            assert!(text.contains("unable to get generator: "), "{text}");
        }
        Ok(())
    })
}
