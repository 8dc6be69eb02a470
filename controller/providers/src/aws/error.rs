//! What AWS says, as kinds: the one place where its error codes are understood.
//!
//! Only codes that are known here are shown; AWS's messages hold request ids, signatures and identities, and are not.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use http::{HeaderMap, HeaderName, HeaderValue};
use provider::{Error, ErrorKind};

use super::config::{Fields, Identity, Settings};
use super::kept::{Refusal, Refusals};
use crate::http::{Failure, TOTAL_TIMEOUT, retry_after, waiting};

/// Of a call of STS. It ends before the call that waits for its credentials, so that STS is named, not that call's service.
pub(super) const STS_TIMEOUT: Duration = TOTAL_TIMEOUT.saturating_sub(Duration::from_secs(1));

/// Where calls of a service go.
#[derive(Clone, Debug)]
pub(super) struct Target {
    service: &'static str,
    origin: String,
    setting: &'static str,
    auth: &'static str,
    timeout: Duration,
    refusals: Refusals,
}

impl Target {
    pub(super) fn secrets_manager(settings: &Settings) -> Self {
        let endpoint = settings.secrets_manager_endpoint.as_deref();
        Self::new(
            "Secrets Manager",
            "secretsmanager",
            endpoint,
            "AWS_SECRETSMANAGER_ENDPOINT",
            &settings.identity,
            &settings.refusals,
        )
    }

    pub(super) fn ssm(settings: &Settings) -> Self {
        Self::new(
            "SSM",
            "ssm",
            settings.ssm_endpoint.as_deref(),
            "AWS_SSM_ENDPOINT",
            &settings.identity,
            &settings.refusals,
        )
    }

    pub(super) fn acm(settings: &Settings) -> Self {
        Self::new(
            "ACM",
            "acm",
            settings.acm_endpoint.as_deref(),
            "AWS_ACM_ENDPOINT",
            &settings.identity,
            &settings.refusals,
        )
    }

    pub(super) fn sts(identity: &Identity, refusals: &Refusals) -> Self {
        let endpoint = identity.sts_endpoint.as_deref();
        let target = Self::new("STS", "sts", endpoint, "AWS_STS_ENDPOINT", identity, refusals);
        Self { timeout: STS_TIMEOUT, ..target }
    }

    fn new(
        service: &'static str,
        host: &str,
        endpoint: Option<&str>,
        variable: &'static str,
        at: &Identity,
        refusals: &Refusals,
    ) -> Self {
        let Fields { auth, region: setting } = at.fields;
        let (origin, setting) = match endpoint.and_then(|url| url.parse::<reqwest::Url>().ok()) {
            Some(url) => (url.origin().ascii_serialization(), variable),
            None => {
                let domain = if at.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
                (format!("https://{host}.{}.{domain}", at.region), setting)
            }
        };
        Self { service, origin, setting, auth, timeout: TOTAL_TIMEOUT, refusals: refusals.clone() }
    }
}

