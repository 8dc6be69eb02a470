//! What IBM says, as kinds: the one place where its status codes and error codes are understood.
//!
//! IBM's texts are never shown.

use gojson::{Document, Item};
use http::StatusCode;
use provider::{Error, ErrorKind};

use super::SERVER;
use crate::http::{Answer, retry_after, waiting};

/// IAM's code of an API key that it doesn't know.
const UNKNOWN_API_KEY: &str = "BXNIM0415E";

/// Whether this is Secrets Manager's own way to say that it has no such secret: JSON with an error whose code says so. A
/// 404 by anything else (a proxy, a wrong path in the URL) says nothing about the secret.
pub(super) fn is_missing_secret(answer: &Answer) -> bool {
    let Ok(document) = Document::parse(answer.body.expose()) else { return false };
    let says_so = |id| match document.member(id, "code").map(|code| document.item(code)) {
        Some(Item::Text(code)) => code.to_ascii_lowercase().replace('-', "_").contains("not_found"),
        Some(Item::Null | Item::Bool(_) | Item::Number(_) | Item::Array(_) | Item::Object(_)) | None => false,
    };
    let errors = document.member(document.root(), "errors").map(|id| document.item(id));
    answer.status == StatusCode::NOT_FOUND
        && matches!(errors, Some(Item::Array(errors)) if errors.iter().any(|id| says_so(*id)))
}

/// The error of an answer of Secrets Manager that isn't a success. `origin` is the server's address, for the text.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, origin: &str) -> Error {
    if is_missing_secret(answer) {
        return Error::not_found(operation);
    }
    let code = answer.status.as_u16();
    let (kind, text) = match code {
        400 => (ErrorKind::Invalid, "bad request; check remoteRef.key: <group>/<type>/<name>, or <type>/<id>".to_owned()),
        401 => (
            ErrorKind::Unauthenticated,
            format!("the IAM token was refused; check that {SERVER} and the API key or trusted profile are of one account"),
        ),
        403 => (
            ErrorKind::AccessDenied,
            "permission denied; give the service ID or trusted profile the role SecretsReader on this instance and secret group"
                .to_owned(),
        ),
        404 => (ErrorKind::Malformed, format!("but not as Secrets Manager does for a missing secret; check {SERVER}")),
        _ => common(code, SERVER),
    };
    waiting(Error::new(kind, operation, format!("{origin} answered {code}: {text}")), retry_after(&answer.headers))
}

/// The error of an answer of IAM that isn't a success. `setting` is the field with its address, `hint` says what to check if
/// it refuses what was sent.
pub(super) fn of_login(answer: &Answer, operation: &'static str, origin: &str, setting: &str, hint: &str) -> Error {
    let code = answer.status.as_u16();
    let (kind, text) = match code {
        400 if answer.body.expose_str().is_some_and(|body| body.contains(UNKNOWN_API_KEY)) => {
            (ErrorKind::Unauthenticated, format!("login refused, the API key is unknown ({UNKNOWN_API_KEY}); {hint}"))
        }
        400 | 401 | 403 => (ErrorKind::Unauthenticated, format!("login refused; {hint}")),
        404 | 405 => (ErrorKind::Malformed, format!("that is not IAM; check {setting}")),
        _ => common(code, setting),
    };
    waiting(Error::new(kind, operation, format!("{origin} answered {code}: {text}")), retry_after(&answer.headers))
}

fn common(code: u16, setting: &str) -> (ErrorKind, String) {
    match code {
        200..=299 => (ErrorKind::Malformed, format!("not what was asked for; check {setting}")),
        300..=399 => (ErrorKind::Unavailable, format!("a redirect that is not followed; check {setting}")),
        429 => (ErrorKind::Throttled, "too many requests".to_owned()),
        500.. => (ErrorKind::Unavailable, "it can't answer now".to_owned()),
        _ => (ErrorKind::Invalid, format!("check {setting}")),
    }
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
    fn only_secrets_managers_own_word_makes_a_secret_missing() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, NotFound, Throttled, Unauthenticated, Unavailable};
        let missing = r#"{"status_code":404,"errors":[{"code":"not_found","message":"canary"}],"trace":"canary"}"#;
        let cases = [
            (404, missing, NotFound),
            (404, r#"{"errors":[{"code":"secret-not-found"}]}"#, NotFound),
            (404, r#"{"errors":[{"code":"canary"}]}"#, Malformed),
            (404, r#"{"errors":["canary"],"code":"not_found"}"#, Malformed),
            (404, r#"{"errors":[]}"#, Malformed),
            (404, "<html>canary", Malformed),
            (404, "", Malformed),
            (400, missing, Invalid),
            (401, missing, Unauthenticated),
            (403, missing, AccessDenied),
            (429, "", Throttled),
            (500, missing, Unavailable),
            (501, "", Unavailable),
            (302, "", Unavailable),
            (204, "", Malformed),
            (418, "", Invalid),
        ];
        for (status, body, want) in cases {
            let error = of_answer(&answer(status, body), "GetSecret", "https://sm");
            assert_eq!(error.kind(), want, "{status} {body}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_refused_login_is_never_a_missing_secret() {
        use ErrorKind::{Malformed, Throttled, Unauthenticated, Unavailable};
        let unknown = r#"{"errorCode":"BXNIM0415E","errorMessage":"canary"}"#;
        let cases = [
            (400, unknown, Unauthenticated, "the API key is unknown (BXNIM0415E); check the key"),
            (400, "canary", Unauthenticated, "login refused; check the key"),
            (401, "", Unauthenticated, "login refused; check the key"),
            (403, "", Unauthenticated, "login refused; check the key"),
            (404, "", Malformed, "that is not IAM; check iamEndpoint"),
            (429, "", Throttled, "too many requests"),
            (503, "", Unavailable, "it can't answer now"),
        ];
        for (status, body, kind, text) in cases {
            let error = of_login(&answer(status, body), "Login", "https://iam", "iamEndpoint", "check the key");
            assert_eq!(error.kind(), kind, "{status}");
            assert!(error.to_string().ends_with(text), "{error}");
        }
    }
}
