//! Semantic versions and constraints as sprig's library understands them.
//!
//! Deliberately not here: the template functions (see `sprig::versions`).

use std::cmp::Ordering;
use std::fmt;
use std::sync::{Arc, LazyLock};

use regex::Regex;

use crate::function::Function;
use crate::object::Object;
use crate::text::quoted;
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
            *slot = part.parse().map_err(|_| {
                format!(
                    "error parsing version segment: strconv.ParseUint: parsing {}: value out of range",
                    quoted(part.as_bytes())
                )
            })?;
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
        self.numbers.cmp(&other.numbers).then_with(|| order_pre_or_none(&self.pre, &other.pre))
    }

    /// The next version: the number at `place` one higher, the rest gone. A pre-release's patch is the release itself.
    fn next(&self, place: usize) -> Self {
        let mut numbers = self.numbers;
        if place < 2 || self.pre.is_empty() {
            numbers[place] = numbers[place].wrapping_add(1);
        }
        for number in numbers.iter_mut().skip(place + 1) {
            *number = 0;
        }
        let [major, minor, patch] = numbers;
        let v = if self.original.starts_with('v') { "v" } else { "" };
        Self { original: format!("{v}{major}.{minor}.{patch}"), numbers, pre: String::new(), meta: String::new() }
    }
}

