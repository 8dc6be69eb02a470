//! The chart: what values files render to, that the API server takes all of it and our programs their flags, and that
//! helm installs it over what ESO's chart left.
//!
//! A case is a values file in `testdata/chart` with what it renders to in the `.want` beside it; `WANT=write` writes that
//! anew. Comments at its top may name a `release`, arguments of `helm`, and a `note` that the user is shown.

#[path = "chart/outline.rs"]
mod outline;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use e2e::cluster::{documents, yaml_files};
use e2e::operator::Webhook;
use e2e::shared::Shared;
use e2e::{Cluster, Context, Error, Result, deps, helm, wait};
use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStrategy};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use crate::outline::outline;

const NAMESPACE: &str = "external-secrets";

fn testdata() -> PathBuf {
    deps::repository().join("e2e/testdata/chart")
}

static CLUSTER: Shared<Cluster> = Shared::new();

async fn start() -> Result<Cluster> {
    let cluster = Cluster::start().await?;
    cluster.apply(&testdata().join("foreign/crds.yaml")).await?;
    Ok(cluster)
}

#[test]
fn values_render_to_what_is_written_beside_them_and_the_api_server_takes_it() -> Result {
    CLUSTER.run(start, async |cluster| {
        let files = yaml_files(&testdata())?;
        assert!(files.len() >= 8, "only {} cases", files.len());
        for file in files {
            check(cluster, &file).await.context(file.display())?;
        }
        Ok(())
    })
}

/// What the comments `# WHAT: …` of a values file say.
fn comments<'text>(text: &'text str, what: &str) -> Vec<&'text str> {
    let head = format!("# {what}: ");
    text.lines().filter_map(|line| line.strip_prefix(&head)).collect()
}

async fn check(cluster: &Cluster, file: &Path) -> Result {
    let text = fs::read_to_string(file)?;
    let said = |what: &str| comments(&text, what);
    let release = said("release").first().copied().unwrap_or("external-secrets").to_owned();
    let mut args: Vec<String> = vec![release, helm::chart().display().to_string()];
    args.extend(["--namespace", NAMESPACE, "--values"].map(str::to_owned));
    args.push(file.display().to_string());
    args.extend(said("helm").into_iter().flat_map(str::split_whitespace).map(str::to_owned));

    let rendered = helm::run(["template", "--kube-version=1.36"].map(str::to_owned).iter().chain(&args))?;
    let objects = documents(&rendered)?;
    let got = outline(&objects);
    let beside = file.with_extension("want");
    if std::env::var("WANT").is_ok_and(|it| it == "write") {
        fs::write(&beside, &got)?;
    }
    assert_eq!(got, fs::read_to_string(&beside).unwrap_or_default(), "{} is stale", beside.display());

    fits_together(&objects)?;
    would_be_taken(cluster, &objects).await?;
    for object in objects.iter().filter(|it| it["kind"] == "Deployment") {
        programs_take_their_flags(object)?;
    }
    if !said("note").is_empty() {
        let shown = helm::run(["install", "--dry-run=client"].map(str::to_owned).iter().chain(&args))?;
        for note in said("note") {
            assert!(shown.contains(note), "the user isn't told {note:?}: {shown}");
        }
    }
    Ok(())
}

/// All but the definitions, which are applied for real elsewhere.
async fn would_be_taken(cluster: &Cluster, objects: &[Value]) -> Result {
    let namespaces: BTreeSet<&str> = objects.iter().filter_map(|it| it["metadata"]["namespace"].as_str()).collect();
    for name in namespaces {
        cluster.apply_json(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await?;
    }
    for object in objects.iter().filter(|it| it["kind"] != "CustomResourceDefinition") {
        cluster.would_take(object).await?;
    }
    Ok(())
}

/// What one object says of another is true.
fn fits_together(objects: &[Value]) -> Result {
    let name = |object: &Value| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&object["kind"]), text(&object["metadata"]["namespace"]), text(&object["metadata"]["name"]))
    };
    let names: BTreeSet<_> = objects.iter().map(name).collect();
    assert_eq!(names.len(), objects.len(), "an object is rendered twice");
    let pods: Vec<&Value> =
        objects.iter().filter(|it| it["kind"] == "Deployment").map(|it| &it["spec"]["template"]).collect();
    let selected = |selector: &Value| {
        let wished = selector.as_object().filter(|it| !it.is_empty());
        let has = |pod: &&Value| wished.is_some_and(|it| it.iter().all(|(k, v)| pod["metadata"]["labels"][k] == *v));
        pods.iter().copied().find(has)
    };
    for object in objects {
        let (kind, namespace, own) = name(object);
        let spec = &object["spec"];
        match kind.as_str() {
            "Deployment" => {
                let selector = &spec["selector"]["matchLabels"];
                // A selector can't be changed: these two are ESO's, and there may be no third.
                let keys: Vec<&String> = selector.as_object().context("no selector")?.keys().collect();
                assert_eq!(keys, ["app.kubernetes.io/instance", "app.kubernetes.io/name"], "{own}");
                assert!(selected(selector).is_some(), "{own} selects no pod of its own");
            }
            "Service" => {
                let pod = selected(&spec["selector"]).context(format!("Service {own} selects no pod"))?;
                for port in spec["ports"].as_array().into_iter().flatten() {
                    let mut ports = pod["spec"]["containers"].as_array().into_iter().flatten();
                    let known = ports.any(|it| it["ports"].to_string().contains(&port["targetPort"].to_string()));
                    assert!(known, "Service {own}: no container has the port {}", port["targetPort"]);
                }
            }
            "PodDisruptionBudget" => assert!(selected(&spec["selector"]["matchLabels"]).is_some(), "{own}"),
            "NetworkPolicy" => assert!(selected(&spec["podSelector"]["matchLabels"]).is_some(), "{own}"),
            "RoleBinding" | "ClusterRoleBinding" => {
                let role = &object["roleRef"];
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let role = (text(&role["kind"]), namespace, text(&role["name"]));
                assert!(role.2.starts_with("system:") || names.contains(&role), "{own} binds {role:?}");
            }
            _ => {}
        }
    }
    Ok(())
}