/// Error codes and what they mean.
const CODES: &[(&str, ErrorKind)] = &[
    ("ResourceNotFoundException", ErrorKind::NotFound),
    ("ParameterNotFound", ErrorKind::NotFound),
    ("AccessDenied", ErrorKind::AccessDenied),
    ("AccessDeniedException", ErrorKind::AccessDenied),
    ("DecryptionFailure", ErrorKind::AccessDenied),
    ("EncryptionFailure", ErrorKind::AccessDenied),
    ("DecryptionFailureException", ErrorKind::AccessDenied),
    ("UnauthorizedOperation", ErrorKind::AccessDenied),
    ("AuthFailure", ErrorKind::Unauthenticated),
    ("ExpiredToken", ErrorKind::Unauthenticated),
    ("ExpiredTokenException", ErrorKind::Unauthenticated),
    ("IDPCommunicationError", ErrorKind::Unavailable),
    ("IDPRejectedClaim", ErrorKind::Unauthenticated),
    ("IncompleteSignature", ErrorKind::Unauthenticated),
    ("IncompleteSignatureException", ErrorKind::Unauthenticated),
    ("InvalidAccessKeyId", ErrorKind::Unauthenticated),
    ("InvalidClientTokenId", ErrorKind::Unauthenticated),
    ("InvalidIdentityToken", ErrorKind::Unauthenticated),
    ("InvalidSignatureException", ErrorKind::Unauthenticated),
    ("MissingAuthenticationToken", ErrorKind::Unauthenticated),
    ("MissingAuthenticationTokenException", ErrorKind::Unauthenticated),
    ("NotAuthorized", ErrorKind::Unauthenticated),
    ("RequestExpired", ErrorKind::Unauthenticated),
    ("SignatureDoesNotMatch", ErrorKind::Unauthenticated),
    ("UnrecognizedClientException", ErrorKind::Unauthenticated),
    ("LimitExceededException", ErrorKind::Throttled),
    ("RequestLimitExceeded", ErrorKind::Throttled),
    ("SlowDown", ErrorKind::Throttled),
    ("Throttling", ErrorKind::Throttled),
    ("ThrottlingException", ErrorKind::Throttled),
    ("ThrottledException", ErrorKind::Throttled),
    ("TooManyRequestsException", ErrorKind::Throttled),
    ("TooManyUpdates", ErrorKind::Throttled),
    ("InternalFailure", ErrorKind::Unavailable),
    ("InternalServerError", ErrorKind::Unavailable),
    ("InternalServiceError", ErrorKind::Unavailable),
    ("InternalServiceErrorException", ErrorKind::Unavailable),
    ("ServiceUnavailable", ErrorKind::Unavailable),
    ("ServiceUnavailableException", ErrorKind::Unavailable),
    ("RequestTimeout", ErrorKind::Timeout),
    ("RequestTimeoutException", ErrorKind::Timeout),
    ("HierarchyLevelLimitExceededException", ErrorKind::Invalid),
    ("HierarchyTypeMismatchException", ErrorKind::Invalid),
    ("IncompatiblePolicyException", ErrorKind::Invalid),
    ("InvalidArnException", ErrorKind::Invalid),
    ("RequestInProgressException", ErrorKind::Invalid),
    ("InvalidAllowedPatternException", ErrorKind::Invalid),
    ("InvalidFilterKey", ErrorKind::Invalid),
    ("InvalidFilterValue", ErrorKind::Invalid),
    ("InvalidKeyId", ErrorKind::Invalid),
    ("InvalidParameterException", ErrorKind::Invalid),
    ("InvalidPolicyAttributeException", ErrorKind::Invalid),
    ("InvalidPolicyTypeException", ErrorKind::Invalid),
    ("InvalidRequestException", ErrorKind::Invalid),
    ("InvalidResourceId", ErrorKind::Invalid),
    ("MalformedPolicyDocument", ErrorKind::Invalid),
    ("MalformedPolicyDocumentException", ErrorKind::Invalid),
    ("OptInRequired", ErrorKind::Invalid),
    ("PackedPolicyTooLarge", ErrorKind::Invalid),
    ("ParameterAlreadyExists", ErrorKind::Invalid),
    ("ParameterLimitExceeded", ErrorKind::Invalid),
    ("ParameterMaxVersionLimitExceeded", ErrorKind::Invalid),
    ("ParameterPatternMismatchException", ErrorKind::Invalid),
    ("ParameterVersionNotFound", ErrorKind::Invalid),
    ("PoliciesLimitExceededException", ErrorKind::Invalid),
    ("PreconditionNotMetException", ErrorKind::Invalid),
    ("PublicPolicyException", ErrorKind::Invalid),
    ("RegionDisabledException", ErrorKind::Invalid),
    ("ResourceExistsException", ErrorKind::Invalid),
    ("TooManyTagsError", ErrorKind::Invalid),
    ("UnsupportedParameterType", ErrorKind::Invalid),
    ("ValidationError", ErrorKind::Invalid),
    ("ValidationException", ErrorKind::Invalid),
    ("UnknownOperationException", ErrorKind::Unsupported),
];

