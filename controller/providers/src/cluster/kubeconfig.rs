//! The kubeconfig of `authRef`: address, trust and credentials of its current context.
//!
//! It comes from a Secret that a tenant may have written, so whatever would run a program, read a file of the controller
//! or switch off TLS is refused by name: `exec`, `auth-provider`, `tokenFile`, paths to certificates,
//! `insecure-skip-tls-verify`, `proxy-url`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::{Error, ErrorKind};
use secret::SecretBytes;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Settings;
use super::connection::{Access, server_url};
use super::token::Token;
use crate::http::{Identity, Roots, TlsSettings};

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Config {
    #[serde(default)]
    clusters: Vec<Named>,
    #[serde(default)]
    users: Vec<Named>,
    #[serde(default)]
    contexts: Vec<Named>,
    #[serde(default)]
    current_context: String,
}

#[derive(Deserialize)]
struct Named {
    name: String,
    #[serde(default)]
    cluster: Option<ClusterEntry>,
    #[serde(default)]
    user: Option<UserEntry>,
    #[serde(default)]
    context: Option<ContextEntry>,
}

#[derive(Deserialize)]
struct ContextEntry {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ClusterEntry {
    server: String,
    #[serde(default)]
    certificate_authority_data: Option<String>,
    #[serde(default)]
    certificate_authority: Option<IgnoredAny>,
    #[serde(default)]
    insecure_skip_tls_verify: Option<bool>,
    #[serde(default)]
    proxy_url: Option<IgnoredAny>,
    #[serde(default)]
    tls_server_name: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct UserEntry {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    client_certificate_data: Option<String>,
    #[serde(default)]
    client_key_data: Option<String>,
    #[serde(default, rename = "tokenFile")]
    token_file: Option<IgnoredAny>,
    #[serde(default)]
    client_certificate: Option<IgnoredAny>,
    #[serde(default)]
    client_key: Option<IgnoredAny>,
    #[serde(default)]
    username: Option<IgnoredAny>,
    #[serde(default)]
    auth_provider: Option<IgnoredAny>,
    #[serde(default)]
    exec: Option<IgnoredAny>,
    #[serde(default, rename = "as")]
    impersonate: Option<IgnoredAny>,
}

/// The API server of the current context; `field` is the setting that leads here.
pub(super) fn access(text: &SecretBytes, field: &'static str) -> Result<Access, Error> {
    let invalid = |text: &str| Error::new(ErrorKind::Invalid, "Open", format!("{field}: {text}"));
    let text = text.expose_str().ok_or_else(|| invalid("the kubeconfig is not text"))?;
    // The parser's own message would show a part of the kubeconfig.
    let config: Config = serde_saphyr::from_str(text).map_err(|_| invalid("this is not a kubeconfig in YAML"))?;
    let Config { clusters, users, contexts, current_context } = config;
    let context = contexts
        .into_iter()
        .find(|named| named.name == current_context)
        .and_then(|named| named.context)
        .ok_or_else(|| invalid("the kubeconfig has no context of the name of its current-context"))?;
    let ClusterEntry {
        server,
        certificate_authority_data,
        certificate_authority,
        insecure_skip_tls_verify,
        proxy_url,
        tls_server_name,
    } = clusters
        .into_iter()
        .find(|named| named.name == context.cluster)
        .and_then(|named| named.cluster)
        .ok_or_else(|| invalid("the kubeconfig has no cluster of the name that its current context gives"))?;
    let UserEntry {
        token,
        client_certificate_data,
        client_key_data,
        token_file,
        client_certificate,
        client_key,
        username,
        auth_provider,
        exec,
        impersonate,
    } = users.into_iter().find(|named| named.name == context.user).and_then(|named| named.user).unwrap_or_default();

    let refused = [
        ("certificate-authority", certificate_authority.is_some(), "write certificate-authority-data"),
        ("insecure-skip-tls-verify", insecure_skip_tls_verify == Some(true), "write certificate-authority-data"),
        ("proxy-url", proxy_url.is_some(), "remove it"),
        ("tls-server-name", tls_server_name.is_some(), "remove it"),
        ("tokenFile", token_file.is_some(), "write token"),
        ("client-certificate", client_certificate.is_some(), "write client-certificate-data"),
        ("client-key", client_key.is_some(), "write client-key-data"),
        ("username", username.is_some(), "write token"),
        ("auth-provider", auth_provider.is_some(), "write token"),
        ("exec", exec.is_some(), "write token"),
        ("as", impersonate.is_some(), "remove it"),
    ];
    if let Some((name, _, instead)) = refused.iter().find(|(_, set, _)| *set) {
        let text = format!("{field}: {name} in the kubeconfig is not supported; {instead}");
        return Err(Error::new(ErrorKind::Unsupported, "Open", text));
    }

    let decode = |data: &str, name: &str| {
        decode(data).ok_or_else(|| invalid(&format!("{name} in the kubeconfig is not base64")))
    };
    let roots = match certificate_authority_data {
        Some(data) => Roots::Only(decode(&data, "certificate-authority-data")?),
        None => Roots::System,
    };
    let identity = match (client_certificate_data, client_key_data) {
        (None, None) => None,
        (Some(chain), Some(key)) => Some(Identity {
            chain: decode(&chain, "client-certificate-data")?,
            key: SecretBytes::new(decode(&key, "client-key-data")?),
            setting: field,
        }),
        (Some(_), None) | (None, Some(_)) => {
            return Err(invalid("the kubeconfig must have both client-certificate-data and client-key-data, or none"));
        }
    };
    let token = match token {
        Some(token) => Token::fixed(&SecretBytes::from(token)),
        None => Token::none(),
    };
    let server = server_url(Some(&server), &format!("{field}: clusters[].cluster.server"))?;
    let settings = Settings { server: field, auth: field };
    Ok(Access { server, settings, tls: TlsSettings { roots, identity }, token })
}

fn decode(data: &str) -> Option<Vec<u8>> {
    let compact: String = data.split_ascii_whitespace().collect();
    STANDARD.decode(compact).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "apiVersion: v1\nkind: Config\ncurrent-context: c\n\
        contexts: [{name: c, context: {cluster: k, user: u, namespace: n}}]\n\
        clusters: [{name: k, cluster: {server: 'https://10.0.0.1:6443'}}]\n\
        users: [{name: u, user: {token: canary}}]\n";

    #[tokio::test]
    async fn the_current_context_is_used() {
        let cluster = access(&SecretBytes::from(GOOD), "authRef").unwrap();
        assert_eq!(cluster.server.as_str(), "https://10.0.0.1:6443/");
        assert_eq!(cluster.token.get().await.unwrap().unwrap().expose(), b"canary");
        assert_eq!(cluster.tls, TlsSettings::default());
    }

    #[test]
    fn what_would_reach_into_the_controller_is_refused_by_name() {
        let cases = [
            ("token: canary", "exec: {command: sh}", ErrorKind::Unsupported, "exec"),
            ("token: canary", "tokenFile: /canary", ErrorKind::Unsupported, "tokenFile"),
            ("token: canary", "client-certificate: /canary", ErrorKind::Unsupported, "client-certificate"),
            ("token: canary", "auth-provider: {name: gcp}", ErrorKind::Unsupported, "auth-provider"),
            ("token: canary", "as: admin", ErrorKind::Unsupported, "as in"),
            ("token: canary", "client-key-data: '!'", ErrorKind::Invalid, "client-key-data"),
            ("server:", "insecure-skip-tls-verify: true, server:", ErrorKind::Unsupported, "insecure-skip-tls-verify"),
            ("server:", "certificate-authority: /canary, server:", ErrorKind::Unsupported, "certificate-authority"),
            ("server:", "certificate-authority-data: '!', server:", ErrorKind::Invalid, "certificate-authority-data"),
            ("current-context: c", "current-context: z", ErrorKind::Invalid, "current-context"),
            ("cluster: k,", "cluster: z,", ErrorKind::Invalid, "no cluster"),
            ("users:", "canary", ErrorKind::Invalid, "not a kubeconfig"),
        ];
        for (old, new, kind, text) in cases {
            let error = access(&SecretBytes::from(GOOD.replace(old, new)), "authRef").err().unwrap();
            assert_eq!(error.kind(), kind, "{new}: {error}");
            assert!(error.to_string().contains(text), "{new}: {error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
    }
}
