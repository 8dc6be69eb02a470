//! The harness keeps its own promises: nothing outlives its starter, and the control plane is a real one.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::backend::{Moto, OpenBao};
use e2e::guarded::Launch;
use e2e::shared::Shared;
use e2e::{Cluster, Context, Result, deps, wait};
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use reqwest::Method;
use serde_json::{Value, json};

/// Whether a process of this id exists and isn't a corpse that nobody has buried yet.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

fn gone_within(pid: u32, limit: Duration) -> bool {
    let from = Instant::now();
    while alive(pid) {
        if from.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[tokio::test]
async fn a_dropped_process_is_gone_at_once() -> Result {
    let folder = tempfile::tempdir()?;
    let process = Launch::new("sleep", "sleep", folder.path()).args(["1000"]).spawn()?;
    let pid = process.pid().await?;
    assert!(alive(pid));
    drop(process);
    assert!(!alive(pid));
    Ok(())
}

#[tokio::test]
async fn an_asked_process_ends_with_its_own_status() -> Result {
    let folder = tempfile::tempdir()?;
    let script = "trap 'exit 7' TERM; echo listening; while :; do sleep 0.05; done";
    let mut process = Launch::new("polite", "sh", folder.path()).args(["-c", script]).spawn()?;
    while !process.log().contains("listening") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(process.terminate(Duration::from_secs(10)).await?.code(), Some(7));
    Ok(())
}

#[tokio::test]
async fn a_killed_starter_takes_its_processes_and_their_folder_along() -> Result {
    let folder = tempfile::tempdir()?.keep();
    let pid_file = folder.with_extension("pid");
    // The starter is a program that does nothing but hold the other end of the guard's pipe.
    let mut starter = Command::new("sleep").arg("1000").stdout(Stdio::piped()).spawn()?;
    let mut guard = Command::new(deps::own_program("guard")?)
        .args([Path::new("--pid-file"), &pid_file, Path::new("--remove"), &folder])
        .args(["--", "sh", "-c", "sleep 1000 & wait"])
        .stdin(Stdio::from(starter.stdout.take().context("pipe")?))
        .process_group(0)
        .spawn()?;
    let pid = loop {
        if let Ok(text) = std::fs::read_to_string(&pid_file) {
            break text.parse()?;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    starter.kill()?;
    starter.wait()?;
    guard.wait()?;
    assert!(gone_within(pid, Duration::from_secs(1)), "the process outlived its starter");
    assert!(!folder.exists(), "the folder outlived its starter");
    std::fs::remove_file(pid_file)?;
    Ok(())
}

static CLUSTER: Shared<Cluster> = Shared::new();

#[test]
fn the_control_plane_is_kubernetes_1_36() -> Result {
    CLUSTER.run(Cluster::start, async |cluster| {
        let version = cluster.client().apiserver_version().await?;
        assert!(version.git_version.starts_with("v1.36."), "{}", version.git_version);
        Ok(())
    })
}

#[test]
fn an_account_without_roles_may_nothing() -> Result {
    CLUSTER.run(Cluster::start, async |cluster| {
        let namespace = cluster.namespace("powerless").await?;
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client(), &namespace);
        wait::until(&accounts, "default", Duration::from_secs(20), "to be created", |it| it.is_some()).await?;
        let kubeconfig: PathBuf = cluster.service_account_kubeconfig(&namespace, "default").await?;
        let secrets: Api<Secret> = Api::namespaced(e2e::cluster::client_of(&kubeconfig).await?, &namespace);
        let refusal = secrets.list(&ListParams::default()).await.err().context("the list should be refused")?;
        assert!(refusal.to_string().contains("forbidden"), "{refusal}");
        Ok(())
    })
}

#[test]
fn what_an_object_owns_is_collected_with_it() -> Result {
    CLUSTER.run(Cluster::start, async |cluster| {
        let namespace = cluster.namespace("garbage").await?;
        let owner =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner", "namespace": namespace}});
        let uid = cluster.apply_json(owner).await?.metadata.uid;
        let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid});
        cluster
            .apply_json(json!({
                "apiVersion": "v1", "kind": "Secret",
                "metadata": {"name": "owned", "namespace": namespace, "ownerReferences": [reference]},
            }))
            .await?;
        let owners: Api<ConfigMap> = Api::namespaced(cluster.client(), &namespace);
        owners.delete("owner", &DeleteParams::default()).await?;
        let secrets = cluster.secrets(&namespace);
        wait::until(&secrets, "owned", Duration::from_secs(30), "to be collected", |it| it.is_none()).await?;
        Ok(())
    })
}

#[tokio::test]
async fn the_backends_do_what_the_cases_ask_of_them() -> Result {
    let folder = tempfile::tempdir()?;
    let (openbao, moto) = tokio::try_join!(OpenBao::start(folder.path()), Moto::start(folder.path()))?;
    openbao.write("app", json!({"user": "ada"})).await?;
    openbao.write_v1("app", json!({"user": "bob"})).await?;
    let read = async |path: &str| openbao.call(Method::GET, path, Value::Null).await;
    assert_eq!(read("secret/data/app").await?["data"]["data"]["user"], "ada");
    assert_eq!(read("kv1/app").await?["data"]["user"], "bob");
    let role = openbao.approle("app").await?;
    assert!(!role.role_id.is_empty() && !role.secret_id.is_empty());
    let token = openbao.reader_token().await?;
    openbao.revoke(&token).await?;
    openbao.seal().await?;
    assert!(read("secret/data/app").await.is_err(), "a sealed server reads nothing");
    openbao.unseal().await?;
    assert_eq!(read("secret/data/app").await?["data"]["data"]["user"], "ada");

    moto.create("app", "one").await?;
    moto.rotate("app", "two").await?;
    assert_eq!(moto.call("GetSecretValue", json!({"SecretId": "app"})).await?["SecretString"], "two");
    let previous = moto.call("GetSecretValue", json!({"SecretId": "app", "VersionStage": "AWSPREVIOUS"})).await?;
    assert_eq!(previous["SecretString"], "one");
    moto.delete("app").await?;
    assert!(moto.call("GetSecretValue", json!({"SecretId": "app"})).await.is_err());
    Ok(())
}
