//! `make demo`: the manifests of `docs/examples` on a real cluster with real backends, and what comes of them.
//!
//! Each part runs the very kubectl commands that it prints, and fails the demo if they don't show what they should.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::backend::{Moto, OpenBao};
use e2e::cluster::client_of;
use e2e::{Context, Error, Result, deps, wait};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use serde_json::json;

use crate::background::{self, Options, Running};
use crate::say;

struct Demo {
    running: Running,
    kubectl: PathBuf,
    examples: PathBuf,
    secrets: Api<Secret>,
    openbao: OpenBao,
    moto: Moto,
}

/// Where the demo's cluster keeps its files.
pub(crate) fn folder() -> PathBuf {
    deps::repository().join("target/demo")
}

/// Runs the demo.
pub(crate) async fn run(keep: bool) -> Result {
    let started = Instant::now();
    say::heading("Starting a cluster, the backends, the controller and two replicas of the webhook");
    let folder = folder();
    let running = background::start(&folder, &Options { backends: true, replicas: 2 }).await?;
    let demo = Demo {
        kubectl: deps::kubectl()?,
        examples: render_examples(&folder, &running.openbao)?,
        secrets: Api::namespaced(client_of(&running.kubeconfig).await?, "payments"),
        openbao: OpenBao::at(&running.openbao)?,
        moto: Moto::at(&running.moto)?,
        running,
    };
    demo.fill_backends().await?;
    demo.sync()?;
    demo.rotate().await?;
    demo.repair().await?;
    demo.push().await?;
    demo.refuse()?;
    demo.explain()?;
    say::heading(&format!("All of it was shown, in {} s", started.elapsed().as_secs()));
    if keep {
        say::line("It is left running. To look around, and to end it:");
        say::line(&format!("  export KUBECONFIG={}", demo.running.kubeconfig.display()));
        say::line("  make cluster-down");
        return demo.running.keep();
    }
    Ok(())
}

/// The manifests as they are but for the Vault address, which is a port of this run.
fn render_examples(folder: &Path, openbao: &str) -> Result<PathBuf> {
    let rendered = folder.join("examples");
    fs::create_dir_all(&rendered)?;
    for file in e2e::cluster::yaml_files(&deps::repository().join("docs/examples"))? {
        let text = fs::read_to_string(&file)?.replace("http://vault.vault.svc.cluster.local:8200", openbao);
        fs::write(rendered.join(file.file_name().context("a file without a name")?), text)?;
    }
    Ok(rendered)
}

impl Demo {
    async fn fill_backends(&self) -> Result {
        say::heading("What the backends hold");
        let database = json!({"username": "payments", "password": "first-password"});
        self.moto.create("prod/payments/database", &database.to_string()).await?;
        say::line("AWS    prod/payments/database   username, password");
        let orders = json!({"api-key": "a-key", "endpoint": "https://orders.example"});
        self.openbao.write("prod/orders", orders).await?;
        say::line("Vault  prod/orders              api-key, endpoint");
        Ok(())
    }

    fn sync(&self) -> Result {
        say::heading("Stores and ExternalSecrets: docs/examples, with the address that Vault has in this run");
        for file in ["namespaces", "aws-store", "vault-store", "external-secrets"] {
            self.succeeds(&["apply", "-f", &self.example(file)])?;
        }
        self.succeeds(&["wait", "--for=condition=Ready", "es", "--all", "-A", "--timeout=30s"])?;
        let stores = self.succeeds(&["get", "css"])?;
        shows(&stores, &["localstack-secretstore", "vault-backend", "Valid"])?;
        let list = self.succeeds(&["get", "es", "-A"])?;
        shows(&list, &["db-credentials", "orders-config", "orders-app", "SecretSynced"])?;
        say::heading("A Secret that came of it: its keys");
        let secret = self.succeeds(&["-n", "orders", "describe", "secret", "orders-app"])?;
        shows(&secret, &["api-key:", "db-password:", "reconcile.external-secrets.io/managed=true"])
    }

    async fn rotate(&self) -> Result {
        say::heading("A value rotated in AWS arrives");
        let rotated = json!({"username": "payments", "password": "second-password"});
        self.moto.rotate("prod/payments/database", &rotated.to_string()).await?;
        let from = Instant::now();
        say::line("AWS    prod/payments/database   password: first-password -> second-password");
        wait::exists(&self.secrets, "db-credentials", Duration::from_secs(20), "to hold the rotated value", |it| {
            wait::secret_text(it, "password").as_deref() == Some("second-password")
        })
        .await?;
        say::line(&format!(
            "The Secret has it after {:.1} s; the ExternalSecret says refreshInterval: 2s.",
            since(from)
        ));
        let password = "go-template={{.data.password | base64decode}}";
        let value = self.succeeds(&["-n", "payments", "get", "secret", "db-credentials", "-o", password])?;
        shows(&value, &["second-password"])
    }