/// What to do about codes that a write is refused with.
const HINTS: &[(&str, &str)] = &[
    ("HierarchyLevelLimitExceededException", "the name has more than 15 levels"),
    (
        "HierarchyTypeMismatchException",
        "a parameter keeps its type; push to another key, or delete the parameter first",
    ),
    ("InvalidArnException", "remoteRef.key must be the ARN of a certificate"),
    ("RequestInProgressException", "the certificate is not issued yet"),
    ("InvalidKeyId", "check the KMS key that metadata names"),
    ("IncompatiblePolicyException", "check metadata.spec.tier.policies"),
    ("InvalidPolicyAttributeException", "check metadata.spec.tier.policies"),
    ("InvalidPolicyTypeException", "check metadata.spec.tier.policies"),
    ("MalformedPolicyDocumentException", "check the text behind resourcePolicy.policySourceRef"),
    ("ParameterAlreadyExists", "somebody else has made it meanwhile; the next try looks at it"),
    ("ParameterLimitExceeded", "the account holds as many parameters as it may"),
    ("ParameterMaxVersionLimitExceeded", "the oldest of its 100 versions has a label; move the label"),
    ("ParameterPatternMismatchException", "check the name: letters, digits and .-_/, and its prefix"),
    ("PoliciesLimitExceededException", "check metadata.spec.tier.policies"),
    ("PublicPolicyException", "the resource policy gives access to everybody; check it, or blockPublicPolicy"),
    ("ResourceExistsException", "somebody else has made or written it meanwhile; the next try looks at it"),
    ("TooManyTagsError", "check metadata.spec.tags"),
    ("UnsupportedParameterType", "check metadata.spec.secretType"),
];

/// The calls that write a value.
const WRITES: &[&str] = &["CreateSecret", "PutSecretValue", "PutParameter"];

/// The calls that read one remote key: only to these is "not found" a word about that key.
const READS: &[&str] = &[super::secrets_manager::GET, super::parameter_store::GET];

/// The error of a failed call.
pub(super) fn of_sdk<E>(error: &SdkError<E, HttpResponse>, operation: &'static str, target: &Target) -> Error
where
    E: ProvideErrorMetadata + StdError + 'static,
{
    // Trouble with credentials comes in the clothes of a call that couldn't be sent.
    if let Some(inner) = find::<Error>(error) {
        return inner.clone();
    }
    if let Some(credentials) = find::<CredentialsError>(error) {
        return of_credentials(credentials, operation, target);
    }
    if let Some(failure) = find::<Failure>(error) {
        return failure.into_error(operation, &target.origin, target.setting);
    }
    match error {
        SdkError::ServiceError(said) => {
            let (code, message) = (said.err().code(), said.err().message().unwrap_or_default());
            let raw = said.raw();
            let error = of_code(code, message, raw.status().as_u16(), operation, target);
            if let Some(how) = refusal(error.kind(), message) {
                target.refusals.count(how);
            }
            let wait = raw.headers().get("retry-after").and_then(|text| wait_of(text, raw.headers().get("date")));
            waiting(error, wait)
        }
        SdkError::ResponseError(said) => match said.raw().status().as_u16() {
            status @ 300.. => of_code(None, "", status, operation, target),
            status => malformed(status, operation, target),
        },
        SdkError::TimeoutError(_) => {
            Failure::TimedOut(target.timeout).into_error(operation, &target.origin, target.setting)
        }
        SdkError::DispatchFailure(_) => Failure::Unconnected.into_error(operation, &target.origin, target.setting),
        _ => {
            let text = format!(
                "operation error {}: {operation}, the request can't be built; check spec.provider.aws and remoteRef",
                target.service
            );
            Error::new(ErrorKind::Invalid, operation, text)
        }
    }
}

/// Whether a call wasn't even made, for lack of credentials.
pub(super) fn lacks_credentials<E: StdError + 'static>(error: &SdkError<E, HttpResponse>) -> bool {
    find::<CredentialsError>(error).is_some()
}

/// What an answer says about the credentials. A role's sessions are revoked by a policy, and the refusals that it makes
/// have the code of all others.
///
/// Source: AWS IAM, "Revoke IAM role temporary security credentials" and "Troubleshoot access denied error messages".
fn refusal(kind: ErrorKind, message: &str) -> Option<Refusal> {
    match kind {
        ErrorKind::Unauthenticated => Some(Refusal::Bad),
        ErrorKind::AccessDenied if message.contains("explicit deny") => Some(Refusal::Forbidden),
        ErrorKind::AccessDenied => Some(Refusal::Unclear),
        ErrorKind::NotFound
        | ErrorKind::BadProperty
        | ErrorKind::Malformed
        | ErrorKind::Invalid
        | ErrorKind::Unsupported
        | ErrorKind::Throttled
        | ErrorKind::Unavailable
        | ErrorKind::Timeout => None,
    }
}

