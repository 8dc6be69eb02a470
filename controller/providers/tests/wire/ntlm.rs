//! `auth.ntlm` of the provider `webhook`: who is let in, over which connection, and what is never sent.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use provider::{ErrorKind, Place, Push, Pushed, Source};
use secret::SecretBytes;
use serde_json::{Value, json};

use super::connection::{Authority, acceptor};
use crate::support::ntlm::{Manner, Ntlm};
use crate::support::{Lookup, Made, Opening, reference, value};

/// Connections of a store.
const LANES: usize = 4;

pub(super) const ADA: [&str; 3] = ["CORP", "ada", "Pä55-leaked"];

/// A server that lets `ada` in, and a store for this user and password.
pub(super) async fn both(manner: Manner, user: &str, password: &str, more: Value) -> (Ntlm, Opening) {
    let authority = Authority::new();
    let server = Ntlm::start(acceptor(&authority, "localhost", None), manner, ADA).await;
    let secret = |key: &str| json!({"name": "login", "key": key, "namespace": "shop"});
    let mut spec = json!({
        "url": format!("https://localhost:{}/secret", server.port),
        "caBundle": authority.pem(),
        "headers": {"Authorization": "Basic canary"},
        "result": {"jsonPath": "$.user"},
        "auth": {"ntlm": {"usernameSecret": secret("user"), "passwordSecret": secret("password")}},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let secrets = [("login/label", "webhook"), ("login/user", user), ("login/password", password)];
    (server, Opening::of(json!({"webhook": spec}), Lookup::of(&secrets)))
}

async fn read(opening: &Opening) -> Result<String, provider::Error> {
    value(opening.open().await.unwrap().as_ref(), &reference("k", None, None)).await
}

#[tokio::test]
async fn a_user_is_let_in_over_one_connection_and_stays_logged_in_there() {
    let negotiate = Manner { offers: &["Negotiate"], ..Manner::GOOD };
    let silent = Manner { tells_time: false, ..Manner::GOOD };
    let cases = [
        (Manner::GOOD, "CORP\\ada"),
        (Manner::GOOD, "ada@corp.example"),
        (Manner::GOOD, "ada"),
        (negotiate, "CORP\\ada"),
        (silent, "CORP\\ada"),
    ];
    for (manner, user) in cases {
        let (server, opening) = both(manner, user, ADA[2], json!({})).await;
        let store = opening.open().await.unwrap();
        for _ in 0..2 {
            let got = value(store.as_ref(), &reference("k", None, None)).await;
            assert_eq!(got.as_deref(), Ok("ada"), "{user} {manner:?}");
        }
        assert_eq!(server.handshakes(), [(0, 0), (0, 1), (0, 3), (0, 0)], "{user} {manner:?}");
        assert_eq!(server.connections(), 1, "{user} {manner:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn requests_at_once_take_turns_on_the_few_connections_that_are_logged_in() {
    let (server, opening) = both(Manner::GOOD, "CORP\\ada", ADA[2], json!({})).await;
    let store: Arc<dyn provider::Provider> = Arc::from(opening.open().await.unwrap());
    let reads: Vec<_> = (0..40)
        .map(|_| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { value(store.as_ref(), &reference("k", None, None)).await.unwrap() })
        })
        .collect();
    for read in reads {
        assert_eq!(read.await.unwrap(), "ada");
    }
    let handshakes = server.handshakes();
    // A connection may be opened while another one is about to be free, but then it is kept.
    assert!(server.connections() <= 2 * LANES && server.proofs() <= 2 * LANES, "{handshakes:?}");
    for connection in 0..server.connections() {
        // Nothing gets between a challenge and its proof.
        let messages: Vec<_> = handshakes.iter().filter(|step| step.0 == connection).map(|step| step.1).collect();
        for pair in messages.windows(2).filter(|pair| pair[1] == 3) {
            assert_eq!(pair[0], 1, "{handshakes:?}");
        }
    }
}

#[tokio::test]
async fn a_slow_server_is_asked_over_a_few_connections_at_once() {
    let slow = Manner { together: LANES, ..Manner::GOOD };
    let (server, opening) = both(slow, "CORP\\ada", ADA[2], json!({})).await;
    let store = opening.open().await.unwrap();
    let key = reference("k", None, None);
    let reads = join_all((0..3 * LANES).map(|_| value(store.as_ref(), &key)));
    let reads = tokio::time::timeout(Duration::from_secs(20), reads).await.expect("requests wait for each other");
    assert!(reads.iter().all(|read| read.as_deref() == Ok("ada")), "{reads:?}");
    assert_eq!((server.connections(), server.proofs()), (LANES, LANES), "{:?}", server.handshakes());
}

#[tokio::test]
async fn a_wrong_password_is_sent_once_a_minute_however_many_ask() {
    let (server, opening) = both(Manner::GOOD, "CORP\\ada", "wrong-canary", json!({})).await;
    let store = opening.open().await.unwrap();
    let key = reference("k", None, None);
    let ask = || async {
        let reads = join_all((0..20).map(|_| value(store.as_ref(), &key))).await;
        for read in reads {
            let error = read.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthenticated);
            assert!(error.to_string().contains("the server refuses the user or the password; check"), "{error}");
        }
    };
    ask().await;
    assert_eq!(server.proofs(), 1, "{:?}", server.handshakes());
    let so_far = server.steps().len();
    ask().await;
    assert_eq!(server.steps().len(), so_far, "not even a request without a login");
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(61)).await;
    tokio::time::resume();
    ask().await;
    assert_eq!(server.proofs(), 2, "{:?}", server.handshakes());
}

