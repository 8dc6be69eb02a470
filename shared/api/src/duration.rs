//! Go's `time.Duration` as text: parsing, printing and the error texts that users of the reference know.
//!
//! Not here: what a duration means for a refresh or a window.

use std::fmt;
use std::str::FromStr;

const MICROSECOND: u64 = 1_000;
const MILLISECOND: u64 = 1_000 * MICROSECOND;
const SECOND: u64 = 1_000 * MILLISECOND;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// Largest magnitude: 2^63 nanoseconds, which only a negative duration can have.
const LIMIT: u64 = 1 << 63;

/// A signed number of nanoseconds that reads and prints as Go's `time.Duration` does (`1h30m0s`, `300ms`, `0s`).
///
/// On the wire it is a string. Source: Go package `time`, `ParseDuration` and `Duration.String`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GoDuration(pub i64);

impl GoDuration {
    /// Nothing: `0s`.
    pub const ZERO: Self = Self(0);

    /// A whole number of seconds; saturates at the largest duration (some 292 years).
    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds.saturating_mul(SECOND as i64))
    }

    /// Signed nanoseconds.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// The same length of time for `std`, or nothing when it is negative.
    pub fn to_std(self) -> Option<std::time::Duration> {
        u64::try_from(self.0).ok().map(std::time::Duration::from_nanos)
    }

    /// True for more than zero: zero and less mean "never again" in most fields.
    pub const fn is_positive(self) -> bool {
        self.0 > 0
    }
}

/// Why a text is no duration. Prints Go's own text, for example `time: unknown unit "d" in duration "1d"`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseDurationError {
    /// Not of the form `[+-]` then numbers with units, or out of range.
    Invalid(String),
    /// A number at the end has no unit.
    MissingUnit(String),
    /// A unit other than `ns us µs ms s m h`.
    UnknownUnit {
        /// The text between two numbers.
        unit: String,
        /// The whole text.
        text: String,
    },
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(text) => write!(f, "time: invalid duration {}", Quoted(text)),
            Self::MissingUnit(text) => write!(f, "time: missing unit in duration {}", Quoted(text)),
            Self::UnknownUnit { unit, text } => {
                write!(f, "time: unknown unit {} in duration {}", Quoted(unit), Quoted(text))
            }
        }
    }
}

impl std::error::Error for ParseDurationError {}

/// Go's package `time` quotes by its own rule: printable ASCII as it is, every other byte as `\xhh`.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for byte in self.0.bytes() {
            match byte {
                b'"' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                b' '..=b'~' => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_str("\"")
    }
}

/// Decimal digits at the start and their value, or nothing on overflow.
fn leading_int(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let mut value: u64 = 0;
    for byte in text.bytes().take(digits) {
        value = value.checked_mul(10)?.checked_add(u64::from(byte - b'0')).filter(|v| *v <= LIMIT)?;
    }
    Some((value, &text[digits..]))
}

/// Decimal digits after the point: their value, ten to the number of digits, the rest. Digits beyond what fits are dropped.
fn leading_fraction(text: &str) -> (u64, f64, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (mut value, mut scale, mut overflow) = (0_u64, 1_f64, false);
    for byte in text.bytes().take(digits) {
        if overflow {
            continue;
        }
        match value.checked_mul(10).and_then(|v| v.checked_add(u64::from(byte - b'0'))).filter(|v| *v < LIMIT) {
            Some(next) => {
                value = next;
                scale *= 10.0;
            }
            None => overflow = true,
        }
    }
    (value, scale, &text[digits..])
}

fn unit_nanos(unit: &str) -> Option<u64> {
    Some(match unit {
        "ns" => 1,
        "us" | "\u{b5}s" | "\u{3bc}s" => MICROSECOND,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// The magnitude of a text without its sign, in nanoseconds.
fn magnitude(whole: &str, mut rest: &str) -> Result<u64, ParseDurationError> {
    let invalid = || ParseDurationError::Invalid(whole.to_owned());
    let mut total: u64 = 0;
    while !rest.is_empty() {
        if !rest.starts_with(|c: char| c == '.' || c.is_ascii_digit()) {
            return Err(invalid());
        }
        let (integer, after) = leading_int(rest).ok_or_else(invalid)?;
        let mut any_digit = after.len() < rest.len();
        rest = after;
        let (mut fraction, mut scale) = (0, 1.0);
        if let Some(after_point) = rest.strip_prefix('.') {
            let after;
            (fraction, scale, after) = leading_fraction(after_point);
            any_digit |= after.len() < after_point.len();
            rest = after;
        }
        if !any_digit {
            return Err(invalid());
        }
        let end = rest.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(rest.len());
        let (unit, after) = rest.split_at(end);
        if unit.is_empty() {
            return Err(ParseDurationError::MissingUnit(whole.to_owned()));
        }
        let Some(nanos) = unit_nanos(unit) else {
            return Err(ParseDurationError::UnknownUnit { unit: unit.to_owned(), text: whole.to_owned() });
        };
        rest = after;
        let mut part = integer.checked_mul(nanos).filter(|v| *v <= LIMIT).ok_or_else(invalid)?;
        if fraction > 0 {
            // In floating point on purpose: Go rounds this way, and the result can't overflow since the fraction is < 1.
            part += (fraction as f64 * (nanos as f64 / scale)) as u64;
            if part > LIMIT {
                return Err(invalid());
            }
        }
        total = total.checked_add(part).filter(|v| *v <= LIMIT).ok_or_else(invalid)?;
    }
    Ok(total)
}

impl FromStr for GoDuration {
    type Err = ParseDurationError;

    /// # Errors
    /// [`ParseDurationError`] with Go's text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(Self::ZERO);
        }
        if rest.is_empty() {
            return Err(ParseDurationError::Invalid(text.to_owned()));
        }
        let total = magnitude(text, rest)?;
        if negative {
            return Ok(Self(0_i64.wrapping_sub_unsigned(total)));
        }
        i64::try_from(total).map(Self).map_err(|_| ParseDurationError::Invalid(text.to_owned()))
    }
}

/// Writes `value / unit` with its fraction, without trailing zeros.
fn write_fraction(f: &mut fmt::Formatter<'_>, value: u64, unit: u64) -> fmt::Result {
    write!(f, "{}", value / unit)?;
    let rest = value % unit;
    if rest > 0 {
        let width = unit.ilog10() as usize;
        let digits = format!("{rest:0width$}");
        write!(f, ".{}", digits.trim_end_matches('0'))?;
    }
    Ok(())
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        match nanos {
            0 => f.write_str("0s"),
            1..MICROSECOND => write!(f, "{nanos}ns"),
            MICROSECOND..MILLISECOND => {
                write_fraction(f, nanos, MICROSECOND)?;
                f.write_str("\u{b5}s")
            }
            MILLISECOND..SECOND => {
                write_fraction(f, nanos, MILLISECOND)?;
                f.write_str("ms")
            }
            SECOND.. => {
                if nanos >= HOUR {
                    write!(f, "{}h", nanos / HOUR)?;
                }
                if nanos >= MINUTE {
                    write!(f, "{}m", nanos % HOUR / MINUTE)?;
                }
                write_fraction(f, nanos % MINUTE, SECOND)?;
                f.write_str("s")
            }
        }
    }
}

impl serde::Serialize for GoDuration {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for GoDuration {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for GoDuration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string"})
    }
}
