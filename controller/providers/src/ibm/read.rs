//! Reading a secret, and picking values out of it.
//!
//! A payload is the secret as Secrets Manager sent it, metadata included: a JSON object.

use std::collections::BTreeMap;

use gojson::{Document, Html, Item, NodeId, Numbers};
use http::StatusCode;
use provider::{Error, ErrorKind, Payload, Provider, ReadKey, RemoteRef};
use secret::{SecretBytes, SecretMap};

use super::go_text::go_text;
use super::key::{Key, Kind};
use super::{BY_ID, Ibm, SERVER, error};

/// Reads one secret by id, or by the names of its group and itself. `version` has no meaning here.
///
/// Source: IBM Cloud Secrets Manager API v2, "Get a secret", "Get a secret by name".
///
/// # Errors
/// `NotFound` when Secrets Manager says that it has no such secret.
pub(super) async fn read(store: &Ibm, read: &ReadKey) -> Result<Payload, Error> {
    let operation = store.call_name(read);
    let ReadKey { key, version: _, metadata: _ } = read;
    let path = Key::of(key)?.path()?;
    let bearer = store.bearers.bearer().await?;
    let mut answer = store.wire.get(operation, &path, bearer.token()).await?;
    if answer.status == StatusCode::UNAUTHORIZED
        && let Some(other) = store.bearers.refused(&bearer).await?
    {
        answer = store.wire.get(operation, &path, other.token()).await?;
    }
    let origin = store.wire.origin();
    if answer.status != StatusCode::OK {
        return Err(error::of_answer(&answer, operation, &origin));
    }
    let document = Document::parse(answer.body.expose());
    let typed = document.is_ok_and(|document| {
        let named = document.member(document.root(), "secret_type").map(|id| document.item(id));
        matches!(named, Some(Item::Text(_)))
    });
    if !typed {
        let text = format!("the answer of {origin} is not a secret; check {SERVER}");
        return Err(Error::new(ErrorKind::Malformed, operation, text));
    }
    Ok(Payload(answer.body))
}

fn malformed() -> Error {
    Error::new(ErrorKind::Malformed, BY_ID, "unable to unmarshal secret from JSON: the value is not a JSON object")
}

/// A secret as it was read, and what it was asked for as.
struct Secret<'p> {
    document: Document<'p>,
    fields: BTreeMap<String, NodeId>,
    key: Key<'p>,
    /// `remoteRef.key`.
    asked: &'p str,
}

impl<'p> Secret<'p> {
    fn of(payload: &'p Payload, reference: &'p RemoteRef) -> Result<Self, Error> {
        let document = Document::parse(payload.0.expose()).map_err(|_| malformed())?;
        let Item::Object(members) = document.item(document.root()) else { return Err(malformed()) };
        // The reference's client drops what is null.
        let set =
            |(name, id): (&String, &NodeId)| (!matches!(document.item(*id), Item::Null)).then(|| (name.clone(), *id));
        let fields = members.iter().filter_map(set).collect();
        let asked = reference.read.key.as_str();
        Ok(Self { key: Key::of(asked)?, document, fields, asked })
    }

    /// What to do if the secret is of another type than was asked for.
    fn hint(&self) -> String {
        let named = self.fields.get("secret_type").map(|id| self.document.item(*id));
        match named {
            Some(Item::Text(name)) if name != self.key.kind.as_str() => {
                Kind::named(name).map_or(String::new(), |kind| {
                    format!(
                        "; the secret is of type {0}: write remoteRef.key as {0}/<id> or <group>/{0}/<name>",
                        kind.as_str()
                    )
                })
            }
            Some(_) | None => String::new(),
        }
    }

    fn missing(&self, field: &str, of: &str) -> Error {
        let text = format!("key {field} does not exist in secret {of}{}", self.hint());
        Error::new(ErrorKind::BadProperty, BY_ID, text)
    }

