//! What a rule says about an object. Not here: any rule.

use std::fmt;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The object is accepted, and ESO says nothing; only a linter does. See [`crate::advice`].
    Advice,
    /// The object is accepted; its author is told.
    Warning,
    /// The object is refused.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        })
    }
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
    /// No login method, or one without what it needs.
    AuthIncomplete = "auth-incomplete",
    /// More than one login method.
    AuthAmbiguous = "auth-ambiguous",
    /// A value that is both given and referenced, or neither.
    ValueOrReference = "value-or-reference",
    /// A setting that must not be empty.
    SettingMissing = "setting-missing",
    /// A setting of the wrong form.
    SettingInvalid = "setting-invalid",
    /// Settings that exclude each other.
    SettingConflict = "setting-conflict",
    /// A URL that is none, or of the wrong kind.
    Url = "url",
    /// The provider `crd` asked for what the provider `kubernetes` is for.
    CoreSecret = "core-secret",
    /// A rule of a whitelist that says nothing, or what can't be.
    WhitelistRule = "whitelist-rule",
    /// A file that the webhook can't read.
    TokenFile = "token-file",
    /// Half of a client certificate.
    ClientCertificate = "client-certificate",
    /// A setting that this version of the KV engine lacks.
    KvVersion = "kv-version",
    /// A value of the provider `fake` without a key or value.
    FakeData = "fake-data",
    /// A credential that the object holds itself.
    PlainText = "plain-text",
    /// A refresh interval that is more load than news.
    RefreshTooOften = "refresh-too-often",
    /// A search that takes all that there is.
    UnboundedFind = "unbounded-find",
    /// A reference to another namespace that is passed over.
    NamespaceIgnored = "namespace-ignored",
    /// A template that doesn't parse.
    BadTemplate = "bad-template",
    /// A key that no template uses.
    UnusedKey = "unused-key",
    /// A key that a template uses and nothing gives.
    UnknownKey = "unknown-key",
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

    /// A finding for linters only.
    pub(crate) fn advice(path: impl Into<String>, code: Code, text: impl Into<String>) -> Self {
        Self { path: path.into(), code, severity: Severity::Advice, text: text.into() }
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

/// The texts of all warnings in their order. Advice isn't among them.
pub fn warnings(findings: &[Finding]) -> Vec<String> {
    texts(findings, Severity::Warning)
}

fn texts(findings: &[Finding], severity: Severity) -> Vec<String> {
    findings.iter().filter(|f| f.severity == severity).map(|f| f.text.clone()).collect()
}
