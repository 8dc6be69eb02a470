//! The one error of every provider: kind, retry, operation and a text that is safe to show.

use std::fmt;
use std::time::Duration;

/// What went wrong, as far as anything but a reader of the message needs to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The remote key doesn't exist. The only kind that may ever lead to a deletion.
    NotFound,
    /// The backend knows the caller and refuses.
    AccessDenied,
    /// The credentials are missing, wrong or expired.
    Unauthenticated,
    /// The backend asks for fewer calls.
    Throttled,
    /// The backend can't be reached or says that it is down (connection refused, 5xx, sealed).
    Unavailable,
    /// No answer in time.
    Timeout,
    /// The answer can't be understood (not JSON where JSON is due, too large, truncated).
    Malformed,
    /// The remote key exists but hasn't the property that was asked for.
    BadProperty,
    /// The store's or the reference's settings can't work (missing field, missing credential Secret).
    Invalid,
    /// This build has no such backend, operation or login method.
    Unsupported,
}

impl ErrorKind {
    /// The word used in logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::AccessDenied => "AccessDenied",
            Self::Unauthenticated => "Unauthenticated",
            Self::Throttled => "Throttled",
            Self::Unavailable => "Unavailable",
            Self::Timeout => "Timeout",
            Self::Malformed => "Malformed",
            Self::BadProperty => "BadProperty",
            Self::Invalid => "Invalid",
            Self::Unsupported => "Unsupported",
        }
    }
}

/// When it makes sense to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// With the key's own exponential backoff.
    Backoff,
    /// Not before something changes: another try can't help.
    Never,
    /// Not before this has passed: the backend said so.
    After(Duration),
}

/// A failed provider operation.
///
/// `Display` is what conditions, events and logs show. It never holds a secret value nor a part of an answer's body,
/// and nothing that differs from one try to the next (request ids, ports), so that status doesn't churn.
#[derive(Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    retry: Retry,
    operation: &'static str,
    message: String,
}

impl Error {
    /// An error of `kind` in `operation` (the provider's own name of the call, such as `ReadSecretData`).
    /// `message` must be safe to show, see the type.
    pub fn new(kind: ErrorKind, operation: &'static str, message: impl Into<String>) -> Self {
        Self { kind, retry: Retry::Backoff, operation, message: message.into() }
    }

    /// The reference's sentinel for a remote key that doesn't exist.
    pub fn not_found(operation: &'static str) -> Self {
        Self::new(ErrorKind::NotFound, operation, "Secret does not exist")
    }

    /// Sets when to try again.
    #[must_use]
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Puts `text` in front of the message, as the reference does when it wraps an error: `text: message`.
    #[must_use]
    pub fn context(mut self, text: impl fmt::Display) -> Self {
        self.message = format!("{text}: {}", self.message);
        self
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// When to try again.
    pub fn retry_when(&self) -> Retry {
        self.retry
    }

    /// The provider call that failed.
    pub fn operation(&self) -> &'static str {
        self.operation
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}: {}", self.kind.as_str(), self.operation, self.message)
    }
}

impl std::error::Error for Error {}
