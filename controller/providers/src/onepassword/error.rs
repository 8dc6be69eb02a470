//! What Connect says, as kinds: the one place where its statuses and messages are understood. Messages are matched
//! against a few known beginnings and never shown.
//!
//! Source: Connect's OpenAPI document, `ErrorResponse` and the examples at each path; for `Authorization` issue 82 of
//! github.com/1Password/connect.

use gojson::{Document, Item};
use http::StatusCode;
use provider::{Error, ErrorKind};

use super::HOST;
use crate::http::{Answer, retry_after, waiting};

/// What an `ErrorResponse` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Item,
    Vault,
    File,
    Authorization,
}

const BEGINNINGS: &[(&str, About)] =
    &[("item", About::Item), ("vault", About::Vault), ("file", About::File), ("authorization", About::Authorization)];

/// What Connect's own error is about; nothing for what anybody else says, such as a proxy.
fn about(answer: &Answer) -> Option<About> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let Item::Object(members) = document.item(document.root()) else { return None };
    let Item::Number(status) = document.item(*members.get("status")?) else { return None };
    let Item::Text(message) = document.item(*members.get("message")?) else { return None };
    let message = message.to_lowercase();
    let (_, about) = BEGINNINGS.iter().find(|(beginning, _)| message.starts_with(beginning))?;
    let missing = answer.status != StatusCode::NOT_FOUND || message.contains("not found");
    (missing && status == answer.status.as_str()).then_some(*about)
}

/// Whether Connect says that it has no such item. Any other 404 (no such vault, a proxy, a wrong path) says nothing about
/// the item.
pub(super) fn is_missing_item(answer: &Answer) -> bool {
    answer.status == StatusCode::NOT_FOUND && about(answer) == Some(About::Item)
}

/// Whether it is the refusal that Connect now and then answers good tokens with, and takes back a moment later.
pub(super) fn is_passing_refusal(answer: &Answer) -> bool {
    answer.status == StatusCode::FORBIDDEN && about(answer) == Some(About::Authorization)
}

/// The error of an answer that isn't a success.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, origin: &str) -> Error {
    let code = answer.status.as_u16();
    let (kind, text) = match (code, about(answer)) {
        (400, _) => (ErrorKind::Invalid, "it can't do that with this vault or item; its log says why".to_owned()),
        (401, _) => (
            ErrorKind::Unauthenticated,
            "the Connect token is not accepted, or may not write there; check the Secret that \
             spec.provider.onepassword.auth.secretRef.connectTokenSecretRef names"
                .to_owned(),
        ),
        (403, _) => (
            ErrorKind::AccessDenied,
            "forbidden; check which vaults the Connect token may read, and to push, write".to_owned(),
        ),
        (404, Some(About::Vault)) => (
            ErrorKind::Invalid,
            "there is no such vault; check spec.provider.onepassword.vaults and what the Connect token may read"
                .to_owned(),
        ),
        (404, Some(About::File)) => {
            (ErrorKind::Unavailable, "it hasn't the content of this file (yet); check its synchronisation".to_owned())
        }
        (404, Some(About::Item)) => {
            (ErrorKind::Unavailable, "it lists this item and doesn't find it; it may be synchronising".to_owned())
        }
        (404, _) => (ErrorKind::Malformed, format!("but not as Connect does; check {HOST}")),
        (413, _) => (ErrorKind::Invalid, "too large".to_owned()),
        (429, _) => (ErrorKind::Throttled, "too many requests".to_owned()),
        (408 | 504, _) => (ErrorKind::Timeout, "no answer in time".to_owned()),
        (500.., _) => (ErrorKind::Unavailable, "Connect can't answer now".to_owned()),
        (300..=399, _) => (ErrorKind::Unavailable, "a redirect, which is not followed".to_owned()),
        _ => (ErrorKind::Malformed, format!("not as Connect does; check {HOST}")),
    };
    waiting(Error::new(kind, operation, format!("{origin} answered {code}: {text}")), retry_after(&answer.headers))
}

/// The error of an answer that isn't what Connect sends.
pub(super) fn malformed(operation: &'static str, origin: &str, wanted: &str) -> Error {
    Error::new(ErrorKind::Malformed, operation, format!("the answer of {origin} is not {wanted}; check {HOST}"))
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
    fn only_connects_own_word_about_an_item_says_that_it_is_missing() {
        let item = r#"{"status":404,"message":"item p7eflcy7f5mk7vg6zrzf5rjjyu not found"}"#;
        let cases = [
            (404, item, true),
            (404, r#"{"status":404,"message":"Item not found"}"#, true),
            (400, item, false),
            (403, r#"{"status":403,"message":"item not found"}"#, false),
            (404, r#"{"status":404,"message":"vault ionaiwtdvgclrixbt6ztpqcxnq not found"}"#, false),
            (404, r#"{"status":404,"message":"item is locked"}"#, false),
            (404, r#"{"status":"404","message":"item not found"}"#, false),
            (404, r#"{"message":"item not found"}"#, false),
            (404, "item not found", false),
            (404, "", false),
        ];
        for (status, body, want) in cases {
            assert_eq!(is_missing_item(&answer(status, body)), want, "{status} {body}");
        }
    }

    #[test]
    fn only_the_refusal_that_passes_is_tried_again() {
        let cases = [
            (403, r#"{"status":403,"message":"Authorization: token does not have access to vault"}"#, true),
            (401, r#"{"status":401,"message":"Authorization: token does not have access to vault"}"#, false),
            (403, r#"{"status":403,"message":"vault x is not in scope"}"#, false),
            (403, "Authorization", false),
        ];
        for (status, body, want) in cases {
            assert_eq!(is_passing_refusal(&answer(status, body)), want, "{status} {body}");
        }
    }

    #[test]
    fn statuses_become_kinds_and_no_message_is_shown() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, Throttled, Timeout, Unauthenticated, Unavailable};
        let about = |what: &str| format!(r#"{{"status":404,"message":"{what} canary not found"}}"#);
        let other = r#"{"message":"canary"}"#.to_owned();
        let cases = [
            (400, &other, Invalid),
            (401, &other, Unauthenticated),
            (403, &other, AccessDenied),
            (404, &other, Malformed),
            (404, &about("vault"), Invalid),
            (404, &about("file"), Unavailable),
            (404, &about("item"), Unavailable),
            (307, &other, Unavailable),
            (408, &other, Timeout),
            (418, &other, Malformed),
            (429, &other, Throttled),
            (500, &other, Unavailable),
            (503, &other, Unavailable),
            (504, &other, Timeout),
        ];
        for (status, body, kind) in cases {
            let error = of_answer(&answer(status, body), "op", "https://c");
            assert_eq!(error.kind(), kind, "{status} {body}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
