//! Standing still while somebody paused the object or one of its stores, and going on afterwards. I/O: the status only.
//!
//! Deliberately not here: what a pause looks like (`plan::pause`), and deletions, which are never held up.

use std::sync::Arc;

use api::{ExternalSecret, ExternalSecretStatus};
use plan::data::{self, StoreName};
use plan::pause;

use super::gather::{Live, store_key};
use super::report;
use crate::context::Context;
use crate::queue::Next;
use crate::world::Key;

/// Whether the object is paused, and by which store if not by itself.
pub(crate) fn asked(cx: &Context, object: &ExternalSecret) -> Option<Option<StoreName>> {
    if pause::is_asked(object.metadata.annotations.as_ref()) {
        return Some(None);
    }
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let paused = |name: &StoreName| {
        let record = cx.world.store(&store_key(name, namespace));
        record.is_some_and(|record| pause::is_asked(record.meta.annotations.as_ref()))
    };
    data::stores(&object.spec).into_iter().find(paused).map(Some)
}

/// Says that the object is paused, once. The end of the pause wakes it.
pub(super) async fn stand_still(cx: &Arc<Context>, object: &ExternalSecret, store: Option<&StoreName>) -> Next {
    let before = object.status.clone().unwrap_or_default();
    write(cx, object, pause::paused(&before, store), Next::OnChange).await
}

/// Says no more that the object is paused, where nothing else is to be told.
pub(super) async fn resumed(cx: &Arc<Context>, seen: &Live, next: Next) -> Next {
    let after = ExternalSecretStatus { paused: None, ..seen.status.clone() };
    write(cx, &seen.object, after, next).await
}

async fn write(cx: &Context, object: &ExternalSecret, after: ExternalSecretStatus, next: Next) -> Next {
    match report::write(cx, object, after).await {
        Ok(()) => next,
        Err(error) => {
            let Key { namespace, name } = Key::of(&object.metadata);
            tracing::debug!(namespace, name, error = %error, "status not written");
            Next::Backoff
        }
    }
}
