//! Values with methods or fields: times, months, weekdays, durations, versions and certificates.
//!
//! Deliberately not here: reading and printing of times (see `gotime`) and of versions (see `semver`).

use std::fmt;
use std::sync::Arc;

use jiff::Zoned;

use crate::function::Function;
use crate::gotime;
use crate::semver::{self, Version};
use crate::value::Value;

/// A certificate with its private key, both as PEM texts: what `genCA` and its like give.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    /// The certificate: field `Cert` in templates.
    pub cert: Arc<[u8]>,
    /// The private key: field `Key`.
    pub key: Arc<[u8]>,
}

impl fmt::Debug for Certificate {
    /// Without the texts: one is a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").finish_non_exhaustive()
    }
}

impl Certificate {
    /// The Go type.
    pub(crate) const TYPE: &str = "sprig.certificate";

    /// The fields by name, in Go's order.
    pub(crate) fn fields(&self) -> [(&'static str, Value); 2] {
        [("Cert", Value::Str(self.cert.clone())), ("Key", Value::Str(self.key.clone()))]
    }
}

/// A value with methods or fields.
#[derive(Debug, Clone)]
pub enum Object {
    /// `time.Time`.
    Time(Arc<Zoned>),
    /// `time.Month`, from 1.
    Month(i64),
    /// `time.Weekday`, from Sunday as 0.
    Weekday(i64),
    /// `time.Duration` in nanoseconds.
    Duration(i64),
    /// `*semver.Version`.
    Version(Arc<Version>),
    /// `sprig.certificate`.
    Certificate(Arc<Certificate>),
}

impl Object {
    /// The Go type.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Time(_) => "time.Time",
            Self::Month(_) => "time.Month",
            Self::Weekday(_) => "time.Weekday",
            Self::Duration(_) => "time.Duration",
            Self::Version(_) => "*semver.Version",
            Self::Certificate(_) => Certificate::TYPE,
        }
    }

    /// The Go kind of a type.
    pub(crate) fn kind_of(type_name: &str) -> &'static str {
        match type_name {
            "time.Month" | "time.Weekday" => "int",
            "time.Duration" => "int64",
            name if name.starts_with('*') => "ptr",
            _ => "struct",
        }
    }

    /// The number, where Go's type is one.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Month(n) | Self::Weekday(n) | Self::Duration(n) => Some(*n),
            Self::Time(_) | Self::Version(_) | Self::Certificate(_) => None,
        }
    }

    pub(crate) fn truth(&self) -> bool {
        self.number() != Some(0)
    }

    /// What `String()` gives, or `%v` for a type without it.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Time(time) => gotime::format(time, "2006-01-02 15:04:05.999999999 -0700 MST"),
            Self::Month(n) => gotime::month_name(*n).into(),
            Self::Weekday(n) => gotime::weekday_name(*n).into(),
            Self::Duration(n) => gotime::duration_text(*n),
            Self::Version(version) => version.to_string(),
            Self::Certificate(_) => {
                String::from_utf8_lossy(&crate::gofmt::sprint(&Value::Object(self.clone()))).into_owned()
            }
        }
    }

    /// What `%#v` gives, for what is no number. The fields of a version are private and at addresses, so it is no more
    /// than its type here.
    pub(crate) fn go_text(&self) -> String {
        match self {
            Self::Time(time) => gotime::go_text(time),
            Self::Month(_) | Self::Weekday(_) | Self::Duration(_) => self.text(),
            Self::Version(version) => format!("(*semver.Version)({version})"),
            // Printed by its fields before anybody asks.
            Self::Certificate(_) => self.type_name().into(),
        }
    }

    /// What it is in JSON.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Time(time) => gojson::quote(&gotime::format(time, "2006-01-02T15:04:05.999999999Z07:00")),
            Self::Month(n) | Self::Weekday(n) | Self::Duration(n) => n.to_string(),
            Self::Version(version) => gojson::quote(&version.to_string()),
            Self::Certificate(certificate) => {
                let text = |bytes: &[u8]| gojson::quote(&String::from_utf8_lossy(bytes));
                format!("{{\"Cert\":{},\"Key\":{}}}", text(&certificate.cert), text(&certificate.key))
            }
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Version(a), Self::Version(b)) => Arc::ptr_eq(a, b),
            (Self::Certificate(a), Self::Certificate(b)) => a == b,
            _ => self.number().is_some() && self.number() == other.number() && self.type_name() == other.type_name(),
        }
    }

    /// A method; its code takes the receiver as first argument, its signature doesn't show it.
    pub(crate) fn method(&self, name: &str) -> Option<Function> {
        let table = match self {
            Self::Time(_) => gotime::METHODS,
            Self::Duration(_) => gotime::DURATION_METHODS,
            Self::Month(_) | Self::Weekday(_) => gotime::NAME_METHODS,
            Self::Version(_) => semver::METHODS,
            Self::Certificate(_) => &[],
        };
        table.iter().find(|f| f.name == name).copied()
    }

    /// An exported field.
    pub(crate) fn field(&self, name: &str) -> Option<Value> {
        match self {
            Self::Certificate(certificate) => {
                certificate.fields().into_iter().find_map(|(field, value)| (field == name).then_some(value))
            }
            Self::Time(_) | Self::Month(_) | Self::Weekday(_) | Self::Duration(_) | Self::Version(_) => None,
        }
    }
}
