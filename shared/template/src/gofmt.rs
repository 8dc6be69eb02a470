//! Go's `fmt`: verbs, flags, width, precision, argument indexes and the `%!` family of complaints.
//!
//! Deliberately not here: `%p`, which shows addresses.

use crate::float::format_float;
use crate::object::Object;
use crate::text::{can_backquote, lossy, quote, quote_rune, rune, rune_count, runes};
use crate::value::{Float, Type, Value};

const DEEPEST: u32 = 300;

/// Output is cut when it exceeds the room given; the caller then reports its own limit.
#[derive(Debug)]
pub(crate) struct Printer {
    pub(crate) out: Vec<u8>,
    room: usize,
    pub(crate) overflow: bool,
    flags: Flags,
    erroring: bool,
    /// Objects are printed as their types.
    types_only: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    plus_v: bool,
    sharp_v: bool,
}

/// `fmt.Sprint(value)` without a limit worth mentioning.
pub(crate) fn sprint(value: &Value) -> Vec<u8> {
    let mut p = Printer::new(1 << 20);
    p.print(std::slice::from_ref(value));
    p.out
}

/// A value in the text of an error. Objects are named by their types: one of them is a certificate with its private key.
pub(crate) fn show(value: &Value) -> String {
    show_with(b"%v", value)
}

/// The same with a format of its own.
pub(crate) fn show_with(format: &[u8], value: &Value) -> String {
    let mut p = Printer { types_only: true, ..Printer::new(1 << 16) };
    p.printf(format, std::slice::from_ref(value));
    lossy(&p.out)
}

impl Printer {
    /// A printer that keeps about `room` bytes.
    pub(crate) fn new(room: usize) -> Self {
        Self { out: Vec::new(), room, overflow: false, flags: Flags::default(), erroring: false, types_only: false }
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > self.room {
            self.overflow = true;
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    /// `fmt.Sprint`: a space between operands if neither is a string.
    pub(crate) fn print(&mut self, args: &[Value]) {
        let mut after_string = true;
        for (i, arg) in args.iter().enumerate() {
            let is_string = matches!(arg, Value::Str(_));
            if i > 0 && !is_string && !after_string {
                self.put(b" ");
            }
            self.arg(arg, 'v');
            after_string = is_string;
        }
    }

    /// `fmt.Sprintln`.
    pub(crate) fn println(&mut self, args: &[Value]) {
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                self.put(b" ");
            }
            self.arg(arg, 'v');
        }
        self.put(b"\n");
    }

