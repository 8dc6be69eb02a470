//! AWS: versions, binary values, prefix, roles, web identity, retries.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::RetrySettings;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use provider::{Capabilities, ErrorKind, Provider, Validation};
use providers::AwsWebIdentity;
use serde_json::{Value, json};

use crate::support::{Lookup, Made, Opening, Reply, Seen, Stub, found, reference, value};

/// An STS whose credentials are named after the role, in the order in which roles were assumed.
pub(super) fn sts(seen: &Seen) -> Reply {
    let field = |name: &str| {
        let all = seen.body.split('&').filter_map(|pair| pair.split_once('='));
        all.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
    };
    let action = field("Action");
    if field("RoleArn") == "denied" {
        let body = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>canary</Message></Error>\
                    <RequestId>1-2-3</RequestId></ErrorResponse>";
        return Reply::text(403, body);
    }
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>KEY-{}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>\
         <Expiration>2999-01-01T00:00:00Z</Expiration></Credentials></{action}Result></{action}Response>",
        field("RoleArn")
    );
    Reply::text(200, body)
}

fn echo(seen: &Seen) -> Reply {
    match seen.header("x-amz-target") {
        None => sts(seen),
        Some(_) => Reply::json(200, json!({"Name": "x", "SecretString": seen.body})),
    }
}

fn opening(url: &str, patch: Value) -> Opening {
    let mut aws = json!({"service": "SecretsManager", "region": "eu-west-1", "auth": {"secretRef": {
        "accessKeyIDSecretRef": {"name": "creds", "key": "id"},
        "secretAccessKeySecretRef": {"name": "creds", "key": "key"},
        "sessionTokenSecretRef": {"name": "creds", "key": "session"},
    }}});
    aws.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let secrets = [("creds/id", "AKID\n"), ("creds/key", "SECRET\n"), ("creds/session", "SESSION\n")];
    let mut opening = Opening::of(json!({"aws": aws}), Lookup::of(&secrets)).once();
    opening.environment.aws.secrets_manager_endpoint = Some(url.to_owned());
    opening.environment.aws.sts_endpoint = Some(url.to_owned());
    opening
}

fn signer(seen: &Seen) -> String {
    let authorization = seen.header("authorization").unwrap_or_default();
    authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_read_names_prefix_version_and_session() {
    let stub = Stub::start(echo).await;
    let store = opening(&stub.url(), json!({"prefix": "team/"})).open().await.unwrap();
    let cases = [
        (None, json!({"SecretId": "team/app", "VersionStage": "AWSCURRENT"})),
        (Some("AWSPREVIOUS"), json!({"SecretId": "team/app", "VersionStage": "AWSPREVIOUS"})),
        (Some("uuid/1-2"), json!({"SecretId": "team/app", "VersionId": "1-2"})),
    ];
    for (version, want) in cases {
        let sent = value(store.as_ref(), &reference("app", version, None)).await.unwrap();
        assert_eq!(serde_json::from_str::<Value>(&sent).unwrap(), want, "{version:?}");
    }
    let seen = stub.seen().remove(0);
    assert_eq!(seen.line(), "POST /");
    assert_eq!(seen.header("x-amz-target"), Some("secretsmanager.GetSecretValue"));
    assert_eq!((signer(&seen).as_str(), seen.header("x-amz-security-token")), ("AKID", Some("SESSION")));
}

#[tokio::test]
async fn binary_values_are_bytes_and_a_secret_without_value_is_malformed() {
    let stub = Stub::start(|seen| match seen.json()["SecretId"].as_str() {
        Some("binary") => Reply::json(200, json!({"Name": "x", "SecretBinary": "/wD+"})),
        _ => Reply::json(200, json!({"Name": "x"})),
    })
    .await;
    let store = opening(&stub.url(), json!({})).open().await.unwrap();
    let binary = store.read(&reference("binary", None, None).read).await.unwrap();
    assert_eq!(binary.0.expose(), [0xff, 0x00, 0xfe]);
    let error = store.read(&reference("none", None, None).read).await.unwrap_err();
    let text = "invalid secret received. no secret string nor binary for key: none";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::Malformed, text));
}

