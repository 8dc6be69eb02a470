//! Requests to Akeyless: URL and body. Every command is a JSON object that is posted.
//!
//! Deliberately not here: which token a request bears (`bearer.rs`), and what answers mean (`error.rs`).

use gojson::Html;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use provider::{Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;
use tokio::sync::OnceCell;

use super::config::Server;
use super::{Command, SERVER, error};
use crate::http::{Answer, Http, Request};

/// A way to one Akeyless.
pub(super) struct Wire {
    http: Http,
    server: Server,
    base: OnceCell<Url>,
}

/// A member of a command.
pub(super) enum Field<'f> {
    Text(&'f str),
    Secret(&'f SecretBytes),
    Texts(&'f [&'f str]),
    Number(i32),
    Flag(bool),
}

impl Wire {
    pub(super) fn new(http: Http, server: Server) -> Self {
        Self { http, server, base: OnceCell::new() }
    }

    /// Scheme, host and port: what errors show of the address.
    pub(super) fn origin(&self) -> String {
        let (Server::Known(url) | Server::Unknown { given: url, v2: _ }) = &self.server;
        url.origin().ascii_serialization()
    }

    /// Sends a command, with the token if there is one.
    pub(super) async fn post(&self, command: &Command<'_>, token: Option<&SecretBytes>) -> Result<Answer, Error> {
        let Command { operation, path, fields, timeout } = command;
        let mut url = self.base(operation).await?.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().push(path),
            Err(()) => {
                return Err(Error::new(ErrorKind::Invalid, operation, format!("{SERVER}: has no place for a path")));
            }
        };
        let mut request = Request::new(Method::POST, url);
        request.headers = json();
        request.body = Some(body(fields, token));
        request.timeout = *timeout;
        self.http.send(request).await.map_err(|failure| failure.into_error(operation, &self.origin(), SERVER))
    }

    /// Where the API is. Akeyless answers an empty request at its own URL with `unknown command`.
    async fn base(&self, operation: &'static str) -> Result<&Url, Error> {
        let (given, v2) = match &self.server {
            Server::Known(url) => return Ok(url),
            Server::Unknown { given, v2 } => (given, v2),
        };
        let probe = async || {
            let mut request = Request::new(Method::POST, given.clone());
            request.headers = json();
            let answer = self.http.send(request).await;
            let answer = answer.map_err(|failure| failure.into_error(operation, &self.origin(), SERVER))?;
            if answer.status.is_server_error() || answer.status == StatusCode::TOO_MANY_REQUESTS {
                return Err(error::of_answer(&answer, operation, &self.origin()));
            }
            let here = error::says_unknown_command(&answer);
            Ok(if here { given.clone() } else { v2.clone() })
        };
        self.base.get_or_try_init(probe).await
    }
}

fn json() -> HeaderMap {
    let json = HeaderValue::from_static("application/json");
    HeaderMap::from_iter([(ACCEPT, json.clone()), (CONTENT_TYPE, json)])
}

/// The JSON object of a command. Tokens of a universal identity have a name of their own.
fn body(fields: &[(&str, Field<'_>)], token: Option<&SecretBytes>) -> SecretBytes {
    let large: usize =
        fields.iter().map(|(_, field)| if let Field::Secret(secret) = field { secret.len() } else { 0 }).sum();
    let mut out = Vec::with_capacity(1024 + 6 * large);
    let text = |out: &mut Vec<u8>, bytes: &[u8]| gojson::write_string(out, bytes, Html::Keep);
    let token = token.map(|token| (if token.expose().starts_with(b"u-") { "uid-token" } else { "token" }, token));
    out.push(b'{');
    for (name, field) in fields {
        if out.len() > 1 {
            out.push(b',');
        }
        text(&mut out, name.as_bytes());
        out.push(b':');
        match field {
            Field::Text(value) => text(&mut out, value.as_bytes()),
            Field::Secret(value) => text(&mut out, value.expose()),
            Field::Texts(values) => {
                out.push(b'[');
                for (place, value) in values.iter().enumerate() {
                    if place > 0 {
                        out.push(b',');
                    }
                    text(&mut out, value.as_bytes());
                }
                out.push(b']');
            }
            Field::Number(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Field::Flag(value) => out.extend_from_slice(value.to_string().as_bytes()),
        }
    }
    if let Some((name, token)) = token {
        if out.len() > 1 {
            out.push(b',');
        }
        text(&mut out, name.as_bytes());
        out.push(b':');
        text(&mut out, token.expose());
    }
    out.push(b'}');
    SecretBytes::new(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_json_objects_with_the_token() {
        let secret = SecretBytes::from("a\"\u{e9}");
        let fields = [
            ("name", Field::Text("/a/<b>")),
            ("value", Field::Secret(&secret)),
            ("tags", Field::Texts(&["x", "y"])),
            ("version", Field::Number(-1)),
            ("minimal-view", Field::Flag(true)),
        ];
        let all = r#"{"name":"/a/<b>","value":"a\"é","tags":["x","y"],"version":-1,"minimal-view":true"#;
        let cases = [
            (None, format!("{all}}}")),
            (Some("t-1"), format!(r#"{all},"token":"t-1"}}"#)),
            (Some("u-1"), format!(r#"{all},"uid-token":"u-1"}}"#)),
        ];
        for (token, want) in cases {
            let got = body(&fields, token.map(SecretBytes::from).as_ref());
            assert_eq!(got.expose_str(), Some(want.as_str()));
        }
        assert_eq!(body(&[], Some(&SecretBytes::from("t"))).expose(), br#"{"token":"t"}"#);
    }
}