    /// `fmt.Sprintf`.
    pub(crate) fn printf(&mut self, format: &[u8], args: &[Value]) {
        let end = format.len();
        let mut next = 0;
        let mut reordered = false;
        let mut i = 0;
        while i < end {
            if self.overflow {
                return;
            }
            let start = i;
            while i < end && format[i] != b'%' {
                i += 1;
            }
            self.put(&format[start..i]);
            if i >= end {
                break;
            }
            i += 1;
            self.flags = Flags::default();
            let mut good_index = true;
            while let Some(&c) = format.get(i) {
                match c {
                    b'#' => self.flags.sharp = true,
                    b'0' => self.flags.zero = true,
                    b'+' => self.flags.plus = true,
                    b'-' => self.flags.minus = true,
                    b' ' => self.flags.space = true,
                    _ => break,
                }
                i += 1;
            }
            let mut index = |next: &mut usize, i: &mut usize, good: &mut bool| -> bool {
                if format.get(*i) != Some(&b'[') {
                    return false;
                }
                reordered = true;
                let (number, width, ok) = argument_index(&format[*i..]);
                *i += width;
                match number.filter(|&n| ok && n < args.len()) {
                    Some(n) => {
                        *next = n;
                        true
                    }
                    None => {
                        *good = false;
                        ok
                    }
                }
            };
            let mut after_index = index(&mut next, &mut i, &mut good_index);
            if format.get(i) == Some(&b'*') {
                i += 1;
                match int_argument(args, &mut next) {
                    Some(n) => {
                        if n < 0 {
                            self.flags.minus = true;
                            self.flags.zero = false;
                        }
                        self.flags.width = usize::try_from(n.unsigned_abs()).ok();
                    }
                    None => self.put(b"%!(BADWIDTH)"),
                }
                after_index = false;
            } else {
                self.flags.width = number(format, &mut i);
                if after_index && self.flags.width.is_some() {
                    good_index = false;
                }
            }
            if format.get(i) == Some(&b'.') {
                i += 1;
                if after_index {
                    good_index = false;
                }
                after_index = index(&mut next, &mut i, &mut good_index);
                if format.get(i) == Some(&b'*') {
                    i += 1;
                    match int_argument(args, &mut next) {
                        Some(n) if n >= 0 => self.flags.precision = usize::try_from(n).ok(),
                        Some(_) | None => self.put(b"%!(BADPREC)"),
                    }
                    after_index = false;
                } else {
                    self.flags.precision = Some(number(format, &mut i).unwrap_or(0));
                }
            }
            if !after_index {
                index(&mut next, &mut i, &mut good_index);
            }
            if i >= end {
                self.put(b"%!(NOVERB)");
                break;
            }
            let (verb, size) = rune(&format[i..]);
            i += size;
            if verb == '%' {
                self.put(b"%");
            } else if !good_index {
                self.complain(verb, b"(BADINDEX)");
            } else if next >= args.len() {
                self.complain(verb, b"(MISSING)");
            } else {
                // `%w` is for errors alone, but takes its flags as `%v` does.
                if matches!(verb, 'v' | 'w') {
                    self.flags.sharp_v = std::mem::take(&mut self.flags.sharp);
                    self.flags.plus_v = std::mem::take(&mut self.flags.plus);
                }
                self.arg(&args[next], verb);
                next += 1;
            }
        }
        if !reordered && next < args.len() {
            self.flags = Flags::default();
            self.put(b"%!(EXTRA ");
            for (n, arg) in args[next..].iter().enumerate() {
                if n > 0 {
                    self.put(b", ");
                }
                if !matches!(arg, Value::Nil) {
                    self.put(arg.type_text().as_bytes());
                    self.put(b"=");
                }
                self.arg(arg, 'v');
            }
            self.put(b")");
        }
    }

