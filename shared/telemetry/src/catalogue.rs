//! A registry that knows what was registered, so that the documentation can be held to it.
//!
//! Prometheus' own registry shows a family only once it has a series, and most of ours have none at the start.

use std::sync::{Mutex, PoisonError};

use prometheus::Registry;
use prometheus::core::Collector;
use prometheus::proto::MetricFamily;

/// The registry and the name and labels of each family, in the order in which they were registered.
#[derive(Default)]
pub(crate) struct Catalogue {
    registry: Registry,
    families: Mutex<Vec<(String, Vec<String>)>>,
}

impl Catalogue {
    /// Registers a family.
    ///
    /// # Errors
    /// If its name is taken.
    fn register(&self, collector: Box<dyn Collector>) -> Result<(), prometheus::Error> {
        let described: Vec<_> =
            collector.desc().iter().map(|it| (it.fq_name.clone(), it.variable_labels.clone())).collect();
        self.registry.register(collector)?;
        self.families.lock().unwrap_or_else(PoisonError::into_inner).extend(described);
        Ok(())
    }

    /// Registers what was made, and hands it on.
    ///
    /// # Errors
    /// That of making it, or if its name is taken.
    pub(crate) fn kept<C: Collector + Clone + 'static>(
        &self,
        made: Result<C, prometheus::Error>,
    ) -> Result<C, prometheus::Error> {
        let collector = made?;
        self.register(Box::new(collector.clone()))?;
        Ok(collector)
    }

    pub(crate) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    #[cfg(test)]
    pub(crate) fn families(&self) -> Vec<(String, Vec<String>)> {
        self.families.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
