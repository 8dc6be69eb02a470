//! Items of Akeyless: their type and tags, as it describes and lists them.

use gojson::{Document, Item as Json, NodeId};
use http::StatusCode;
use provider::{Calls, Error};

use super::wire::Field;
use super::{Akeyless, Command, DESCRIBE, error};

/// Types of items that hold a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Static,
    Dynamic,
    Rotated,
    Certificate,
    /// None of these, such as a key.
    Other,
}

/// What Akeyless tells of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) kind: Kind,
    pub(super) tags: Vec<String>,
}

/// The type of an item inside of an answer.
pub(super) fn kind(document: &Document<'_>, item: NodeId) -> Option<Kind> {
    Some(match document.text(item, "item_type")? {
        "STATIC_SECRET" => Kind::Static,
        "DYNAMIC_SECRET" => Kind::Dynamic,
        "ROTATED_SECRET" => Kind::Rotated,
        "CERTIFICATE" => Kind::Certificate,
        _ => Kind::Other,
    })
}

/// Asks what an item is.
///
/// Source: Akeyless V2 API, "Describe item".
///
/// # Errors
/// `NotFound` when Akeyless says that it has no such item.
pub(super) async fn describe(store: &Akeyless, name: &str, calls: Option<&dyn Calls>) -> Result<Item, Error> {
    let fields = [("name", Field::Text(name))];
    let answer = store.send(Command::new(DESCRIBE, "describe-item", &fields), calls).await?;
    let origin = store.wire.origin();
    if answer.status != StatusCode::OK {
        let error = error::of_answer(&answer, DESCRIBE, &origin);
        return Err(if error::is_missing_item(&answer) { error } else { error.context("can't describe item") });
    }
    let described = || {
        let document = Document::parse(answer.body.expose()).ok()?;
        let root = document.root();
        document.text(root, "item_name")?;
        let tags = match document.member(root, "item_tags").map(|id| document.item(id)) {
            Some(Json::Array(tags)) => tags
                .iter()
                .filter_map(|id| match document.item(*id) {
                    Json::Text(tag) => Some(tag.to_owned()),
                    Json::Null | Json::Bool(_) | Json::Number(_) | Json::Array(_) | Json::Object(_) => None,
                })
                .collect(),
            Some(Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_)) | None => Vec::new(),
        };
        Some(Item { kind: kind(&document, root)?, tags })
    };
    described().ok_or_else(|| error::not_akeyless(DESCRIBE, &origin).context("can't describe item"))
}
