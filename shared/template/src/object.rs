//! Values with methods: times, months, weekdays, durations and versions.
//!
//! Deliberately not here: reading and printing of times (see `gotime`) and of versions (see `semver`).

use std::sync::Arc;

use jiff::Zoned;

use crate::function::Function;
use crate::gotime;
use crate::semver::{self, Version};
use crate::value::Value;

/// A value with methods.
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
            Self::Time(_) | Self::Version(_) => None,
        }
    }

    pub(crate) fn truth(&self) -> bool {
        self.number() != Some(0)
    }

    /// What `String()` gives.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Time(time) => gotime::format(time, "2006-01-02 15:04:05.999999999 -0700 MST"),
            Self::Month(n) => gotime::month_name(*n).into(),
            Self::Weekday(n) => gotime::weekday_name(*n).into(),
            Self::Duration(n) => gotime::duration_text(*n),
            Self::Version(version) => version.to_string(),
        }
    }

    /// What `%#v` gives, for what is no number. The fields of a version are private and at addresses, so it is no more
    /// than its type here.
    pub(crate) fn go_text(&self) -> String {
        match self {
            Self::Time(time) => gotime::go_text(time),
            Self::Month(_) | Self::Weekday(_) | Self::Duration(_) => self.text(),
            Self::Version(version) => format!("(*semver.Version)({version})"),
        }
    }

    /// What it is in JSON.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Time(time) => gojson::quote(&gotime::format(time, "2006-01-02T15:04:05.999999999Z07:00")),
            Self::Month(n) | Self::Weekday(n) | Self::Duration(n) => n.to_string(),
            Self::Version(version) => gojson::quote(&version.to_string()),
        }
    }

    pub(crate) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::Version(a), Self::Version(b)) => Arc::ptr_eq(a, b),
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
        };
        table.iter().find(|f| f.name == name).copied()
    }

    /// An exported field; none of these types has one.
    pub(crate) fn field(&self, _name: &str) -> Option<Value> {
        None
    }
}
