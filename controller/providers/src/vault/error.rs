//! What Vault says, as kinds: the one place where its status codes and error texts are understood.
//!
//! Vault's texts are matched against a few known ones and never shown.

use http::StatusCode;
use provider::{Error, ErrorKind};

use super::product::Peer;
use crate::http::{Answer, retry_after, waiting};

/// Texts of Vault and OpenBao that say more than the status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    Sealed,
    InvalidToken,
    NoMount,
    OtherVersion,
    Conflict,
}

const KNOWN: &[(&str, Known)] = &[
    ("is sealed", Known::Sealed),
    ("invalid token", Known::InvalidToken),
    ("bad token", Known::InvalidToken),
    ("missing client token", Known::InvalidToken),
    ("no handler for route", Known::NoMount),
    ("unsupported path", Known::NoMount),
    ("No secret engine mount", Known::NoMount),
    ("versioned K/V secrets engine", Known::OtherVersion),
    ("did not match the current version", Known::Conflict),
];

fn known(body: &[u8]) -> Option<Known> {
    let text = std::str::from_utf8(body).ok()?;
    KNOWN.iter().find(|(words, _)| text.contains(words)).map(|(_, known)| *known)
}

/// Whether this is Vault's own way to say that there is nothing at a path: JSON with an empty list of errors and no
/// warnings. A 404 by anything else (a proxy, an ingress, a wrong mount) says nothing about the secret.
pub(super) fn is_plain_not_found(answer: &Answer) -> bool {
    use gojson::{Document, Item};
    let Ok(document) = Document::parse_first(answer.body.expose()) else { return false };
    let Item::Object(members) = document.item(document.root()) else { return false };
    let empty = |name: &str| match members.get(name).map(|id| document.item(*id)) {
        None | Some(Item::Null) => true,
        Some(Item::Array(items)) => items.is_empty(),
        Some(Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Object(_)) => false,
    };
    members.contains_key("errors") && empty("errors") && empty("warnings")
}

/// Whether a write was refused because another one came before it.
pub(super) fn is_conflict(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST && known(answer.body.expose()) == Some(Known::Conflict)
}

/// The error of an answer that isn't a success.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, peer: &Peer) -> Error {
    let known = known(answer.body.expose());
    let (kind, text) = sort(answer.status, known, retry_after(&answer.headers).is_some(), peer);
    waiting(Error::new(kind, operation, text), retry_after(&answer.headers))
}

/// The error of a login that isn't a success. `hint` says what to check if the server refuses what was sent.
pub(super) fn of_login(answer: &Answer, operation: &'static str, peer: &Peer, hint: &str) -> Error {
    let code = answer.status.as_u16();
    let sealed = known(answer.body.expose()) == Some(Known::Sealed);
    match code {
        // Vault answers a wrong role or secret id with 400, a wrong token with 403, a missing mount with 403 or 404.
        400 | 401 | 403 | 404 | 405 if !sealed => {
            Error::new(ErrorKind::Unauthenticated, operation, format!("{peer} answered {code}: login refused; {hint}"))
        }
        _ => of_answer(answer, operation, peer),
    }
}

