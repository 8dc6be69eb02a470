//! What a rule says about an object. Not here: any rule.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The object is accepted; its author is told.
    Warning,
    /// The object is refused.
    Error,
}

macro_rules! codes {
    ($($(#[$meta:meta])* $variant:ident = $text:literal),+ $(,)?) => {
        /// Which rule a finding comes from. Closed, and stable for programs; the text is for people.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$meta])* $variant),+
        }

        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code's name.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }
        }
    };
}

codes! {
    /// `deletionPolicy: Delete` where the Secret isn't owned.
    DeleteWithoutOwnership = "delete-without-ownership",
    /// `deletionPolicy: Merge` where nothing is written.
    MergeWithoutSecret = "merge-without-secret",
    /// Neither `data` nor `dataFrom`.
    NoData = "no-data",
    /// A template that would make a privileged Secret.
    PrivilegedTemplate = "privileged-template",
    /// A template target that a Secret doesn't have.
    TemplateTarget = "template-target",
    /// An entry of `dataFrom` with more than one source.
    DataFromAmbiguous = "data-from-ambiguous",
    /// An entry of `dataFrom` without a source.
    DataFromEmpty = "data-from-empty",
    /// A `sourceRef` that names nothing.
    SourceRefEmpty = "source-ref-empty",
    /// The same `secretKey` twice.
    DuplicateSecretKey = "duplicate-secret-key",
    /// A regular expression that doesn't compile.
    BadRegexp = "bad-regexp",
    /// A `refreshInterval` that is no duration, or negative.
    BadRefreshInterval = "bad-refresh-interval",
    /// Not exactly one provider.
    ProviderCount = "provider-count",
    /// A provider that nobody knows.
    ProviderUnknown = "provider-unknown",
    /// A provider of ESO that isn't built in here.
    ProviderNotBuiltIn = "provider-not-built-in",
    /// Settings of a provider that can't be read.
    ProviderUnreadable = "provider-unreadable",
    /// A provider that isn't meant for production.
    ProviderUnmaintained = "provider-unmaintained",
    /// A reference without a namespace where one is needed.
    NamespaceMissing = "namespace-missing",
    /// A reference to a foreign namespace.
    NamespaceForeign = "namespace-foreign",
    /// A reference without a name or key.
    ReferenceIncomplete = "reference-incomplete",
    /// A connection without CA certificates of its own.
    NoCa = "no-ca",
    /// A region that gives no URL.
    Region = "region",
    /// Deletion settings that exclude each other or are out of range.
    DeletionSettings = "deletion-settings",
    /// A login method without what it needs.
    AuthIncomplete = "auth-incomplete",
    /// Half of a client certificate.
    ClientCertificate = "client-certificate",
    /// A setting that this version of the KV engine lacks.
    KvVersion = "kv-version",
    /// A value of the provider `fake` without a key or value.
    FakeData = "fake-data",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing to say about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field, such as `spec.data[2].secretKey`.
    pub path: String,
    /// The rule.
    pub code: Code,
    /// Whether it refuses the object.
    pub severity: Severity,
    /// The sentence for people, ESO's own where it has one. Holds no secret value.
    pub text: String,
}

impl Finding {
    /// A finding that refuses the object.
    pub(crate) fn error(path: impl Into<String>, code: Code, text: impl Into<String>) -> Self {
        Self { path: path.into(), code, severity: Severity::Error, text: text.into() }
    }

    /// A finding that doesn't.
    pub(crate) fn warning(path: impl Into<String>, code: Code, text: impl Into<String>) -> Self {
        Self { path: path.into(), code, severity: Severity::Warning, text: text.into() }
    }
}

/// The text of a denial: all errors in their order, a line each. Nothing if there is no error.
pub fn denial(findings: &[Finding]) -> Option<String> {
    let errors = texts(findings, Severity::Error);
    (!errors.is_empty()).then(|| errors.join("\n"))
}

/// The texts of all warnings in their order.
pub fn warnings(findings: &[Finding]) -> Vec<String> {
    texts(findings, Severity::Warning)
}

fn texts(findings: &[Finding], severity: Severity) -> Vec<String> {
    findings.iter().filter(|f| f.severity == severity).map(|f| f.text.clone()).collect()
}
