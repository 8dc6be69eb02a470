//! Password: letters, digits and symbols in the wished numbers, in random order.

use api::generator::{PasswordEncoding, PasswordSpec};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use provider::Error;
use secret::{SecretBytes, SecretMap};
use zeroize::Zeroizing;

use crate::{Generator, Given, Random, base32, invalid};

const LENGTH: i64 = 24;
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const DIGITS: &str = "0123456789";
const SYMBOLS: &str = "~!@#$%^&*()_+`-={}|[]\\:\"<>?,./";

/// More doesn't fit into a Secret.
const MAX_LENGTH: i64 = 1 << 20;

pub(crate) struct Password(pub(crate) PasswordSpec);

#[async_trait]
impl Generator for Password {
    async fn generate(&self, given: &Given<'_>) -> Result<SecretMap, Error> {
        let keys = keys(self.0.secret_keys.as_deref().unwrap_or_default())?;
        let recipe = Recipe::of(&self.0)?;
        let passwords = keys.into_iter().map(|key| {
            let password = recipe.make(given.random)?;
            Ok((key.to_owned(), encoded(self.0.encoding, password.as_bytes())))
        });
        passwords.collect()
    }
}

fn keys(listed: &[String]) -> Result<Vec<&str>, Error> {
    let keys: Vec<&str> =
        if listed.is_empty() { vec!["password"] } else { listed.iter().map(String::as_str).collect() };
    let unique: std::collections::BTreeSet<_> = keys.iter().collect();
    if unique.len() < keys.len() || unique.contains(&"") {
        return Err(invalid("secretKeys must be non-empty and unique"));
    }
    Ok(keys)
}

fn encoded(encoding: PasswordEncoding, password: &[u8]) -> SecretBytes {
    match encoding {
        PasswordEncoding::Raw => SecretBytes::new(password.to_vec()),
        PasswordEncoding::Base64 => STANDARD.encode(password).into(),
        PasswordEncoding::Base64Url => URL_SAFE.encode(password).into(),
        PasswordEncoding::Base32 => base32::encode(password).into(),
        PasswordEncoding::Hex => {
            let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 0xf)];
            SecretBytes::new(password.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect())
        }
    }
}

/// How many characters to take, and from which; in the order in which they are taken.
struct Recipe {
    parts: [Part; 3],
    repeats: bool,
    /// Every character of the parts once, in order.
    alphabet: Vec<char>,
}

struct Part {
    what: &'static str,
    count: i64,
    choice: Vec<char>,
}

impl Recipe {
    /// A negative number of digits or symbols means none, and that many more letters, as in the reference.
    fn of(spec: &PasswordSpec) -> Result<Self, Error> {
        let PasswordSpec {
            length,
            digits,
            symbols,
            symbol_characters,
            no_upper,
            allow_repeat,
            secret_keys: _,
            encoding: _,
        } = spec;
        let length = if *length > 0 { *length } else { LENGTH };
        let quarter = (length as f32 * 0.25) as i64;
        let (digits, symbols) = (digits.unwrap_or(quarter), symbols.unwrap_or(quarter));
        let letters = length.saturating_sub(digits).saturating_sub(symbols);
        if letters < 0 {
            return Err(invalid("number of digits and symbols must be less than total length"));
        }
        if letters.max(digits).max(symbols) > MAX_LENGTH {
            return Err(invalid(format!(
                "a password of spec.length, spec.digits and spec.symbols would be too long: set them so that it has at most {MAX_LENGTH} characters"
            )));
        }
        let symbol_characters = symbol_characters.as_deref().filter(|text| !text.is_empty()).unwrap_or(SYMBOLS);
        let part = |what, count, choice: &[&str]| Part { what, count, choice: choice.concat().chars().collect() };
        let parts = [
            part("letters", letters, if *no_upper { &[LOWER] } else { &[LOWER, UPPER] }),
            part("digits", digits, &[DIGITS]),
            part("symbols", symbols, &[symbol_characters]),
        ];
        if !allow_repeat {
            for part in &parts {
                // The reference asks for as many places in the choice; whether they differ is seen while taking.
                if usize::try_from(part.count).is_ok_and(|count| count > part.choice.len()) {
                    return Err(exceeds(part.what));
                }
            }
        }
        let mut alphabet: Vec<char> = parts.iter().flat_map(|part| &part.choice).copied().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        Ok(Self { parts, repeats: *allow_repeat, alphabet })
    }