#[tokio::test]
async fn roles_are_assumed_one_with_the_other_and_once() {
    let stub = Stub::start(echo).await;
    let patch = json!({"additionalRoles": ["first"], "role": "last", "externalID": "ext", "transitiveTagKeys": ["k"],
        "sessionTags": [{"key": "k", "value": "v"}]});
    let store = opening(&stub.url(), patch).open().await.unwrap();
    for _ in 0..3 {
        store.read(&reference("app", None, None).read).await.unwrap();
    }
    let seen = stub.seen();
    assert_eq!(seen.iter().map(signer).collect::<Vec<_>>(), ["AKID", "KEY-first", "KEY-last", "KEY-last", "KEY-last"]);
    assert!(seen[0].body.contains("RoleArn=first") && !seen[0].body.contains("ExternalId"), "{}", seen[0].body);
    for part in [
        "RoleArn=last",
        "ExternalId=ext",
        "Tags.member.1.Key=k",
        "Tags.member.1.Value=v",
        "TransitiveTagKeys.member.1=k",
    ] {
        assert!(seen[1].body.contains(part), "{part} in {}", seen[1].body);
    }
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_reported_by_its_code() {
    let stub = Stub::start(echo).await;
    let store = opening(&stub.url(), json!({"role": "denied"})).open().await.unwrap();
    let error = store.read(&reference("app", None, None).read).await.unwrap_err();
    let failed = match store.validate().await {
        Validation::Failed(error) => error,
        other => panic!("{other:?}"),
    };
    for error in [error, failed] {
        assert_eq!(error.kind(), ErrorKind::AccessDenied);
        let text = "operation error STS: AssumeRole, https response error StatusCode: 403, api error AccessDenied";
        assert!(error.to_string().starts_with(text), "{error}");
        assert!(!error.to_string().contains("canary") && !error.to_string().contains("1-2-3"), "{error}");
    }
}

#[tokio::test]
async fn a_web_identity_is_exchanged_at_the_sts_of_the_environment() {
    let stub = Stub::start(echo).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "web-token").unwrap();
    let mut opening = opening(&stub.url(), json!({"auth": {}}));
    opening.environment.aws.web_identity =
        Some(AwsWebIdentity { token_file: file.path().to_owned(), role_arn: "pod".to_owned(), session_name: None });
    let store = opening.open().await.unwrap();
    store.read(&reference("app", None, None).read).await.unwrap();
    let seen = stub.seen();
    assert!(seen[0].body.contains("Action=AssumeRoleWithWebIdentity"), "{}", seen[0].body);
    assert!(
        seen[0].body.contains("WebIdentityToken=web-token&") || seen[0].body.ends_with("WebIdentityToken=web-token")
    );
    assert_eq!(signer(&seen[1]), "KEY-pod");

    drop(file);
    let error = opening.open().await.unwrap().read(&reference("app", None, None).read).await.unwrap_err();
    assert!(error.to_string().contains("AWS_WEB_IDENTITY_TOKEN_FILE"), "{error}");
}

/// A store with the role of the service account `app`, which has these annotations.
fn of_account(url: &str, annotations: &[(&str, &str)], patch: Value) -> Opening {
    let account = json!({"name": "app", "namespace": "web", "audiences": ["more"]});
    let mut opening = opening(url, json!({"auth": {"jwt": {"serviceAccountRef": account}}}));
    opening.spec["aws"].as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
    let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    opening.lookup = Arc::new(Lookup { annotations, ..Lookup::default() });
    opening
}

const ROLE: (&str, &str) = ("eks.amazonaws.com/role-arn", "app-role");

fn fields(seen: &Seen) -> Vec<&str> {
    let mut fields: Vec<&str> = seen.body.split('&').filter(|field| !field.starts_with("Version=")).collect();
    fields.sort_unstable();
    fields
}

