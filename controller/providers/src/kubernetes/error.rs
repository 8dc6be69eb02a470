//! What the API server says, as kinds. Its messages are not shown.

use gojson::{Document, Item};
use http::StatusCode;
use provider::{Error, ErrorKind};

use crate::http::{Answer, retry_after, waiting};

/// Whether this is the API server's own way to say that it has no such Secret: a `Status` with the reason `NotFound`
/// about `secrets`. Any other 404 (a proxy, a wrong path) says nothing about the Secret.
pub(super) fn is_missing_secret(answer: &Answer) -> bool {
    is_missing(answer, "secrets")
}

fn is_missing(answer: &Answer, resource: &str) -> bool {
    let Ok(document) = Document::parse(answer.body.expose()) else { return false };
    let text = |path: &[&str]| {
        let mut at = document.root();
        for name in path {
            match document.item(at) {
                Item::Object(members) => at = *members.get(*name)?,
                Item::Null | Item::Bool(_) | Item::Number(_) | Item::Text(_) | Item::Array(_) => return None,
            }
        }
        match document.item(at) {
            Item::Text(text) => Some(text),
            Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_) => None,
        }
    };
    answer.status == StatusCode::NOT_FOUND
        && text(&["kind"]) == Some("Status")
        && text(&["reason"]) == Some("NotFound")
        && text(&["details", "kind"]) == Some(resource)
}

/// The error of an answer that isn't a success; `what` was asked for.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, origin: &str, what: &str) -> Error {
    let code = answer.status.as_u16();
    let (kind, text) = match code {
        401 => (ErrorKind::Unauthenticated, "not authenticated; check spec.provider.kubernetes.auth"),
        403 => (ErrorKind::AccessDenied, "forbidden; check the roles of the account that the store uses"),
        404 if is_missing(answer, "namespaces") => {
            (ErrorKind::Invalid, "there is no such namespace; create it, or name another in remoteNamespace")
        }
        409 => (
            ErrorKind::Invalid,
            "somebody else has changed the Secret meanwhile; nothing was written, and the next try reads it anew",
        ),
        413 | 422 => (
            ErrorKind::Invalid,
            "the API server takes no such Secret; check its keys, labels, annotations and type, its size (1 MiB), and \
             whether the one that is there is immutable",
        ),
        404 => (ErrorKind::Malformed, "not as an API server does; check spec.provider.kubernetes.server.url"),
        429 => (ErrorKind::Throttled, "too many requests"),
        408 | 504 => (ErrorKind::Timeout, "no answer in time"),
        500.. => (ErrorKind::Unavailable, "the API server can't answer now"),
        300..=399 => (ErrorKind::Unavailable, "a redirect, which is not followed"),
        _ => (ErrorKind::Invalid, "check spec.provider.kubernetes.server.url"),
    };
    waiting(
        Error::new(kind, operation, format!("cannot {what}: {origin} answered {code}: {text}")),
        retry_after(&answer.headers),
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use secret::SecretBytes;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: HeaderMap::new(), body: SecretBytes::from(body) }
    }

    #[test]
    fn only_a_status_about_secrets_says_that_one_is_missing() {
        let missing = r#"{"kind":"Status","status":"Failure","reason":"NotFound","details":{"name":"x","kind":"secrets"},"code":404}"#;
        let cases = [
            (404, missing, true),
            (200, missing, false),
            (404, r#"{"kind":"Status","reason":"NotFound","details":{"kind":"pods"}}"#, false),
            (404, r#"{"kind":"Status","reason":"NotFound"}"#, false),
            (404, "404 page not found", false),
            (404, "", false),
        ];
        for (status, body, want) in cases {
            assert_eq!(is_missing_secret(&answer(status, body)), want, "{status} {body}");
        }
    }

    #[test]
    fn statuses_become_kinds_and_no_message_is_shown() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, Throttled, Timeout, Unauthenticated, Unavailable};
        let cases = [
            (400, Invalid),
            (401, Unauthenticated),
            (403, AccessDenied),
            (404, Malformed),
            (409, Invalid),
            (422, Invalid),
            (429, Throttled),
            (500, Unavailable),
            (503, Unavailable),
            (504, Timeout),
        ];
        for (status, kind) in cases {
            let error = of_answer(&answer(status, r#"{"message":"canary"}"#), "op", "https://k", "get secrets");
            assert_eq!(error.kind(), kind, "{status}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
