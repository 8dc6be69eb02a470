//! Reviews through the router: bodies in, HTTP status and verdict out. The cases are in `testdata/reviews.json`.

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::http::{Request, StatusCode};
    use base64::Engine;
    use certgen::fake::FakeApi;
    use serde_json::{Value, json};
    use tower::ServiceExt;
    use webhook::metrics::Metrics;
    use webhook::namespaces::Namespaces;
    use webhook::server::{self, MAX_BODY};

    const STORE: &str = "/validate-external-secrets-io-v1-secretstore";
    const CLUSTER_STORE: &str = "/validate-external-secrets-io-v1-clustersecretstore";
    const EXTERNAL_SECRET: &str = "/validate-external-secrets-io-v1-externalsecret";
    const MUTATE: &str = "/mutate-external-secrets-io-v1-externalsecret";

    fn router(api: &FakeApi) -> Router {
        server::router(Namespaces::new(api.client()), Metrics::new().unwrap())
    }

    async fn post(api: &FakeApi, path: &str, content_type: &str, body: impl Into<Body>) -> (StatusCode, String) {
        let request = Request::post(path).header("content-type", content_type).body(body.into()).unwrap();
        let response = router(api).oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    fn review(operation: &str, version: &str, kind: &str, object: Value) -> Value {
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u-1", "kind": {"group": "external-secrets.io", "version": version, "kind": kind}, "operation": operation,
            "namespace": "shop", "name": "x", "object": object, "oldObject": null, "userInfo": {"username": "me"}, "dryRun": false}})
    }

    /// One verdict: what is asked and the whole of the answer's `response`, with the patch decoded.
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Case {
        name: String,
        path: String,
        #[serde(default = "create")]
        operation: String,
        #[serde(default = "v1")]
        version: String,
        kind: String,
        object: Value,
        /// Annotation of the namespace `shop`.
        #[serde(default)]
        default_store: Option<String>,
        want: Value,
    }

    fn create() -> String {
        "CREATE".into()
    }

    fn v1() -> String {
        "v1".into()
    }

    #[tokio::test]
    async fn each_review_gets_its_verdict() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("../testdata/reviews.json")).unwrap();
        for case in cases {
            let api = FakeApi::default();
            let annotations = case.default_store.map(|store| json!({"external-secrets.io/default-store": store}));
            api.put("/api/v1/namespaces/shop", json!({"metadata": {"name": "shop", "annotations": annotations}}));
            let path = match case.path.as_str() {
                "store" => STORE,
                "cluster-store" => CLUSTER_STORE,
                "external-secret" => EXTERNAL_SECRET,
                "mutate" => MUTATE,
                other => other,
            };
            let body = review(&case.operation, &case.version, &case.kind, case.object).to_string();
            let (status, answer) = post(&api, path, "application/json", body).await;
            assert_eq!(status, StatusCode::OK, "{}: {answer}", case.name);
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["kind"], "AdmissionReview");
            let mut response = answer["response"].clone();
            assert_eq!(response["uid"], "u-1", "{}", case.name);
            response.as_object_mut().unwrap().remove("uid");
            if let Some(patch) = response["patch"].as_str() {
                let patch = base64::engine::general_purpose::STANDARD.decode(patch).unwrap();
                response["patch"] = serde_json::from_slice(&patch).unwrap();
            }
            assert_eq!(response, case.want, "{}", case.name);
        }
    }

    #[tokio::test]
    async fn the_answer_has_the_version_of_the_question() {
        for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
            let mut body = review("DELETE", "v1", "ExternalSecret", Value::Null);
            body["apiVersion"] = json!(version);
            let (_, answer) = post(&FakeApi::default(), EXTERNAL_SECRET, "application/json", body.to_string()).await;
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(answer["apiVersion"], version);
        }
    }

    #[tokio::test]
    async fn what_is_no_review_is_refused_with_a_reason() {
        let good = review("CREATE", "v1", "ExternalSecret", json!({})).to_string();
        let with = |change: &dyn Fn(&mut Value)| {
            let mut body = review("CREATE", "v1", "ExternalSecret", json!({}));
            change(&mut body);
            body.to_string()
        };
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let json = "application/json";
        // (content type, body, status, part of the text)
        let table: Vec<(&str, Vec<u8>, u16, &str)> = vec![
            (json, Vec::new(), 400, "the body is empty"),
            (json, b"hello".to_vec(), 400, "no JSON"),
            (json, b"\xff\xfe{}".to_vec(), 400, "no JSON"),
            (json, good.as_bytes()[..40].to_vec(), 400, "ends too early"),
            (json, b"[]".to_vec(), 400, "apiVersion is \"\""),
            (json, b"null".to_vec(), 400, "wrong type"),
            (json, b"{}".to_vec(), 400, "apiVersion is \"\""),
            (
                json,
                with(&|b| b["apiVersion"] = json!("admission.k8s.io/v2")).into(),
                400,
                "apiVersion is \"admission.k8s.io/v2\"",
            ),
            (json, with(&|b| b["kind"] = json!("Pod")).into(), 400, "kind is \"Pod\""),
            (json, with(&|b| b["request"] = Value::Null).into(), 400, "request is missing"),
            (json, with(&|b| b["request"]["uid"] = json!("")).into(), 400, "request.uid is missing"),
            (
                json,
                with(&|b| {
                    b["request"].as_object_mut().unwrap().remove("uid");
                })
                .into(),
                400,
                "request.uid is missing",
            ),
            (json, with(&|b| b["request"]["operation"] = json!("PLEASE")).into(), 400, "a field has the wrong type"),
            (json, good.replacen("\"uid\"", "\"uid\":\"u\",\"uid\"", 1).into(), 400, "a field has the wrong type"),
            (
                json,
                with(&|b| b["request"]["object"] = json!("DEEP")).replace("\"DEEP\"", &deep).into(),
                400,
                "nested too deeply",
            ),
            (json, deep.clone().into(), 400, "(line"),
            (json, good.replacen("\"uid\":\"u-1\"", "\"uid\":\"\u{1}\"", 1).into(), 400, "no JSON"),
            (json, [b"{\"kind\":\"".as_slice(), &[0xc3, 0x28], b"\"}"].concat(), 400, "no JSON"),
            (json, b"{\"apiVersion\":1e999}".to_vec(), 400, "(line"),
            ("text/plain", good.clone().into(), 415, "application/json"),
            ("", good.clone().into(), 415, "application/json"),
            ("application/jsonp", good.clone().into(), 415, "application/json"),
            (json, vec![b' '; MAX_BODY + 1], 413, "larger than 7 MiB"),
        ];
        for (content_type, body, status, part) in table {
            let start = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            let (got, text) = post(&FakeApi::default(), EXTERNAL_SECRET, content_type, body).await;
            assert_eq!(got.as_u16(), status, "{start}: {text}");
            assert!(text.contains(part), "{start}: {text}");
        }
    }

    #[tokio::test]
    async fn the_largest_body_passes_and_one_byte_more_does_not_even_without_a_length() {
        let mut body = review("DELETE", "v1", "ExternalSecret", Value::Null).to_string().into_bytes();
        body.resize(MAX_BODY, b' ');
        let api = FakeApi::default();
        let (status, _) = post(&api, EXTERNAL_SECRET, "application/json; charset=utf-8", body.clone()).await;
        assert_eq!(status, StatusCode::OK);
        body.push(b' ');
        let frames: Vec<Result<Vec<u8>, std::io::Error>> =
            body.chunks(1 << 20).map(|chunk| Ok(chunk.to_vec())).collect();
        let (status, text) =
            post(&api, EXTERNAL_SECRET, "application/json", Body::from_stream(futures::stream::iter(frames))).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
    }

    #[tokio::test]
    async fn chunks_without_end_are_given_up_at_the_largest_body() {
        let frames = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let seen = frames.clone();
        let endless = futures::stream::repeat_with(move || {
            seen.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok::<_, std::io::Error>(vec![b' '; 1 << 16])
        });
        let (status, text) =
            post(&FakeApi::default(), EXTERNAL_SECRET, "application/json", Body::from_stream(endless)).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE, "{text}");
        let read = frames.load(std::sync::atomic::Ordering::Relaxed) << 16;
        assert!(read <= MAX_BODY + (1 << 17), "{read} bytes were read");
    }

    #[tokio::test]
    async fn an_object_over_3_mib_is_judged_while_the_review_fits() {
        let mut object = json!({"metadata": {"name": "x"}, "spec": {}});
        object["metadata"]["annotations"] = json!({"big": "x".repeat(4 << 20)});
        let body = review("CREATE", "v1", "ExternalSecret", object).to_string();
        let (status, answer) = post(&FakeApi::default(), EXTERNAL_SECRET, "application/json", body).await;
        let response = serde_json::from_str::<Value>(&answer).unwrap()["response"].clone();
        assert_eq!((status, &response["uid"], &response["allowed"]), (StatusCode::OK, &json!("u-1"), &json!(false)));
    }

    #[tokio::test]
    async fn the_last_of_duplicate_keys_of_an_object_counts() {
        let body =
            review("CREATE", "v1", "ExternalSecret", json!({"metadata": {"name": "x"}, "spec": "SPEC"})).to_string();
        let good = r#"{"data":[{"secretKey":"a","remoteRef":{"key":"k"}}]}"#;
        for (specs, allowed) in [(format!("{good},\"spec\":{{}}"), false), (format!("{{}},\"spec\":{good}"), true)] {
            let body = body.replace("\"SPEC\"", &specs);
            let (status, answer) = post(&FakeApi::default(), EXTERNAL_SECRET, "application/json", body).await;
            let response = serde_json::from_str::<Value>(&answer).unwrap()["response"].clone();
            assert_eq!((status, &response["uid"]), (StatusCode::OK, &json!("u-1")));
            assert_eq!(response["allowed"], allowed, "{specs}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_list_in_place_of_an_object_is_refused() {
        let body = review("CREATE", "v1", "ExternalSecret", json!([{}, {}])).to_string();
        let (status, answer) = post(&FakeApi::default(), EXTERNAL_SECRET, "application/json", body).await;
        let response = serde_json::from_str::<Value>(&answer).unwrap()["response"].clone();
        assert_eq!(status, StatusCode::OK);
        assert_eq!((&response["uid"], &response["status"]["code"]), (&json!("u-1"), &json!(400)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_given_up() {
        let body = Body::from_stream(futures::stream::pending::<Result<Vec<u8>, std::io::Error>>());
        let (status, text) = post(&FakeApi::default(), EXTERNAL_SECRET, "application/json", body).await;
        assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{text}");
    }

    #[tokio::test]
    async fn other_paths_and_methods_are_not_found() {
        let router = router(&FakeApi::default());
        for (request, status) in [
            (Request::post("/validate").body(Body::empty()).unwrap(), StatusCode::NOT_FOUND),
            (Request::get(STORE).body(Body::empty()).unwrap(), StatusCode::METHOD_NOT_ALLOWED),
        ] {
            assert_eq!(router.clone().oneshot(request).await.unwrap().status(), status);
        }
    }

    #[tokio::test]
    async fn the_twins_of_the_older_version_judge_alike() {
        for (path, _) in server::PATHS.iter().filter(|(path, _)| path.contains("-v1-")) {
            let twin = path.replace("-v1-", "-v1beta1-");
            let kind = if path.ends_with("-clustersecretstore") {
                "ClusterSecretStore"
            } else if path.ends_with("-secretstore") {
                "SecretStore"
            } else {
                "ExternalSecret"
            };
            let body = review("CREATE", "v1beta1", kind, json!({"metadata": {"name": "x"}, "spec": {}})).to_string();
            let api = FakeApi::default();
            let (one, two) = (
                post(&api, path, "application/json", body.clone()).await,
                post(&api, &twin, "application/json", body).await,
            );
            assert_eq!(one.0, StatusCode::OK);
            assert_eq!(one, two, "{path}");
        }
    }

    #[tokio::test]
    async fn a_failed_look_up_holds_up_only_what_needs_the_default() {
        let api = FakeApi::default();
        let ask = |spec: Value| {
            review("CREATE", "v1", "ExternalSecret", json!({"metadata": {"name": "x"}, "spec": spec})).to_string()
        };
        let named = ask(json!({"secretStoreRef": {"name": "own"}, "data": [{"secretKey": "a"}]}));
        let unnamed = ask(json!({"data": [{"secretKey": "a"}]}));
        api.refuse_once("GET", "/api/v1/namespaces/shop", 403);
        let (_, answer) = post(&api, MUTATE, "application/json", named).await;
        assert_eq!(serde_json::from_str::<Value>(&answer).unwrap()["response"]["allowed"], true);
        assert_eq!(api.requests(), Vec::<String>::new(), "nothing was looked up");
        let (_, answer) = post(&api, MUTATE, "application/json", unnamed).await;
        let status = serde_json::from_str::<Value>(&answer).unwrap()["response"]["status"].clone();
        assert_eq!(status["code"], 500);
        assert_eq!(
            status["message"],
            "spec.secretStoreRef is missing, and the default store of namespace \"shop\" could not be looked up (403 Forbidden): \
             name a store in spec.secretStoreRef, or try again"
        );
    }

    #[tokio::test]
    async fn reviews_are_counted_by_path_and_verdict() {
        let metrics = Metrics::new().unwrap();
        let router = server::router(Namespaces::new(FakeApi::default().client()), metrics.clone());
        let ask = |body: String| {
            Request::post(EXTERNAL_SECRET).header("content-type", "application/json").body(Body::from(body)).unwrap()
        };
        for body in [
            review("DELETE", "v1", "ExternalSecret", Value::Null).to_string(),
            review("CREATE", "v1", "ExternalSecret", json!({})).to_string(),
            String::new(),
        ] {
            router.clone().oneshot(ask(body)).await.unwrap();
        }
        let text = metrics.text();
        for line in [
            format!("controller_runtime_webhook_requests_total{{code=\"200\",webhook=\"{EXTERNAL_SECRET}\"}} 2"),
            format!("controller_runtime_webhook_requests_total{{code=\"400\",webhook=\"{EXTERNAL_SECRET}\"}} 1"),
            format!("external_secrets_webhook_verdicts_total{{verdict=\"allowed\",webhook=\"{EXTERNAL_SECRET}\"}} 1"),
            format!("external_secrets_webhook_verdicts_total{{verdict=\"denied\",webhook=\"{EXTERNAL_SECRET}\"}} 1"),
            format!("controller_runtime_webhook_latency_seconds_count{{webhook=\"{EXTERNAL_SECRET}\"}} 3"),
            format!("controller_runtime_webhook_requests_in_flight{{webhook=\"{EXTERNAL_SECRET}\"}} 0"),
        ] {
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
    }
}
