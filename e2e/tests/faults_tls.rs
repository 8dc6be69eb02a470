//! A backend whose certificate expires, is for another host, or comes from a new authority: nothing is read over such a
//! connection, the last good Secret stays, and a new authority in the store's `caProvider` is used at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use e2e::testbed::{Parts, SOON, Suite, Testbed};
use e2e::{Context, Error, Result, wait};
use kube::api::{Patch, PatchParams};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

static SUITE: Suite = Suite::new(Parts::syncing);

const FAILED: &str = "False SecretSyncedError: could not get secret data from provider";
const KEY: &str = "faults/tls";
/// Two seconds, and what a busy machine takes longer.
const NEW_AUTHORITY: Duration = Duration::from_secs(2 + 8);

/// A certificate authority of the backend's owner.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// What is wrong with a certificate, if anything.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    Nothing,
    Expired,
    OtherHost,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate()?;
        Ok(Self { pem: params.self_signed(&key)?.pem(), issuer: Issuer::new(params, key) })
    }

    fn server(&self, wrong: Wrong) -> Result<Arc<ServerConfig>> {
        let host = match wrong {
            Wrong::OtherHost => "elsewhere.example",
            Wrong::Nothing | Wrong::Expired => "127.0.0.1",
        };
        let mut params = CertificateParams::new(vec![host.to_owned()])?;
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = match wrong {
            Wrong::Expired => date_time_ymd(2021, 1, 1),
            Wrong::Nothing | Wrong::OtherHost => date_time_ymd(2120, 1, 1),
        };
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).map_err(Error::new)?;
        Ok(Arc::new(ServerConfig::builder().with_no_client_auth().with_single_cert(vec![certificate], key)?))
    }
}

/// Serves a backend over TLS, with a certificate that can be swapped.
struct Front {
    port: u16,
    served: watch::Sender<Arc<ServerConfig>>,
    task: JoinHandle<()>,
}

impl Front {
    async fn start(backend: SocketAddr, first: Arc<ServerConfig>) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let (served, serves) = watch::channel(first);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut serves = serves.clone();
                let config = serves.borrow_and_update().clone();
                tokio::spawn(async move {
                    let forwarding = async {
                        let mut incoming = TlsAcceptor::from(config).accept(stream).await.ok()?;
                        let mut outgoing = TcpStream::connect(backend).await.ok()?;
                        tokio::io::copy_bidirectional(&mut incoming, &mut outgoing).await.ok()
                    };
                    // Who has a connection with the last certificate has to open a new one.
                    tokio::select! {
                        _ = forwarding => {}
                        _ = serves.changed() => {}
                    }
                });
            }
        });
        Ok(Self { port, served, task })
    }

    fn serve(&self, config: Arc<ServerConfig>) {
        self.served.send_replace(config);
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn force(bed: &Testbed, ns: &str, reason: &str) -> Result {
    let annotations = json!({"metadata": {"annotations": {"external-secrets.io/force-sync": reason}}});
    let api = bed.cluster.objects("ExternalSecret", Some(ns))?;
    api.patch("es", &PatchParams::default(), &Patch::Merge(annotations)).await?;
    Ok(())
}

async fn secret_is(bed: &Testbed, ns: &str, value: &str, within: Duration) -> Result {
    let wished = |secret: &_| wait::secret_text(secret, "k").as_deref() == Some(value);
    wait::exists(&bed.cluster.secrets(ns), "es", within, &format!("to be {value:?}"), wished).await.map(drop)
}

#[test]
fn a_backend_that_cannot_be_trusted_is_not_read_and_a_new_authority_is_taken_at_once() -> Result {
    SUITE.run("tls", async |bed, ns| {
        let openbao = bed.openbao()?;
        let backend: SocketAddr = openbao.address().trim_start_matches("http://").parse()?;
        let (old, new) = (Authority::new()?, Authority::new()?);
        let front = Front::start(backend, old.server(Wrong::Nothing)?).await?;
        openbao.write(KEY, json!({"user": "before"})).await?;
        bed.cluster.write_secret(&ns, "vault-ca", &[("ca.crt", &old.pem)]).await?;
        let server = format!("https://127.0.0.1:{}", front.port);
        let store = format!(
            "
apiVersion: external-secrets.io/v1
kind: SecretStore
metadata: {{name: vault, namespace: $NS}}
spec:
  provider:
    vault:
      server: {server}
      path: secret
      caProvider: {{type: Secret, name: vault-ca, key: ca.crt}}
      auth: {{tokenSecretRef: {{name: vault-token, key: token}}}}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {{name: es, namespace: $NS}}
spec:
  secretStoreRef: {{name: vault}}
  data: [{{secretKey: k, remoteRef: {{key: {KEY}, property: user}}}}]
"
        );
        let token = e2e::backend::OpenBao::ROOT_TOKEN;
        bed.cluster.write_secret(&ns, "vault-token", &[("token", token)]).await?;
        bed.apply(&ns, &store).await?;
        secret_is(bed, &ns, "before", SOON).await?;

        let mut last = "before".to_owned();
        for (authority, wrong, part) in [
            (&old, Wrong::Expired, "the server's certificate has expired"),
            (&old, Wrong::OtherHost, "the server's certificate is for another host name"),
            (&new, Wrong::Nothing, "signed by an unknown authority"),
        ] {
            let value = format!("after {part}");
            front.serve(authority.server(wrong)?);
            openbao.write(KEY, json!({"user": value})).await?;
            force(bed, &ns, part).await?;
            bed.says(&ns, "es", FAILED).await.context(format!("{wrong:?}"))?;
            bed.event(&ns, "es", part).await?;
            assert_eq!(bed.values(&ns, "es").await?["k"], last, "{wrong:?}");
            if authority.pem == old.pem {
                front.serve(old.server(Wrong::Nothing)?);
                force(bed, &ns, &value).await?;
                secret_is(bed, &ns, &value, SOON).await?;
                bed.synced(&ns, "es").await?;
                last = value;
            }
        }

        let begun = Instant::now();
        bed.cluster.write_secret(&ns, "vault-ca", &[("ca.crt", &new.pem)]).await?;
        secret_is(bed, &ns, "after signed by an unknown authority", NEW_AUTHORITY).await?;
        println!("a new authority was used after {} ms", begun.elapsed().as_millis());
        Ok(())
    })
}