#[tokio::test]
async fn a_redirect_is_followed_on_the_same_server_and_carries_no_login_along() {
    let to = |redirects| Manner { redirects: Some(redirects), ..Manner::GOOD };
    let (server, opening) = both(to("/secret/"), "CORP\\ada", ADA[2], json!({})).await;
    assert_eq!(read(&opening).await.unwrap(), "ada");
    let steps: Vec<_> = server.steps().into_iter().map(|step| (step.path, step.message)).collect();
    let step = |path: &str, message| (path.to_owned(), message);
    assert_eq!(steps, [step("/secret", 0), step("/secret", 1), step("/secret", 3), step("/secret/", 0)]);

    for (location, requests) in [("https://elsewhere.example/secret", 3), ("/secret", 3 + 5)] {
        let (server, opening) = both(to(location), "CORP\\ada", ADA[2], json!({})).await;
        let error = read(&opening).await.unwrap_err();
        assert!(error.to_string().contains("redirect to another host, which is not followed"), "{error}");
        assert_eq!(server.steps().len(), requests, "{:?}", server.handshakes());
    }
}

#[tokio::test]
async fn a_refusal_is_told_and_not_tried_again() {
    for (user, password) in [("CORP\\ada", "wrong-canary"), ("OTHER\\ada", ADA[2]), ("eve", ADA[2])] {
        let (server, opening) = both(Manner::GOOD, user, password, json!({})).await;
        let error = read(&opening).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        let text = "the server refuses the user or the password; check spec.provider.webhook.auth.ntlm";
        assert!(error.to_string().ends_with(text), "{error}");
        assert!(!error.to_string().contains("canary"), "{error}");
        assert_eq!(server.handshakes(), [(0, 0), (0, 1), (0, 3)], "{user}");
    }
}

#[tokio::test]
async fn a_login_that_loses_its_connection_begins_anew_but_not_for_ever() {
    let (server, opening) = both(Manner { hang_ups: 1, ..Manner::GOOD }, "CORP\\ada", ADA[2], json!({})).await;
    assert_eq!(read(&opening).await.unwrap(), "ada");
    assert_eq!(server.handshakes().last(), Some(&(1, 3)));

    let (server, opening) = both(Manner { hang_ups: 9, ..Manner::GOOD }, "CORP\\ada", ADA[2], json!({})).await;
    let error = read(&opening).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("closes the connection during the login"), "{error}");
    assert_eq!(server.handshakes().iter().filter(|(_, message)| *message == 1).count(), 3);
}

#[tokio::test]
async fn a_server_that_does_not_speak_ntlm_gets_no_credentials() {
    for offers in [&["Basic realm=\"x\""][..], &["Bearer"], &[]] {
        let (server, opening) = both(Manner { offers, ..Manner::GOOD }, "CORP\\ada", ADA[2], json!({})).await;
        let error = read(&opening).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert!(error.to_string().contains("offers neither NTLM nor Negotiate"), "{error}");
        assert_eq!(server.handshakes(), [(0, 0)], "the templated header isn't sent either");
    }
}

#[tokio::test]
async fn a_push_goes_out_with_its_body_in_each_step() {
    let (server, opening) = both(Manner::GOOD, "CORP\\ada", ADA[2], json!({})).await;
    let data = [("k".to_owned(), SecretBytes::from("v"))].into();
    let source = Arc::new(Source { data, ..Source::default() });
    let place = Place { key: "k".to_owned(), property: None };
    let push = Push { source, secret_key: Some("k".to_owned()), place, metadata: None };
    let store = opening.open().await.unwrap();
    assert_eq!(store.writer().unwrap().push(&push, &Made::default()).await, Ok(Pushed::Written));
    let steps = server.steps();
    assert_eq!(steps.iter().map(|step| (step.connection, step.message)).collect::<Vec<_>>(), [(0, 0), (0, 1), (0, 3)]);
    assert!(steps.iter().all(|step| step.body == steps[0].body && !step.body.is_empty()), "{steps:?}");
}

#[tokio::test]
async fn credentials_that_cannot_be_used_are_named_when_the_store_is_opened() {
    let field = |name: &str, namespace: Option<&str>| {
        let mut user = json!({"name": "login", "key": name});
        if let Some(namespace) = namespace {
            user["namespace"] = json!(namespace);
        }
        let password = json!({"name": "login", "key": "password", "namespace": "shop"});
        json!({"auth": {"ntlm": {"usernameSecret": user, "passwordSecret": password}}})
    };
    let at = "spec.provider.webhook.auth.ntlm.usernameSecret: ";
    let cases = [
        (field("none", Some("shop")), "ada", "cannot find secret data for key: \"none\""),
        (field("user", Some("shop")), "", "the value is empty or no text"),
        (field("user", None), "ada", "no namespace on ClusterScoped webhook secret login"),
    ];
    for (more, user, text) in cases {
        let (_server, mut opening) = both(Manner::GOOD, user, "p", more).await;
        Arc::get_mut(&mut opening.lookup).unwrap().cluster = true;
        let error = opening.open().await.err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert_eq!(error.to_string(), format!("{at}{text}"));
    }
    let (_server, mut opening) = both(Manner::GOOD, "ada", "p", json!({})).await;
    Arc::get_mut(&mut opening.lookup).unwrap().secrets.insert("login/label", "other".to_owned());
    let error = opening.open().await.err().unwrap();
    assert_eq!(error.to_string(), format!("{at}secret type is not 'webhook'"));
}
