//! Pushing to `fake`: into the process's memory, where the store reads it from. Nothing of it outlives the process.

use async_trait::async_trait;
use gojson::SetError;
use provider::{Calls, Error, ErrorKind, Place, Push, Pushed, ReadKey, Removed, Write};
use secret::SecretBytes;

use super::Fake;

const PUSH: &str = "PushSecret";
const DELETE: &str = "DeleteSecret";

fn invalid(operation: &'static str, text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, operation, text)
}

fn listed(key: &str) -> ReadKey {
    ReadKey { key: key.to_owned(), version: None, metadata: false }
}

/// What a push leaves, or `None` if that is there already. Pure.
fn wished(held: Option<&SecretBytes>, push: &Push) -> Result<Option<SecretBytes>, Error> {
    let value = push.value()?;
    let Push { source: _, secret_key: _, place: Place { key: _, property }, metadata: _ } = push;
    let wished = match property {
        None => value,
        Some(property) => {
            let held = held.map(SecretBytes::expose).unwrap_or_default();
            let set = gojson::set(held, property, value.expose());
            let named = |error: SetError| invalid(PUSH, format!("property {}: {error}", gojson::quote(property)));
            SecretBytes::new(set.map_err(named)?)
        }
    };
    Ok(Some(wished).filter(|wished| Some(wished) != held))
}

#[async_trait]
impl Write for Fake {
    async fn push(&self, push: &Push, _: &dyn Calls) -> Result<Pushed, Error> {
        let Place { key, property: _ } = &push.place;
        if self.settings.get(&listed(key)).is_some() {
            return Err(invalid(PUSH, "key already exists: the store's own data lists it"));
        }
        let Some(value) = wished(self.pushed.get(key).as_ref(), push)? else { return Ok(Pushed::Unchanged) };
        if self.pushed.put(key, value) {
            return Ok(Pushed::Written);
        }
        Err(invalid(PUSH, "fake stores hold no more than 16 MiB of pushed values altogether"))
    }

    async fn delete(&self, place: &Place, _: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property } = place;
        let Some(held) = self.pushed.get(key) else {
            let listed = self.settings.get(&listed(key)).is_some();
            return Ok(if listed { Removed::Foreign } else { Removed::Absent });
        };
        if let Some(property) = property {
            // What isn't JSON, or no one place, was never pushed as this property.
            let Ok(Some(rest)) = gojson::remove(held.expose(), property) else { return Ok(Removed::Absent) };
            if !gojson::equal(&rest, b"{}") && !gojson::equal(&rest, b"[]") {
                let kept = self.pushed.put(key, SecretBytes::new(rest));
                let full = || invalid(DELETE, "fake stores are full");
                return kept.then_some(Removed::Deleted).ok_or_else(full);
            }
        }
        self.pushed.remove(key);
        Ok(Removed::Deleted)
    }

    async fn exists(&self, place: &Place, _: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property } = place;
        let held = self.settings.get(&listed(key)).cloned().or_else(|| self.pushed.get(key));
        Ok(match (held, property) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(held), Some(property)) => gojson::get(held.expose(), property).exists(),
        })
    }
}
