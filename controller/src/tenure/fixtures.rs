//! For tests of what rests on Leases.

use std::time::Duration;

use certgen::fake::FakeApi;
use kube::Client;
use plan::lease::Timing;
use tokio::sync::watch::{self, Sender};

/// The reference's defaults.
pub(crate) const TIMING: Timing =
    Timing { lease: Duration::from_secs(15), renew_deadline: Duration::from_secs(10), retry: Duration::from_secs(2) };

/// A client of `api` whose requests hang for as long as the switch is on.
pub(super) fn hanging(api: &FakeApi) -> (Sender<bool>, Client) {
    let (hang, hangs) = watch::channel(false);
    let server = api.client();
    let wire = tower::service_fn(move |request| {
        let (server, mut hangs) = (server.clone(), hangs.clone());
        async move {
            hangs.wait_for(|hangs| !hangs).await.unwrap();
            server.send(request).await
        }
    });
    (hang, Client::new(wire, "default"))
}