fn sort(status: StatusCode, known: Option<Known>, wait_said: bool, peer: &Peer) -> (ErrorKind, String) {
    let code = status.as_u16();
    let (name, field) = (peer.product.name(), |name| peer.product.field(name));
    match (code, known) {
        (_, Some(Known::Sealed)) => {
            (ErrorKind::Unavailable, format!("{peer} answered {code}: {name} is sealed; unseal it"))
        }
        (400 | 403, Some(Known::InvalidToken)) => (
            ErrorKind::Unauthenticated,
            format!("{peer} answered {code}: permission denied, the token is invalid or has expired"),
        ),
        (403, _) => (
            ErrorKind::AccessDenied,
            format!(
                "{peer} answered 403: permission denied; check that the token is good, its policies, and the namespace"
            ),
        ),
        (401, _) => (ErrorKind::Unauthenticated, format!("{peer} answered 401: not authenticated")),
        (_, Some(Known::OtherVersion)) => (
            ErrorKind::Invalid,
            format!("{peer} answered {code}: the mount has KV version 2; set {} to v2", field("version")),
        ),
        (_, Some(Known::NoMount)) => (
            ErrorKind::Invalid,
            format!("{peer} answered {code}: no secrets engine is mounted there; check {}", field("path")),
        ),
        (400, Some(Known::Conflict)) => (
            ErrorKind::Invalid,
            format!(
                "{peer} answered 400: somebody else has written the secret meanwhile; nothing was changed, and the next try reads it anew"
            ),
        ),
        (400, _) => (ErrorKind::Invalid, format!("{peer} answered 400: bad request; check key and version")),
        (404, _) => (
            ErrorKind::Malformed,
            format!(
                "{peer} answered 404, but not as {name} does for a missing secret; check {} and {}",
                field("server"),
                field("path")
            ),
        ),
        (405, _) => (
            ErrorKind::Invalid,
            format!("{peer} answered 405: the path can't be read; check {} and path", field("version")),
        ),
        (412, _) => {
            (ErrorKind::Unavailable, format!("{peer} answered 412: the node hasn't caught up with the active one yet"))
        }
        (429, _) if wait_said => (ErrorKind::Throttled, format!("{peer} answered 429: too many requests")),
        (429 | 472 | 473, _) => (
            ErrorKind::Unavailable,
            format!("{peer} answered {code}: the node is a standby; check {}", field("server")),
        ),
        (501, _) => (ErrorKind::Unavailable, format!("{peer} answered 501: {name} is not initialized")),
        (500.., _) => (ErrorKind::Unavailable, format!("{peer} answered {code}: {name} can't answer now")),
        (300..=399, _) => (
            ErrorKind::Unavailable,
            format!("{peer} answered {code}: a redirect that is not followed; check {}", field("server")),
        ),
        (200..=299, _) => {
            (ErrorKind::Malformed, format!("{peer} answered {code} without what was asked; check {}", field("server")))
        }
        _ => (ErrorKind::Invalid, format!("{peer} answered {code}; check {}", field("server"))),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use provider::Retry;
    use secret::SecretBytes;

    use super::super::product::Product;
    use super::*;

    fn answer(status: u16, body: &str, wait: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(wait) = wait {
            headers.insert("retry-after", wait.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: SecretBytes::from(body) }
    }

    fn vault() -> Peer {
        Peer { product: Product::Vault, origin: "http://v:8200".to_owned() }
    }

    #[test]
    fn statuses_and_known_texts_become_kinds() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, Throttled, Unauthenticated, Unavailable};
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        let cases = [
            (403, r#"{"errors":["1 error occurred:\n\t* permission denied\n\n"]}"#, None, AccessDenied, Retry::Backoff),
            (403, r#"{"errors":["permission denied","invalid token"]}"#, None, Unauthenticated, Retry::Backoff),
            (400, r#"{"errors":["missing client token"]}"#, None, Unauthenticated, Retry::Backoff),
            (400, r#"{"errors":["version canary"]}"#, None, Invalid, Retry::Backoff),
            (
                400,
                r#"{"errors":["check-and-set parameter did not match the current version"]}"#,
                None,
                Invalid,
                Retry::Backoff,
            ),
            (
                404,
                r#"{"errors":["no handler for route \"kv/data/a\". route entry not found."]}"#,
                None,
                Invalid,
                Retry::Backoff,
            ),
            (
                404,
                r#"{"warnings":["Invalid path for a versioned K/V secrets engine."]}"#,
                None,
                Invalid,
                Retry::Backoff,
            ),
            (404, "<html>canary</html>", None, Malformed, Retry::Backoff),
            (405, "", None, Invalid, Retry::Backoff),
            (412, "", None, Unavailable, Retry::Backoff),
            (418, "", None, Invalid, Retry::Backoff),
            (429, "", Some("7"), Throttled, after(7)),
            (429, "", None, Unavailable, Retry::Backoff),
            (473, "", None, Unavailable, Retry::Backoff),
            (500, "canary", None, Unavailable, Retry::Backoff),
            (501, "", None, Unavailable, Retry::Backoff),
            (502, "<html>", None, Unavailable, Retry::Backoff),
            (503, r#"{"errors":["Vault is sealed"]}"#, None, Unavailable, Retry::Backoff),
            (503, "", Some("3"), Unavailable, after(3)),
        ];
        for (status, body, wait, kind, retry) in cases {
            let error = of_answer(&answer(status, body, wait), "op", &vault());
            assert_eq!((error.kind(), error.retry_when()), (kind, retry), "{status} {body}: {error}");
            assert!(error.to_string().contains(&status.to_string()), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn only_vaults_own_empty_answer_says_that_nothing_is_there() {
        let cases = [
            (r#"{"errors":[]}"#, true),
            (r#"{"errors":[],"warnings":null}"#, true),
            (r#"{"errors":["no handler for route"]}"#, false),
            (r#"{"errors":[],"warnings":["Invalid path"]}"#, false),
            (r#"{"message":"not found"}"#, false),
            ("<html>", false),
            ("", false),
            ("[]", false),
        ];
        for (body, want) in cases {
            assert_eq!(is_plain_not_found(&answer(404, body, None)), want, "{body}");
        }
    }
}