    async fn repair(&self) -> Result {
        say::heading("A deleted Secret comes back");
        let before = self.secrets.get("db-credentials").await?.metadata.uid;
        let from = Instant::now();
        self.succeeds(&["-n", "payments", "delete", "secret", "db-credentials", "--wait=false"])?;
        wait::exists(&self.secrets, "db-credentials", Duration::from_secs(20), "to be back", |it| {
            it.metadata.uid != before
        })
        .await?;
        say::line(&format!("It is back {:.1} s after the command was given.", since(from)));
        self.succeeds(&["-n", "payments", "get", "secret", "db-credentials"]).map(|_| ())
    }

    async fn push(&self) -> Result {
        say::heading(
            "A Secret that another operator made (CloudNativePG, say) is pushed to Vault and read back elsewhere",
        );
        for file in ["cnpg-secret", "cnpg"] {
            self.succeeds(&["apply", "-f", &self.example(file)])?;
        }
        self.succeeds(&["-n", "orders", "wait", "--for=condition=Ready", "pushsecret/orders-db", "--timeout=30s"])?;
        self.succeeds(&["-n", "payments", "wait", "--for=condition=Ready", "es/orders-db", "--timeout=30s"])?;
        let pushed = self.succeeds(&["-n", "orders", "get", "pushsecrets"])?;
        shows(&pushed, &["orders-db", "Synced"])?;
        let secret = self.succeeds(&["-n", "payments", "describe", "secret", "orders-db"])?;
        shows(&secret, &["dbname:", "host:", "password:", "username:"])?;
        let from = Instant::now();
        let rotated = r#"{"stringData":{"password":"rotated-by-cnpg"}}"#;
        self.succeeds(&["-n", "orders", "patch", "secret", "orders-db-app", "-p", rotated])?;
        wait::exists(&self.secrets, "orders-db", Duration::from_secs(20), "to hold the rotated value", |it| {
            wait::secret_text(it, "password").as_deref() == Some("rotated-by-cnpg")
        })
        .await?;
        say::line(&format!("The other namespace has the rotated password after {:.1} s.", since(from)));
        Ok(())
    }

    fn refuse(&self) -> Result {
        say::heading("An ExternalSecret that contradicts itself is refused");
        let refusal = self.fails(&["apply", "-f", &self.example("refused")])?;
        shows(
            &refusal,
            &["denied the request", "deletionPolicy=Delete must not be used when the controller doesn't own"],
        )
    }

    fn explain(&self) -> Result {
        say::heading("A store whose backend is down says what to do");
        self.succeeds(&["apply", "-f", &self.example("unreachable-store")])?;
        self.succeeds(&["wait", "--for=condition=Ready=false", "css/unreachable", "--timeout=30s"])?;
        let condition = r#"jsonpath={range .status.conditions[*]}{.type}={.status}  {.reason}{"\n"}{.message}{"\n"}{.detail}{"\n"}{end}"#;
        let store = self.succeeds(&["get", "css", "unreachable", "-o", condition])?;
        shows(
            &store,
            &["Ready=False", "InvalidProviderConfig", "unable to validate store", "check spec.provider.vault.server"],
        )?;
        let events = self.succeeds(&["events", "--for", "clustersecretstore/unreachable"])?;
        shows(&events, &["Warning", "127.0.0.1:9"])
    }

    fn example(&self, name: &str) -> String {
        self.examples.join(format!("{name}.yaml")).display().to_string()
    }

    fn succeeds(&self, args: &[&str]) -> Result<String> {
        let (good, output) = self.kubectl(args)?;
        if good { Ok(output) } else { Err(Error::new("kubectl was expected to succeed here")) }
    }

    fn fails(&self, args: &[&str]) -> Result<String> {
        let (good, output) = self.kubectl(args)?;
        if good { Err(Error::new("kubectl was expected to be refused here")) } else { Ok(output) }
    }

    fn kubectl(&self, args: &[&str]) -> Result<(bool, String)> {
        let repository = format!("{}/", deps::repository().display());
        let shown: Vec<String> = args.iter().map(|arg| quoted(arg).replace(&repository, "")).collect();
        say::command(&format!("kubectl {}", shown.join(" ")));
        let mut command = Command::new(&self.kubectl);
        command.args(args).env("KUBECONFIG", &self.running.kubeconfig).stdin(Stdio::null());
        let done = command.output().context(self.kubectl.display())?;
        let output = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        say::line(output.trim_end());
        Ok((done.status.success(), output))
    }
}

fn quoted(arg: &str) -> String {
    if arg.contains([' ', '{', '"']) { format!("'{arg}'") } else { arg.to_owned() }
}

fn since(from: Instant) -> f64 {
    from.elapsed().as_secs_f64()
}

fn shows(output: &str, wished: &[&str]) -> Result {
    match wished.iter().find(|it| !output.contains(**it)) {
        None => Ok(()),
        Some(missing) => Err(Error::new(format!("the output above should have shown {missing:?}"))),
    }
}
