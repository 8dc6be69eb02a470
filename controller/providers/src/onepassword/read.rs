//! Reading an item with its files, and picking values out of it.
//!
//! Any property may be asked for of one read, so all files of an item are read with it, up to a size. What is wrong with one
//! of them concerns only who asks for that file. Deliberately not here: the search (`search.rs`), the item (`item.rs`).

use http::StatusCode;
use provider::{Calls, Error, ErrorKind, Payload, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::item::{Content, File, Item};
use super::wire::Call;
use super::{Connect, GET_FILE, GET_ITEM, error};
use crate::http::Uncounted;

/// The largest file that is read: a Kubernetes Secret holds no more.
pub(super) const FILE_LIMIT: usize = 1 << 20;
/// The most bytes of all files of one item.
const FILES_LIMIT: usize = 8 << 20;

/// Reads one item. `metadataPolicy` has no meaning, as in the reference.
///
/// # Errors
/// `NotFound` when Connect says of each vault that it has no such item.
pub(super) async fn read(store: &Connect, read: &ReadKey) -> Result<Payload, Error> {
    let ReadKey { key, version, metadata: _ } = read;
    if version.as_ref().is_some_and(|version| !version.is_empty()) {
        let text = "'remoteRef.version' is not implemented in the 1Password provider; leave it away";
        return Err(Error::new(ErrorKind::Unsupported, GET_ITEM, text));
    }
    let found = store.locate(key, &Uncounted).await?.ok_or_else(|| Error::not_found(GET_ITEM))?;
    let mut item = Item::parse(found.answer.body.expose()).ok_or_else(|| store.not_an_item())?;
    let (id, mut left) = (item.id.clone(), FILES_LIMIT);
    for file in &mut item.files {
        if file.size > left {
            let limit = FILES_LIMIT >> 20;
            file.content = Content::TooLarge(format!("the files of this item are larger than {limit} MiB altogether"));
            continue;
        }
        let read = content(store, &found.vault, &id, file, &Uncounted).await?;
        if let Content::Bytes(bytes) = &read {
            left = left.saturating_sub(bytes.len());
        }
        file.content = read;
    }
    Ok(Payload(item.payload()))
}

/// What is in a file; what is wrong with it if trying again can't be expected to help the whole item.
///
/// Source: Connect's OpenAPI document, `DownloadFileByID`.
pub(super) async fn content(
    store: &Connect,
    vault: &str,
    item: &str,
    file: &File,
    calls: &dyn Calls,
) -> Result<Content, Error> {
    if let Content::Bytes(inlined) = &file.content {
        return Ok(Content::Bytes(inlined.clone()));
    }
    if file.size > FILE_LIMIT {
        return Ok(Content::TooLarge(format!("the file is larger than {} MiB", FILE_LIMIT >> 20)));
    }
    let path = ["vaults", vault, "items", item, "files", &file.id, "content"];
    let call = Call::get(GET_FILE, &path);
    let answer = store.wire.send(&call, calls).await?;
    let trouble = || error::of_answer(&answer, GET_FILE, &store.wire.origin());
    match answer.status {
        StatusCode::OK => Ok(Content::Bytes(answer.body)),
        StatusCode::UNAUTHORIZED | StatusCode::TOO_MANY_REQUESTS => Err(trouble()),
        StatusCode::FORBIDDEN => Ok(Content::Denied(trouble().to_string())),
        // A 5xx too: Connect has answered for the item itself.
        _ => Ok(Content::Unavailable(trouble().to_string())),
    }
}

fn item(payload: &Payload) -> Result<Item, Error> {
    Item::parse(payload.0.expose()).ok_or_else(|| Error::new(ErrorKind::Malformed, GET_ITEM, "the item is not JSON"))
}

fn property(reference: &RemoteRef) -> Option<&str> {
    reference.property.as_deref()
}

/// One field or file. Without a property the field `password`, or the first file of a document.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let item = item(payload)?;
    item.value(&reference.read.key, item.wanted(property(reference)))
}

/// All fields, or all files of a document; with a property that field or file alone.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let item = item(payload)?;
    item.map(&reference.read.key, item.wanted(property(reference)))
}