    fn complain(&mut self, verb: char, what: &[u8]) {
        self.put(b"%!");
        self.put(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.put(what);
    }

    fn arg(&mut self, arg: &Value, verb: char) {
        match (arg, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (_, 'T') => self.text(arg.type_text().as_bytes(), 's', arg),
            (Value::Nil, _) | (_, 'w') => self.bad_verb(arg, verb),
            _ => self.value(arg, verb, 0),
        }
    }

    fn bad_verb(&mut self, arg: &Value, verb: char) {
        let before = std::mem::replace(&mut self.erroring, true);
        self.complain(verb, b"(");
        if matches!(arg, Value::Nil) {
            self.put(b"<nil>");
        } else {
            self.put(arg.type_text().as_bytes());
            self.put(b"=");
            self.arg(arg, 'v');
        }
        self.put(b")");
        self.erroring = before;
    }

    fn value(&mut self, arg: &Value, verb: char, depth: u32) {
        if depth > DEEPEST {
            self.overflow = true;
            return;
        }
        match arg {
            Value::Nil => {
                if self.flags.sharp_v {
                    self.put(b"interface {}(nil)");
                } else {
                    self.put(b"<nil>");
                }
            }
            Value::Bool(b) => match verb {
                't' | 'v' => self.pad(if *b { b"true" } else { b"false" }),
                _ => self.bad_verb(arg, verb),
            },
            Value::Int(_, n) => self.integer(arg, n.unsigned_abs(), *n < 0, true, verb),
            Value::Uint(_, n) => self.integer(arg, *n, false, false, verb),
            Value::Float(kind, n) => {
                let bits = if *kind == Float::F32 { 32 } else { 64 };
                match verb {
                    'v' => self.float(*n, bits, b'g', None),
                    'e' | 'E' | 'f' | 'F' => self.float(*n, bits, ascii(verb), Some(6)),
                    'g' | 'G' | 'b' | 'x' | 'X' => self.float(*n, bits, ascii(verb), None),
                    _ => self.bad_verb(arg, verb),
                }
            }
            Value::Complex(re, im) => match verb {
                'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E' => {
                    let before = self.flags.plus;
                    let (v, precision) = match verb {
                        'v' => (b'g', None),
                        'f' | 'F' | 'e' | 'E' => (ascii(verb), Some(6)),
                        _ => (ascii(verb), None),
                    };
                    self.put(b"(");
                    self.float(*re, 64, v, precision);
                    self.flags.plus = true;
                    self.float(*im, 64, v, precision);
                    self.put(b"i)");
                    self.flags.plus = before;
                }
                _ => self.bad_verb(arg, verb),
            },
            Value::Str(s) => self.text(s, verb, arg),
            Value::List(list) => {
                if self.flags.sharp_v {
                    self.put(arg.type_text().as_bytes());
                    if list.is_nil() {
                        self.put(b"(nil)");
                        return;
                    }
                }
                self.put(if self.flags.sharp_v { b"{" } else { b"[" });
                for (i, item) in list.items().iter().enumerate() {
                    if i > 0 {
                        self.put(if self.flags.sharp_v { b", " } else { b" " });
                    }
                    self.value(item, verb, depth + 1);
                    if self.overflow {
                        return;
                    }
                }
                self.put(if self.flags.sharp_v { b"}" } else { b"]" });
            }
            Value::Map(map) => {
                if self.flags.sharp_v {
                    self.put(arg.type_text().as_bytes());
                    if map.is_nil() {
                        self.put(b"(nil)");
                        return;
                    }
                    self.put(b"{");
                } else {
                    self.put(b"map[");
                }
                for (i, (key, value)) in map.entries().iter().enumerate() {
                    if i > 0 {
                        self.put(if self.flags.sharp_v { b", " } else { b" " });
                    }
                    self.text(key, verb, &Value::Str(key.clone()));
                    self.put(b":");
                    self.value(value, verb, depth + 1);
                    if self.overflow {
                        return;
                    }
                }
                self.put(if self.flags.sharp_v { b"}" } else { b"]" });
            }
            Value::Func(_) => self.put(b"0x1"),
            Value::Object(object) if self.types_only => self.put(object.type_name().as_bytes()),
            Value::Object(Object::Certificate(certificate)) => {
                let named = self.flags.sharp_v || self.flags.plus_v;
                if self.flags.sharp_v {
                    self.put(arg.type_text().as_bytes());
                }
                self.put(b"{");
                for (i, (name, value)) in certificate.fields().iter().enumerate() {
                    if i > 0 {
                        self.put(if self.flags.sharp_v { b", " } else { b" " });
                    }
                    if named {
                        self.put(name.as_bytes());
                        self.put(b":");
                    }
                    self.value(value, verb, depth + 1);
                }
                self.put(b"}");
            }
            Value::Object(object) if self.flags.sharp_v => match object.number() {
                Some(n) => self.integer(arg, n.unsigned_abs(), n < 0, true, verb),
                None => self.put(object.go_text().as_bytes()),
            },
            Value::Object(object) => match object.number() {
                Some(n) if !matches!(verb, 'v' | 's' | 'q' | 'x' | 'X') || self.erroring => {
                    self.integer(arg, n.unsigned_abs(), n < 0, true, verb);
                }
                Some(_) | None => {
                    let text = object.text();
                    self.text(text.as_bytes(), verb, &Value::str(&text));
                }
            },
        }
    }

    fn text(&mut self, s: &[u8], verb: char, arg: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(s),
            'v' | 's' => {
                let cut = self.cut(s);
                self.pad(cut);
            }
            'x' | 'X' => self.hex(s, verb == 'X'),
            'q' => self.quoted(s),
            _ => self.bad_verb(arg, verb),
        }
    }