#[tokio::test]
async fn a_service_accounts_token_is_exchanged_once_for_its_role() {
    let cases = [
        (vec![ROLE], "jwt-app-sts.amazonaws.com%2Bmore-1"),
        (vec![ROLE, ("eks.amazonaws.com/audience", "")], "jwt-app-sts.amazonaws.com%2Bmore-1"),
        (vec![ROLE, ("eks.amazonaws.com/audience", "own")], "jwt-app-own%2Bmore-1"),
    ];
    for (annotations, token) in cases {
        let stub = Stub::start(echo).await;
        let opening = of_account(&stub.url(), &annotations, json!({"role": "last"}));
        let store = opening.open().await.unwrap();
        assert_eq!(stub.lines().len(), 0);
        for _ in 0..3 {
            assert!(matches!(store.validate().await, Validation::Ready));
            store.read(&reference("app", None, None).read).await.unwrap();
        }
        let seen = stub.seen();
        let want = [
            "Action=AssumeRoleWithWebIdentity".to_owned(),
            "RoleArn=app-role".to_owned(),
            "RoleSessionName=external-secrets-provider-aws".to_owned(),
            format!("WebIdentityToken={token}"),
        ];
        assert_eq!(fields(&seen[0]), want);
        assert_eq!(seen[0].header("authorization"), None);
        let signers: Vec<_> = seen[1..].iter().map(signer).collect();
        assert_eq!(signers, ["KEY-app-role", "KEY-last", "KEY-last", "KEY-last"]);
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_aws_refuses_are_replaced() {
    let expired = ("ExpiredTokenException", "canary");
    // What the calls of a role whose sessions were revoked get.
    let revoked = ("AccessDeniedException", "User: canary is not authorized, with an explicit deny in a policy");
    let denied = ("AccessDeniedException", "User: canary is not authorized, because no policy allows it");
    // Code and message, the age of the credentials, whether others are got.
    let cases = [
        (expired, 60, true),
        (expired, 10, false),
        (revoked, 60, true),
        (revoked, 10, false),
        (denied, 60, false),
        (denied, 310, true),
    ];
    for ((code, message), age, replaced) in cases {
        // How often the account's role, and the one after it, are assumed in the end.
        let more = usize::from(replaced);
        for (patch, exchanges) in [(json!({}), (1 + more, 0)), (json!({"role": "last"}), (1, 1 + more))] {
            let refused = Arc::new(AtomicBool::new(false));
            let seen_refused = Arc::clone(&refused);
            let stub = Stub::start(move |seen| match target(seen).as_str() {
                "GetSecretValue" if seen_refused.swap(false, Ordering::SeqCst) => {
                    Reply::json(400, json!({"__type": code, "message": message}))
                }
                _ => echo(seen),
            })
            .await;
            let store = of_account(&stub.url(), &[ROLE], patch.clone()).open().await.unwrap();
            let key = reference("app", None, None).read;
            store.read(&key).await.unwrap();
            tokio::time::advance(Duration::from_secs(age)).await;
            refused.store(true, Ordering::SeqCst);
            let error = store.read(&key).await.unwrap_err();
            assert!(error.to_string().contains(code) && !error.to_string().contains("canary"), "{error}");
            store.read(&key).await.unwrap();
            store.read(&key).await.unwrap();
            let assumed = |action: &str| {
                let action = format!("Action={action}");
                stub.seen().iter().filter(|seen| fields(seen).contains(&action.as_str())).count()
            };
            let got = (assumed("AssumeRoleWithWebIdentity"), assumed("AssumeRole"));
            assert_eq!(got, exchanges, "{patch} {code} {message} after {age} s");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_sts_that_never_answers_is_named() {
    let stub = Stub::start(|seen| match seen.header("x-amz-target") {
        None => Reply::Hang,
        Some(_) => echo(seen),
    })
    .await;
    let mut opening = of_account(&stub.url(), &[ROLE], json!({}));
    opening.retry = None;
    let error = opening.open().await.unwrap().read(&reference("app", None, None).read).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert!(error.to_string().contains("check AWS_STS_ENDPOINT"), "{error}");
}

#[tokio::test]
async fn a_service_account_without_a_role_is_named() {
    let stub = Stub::start(echo).await;
    for annotations in [vec![], vec![(ROLE.0, "")]] {
        let error = of_account(&stub.url(), &annotations, json!({})).open().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        // The table's Lookup is a SecretStore's: the reference's namespace doesn't count.
        let text =
            "unable to create session: an IAM role must be associated with service account app (namespace: shop)";
        assert!(error.to_string().starts_with(text), "{error}");
    }
    let mut opening = of_account(&stub.url(), &[], json!({}));
    opening.lookup = Arc::new(Lookup { cluster: true, ..Lookup::default() });
    let error = opening.open().await.err().unwrap();
    assert!(error.to_string().contains("service account app (namespace: web)"), "{error}");
    assert_eq!(stub.lines().len(), 0);
}

#[tokio::test]
async fn a_token_that_sts_refuses_is_explained_and_not_shown() {
    for (status, code, kind) in [
        (403, "AccessDenied", ErrorKind::AccessDenied),
        (400, "InvalidIdentityToken", ErrorKind::Unauthenticated),
        (400, "ExpiredTokenException", ErrorKind::Unauthenticated),
    ] {
        let stub = Stub::start(move |_| {
            let body =
                format!("<ErrorResponse><Error><Code>{code}</Code><Message>canary</Message></Error></ErrorResponse>");
            Reply::text(status, body)
        })
        .await;
        let store = of_account(&stub.url(), &[ROLE], json!({})).open().await.unwrap();
        let error = store.read(&reference("app", None, None).read).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(code) && error.to_string().contains("trust policy"), "{error}");
        assert!(!error.to_string().contains("canary") && !error.to_string().contains("jwt-"), "{error}");
    }
}

fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = u8::try_from(content.len()).unwrap();
    let length = if length < 128 { vec![length] } else { vec![0x81, length] };
    [vec![tag], length, content].concat()
}

/// A key as ACM exports it: PKCS#8 under PBES2, with PBKDF2 by HMAC-SHA-256, and AES-256-CBC.
fn encrypted(key: &[u8], passphrase: &[u8]) -> String {
    use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
    let (salt, iv) = ([7; 8], [9; 16]);
    let mut derived = [0; 32];
    let rounds = 2048.try_into().unwrap();
    aws_lc_rs::pbkdf2::derive(aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt, passphrase, &mut derived);
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &derived).unwrap()).unwrap();
    let mut data = key.to_vec();
    cipher.less_safe_encrypt(&mut data, EncryptionContext::Iv128(iv.into())).unwrap();
    let null = [5, 0];
    let sha256 = der(0x30, &[&[6, 8, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 2, 9], &null]);
    let kdf = der(0x30, &[&der(4, &[&salt]), &[2, 2, 8, 0], &sha256]);
    let kdf = der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0c], &kdf]);
    let scheme = der(0x30, &[&[6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 1, 0x2a], &der(4, &[&iv])]);
    let algorithm = der(0x30, &[&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 5, 0x0d], &der(0x30, &[&kdf, &scheme])]);
    let text = STANDARD.encode(der(0x30, &[&algorithm, &der(4, &[&data])]));
    format!("-----BEGIN ENCRYPTED PRIVATE KEY-----\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n")
}

