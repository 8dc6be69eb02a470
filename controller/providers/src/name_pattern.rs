//! `find.name.regexp`, compiled. Deliberately not here: which name of a remote secret it is held against.

use provider::{Error, ErrorKind, Find};

/// Names that a find wants.
pub(crate) struct NamePattern(Option<goregexp::Regexp>);

impl NamePattern {
    /// The pattern of `find`; without one every name matches.
    ///
    /// # Errors
    /// `Invalid` with `could not compile find.name.regexp [<pattern>]: <Go's text>`.
    pub(crate) fn of(find: &Find) -> Result<Self, Error> {
        let Some(pattern) = &find.name else { return Ok(Self(None)) };
        match goregexp::compile(pattern.as_bytes()) {
            Ok(compiled) => Ok(Self(Some(compiled))),
            Err(error) => {
                let text = format!("could not compile find.name.regexp [{pattern}]: {error}");
                Err(Error::new(ErrorKind::Invalid, "GetAllSecrets", text))
            }
        }
    }

    /// Whether the pattern matches somewhere in the name.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|pattern| pattern.is_match(name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(name: Option<&str>) -> Result<NamePattern, Error> {
        NamePattern::of(&Find { name: name.map(str::to_owned), ..Find::default() })
    }

    #[test]
    fn a_pattern_may_match_anywhere_and_none_matches_all() {
        let cases = [
            (None, "any", true),
            (Some(""), "any", true),
            (Some("b"), "abc", true),
            (Some("^b"), "abc", false),
            (Some("(?i)^A.c$"), "abc", true),
        ];
        for (name, text, want) in cases {
            assert_eq!(pattern(name).unwrap().matches(text), want, "{name:?} in {text}");
        }
        let error = pattern(Some("a(b")).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().starts_with("could not compile find.name.regexp [a(b]: "), "{error}");
    }
}
