//! AdmissionReview on the wire: what of a request matters here, and how a verdict is written. Pure.
//!
//! Own types instead of a client library's, since only a few fields are read: everything else (old object, user, options)
//! is skipped while parsing and costs no memory, and texts stay in the body. `admission.k8s.io/v1` and `v1beta1` have the
//! same shape here. As what the object is read is for the caller to say.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use json_patch::Patch as JsonPatch;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer};
use serde::{Deserialize as DeriveDeserialize, Serialize};

/// What the API server wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, DeriveDeserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, DeriveDeserialize)]
#[serde(default)]
pub struct Kind<'a> {
    /// API group.
    #[serde(borrow)]
    pub group: Cow<'a, str>,
    /// API version.
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    /// Kind.
    #[serde(borrow)]
    pub kind: Cow<'a, str>,
}

/// What is asked, but for the object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Echoed in the answer.
    pub uid: Cow<'a, str>,
    /// What the object is.
    pub kind: Kind<'a>,
    /// What is done with it.
    pub operation: Operation,
    /// The object's namespace; empty for cluster-scoped ones.
    pub namespace: Cow<'a, str>,
    /// The object's name; empty if the API server is to generate it.
    pub name: Cow<'a, str>,
}

/// A request together with the version in which it has to be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Review<'a> {
    api_version: Cow<'a, str>,
    /// The request.
    pub request: Request<'a>,
}

/// An object that is read straight into its type; nothing for `null`. Unlike a struct on its own it takes no list.
#[derive(Clone, Debug, PartialEq)]
pub struct Object<T>(pub Option<T>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
                Ok(Object(None))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(|object| Object(Some(object)))
            }
        }

        deserializer.deserialize_any(Visitor(PhantomData))
    }
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

#[derive(DeriveDeserialize)]
#[serde(rename_all = "camelCase", bound(deserialize = "T: Deserialize<'de> + Default"))]
struct Wire<'a, T> {
    #[serde(default, borrow)]
    api_version: Cow<'a, str>,
    #[serde(default, borrow)]
    kind: Cow<'a, str>,
    #[serde(default)]
    request: Option<WireRequest<'a, T>>,
}

#[derive(DeriveDeserialize)]
#[serde(bound(deserialize = "T: Deserialize<'de> + Default"))]
struct WireRequest<'a, T> {
    #[serde(default, borrow)]
    uid: Cow<'a, str>,
    #[serde(default, borrow)]
    kind: Kind<'a>,
    operation: Operation,
    #[serde(default, borrow)]
    namespace: Cow<'a, str>,
    #[serde(default, borrow)]
    name: Cow<'a, str>,
    #[serde(default)]
    object: T,
}

/// Reads a review, and its object as a `T`. Without an object that is `T`'s default.
///
/// # Errors
/// [`BadReview`]. What is read and nested deeper than 128 levels is malformed.
pub fn parse<'a, T: Deserialize<'a> + Default>(body: &'a [u8]) -> Result<(Review<'a>, T), BadReview> {
    if body.is_empty() {
        return Err(BadReview::Empty);
    }
    let Wire { api_version, kind, request } =
        serde_json::from_slice(body).map_err(|e| BadReview::Malformed(describe(&e)))?;
    if kind != "AdmissionReview" || !matches!(&*api_version, "admission.k8s.io/v1" | "admission.k8s.io/v1beta1") {
        return Err(BadReview::Other { api_version: api_version.into_owned(), kind: kind.into_owned() });
    }
    let WireRequest { uid, kind, operation, namespace, name, object } = request.ok_or(BadReview::NoRequest)?;
    if uid.is_empty() {
        return Err(BadReview::NoUid);
    }
    Ok((Review { api_version, request: Request { uid, kind, operation, namespace, name } }, object))
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer<'a> {
    api_version: &'a str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    status: Status<'a>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    patch_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    patch: Option<String>,
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<Details<'a>>,
}

#[derive(Serialize)]
struct Details<'a> {
    causes: [Cause<'a>; 1],
}

#[derive(Serialize)]
struct Cause<'a> {
    reason: &'static str,
    field: &'a str,
    message: &'a str,
}

/// An answer without warnings is shorter than this in most cases.
const ANSWER: usize = 256;

impl Review<'_> {
    /// Writes the answer as JSON, in the version of the question.
    ///
    /// # Errors
    /// serde's, if the patch can't be written.
    pub fn answer(&self, verdict: &Verdict) -> serde_json::Result<Vec<u8>> {
        let mut response = Response {
            uid: &self.request.uid,
            allowed: false,
            status: Status { status: None, code: 200, reason: None, message: None, details: None },
            warnings: &[],
            patch_type: None,
            patch: None,
        };
        match verdict {
            Verdict::Allowed { warnings, patch } => {
                response.allowed = true;
                response.warnings = warnings;
                if let Some(patch) = patch {
                    response.patch_type = Some("JSONPatch");
                    response.patch = Some(STANDARD.encode(serde_json::to_vec(patch)?));
                }
            }
            Verdict::Denied { message, warnings } => {
                response.status = refusal(403, "Forbidden", message);
                response.warnings = warnings;
            }
            Verdict::Undecodable { field, message } => {
                let causes = [Cause { reason: "FieldValueInvalid", field, message }];
                response.status = Status { details: Some(Details { causes }), ..refusal(400, "BadRequest", message) };
            }
            Verdict::Failed { message } => response.status = refusal(500, "InternalError", message),
        }
        let mut answer = Vec::with_capacity(ANSWER);
        let whole = WireAnswer { api_version: &self.api_version, kind: "AdmissionReview", response };
        serde_json::to_writer(&mut answer, &whole)?;
        Ok(answer)
    }
}

fn refusal<'a>(code: u16, reason: &'static str, message: &'a str) -> Status<'a> {
    Status { status: Some("Failure"), code, reason: Some(reason), message: Some(message), details: None }
}
