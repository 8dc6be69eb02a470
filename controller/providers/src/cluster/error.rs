//! What the API server says, as kinds. Its messages are not shown.

use gojson::Document;
use http::StatusCode;
use provider::{Error, ErrorKind};

use super::Settings;
use crate::http::{Answer, retry_after, waiting};

/// Whether this is the API server's own way to say that it has no such object: a `Status` with the reason `NotFound`
/// about this resource (its plural). Any other 404 (a proxy, a wrong path) says nothing about the object.
pub(crate) fn is_missing(answer: &Answer, resource: &str) -> bool {
    let Ok(document) = Document::parse(answer.body.expose()) else { return false };
    let root = document.root();
    let about = document.member(root, "details").and_then(|details| document.text(details, "kind"));
    answer.status == StatusCode::NOT_FOUND
        && document.text(root, "kind") == Some("Status")
        && document.text(root, "reason") == Some("NotFound")
        && about == Some(resource)
}

/// The error of an answer that isn't a success; `what` was asked for.
pub(super) fn of_answer(
    answer: &Answer,
    operation: &'static str,
    settings: &Settings,
    origin: &str,
    what: &str,
) -> Error {
    let Settings { server, auth } = settings;
    let code = answer.status.as_u16();
    let (kind, text) = match code {
        401 => (ErrorKind::Unauthenticated, format!("not authenticated; check {auth}")),
        403 => (ErrorKind::AccessDenied, "forbidden; check the roles of the account that the store uses".to_owned()),
        404 => (ErrorKind::Malformed, format!("not as an API server does; check {server}")),
        429 => (ErrorKind::Throttled, "too many requests".to_owned()),
        408 | 504 => (ErrorKind::Timeout, "no answer in time".to_owned()),
        500.. => (ErrorKind::Unavailable, "the API server can't answer now".to_owned()),
        300..=399 => (ErrorKind::Unavailable, "a redirect, which is not followed".to_owned()),
        _ => (ErrorKind::Invalid, format!("check {server}")),
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

    const SETTINGS: Settings = Settings { server: "url", auth: "auth" };

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
            assert_eq!(is_missing(&answer(status, body), "secrets"), want, "{status} {body}");
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
            (429, Throttled),
            (500, Unavailable),
            (503, Unavailable),
            (504, Timeout),
        ];
        for (status, kind) in cases {
            let error =
                of_answer(&answer(status, r#"{"message":"canary"}"#), "op", &SETTINGS, "https://k", "get secrets");
            assert_eq!(error.kind(), kind, "{status}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
