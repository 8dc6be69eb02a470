//! Finding objects by name. Deliberately not here: the pages of the list (`cluster/list.rs`).

use std::sync::Arc;

use gojson::{Document, NodeId};
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::SecretMap;

use super::config::Wanted;
use super::key::Key;
use super::read::{has_namespace, whole};
use super::resource::Resource;
use super::{Crd, LIST, Scope};
use crate::cluster::list::List;
use crate::name_pattern::NamePattern;

/// Lists the objects that the store can name and the whitelist allows as a whole. The pattern is held against the key: the
/// name, or of a ClusterSecretStore's objects in namespaces `namespace/name`.
pub(super) async fn find(store: &Crd, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name: _, tags } = find;
    if path.is_some() || !tags.is_empty() {
        let text = "unexpected find operator: a crd store finds by name; use find.name.regexp without tags and path";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    let pattern = NamePattern::of(find)?;
    let resource = store.look_up().await?;
    match gather(store, &resource, &pattern, calls).await {
        // Also what a path gives that the API server doesn't know any more.
        Err(error) if error.kind() == ErrorKind::Malformed => match store.replacement(&resource).await? {
            Some(resource) => gather(store, &resource, &pattern, calls).await,
            None => Err(error),
        },
        done => done,
    }
}

async fn gather(
    store: &Crd,
    resource: &Arc<Resource>,
    pattern: &NamePattern,
    calls: &dyn Calls,
) -> Result<SecretMap, Error> {
    store.may("list", resource).await?;
    let Wanted { group: _, version: _, kind } = &store.wanted;
    let list = List {
        operation: LIST,
        path: &store.list_path(resource)?,
        selector: "",
        mark: ("apiVersion", &store.wanted.api_version()),
        of: &format!("{kind} objects"),
        what: "list the objects",
        failed: &format!("crd: failed to list {kind}"),
    };
    let mut found = Gathered::default();
    let mut replaced = false;
    let take = |document: &Document<'_>, object: NodeId| {
        let metadata = document.member(object, "metadata")?;
        let name = document.text(metadata, "name")?;
        let namespace = match resource.namespaced {
            true => Some(document.text(metadata, "namespace")?),
            false if has_namespace(document, object) => {
                replaced = true;
                return Some(Err(store.replaced(LIST)));
            }
            false => None,
        };
        let key = match (&store.scope, namespace) {
            (Scope::All, Some(namespace)) => format!("{namespace}/{name}"),
            (Scope::All, None) | (Scope::Namespace(_), _) => name.to_owned(),
        };
        if !pattern.matches(&key) || !store.whitelist.permits(Key { namespace, name }, None) {
            return Some(Ok(()));
        }
        Some(found.insert(LIST, key, whole(document, object, &store.wanted)?))
    };
    let listed = list.each(&store.cluster, calls, take).await;
    if replaced {
        store.forget(resource).await;
    }
    listed?;
    Ok(found.into_values())
}
