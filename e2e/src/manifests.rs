//! What a user applies: the objects of `manifests/install/install.yaml`, by what they are for.

use std::fs;
use std::sync::OnceLock;

use serde_json::Value;

use crate::cluster::documents;
use crate::deps;
use crate::error::{Context, Error, Result};

/// What an object of the manifests is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The custom resource definitions.
    Definitions,
    /// The namespace, and what the controller needs.
    Controller,
    /// What the webhook needs.
    Webhook,
}

static INSTALLED: OnceLock<Vec<Value>> = OnceLock::new();

/// The objects of one part, in the order of the file.
///
/// # Errors
/// If the file can't be read or has nothing of this part.
pub fn installed(part: Part) -> Result<Vec<Value>> {
    let all = match INSTALLED.get() {
        Some(all) => all,
        None => {
            let file = deps::manifests().join("install/install.yaml");
            let text = fs::read_to_string(&file).context(file.display())?;
            let read = documents(&text).context(file.display())?;
            INSTALLED.get_or_init(|| read)
        }
    };
    let found: Vec<Value> = all.iter().filter(|object| part_of(object) == part).cloned().collect();
    if found.is_empty() {
        return Err(Error::new(format!("install.yaml has nothing for {part:?}")));
    }
    Ok(found)
}

fn part_of(object: &Value) -> Part {
    if object["kind"] == "CustomResourceDefinition" {
        Part::Definitions
    } else if object["metadata"]["labels"]["app.kubernetes.io/component"] == "webhook" {
        Part::Webhook
    } else {
        Part::Controller
    }
}
