//! One Lease, read and written. Every write is preconditioned on the version that was read. I/O.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions};
use plan::lease::{self, Sight, Step, Term, Timing};

use crate::clock;

/// How long the API server may take to take a Lease back.
const GIVING_BACK: Duration = Duration::from_millis(1500);

/// A Lease that this process wants, or has.
pub(super) struct Lock {
    api: Api<Lease>,
    name: String,
    labels: BTreeMap<String, String>,
    me: String,
    timing: Timing,
    seen: Option<(ObjectMeta, Sight)>,
    holds: bool,
}

/// What became of an attempt to take or renew the Lease.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It is ours, for this term.
    Held(Term),
    /// Another's, until this time unless it is renewed.
    Elsewhere(Instant),
    /// It was ours and isn't any more. Whose it is, empty for nobody's.
    Lost(String),
    /// The API server wasn't reached, or said no. It may have taken the write nevertheless.
    Failed(kube::Error),
}

impl Lock {
    pub(super) fn new(
        api: Api<Lease>,
        name: String,
        labels: BTreeMap<String, String>,
        me: String,
        timing: Timing,
    ) -> Self {
        Self { api, name, labels, me, timing, seen: None, holds: false }
    }

    /// Takes or renews the Lease if it is ours to have. Cancelling it leaves open whether it was written; the next attempt
    /// finds out.
    pub(super) async fn attempt(&mut self) -> Attempt {
        if self.holds && self.seen.is_some() {
            // What was seen last is most likely still there, which saves a read.
            if let Ok(term) = self.write().await {
                return Attempt::Held(term);
            }
        }
        if let Err(error) = self.look().await {
            return Attempt::Failed(error);
        }
        let sight = self.seen.as_ref().map(|(_, sight)| sight);
        match lease::step(sight, &self.me, self.holds, clock::instant()) {
            Step::Wait(until) => Attempt::Elsewhere(until),
            Step::Lost => {
                let holder = sight.and_then(Sight::holder).unwrap_or_default().to_owned();
                self.holds = false;
                Attempt::Lost(holder)
            }
            Step::Take | Step::Renew => match self.write().await {
                Ok(term) => Attempt::Held(term),
                Err(error) => Attempt::Failed(error),
            },
        }
    }

    /// Gives the Lease back if it is ours, so that others need not wait for its end.
    pub(super) async fn give_back(&mut self) {
        let tries = async {
            // A renewal that was cut short may still be on its way, and then comes between reading and writing.
            for _ in 0..3 {
                match self.try_to_give_back().await {
                    Err(kube::Error::Api(status)) if status.is_conflict() => {}
                    outcome => return outcome,
                }
            }
            Ok(())
        };
        match tokio::time::timeout(GIVING_BACK, tries).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(lease = self.name, error = %error, "the lease was not given back"),
            Err(_) => tracing::warn!(lease = self.name, "the lease was not given back in time"),
        }
    }

    async fn try_to_give_back(&mut self) -> Result<(), kube::Error> {
        // What is there tells, not what is remembered: the last attempt may have been cut short.
        self.look().await?;
        self.holds = false;
        let Some((meta, sight)) = self.seen.take().filter(|(_, sight)| sight.holder() == Some(&self.me)) else {
            return Ok(());
        };
        let spec = lease::released(&sight.spec, clock::now());
        self.api.replace(&self.name, &PostParams::default(), &self.object(meta, spec)).await?;
        Ok(())
    }

    /// Deletes the Lease: nobody else will ever want it.
    pub(super) async fn remove(&mut self) {
        let Some((meta, _)) = self.seen.take().filter(|_| self.holds) else { return };
        let preconditions = Preconditions { uid: meta.uid, resource_version: None };
        let params = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
        match tokio::time::timeout(GIVING_BACK, self.api.delete(&self.name, &params)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(lease = self.name, error = %error, "the lease was not deleted"),
            Err(_) => tracing::warn!(lease = self.name, "the lease was not deleted in time"),
        }
    }

    async fn look(&mut self) -> Result<(), kube::Error> {
        let found = self.api.get_opt(&self.name).await?;
        self.seen = found.map(|lease| self.sight(lease));
        Ok(())
    }

    async fn write(&mut self) -> Result<Term, kube::Error> {
        let (sent, wall) = (clock::instant(), clock::now());
        let (meta, before) = self.seen.clone().unzip();
        let spec = lease::held(before.as_ref().map(|before| &before.spec), &self.me, &self.timing, wall);
        let params = PostParams::default();
        let written = match meta {
            Some(meta) => self.api.replace(&self.name, &params, &self.object(meta, spec)).await?,
            None => {
                let meta = ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() };
                self.api.create(&params, &self.object(meta, spec)).await?
            }
        };
        self.seen = Some(self.sight(written));
        self.holds = true;
        Ok(Term::of(&self.timing, sent, wall))
    }

    fn sight(&self, lease: Lease) -> (ObjectMeta, Sight) {
        let Lease { metadata, spec } = lease;
        let version = metadata.resource_version.clone().unwrap_or_default();
        let before = self.seen.as_ref().map(|(_, sight)| sight);
        let sight = Sight::now(before, spec.unwrap_or_default(), version, clock::instant());
        (ObjectMeta { managed_fields: None, ..metadata }, sight)
    }

    fn object(&self, mut meta: ObjectMeta, spec: LeaseSpec) -> Lease {
        if !self.labels.is_empty() {
            meta.labels.get_or_insert_default().extend(self.labels.clone());
        }
        Lease { metadata: meta, spec: Some(spec) }
    }
}