    /// A field as text; what isn't text, as JSON.
    fn text(&self, field: &str) -> Option<Result<SecretBytes, Error>> {
        let id = *self.fields.get(field)?;
        Some(self.document.bytes(id, Numbers::Float64).map(SecretBytes::new).map_err(|_| malformed()))
    }

    fn json(&self, field: &str) -> Option<Result<SecretBytes, Error>> {
        let id = *self.fields.get(field)?;
        let json = self.document.compact(id, Numbers::Float64, Html::Escape);
        Some(json.map(SecretBytes::new).map_err(|_| malformed()))
    }

    /// The object of a type that holds one; with a property, the key that is spelt so, dots included, else the gjson path.
    fn inside(&self, field: &str, property: &str, doing: &str) -> Result<SecretBytes, Error> {
        let Some(json) = self.json(field) else {
            let text = format!(
                "unable to extract the fetched secret {} of type {} while performing {doing}{}",
                self.key.name,
                self.key.kind.as_str(),
                self.hint()
            );
            return Err(Error::new(ErrorKind::Malformed, BY_ID, text));
        };
        let json = json?;
        if property.is_empty() {
            return Ok(json);
        }
        gojson::property::dotted_first(json.expose(), property)
            .map(SecretBytes::new)
            .ok_or_else(|| self.missing(property, self.asked))
    }
}

/// The one value of a secret, or the field that the property names, by the secret's type.
pub(super) fn value(payload: &Payload, reference: &RemoteRef) -> Result<SecretBytes, Error> {
    let property = reference.property.as_deref().unwrap_or_default();
    let secret = Secret::of(payload, reference)?;
    let the_one = |field: &str, value: Option<Result<SecretBytes, Error>>| {
        value.unwrap_or_else(|| Err(secret.missing(field, secret.key.name)))
    };
    match secret.key.kind {
        Kind::Arbitrary => the_one("payload", secret.text("payload")),
        Kind::IamCredentials => the_one("api_key", secret.text("api_key")),
        Kind::ServiceCredentials => the_one("credentials", secret.json("credentials")),
        Kind::Kv => secret.inside("data", property, "GetSecret"),
        Kind::CustomCredentials => secret.inside("credentials_content", property, "GetSecret"),
        kind @ (Kind::UsernamePassword | Kind::ImportedCert | Kind::PublicCert | Kind::PrivateCert) => {
            if property.is_empty() {
                let text = format!("remoteRef.property required for secret type {}", kind.as_str());
                return Err(Error::new(ErrorKind::Invalid, BY_ID, text));
            }
            match secret.text(property) {
                Some(value) => value,
                // A certificate may have been imported without them; Secrets of type kubernetes.io/tls want the keys.
                None if kind == Kind::ImportedCert && matches!(property, "intermediate" | "private_key") => {
                    Ok(SecretBytes::from(""))
                }
                None => Err(secret.missing(property, secret.asked)),
            }
        }
    }
}

