//! What Entra ID and the metadata service say to a login, as kinds.
//!
//! Messages are never shown; codes are, if they are a number.

use gojson::{Document, Item};
use provider::{Error, ErrorKind};

use crate::http::{Answer, retry_after, waiting};

/// What Entra ID says by number.
const LOGINS: &[(u64, &str)] = &[
    (50_034, "the account is not known in the tenant"),
    (53_003, "a conditional access policy refuses the login"),
    (70_021, "no federated credential of the application fits the token's issuer, subject and audience"),
    (90_002, "the tenant doesn't exist"),
    (500_011, "the tenant doesn't know the resource that the token is for"),
    (700_016, "the tenant doesn't know the client"),
    (700_024, "the token or certificate isn't valid at this time"),
    (700_027, "the client's certificate is not registered with the application, or its signature is wrong"),
    (700_211, "no federated credential of the application has the token's issuer"),
    (700_212, "no federated credential of the application has the token's audience"),
    (700_213, "no federated credential of the application has the token's subject"),
    (7_000_112, "the application is disabled"),
    (7_000_215, "the client secret is wrong"),
    (7_000_222, "the client secret has expired"),
];

/// The error of a login that isn't a success. `hint` says what to check if what was sent is refused.
pub(super) fn of_login(answer: &Answer, operation: &'static str, origin: &str, hint: &str) -> Error {
    let code = answer.status.as_u16();
    let number = login_code(answer);
    let reason = number.map_or_else(String::new, |number| {
        let why = LOGINS.iter().find(|(known, _)| *known == number).map(|(_, why)| format!(": {why}"));
        format!(" (AADSTS{number}{})", why.unwrap_or_default())
    });
    let (kind, text) = match code {
        400 | 401 => (ErrorKind::Unauthenticated, format!("login refused{reason}; {hint}")),
        403 => (ErrorKind::AccessDenied, format!("login refused{reason}; {hint}")),
        404 => (ErrorKind::Malformed, "there is no login service at this place; check the login's address".to_owned()),
        429 => (ErrorKind::Throttled, "too many requests".to_owned()),
        500.. => (ErrorKind::Unavailable, "the login service can't answer now".to_owned()),
        300..=399 => (ErrorKind::Unavailable, "a redirect that is not followed".to_owned()),
        _ => (ErrorKind::Invalid, format!("login refused; {hint}")),
    };
    waiting(Error::new(kind, operation, format!("{origin} answered {code}: {text}")), retry_after(&answer.headers))
}

/// As [`of_login`], of the metadata service, which while it is being updated says that there is nothing.
///
/// Source: Azure documentation, "How to use managed identities on an Azure VM to acquire an access token, error handling".
pub(super) fn of_node(answer: &Answer, operation: &'static str, origin: &str, hint: &str) -> Error {
    match answer.status.as_u16() {
        code @ (404 | 410) => {
            let text = format!(
                "{origin} answered {code}: the metadata service can't answer now, or it is not Azure's; {hint}"
            );
            waiting(Error::new(ErrorKind::Unavailable, operation, text), retry_after(&answer.headers))
        }
        _ => of_login(answer, operation, origin, hint),
    }
}

/// The first of `error_codes`.
fn login_code(answer: &Answer) -> Option<u64> {
    let document = Document::parse(answer.body.expose()).ok()?;
    let Item::Array(codes) = document.item(document.member(document.root(), "error_codes")?) else { return None };
    match document.item(*codes.first()?) {
        Item::Number(text) => text.parse().ok(),
        Item::Null | Item::Bool(_) | Item::Text(_) | Item::Array(_) | Item::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, StatusCode};
    use secret::SecretBytes;
    use serde_json::{Value, json};

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        let body = SecretBytes::from(body.to_string());
        Answer { status: StatusCode::from_u16(status).unwrap(), headers: HeaderMap::new(), body }
    }

    #[test]
    fn logins_are_explained_by_number() {
        let said =
            |number: u64| json!({"error": "invalid_client", "error_description": "canary", "error_codes": [number]});
        let cases = [
            (
                401,
                said(7_000_215),
                ErrorKind::Unauthenticated,
                "login refused (AADSTS7000215: the client secret is wrong); hint",
            ),
            (400, said(12), ErrorKind::Unauthenticated, "login refused (AADSTS12); hint"),
            (400, json!({"error": "invalid_request"}), ErrorKind::Unauthenticated, "login refused; hint"),
            (403, json!("canary"), ErrorKind::AccessDenied, "login refused; hint"),
            (429, json!(null), ErrorKind::Throttled, "too many requests"),
            (500, json!(null), ErrorKind::Unavailable, "the login service can't answer now"),
        ];
        for (status, body, kind, text) in cases {
            let error = of_login(&answer(status, &body), "op", "https://l", "hint");
            assert_eq!((error.kind(), error.to_string()), (kind, format!("https://l answered {status}: {text}")));
        }
    }

    #[test]
    fn the_metadata_service_is_not_judged_as_a_login_service() {
        use ErrorKind::{Throttled, Unauthenticated, Unavailable};
        let cases =
            [(400, Unauthenticated), (404, Unavailable), (410, Unavailable), (429, Throttled), (500, Unavailable)];
        for (status, kind) in cases {
            let error = of_node(&answer(status, &json!({"error": "canary"})), "op", "http://169.254.169.254", "hint");
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
