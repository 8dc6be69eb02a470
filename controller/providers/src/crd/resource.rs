//! From a kind to where its objects are: discovery, and what the account may do with them.
//!
//! Source: Kubernetes API, "discovery": `/apis/<group>/<version>`, an APIResourceList. The reference looks at each start of a
//! client; here it is once a store, again at each of its checks, and when an answer shows that the definition was replaced.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use gojson::{Document, Item};
use http::StatusCode;
use provider::{Error, ErrorKind};

use super::config::Wanted;
use super::key::Key;
use super::{Crd, READ, Scope};
use crate::cluster::{Call, review};

const DISCOVER: &str = "Discover";
const REVIEW: &str = "ReviewAccess";

/// Where the objects of a kind are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Resource {
    /// The plural, which stands in paths.
    pub(super) plural: String,
    /// Whether its objects lie in namespaces.
    pub(super) namespaced: bool,
}

/// What a store knows of its resource.
#[derive(Default)]
pub(super) struct Held {
    resource: Option<Arc<Resource>>,
    /// Of the last look-up that failed.
    failure: Option<Error>,
}

impl Crd {
    /// The resource, looked up once. Who waits for somebody's look-up shares its failure.
    ///
    /// # Errors
    /// `Invalid` if there is no such kind, `AccessDenied` if the account may not read its objects; the API server's.
    pub(super) async fn look_up(&self) -> Result<Arc<Resource>, Error> {
        let failed_before = self.failed_look_ups.load(Ordering::SeqCst);
        let mut held = self.resource.lock().await;
        if let Some(resource) = &held.resource {
            return Ok(Arc::clone(resource));
        }
        if let Some(error) = &held.failure
            && self.failed_look_ups.load(Ordering::SeqCst) != failed_before
        {
            return Err(error.clone());
        }
        match self.discover().await {
            Ok(resource) => {
                let resource = Arc::new(resource);
                held.resource = Some(Arc::clone(&resource));
                Ok(resource)
            }
            Err(error) => {
                held.failure = Some(error.clone());
                self.failed_look_ups.fetch_add(1, Ordering::SeqCst);
                Err(error)
            }
        }
    }

    /// Takes back `old`, unless somebody did so already.
    pub(super) async fn forget(&self, old: &Arc<Resource>) {
        let mut held = self.resource.lock().await;
        if held.resource.as_ref().is_some_and(|held| Arc::ptr_eq(held, old)) {
            held.resource = None;
        }
    }

    /// Looks the resource up again after an answer that doesn't fit `old`; none if it is the same.
    ///
    /// # Errors
    /// As [`Crd::look_up`].
    pub(super) async fn replacement(&self, old: &Arc<Resource>) -> Result<Option<Arc<Resource>>, Error> {
        self.forget(old).await;
        let new = self.look_up().await?;
        Ok((new != *old).then_some(new))
    }

    /// The error of an answer that shows that the definition is another one than it was.
    pub(super) fn replaced(&self, operation: &'static str) -> Error {
        let kind = gojson::quote(&self.wanted.kind);
        let text =
            format!("crd: the definition of kind {kind} has been replaced; it is looked up again in the next try");
        Error::new(ErrorKind::Unavailable, operation, text)
    }

