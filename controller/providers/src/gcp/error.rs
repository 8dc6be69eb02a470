//! What Google says, as kinds: the one place where its status words and error texts are understood.
//!
//! Google's texts are matched against a few known ones and never shown.
//! Source: <https://cloud.google.com/apis/design/errors>.

use http::StatusCode;
use provider::{Error, ErrorKind};
use serde::Deserialize;

use crate::http::{Answer, retry_after, waiting};

/// What a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// The secret with this id.
    Secret(&'a str),
    /// All secrets of a project or location.
    Parent,
}

/// An answer that isn't a success.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) error: Error,
    /// Whether it is that the version is disabled or destroyed.
    pub(super) switched_off: bool,
}

impl From<Said> for Error {
    fn from(said: Said) -> Self {
        said.error
    }
}

impl From<Error> for Said {
    fn from(error: Error) -> Self {
        Self { error, switched_off: false }
    }
}

#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Status,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Status {
    status: String,
    message: String,
    details: Vec<Detail>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    reason: String,
}

/// Google's status words that say more than the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Word {
    NotFound,
    FailedPrecondition,
    AlreadyExists,
    Aborted,
    Exhausted,
    Denied,
}

fn word(status: &str) -> Option<Word> {
    Some(match status {
        "NOT_FOUND" => Word::NotFound,
        "FAILED_PRECONDITION" => Word::FailedPrecondition,
        "ALREADY_EXISTS" => Word::AlreadyExists,
        "ABORTED" => Word::Aborted,
        "RESOURCE_EXHAUSTED" => Word::Exhausted,
        "PERMISSION_DENIED" => Word::Denied,
        _ => return None,
    })
}

impl Status {
    fn of(answer: &Answer) -> Self {
        serde_json::from_slice::<Body>(answer.body.expose()).unwrap_or_default().error
    }

    fn has_reason(&self, reason: &str) -> bool {
        self.details.iter().any(|detail| detail.reason == reason)
    }

    /// Whether the text names this secret, which Google does by its full name.
    fn is_about(&self, key: &str) -> bool {
        let name = format!("secrets/{key}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
        self.message.match_indices(&name).any(|(at, _)| self.message.get(at + name.len()..).is_some_and(ends))
    }

    fn is_switched_off(&self) -> bool {
        word(&self.status) == Some(Word::FailedPrecondition)
            && (self.message.contains("DESTROYED state") || self.message.contains("DISABLED state"))
    }
}

/// The error of an answer of Secret Manager. `origin` is its address, for the text.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, origin: &str, subject: Subject<'_>) -> Said {
    let status = Status::of(answer);
    if let (StatusCode::NOT_FOUND, Some(Word::NotFound), Subject::Secret(key)) =
        (answer.status, word(&status.status), subject)
        && status.is_about(key)
    {
        return Error::not_found(operation).into();
    }
    let (kind, text) = sort(answer.status, &status);
    let error = Error::new(kind, operation, format!("{origin} answered {}{text}", answer.status.as_u16()));
    Said { error: waiting(error, retry_after(&answer.headers)), switched_off: status.is_switched_off() }
}

fn sort(code: StatusCode, status: &Status) -> (ErrorKind, &'static str) {
    match (code.as_u16(), word(&status.status)) {
        (400, Some(Word::FailedPrecondition)) if status.is_switched_off() => (
            ErrorKind::Invalid,
            " FAILED_PRECONDITION: the version is disabled or destroyed; enable it, add a version, or set \
             spec.provider.gcpsm.secretVersionSelectionPolicy to LatestOrFetch",
        ),
        (400 | 409 | 412, Some(Word::FailedPrecondition | Word::Aborted | Word::AlreadyExists)) => {
            (ErrorKind::Unavailable, ": the secret was changed by somebody else meanwhile, or its state forbids this")
        }
        (400, _) => (
            ErrorKind::Invalid,
            ": bad request; check key, version, spec.provider.gcpsm.projectID and location, and what is pushed",
        ),
        (401, _) => (
            ErrorKind::Unauthenticated,
            " UNAUTHENTICATED: the access token is not accepted; check spec.provider.gcpsm.auth",
        ),
        (403, _) if status.has_reason("SERVICE_DISABLED") => (
            ErrorKind::AccessDenied,
            " PERMISSION_DENIED: the Secret Manager API is not enabled in the project; enable \
             secretmanager.googleapis.com",
        ),
        (403, _) if status.has_reason("ACCESS_TOKEN_SCOPE_INSUFFICIENT") => (
            ErrorKind::AccessDenied,
            " PERMISSION_DENIED: the token's scopes don't include cloud-platform; give the node pool or machine that scope",
        ),
        (403, Some(Word::Denied)) => (
            ErrorKind::AccessDenied,
            " PERMISSION_DENIED: check spec.provider.gcpsm.projectID, and that the identity has \
             roles/secretmanager.secretAccessor (roles/secretmanager.viewer for find and metadata)",
        ),
        (403, _) => (ErrorKind::AccessDenied, ": permission denied; is there a proxy or firewall on the way?"),
        (404, Some(Word::NotFound)) => {
            (ErrorKind::Invalid, " NOT_FOUND, but not of this secret; check spec.provider.gcpsm.projectID and location")
        }
        (404, _) => (
            ErrorKind::Malformed,
            ", but not as Secret Manager does for a missing secret; check the environment variable \
             GCP_SECRETMANAGER_ENDPOINT and the proxy",
        ),
        (429, _) | (_, Some(Word::Exhausted)) => {
            (ErrorKind::Throttled, " RESOURCE_EXHAUSTED: too many requests, or a quota of the project is used up")
        }
        (500.., _) => (ErrorKind::Unavailable, ": Secret Manager can't answer now"),
        (300..=399, _) => (ErrorKind::Unavailable, ": a redirect that is not followed"),
        (200..=299, _) => (ErrorKind::Malformed, " without what was asked"),
        _ => (ErrorKind::Invalid, ": the request was refused"),
    }
}

