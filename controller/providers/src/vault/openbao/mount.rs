//! The store's self-check: is the mount a KV engine of the version that the settings say?
//!
//! The reference asks `sys/mounts`, for which a token needs a right beyond its secrets. The question that OpenBao's own
//! command line asks before each read is open to whoever may read there, so it goes first.

use api::VaultVersion;
use gojson::Document;
use http::{Method, StatusCode};
use provider::{Error, ErrorKind};

use super::super::product::{Peer, Product};
use super::super::{Ask, Vault, error};
use crate::http::Answer;

const READ_MOUNT: &str = "ReadMount";

/// Where to ask about a mount, below `/v1`. Source: OpenBao HTTP API, "/sys/internal/ui/mounts" and "/sys/mounts".
const OPEN_TO_READERS: &[&str] = &["sys", "internal", "ui", "mounts"];
const OF_OPERATORS: &[&str] = &["sys", "mounts"];

/// Asks the server about the mount.
///
/// # Errors
/// `Invalid` for a mount of another kind or version, or none; those of a request that fails or is refused.
pub(super) async fn check(vault: &Vault) -> Result<(), Error> {
    let peer = vault.wire.peer();
    let mount = vault.paths.mount()?;
    let ask = async |place: &[&str]| {
        let path: Vec<String> = place.iter().map(|&part| part.to_owned()).chain(mount.iter().cloned()).collect();
        vault.ask(Ask { operation: READ_MOUNT, method: Method::GET, path: &path, query: None, body: None }).await
    };
    let told = async {
        let mut answer = ask(OPEN_TO_READERS).await?;
        if matches!(answer.status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND) {
            answer = ask(OF_OPERATORS).await?;
        }
        if answer.status == StatusCode::OK {
            mount_of(&answer, peer)
        } else {
            Err(error::of_answer(&answer, READ_MOUNT, peer))
        }
    };
    let told = told.await.map_err(|e| e.context(format!("error while validating {}", gojson::quote(&peer.origin))))?;
    judge(&told, vault.paths.version, peer.product)
}

/// What an answer tells of a mount.
struct Mount {
    kind: String,
    /// Of a KV engine. One that was mounted without a version has version 1.
    version: String,
}

fn mount_of(answer: &Answer, peer: &Peer) -> Result<Mount, Error> {
    let read = || {
        let document = Document::parse_first(answer.body.expose()).ok()?;
        let data = document.member(document.root(), "data")?;
        let version = document.member(data, "options").and_then(|options| document.text(options, "version"));
        Some(Mount { kind: document.text(data, "type")?.to_owned(), version: version.unwrap_or("1").to_owned() })
    };
    read().ok_or_else(|| {
        let text = format!(
            "the answer of {peer} does not tell of a mount; does something other than {} answer there? check {}",
            peer.product.name(),
            peer.product.field("server")
        );
        Error::new(ErrorKind::Malformed, READ_MOUNT, text)
    })
}

fn judge(mount: &Mount, version: VaultVersion, product: Product) -> Result<(), Error> {
    let Mount { kind, version: found } = mount;
    let invalid = |text: String| Err(Error::new(ErrorKind::Invalid, READ_MOUNT, text));
    if kind != "kv" {
        let (kind, field) = (gojson::quote(kind), product.field("path"));
        return invalid(format!("expected mount type \"kv\" found {kind}; {field} must name a KV secrets engine"));
    }
    let expected = match version {
        VaultVersion::V1 => "1",
        VaultVersion::V2 => "2",
    };
    if found != expected {
        let field = product.field("version");
        let hint =
            if matches!(found.as_str(), "1" | "2") { format!("; set {field} to v{found}") } else { String::new() };
        return invalid(format!("expected kv engine version {expected} found version {found}{hint}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use secret::SecretBytes;

    use super::*;

    #[test]
    fn the_mount_must_be_a_kv_engine_of_the_version() {
        use VaultVersion::{V1, V2};
        let peer = Peer { product: Product::OpenBao, origin: "http://b".to_owned() };
        let cases = [
            (r#"{"data":{"type":"kv","options":{"version":"2"}}}"#, V2, ""),
            (r#"{"data":{"type":"kv","options":{"version":"1"}}}"#, V1, ""),
            (r#"{"data":{"type":"kv","options":null}}"#, V1, ""),
            (r#"{"data":{"type":"kv"}}"#, V1, ""),
            (
                r#"{"data":{"type":"kv","options":{"version":"1"}}}"#,
                V2,
                "expected kv engine version 2 found version 1; set spec.provider.openBao.version to v1",
            ),
            (
                r#"{"data":{"type":"kv","options":{"version":"2"}}}"#,
                V1,
                "expected kv engine version 1 found version 2; set spec.provider.openBao.version to v2",
            ),
            (r#"{"data":{"type":"kv","options":{"version":"3"}}}"#, V2, "expected kv engine version 2 found version 3"),
            (
                r#"{"data":{"type":"system","options":null}}"#,
                V2,
                "expected mount type \"kv\" found \"system\"; spec.provider.openBao.path must name a KV secrets engine",
            ),
            (
                "{}",
                V2,
                "the answer of http://b does not tell of a mount; does something other than OpenBao answer there?",
            ),
            ("<html>", V2, "the answer of http://b does not tell of a mount"),
        ];
        for (body, version, want) in cases {
            let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: SecretBytes::from(body) };
            match mount_of(&answer, &peer).and_then(|mount| judge(&mount, version, peer.product)) {
                Ok(()) => assert_eq!(want, "", "{body}"),
                Err(error) => assert!(!want.is_empty() && error.to_string().starts_with(want), "{body}: {error}"),
            }
        }
    }
}
