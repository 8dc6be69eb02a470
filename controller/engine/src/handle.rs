//! One open store: the layers around its provider.

use std::sync::Arc;
use std::time::Duration;

use provider::{Capabilities, Error, ErrorKind, Provider, ReadKey, RemoteRef, Validation};
use secret::{SecretBytes, SecretMap};
use telemetry::{CallStatus, Metrics};
use tokio::sync::Semaphore;

use crate::coalesce::{Answer, Coalesce};

/// How much one store may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Calls to one store at a time.
    pub in_flight: usize,
    /// How long one read may take altogether, retries included.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 64, deadline: Duration::from_secs(30) }
    }
}

/// An open store, shared by all that use it.
pub struct Handle {
    provider: Arc<dyn Provider>,
    reads: Coalesce,
    permits: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    deadline: Duration,
}

impl Handle {
    pub(crate) fn new(provider: Arc<dyn Provider>, metrics: Arc<Metrics>, limits: Limits) -> Self {
        Self {
            provider,
            reads: Coalesce::default(),
            permits: Arc::new(Semaphore::new(limits.in_flight)),
            metrics,
            deadline: limits.deadline,
        }
    }

    /// One value of the backend.
    ///
    /// # Errors
    /// The provider's; `Timeout` when the store doesn't answer within the deadline.
    pub async fn value(&self, reference: &RemoteRef) -> Result<SecretBytes, Error> {
        let payload = self.read(&reference.read).await?;
        self.provider.value(&payload, reference)
    }

    /// All values of one remote key.
    ///
    /// # Errors
    /// As [`Handle::value`].
    pub async fn map(&self, reference: &RemoteRef) -> Result<SecretMap, Error> {
        let payload = self.read(&reference.read).await?;
        self.provider.map(&payload, reference)
    }

    /// Whether the store works.
    pub async fn validate(&self) -> Validation {
        match tokio::time::timeout(self.deadline, self.provider.validate()).await {
            Ok(validation) => validation,
            Err(_) => Validation::Failed(late("Validate", self.deadline)),
        }
    }

    /// What the backend can do.
    pub fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    pub(crate) async fn close(&self) {
        // A backend that is down must not hold up whoever closes.
        if tokio::time::timeout(Duration::from_secs(5), self.provider.close()).await.is_err() {
            tracing::warn!(provider = self.provider.metric_name(), "the session could not be closed in time");
        }
    }

    async fn read(&self, key: &ReadKey) -> Answer {
        let (flight, joined) = self.reads.join(key, || {
            let provider = self.provider.clone();
            let permits = self.permits.clone();
            let metrics = self.metrics.clone();
            let (deadline, key) = (self.deadline, key.clone());
            async move {
                let outcome = match permits.acquire().await {
                    Ok(_permit) => tokio::time::timeout(deadline, provider.read(&key)).await,
                    Err(_) => {
                        return Err(Error::new(
                            ErrorKind::Unavailable,
                            provider.call_name(&key),
                            "the store is closed",
                        ));
                    }
                };
                let answer = outcome.unwrap_or_else(|_| Err(late(provider.call_name(&key), deadline)));
                let status = if answer.is_ok() { CallStatus::Success } else { CallStatus::Error };
                metrics.provider_call(provider.metric_name(), provider.call_name(&key), status);
                answer.map(Arc::new)
            }
        });
        if joined {
            self.metrics.shared_read(self.provider.metric_name());
        }
        flight.await
    }
}

fn late(operation: &'static str, deadline: Duration) -> Error {
    Error::new(
        ErrorKind::Timeout,
        operation,
        format!(
            "the provider did not answer within {} s; check that its address can be reached from the controller",
            deadline.as_secs()
        ),
    )
}
