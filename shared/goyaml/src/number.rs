//! Numbers as Go writes them.

/// `strconv.FormatFloat(f, 'g', -1, 64)`.
pub(crate) fn format_g(f: f64) -> String {
    from_exponent_form(f, &format!("{f:e}"))
}

/// `strconv.FormatFloat(f, 'g', -1, 32)`: the shortest digits that tell the nearest 32-bit float.
pub(crate) fn format_g32(f: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go rounds to the nearest float32 too")]
    let narrow = f as f32;
    from_exponent_form(f64::from(narrow), &format!("{narrow:e}"))
}

fn from_exponent_form(f: f64, text: &str) -> String {
    if f.is_nan() {
        return "NaN".into();
    }
    if f.is_infinite() {
        return if f > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    // Large and small ones have an exponent of at least two digits.
    if !(-4..6).contains(&exponent) {
        let mark = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{mantissa}e{mark}{:02}", exponent.unsigned_abs());
    }
    let Ok(whole) = usize::try_from(exponent + 1) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or_default();
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    match digits.len() {
        _ if whole == 0 => format!("{sign}0.{digits}"),
        length if length <= whole => format!("{sign}{digits}{}", "0".repeat(whole - length)),
        _ => format!("{sign}{}.{}", &digits[..whole], &digits[whole..]),
    }
}
