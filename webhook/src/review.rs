//! AdmissionReview on the wire: what of a request matters here, and how a verdict is written. Pure.
//!
//! Own types instead of a client library's, since only a few fields are read: everything else (old object, user, options)
//! is skipped while parsing and costs no memory. `admission.k8s.io/v1` and `v1beta1` have the same shape here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch as JsonPatch;
use serde::Deserialize;
use serde_json::{Value, json};

/// What the API server wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Operation {
    /// A new object.
    Create,
    /// A changed object.
    Update,
    /// An object goes.
    Delete,
    /// A connection to a subresource.
    Connect,
}

/// Group, version and kind of the object.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Kind {
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// One request for a verdict.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Request {
    /// Echoed in the answer.
    #[serde(default)]
    pub uid: String,
    /// What the object is.
    #[serde(default)]
    pub kind: Kind,
    /// What is done with it.
    pub operation: Operation,
    /// The object's namespace; empty for cluster-scoped ones.
    #[serde(default)]
    pub namespace: String,
    /// The object's name; empty if the API server is to generate it.
    #[serde(default)]
    pub name: String,
    /// The object, `null` for a deletion.
    #[serde(default)]
    pub object: Value,
}

impl Request {
    /// Whether the object is being deleted: then only finalizers still change, which nothing must hold up.
    pub fn is_terminating(&self) -> bool {
        self.object["metadata"]["deletionTimestamp"].is_string()
    }
}

/// A request together with the version in which it has to be answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Review {
    api_version: String,
    /// The request.
    pub request: Request,
}

/// Why a body is no review that can be answered. The texts say what is wrong, and show nothing of the body but names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReview {
    /// Nothing was sent.
    #[error("the body is empty: send an AdmissionReview")]
    Empty,
    /// No JSON, or JSON of another shape.
    #[error("the body is no AdmissionReview: {0}")]
    Malformed(String),
    /// `kind` or `apiVersion` is another.
    #[error(
        "the body is no AdmissionReview of admission.k8s.io/v1 or v1beta1: apiVersion is {api_version:?}, kind is {kind:?}"
    )]
    Other {
        /// `apiVersion` as sent.
        api_version: String,
        /// `kind` as sent.
        kind: String,
    },
    /// `request` is missing or null.
    #[error("request is missing")]
    NoRequest,
    /// `request.uid` is missing or empty.
    #[error("request.uid is missing")]
    NoUid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    #[serde(default)]
    request: Option<Request>,
}

/// Reads a review.
///
/// # Errors
/// [`BadReview`]. Nesting deeper than 128 levels is malformed.
pub fn parse(body: &[u8]) -> Result<Review, BadReview> {
    if body.is_empty() {
        return Err(BadReview::Empty);
    }
    let Wire { api_version, kind, request } =
        serde_json::from_slice(body).map_err(|e| BadReview::Malformed(describe(&e)))?;
    if kind != "AdmissionReview" || !matches!(api_version.as_str(), "admission.k8s.io/v1" | "admission.k8s.io/v1beta1")
    {
        return Err(BadReview::Other { api_version, kind });
    }
    let request = request.ok_or(BadReview::NoRequest)?;
    if request.uid.is_empty() {
        return Err(BadReview::NoUid);
    }
    Ok(Review { api_version, request })
}

/// serde's text can quote the value that it met; where it stood is enough.
fn describe(error: &serde_json::Error) -> String {
    let what = match error.classify() {
        serde_json::error::Category::Syntax => "it is no JSON, or nested too deeply",
        serde_json::error::Category::Eof => "it ends too early",
        serde_json::error::Category::Data => "a field has the wrong type or is missing",
        serde_json::error::Category::Io => "it can't be read",
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

/// What comes out of a review.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The object may pass, changed by the patch if there is one.
    Allowed {
        /// Shown to the user.
        warnings: Vec<String>,
        /// Changes to the object.
        patch: Option<JsonPatch>,
    },
    /// A rule says no: 403.
    Denied {
        /// Why, for the user.
        message: String,
        /// Shown to the user as well.
        warnings: Vec<String>,
    },
    /// The object can't be read: 400.
    Undecodable {
        /// Path of the field, such as `spec.refreshInterval`.
        field: String,
        /// Why, for the user.
        message: String,
    },
    /// No verdict could be found: 500.
    Failed {
        /// Why, and what to do.
        message: String,
    },
}

impl Verdict {
    /// Allowed, nothing more.
    pub fn allowed() -> Self {
        Self::Allowed { warnings: Vec::new(), patch: None }
    }

    /// The word for metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allowed { warnings: _, patch: None } => "allowed",
            Self::Allowed { warnings: _, patch: Some(_) } => "patched",
            Self::Denied { .. } => "denied",
            Self::Undecodable { .. } => "undecodable",
            Self::Failed { .. } => "failed",
        }
    }
}

impl Review {
    /// Writes the answer, in the version of the question.
    pub fn answer(&self, verdict: &Verdict) -> Value {
        let uid = &self.request.uid;
        let response = match verdict {
            Verdict::Allowed { warnings, patch } => {
                let mut response = json!({"uid": uid, "allowed": true, "status": {"code": 200}});
                add_warnings(&mut response, warnings);
                if let Some(patch) = patch {
                    response["patchType"] = json!("JSONPatch");
                    response["patch"] = json!(STANDARD.encode(json!(patch).to_string()));
                }
                response
            }
            Verdict::Denied { message, warnings } => {
                let mut response = refusal(uid, 403, "Forbidden", message);
                add_warnings(&mut response, warnings);
                response
            }
            Verdict::Undecodable { field, message } => {
                let mut response = refusal(uid, 400, "BadRequest", message);
                response["status"]["details"] =
                    json!({"causes": [{"reason": "FieldValueInvalid", "field": field, "message": message}]});
                response
            }
            Verdict::Failed { message } => refusal(uid, 500, "InternalError", message),
        };
        json!({"apiVersion": self.api_version, "kind": "AdmissionReview", "response": response})
    }
}

fn refusal(uid: &str, code: u16, reason: &str, message: &str) -> Value {
    json!({"uid": uid, "allowed": false, "status": {"status": "Failure", "code": code, "reason": reason, "message": message}})
}

fn add_warnings(response: &mut Value, warnings: &[String]) {
    if !warnings.is_empty() {
        response["warnings"] = json!(warnings);
    }
}
