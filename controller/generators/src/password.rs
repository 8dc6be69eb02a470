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
        Ok(Self { parts, repeats: *allow_repeat })
    }

    fn make(&self, random: Random<'_>) -> Result<Zeroizing<String>, Error> {
        let total = self.parts.iter().map(|part| usize::try_from(part.count).unwrap_or_default()).sum();
        let mut taken = Zeroizing::new(Vec::with_capacity(total));
        for Part { what, count, choice } in &self.parts {
            let mut left = choice.clone();
            if !self.repeats {
                left.retain(|character| !taken.contains(character));
            }
            for _ in 0..*count {
                // Where the choice has a character twice or shares one with the letters, the reference would search for ever.
                let character = *left.get(random.below(left.len())).ok_or_else(|| exceeds(what))?;
                taken.push(character);
                if !self.repeats {
                    left.retain(|other| *other != character);
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
