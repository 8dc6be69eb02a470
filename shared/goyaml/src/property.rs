//! Anchors, aliases, tags and directives.

use crate::scan::{Kind, Scan, Scanner, is_blank, is_break_or_end, is_space_or_end, is_word};

impl Scanner {
    fn word(&mut self) -> String {
        let mut word = String::new();
        while is_word(self.current()) {
            word.push(self.current());
            self.skip();
        }
        word
    }

    /// An anchor or an alias.
    pub(crate) fn anchor(&mut self) -> Scan<Kind> {
        let alias = self.current() == '*';
        self.skip();
        let name = self.word();
        let end = self.current();
        if name.is_empty() || !(is_space_or_end(end) || matches!(end, '?' | ':' | ',' | ']' | '}' | '%' | '@' | '`')) {
            return Err(self.problem("did not find expected alphabetic or numeric character"));
        }
        Ok(if alias { Kind::Alias(name) } else { Kind::Anchor(name) })
    }

    pub(crate) fn tag(&mut self) -> Scan<Kind> {
        let (handle, suffix) = if self.ahead(1) == '<' {
            self.skip();
            self.skip();
            let suffix = self.tag_uri("")?;
            if self.current() != '>' {
                return Err(self.problem("did not find the expected '>'"));
            }
            self.skip();
            (String::new(), suffix)
        } else {
            let handle = self.tag_handle(false)?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.tag_uri("")?;
                (handle, suffix)
            } else {
                match self.tag_uri(&handle)? {
                    suffix if suffix.is_empty() => (String::new(), "!".into()),
                    suffix => ("!".into(), suffix),
                }
            }
        };
        if !is_space_or_end(self.current()) {
            return Err(self.problem("did not find expected whitespace or line break"));
        }
        Ok(Kind::Tag { handle, suffix })
    }

    fn tag_handle(&mut self, directive: bool) -> Scan<String> {
        if self.current() != '!' {
            return Err(self.problem("did not find expected '!'"));
        }
        self.skip();
        let mut handle = format!("!{}", self.word());
        if self.current() == '!' {
            handle.push('!');
            self.skip();
        } else if directive && handle != "!" {
            return Err(self.problem("did not find expected '!'"));
        }
        Ok(handle)
    }

    /// A tag's name; `head` is what was read as a handle and turned out to be its beginning.
    fn tag_uri(&mut self, head: &str) -> Scan<String> {
        let mut uri = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let mut any = !head.is_empty();
        loop {
            match self.current() {
                '%' => self.escaped_char(&mut uri)?,
                c if is_word(c) || ";/?:@&=+$,.!~*'()[]".contains(c) => {
                    uri.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
                    self.skip();
                }
                _ => break,
            }
            any = true;
        }
        if !any {
            return Err(self.problem("did not find expected tag URI"));
        }
        Ok(String::from_utf8_lossy(&uri).into_owned())
    }

    fn escaped_char(&mut self, uri: &mut Vec<u8>) -> Scan<()> {
        let mut left = None;
        while left != Some(0) {
            let octet = match (self.current(), self.ahead(1).to_digit(16), self.ahead(2).to_digit(16)) {
                ('%', Some(high), Some(low)) => u8::try_from(high << 4 | low).unwrap_or_default(),
                _ => return Err(self.problem("did not find URI escaped octet")),
            };
            left = Some(match left {
                None => match octet {
                    0..0x80 => 0,
                    0xc0..0xe0 => 1,
                    0xe0..0xf0 => 2,
                    0xf0..0xf8 => 3,
                    0x80..0xc0 | 0xf8.. => return Err(self.problem("found an incorrect leading UTF-8 octet")),
                },
                Some(_) if octet & 0xc0 != 0x80 => {
                    return Err(self.problem("found an incorrect trailing UTF-8 octet"));
                }
                Some(left) => left - 1,
            });
            uri.push(octet);
            for _ in 0..3 {
                self.skip();
            }
        }
        Ok(())
    }

    pub(crate) fn directive(&mut self) -> Scan<Kind> {
        self.skip();
        let name = self.word();
        if name.is_empty() {
            return Err(self.problem("could not find expected directive name"));
        }
        if !is_space_or_end(self.current()) {
            return Err(self.problem("found unexpected non-alphabetical character"));
        }
        let kind = match name.as_str() {
            "YAML" => {
                self.skip_blanks();
                let major = self.version_number()?;
                if self.current() != '.' {
                    return Err(self.problem("did not find expected digit or '.' character"));
                }
                self.skip();
                Kind::Version { major, minor: self.version_number()? }
            }
            "TAG" => {
                self.skip_blanks();
                let handle = self.tag_handle(true)?;
                if !is_blank(self.current()) {
                    return Err(self.problem("did not find expected whitespace"));
                }
                self.skip_blanks();
                let prefix = self.tag_uri("")?;
                if !is_space_or_end(self.current()) {
                    return Err(self.problem("did not find expected whitespace or line break"));
                }
                Kind::TagDirective { handle, prefix }
            }
            _ => return Err(self.problem("found unknown directive name")),
        };
        self.end_line()?;
        Ok(kind)
    }

    /// Passes what may follow on a line that is done: blanks and a comment.
    pub(crate) fn end_line(&mut self) -> Scan<()> {
        self.skip_blanks();
        self.skip_comment();
        if !is_break_or_end(self.current()) {
            return Err(self.problem("did not find expected comment or line break"));
        }
        self.skip_break();
        Ok(())
    }

    fn version_number(&mut self) -> Scan<u8> {
        let mut number = 0;
        let mut length = 0;
        while let Some(digit) = self.current().to_digit(10) {
            length += 1;
            if length > 2 {
                return Err(self.problem("found extremely long version number"));
            }
            number = number * 10 + u8::try_from(digit).unwrap_or_default();
            self.skip();
        }
        if length == 0 {
            return Err(self.problem("did not find expected version number"));
        }
        Ok(number)
    }
}
