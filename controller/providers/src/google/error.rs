//! What those who grant tokens say, as kinds. Their texts are never shown.
//!
//! Source: RFC 6749, section 5.2; <https://cloud.google.com/apis/design/errors>.

use provider::{Error, ErrorKind};
use serde::Deserialize;

use crate::http::{Answer, retry_after, waiting};

/// The error of whoever was asked for a token, or for a part of one. `hint` says what to check if it refuses.
pub(super) fn of_token(answer: &Answer, operation: &'static str, origin: &str, hint: &str) -> Error {
    let code = answer.status.as_u16();
    let is_google = says_not_found(answer);
    let (kind, text) = match code {
        400 | 401 => (ErrorKind::Unauthenticated, "the credentials are not accepted"),
        403 => (ErrorKind::AccessDenied, "permission denied"),
        404 if is_google => (ErrorKind::Unauthenticated, "there is no such account"),
        429 => (ErrorKind::Throttled, "too many requests"),
        500.. => (ErrorKind::Unavailable, "it can't answer now"),
        300..=399 => (ErrorKind::Unavailable, "a redirect that is not followed"),
        _ => (ErrorKind::Malformed, "that is no answer to a request for a token"),
    };
    waiting(
        Error::new(kind, operation, format!("{origin} answered {code}: {text}; check {hint}")),
        retry_after(&answer.headers),
    )
}

/// A success without a token in it.
pub(super) fn no_token(operation: &'static str, origin: &str) -> Error {
    let text = format!("{origin} answered without a token; does something other than Google answer there?");
    Error::new(ErrorKind::Malformed, operation, text)
}

/// Whether it is an API of Google's that has no such thing, not something else at its place.
fn says_not_found(answer: &Answer) -> bool {
    #[derive(Deserialize)]
    struct Body {
        error: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        status: String,
    }
    serde_json::from_slice::<Body>(answer.body.expose()).is_ok_and(|body| body.error.status == "NOT_FOUND")
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use secret::SecretBytes;

    use super::*;

    #[test]
    fn a_refused_token_says_what_to_check_and_never_that_a_secret_is_missing() {
        use ErrorKind::{AccessDenied, Malformed, Throttled, Unauthenticated, Unavailable};
        let cases = [
            (400, r#"{"error":"invalid_grant","error_description":"canary"}"#, Unauthenticated),
            (401, "canary", Unauthenticated),
            (403, "canary", AccessDenied),
            (404, r#"{"error":{"status":"NOT_FOUND"}}"#, Unauthenticated),
            (404, "<html>canary", Malformed),
            (429, "", Throttled),
            (500, "canary", Unavailable),
            (307, "", Unavailable),
        ];
        for (status, body, kind) in cases {
            let (status, body) = (StatusCode::from_u16(status).unwrap(), SecretBytes::from(body));
            let error = of_token(&Answer { status, headers: HeaderMap::new(), body }, "op", "https://h", "x");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().ends_with("; check x") && !error.to_string().contains("canary"), "{error}");
        }
    }
}
