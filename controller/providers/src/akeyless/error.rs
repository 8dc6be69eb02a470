//! What Akeyless says, as kinds: the one place where its status codes and texts are understood.
//!
//! Akeyless's texts are matched against known ones and never shown.

use gojson::{Document, Item};
use http::StatusCode;
use provider::{Error, ErrorKind};

use super::SERVER;
use crate::http::{Answer, retry_after, waiting};

const UNKNOWN_COMMAND: &str = "unknown command";

/// Whether Akeyless's API is there, but not what was asked of it.
pub(super) fn says_unknown_command(answer: &Answer) -> bool {
    answer.body.expose().windows(UNKNOWN_COMMAND.len()).any(|text| text == UNKNOWN_COMMAND.as_bytes())
}

/// Whether this is Akeyless's own way to say that there is no such item: 404 with its error object. A 404 by anything else
/// (a proxy, a path where the API isn't) says nothing about the item.
pub(super) fn is_missing_item(answer: &Answer) -> bool {
    let says_why = || {
        let document = Document::parse(answer.body.expose()).ok()?;
        let why = document.member(document.root(), "error")?;
        Some(matches!(document.item(why), Item::Text(text) if !text.is_empty()))
    };
    answer.status == StatusCode::NOT_FOUND && says_why().unwrap_or_default() && !says_unknown_command(answer)
}

/// The error of an answer that isn't a success. `origin` is the server's address, for the text.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, origin: &str) -> Error {
    if is_missing_item(answer) {
        return Error::not_found(operation);
    }
    let code = answer.status.as_u16();
    let (kind, text) = match code {
        400 => (ErrorKind::Invalid, "bad request; check remoteRef (key, version)".to_owned()),
        401 => (ErrorKind::Unauthenticated, "the token was refused; check the access role of the access id".to_owned()),
        403 => (
            ErrorKind::AccessDenied,
            "permission denied; give the access role of the access id this path, with list and read (create, update and delete \
             to push)"
                .to_owned(),
        ),
        404 => (ErrorKind::Malformed, format!("but not as Akeyless does for a missing item; check {SERVER}")),
        409 => (ErrorKind::Invalid, "there is such an item already".to_owned()),
        _ => common(code),
    };
    waiting(Error::new(kind, operation, format!("{origin} answered {code}: {text}")), retry_after(&answer.headers))
}

/// The error of a login that isn't a success. `hint` says what to check if Akeyless refuses what was sent.
pub(super) fn of_login(answer: &Answer, operation: &'static str, origin: &str, hint: &str) -> Error {
    let code = answer.status.as_u16();
    let (kind, text) = match code {
        404 | 405 if !is_missing_item(answer) => {
            (ErrorKind::Malformed, format!("that is not Akeyless; check {SERVER}"))
        }
        400 | 401 | 403 | 404 => (ErrorKind::Unauthenticated, format!("login refused; {hint}")),
        _ => common(code),
    };
    waiting(Error::new(kind, operation, format!("{origin} answered {code}: {text}")), retry_after(&answer.headers))
}

/// The error of an answer that can't be understood.
pub(super) fn not_akeyless(operation: &'static str, origin: &str) -> Error {
    Error::new(ErrorKind::Malformed, operation, format!("the answer of {origin} is not Akeyless's; check {SERVER}"))
}

fn common(code: u16) -> (ErrorKind, String) {
    match code {
        200..=299 => (ErrorKind::Malformed, format!("not what was asked for; check {SERVER}")),
        300..=399 => (ErrorKind::Unavailable, format!("a redirect that is not followed; check {SERVER}")),
        429 => (ErrorKind::Throttled, "too many requests".to_owned()),
        500.. => (ErrorKind::Unavailable, "Akeyless can't answer now".to_owned()),
        _ => (ErrorKind::Invalid, format!("check {SERVER}")),
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
    fn only_akeylesss_own_word_makes_an_item_missing() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, NotFound, Throttled, Unauthenticated, Unavailable};
        let missing = r#"{"error":"item canary was not found"}"#;
        let cases = [
            (404, missing, NotFound),
            (404, r#"{"error":"unknown command canary"}"#, Malformed),
            (404, r#"{"error":""}"#, Malformed),
            (404, r#"{"errors":["canary"],"message":"canary"}"#, Malformed),
            (404, "<html>canary", Malformed),
            (404, "", Malformed),
            (400, missing, Invalid),
            (401, missing, Unauthenticated),
            (403, missing, AccessDenied),
            (409, missing, Invalid),
            (429, "", Throttled),
            (500, missing, Unavailable),
            (302, "", Unavailable),
            (204, "", Malformed),
            (418, "", Invalid),
        ];
        for (status, body, want) in cases {
            let error = of_answer(&answer(status, body), "DescribeItem", "https://gw");
            assert_eq!(error.kind(), want, "{status} {body}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn a_refused_login_is_never_a_missing_item() {
        use ErrorKind::{Malformed, Throttled, Unauthenticated, Unavailable};
        let cases = [
            (400, "", Unauthenticated),
            (401, "", Unauthenticated),
            (403, "", Unauthenticated),
            (404, r#"{"error":"canary"}"#, Unauthenticated),
            (404, "<html>", Malformed),
            (405, "", Malformed),
            (429, "", Throttled),
            (503, "", Unavailable),
        ];
        for (status, body, want) in cases {
            assert_eq!(of_login(&answer(status, body), "Auth", "https://gw", "hint").kind(), want, "{status} {body}");
        }
    }
}
