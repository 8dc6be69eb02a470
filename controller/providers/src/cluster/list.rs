//! A list of the API server, page by page.
//!
//! Source: Kubernetes API, "list", with `limit` and `continue`. Deliberately not here: what is taken out of an object.

use gojson::{Document, Item, NodeId};
use http::{Method, StatusCode};
use provider::{Calls, Error, ErrorKind, Retry};

use super::{Call, Cluster};
use crate::http::{Answer, Failure};

/// Objects in one page, to begin with: fewer if they don't fit into one answer.
const PAGE: usize = 128;

/// What is listed, and in which words its failures are told.
pub(crate) struct List<'a> {
    pub(crate) operation: &'static str,
    pub(crate) path: &'a [&'a str],
    /// Labels that the objects bear; empty for all.
    pub(crate) selector: &'a str,
    /// A member of the answer that says what it is, and its value.
    pub(crate) mark: (&'a str, &'a str),
    /// What is listed, for errors: `Secrets`.
    pub(crate) of: &'a str,
    /// For errors: `list the secrets of …`.
    pub(crate) what: &'a str,
    /// In front of errors: `unable to list secrets`.
    pub(crate) failed: &'a str,
}

impl List<'_> {
    /// Hands each object to `take`, which answers `None` for what can't be one.
    ///
    /// # Errors
    /// Those of the API server, and of `take`.
    pub(crate) async fn each(
        &self,
        cluster: &Cluster,
        calls: &dyn Calls,
        mut take: impl FnMut(&Document<'_>, NodeId) -> Option<Result<(), Error>> + Send,
    ) -> Result<(), Error> {
        let (mut limit, mut next) = (PAGE, None::<String>);
        loop {
            let page = match self.page(cluster, limit, next.as_deref(), calls).await? {
                Ok(page) => page,
                // One object always fits: the API server takes none above some 1.5 MiB.
                Err(Failure::TooLarge) if limit > 1 => {
                    limit = (limit / 4).max(1);
                    continue;
                }
                Err(failure) => return Err(self.error(cluster.failed(failure, self.operation))),
            };
            next = self.take(cluster, &page, &mut take)?;
            if next.is_none() {
                return Ok(());
            }
        }
    }

    fn error(&self, error: Error) -> Error {
        error.context(self.failed)
    }

    async fn page(
        &self,
        cluster: &Cluster,
        limit: usize,
        next: Option<&str>,
        calls: &dyn Calls,
    ) -> Result<Result<Answer, Failure>, Error> {
        let limit = limit.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend((!self.selector.is_empty()).then_some(("labelSelector", self.selector)));
        query.extend(next.map(|token| ("continue", token)));
        let call = Call { operation: self.operation, method: Method::GET, path: self.path, query: &query, body: None };
        let sent = cluster.try_send(&call).await;
        calls.made(self.operation, matches!(&sent, Ok(Ok(answer)) if answer.status == StatusCode::OK));
        let answer = match sent.map_err(|error| self.error(error))? {
            Ok(answer) => answer,
            Err(failure) => return Ok(Err(failure)),
        };
        match answer.status {
            StatusCode::OK => Ok(Ok(answer)),
            StatusCode::GONE => {
                let text = "the API server forgot the list while it was being read";
                Err(self.error(Error::new(ErrorKind::Unavailable, self.operation, text).retry(Retry::Backoff)))
            }
            _ => Err(self.error(cluster.refused(&answer, self.operation, self.what))),
        }
    }

    /// Hands over the objects of a page; answers how the next one is asked for.
    fn take(
        &self,
        cluster: &Cluster,
        page: &Answer,
        take: &mut impl FnMut(&Document<'_>, NodeId) -> Option<Result<(), Error>>,
    ) -> Result<Option<String>, Error> {
        let bad = || self.error(cluster.not_that(&format!("a list of {}", self.of), self.operation));
        let document = Document::parse(page.body.expose()).map_err(|_| bad())?;
        let (member, value) = self.mark;
        if document.text(document.root(), member) != Some(value) {
            return Err(bad());
        }
        let items = match document.member(document.root(), "items").map(|id| document.item(id)) {
            Some(Item::Array(items)) => items,
            Some(Item::Null) => &[],
            None | Some(Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Object(_)) => return Err(bad()),
        };
        for item in items {
            take(&document, *item).ok_or_else(bad)??;
        }
        let metadata = document.member(document.root(), "metadata");
        let next = metadata.and_then(|metadata| document.text(metadata, "continue"));
        Ok(next.filter(|token| !token.is_empty()).map(str::to_owned))
    }
}
