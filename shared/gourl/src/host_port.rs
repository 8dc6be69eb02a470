//! A host and port as Go's `net.SplitHostPort` takes them apart, with its error texts. Source: Go 1.26, package `net`.
//!
//! Deliberately not here: the port of a URL (see `url`), which has other rules.

use crate::Error;

/// Host, without brackets, and port; either may be empty, and neither is looked at further.
///
/// # Errors
///
/// Go's text, which names the whole.
pub fn split_host_port(text: &str) -> Result<(&str, &str), Error> {
    let refuse = |reason: &str| {
        let address = if text.is_empty() { String::new() } else { format!("address {text}: ") };
        Err(Error(format!("{address}{reason}")))
    };
    let (missing, colons) = ("missing port in address", "too many colons in address");
    let Some((before, port)) = text.rsplit_once(':') else { return refuse(missing) };
    let (host, opened, closed) = match text.strip_prefix('[') {
        None if before.contains(':') => return refuse(colons),
        None => (before, text, text),
        Some(inner) => match inner.split_once(']') {
            None => return refuse("missing ']' in address"),
            Some((host, after)) if after.len() == port.len() + 1 => (host, inner, after),
            Some((_, after)) if after.starts_with(':') => return refuse(colons),
            Some(_) => return refuse(missing),
        },
    };
    if opened.contains('[') {
        return refuse("unexpected '[' in address");
    }
    if closed.contains(']') {
        return refuse("unexpected ']' in address");
    }
    Ok((host, port))
}

#[cfg(test)]
mod tests {
    use super::split_host_port;

    /// Answers of Go 1.26.
    #[test]
    fn parts_and_errors_are_those_of_go() {
        for (text, host, port) in
            [("a:1", "a", "1"), (":", "", ""), ("[::1]:2", "::1", "2"), ("[]:", "", ""), ("a:b", "a", "b")]
        {
            assert_eq!(split_host_port(text), Ok((host, port)), "{text}");
        }
        for (text, error) in [
            ("", "missing port in address"),
            ("a", "address a: missing port in address"),
            ("a:b:c", "address a:b:c: too many colons in address"),
            ("[::1]", "address [::1]: missing port in address"),
            ("[::1:2", "address [::1:2: missing ']' in address"),
            ("[::1]:2:3", "address [::1]:2:3: too many colons in address"),
            ("[::1]x:2", "address [::1]x:2: missing port in address"),
            ("a[b:1", "address a[b:1: unexpected '[' in address"),
            ("a]b:1", "address a]b:1: unexpected ']' in address"),
            ("[a]:]", "address [a]:]: unexpected ']' in address"),
        ] {
            assert_eq!(split_host_port(text).map_err(|e| e.to_string()), Err(error.to_owned()), "{text}");
        }
    }
}