    fn cut<'s>(&self, s: &'s [u8]) -> &'s [u8] {
        match self.flags.precision {
            Some(p) => &s[..runes(s).take(p).map(|(_, raw)| raw.len()).sum::<usize>()],
            None => s,
        }
    }

    fn quoted(&mut self, s: &[u8]) {
        let s = self.cut(s);
        if self.flags.sharp && can_backquote(s) {
            self.pad(&[b"`", s, b"`"].concat());
        } else {
            self.pad(&quote(s, self.flags.plus));
        }
    }

    fn hex(&mut self, s: &[u8], upper: bool) {
        let s = self.flags.precision.and_then(|p| s.get(..p)).unwrap_or(s);
        let mut out = Vec::with_capacity(s.len() * 2);
        let prefix: &[u8] = if upper { b"0X" } else { b"0x" };
        for (i, b) in s.iter().enumerate() {
            if self.flags.space && i > 0 {
                out.push(b' ');
            }
            if self.flags.sharp && (self.flags.space || i == 0) {
                out.extend_from_slice(prefix);
            }
            out.extend_from_slice(if upper { format!("{b:02X}") } else { format!("{b:02x}") }.as_bytes());
        }
        self.pad(&out);
    }

    fn pad(&mut self, bytes: &[u8]) {
        let fill = self.flags.width.unwrap_or(0).saturating_sub(rune_count(bytes));
        if fill > self.room {
            self.overflow = true;
            return;
        }
        if self.flags.minus {
            self.put(bytes);
            self.put(&vec![b' '; fill]);
        } else {
            self.put(&vec![if self.flags.zero { b'0' } else { b' ' }; fill]);
            self.put(bytes);
        }
    }

    fn pad_with_spaces(&mut self, bytes: &[u8]) {
        let before = std::mem::take(&mut self.flags.zero);
        self.pad(bytes);
        self.flags.zero = before;
    }

    fn integer(&mut self, arg: &Value, n: u64, negative: bool, signed: bool, verb: char) {
        let base = match verb {
            'v' if self.flags.sharp_v && !signed => {
                let sharp = std::mem::replace(&mut self.flags.sharp, true);
                self.number(n, negative, 16, 'x');
                self.flags.sharp = sharp;
                return;
            }
            'v' | 'd' => 10,
            'b' => 2,
            'o' | 'O' => 8,
            'x' | 'X' => 16,
            'c' | 'q' | 'U' => {
                let code = u32::try_from(n).ok().filter(|_| !negative);
                let c = code.and_then(char::from_u32).unwrap_or('\u{fffd}');
                match verb {
                    'c' => self.pad(c.encode_utf8(&mut [0; 4]).as_bytes()),
                    'q' => self.pad(&quote_rune(c, self.flags.plus)),
                    _ => {
                        let raw = if negative { n.wrapping_neg() } else { n };
                        let digits = self.flags.precision.unwrap_or(4).clamp(4, 64);
                        let mut text = format!("U+{raw:0digits$X}");
                        if self.flags.sharp && code.is_some() && crate::text::is_print(c) {
                            text.push_str(&format!(" '{c}'"));
                        }
                        self.pad_with_spaces(text.as_bytes());
                    }
                }
                return;
            }
            _ => return self.bad_verb(arg, verb),
        };
        self.number(n, negative, base, verb);
    }

    fn number(&mut self, n: u64, negative: bool, base: u32, verb: char) {
        let flags = self.flags;
        let mut wanted = 0;
        if let Some(p) = flags.precision {
            wanted = p;
            if p == 0 && n == 0 {
                return self.pad_with_spaces(b"");
            }
        } else if let Some(width) = flags.width.filter(|_| flags.zero && !flags.minus) {
            wanted = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
        }
        if wanted > self.room {
            self.overflow = true;
            return;
        }
        let mut digits = match base {
            2 => format!("{n:b}"),
            8 => format!("{n:o}"),
            16 if verb == 'X' => format!("{n:X}"),
            16 => format!("{n:x}"),
            _ => n.to_string(),
        };
        if digits.len() < wanted {
            digits.insert_str(0, &"0".repeat(wanted - digits.len()));
        }
        let mut prefix = String::new();
        if flags.sharp {
            prefix.push_str(match base {
                2 => "0b",
                8 if !digits.starts_with('0') => "0",
                16 if verb == 'X' => "0X",
                16 => "0x",
                _ => "",
            });
        }
        if verb == 'O' {
            prefix.insert_str(0, "0o");
        }
        let sign = match (negative, flags.plus, flags.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        };
        self.pad_with_spaces(format!("{sign}{prefix}{digits}").as_bytes());
    }

    fn float(&mut self, value: f64, bits: u8, verb: u8, precision: Option<usize>) {
        let precision = self.flags.precision.or(precision);
        if precision.is_some_and(|p| p > 1_000_000) {
            self.overflow = true;
            return;
        }
        let mut num = format_float(value, verb, precision, bits);
        if !num.starts_with(['-', '+']) {
            num.insert(0, '+');
        }
        if self.flags.space && num.starts_with('+') && !self.flags.plus {
            num.replace_range(..1, " ");
        }
        if !value.is_finite() {
            let bare = if value.is_nan() && !self.flags.space && !self.flags.plus
                || value.is_infinite() && num.starts_with('+') && !self.flags.plus
            {
                &num[1..]
            } else {
                &num
            };
            let text = if value.is_infinite() && value > 0.0 { num.as_str() } else { bare };
            return self.pad_with_spaces(text.as_bytes());
        }
        if self.flags.sharp && verb != b'b' {
            num = sharpened(num, verb, precision);
        }
        let unsigned = !self.flags.plus && num.starts_with('+');
        if unsigned {
            return self.pad(&num.as_bytes()[1..]);
        }
        match self.flags.width.filter(|&w| self.flags.zero && !self.flags.minus && w > num.len()) {
            Some(width) if width <= self.room => {
                self.put(&num.as_bytes()[..1]);
                self.put(&vec![b'0'; width - num.len()]);
                self.put(&num.as_bytes()[1..]);
            }
            Some(_) => self.overflow = true,
            None => self.pad(num.as_bytes()),
        }
    }
}