/// Certificate Manager with the certificate `arn:app`, `arn:locked` that can't be exported, and no other.
fn certificates(seen: &Seen, renewals: &AtomicUsize) -> Reply {
    let (body, number) = (seen.json(), renewals.load(Ordering::SeqCst));
    let leaf = format!("-----BEGIN CERTIFICATE-----\nleaf{number}\n-----END CERTIFICATE-----\r\n");
    let chain = "-----BEGIN CERTIFICATE-----\nchain\n-----END CERTIFICATE-----";
    match (target(seen).as_str(), body["CertificateArn"].as_str().unwrap()) {
        (_, "arn:none") => Reply::json(400, json!({"__type": "ResourceNotFoundException", "message": "canary"})),
        ("GetCertificate", _) => Reply::json(200, json!({"Certificate": leaf, "CertificateChain": chain})),
        ("DescribeCertificate", arn) => {
            let export = if arn == "arn:locked" { "DISABLED" } else { "ENABLED" };
            Reply::json(200, json!({"Certificate": {"CertificateArn": arn, "Options": {"Export": export}}}))
        }
        ("ExportCertificate", arn) => {
            let passphrase = STANDARD.decode(body["Passphrase"].as_str().unwrap()).unwrap();
            assert!(passphrase.len() == 32 && passphrase.iter().all(u8::is_ascii_graphic), "{passphrase:?}");
            let passphrase = if arn == "arn:other" { b"another".to_vec() } else { passphrase };
            let key = encrypted(&der(0x30, &[b"the key"]), &passphrase);
            if arn == "arn:bare" {
                return Reply::json(200, json!({"CertificateChain": chain, "PrivateKey": key}));
            }
            Reply::json(200, json!({"Certificate": leaf, "CertificateChain": chain, "PrivateKey": key}))
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_certificate_is_exported_with_its_key_once_until_it_is_renewed() {
    let renewals = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&renewals);
    let stub = Stub::start(move |seen| certificates(seen, &count)).await;
    let mut opening = opening(&stub.url(), json!({"service": "CertificateManager", "prefix": "no/"}));
    opening.environment.aws.acm_endpoint = Some(stub.url());
    let store = opening.open().await.unwrap();
    assert!(store.writer().is_none());
    let want = |number: usize| {
        let key = STANDARD.encode(der(0x30, &[b"the key"]));
        format!(
            "-----BEGIN CERTIFICATE-----\nleaf{number}\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nchain\n\
             -----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n"
        )
    };
    for number in [0, 0, 1] {
        renewals.store(number, Ordering::SeqCst);
        let reference = reference("arn:app", Some("ignored"), Some("ignored"));
        assert_eq!(value(store.as_ref(), &reference).await.unwrap(), want(number));
    }
    let whole = ["GetCertificate", "DescribeCertificate", "ExportCertificate"];
    let called: Vec<_> = stub.seen().iter().map(target).collect();
    assert_eq!(called, [&whole[..], &["GetCertificate"], &whole].concat());

    let cases = [
        ("", ErrorKind::Invalid, "certificate ARN must be specified in remoteRef.key"),
        ("arn:none", ErrorKind::Invalid, "failed to get certificate arn:none: "),
        ("arn:locked", ErrorKind::Invalid, "certificate arn:locked is not exportable (Options.Export is not ENABLED)"),
        ("arn:other", ErrorKind::Malformed, "failed to decrypt exported private key: "),
        ("arn:bare", ErrorKind::Malformed, "failed to export certificate arn:bare: "),
    ];
    for (arn, kind, text) in cases {
        let error = store.read(&reference(arn, None, None).read).await.unwrap_err();
        assert!(error.kind() == kind && error.to_string().starts_with(text), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
    }
    let error = found(store.as_ref(), json!({"name": {"regexp": "a"}})).await.unwrap_err();
    assert!(error.to_string().starts_with("operation not supported by AWS Certificate Manager provider"), "{error}");
}

fn certificate_manager(url: &str) -> Opening {
    let mut opening = opening(url, json!({"service": "CertificateManager"}));
    opening.environment.aws.acm_endpoint = Some(url.to_owned());
    opening
}

#[tokio::test]
async fn no_certificate_is_exported_more_often_than_it_must_be() {
    let stub = Stub::start(|seen| certificates(seen, &AtomicUsize::new(0))).await;
    let store = certificate_manager(&stub.url()).open().await.unwrap();
    let read = async |arn: &str| store.read(&reference(arn, None, None).read).await;
    let exports = || stub.seen().iter().filter(|seen| target(seen) == "ExportCertificate").count();

    let together = futures::future::join_all((0..5).map(|_| read("arn:0"))).await;
    assert!(together.iter().all(Result::is_ok), "{together:?}");
    assert_eq!(exports(), 1);

    let failures = [read("arn:other").await, read("arn:other").await].map(|failed| failed.unwrap_err().to_string());
    assert!(failures[0].starts_with("failed to decrypt exported private key: "), "{failures:?}");
    assert_eq!((&failures[0], exports()), (&failures[1], 2));

    // With the two from above one more than are kept.
    for number in 1..128 {
        read(&format!("arn:{number}")).await.unwrap();
    }
    assert_eq!(exports(), 129);
    for (arn, more) in [("arn:1", 0), ("arn:127", 0), ("arn:0", 1)] {
        let before = exports();
        read(arn).await.unwrap();
        assert_eq!(exports() - before, more, "{arn}");
    }
}

#[tokio::test]
async fn certificates_cannot_be_pushed_whoever_asks() {
    let mut opening = certificate_manager("http://127.0.0.1:1");
    for no_consumer in [false, true] {
        let secrets = [("creds/id", "AKID"), ("creds/key", "SECRET"), ("creds/session", "SESSION")];
        let secrets = secrets.map(|(name, value)| (name, value.to_owned())).into();
        opening.lookup = Arc::new(Lookup { secrets, cluster: true, no_consumer, ..Lookup::default() });
        assert_eq!(opening.open().await.unwrap().capabilities(), Capabilities::ReadOnly);
    }
}

#[tokio::test(start_paused = true)]
async fn answers_that_pass_are_tried_again_as_the_store_says() {
    let settings =
        |max_retries, interval: &str| RetrySettings { max_retries, retry_interval: Some(interval.to_owned()) };
    // Tries, and the longest pauses together: the SDK draws each by chance, by itself up to a second and then up to two.
    let cases = [
        (None, 500, "InternalServiceError", 3, 3000),
        (None, 400, "ThrottlingException", 3, 3000),
        (None, 400, "AccessDeniedException", 1, 0),
        (Some(settings(Some(1), "1s")), 500, "InternalServiceError", 1, 0),
        (Some(settings(Some(5), "100ms")), 500, "InternalServiceError", 5, 400),
        (Some(settings(None, "10s")), 500, "InternalServiceError", 3, 20_000),
        (Some(settings(None, "0s")), 500, "InternalServiceError", 3, 3000),
    ];
    for (retry, status, code, tries, longest) in cases {
        let stub = Stub::start(move |_| Reply::json(status, json!({"__type": code}))).await;
        let mut opening = opening(&stub.url(), json!({}));
        opening.retry = retry;
        let store = opening.open().await.unwrap();
        let begun = tokio::time::Instant::now();
        store.read(&reference("k", None, None).read).await.unwrap_err();
        let paused = begun.elapsed();
        assert_eq!(stub.lines().len(), tries, "{code}");
        // Timers are a millisecond coarse.
        assert!(paused <= Duration::from_millis(longest + 5 * tries as u64), "{code}: {paused:?} for {longest} ms");
        assert_eq!(paused > Duration::ZERO, tries > 1, "{code}: {paused:?}");
    }
}

/// Reads many keys in one call, as texts; and the calls that it took.
async fn many(store: &dyn Provider, keys: &[&str]) -> (Vec<Result<String, String>>, Vec<(&'static str, usize)>) {
    let (keys, made): (Vec<_>, _) = (keys.iter().map(|key| reference(key, None, None).read).collect(), Made::default());
    let answers = store.read_many(&keys, &made).await.into_iter().map(|answer| match answer {
        Ok(payload) => Ok(payload.0.expose_str().unwrap().to_owned()),
        Err(error) => Err(error.to_string()),
    });
    (answers.collect(), made.0.into_inner().unwrap().into_iter().collect())
}

fn target(seen: &Seen) -> String {
    seen.header("x-amz-target").and_then(|target| target.split('.').nth(1)).unwrap_or_default().to_owned()
}

/// Secrets Manager with `a`, `b`, the ARN `arn:c`, and `locked`, which can be read by itself only.
fn secrets_manager(seen: &Seen) -> Reply {
    let (body, target) = (seen.json(), target(seen));
    if target == "GetSecretValue" {
        return match body["SecretId"].as_str() {
            Some("team/locked") => Reply::json(200, json!({"Name": "team/locked", "SecretString": "l"})),
            Some("team/stale") => Reply::json(200, json!({"Name": "team/stale", "SecretString": "newest"})),
            _ => Reply::json(400, json!({"__type": "ResourceNotFoundException"})),
        };
    }
    let entry = |name: &str, value: &str| json!({"ARN": format!("arn:{name}"), "Name": name, "SecretString": value});
    match body["NextToken"].as_str() {
        None => {
            let ids = json!(["team/a", "team/arn:c", "team/b", "team/locked", "team/none", "team/stale"]);
            assert_eq!(body["SecretIdList"], ids);
            let stale = json!({"Name": "team/stale", "SecretString": "old", "VersionStages": ["AWSPREVIOUS"]});
            Reply::json(
                200,
                json!({"SecretValues": [entry("team/a", "1"), stale], "NextToken": "more",
                    "Errors": [{"SecretId": "team/locked", "ErrorCode": "DecryptionFailure"}]}),
            )
        }
        Some(_) => {
            let c = json!({"ARN": "team/arn:c", "Name": "c", "SecretBinary": "Mw=="});
            Reply::json(200, json!({"SecretValues": [entry("team/b", "2"), c], "NextToken": ""}))
        }
    }
}

#[tokio::test]
async fn many_secrets_are_read_in_one_call_and_the_rest_by_themselves() {
    let stub = Stub::start(secrets_manager).await;
    let store = opening(&stub.url(), json!({"prefix": "team/"})).open().await.unwrap();
    let (answers, calls) = many(store.as_ref(), &["b", "a", "none", "arn:c", "locked", "a", "stale"]).await;
    let ok = |text: &str| Ok(text.to_owned());
    let missing = Err("Secret does not exist".to_owned());
    assert_eq!(answers, [ok("2"), ok("1"), missing, ok("3"), ok("l"), ok("1"), ok("newest")]);
    assert_eq!(calls, [("BatchGetSecretValue", 2), ("GetSecretValue", 3)]);
}

/// Parameter Store with `a` and `arn:b`; `none` isn't there.
fn parameters(seen: &Seen) -> Reply {
    let body = seen.json();
    match target(seen).as_str() {
        "GetParameters" => {
            assert_eq!((&body["Names"], &body["WithDecryption"]), (&json!(["/a", "/arn:b", "/none"]), &json!(true)));
            let parameters = json!([{"Name": "/a", "Value": "1"}, {"Name": "b", "ARN": "/arn:b", "Value": "2"}]);
            Reply::json(200, json!({"Parameters": parameters, "InvalidParameters": ["/none"]}))
        }
        _ => Reply::json(400, json!({"__type": "ParameterNotFound"})),
    }
}

fn parameter_store(url: &str) -> Opening {
    let mut opening = opening(url, json!({"service": "ParameterStore", "prefix": "/"}));
    opening.environment.aws.ssm_endpoint = Some(url.to_owned());
    opening
}

#[tokio::test]
async fn many_parameters_are_read_in_one_call_and_the_rest_by_themselves() {
    let stub = Stub::start(parameters).await;
    let store = parameter_store(&stub.url()).open().await.unwrap();
    let (answers, calls) = many(store.as_ref(), &["none", "a", "arn:b"]).await;
    assert_eq!(answers, [Err("Secret does not exist".to_owned()), Ok("1".to_owned()), Ok("2".to_owned())]);
    assert_eq!(calls, [("GetParameter", 1), ("GetParameters", 1)]);
}

#[tokio::test]
async fn only_plain_reads_go_together() {
    let url = "http://127.0.0.1:1";
    for (opening, size) in [(opening(url, json!({})), 20), (parameter_store(url), 10)] {
        let store = opening.open().await.unwrap();
        let mut metadata = reference("k", None, None).read;
        metadata.metadata = true;
        let sizes = [None, Some(""), Some("1")].map(|version| store.batch(&reference("k", version, None).read));
        assert_eq!((sizes, store.batch(&metadata)), ([size, size, 1], 1));
    }
}

#[tokio::test]
async fn a_call_for_many_that_is_refused_is_not_made_again_and_trouble_has_the_words_of_one() {
    // Code of the call for many; calls for many and for one that it makes of two keys; whether it is made again.
    let cases = [
        ("AccessDeniedException", 400, 1, 2, false),
        ("UnknownOperationException", 400, 1, 2, false),
        ("ValidationException", 400, 1, 2, true),
        ("ThrottlingException", 400, 1, 0, true),
        ("InternalServiceError", 500, 1, 0, true),
    ];
    for service in ["SecretsManager", "ParameterStore"] {
        for (code, status, together, apart, again) in cases {
            let stub = Stub::start(move |seen| match target(seen).as_str() {
                "BatchGetSecretValue" | "GetParameters" => Reply::json(status, json!({"__type": code})),
                _ if apart == 0 => Reply::json(status, json!({"__type": code})),
                "GetSecretValue" => Reply::json(200, json!({"Name": "x", "SecretString": "v"})),
                _ => Reply::json(200, json!({"Parameter": {"Name": "x", "Value": "v"}})),
            })
            .await;
            let opening = match service {
                "SecretsManager" => opening(&stub.url(), json!({})),
                _ => parameter_store(&stub.url()),
            };
            let store = opening.open().await.unwrap();
            let (answers, calls) = many(store.as_ref(), &["a", "b"]).await;
            let one = value(store.as_ref(), &reference("a", None, None)).await.map_err(|error| error.to_string());
            assert_eq!(answers, [one.clone(), one], "{service} {code}");
            let count = |of: fn(&str) -> bool| calls.iter().filter(|(call, _)| of(call)).map(|(_, n)| n).sum::<usize>();
            let is_many = |call: &str| call.starts_with("Batch") || call.ends_with('s');
            assert_eq!(
                (count(is_many), count(|call| !(call.starts_with("Batch") || call.ends_with('s')))),
                (together, apart)
            );
            assert_eq!(store.batch(&reference("a", None, None).read) > 1, again, "{service} {code}");
        }
    }
}

#[tokio::test]
async fn a_role_that_is_refused_says_nothing_about_calls_for_many() {
    for service in ["SecretsManager", "ParameterStore"] {
        let stub = Stub::start(sts).await;
        let mut opening = match service {
            "SecretsManager" => opening(&stub.url(), json!({})),
            _ => parameter_store(&stub.url()),
        };
        opening.spec["aws"]["role"] = json!("denied");
        let store = opening.open().await.unwrap();
        let (answers, calls) = many(store.as_ref(), &["a", "b"]).await;
        assert!(answers.iter().all(|answer| answer.as_ref().unwrap_err().contains("AssumeRole")), "{answers:?}");
        assert_eq!(calls.iter().map(|(_, number)| number).sum::<usize>(), 1, "{service}: {calls:?}");
        assert!(store.batch(&reference("a", None, None).read) > 1, "{service}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_retry_interval_is_the_pause_as_it_is_written() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let noted = times.clone();
    let stub = Stub::start(move |_| {
        noted.lock().unwrap().push(tokio::time::Instant::now());
        Reply::json(500, json!({"__type": "InternalServiceError"}))
    })
    .await;
    let mut opening = opening(&stub.url(), json!({}));
    opening.retry = Some(RetrySettings { max_retries: Some(4), retry_interval: Some("3s".to_owned()) });
    let store = opening.open().await.unwrap();
    // Four tries of ten seconds, and three pauses.
    assert_eq!(store.patience(), Some(Duration::from_secs(49)));
    store.read(&reference("k", None, None).read).await.unwrap_err();
    let times = times.lock().unwrap();
    let pauses: Vec<u64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs()).collect();
    assert_eq!(pauses, [3, 3, 3]);
}
