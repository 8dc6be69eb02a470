//! What Azure says, as kinds: the one place where its status codes and error codes are understood.
//!
//! Messages are never shown; codes are, if they are known or a number.

use gojson::{Document, Item, NodeId};
use http::StatusCode;
use provider::{Error, ErrorKind};

use super::config::VAULT_URL;
use super::object::Kind;
use crate::http::{Answer, retry_after, waiting};

/// A 403's inner code, and what it means.
const REFUSALS: &[(&str, &str)] = &[
    ("ForbiddenByRbac", "the identity has no role on the vault that allows this; assign one"),
    ("ForbiddenByPolicy", "the vault's access policies don't allow this to the identity"),
    ("AccessDenied", "the identity isn't allowed this; check the vault's access policies"),
    ("ForbiddenByFirewall", "the vault's firewall doesn't admit this address; check its network settings"),
    ("ForbiddenByConnection", "the vault takes no connections from public networks; check its private endpoints"),
];
/// Inner codes of what is there, but turned off.
const DISABLED: &[&str] = &["SecretDisabled", "KeyDisabled", "CertificateDisabled"];
/// Inner codes of a conflict.
const CONFLICTS: &[(&str, &str)] = &[
    (
        "ObjectIsDeletedButRecoverable",
        "an object of this name was deleted and can be recovered, until then the name is taken; recover or purge it",
    ),
    ("ObjectIsBeingDeleted", "an object of this name is being deleted"),
    ("ObjectIsBeingRecovered", "an object of this name is being recovered"),
];
/// Azure's codes: the outer and the innermost.
struct Codes {
    outer: String,
    inner: String,
}

/// `{"error":{"code":…,"innererror":{"code":…}}}`, if it is.
fn codes(answer: &Answer) -> Option<Codes> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let error = document.member(document.root(), "error")?;
    let code = |of: NodeId| match document.member(of, "code").map(|id| document.item(id)) {
        Some(Item::Text(code)) => Some(code.to_owned()),
        _ => None,
    };
    let outer = code(error)?;
    let inner = document.member(error, "innererror").and_then(code).unwrap_or_default();
    Some(Codes { outer, inner })
}

/// Whether the vault itself says that it has no such object, or no such version of it. A 404 by anything else (a proxy, a
/// wrong address) says nothing about the object.
pub(super) fn is_missing(answer: &Answer, kind: Kind) -> bool {
    answer.status == StatusCode::NOT_FOUND && codes(answer).is_some_and(|codes| codes.outer == kind.missing())
}

/// Whether the object is there, but turned off.
pub(super) fn is_disabled(answer: &Answer) -> bool {
    answer.status == StatusCode::FORBIDDEN && codes(answer).is_some_and(|codes| known(&codes, DISABLED).is_some())
}