/// They get as far as looking for a cluster, and find no flag that has no effect.
fn programs_take_their_flags(deployment: &Value) -> Result {
    for container in deployment["spec"]["template"]["spec"]["containers"].as_array().into_iter().flatten() {
        let image = container["image"].as_str().unwrap_or_default();
        let Some(program) = ["controller", "webhook"].into_iter().find(|it| image.contains(&format!("/{it}:"))) else {
            continue;
        };
        let args = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
        let done = Command::new(deps::own_program(program)?)
            .args(args)
            .env_clear()
            .env("KUBECONFIG", "/no/such/kubeconfig")
            .output()?;
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert_eq!(done.status.code(), Some(1), "{program}: {said}");
        assert!(said.contains("/no/such/kubeconfig"), "{program} ended before it looked for a cluster: {said}");
        assert!(!said.contains("no effect"), "{program} has a flag without effect: {said}");
    }
    Ok(())
}

#[test]
fn wrong_values_are_refused_by_name() -> Result {
    for (values, part) in [
        (json!({"replicaCount": "two"}), "/replicaCount': got string, want integer"),
        (json!({"image": "controller:1"}), "/image': got string, want object"),
        (json!({"extraEnv": {"A": "b"}}), "/extraEnv': got object, want array"),
        (json!({"webhook": {"certManager": {"enabled": "yes"}}}), "/webhook/certManager/enabled': got string"),
        (
            json!({"webhook": {"failurePolicy": "Maybe"}}),
            "/webhook/failurePolicy': value must be one of 'Fail', 'Ignore'",
        ),
        (json!({"webhook": {"certLifetime": "1d"}}), "/webhook/certLifetime': '1d' does not match"),
        (json!({"shards": 2000}), "/shards': maximum"),
        (json!({"leaderElect": true, "shards": 8}), "leaderElect and shards exclude each other"),
        (json!({"bitwarden-sdk-server": {"enabled": true}}), "bitwarden-sdk-server.enabled"),
        (json!({"serviceMonitor": {"enabled": true, "renderMode": "failIfMissing"}}), "serviceMonitor.renderMode"),
        (json!({"webhook": {"autoscaling": {"enabled": true, "minReplicas": 9}}}), "webhook.autoscaling.minReplicas"),
    ] {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("values.json");
        fs::write(&file, values.to_string())?;
        let args = [Path::new("template"), Path::new("any"), &helm::chart(), Path::new("--values"), &file];
        let error = helm::run(args).err().context(format!("{values} is taken"))?.to_string();
        assert!(error.contains(part), "{values}: {error}");
    }
    Ok(())
}

/// The paths of all values, as `.a.b`; what a user may fill has none below it.
fn paths(path: &str, value: &Value, into: &mut BTreeSet<String>) {
    into.insert(path.to_owned());
    for (key, below) in value.as_object().into_iter().flatten() {
        paths(&format!("{path}.{key}"), below, into);
    }
}