/// `%#g` and its like: a decimal point always, and zeros kept up to the precision. `num` starts with its sign.
fn sharpened(mut num: String, verb: u8, precision: Option<usize>) -> String {
    let mut wanted = match verb {
        b'g' | b'G' | b'x' => precision.unwrap_or(6),
        _ => 0,
    };
    let hex = matches!(verb, b'x' | b'X');
    let ends = |c: char| matches!(c, 'p' | 'P') || !hex && matches!(c, 'e' | 'E');
    let tail = num.split_off(num.find(ends).unwrap_or(num.len()));
    // Go counts all but the point from the first that isn't `0`: the `x` of a hexadecimal number is among them.
    let significant = num.chars().skip(1).filter(|c| *c != '.').skip_while(|c| *c == '0').count();
    wanted = wanted.saturating_sub(significant);
    if !num.contains('.') {
        if num.get(1..) == Some("0") {
            wanted = wanted.saturating_sub(1);
        }
        num.push('.');
    }
    num + &"0".repeat(wanted.min(1_000_000)) + &tail
}

fn ascii(verb: char) -> u8 {
    u8::try_from(verb).unwrap_or(b'?')
}

/// A number of up to a million; `None` if there is none. What is larger counts as none, as in Go.
fn number(format: &[u8], i: &mut usize) -> Option<usize> {
    let start = *i;
    let mut n = 0_usize;
    while let Some(d) = format.get(*i).filter(|b| b.is_ascii_digit()) {
        n = n * 10 + usize::from(d - b'0');
        if n > 10_000_000 {
            *i = format.len();
            return None;
        }
        *i += 1;
    }
    (*i > start).then_some(n)
}

fn argument_index(format: &[u8]) -> (Option<usize>, usize, bool) {
    let Some(close) = format.iter().position(|&b| b == b']').filter(|_| format.len() >= 3) else {
        return (None, 1, false);
    };
    let mut i = 1;
    match number(&format[..close], &mut i) {
        Some(n) if i == close => (n.checked_sub(1), close + 1, true),
        Some(_) | None => (None, close + 1, false),
    }
}

fn int_argument(args: &[Value], next: &mut usize) -> Option<i64> {
    let arg = args.get(*next)?;
    *next += 1;
    let n = match arg.type_of()? {
        Type::Int(_) | Type::Uint(_) => match arg {
            Value::Int(_, n) => *n,
            Value::Uint(_, n) => i64::try_from(*n).ok()?,
            _ => return None,
        },
        _ => return None,
    };
    (-1_000_000..=1_000_000).contains(&n).then_some(n)
}