/// The error of a page that lacks its list: taken for an empty one, it would empty somebody's Secret.
pub(super) fn of_page_without_list(operation: &'static str, target: &Target) -> Error {
    malformed(200, operation, target)
}

/// The error of a success that lacks what AWS always says then: somebody else has answered.
pub(super) fn of_empty_answer(operation: &'static str, target: &Target) -> Error {
    malformed(200, operation, target)
}

fn malformed(status: u16, operation: &'static str, target: &Target) -> Error {
    let text = format!(
        "{}: the answer of {} is not what {} answers; check {}",
        call(operation, target, status),
        target.origin,
        target.service,
        target.setting
    );
    Error::new(ErrorKind::Malformed, operation, text)
}

/// The error of credentials that can't be had.
pub(super) fn of_credentials(error: &CredentialsError, operation: &'static str, target: &Target) -> Error {
    if let Some(inner) = find::<Error>(error) {
        return inner.clone();
    }
    if let Some(failure) = find::<Failure>(error) {
        return failure.into_error(operation, "the source of AWS credentials", "the credentials of the controller");
    }
    let auth = target.auth;
    let (kind, text) = match error {
        CredentialsError::CredentialsNotLoaded(_) => (
            ErrorKind::Unauthenticated,
            format!(
                "no AWS credentials found; set {auth}, or give the controller credentials by its environment, a web \
                 identity or its instance"
            ),
        ),
        CredentialsError::ProviderTimedOut(_) => (
            ErrorKind::Timeout,
            "no AWS credentials in time; check the source of the controller's credentials".to_owned(),
        ),
        CredentialsError::InvalidConfiguration(_) => (
            ErrorKind::Invalid,
            "the configuration of AWS credentials is invalid; check the role and the profile files".to_owned(),
        ),
        _ => (
            ErrorKind::Unauthenticated,
            format!("AWS credentials can't be had; check {auth}, the roles and the controller's environment"),
        ),
    };
    Error::new(kind, operation, format!("unable to create session: {text}"))
}

fn call(operation: &str, target: &Target, status: u16) -> String {
    format!("operation error {}: {operation}, https response error StatusCode: {status}", target.service)
}

fn of_code(code: Option<&str>, message: &str, status: u16, operation: &'static str, target: &Target) -> Error {
    // Codes of some doubles come with a namespace in front.
    let code = code.map(|c| c.rsplit('#').next().unwrap_or(c));
    let known = CODES.iter().find(|(name, _)| Some(*name) == code);
    let deleted = message.contains("marked for deletion");
    let to_be_deleted = deleted || message.contains("marked deleted") || message.contains("scheduled for deletion");
    let kind = match known {
        Some(("InvalidParameterException", _)) if deleted => ErrorKind::NotFound,
        // Doubles of AWS say so of a call that they don't know, whatever the code.
        _ if status == 501 => ErrorKind::Unsupported,
        Some((_, kind)) => *kind,
        None => match status {
            ..300 | 404 => ErrorKind::Malformed,
            401 | 403 => ErrorKind::AccessDenied,
            429 => ErrorKind::Throttled,
            500.. => ErrorKind::Unavailable,
            300..=399 => ErrorKind::Unavailable,
            _ => ErrorKind::Invalid,
        },
    };
    if kind == ErrorKind::NotFound && READS.contains(&operation) {
        return Error::not_found(operation);
    }
    let shown = known.map_or("of an unknown code", |(name, _)| name);
    let bad_credentials = format!("the credentials are wrong or expired; check {}", target.auth);
    let hint = match kind {
        ErrorKind::AccessDenied | ErrorKind::Unauthenticated if operation == "AssumeRoleWithWebIdentity" => {
            "the role doesn't admit this service account; check the role, its trust policy (issuer, audience, subject), \
             and that the account's cluster is an identity provider of AWS IAM"
        }
        ErrorKind::AccessDenied => "the identity isn't allowed this call; check its policies and the key's policy",
        ErrorKind::Unauthenticated => &bad_credentials,
        ErrorKind::Throttled => "AWS asks for fewer calls",
        ErrorKind::Unavailable | ErrorKind::Timeout => "AWS can't answer now",
        ErrorKind::Invalid if to_be_deleted => "the secret is scheduled for deletion",
        ErrorKind::Invalid if let Some((_, hint)) = HINTS.iter().find(|(name, _)| *name == shown) => hint,
        ErrorKind::Invalid if WRITES.contains(&operation) => {
            "check the name, metadata, and the value's size: Secrets Manager takes 64 KiB, Parameter Store 4 KiB (Advanced: 8)"
        }
        ErrorKind::NotFound => "there is no such secret",
        ErrorKind::Malformed => "AWS doesn't answer so; check the endpoint",
        ErrorKind::Unsupported => "AWS, or what stands for it, doesn't know this call",
        ErrorKind::Invalid | ErrorKind::BadProperty => "check key, version and region",
    };
    // Without tags there is nothing to select from, which in the reference is no sign that the secret is gone.
    let kind = if kind == ErrorKind::NotFound { ErrorKind::Invalid } else { kind };
    Error::new(kind, operation, format!("{}, api error {shown}: {hint}", call(operation, target, status)))
}

