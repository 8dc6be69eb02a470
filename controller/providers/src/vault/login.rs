//! The login methods' settings: which one a store has, and what it refers to. Pure.
//!
//! Deliberately not here: the requests (`auth.rs`), and when they are made (`session.rs`).

use std::time::Duration;

use api::{
    SecretKeySelector, ServiceAccountSelector, VaultAppRole, VaultAuth, VaultCertAuth, VaultJwtAuth,
    VaultKubernetesAuth, VaultLdapAuth, VaultServiceAccountToken, VaultUserPassAuth,
};
use provider::{Error, ErrorKind};
use secret::SecretBytes;

use super::gcp::Gcp;
use super::iam::Iam;
use super::path::mount_segments;
use super::product::Product;

const OPEN: &str = "Open";

/// What a service account's token is asked to live; it is used at once.
const JWT_LIFETIME: Duration = Duration::from_secs(600);
/// For whom it is, if the settings don't say.
const JWT_AUDIENCE: &str = "vault";

/// How to get a token.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Login {
    /// No `auth`: requests bear the token of the process's environment, or none.
    Environment(Option<SecretBytes>),
    /// A token from a Secret.
    Token(SecretKeySelector),
    /// `POST auth/<mount>/login` with role id and secret id.
    AppRole { mount: Vec<String>, role: RoleId, secret: SecretKeySelector },
    /// `POST auth/<mount>/login` with a role and a service account's token.
    Kubernetes { mount: Vec<String>, role: String, jwt: Jwt },
    /// `POST auth/<mount>/login/<user>` with a password: LDAP, and users of Vault's own.
    Password { method: &'static str, mount: Vec<String>, user: String, password: SecretKeySelector },
    /// `POST auth/<mount>/login` with a JWT, and a role unless the mount's default is meant.
    Jwt { mount: Vec<String>, role: Option<String>, jwt: Jwt },
    /// `POST auth/<mount>/login` under a client certificate, which the connection keeps.
    Certificate { mount: Vec<String>, role: Option<String>, certificate: SecretKeySelector, key: SecretKeySelector },
    /// `POST auth/<mount>/login` with a role and a JWT of an identity of Google.
    Gcp(Box<Gcp>),
    /// `POST auth/<mount>/login` with the proof of an identity of AWS.
    Iam(Box<Iam>),
}

/// Where AppRole's role id comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum RoleId {
    Text(String),
    Secret(SecretKeySelector),
}

/// Where a JWT comes from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Jwt {
    /// The token of a service account, for these audiences, which is to live so long; it is used at once.
    Requested {
        account: ServiceAccountSelector,
        audiences: Vec<String>,
        lifetime: Duration,
    },
    Secret(SecretKeySelector),
    Own,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, OPEN, text)
}

impl Login {
    /// The first method that is set, in the reference's order.
    pub(super) fn of(auth: &VaultAuth, product: Product) -> Result<Self, Error> {
        let VaultAuth { namespace: _, token_secret_ref, app_role, kubernetes, ldap, user_pass, jwt, cert, iam, gcp } =
            auth;
        if let Some(token) = token_secret_ref {
            return Ok(Self::Token(token.clone()));
        }
        if let Some(app_role) = app_role {
            return of_app_role(app_role, product);
        }
        if let Some(kubernetes) = kubernetes {
            return of_kubernetes(kubernetes, product);
        }
        if let Some(VaultLdapAuth { path, username, secret_ref }) = ldap {
            return of_password("ldap", path, username, secret_ref, product);
        }
        if let Some(VaultUserPassAuth { path, username, secret_ref }) = user_pass {
            return of_password("userPass", path, username, secret_ref, product);
        }
        if let Some(jwt) = jwt {
            return of_jwt(jwt, product);
        }
        if let Some(cert) = cert {
            return of_certificate(cert, product);
        }
        if let Some(iam) = iam {
            return Iam::of(iam).map(|iam| Self::Iam(Box::new(iam)));
        }
        if let Some(gcp) = gcp {
            return Gcp::of(gcp).map(|gcp| Self::Gcp(Box::new(gcp)));
        }
        Err(invalid(format!(
            "cannot initialize {} client: no valid auth method specified; set one below {}",
            product.name(),
            product.field("auth")
        )))
    }

    /// The client certificate that is logged in with, and its key.
    pub(super) fn certificate(&self) -> Option<(&SecretKeySelector, &SecretKeySelector)> {
        match self {
            Self::Certificate { mount: _, role: _, certificate, key } => Some((certificate, key)),
            Self::Environment(_)
            | Self::Token(_)
            | Self::AppRole { .. }
            | Self::Kubernetes { .. }
            | Self::Password { .. }
            | Self::Jwt { .. }
            | Self::Gcp(_)
            | Self::Iam(_) => None,
        }
    }

