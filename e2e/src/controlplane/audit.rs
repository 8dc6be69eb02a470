//! The API server's audit log: who did what to Secrets and to our own kinds. Metadata only, never a body.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Context, Result};

/// Where the log is.
#[derive(Clone, Debug)]
pub struct AuditLog {
    file: PathBuf,
}

/// One answered request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `system:serviceaccount:NAMESPACE:NAME` for a program of ours.
    pub user: String,
    /// As Kubernetes names it: get, list, watch, create, update, patch, delete, deletecollection.
    pub verb: String,
    /// `secrets`, or `externalsecrets/status` for a subresource.
    pub resource: String,
    /// Empty for all namespaces.
    pub namespace: String,
    /// Empty for a list, and for a creation under a generated name.
    pub name: String,
    /// The HTTP status.
    pub code: u64,
    /// When it arrived, RFC 3339.
    pub at: String,
}

impl Entry {
    /// Whether it was meant to change something.
    pub fn writes(&self) -> bool {
        !["get", "list", "watch"].contains(&self.verb.as_str())
    }
}

impl AuditLog {
    /// Writes the policy into `folder`; answers the log and the API server's arguments for it.
    ///
    /// # Errors
    /// If the folder can't be written to.
    pub(super) fn set_up(folder: &Path) -> Result<(Self, Vec<String>)> {
        let ours = json!({"group": "external-secrets.io"});
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived"],
            "rules": [
                {"level": "Metadata", "resources": [{"group": "", "resources": ["secrets"]}, ours]},
                {"level": "None"},
            ],
        });
        let policy_file = folder.join("audit-policy.json");
        fs::write(&policy_file, policy.to_string())?;
        let file = folder.join("audit.log");
        let args = [
            format!("--audit-policy-file={}", policy_file.display()),
            format!("--audit-log-path={}", file.display()),
            // An entry is in the file before its request counts as done.
            "--audit-log-mode=blocking-strict".to_owned(),
        ];
        Ok((Self { file }, args.into()))
    }

    /// Every request so far, in the order of their answers.
    ///
    /// # Errors
    /// If the log can't be read.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let text = fs::read_to_string(&self.file).context(self.file.display())?;
        // The last line may be half written.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(entry).collect()
    }
}

fn entry(line: &str) -> Result<Entry> {
    let event: Value = serde_json::from_str(line)?;
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let subresource = text("/objectRef/subresource");
    let resource = text("/objectRef/resource");
    Ok(Entry {
        user: text("/user/username"),
        verb: text("/verb"),
        resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
        namespace: text("/objectRef/namespace"),
        name: text("/objectRef/name"),
        code: event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default(),
        at: text("/requestReceivedTimestamp"),
    })
}