fn wait_of(text: &str, date: Option<&str>) -> Option<Duration> {
    let mut headers = HeaderMap::new();
    headers.insert(http::header::RETRY_AFTER, HeaderValue::from_str(text).ok()?);
    if let Some(date) = date {
        headers.insert(HeaderName::from_static("date"), HeaderValue::from_str(date).ok()?);
    }
    retry_after(&headers)
}

/// The first cause of the given type.
fn find<'e, T: StdError + 'static>(error: &'e (dyn StdError + 'static)) -> Option<&'e T> {
    let mut at = Some(error);
    while let Some(current) = at {
        if let Some(found) = current.downcast_ref::<T>() {
            return Some(found);
        }
        at = current.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(service: &'static str) -> Target {
        Target {
            service,
            origin: "https://aws".to_owned(),
            setting: "region",
            auth: "auth",
            timeout: TOTAL_TIMEOUT,
            refusals: Refusals::default(),
        }
    }

    #[test]
    fn codes_become_kinds_and_no_message_is_shown() {
        use ErrorKind::{AccessDenied, Invalid, Malformed, NotFound, Throttled, Unauthenticated, Unavailable};
        let target = target("Secrets Manager");
        let cases = [
            (Some("ResourceNotFoundException"), "canary", 400, NotFound),
            (Some("aws#ResourceNotFoundException"), "canary", 400, NotFound),
            (Some("InvalidParameterException"), "canary was marked for deletion.", 400, NotFound),
            (Some("InvalidParameterException"), "canary", 400, Invalid),
            (Some("InvalidRequestException"), "canary because it was marked for deletion.", 400, Invalid),
            (Some("AccessDeniedException"), "canary", 400, AccessDenied),
            (Some("UnrecognizedClientException"), "canary", 400, Unauthenticated),
            (Some("ThrottlingException"), "canary", 400, Throttled),
            (Some("InternalServiceError"), "canary", 500, Unavailable),
            (Some("canary"), "canary", 400, Invalid),
            (Some("canary"), "", 503, Unavailable),
            (None, "", 404, Malformed),
            (None, "", 403, AccessDenied),
        ];
        for (code, message, status, kind) in cases {
            let error = of_code(code, message, status, super::super::secrets_manager::GET, &target);
            assert_eq!(error.kind(), kind, "{code:?} {message}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
            if let (Some(code), Invalid | AccessDenied) = (code.filter(|c| *c != "canary"), kind) {
                assert!(error.to_string().contains(code), "{error}");
            }
        }
    }

    #[test]
    fn a_write_that_is_refused_gets_a_hint_of_its_own() {
        let target = target("SSM");
        let cases = [
            ("PutParameter", "ValidationException", "Parameter Store 4 KiB"),
            ("PutParameter", "HierarchyTypeMismatchException", "a parameter keeps its type"),
            ("GetParameter", "ValidationException", "check key, version and region"),
        ];
        for (operation, code, hint) in cases {
            let error = of_code(Some(code), "canary", 400, operation, &target);
            assert!(error.kind() == ErrorKind::Invalid && error.to_string().contains(hint), "{error}");
        }
        for (code, _) in HINTS {
            assert!(CODES.iter().any(|(known, kind)| known == code && *kind == ErrorKind::Invalid), "{code}");
        }
    }

    #[test]
    fn a_secret_without_metadata_is_no_sign_that_it_is_gone() {
        let target = target("Secrets Manager");
        let error = of_code(Some("ResourceNotFoundException"), "", 400, "DescribeSecret", &target);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
    }
}
