//! What was written, as the API server itself counts it.

use std::collections::BTreeMap;

use e2e::Result;
use e2e::cluster::Cluster;

use super::sheet::Figure;

const KINDS: [&str; 5] = ["secrets", "externalsecrets", "clustersecretstores", "secretstores", "events"];
/// What every refresh writes, as [`Writes::of`] names it.
pub(super) const STATUS_WRITE: &str = "PUT externalsecrets/status";
const VERBS: [&str; 5] = ["POST", "PUT", "PATCH", "APPLY", "DELETE"];

/// Writes so far, successful or not, by verb and resource, of the kinds that we write.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes(BTreeMap<String, u32>);

impl Writes {
    pub(super) async fn so_far(cluster: &Cluster) -> Result<Self> {
        let request = http::Request::get("/metrics").body(Vec::new())?;
        let text = cluster.client().request_text(request).await?;
        let mut writes = BTreeMap::new();
        for line in text.lines().filter(|it| it.starts_with("apiserver_request_total{")) {
            let label = |name: &str| {
                let rest = line.split_once(&format!("{name}=\""))?.1;
                rest.split_once('"').map(|it| it.0)
            };
            let (Some(verb), Some(resource)) = (label("verb"), label("resource")) else { continue };
            if KINDS.contains(&resource) && VERBS.contains(&verb) {
                let sub = label("subresource").filter(|it| !it.is_empty());
                let sub = sub.map(|it| format!("/{it}")).unwrap_or_default();
                let count: f64 = line.rsplit(' ').next().unwrap_or_default().parse()?;
                *writes.entry(format!("{verb} {resource}{sub}")).or_default() += count as u32;
            }
        }
        Ok(Self(writes))
    }

    /// What came since `before`.
    pub(super) fn since(mut self, before: &Self) -> Self {
        self.0.retain(|what, count| {
            *count -= before.0.get(what).copied().unwrap_or_default();
            *count > 0
        });
        self
    }

    pub(super) fn of(&self, what: &str) -> u32 {
        self.0.get(what).copied().unwrap_or_default()
    }

    pub(super) fn all(&self) -> u32 {
        self.0.values().sum()
    }

    /// Those of Secrets, however they were written.
    pub(super) fn secrets(&self) -> u32 {
        self.0.iter().filter(|(what, _)| what.ends_with(" secrets")).map(|(_, count)| count).sum()
    }

    /// One figure for each verb and resource.
    pub(super) fn figures(&self) -> impl Iterator<Item = Figure> {
        self.0.iter().map(|(what, count)| Figure::count(format!("API: {what}"), *count))
    }
}