    /// The Secrets and service accounts that it refers to, but for [`Login::certificate`].
    pub(super) fn selectors(&self) -> (Vec<&SecretKeySelector>, Vec<&ServiceAccountSelector>) {
        match self {
            Self::Environment(_) | Self::Certificate { mount: _, role: _, certificate: _, key: _ } => (vec![], vec![]),
            Self::Token(secret)
            | Self::AppRole { mount: _, role: RoleId::Text(_), secret }
            | Self::Password { method: _, mount: _, user: _, password: secret } => (vec![secret], vec![]),
            Self::AppRole { mount: _, role: RoleId::Secret(role), secret } => (vec![secret, role], vec![]),
            Self::Kubernetes { mount: _, role: _, jwt } | Self::Jwt { mount: _, role: _, jwt } => match jwt {
                Jwt::Requested { account, audiences: _, lifetime: _ } => (vec![], vec![account]),
                Jwt::Secret(token) => (vec![token], vec![]),
                Jwt::Own => (vec![], vec![]),
            },
            Self::Gcp(gcp) => gcp.selectors(),
            Self::Iam(iam) => iam.selectors(),
        }
    }
}

fn of_app_role(spec: &VaultAppRole, product: Product) -> Result<Login, Error> {
    let VaultAppRole { path, role_id, role_ref, secret_ref } = spec;
    let role = match (role_ref, role_id.as_deref().map(str::trim).filter(|id| !id.is_empty())) {
        (Some(reference), _) => RoleId::Secret(reference.clone()),
        (None, Some(id)) => RoleId::Text(id.to_owned()),
        (None, None) => {
            let field = product.field("auth.appRole");
            return Err(invalid(format!("{field}: one of roleId and roleRef must be set")));
        }
    };
    let mount = mount_segments(path, &product.field("auth.appRole.path"))?;
    Ok(Login::AppRole { mount, role, secret: secret_ref.clone() })
}

fn of_kubernetes(spec: &VaultKubernetesAuth, product: Product) -> Result<Login, Error> {
    let VaultKubernetesAuth { mount_path, role, service_account_ref, secret_ref } = spec;
    let jwt = match (service_account_ref, secret_ref) {
        (Some(account), _) => {
            Jwt::Requested { account: account.clone(), audiences: Vec::new(), lifetime: JWT_LIFETIME }
        }
        (None, Some(token)) => Jwt::Secret(token.clone()),
        (None, None) => Jwt::Own,
    };
    let mount = mount_segments(mount_path, &product.field("auth.kubernetes.mountPath"))?;
    Ok(Login::Kubernetes { mount, role: role.clone(), jwt })
}

fn of_password(
    method: &'static str,
    path: &str,
    username: &str,
    password: &SecretKeySelector,
    product: Product,
) -> Result<Login, Error> {
    let field = product.field(&format!("auth.{method}"));
    let user = username.trim();
    if user.is_empty() || matches!(user, "." | "..") || user.contains('/') {
        return Err(invalid(format!("{field}.username: must be the name of a user")));
    }
    if password.is_empty() {
        return Err(invalid(format!("{field}.secretRef: must name the Secret with the password")));
    }
    let mount = mount_segments(path, &format!("{field}.path"))?;
    Ok(Login::Password { method, mount, user: user.to_owned(), password: password.clone() })
}

fn of_jwt(spec: &VaultJwtAuth, product: Product) -> Result<Login, Error> {
    let field = product.field("auth.jwt");
    let VaultJwtAuth { path, role, secret_ref, kubernetes_service_account_token } = spec;
    let jwt = match (secret_ref, kubernetes_service_account_token) {
        (Some(token), _) => Jwt::Secret(token.clone()),
        (None, Some(VaultServiceAccountToken { service_account_ref, audiences, expiration_seconds })) => {
            let seconds = expiration_seconds.map(u64::try_from).transpose().map_err(|_| {
                invalid(format!("{field}.kubernetesServiceAccountToken.expirationSeconds: is negative"))
            })?;
            Jwt::Requested {
                account: service_account_ref.clone(),
                audiences: audiences.clone().unwrap_or_else(|| vec![JWT_AUDIENCE.to_owned()]),
                lifetime: seconds.map_or(JWT_LIFETIME, Duration::from_secs),
            }
        }
        (None, None) => {
            return Err(invalid(format!("{field}: one of secretRef and kubernetesServiceAccountToken must be set")));
        }
    };
    let mount = mount_segments(path, &format!("{field}.path"))?;
    Ok(Login::Jwt { mount, role: role.clone().filter(|role| !role.is_empty()), jwt })
}

