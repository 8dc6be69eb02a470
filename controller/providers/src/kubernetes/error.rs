//! What the API server says about Secrets, and about writing them. All else is `cluster`'s.

use provider::{Error, ErrorKind};

use super::Kubernetes;
use crate::cluster::is_missing;
use crate::http::Answer;

/// Whether this is the API server's own way to say that it has no such Secret.
pub(super) fn is_missing_secret(answer: &Answer) -> bool {
    is_missing(answer, "secrets")
}

/// The error of an answer that isn't a success; `what` was asked for.
pub(super) fn of_answer(store: &Kubernetes, answer: &Answer, operation: &'static str, what: &str) -> Error {
    let code = answer.status.as_u16();
    let text = match code {
        404 if is_missing(answer, "namespaces") => {
            "there is no such namespace; create it, or name another in remoteNamespace"
        }
        409 => "somebody else has changed the Secret meanwhile; nothing was written, and the next try reads it anew",
        413 | 422 => {
            "the API server takes no such Secret; check its keys, labels, annotations and type, its size (1 MiB), and \
             whether the one that is there is immutable"
        }
        _ => return store.cluster.refused(answer, operation, what),
    };
    let text = format!("cannot {what}: {} answered {code}: {text}", store.cluster.origin());
    Error::new(ErrorKind::Invalid, operation, text)
}
