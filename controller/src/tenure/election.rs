//! One leader among several processes: whoever holds the Lease works, the others stand by with warm caches. I/O.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt as _;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{WatchEvent, WatchParams};
use kube::{Api, Client};
use plan::lease::{Term, Timing};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::lock::{Attempt, Lock};
use super::{GRACE, renew, wake};
use crate::context::Context;

/// After a watch that failed: where a role forbids it, looking at the Lease every retry period has to do.
const WATCH_AGAIN: Duration = Duration::from_secs(30);
/// After a Lease was seen to be free.
const SHORTLY: Duration = Duration::from_millis(50);

/// Waits for the Lease, works while it is held, and gives it back when the process is told to end.
///
/// # Errors
/// When it was held and isn't any more.
pub(super) async fn stand(
    cx: &Arc<Context>,
    leases: Client,
    name: String,
    me: String,
    timing: Timing,
) -> Result<(), String> {
    let api: Api<Lease> = Api::default_namespaced(leases);
    cx.metrics.leader(&name, false);
    tracing::info!(lease = name, identity = me, "waiting for the leader's lease");
    let mut lock = Lock::new(api.clone(), name.clone(), BTreeMap::new(), me, timing);
    let won = tokio::select! {
        term = win(&api, &name, &mut lock, &timing) => Some(term),
        () = cx.tenure.told_to_end() => None,
    };
    let ended = match won {
        Some(term) => {
            cx.tenure.prolong(term);
            cx.tenure.gain(0);
            cx.metrics.leader(&name, true);
            tracing::info!(lease = name, "this process leads");
            wake(cx, &[0]);
            tokio::select! {
                lost = renew(cx, &mut lock, &timing, term) => Err(format!("leadership lost: {lost}")),
                () = drained(cx) => Ok(()),
            }
        }
        None => Ok(()),
    };
    cx.tenure.forfeit();
    cx.metrics.leader(&name, false);
    lock.give_back().await;
    ended
}

async fn win(api: &Api<Lease>, name: &str, lock: &mut Lock, timing: &Timing) -> Term {
    let mut released = std::pin::pin!(released(api, name));
    loop {
        let next = Instant::now() + timing.retry;
        let next = match timeout(timing.renew_deadline, lock.attempt()).await {
            Ok(Attempt::Held(term)) => return term,
            Ok(Attempt::Elsewhere(until)) => next.min(until.into()),
            Ok(Attempt::Lost(_)) => next,
            Ok(Attempt::Failed(error)) => {
                tracing::warn!(lease = name, error = %error, "the leader's lease can't be taken");
                next
            }
            Err(_) => {
                tracing::warn!(lease = name, "the leader's lease can't be taken: no answer");
                next
            }
        };
        tokio::select! {
            () = sleep_until(next) => {}
            () = &mut released => {
                // A watch may lag behind, and must not make us ask without a pause.
                sleep(SHORTLY).await;
                released.set(self::released(api, name));
            }
        }
    }
}

