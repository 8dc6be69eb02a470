//! Semantic versions and constraints as sprig's library understands them.
//!
//! Deliberately not here: the template functions (see `sprig::versions`).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use crate::function::Function;
use crate::object::Object;
use crate::value::{Type, Uint, Value};

/// A version; missing parts are 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As written.
    pub original: String,
    /// Major, minor and patch.
    pub numbers: [u64; 3],
    /// The pre-release, empty if none.
    pub pre: String,
    /// The build metadata, empty if none.
    pub meta: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.meta.is_empty() {
            write!(f, "+{}", self.meta)?;
        }
        Ok(())
    }
}

fn identifiers(text: &str) -> bool {
    !text.is_empty()
        && text.split('.').all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

impl Version {
    /// Reads a version, with or without `v`, of one to three numbers.
    ///
    /// # Errors
    ///
    /// Fails with the library's text.
    pub fn parse(text: &str) -> Result<Self, String> {
        let invalid = || "invalid semantic version".to_owned();
        let body = text.strip_prefix('v').unwrap_or(text);
        let (body, meta) = body.split_once('+').map_or((body, None), |(b, m)| (b, Some(m)));
        let (core, pre) = body.split_once('-').map_or((body, None), |(b, p)| (b, Some(p)));
        let parts: Vec<&str> = core.split('.').collect();
        let mut numbers = [0; 3];
        if parts.len() > 3 || [meta, pre].into_iter().flatten().any(|t| !identifiers(t)) {
            return Err(invalid());
        }
        for (slot, part) in numbers.iter_mut().zip(&parts) {
            if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
                return Err(invalid());
            }
            *slot = part.parse().map_err(|_| invalid())?;
        }
        let leading = |p: &str| p.len() > 1 && p.starts_with('0') && p.bytes().all(|b| b.is_ascii_digit());
        if pre.is_some_and(|p| p.split('.').any(leading)) {
            return Err("version segment starts with 0".into());
        }
        Ok(Self {
            original: text.to_owned(),
            numbers,
            pre: pre.unwrap_or_default().to_owned(),
            meta: meta.unwrap_or_default().to_owned(),
        })
    }

    /// Precedence; metadata doesn't count.
    pub fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => order_pre(&self.pre, &other.pre),
        })
    }
}