fn order_pre_or_none(a: &str, b: &str) -> Ordering {
    match (a.is_empty(), b.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => order_pre(a, b),
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

/// One comparison of a constraint.
struct Bound {
    op: String,
    version: Version,
    /// How many numbers are written out; the rest are wildcards.
    given: usize,
}

/// A number or wildcard, up to two more, a pre-release and metadata. The library's class of characters takes `|` too.
const PARTS: &str = r"v?([0-9xX*|]+)(\.[0-9xX*|]+)?(\.[0-9xX*|]+)?(-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?";
const OPS: &str = r"(?:=||!=|>|<|>=|=>|<=|=<|~|~>|\^)";

struct Grammar {
    range: Regex,
    valid: Regex,
    bound: Regex,
    exact: Regex,
}

static GRAMMAR: LazyLock<Option<Grammar>> = LazyLock::new(|| {
    let pattern = |text: &str| {
        Regex::new(&text.replace("OPS", OPS).replace("PARTS", PARTS).replace(r"\s", "[\\t\\n\\f\\r ]")).ok()
    };
    Some(Grammar {
        range: pattern(r"\s*(?P<low>PARTS)\s+-\s+(?P<high>PARTS)\s*")?,
        valid: pattern(r"^\s*OPS\s*PARTS\s*(?:(?:\s+|,\s*)OPS\s*PARTS\s*)*$")?,
        bound: pattern(r"OPS\s*PARTS")?,
        exact: pattern(r"^\s*(?P<op>OPS)\s*PARTS\s*$")?,
    })
});

fn bound(grammar: &Grammar, text: &str) -> Result<Bound, String> {
    let found = grammar.exact.captures(text).ok_or_else(|| format!("improper constraint: {text}"))?;
    // Without the operator, since its name shifts the groups by one.
    let part = |i: usize| found.get(i + 1).map_or("", |m| m.as_str());
    let open = |i: usize| matches!(part(i).trim_start_matches('.'), "" | "x" | "X" | "*");
    let given = (1..=3).take_while(|i| !open(*i)).count();
    let version = match given {
        0 => format!("0.0.0{}", part(4)),
        1 => format!("{}.0.0{}", part(1), part(4)),
        2 => format!("{}{}.0{}", part(1), part(2), part(4)),
        _ => {
            let whole = found.get(0).map_or("", |m| m.as_str()).trim();
            whole.trim_start_matches(['=', '!', '<', '>', '~', '^']).trim_start().to_owned()
        }
    };
    let version = Version::parse(&version).map_err(|_| "constraint parser error")?;
    Ok(Bound { op: found.name("op").map_or("", |m| m.as_str()).to_owned(), version, given })
}

fn holds(bound: &Bound, v: &Version, pre_too: bool) -> bool {
    // A pre-release only matches where the alternative names one.
    if !v.pre.is_empty() && !pre_too {
        return false;
    }
    let c = &bound.version;
    let order = v.order(c);
    let [major, minor, patch] = c.numbers;
    let (minor_open, patch_open) = (bound.given == 1, bound.given == 2);
    let open = bound.given < 3;
    match bound.op.as_str() {
        "" | "=" if !open => order == Ordering::Equal,
        "!=" => {
            if open {
                if v.numbers[0] != major || v.numbers[1] != minor && !minor_open {
                    return true;
                }
                if minor_open {
                    return false;
                }
                if v.numbers[2] != patch && !patch_open {
                    return true;
                }
                if patch_open {
                    return order_pre_or_none(&v.pre, &c.pre) != Ordering::Equal;
                }
            }
            order != Ordering::Equal
        }
        ">" if !open => order == Ordering::Greater,
        ">" => match v.numbers[0].cmp(&major) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if minor_open => false,
            Ordering::Equal if patch_open => v.numbers[1] > minor,
            Ordering::Equal => order == Ordering::Greater,
        },
        ">=" | "=>" => order != Ordering::Less,
        "<" => order == Ordering::Less,
        "<=" | "=<" if !open => order != Ordering::Greater,
        "<=" | "=<" => !(v.numbers[0] > major || v.numbers[0] == major && v.numbers[1] > minor && !minor_open),
        "^" => {
            if order == Ordering::Less || v.numbers[0] != major {
                return false;
            }
            if major > 0 || minor_open {
                return true;
            }
            v.numbers[1] == minor && (minor > 0 || patch_open || v.numbers[2] == patch)
        }
        // `~`, `~>`, and `=` with wildcards.
        _ => {
            order != Ordering::Less
                && (c.numbers == [0; 3] && !minor_open && !patch_open
                    || v.numbers[0] == major && (v.numbers[1] == minor || minor_open))
        }
    }
}

/// Whether the version meets the constraint: alternatives by `||`, bounds by commas or spaces, ranges by ` - `.
///
/// # Errors
///
/// Fails with the library's text.
pub fn meets(constraint: &str, version: &Version) -> Result<bool, String> {
    let grammar = GRAMMAR.as_ref().ok_or_else(|| format!("improper constraint: {constraint}"))?;
    let constraint = grammar.range.replace_all(constraint, ">= ${low}, <= ${high} ");
    let mut any = false;
    for alternative in constraint.split("||") {
        if !grammar.valid.is_match(alternative) {
            return Err(format!("improper constraint: {alternative}"));
        }
        let bounds = grammar.bound.find_iter(alternative).map(|m| bound(grammar, m.as_str()));
        let bounds = bounds.collect::<Result<Vec<_>, _>>()?;
        let pre_too = bounds.iter().any(|b| !b.version.pre.is_empty());
        any |= bounds.iter().all(|b| holds(b, version, pre_too));
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

/// Go gives a version and not a pointer to one here, which shows in `typeOf` alone.
fn next(value: &Value, place: usize) -> Value {
    version_of(value).map_or(Value::Nil, |v| Value::Object(Object::Version(Arc::new(v.next(place)))))
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
    Function::new("IncMajor", &[], |_, a| Ok(next(&a[0], 0))),
    Function::new("IncMinor", &[], |_, a| Ok(next(&a[0], 1))),
    Function::new("IncPatch", &[], |_, a| Ok(next(&a[0], 2))),
    Function::new("Compare", &[VERSION], |_, a| Ok(Value::int(compare(a)))),
    Function::new("Equal", &[VERSION], |_, a| Ok(Value::Bool(compare(a) == 0))),
    Function::new("LessThan", &[VERSION], |_, a| Ok(Value::Bool(compare(a) < 0))),
    Function::new("LessThanEqual", &[VERSION], |_, a| Ok(Value::Bool(compare(a) <= 0))),
    Function::new("GreaterThan", &[VERSION], |_, a| Ok(Value::Bool(compare(a) > 0))),
    Function::new("GreaterThanEqual", &[VERSION], |_, a| Ok(Value::Bool(compare(a) >= 0))),
];
