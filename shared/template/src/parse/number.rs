//! Numeric literals: all that one may stand for, since its type comes from where it is used.
//!
//! Deliberately not here: reading the text of an integer or a float (see `float`).

use crate::float::{parse_float_literal, parse_int, parse_uint};
use crate::lex::{Kind, Token};
use crate::node::Number;
use crate::text::{quoted, unquote_char};

/// A whole number from a float, if the float is one and fits.
fn whole(n: &mut Number, f: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "checked by the way back")]
    let int = f as i64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked by the way back")]
    let uint = f as u64;
    #[expect(clippy::cast_precision_loss, reason = "the comparison is what Go does")]
    if n.int.is_none() && int as f64 == f && int != i64::MAX {
        n.int = Some(int);
    }
    #[expect(clippy::cast_precision_loss, reason = "the comparison is what Go does")]
    if n.uint.is_none() && uint as f64 == f && uint != u64::MAX {
        n.uint = Some(uint);
    }
}

#[expect(clippy::cast_precision_loss, reason = "an integer literal used as a float is rounded")]
pub(super) fn number(token: &Token<'_>) -> Result<Number, String> {
    let text = &*token.text;
    let mut n = Number { text: text.to_owned(), ..Number::default() };
    if token.kind == Kind::CharConstant {
        let inner = text.as_bytes().get(1..).unwrap_or_default();
        let (_, code, tail) = unquote_char(inner, b'\'').ok_or("invalid syntax")?;
        if tail != b"'" {
            return Err(format!("malformed character constant: {text}"));
        }
        n.int = Some(i64::from(code));
        n.uint = Some(u64::from(code));
        n.float = Some(f64::from(code));
        return Ok(n);
    }
    if let Some(body) = text.strip_suffix('i') {
        let split = if token.kind == Kind::Complex {
            let signs = body.char_indices().skip(1).filter(|&(i, c)| {
                matches!(c, '+' | '-') && !body.get(..i).is_some_and(|b| b.ends_with(['e', 'E', 'p', 'P']))
            });
            signs.last().map(|(i, _)| body.split_at(i))
        } else {
            Some(("0", body))
        };
        let parts = split.and_then(|(re, im)| Some((parse_float_literal(re)?, parse_float_literal(im)?)));
        if let Some((re, im)) = parts {
            n.complex = Some((re, im));
            if im == 0.0 {
                n.float = Some(re);
                whole(&mut n, re);
            }
            return Ok(n);
        }
    }
    n.uint = parse_uint(text);
    n.int = parse_int(text);
    if n.int == Some(0) {
        n.uint = Some(0);
    }
    n.float = n.int.map(|i| i as f64).or(n.uint.map(|u| u as f64));
    if n.float.is_none()
        && let Some(f) = parse_float_literal(text)
    {
        if !text.contains(['.', 'e', 'E', 'p', 'P']) {
            return Err(format!("integer overflow: {}", quoted(text.as_bytes())));
        }
        n.float = Some(f);
        whole(&mut n, f);
    }
    if n.float.is_none() {
        return Err(format!("illegal number syntax: {}", quoted(text.as_bytes())));
    }
    Ok(n)
}