fn order_pre(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => Ordering::Less,
            (Some(_), None) => Ordering::Greater,
            (Some(x), Some(y)) => match (x.parse::<u64>(), y.parse::<u64>()) {
                (Ok(x), Ok(y)) => x.cmp(&y),
                (Ok(_), Err(_)) => Ordering::Less,
                (Err(_), Ok(_)) => Ordering::Greater,
                (Err(_), Err(_)) => x.cmp(y),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

struct Bound {
    op: String,
    version: Version,
    /// How many numbers are written out; the rest are wildcards.
    given: usize,
}

fn bound(text: &str) -> Option<Bound> {
    let text = text.trim();
    let op_end = text.find(|c: char| !matches!(c, '=' | '<' | '>' | '!' | '~' | '^'))?;
    let (op, version) = text.split_at(op_end);
    let op = match op {
        "" | "=" => "=",
        "!=" => "!=",
        ">" => ">",
        "<" => "<",
        ">=" | "=>" => ">=",
        "<=" | "=<" => "<=",
        "~" | "~>" => "~",
        "^" => "^",
        _ => return None,
    };
    let version = version.trim();
    let body = version.strip_prefix('v').unwrap_or(version);
    let core_end = body.find(['-', '+']).unwrap_or(body.len());
    let (core, tail) = body.split_at(core_end);
    let parts: Vec<&str> = core.split('.').collect();
    let given = parts.iter().take_while(|p| !matches!(**p, "x" | "X" | "*")).count();
    let numbers: Vec<&str> = parts.iter().take(given).copied().collect();
    let text = if numbers.is_empty() { "0".to_owned() } else { format!("{}{tail}", numbers.join(".")) };
    Some(Bound { op: op.to_owned(), version: Version::parse(&text).ok()?, given: given.min(3) })
}

fn holds(bound: &Bound, v: &Version) -> bool {
    // A pre-release only matches where the constraint names one.
    if !v.pre.is_empty() && bound.version.pre.is_empty() && bound.op != "!=" {
        return false;
    }
    let order = v.order(&bound.version);
    let [major, minor, patch] = bound.version.numbers;
    let prefix = v.numbers.iter().zip(&bound.version.numbers).take(bound.given).all(|(a, b)| a == b);
    match bound.op.as_str() {
        "=" if bound.given < 3 => prefix,
        "=" => order == Ordering::Equal,
        "!=" if bound.given < 3 => !prefix,
        "!=" => order != Ordering::Equal,
        ">" if bound.given < 3 => order == Ordering::Greater && !prefix,
        ">" => order == Ordering::Greater,
        ">=" => order != Ordering::Less,
        "<" => order == Ordering::Less,
        "<=" if bound.given < 3 => order == Ordering::Less || prefix,
        "<=" => order != Ordering::Greater,
        "~" => {
            order != Ordering::Less
                && (bound.given == 0 || v.numbers[0] == major && (bound.given < 2 || v.numbers[1] == minor))
        }
        _ => {
            if order == Ordering::Less || bound.given > 0 && v.numbers[0] != major {
                return false;
            }
            if major > 0 || bound.given < 2 {
                return true;
            }
            if v.numbers[1] != minor {
                return false;
            }
            minor > 0 || bound.given < 3 || v.numbers[2] == patch
        }
    }
}

/// Whether the version meets the constraint: alternatives by `||`, bounds by commas or spaces, ranges by ` - `.
///
/// # Errors
///
/// Fails with the library's text.
pub fn meets(constraint: &str, version: &Version) -> Result<bool, String> {
    let improper = || format!("improper constraint: {constraint}");
    let mut any = false;
    for alternative in constraint.split("||") {
        let alternative = match alternative.split_once(" - ") {
            Some((low, high)) => format!(">={},<={}", low.trim(), high.trim()),
            None => alternative.to_owned(),
        };
        let mut all = true;
        let mut pending = String::new();
        for piece in alternative.split(|c: char| c == ',' || c.is_whitespace()).filter(|p| !p.is_empty()) {
            pending.push_str(piece);
            if piece.bytes().all(|b| b"=<>!~^".contains(&b)) {
                continue;
            }
            let bound = bound(&std::mem::take(&mut pending)).ok_or_else(improper)?;
            all &= holds(&bound, version);
        }
        if !pending.is_empty() || alternative.trim().is_empty() {
            return Err(improper());
        }
        any |= all;
    }
    Ok(any)
}

fn version_of(value: &Value) -> Option<&Arc<Version>> {
    match value {
        Value::Object(Object::Version(version)) => Some(version),
        _ => None,
    }
}

fn number(value: &Value, at: usize) -> Value {
    Value::Uint(Uint::U64, version_of(value).map_or(0, |v| v.numbers[at]))
}

const VERSION: Type = Type::Object("*semver.Version");

fn compare(a: &[Value]) -> i64 {
    match (version_of(&a[0]), version_of(&a[1])) {
        (Some(x), Some(y)) => x.order(y) as i64,
        _ => 0,
    }
}

/// The methods of `*semver.Version`.
pub(crate) const METHODS: &[Function] = &[
    Function::new("Major", &[], |_, a| Ok(number(&a[0], 0))),
    Function::new("Minor", &[], |_, a| Ok(number(&a[0], 1))),
    Function::new("Patch", &[], |_, a| Ok(number(&a[0], 2))),
    Function::new("Prerelease", &[], |_, a| Ok(Value::str(version_of(&a[0]).map_or("", |v| &v.pre)))),
    Function::new("Metadata", &[], |_, a| Ok(Value::str(version_of(&a[0]).map_or("", |v| &v.meta)))),
    Function::new("Original", &[], |_, a| Ok(Value::str(version_of(&a[0]).map_or("", |v| &v.original)))),
    Function::new("String", &[], |_, a| Ok(Value::str(version_of(&a[0]).map_or_else(String::new, |v| v.to_string())))),
    Function::new("Compare", &[VERSION], |_, a| Ok(Value::int(compare(a)))),
    Function::new("Equal", &[VERSION], |_, a| Ok(Value::Bool(compare(a) == 0))),
    Function::new("LessThan", &[VERSION], |_, a| Ok(Value::Bool(compare(a) < 0))),
    Function::new("GreaterThan", &[VERSION], |_, a| Ok(Value::Bool(compare(a) > 0))),
];