/// Waits until somebody gives the Lease back, or it is deleted.
async fn released(api: &Api<Lease>, name: &str) {
    let params = WatchParams::default().fields(&format!("metadata.name={name}")).timeout(290);
    loop {
        let seen = async {
            let mut changes = std::pin::pin!(api.watch(&params, "0").await?);
            while let Some(change) = changes.try_next().await? {
                let free = match change {
                    WatchEvent::Added(lease) | WatchEvent::Modified(lease) => {
                        lease.spec.and_then(|spec| spec.holder_identity).is_none_or(|holder| holder.is_empty())
                    }
                    WatchEvent::Deleted(_) => true,
                    WatchEvent::Bookmark(_) => false,
                    WatchEvent::Error(error) => return Err(kube::Error::Api(error)),
                };
                if free {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        match seen.await {
            Ok(true) => return,
            Ok(false) => sleep(Duration::from_secs(1)).await,
            Err(error) => {
                tracing::debug!(lease = name, error = %error, "the lease can't be watched; it is looked at now and then");
                sleep(WATCH_AGAIN).await;
            }
        }
    }
}

/// Waits until the process is told to end and what runs has ended.
async fn drained(cx: &Context) {
    cx.tenure.told_to_end().await;
    cx.tenure.drain(0, GRACE).await;
}

#[cfg(test)]
mod tests {
    use certgen::fake::FakeApi;
    use serde_json::json;
    use tokio::task::JoinHandle;

    use super::*;
    use crate::fixtures;
    use crate::tenure::fixtures::{TIMING, hanging};
    use crate::tenure::{Permit, Tenure};

    const PATH: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/leader";

    struct Candidate {
        cx: Arc<Context>,
        ended: JoinHandle<Result<(), String>>,
    }

    fn candidate(api: &FakeApi, client: Client, me: &str) -> Candidate {
        let (cx, _) = fixtures::under(api, fixtures::settings(), Tenure::vacant(1));
        let ended = tokio::spawn({
            let (cx, me) = (cx.clone(), me.to_owned());
            async move { stand(&cx, client, "leader".into(), me, TIMING).await }
        });
        Candidate { cx, ended }
    }

    /// How long until it leads.
    async fn leads(candidate: &Candidate) -> Duration {
        let began = Instant::now();
        timeout(Duration::from_secs(60), candidate.cx.tenure.held(0)).await.expect("nobody leads");
        began.elapsed()
    }

    fn holder(api: &FakeApi) -> serde_json::Value {
        api.get(PATH).unwrap()["spec"]["holderIdentity"].clone()
    }

    #[tokio::test(start_paused = true)]
    async fn a_lease_that_is_given_back_is_taken_at_once() {
        let api = FakeApi::default();
        let first = candidate(&api, api.client(), "first");
        leads(&first).await;
        let second = candidate(&api, api.client(), "second");
        sleep(Duration::from_secs(60)).await;
        assert_eq!((holder(&api), second.cx.tenure.permit()), (json!("first"), Permit::No));
        first.cx.tenure.end();
        assert!(leads(&second).await < Duration::from_secs(1));
        assert_eq!(first.ended.await.unwrap(), Ok(()));
        assert_eq!((first.cx.tenure.permit(), holder(&api)), (Permit::No, json!("second")));
        assert_eq!(api.get(PATH).unwrap()["spec"]["leaseTransitions"], 1);
        // A standby that ends takes nothing along.
        let third = candidate(&api, api.client(), "third");
        sleep(Duration::from_secs(5)).await;
        third.cx.tenure.end();
        assert_eq!(third.ended.await.unwrap(), Ok(()));
        assert_eq!(holder(&api), json!("second"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_lease_of_one_that_is_gone_is_taken_when_it_is_over() {
        let api = FakeApi::default();
        let first = candidate(&api, api.client(), "first");
        leads(&first).await;
        first.ended.abort();
        let second = candidate(&api, api.client(), "second");
        let waited = leads(&second).await;
        assert!((15..=17).contains(&waited.as_secs()), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_without_its_lease_ends() {
        let api = FakeApi::default();
        let taken = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "leader"},
            "spec": {"holderIdentity": "other", "leaseDurationSeconds": 15},
        });
        for (lease, why) in [(None, "somebody took the lease away"), (Some(taken), "the lease is other's now")] {
            let leader = candidate(&api, api.client(), "me");
            leads(&leader).await;
            match lease {
                None => api.delete(PATH),
                Some(lease) => api.put(PATH, lease),
            }
            let ended = timeout(TIMING.renew_deadline, leader.ended).await.unwrap().unwrap();
            assert_eq!(ended, Err(format!("leadership lost: {why}")));
            assert_eq!(leader.cx.tenure.permit(), Permit::No);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_whose_renewals_hang_ends_before_another_may_lead() {
        let api = FakeApi::default();
        let (hang, client) = hanging(&api);
        let leader = candidate(&api, client, "hanging");
        leads(&leader).await;
        let standby = candidate(&api, api.client(), "standby");
        sleep(Duration::from_secs(30)).await;
        hang.send_replace(true);
        let began = Instant::now();
        let ended = leader.ended.await.unwrap();
        assert_eq!(ended, Err("leadership lost: the lease was not renewed within 10s".to_owned()));
        assert!(began.elapsed() < TIMING.lease, "{:?}", began.elapsed());
        assert!(!standby.cx.tenure.holds(0));
        leads(&standby).await;
    }
}