    fn make(&self, random: Random<'_>) -> Result<Zeroizing<String>, Error> {
        let total = self.parts.iter().map(|part| usize::try_from(part.count).unwrap_or_default()).sum();
        let mut taken = Zeroizing::new(Vec::with_capacity(total));
        let mut used = Zeroizing::new(vec![false; self.alphabet.len()]);
        for Part { what, count, choice } in &self.parts {
            if self.repeats {
                taken.extend((0..*count).filter_map(|_| choice.get(random.below(choice.len()))));
                continue;
            }
            let mut left = Zeroizing::new(choice.clone());
            let mut missing = *count;
            while missing > 0 {
                // Where the choice has a character twice or shares one with the letters, the reference would search for ever.
                if left.is_empty() {
                    return Err(exceeds(what));
                }
                let drawn = random.below(left.len());
                let character = left.swap_remove(drawn);
                // A character that was taken is passed over, which leaves the others their chances; each place is looked
                // at once, so that a giant alphabet takes no longer than reading it.
                let place = self.alphabet.binary_search(&character).ok();
                if let Some(used) = place.and_then(|place| used.get_mut(place)).filter(|used| !**used) {
                    *used = true;
                    taken.push(character);
                    missing -= 1;
                }
            }
        }
        for end in (1..taken.len()).rev() {
            taken.swap(end, random.below(end + 1));
        }
        let mut password = Zeroizing::new(String::with_capacity(taken.len() * 4));
        password.extend(taken.iter());
        Ok(password)
    }
}

fn exceeds(what: &str) -> Error {
    invalid(format!("number of {what} exceeds available {what} and repeats are not allowed"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// What a spec's password takes of each character in so many tries, and how many draws that took.
    fn taken(spec: PasswordSpec, tries: u64) -> (BTreeMap<char, u64>, u64) {
        let (state, draws) = (AtomicU64::new(1), AtomicU64::new(0));
        let fill = |buffer: &mut [u8]| {
            draws.fetch_add(1, Ordering::Relaxed);
            for byte in buffer {
                let next = |state: u64| Some(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
                let state = state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).unwrap();
                *byte = state.to_be_bytes()[0];
            }
        };
        let recipe = Recipe::of(&spec).unwrap();
        let mut counts = BTreeMap::new();
        for _ in 0..tries {
            for character in recipe.make(Random::new(&fill)).unwrap().chars() {
                *counts.entry(character).or_default() += 1;
            }
        }
        (counts, draws.into_inner())
    }

    fn symbols(characters: &str, count: i64) -> PasswordSpec {
        let spec = serde_json::json!({"length": count, "digits": 0, "symbols": count, "symbolCharacters": characters});
        serde_json::from_value(spec).unwrap()
    }

    /// By the square of its length, it would take minutes.
    #[test]
    fn a_giant_alphabet_is_gone_through_once() {
        const SIZE: u64 = 100_000;
        let alphabet: String = ('\u{10000}'..).take(100_000).collect();
        let (counts, draws) = taken(symbols(&format!("{alphabet}{alphabet}"), 100_000), 1);
        assert_eq!(counts.len() as u64, SIZE);
        assert!(counts.values().all(|count| *count == 1));
        assert!(draws <= 2 * SIZE + SIZE, "{draws} draws");
    }

    #[test]
    fn a_character_that_is_listed_twice_is_taken_twice_as_often_and_never_twice() {
        // Of aab, a comes first twice as often; of what is left then, c comes as often as b.
        let (one, _) = taken(symbols("aab", 1), 9000);
        assert!((5700..6300).contains(&one[&'a']) && one[&'a'] + one[&'b'] == 9000, "{one:?}");
        let (two, _) = taken(symbols("aabc", 2), 9000);
        // a: 1/2 at first, else 1/2 * 2/3.
        assert!((7200..7800).contains(&two[&'a']), "{two:?}");
        assert!((4950..5550).contains(&two[&'b']) && (4950..5550).contains(&two[&'c']), "{two:?}");
    }
}
