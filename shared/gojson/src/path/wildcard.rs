//! `*` and `?` in keys and in the `%` operator.
//!
//! Lives here: matching by the rune, with tidwall/match's bound on the work. Deliberately not here: where patterns come from.

use crate::budget::Budget;
use crate::error::Limit;
use crate::text::{first_rune, last_rune};

/// Attempts per byte of the text, after which a pattern counts as not matching.
const ATTEMPTS_PER_BYTE: usize = 10_000;

/// What a step costs of the budget for scanned bytes; it is some ten times as dear as looking at a byte.
const STEP: usize = 10;

/// What is left of a text and of its pattern.
type Remaining<'a> = (&'a [u8], &'a [u8]);

enum Verdict {
    No,
    Yes,
    Stopped,
}

pub(super) fn matches(budget: &mut Budget, text: &[u8], pattern: &[u8]) -> Result<bool, Limit> {
    if pattern == b"*" {
        return Ok(true);
    }
    let mut attempts = text.len().saturating_mul(ATTEMPTS_PER_BYTE).saturating_add(1);
    Ok(matches!(attempt(budget, text, pattern, &mut attempts)?, Verdict::Yes))
}

fn attempt<'a>(
    budget: &mut Budget,
    mut text: &'a [u8],
    mut pattern: &'a [u8],
    attempts: &mut usize,
) -> Result<Verdict, Limit> {
    if *attempts == 0 {
        return Ok(Verdict::Stopped);
    }
    *attempts -= 1;
    budget.enter()?;
    let verdict = loop {
        budget.scan(STEP)?;
        let Some((wanted, wanted_size)) = first_rune(pattern) else {
            break if text.is_empty() { Verdict::Yes } else { Verdict::No };
        };
        let seen = first_rune(text);
        match (wanted, seen) {
            ('*', _) => {
                while pattern.get(1) == Some(&b'*') {
                    pattern = &pattern[1..];
                }
                if pattern.len() == 1 {
                    break Verdict::Yes;
                }
                let Some(trimmed) = trim_suffix(budget, text, pattern)? else { break Verdict::No };
                (text, pattern) = trimmed;
                if pattern.len() == 1 {
                    break Verdict::Yes;
                }
                match attempt(budget, text, &pattern[1..], attempts)? {
                    Verdict::No => {}
                    decided @ (Verdict::Yes | Verdict::Stopped) => break decided,
                }
                let Some((_, size)) = first_rune(text) else { break Verdict::No };
                text = &text[size..];
            }
            (_, None) => break Verdict::No,
            ('?', Some((_, size))) => {
                text = &text[size..];
                pattern = &pattern[1..];
            }
            (_, Some((seen, size))) => {
                let literal = if wanted == '\\' {
                    first_rune(&pattern[1..]).map(|(c, n)| (c, n + 1))
                } else {
                    Some((wanted, wanted_size))
                };
                match literal {
                    Some((c, taken)) if c == seen => {
                        text = &text[size..];
                        pattern = &pattern[taken..];
                    }
                    Some(_) | None => break Verdict::No,
                }
            }
        }
    };
    budget.leave();
    Ok(verdict)
}

/// Takes from both ends what the pattern says behind its last star, so that fewer splits need trying.
/// `None` if the ends differ.
fn trim_suffix<'a>(
    budget: &mut Budget,
    mut text: &'a [u8],
    mut pattern: &'a [u8],
) -> Result<Option<Remaining<'a>>, Limit> {
    while pattern.len() > 1 {
        budget.scan(STEP)?;
        let (Some((seen, size)), Some((wanted, mut taken))) = (last_rune(text), last_rune(pattern)) else { break };
        let before = &pattern[..pattern.len() - taken];
        let backslashes = before.iter().rev().take_while(|byte| **byte == b'\\').count();
        let escaped = backslashes % 2 == 1;
        if escaped {
            taken += 1;
        }
        if wanted == '*' && !escaped {
            break;
        }
        if wanted != seen && (wanted != '?' || escaped) {
            return Ok(None);
        }
        text = &text[..text.len() - size];
        pattern = &pattern[..pattern.len() - taken];
    }
    Ok(Some((text, pattern)))
}
