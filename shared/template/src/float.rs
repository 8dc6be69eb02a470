//! Floats and numeric literals as Go's `strconv` writes and reads them.

/// No float has more digits behind its point; what follows are zeros. Rust refuses precisions above 65,535.
const MOST_DIGITS: usize = 1100;

/// `strconv.FormatFloat(value, verb, precision, bits)`; `None` is the shortest text that reads back as the same float.
pub(crate) fn format_float(value: f64, verb: u8, precision: Option<usize>, bits: u8) -> String {
    if value.is_nan() {
        return "NaN".into();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    match verb {
        b'e' | b'E' => {
            let (negative, digits, exponent) = digits(value, precision.map(|p| p + 1), bits);
            scientific(negative, &digits, exponent, verb)
        }
        b'f' | b'F' => match precision {
            Some(p) => {
                let digits = p.min(MOST_DIGITS);
                format!("{value:.digits$}") + &"0".repeat(p - digits)
            }
            None => {
                let (negative, digits, exponent) = digits(value, None, bits);
                positional(negative, &digits, exponent)
            }
        },
        b'g' | b'G' => {
            let wanted = precision.map(|p| p.max(1));
            let (negative, mut text, exponent) = digits(value, wanted, bits);
            let mut threshold = wanted.map_or(6, |p| i32::try_from(p).unwrap_or(i32::MAX));
            if precision.is_some() {
                while text.len() > 1 && text.ends_with('0') {
                    text.pop();
                }
                let count = i32::try_from(text.len()).unwrap_or(i32::MAX);
                if threshold > count && count > exponent {
                    threshold = count;
                }
            }
            if exponent < -4 || exponent >= threshold {
                scientific(negative, &text, exponent, if verb == b'g' { b'e' } else { b'E' })
            } else {
                positional(negative, &text, exponent)
            }
        }
        b'b' => {
            let (mantissa, exponent, negative) = parts(value);
            format!("{}{mantissa}p{exponent:+}", if negative { "-" } else { "" })
        }
        _ => hexadecimal(value, verb, precision),
    }
}

fn parts(value: f64) -> (u64, i32, bool) {
    let bits = value.to_bits();
    let raw = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    let fraction = bits & ((1 << 52) - 1);
    let mantissa = if raw == 0 { fraction } else { fraction | 1 << 52 };
    (mantissa, raw.max(1) - 1075, bits >> 63 == 1)
}

fn hexadecimal(value: f64, verb: u8, precision: Option<usize>) -> String {
    let (mut mantissa, mut exponent, negative) = parts(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        while mantissa & 1 << 52 == 0 {
            mantissa <<= 1;
            exponent -= 1;
        }
        exponent += 52;
    }
    if let Some(p) = precision.filter(|&p| p < 13) {
        let drop = 52 - 4 * p;
        let rest = mantissa & ((1 << drop) - 1);
        mantissa >>= drop;
        let half = 1_u64 << (drop - 1);
        if rest > half || (rest == half && mantissa & 1 == 1) {
            mantissa += 1;
        }
        mantissa <<= drop;
        if mantissa >> 53 != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let mut fraction = format!("{:013x}", mantissa & ((1 << 52) - 1));
    match precision {
        None => fraction.truncate(fraction.trim_end_matches('0').len()),
        Some(p) => {
            fraction.truncate(p);
            while fraction.len() < p {
                fraction.push('0');
            }
        }
    }
    let point = if fraction.is_empty() { "" } else { "." };
    let lead = u8::from(mantissa != 0);
    let sign = if exponent < 0 { '-' } else { '+' };
    let text = format!("{}0x{lead}{point}{fraction}p{sign}{:02}", if negative { "-" } else { "" }, exponent.abs());
    if verb == b'X' { text.to_uppercase() } else { text }
}

/// Sign, decimal digits and the exponent of the first digit.
fn digits(value: f64, count: Option<usize>, bits: u8) -> (bool, String, i32) {
    let text = match count {
        Some(n) => format!("{:.*e}", n.saturating_sub(1).min(MOST_DIGITS), value),
        #[expect(clippy::cast_possible_truncation, reason = "the value was a 32-bit float")]
        None if bits == 32 => format!("{:e}", value as f32),
        None => {
            // Of two texts that are equally near Go takes the even one, Rust the greater.
            let text = format!("{value:e}");
            let count = text.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count();
            let even = format!("{value:.*e}", count.saturating_sub(1));
            if even.parse() == Ok(value) { even } else { text }
        }
    };
    let (negative, text) = text.strip_prefix('-').map_or((false, text.as_str()), |t| (true, t));
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let mut digits = mantissa.replace('.', "");
    digits.push_str(&"0".repeat(count.unwrap_or(0).saturating_sub(digits.len())));
    (negative, digits, exponent.parse().unwrap_or(0))
}

fn scientific(negative: bool, digits: &str, exponent: i32, verb: u8) -> String {
    let (first, rest) = digits.split_at(1.min(digits.len()));
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    let minus = if negative { "-" } else { "" };
    format!("{minus}{first}{point}{rest}{}{sign}{:02}", char::from(verb), exponent.abs())
}

fn positional(negative: bool, digits: &str, exponent: i32) -> String {
    let minus = if negative { "-" } else { "" };
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = "0".repeat(usize::try_from(-exponent - 1).unwrap_or(0));
        return format!("{minus}0.{zeros}{digits}");
    };
    if whole == 0 {
        return format!("{minus}0.{digits}");
    }
    if digits.len() <= whole {
        return format!("{minus}{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (head, tail) = digits.split_at(whole);
    format!("{minus}{head}.{tail}")
}

/// Underscores are allowed in a literal only after a base prefix or between digits, and only where the base is marked.
fn underscores_fit(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let bytes = text.as_bytes();
    let mut last = '^';
    let mut start = 0;
    let mut hex = false;
    if bytes.len() >= 2 && bytes[0] == b'0' && matches!(bytes[1] | 0x20, b'b' | b'o' | b'x') {
        start = 2;
        last = '0';
        hex = bytes[1] | 0x20 == b'x';
    }
    for &b in &bytes[start..] {
        if b.is_ascii_digit() || hex && b.is_ascii_hexdigit() {
            last = '0';
        } else if b == b'_' {
            if last != '0' {
                return false;
            }
            last = '_';
        } else {
            if last == '_' {
                return false;
            }
            last = '!';
        }
    }
    last != '_'
}

/// `strconv.ParseUint(text, 0, 64)`.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    if !text.bytes().next()?.is_ascii_digit() {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let (radix, body) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if body.contains('_') && !underscores_fit(text) {
        return None;
    }
    let digits = body.replace('_', "");
    if digits.is_empty() || digits.starts_with('+') {
        return None;
    }
    u64::from_str_radix(&digits, radix).ok()
}

/// `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    if let Some(rest) = text.strip_prefix('-') {
        let magnitude = parse_uint(rest)?;
        return 0_i64.checked_sub_unsigned(magnitude);
    }
    i64::try_from(parse_uint(text.strip_prefix('+').unwrap_or(text))?).ok()
}