/// The answer was a success, but isn't what was asked for.
pub(super) fn malformed(operation: &'static str, origin: &str) -> Error {
    let text = format!("{origin} answered with something that Secret Manager wouldn't; what else answers there?");
    Error::new(ErrorKind::Malformed, operation, text)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use provider::Retry;
    use secret::SecretBytes;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &str, wait: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(wait) = wait {
            headers.insert("retry-after", wait.parse().unwrap());
        }
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: SecretBytes::from(body) }
    }

    fn said(status: &str, message: &str, reason: &str) -> String {
        json!({"error": {"code": 1, "status": status, "message": format!("{message} canary"),
            "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]}})
        .to_string()
    }

    #[test]
    fn statuses_and_known_words_become_kinds() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, NotFound, Throttled, Unauthenticated, Unavailable};
        let after = |seconds| Retry::After(Duration::from_secs(seconds));
        let missing = "Secret [projects/1/secrets/app] not found or has no versions.";
        let version = "Secret Version [projects/1/locations/l/secrets/app/versions/9] not found.";
        let disabled = "Secret Version [projects/1/secrets/app/versions/2] is in DISABLED state.";
        let cases = [
            (404, said("NOT_FOUND", missing, ""), None, NotFound, Retry::Backoff, ""),
            (404, said("NOT_FOUND", version, ""), None, NotFound, Retry::Backoff, ""),
            (
                404,
                said("NOT_FOUND", "Secret [projects/1/secrets/app-2] not found", ""),
                None,
                Invalid,
                Retry::Backoff,
                "not of this secret",
            ),
            (
                404,
                said("NOT_FOUND", "Requested entity was not found.", ""),
                None,
                Invalid,
                Retry::Backoff,
                "not of this secret",
            ),
            (404, "<html>canary".to_owned(), None, Malformed, Retry::Backoff, "404"),
            (403, said("NOT_FOUND", missing, ""), None, AccessDenied, Retry::Backoff, "403"),
            (403, said("PERMISSION_DENIED", "", ""), None, AccessDenied, Retry::Backoff, "secretAccessor"),
            (403, said("PERMISSION_DENIED", "", "SERVICE_DISABLED"), None, AccessDenied, Retry::Backoff, "not enabled"),
            (
                403,
                said("PERMISSION_DENIED", "", "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
                None,
                AccessDenied,
                Retry::Backoff,
                "scope",
            ),
            (403, "canary".to_owned(), None, AccessDenied, Retry::Backoff, "proxy"),
            (401, said("UNAUTHENTICATED", "", ""), None, Unauthenticated, Retry::Backoff, "auth"),
            (400, said("FAILED_PRECONDITION", disabled, ""), None, Invalid, Retry::Backoff, "disabled or destroyed"),
            (400, said("FAILED_PRECONDITION", "etag", ""), None, Unavailable, Retry::Backoff, "somebody else"),
            (409, said("ALREADY_EXISTS", "", ""), None, Unavailable, Retry::Backoff, "somebody else"),
            (400, said("INVALID_ARGUMENT", "", ""), None, Invalid, Retry::Backoff, "bad request"),
            (429, said("RESOURCE_EXHAUSTED", "", ""), Some("7"), Throttled, after(7), "429"),
            (429, String::new(), None, Throttled, Retry::Backoff, "429"),
            (503, said("UNAVAILABLE", "", ""), Some("3"), Unavailable, after(3), "503"),
            (504, String::new(), None, Unavailable, Retry::Backoff, "504"),
            (302, String::new(), None, Unavailable, Retry::Backoff, "302"),
            (204, String::new(), None, Malformed, Retry::Backoff, "204"),
            (418, String::new(), None, Invalid, Retry::Backoff, "418"),
        ];
        for (status, body, wait, kind, retry, text) in cases {
            let said = of_answer(&answer(status, &body, wait), "op", "https://h", Subject::Secret("app"));
            let error = said.error;
            assert_eq!((error.kind(), error.retry_when()), (kind, retry), "{status} {body}: {error}");
            assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}");
            assert_eq!(said.switched_off, text == "disabled or destroyed", "{body}");
        }
        let parent = of_answer(&answer(404, &said("NOT_FOUND", missing, ""), None), "op", "h", Subject::Parent);
        assert_eq!(parent.error.kind(), Invalid);
    }
}