#[test]
fn the_schema_names_every_value() -> Result {
    let values: Value = serde_saphyr::from_str(&fs::read_to_string(helm::chart().join("values.yaml"))?)?;
    let schema: Value = serde_json::from_str(&fs::read_to_string(helm::chart().join("values.schema.json"))?)?;
    let mut all = BTreeSet::new();
    paths("", &values, &mut all);
    for path in all {
        // Below an object without named properties anything goes.
        let mut node = &schema;
        for key in path.split('.').skip(1) {
            let Some(properties) = node["properties"].as_object() else { break };
            node = properties.get(key).context(format!("{path} is missing in values.schema.json"))?;
        }
    }
    let mut known = BTreeSet::new();
    paths("", &values, &mut known);
    let mut stack = vec![(String::new(), &schema)];
    while let Some((path, node)) = stack.pop() {
        for (key, below) in node["properties"].as_object().into_iter().flatten() {
            let path = format!("{path}.{key}");
            // Not set by default, since it wins over minAvailable.
            let known = path.ends_with(".maxUnavailable") || known.contains(&path);
            assert!(known || path.contains("[]"), "values.yaml has no {path}, which values.schema.json names");
            stack.push((path, below));
        }
    }
    Ok(())
}

#[test]
fn the_chart_has_the_version_of_the_programs() -> Result {
    let chart: Value = serde_saphyr::from_str(&fs::read_to_string(helm::chart().join("Chart.yaml"))?)?;
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!((&chart["version"], &chart["appVersion"]), (&json!(version), &json!(version)));
    Ok(())
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() -> Result {
    let page = fs::read_to_string(deps::repository().join("docs/metrics.md"))?;
    let known: BTreeSet<&str> = page.split('`').filter(|it| it.contains('_') && !it.contains(' ')).collect();
    let text = fs::read_to_string(helm::chart().join("files/dashboard.json"))?;
    let mut dashboard: Value = serde_json::from_str(&text)?;
    let panels = dashboard["panels"].as_array_mut().context("no panels")?;
    let mut seen = 0;
    for target in panels.iter().flat_map(|it| it["targets"].as_array().into_iter().flatten()) {
        let expression = target["expr"].as_str().context("a target without expr")?;
        let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        for word in words.filter(|it| it.len() > 20 && it.contains('_')) {
            let name = word.trim_end_matches("_bucket");
            assert!(known.contains(name), "docs/metrics.md has no {name}: {expression}");
            seen += 1;
        }
    }
    assert!(seen >= 25, "only {seen} metrics in the dashboard");
    Ok(())
}

#[test]
fn overlays_change_what_they_say() -> Result {
    CLUSTER.run(start, async |cluster| {
        let built = |overlay: &str| -> Result<Vec<Value>> {
            let folder = deps::manifests().join("kustomize").join(overlay);
            let done = Command::new(deps::kubectl()?).arg("kustomize").arg(&folder).output()?;
            assert!(done.status.success(), "{overlay}: {}", String::from_utf8_lossy(&done.stderr));
            documents(&String::from_utf8(done.stdout)?)
        };
        let all = built("high-availability")?;
        let controller = all
            .iter()
            .find(|it| it["kind"] == "Deployment" && it["metadata"]["name"] == "external-secrets")
            .context("no controller")?;
        assert_eq!(controller["spec"]["replicas"], 2);
        assert_eq!(controller["spec"]["strategy"], json!({"type": "RollingUpdate"}));
        assert!(controller.to_string().contains("--enable-leader-election=true"));
        would_be_taken(cluster, &all).await?;
        programs_take_their_flags(controller)?;

        let few = built("without-crds")?;
        assert!(few.iter().all(|it| it["kind"] != "CustomResourceDefinition") && few.len() + 25 == all.len());
        Ok(())
    })
}

#[test]
fn an_install_is_not_held_up_by_its_own_webhook() -> Result {
    CLUSTER.run(start, async |cluster| {
        cluster.install().await?;
        let webhook = Webhook::spawn(cluster, 1, &[]).await?;
        let other = cluster.namespace("other").await?;
        let object = |namespace: &str, name: &str, spec: Value| {
            let metadata = json!({"name": name, "namespace": namespace});
            json!({"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": metadata, "spec": spec})
        };
        // What can't be an ExternalSecret gets the schema's refusal, and none of an expression that stumbled over it.
        for spec in [json!("text"), json!({"secretStoreRef": "text"}), json!({"secretStoreRef": {"name": 7}})] {
            let refusal = cluster.create(object(&other, "wrong", spec)).await?.err().context("it is taken")?;
            assert!(refusal.to_string().contains("must be of type"), "{refusal}");
        }
        webhook.kill(0);
        let good = || json!({"secretStoreRef": {"name": "a"}, "data": [{"secretKey": "k", "remoteRef": {"key": "k"}}]});
        let refusal = cluster.create(object(&other, "good", good())).await?.err().context("nobody was asked")?;
        assert!(refusal.to_string().contains("failed calling webhook"), "{refusal}");
        // The first to be asked is not the one that fills in a store: there is one.
        assert!(refusal.to_string().contains("validate.externalsecret.external-secrets.io"), "{refusal}");
        cluster.create(object(NAMESPACE, "good", good())).await??;
        Ok(())
    })
}

#[test]
fn an_upgrade_from_esos_chart_keeps_what_it_has_and_an_uninstall_keeps_the_crds() -> Result {
    static OWN: Shared<Cluster> = Shared::new();
    // A cluster of its own: releases of one name can't be told apart by tests that share it.
    OWN.run(Cluster::audited, async |cluster| {
        // Helm 4 applies at the server unless the release was made by Helm 3, which patches.
        upgrade(cluster, &["--server-side=true"], &["--set=crd=true"], &[]).await.context("server-side")?;
        let without = ["--set=installCRDs=false"];
        upgrade(cluster, &["--server-side=false"], &["--set=crd=false"], &without).await.context("client-side")
    })
}

async fn upgrade(cluster: &Cluster, how: &[&str], before: &[&str], after: &[&str]) -> Result {
    let kubeconfig = format!("--kubeconfig={}", cluster.kubeconfig().display());
    let namespace = format!("--namespace={NAMESPACE}");
    let run = |command: &[&str], more: &[&str]| {
        helm::run(command.iter().chain(&["external-secrets", &kubeconfig, &namespace]).chain(more))
    };
    let old = testdata().join("before").display().to_string();
    let new = helm::chart().display().to_string();
    let deployments: Api<Deployment> = Api::namespaced(cluster.client(), NAMESPACE);
    let configurations: Api<ValidatingWebhookConfiguration> = Api::all(cluster.client());
    let definitions: Api<CustomResourceDefinition> = Api::all(cluster.client());

    run(&["install", "--create-namespace"], &[how, before, &[&old]].concat())?;
    cluster.write_secret(NAMESPACE, "external-secrets-webhook", &[("ca.crt", "esos")]).await?;
    let ca = base64::prelude::BASE64_STANDARD.encode(cluster.ca());
    let trusted = json!([{"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": ca}]);
    let trusted: Patch<()> = Patch::Json(serde_json::from_value(trusted)?);
    configurations.patch("secretstore-validate", &PatchParams::default(), &trusted).await?;
    let uid = async |name: &str| -> Result<Option<String>> { Ok(deployments.get(name).await?.metadata.uid) };
    let uids = (uid("external-secrets").await?, uid("external-secrets-webhook").await?);

    run(&["upgrade"], &[how, after, &[&new]].concat())?;
    assert_eq!((uid("external-secrets").await?, uid("external-secrets-webhook").await?), uids);
    let strategy = deployments.get("external-secrets").await?.spec.strategy.context("no strategy")?;
    let surge = |it: DeploymentStrategy| it.rolling_update.and_then(|it| it.max_surge);
    assert_eq!(surge(strategy), Some(IntOrString::Int(0)));
    assert!(deployments.get_opt("external-secrets-cert-controller").await?.is_none(), "the cert controller is left");
    let secret = cluster.secrets(NAMESPACE).get("external-secrets-webhook").await?;
    assert!(secret.data.is_some_and(|it| it.contains_key("ca.crt")), "the certificates are lost");
    let hooks = configurations.get("secretstore-validate").await?.webhooks.unwrap_or_default();
    let known = |name: &str| hooks.iter().find(|it| it.name == name).map(|it| it.client_config.ca_bundle.is_some());
    assert_eq!(known("validate.secretstore.external-secrets.io"), Some(true), "the caBundle is lost");
    assert_eq!(known("validate.clustersecretstore.external-secrets.io"), Some(false));

    run(&["rollback"], &[how, &["1"]].concat())?;
    assert_eq!((uid("external-secrets").await?, uid("external-secrets-webhook").await?), uids);
    let back = deployments.get("external-secrets-cert-controller").await?.spec;
    assert_eq!(back.replicas, Some(1));

    run(&["upgrade"], &[how, after, &["--set=leaderElect=true", &new]].concat())?;
    let strategy = deployments.get("external-secrets").await?.spec.strategy;
    assert_eq!(strategy.and_then(surge), Some(IntOrString::String("25%".to_owned())));

    run(&["uninstall"], &[])?;
    wait::until(&deployments, "external-secrets", Duration::from_secs(30), "to be gone", |it| {
        it.is_none_or(|it| it.metadata.deletion_timestamp.is_some())
    })
    .await?;
    let kept = definitions.get("externalsecrets.external-secrets.io").await?;
    assert!(kept.metadata.deletion_timestamp.is_none() && kept.spec.versions.len() == 2, "the CRDs are gone");
    if configurations.get_opt("secretstore-validate").await?.is_some() {
        return Err(Error::new("a webhook configuration is left that nobody answers"));
    }
    Ok(())
}