    /// As [`Crd::look_up`], whether or not it was looked up before. Reads go on meanwhile.
    pub(super) async fn look_up_anew(&self) -> Result<(), Error> {
        let found = self.discover().await;
        let mut held = self.resource.lock().await;
        match found {
            Ok(resource) => held.resource = Some(Arc::new(resource)),
            Err(error) => {
                // A server that can't be reached takes nothing back.
                if !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Throttled) {
                    held.resource = None;
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn discover(&self) -> Result<Resource, Error> {
        let Wanted { group, version: _, kind } = &self.wanted;
        let path = self.wanted.path();
        let answer = self.cluster.send(&Call::get(DISCOVER, &path)).await?;
        let what = format!("look up the kind {}", gojson::quote(kind));
        if answer.status == StatusCode::NOT_FOUND && self.is_an_api_server(path[0], &what).await? {
            return Err(self.unregistered());
        }
        if answer.status != StatusCode::OK {
            return Err(self.cluster.refused(&answer, DISCOVER, &what));
        }
        let bad = || self.cluster.not_that("a list of resources", DISCOVER);
        let document = Document::parse(answer.body.expose()).map_err(|_| bad())?;
        let resource = of_kind(&document, kind).ok_or_else(bad)?.ok_or_else(|| self.unregistered())?;
        if group.is_empty() && resource.plural == "secrets" {
            return Err(Error::new(
                ErrorKind::Invalid,
                DISCOVER,
                "use the Kubernetes provider to read Kubernetes Secrets",
            ));
        }
        self.may("get", &resource).await?;
        Ok(resource)
    }

    /// Tells a group or version that isn't there, which is a 404 without a word, from an address where no API server is.
    async fn is_an_api_server(&self, root: &str, what: &str) -> Result<bool, Error> {
        let answer = self.cluster.send(&Call::get(DISCOVER, &[root])).await?;
        match answer.status {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(false),
            _ => return Err(self.cluster.refused(&answer, DISCOVER, what)),
        }
        let Ok(document) = Document::parse(answer.body.expose()) else { return Ok(false) };
        Ok(matches!(document.text(document.root(), "kind"), Some("APIGroupList" | "APIVersions")))
    }

    fn unregistered(&self) -> Error {
        let Wanted { group, version, kind } = &self.wanted;
        let text = format!(
            "crd: group {} version {} kind {} is not registered in the cluster; check spec.provider.crd.resource, and that \
             its CustomResourceDefinition is there and serves this version",
            gojson::quote(group),
            gojson::quote(version),
            gojson::quote(kind)
        );
        Error::new(ErrorKind::Invalid, DISCOVER, text)
    }

    /// Asks whether the account may do this with the objects that the store can name.
    ///
    /// # Errors
    /// `AccessDenied` if not; the API server's.
    pub(super) async fn may(&self, verb: &str, resource: &Resource) -> Result<(), Error> {
        let Wanted { group, version, kind: _ } = &self.wanted;
        let Resource { plural, namespaced } = resource;
        let namespace = match &self.scope {
            Scope::Namespace(namespace) if *namespaced => namespace.as_str(),
            Scope::Namespace(_) | Scope::All => "",
        };
        let attributes = [
            ("group", group.as_str()),
            ("namespace", namespace),
            ("resource", plural),
            ("verb", verb),
            ("version", version),
        ];
        let allowed = review::is_allowed(&self.cluster, REVIEW, &attributes).await;
        let (verb, quoted) = (gojson::quote(verb), gojson::quote(plural));
        match allowed {
            Ok(true) => Ok(()),
            Ok(false) => {
                let place = if namespace.is_empty() { String::new() } else { format!(" of namespace {namespace}") };
                let text = format!(
                    "crd: serviceaccount is not allowed to {verb} resource {quoted} in apiGroup {}; allow its account that verb \
                     on {plural}{place}",
                    gojson::quote(group)
                );
                Err(Error::new(ErrorKind::AccessDenied, REVIEW, text))
            }
            Err(error) => Err(error.context(format!("crd: failed to verify {verb} permission for resource {quoted}"))),
        }
    }

    /// The path of all objects that the store can name, one segment after the other.
    ///
    /// # Errors
    /// `Invalid` if the store has no namespace.
    pub(super) fn list_path<'p>(&'p self, resource: &'p Resource) -> Result<Vec<&'p str>, Error> {
        let mut path = self.wanted.path();
        if let (true, Scope::Namespace(namespace)) = (resource.namespaced, &self.scope) {
            path.extend(["namespaces", self.filled(namespace)?]);
        }
        path.push(&resource.plural);
        Ok(path)
    }

    /// The path of one object.
    ///
    /// # Errors
    /// `Invalid` if the key names a namespace where there is none to name, or none where there must be one.
    pub(super) fn object_path<'p>(&'p self, resource: &'p Resource, key: Key<'p>) -> Result<Vec<&'p str>, Error> {
        let kind = gojson::quote(&self.wanted.kind);
        let refused = |text: String| Error::new(ErrorKind::Invalid, READ, text);
        let mut path = self.wanted.path();
        match (resource.namespaced, &self.scope, key.namespace) {
            (true, _, Some(namespace)) => path.extend(["namespaces", namespace]),
            (true, Scope::Namespace(namespace), None) => path.extend(["namespaces", self.filled(namespace)?]),
            (true, Scope::All, None) => {
                return Err(refused(format!(
                    "crd: namespaced resource kind {kind} requires remoteRef.key in the form namespace/objectName when using \
                     ClusterSecretStore"
                )));
            }
            (false, _, Some(_)) => {
                return Err(refused(format!(
                    "crd: cluster-scoped resource kind {kind} does not allow '/' in remoteRef.key (use object name only)"
                )));
            }
            (false, _, None) => {}
        }
        path.extend([resource.plural.as_str(), key.name]);
        Ok(path)
    }

    fn filled<'n>(&self, namespace: &'n str) -> Result<&'n str, Error> {
        if !namespace.is_empty() {
            return Ok(namespace);
        }
        let kind = gojson::quote(&self.wanted.kind);
        let text = format!("crd: namespace is required for namespaced resource kind {kind}");
        Err(Error::new(ErrorKind::Invalid, READ, text))
    }
}

/// The resource of this kind in an APIResourceList; none at all if it isn't such a list.
fn of_kind(document: &Document<'_>, kind: &str) -> Option<Option<Resource>> {
    let root = document.root();
    if document.text(root, "kind") != Some("APIResourceList") {
        return None;
    }
    let Some(Item::Array(resources)) = document.member(root, "resources").map(|id| document.item(id)) else {
        return None;
    };
    let found = resources.iter().find_map(|id| {
        // What has a slash is a part of an object, such as its status.
        let plural = document.text(*id, "name").filter(|name| !name.contains('/'))?;
        let namespaced = document.member(*id, "namespaced").map(|id| document.item(id));
        let resource = Resource { plural: plural.to_owned(), namespaced: matches!(namespaced, Some(Item::Bool(true))) };
        (document.text(*id, "kind") == Some(kind)).then_some(resource)
    });
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_found_by_its_exact_name_and_never_as_a_part_of_another() {
        let list = br#"{"kind":"APIResourceList","resources":[
            {"name":"widgets/status","kind":"Widget","namespaced":true},
            {"name":"widgets","kind":"Widget","namespaced":true},
            {"name":"gears","kind":"Gear","namespaced":false}]}"#;
        let document = Document::parse(list).unwrap();
        let resource = |plural: &str, namespaced| Some(Resource { plural: plural.to_owned(), namespaced });
        for (kind, want) in
            [("Widget", resource("widgets", true)), ("Gear", resource("gears", false)), ("widget", None), ("", None)]
        {
            assert_eq!(of_kind(&document, kind), Some(want), "{kind}");
        }
        for other in ["{}", r#"{"kind":"APIResourceList"}"#, r#"{"kind":"Status","resources":[]}"#] {
            assert_eq!(of_kind(&Document::parse(other.as_bytes()).unwrap(), "Widget"), None, "{other}");
        }
    }
}