fn known(codes: &Codes, among: &[&'static str]) -> Option<&'static str> {
    among.iter().find(|code| codes.inner == **code || codes.outer == **code).copied()
}

fn explained(codes: Option<&Codes>, among: &[(&'static str, &'static str)]) -> Option<String> {
    let codes = codes?;
    let (code, text) = among.iter().find(|(code, _)| codes.inner == *code || codes.outer == *code)?;
    Some(format!("{code}: {text}"))
}

/// The error of a vault's answer that isn't a success. `origin` is the vault's address, for the text.
pub(super) fn of_answer(answer: &Answer, operation: &'static str, origin: &str) -> Error {
    let codes = codes(answer);
    let (kind, text) = match answer.status.as_u16() {
        400 => (
            ErrorKind::Invalid,
            "bad request; check name, version and value, which has at most 25 KiB in a secret".to_owned(),
        ),
        401 => (
            ErrorKind::Unauthenticated,
            "the token isn't accepted; check spec.provider.azurekv.tenantId, which must be the vault's own, and \
             environmentType"
                .to_owned(),
        ),
        403 => match codes.as_ref().and_then(|codes| known(codes, DISABLED)) {
            Some(code) => (ErrorKind::Invalid, format!("{code}: it is there but disabled; enable it")),
            None => {
                let text = explained(codes.as_ref(), REFUSALS);
                let unsaid = || {
                    "not allowed; check the identity's roles, the vault's access policies and its firewall".to_owned()
                };
                (ErrorKind::AccessDenied, text.unwrap_or_else(unsaid))
            }
        },
        404 => (ErrorKind::Malformed, format!("not as Key Vault does for what it doesn't have; check {VAULT_URL}")),
        409 => {
            let text = explained(codes.as_ref(), CONFLICTS);
            (ErrorKind::Invalid, text.unwrap_or_else(|| "somebody else is changing it".to_owned()))
        }
        429 => (ErrorKind::Throttled, "too many requests".to_owned()),
        500.. => (ErrorKind::Unavailable, "Key Vault can't answer now".to_owned()),
        300..=399 => (ErrorKind::Unavailable, format!("a redirect that is not followed; check {VAULT_URL}")),
        200..=299 => (ErrorKind::Malformed, format!("not with what was asked; check {VAULT_URL}")),
        _ => (ErrorKind::Invalid, format!("check {VAULT_URL}")),
    };
    let error = Error::new(kind, operation, format!("{origin} answered {}: {text}", answer.status.as_u16()));
    waiting(error, retry_after(&answer.headers))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;
    use provider::Retry;
    use secret::SecretBytes;
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "7".parse().unwrap());
        let body = SecretBytes::from(body.to_string());
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body }
    }

    fn said(outer: &str, inner: &str) -> Value {
        json!({"error": {"code": outer, "message": "canary", "innererror": {"code": inner}}})
    }

    #[test]
    fn statuses_and_known_codes_become_kinds() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, Throttled, Unauthenticated, Unavailable};
        let after = Retry::After(Duration::from_secs(7));
        let cases = [
            (400, said("BadParameter", ""), Invalid, Retry::Backoff, "25 KiB"),
            (401, said("Unauthorized", "canary"), Unauthenticated, Retry::Backoff, "tenantId"),
            (403, said("Forbidden", "ForbiddenByRbac"), AccessDenied, Retry::Backoff, "ForbiddenByRbac: "),
            (403, said("Forbidden", "ForbiddenByFirewall"), AccessDenied, Retry::Backoff, "firewall"),
            (403, said("Forbidden", "canary"), AccessDenied, Retry::Backoff, "not allowed"),
            (403, json!("canary"), AccessDenied, Retry::Backoff, "not allowed"),
            (403, said("Forbidden", "SecretDisabled"), Invalid, Retry::Backoff, "disabled"),
            (404, said("NotFound", ""), Malformed, Retry::Backoff, "vaultUrl"),
            (409, said("Conflict", "ObjectIsDeletedButRecoverable"), Invalid, Retry::Backoff, "purge"),
            (409, said("Conflict", "canary"), Invalid, Retry::Backoff, "somebody else"),
            (418, json!(null), Invalid, Retry::Backoff, "vaultUrl"),
            (429, said("Throttled", ""), Throttled, after, "too many requests"),
            (503, json!("canary"), Unavailable, after, "can't answer now"),
        ];
        for (status, body, kind, retry, text) in cases {
            let error = of_answer(&answer(status, &body), "op", "https://v");
            assert_eq!((error.kind(), error.retry_when()), (kind, retry), "{body}: {error}");
            assert!(error.to_string().starts_with(&format!("https://v answered {status}: ")), "{error}");
            assert!(error.to_string().contains(text) && !error.to_string().contains("canary"), "{error}");
        }
    }

    #[test]
    fn only_the_vaults_own_code_for_this_kind_says_that_nothing_is_there() {
        let cases = [
            (404, said("SecretNotFound", ""), true),
            (404, said("KeyNotFound", ""), false),
            (404, said("NotFound", "SecretNotFound"), false),
            (404, json!({"errors": []}), false),
            (403, said("SecretNotFound", ""), false),
        ];
        for (status, body, want) in cases {
            assert_eq!(is_missing(&answer(status, &body), Kind::Secret), want, "{status} {body}");
        }
    }
}
