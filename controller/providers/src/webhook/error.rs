//! What an answer's status means: the one place where it is understood. Its body and reason are never shown.

use http::StatusCode;
use provider::{Error, ErrorKind};

use super::{CALL, URL};
use crate::http::{Answer, retry_after, waiting};

/// The error of an answer that isn't a success.
pub(super) fn of_answer(answer: &Answer) -> Error {
    let status = answer.status;
    let kind = match status.as_u16() {
        401 | 407 => ErrorKind::Unauthenticated,
        403 => ErrorKind::AccessDenied,
        408 | 425 | 500.. => ErrorKind::Unavailable,
        429 => ErrorKind::Throttled,
        _ => ErrorKind::Invalid,
    };
    let hint = match kind {
        ErrorKind::Unauthenticated | ErrorKind::AccessDenied => {
            "; check spec.provider.webhook.headers and the Secrets they use".to_owned()
        }
        ErrorKind::Invalid => format!("; check {URL} and spec.provider.webhook.method"),
        _ => String::new(),
    };
    waiting(
        Error::new(kind, CALL, format!("endpoint gave error {}{hint}", shown(status))),
        retry_after(&answer.headers),
    )
}

/// `404 Not Found`: the code and its usual reason.
fn shown(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_str()),
        None => status.as_str().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use provider::Retry;
    use secret::SecretBytes;

    use super::*;

    #[test]
    fn statuses_become_kinds_and_the_body_is_not_shown() {
        use ErrorKind::{AccessDenied, Invalid, Throttled, Unauthenticated, Unavailable};
        let after = Retry::After(Duration::from_secs(7));
        let cases = [
            (304, None, Invalid, Retry::Backoff, "304 Not Modified; check spec.provider.webhook.url"),
            (400, None, Invalid, Retry::Backoff, "400 Bad Request; check spec.provider.webhook.url"),
            (401, None, Unauthenticated, Retry::Backoff, "401 Unauthorized; check spec.provider.webhook.headers"),
            (403, None, AccessDenied, Retry::Backoff, "403 Forbidden; check spec.provider.webhook.headers"),
            (404, None, Invalid, Retry::Backoff, "404 Not Found; check"),
            (429, Some("7"), Throttled, after, "429 Too Many Requests"),
            (500, None, Unavailable, Retry::Backoff, "500 Internal Server Error"),
            (503, Some("7"), Unavailable, after, "503 Service Unavailable"),
            (599, None, Unavailable, Retry::Backoff, "599"),
        ];
        for (status, wait, kind, retry, text) in cases {
            let mut headers = HeaderMap::new();
            if let Some(wait) = wait {
                headers.insert("retry-after", wait.parse().unwrap());
            }
            let (status, body) = (StatusCode::from_u16(status).unwrap(), SecretBytes::from("canary"));
            let error = of_answer(&Answer { status, headers, body });
            assert_eq!((error.kind(), error.retry_when()), (kind, retry), "{error}");
            assert!(error.to_string().starts_with(&format!("endpoint gave error {text}")), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