fn of_certificate(spec: &VaultCertAuth, product: Product) -> Result<Login, Error> {
    let field = product.field("auth.cert");
    let VaultCertAuth { path, vault_role, client_cert, secret_ref } = spec;
    for (name, selector) in [("clientCert", client_cert), ("secretRef", secret_ref)] {
        if selector.is_empty() {
            return Err(invalid(format!("{field}.{name}: must name a Secret")));
        }
    }
    let mount = mount_segments(path, &format!("{field}.path"))?;
    let role = vault_role.clone().filter(|role| !role.is_empty());
    Ok(Login::Certificate { mount, role, certificate: client_cert.clone(), key: secret_ref.clone() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn login(auth: Value) -> Result<Login, Error> {
        Login::of(&serde_json::from_value(auth).unwrap(), Product::Vault)
    }

    fn selector(name: &str) -> SecretKeySelector {
        serde_json::from_value(json!({"name": name, "key": "k"})).unwrap()
    }

    fn segments(path: &[&str]) -> Vec<String> {
        path.iter().map(|&segment| segment.to_owned()).collect()
    }

    #[test]
    fn bad_settings_name_the_field() {
        let secret = json!({"name": "s", "key": "k"});
        let cases = [
            (json!({}), ErrorKind::Invalid, "cannot initialize Vault client: no valid auth method specified"),
            (json!({"appRole": {"path": "approle", "secretRef": secret}}), ErrorKind::Invalid, "auth.appRole"),
            (json!({"ldap": {"path": "ldap", "username": "u"}}), ErrorKind::Invalid, "auth.ldap.secretRef"),
            (
                json!({"userPass": {"path": "userpass", "username": "a/b", "secretRef": secret}}),
                ErrorKind::Invalid,
                "auth.userPass.username",
            ),
            (json!({"jwt": {"path": "jwt"}}), ErrorKind::Invalid, "auth.jwt: one of secretRef"),
            (json!({"cert": {"clientCert": secret}}), ErrorKind::Invalid, "auth.cert.secretRef"),
            (json!({"gcp": {"role": ""}}), ErrorKind::Invalid, "auth.gcp.role"),
        ];
        for (auth, kind, text) in cases {
            let error = login(auth.clone()).unwrap_err();
            assert_eq!(error.kind(), kind, "{auth}: {error}");
            assert!(error.to_string().contains(text), "{auth}: {error}");
        }
    }

    #[test]
    fn the_first_method_that_is_set_counts() {
        let secret = json!({"name": "s", "key": "k"});
        let app_role = json!({"path": "team/approle", "roleId": " id\n", "secretRef": secret});
        let kubernetes = json!({"mountPath": "k", "role": "r"});
        let account = json!({"serviceAccountRef": {"name": "a"}});
        let requested = |audience: &str, seconds| Jwt::Requested {
            account: serde_json::from_value(json!({"name": "a"})).unwrap(),
            audiences: vec![audience.to_owned()],
            lifetime: Duration::from_secs(seconds),
        };
        let password = |method, mount: &str| Login::Password {
            method,
            mount: segments(&[mount]),
            user: "u".to_owned(),
            password: selector("s"),
        };
        let jwt =
            |role: Option<&str>, jwt| Login::Jwt { mount: segments(&["jwt"]), role: role.map(str::to_owned), jwt };
        let cases = [
            (json!({"tokenSecretRef": secret, "appRole": app_role}), Login::Token(selector("s"))),
            (
                json!({"appRole": app_role, "kubernetes": kubernetes}),
                Login::AppRole {
                    mount: segments(&["team", "approle"]),
                    role: RoleId::Text("id".to_owned()),
                    secret: selector("s"),
                },
            ),
            (
                json!({"kubernetes": kubernetes}),
                Login::Kubernetes { mount: segments(&["k"]), role: "r".to_owned(), jwt: Jwt::Own },
            ),
            (
                json!({"kubernetes": {"mountPath": "k", "role": "r", "secretRef": secret}}),
                Login::Kubernetes { mount: segments(&["k"]), role: "r".to_owned(), jwt: Jwt::Secret(selector("s")) },
            ),
            (
                json!({"ldap": {"path": "ldap", "username": "u", "secretRef": secret}, "jwt": {"path": "jwt"}}),
                password("ldap", "ldap"),
            ),
            (json!({"userPass": {"path": "up", "username": " u", "secretRef": secret}}), password("userPass", "up")),
            (
                json!({"jwt": {"path": "jwt", "role": "r", "secretRef": secret}}),
                jwt(Some("r"), Jwt::Secret(selector("s"))),
            ),
            (
                json!({"jwt": {"path": "jwt", "role": "", "kubernetesServiceAccountToken": account}}),
                jwt(None, requested("vault", 600)),
            ),
            (
                json!({"jwt": {"path": "jwt", "kubernetesServiceAccountToken": {
                    "serviceAccountRef": {"name": "a"}, "audiences": ["bao"], "expirationSeconds": 900}}}),
                jwt(None, requested("bao", 900)),
            ),
            (
                json!({"cert": {"vaultRole": "web", "clientCert": secret, "secretRef": {"name": "t", "key": "k"}}}),
                Login::Certificate {
                    mount: segments(&["cert"]),
                    role: Some("web".to_owned()),
                    certificate: selector("s"),
                    key: selector("t"),
                },
            ),
        ];
        for (auth, want) in cases {
            assert_eq!(login(auth.clone()).unwrap(), want, "{auth}");
        }
    }
}