/// The values of a secret by its type; with `metadataPolicy: Fetch` all other fields too.
pub(super) fn map(payload: &Payload, reference: &RemoteRef) -> Result<SecretMap, Error> {
    let secret = Secret::of(payload, reference)?;
    let printed = |id: &NodeId| go_text(&secret.document, *id).ok_or_else(malformed);
    let mut map = SecretMap::new();
    if reference.read.metadata {
        for (name, id) in &secret.fields {
            map.insert(name.clone(), printed(id)?);
        }
    }
    let mut take = |wanted: &[(&str, &str)], optional: &[&str]| -> Result<(), Error> {
        for (field, name) in wanted {
            let id = secret.fields.get(*field).ok_or_else(|| secret.missing(field, secret.key.name))?;
            map.insert((*name).to_owned(), printed(id)?);
        }
        for field in optional {
            let value = secret.fields.get(*field).map(printed).transpose()?;
            map.insert((*field).to_owned(), value.unwrap_or_else(|| SecretBytes::from("")));
        }
        Ok(())
    };
    let (certificate, key) = (("certificate", "certificate"), ("private_key", "private_key"));
    let object = match secret.key.kind {
        Kind::Arbitrary => return take(&[("payload", "arbitrary")], &[]).map(|()| map),
        Kind::UsernamePassword => {
            return take(&[("username", "username"), ("password", "password")], &[]).map(|()| map);
        }
        Kind::IamCredentials => return take(&[("api_key", "apikey")], &[]).map(|()| map),
        Kind::ServiceCredentials => return take(&[("credentials", "credentials")], &[]).map(|()| map),
        Kind::ImportedCert => return take(&[certificate], &["intermediate", "private_key"]).map(|()| map),
        Kind::PublicCert => {
            return take(&[certificate, ("intermediate", "intermediate"), key], &[]).map(|()| map);
        }
        Kind::PrivateCert => return take(&[certificate, key], &[]).map(|()| map),
        Kind::Kv => "data",
        Kind::CustomCredentials => "credentials_content",
    };
    let json = secret.inside(object, reference.property.as_deref().unwrap_or_default(), "GetSecretMap")?;
    let object = Document::parse(json.expose()).map_err(|_| malformed())?;
    let members = object.members("map[string]interface {}").map_err(|_| malformed())?;
    for (name, id) in members.into_iter().flatten() {
        let value = object.bytes(*id, Numbers::Float64).map_err(|_| malformed())?;
        map.insert(name.clone(), SecretBytes::new(value));
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(key: &str, property: &str, metadata: bool) -> RemoteRef {
        let read = ReadKey { key: format!("team/{key}/x"), version: None, metadata };
        RemoteRef { read, property: Some(property.to_owned()) }
    }

    fn shown(map: &SecretMap) -> String {
        let pairs = map.iter().map(|(key, value)| format!("{key}={}", value.expose_str().unwrap()));
        pairs.collect::<Vec<_>>().join(" ")
    }

    const KV: &str = r#"{"secret_type":"kv","data":{"a.b":"exact","a":{"b":"path"},"n":1.50,"x":null}}"#;
    const CERTIFICATE: &str = r#"{"secret_type":"imported_cert","certificate":"C","intermediate":null}"#;

    #[test]
    fn each_type_has_its_value() {
        let cases = [
            ("arbitrary", "", r#"{"payload":"p"}"#, Ok("p")),
            ("arbitrary", "ignored", r#"{"payload":"p"}"#, Ok("p")),
            ("arbitrary", "", r#"{"secret_type":"arbitrary"}"#, Err("key payload does not exist in secret x")),
            (
                "arbitrary",
                "",
                KV,
                Err(
                    "key payload does not exist in secret x; the secret is of type kv: write remoteRef.key as kv/<id> or <group>/kv/<name>",
                ),
            ),
            ("username_password", "username", r#"{"username":"u","password":"p"}"#, Ok("u")),
            ("username_password", "password", r#"{"username":"u","password":"p"}"#, Ok("p")),
            ("username_password", "", "{}", Err("remoteRef.property required for secret type username_password")),
            ("username_password", "z", "{}", Err("key z does not exist in secret team/username_password/x")),
            ("iam_credentials", "", r#"{"api_key":"k"}"#, Ok("k")),
            ("iam_credentials", "", r#"{"api_key":null}"#, Err("key api_key does not exist in secret x")),
            ("service_credentials", "", r#"{"credentials":{"b":"<","a":1}}"#, Ok(r#"{"a":1,"b":"\u003c"}"#)),
            ("imported_cert", "certificate", CERTIFICATE, Ok("C")),
            ("imported_cert", "intermediate", CERTIFICATE, Ok("")),
            ("imported_cert", "private_key", CERTIFICATE, Ok("")),
            ("imported_cert", "z", CERTIFICATE, Err("key z does not exist in secret team/imported_cert/x")),
            ("imported_cert", "", CERTIFICATE, Err("remoteRef.property required for secret type imported_cert")),
            ("public_cert", "private_key", r#"{"private_key":"K"}"#, Ok("K")),
            ("public_cert", "intermediate", "{}", Err("key intermediate does not exist in secret team/public_cert/x")),
            ("private_cert", "private_key", r#"{"private_key":"K"}"#, Ok("K")),
            ("private_cert", "private_key", "{}", Err("key private_key does not exist in secret team/private_cert/x")),
            ("kv", "", KV, Ok(r#"{"a":{"b":"path"},"a.b":"exact","n":1.5,"x":null}"#)),
            ("kv", "a.b", KV, Ok("exact")),
            ("kv", "a", KV, Ok(r#"{"b":"path"}"#)),
            ("kv", "z", KV, Err("key z does not exist in secret team/kv/x")),
            (
                "kv",
                "",
                r#"{"secret_type":"kv"}"#,
                Err("unable to extract the fetched secret x of type kv while performing GetSecret"),
            ),
            ("custom_credentials", "a", r#"{"credentials_content":{"a":"b"}}"#, Ok("b")),
        ];
        for (kind, property, body, want) in cases {
            let got = value(&Payload(SecretBytes::from(body)), &reference(kind, property, false));
            let got = got.as_ref().map(|value| value.expose_str().unwrap()).map_err(ToString::to_string);
            assert_eq!(got, want.map_err(str::to_owned), "{kind} {property}");
        }
    }

    #[test]
    fn each_type_has_its_map() {
        let missing = |field: &str| format!("key {field} does not exist in secret x");
        let cases = [
            ("arbitrary", "", r#"{"payload":"p"}"#, Ok("arbitrary=p")),
            ("arbitrary", "", "{}", Err(missing("payload"))),
            ("username_password", "", r#"{"username":"u","password":"p"}"#, Ok("password=p username=u")),
            ("username_password", "", r#"{"username":"u"}"#, Err(missing("password"))),
            ("iam_credentials", "", r#"{"api_key":"k"}"#, Ok("apikey=k")),
            ("service_credentials", "", r#"{"credentials":{"apikey":"k"}}"#, Ok("credentials=map[apikey:k]")),
            ("imported_cert", "", CERTIFICATE, Ok("certificate=C intermediate= private_key=")),
            ("imported_cert", "", "{}", Err(missing("certificate"))),
            (
                "public_cert",
                "",
                r#"{"certificate":"C","intermediate":"I","private_key":"K"}"#,
                Ok("certificate=C intermediate=I private_key=K"),
            ),
            ("public_cert", "", r#"{"certificate":"C","private_key":"K"}"#, Err(missing("intermediate"))),
            ("private_cert", "", r#"{"certificate":"C","private_key":"K"}"#, Ok("certificate=C private_key=K")),
            ("kv", "", KV, Ok(r#"a={"b":"path"} a.b=exact n=1.5 x="#)),
            ("kv", "a", KV, Ok("b=path")),
            ("custom_credentials", "", r#"{"credentials_content":{"a":"b"}}"#, Ok("a=b")),
        ];
        for (kind, property, body, want) in cases {
            let got = map(&Payload(SecretBytes::from(body)), &reference(kind, property, false));
            let got = got.as_ref().map(shown).map_err(ToString::to_string);
            assert_eq!(got, want.map(str::to_owned), "{kind} {property}");
        }
        let error = map(&Payload(SecretBytes::from(KV)), &reference("kv", "n", false)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }

    #[test]
    fn metadata_is_all_fields_as_go_prints_them() {
        let body = r#"{"id":"1","labels":["a","b"],"versions_total":2,"custom_metadata":{"k":"v"},"expires":null,
            "secret_type":"kv","data":{"a":"b"}}"#;
        let got = map(&Payload(SecretBytes::from(body)), &reference("kv", "", true)).unwrap();
        let want = "a=b custom_metadata=map[k:v] data=map[a:b] id=1 labels=[a b] secret_type=kv versions_total=2";
        assert_eq!(shown(&got), want);
    }
}