/// `strconv.ParseFloat(text, 64)`; `None` for what is no number and for what is out of range. With `marked`, underscores
/// are taken as in Go source (only after a base prefix or between digits).
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let (negative, body) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = body.to_ascii_lowercase();
    let sign = if negative { -1.0 } else { 1.0 };
    match lower.as_str() {
        "inf" | "infinity" => return Some(sign * f64::INFINITY),
        "nan" => return Some(f64::NAN),
        _ => {}
    }
    if !lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if let Some(hex) = lower.strip_prefix("0x") {
        if hex.contains('_') && !underscores_fit(text) {
            return None;
        }
        return parse_hex(&hex.replace('_', "")).map(|v| sign * v);
    }
    if lower.contains('_') {
        return None;
    }
    let value: f64 = lower.parse().ok()?;
    value.is_finite().then_some(sign * value)
}

/// A float literal of a template: as [`parse_float`], and underscores between digits.
pub(crate) fn parse_float_literal(text: &str) -> Option<f64> {
    if text.contains('_') && !text.to_ascii_lowercase().contains("0x") {
        return underscores_fit(text).then(|| parse_float(&text.replace('_', "")))?;
    }
    parse_float(text)
}

fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = text.split_once('p')?;
    let mut power: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0_u64;
    let mut seen_point = 0;
    for (i, c) in whole.chars().chain(fraction.chars()).enumerate() {
        let digit = c.to_digit(16)?;
        if value >> 59 == 0 {
            value = value << 4 | u64::from(digit);
            seen_point += i32::from(i >= whole.len());
        } else {
            value |= u64::from(digit != 0);
            if i < whole.len() {
                power = power.checked_add(4)?;
            }
        }
    }
    power = power.checked_sub(4 * seen_point)?;
    #[expect(clippy::cast_precision_loss, reason = "rounding to the nearest float is what a literal means")]
    let result = value as f64 * 2_f64.powi(power.clamp(-1100, 1100));
    result.is_finite().then_some(result)
}
