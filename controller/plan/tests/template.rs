//! Templates of targets: precedence, sources, texts, generic targets, and what is told to the owner.
//!
//! Scopes, targets and paths have cases with the reference's answers in `testdata/template*.jsonl`.

#![expect(clippy::unwrap_used, reason = "a test ends at the first thing that is not as it should be")]

use std::collections::BTreeMap;

use api::ExternalSecretSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::template::{
    Failure, Manifest, Rendered, SourceKind, Sources, content_hash, is_intact, render, render_pushed, wished,
};
use secret::{SecretBytes, SecretMap};
use serde_json::{Value, json};
use support::engine;

mod support;

fn data() -> SecretMap {
    [("password", "hunter2"), ("user", "ada"), ("b64", "aGk="), ("yaml", "k: v\n")]
        .map(|(key, value)| (key.to_owned(), SecretBytes::from(value)))
        .into()
}

/// ConfigMap and Secret `tpl` with the same keys, Secret `gone` that doesn't exist.
fn sources() -> Sources {
    let texts = [
        ("url", "db://{{ .user }}"),
        ("pairs", "a: {{ .user }}\nurl: from pairs\n"),
        ("bad", "{{ .pasword }}"),
        ("twice", "{{ \"{{ .user }}\" }}"),
    ];
    let texts: SecretMap = texts.map(|(key, value)| (key.to_owned(), SecretBytes::from(value))).into();
    let mut sources = Sources::default();
    sources.insert(SourceKind::ConfigMap, "tpl", Ok(texts.clone()));
    sources.insert(SourceKind::Secret, "tpl", Ok(texts));
    sources.insert(SourceKind::Secret, "gone", Err("Secret \"gone\" not found".to_owned()));
    sources
}

fn spec(template: Value) -> ExternalSecretSpec {
    serde_json::from_value(json!({"target": {"template": template}})).unwrap()
}

fn rendered(template: Value) -> Result<Rendered, Failure> {
    let (engine, env) = engine();
    render(&spec(template), &data(), &sources(), &engine, &env).map(Option::unwrap_or_default)
}

fn shown(map: &SecretMap) -> BTreeMap<&str, &str> {
    map.iter().map(|(key, value)| (key.as_str(), value.expose_str().unwrap())).collect()
}

#[test]
fn what_goes_before_what() {
    let item = |key: &str, scope: &str| json!({"key": key, "templateAs": scope});
    let cases = [
        // Neither data nor templateFrom: what was fetched.
        (json!({}), json!({"password": "hunter2", "user": "ada", "b64": "aGk=", "yaml": "k: v\n"})),
        (
            json!({"metadata": {"labels": {"a": "b"}}, "type": "x"}),
            json!({"password": "hunter2", "user": "ada", "b64": "aGk=", "yaml": "k: v\n"}),
        ),
        (json!({"data": {"user": "{{ .user | upper }}"}}), json!({"user": "ADA"})),
        (
            json!({"data": {"user": "U"}, "mergePolicy": "Merge"}),
            json!({"password": "hunter2", "user": "U", "b64": "aGk=", "yaml": "k: v\n"}),
        ),
        // Within an entry: configMap, secret, literal; then data.
        (
            json!({"templateFrom": [{"literal": "url: from literal", "configMap": {"name": "tpl", "items": [item("url", "Values")]}, "secret": {"name": "tpl", "items": [item("pairs", "KeysAndValues")]}}]}),
            json!({"a": "ada", "url": "from literal"}),
        ),
        (
            json!({"templateFrom": [{"literal": "url: from literal"}, {"configMap": {"name": "tpl", "items": [item("url", "Values")]}}]}),
            json!({"url": "db://ada"}),
        ),
        (json!({"templateFrom": [{"literal": "url: from literal"}], "data": {"url": "own"}}), json!({"url": "own"})),
        (
            json!({"templateFrom": [{"literal": "{{ .yaml }}x: {{ .b64 }}", "target": "data"}, {"literal": "x: {{ .b64 }}", "valuesDecodingStrategy": "Base64"}]}),
            json!({"k": "v", "x": "hi"}),
        ),
    ];
    for (template, want) in cases {
        assert_eq!(json!(shown(&rendered(template.clone()).unwrap().data)), want, "{template}");
    }
}

#[test]
fn metadata_is_rendered_and_goes_before_what_template_from_says() {
    let made = rendered(json!({
        "type": "",
        "templateFrom": [{"literal": "l: from\nm: {{ .user }}", "target": "LABELS"}, {"literal": "w: x", "target": "annotations"}],
        "metadata": {"labels": {"l": "{{ .user }}"}, "annotations": {"o": "p"}, "finalizers": ["f"]},
    }))
    .unwrap();
    assert_eq!(json!(shown(&made.labels)), json!({"l": "ada", "m": "ada"}));
    assert_eq!(json!(shown(&made.annotations)), json!({"w": "x", "o": "p"}));
    assert_eq!((made.finalizers, made.type_, made.data.len()), (vec!["f".to_owned()], None, 0));
}

#[test]
fn texts_lead_from_the_outside_to_the_cause() {
    let items = |name: &str, key: &str| json!({"name": name, "items": [{"key": key}]});
    let at = "executing \"k\" at <.nope>: map has no entry for key \"nope\"";
    let cases = [
        (
            json!({"data": {"k": "{{ .nope }}"}}),
            format!("could not execute template: could not execute template: unable to execute template at key k: unable to execute template at key k: template: k:1:3: {at}"),
        ),
        (
            json!({"metadata": {"labels": {"k": "{{ .nope }}"}}}),
            format!("could not execute template: could not execute template: unable to execute template at key k: unable to execute template at key k: template: k:1:3: {at}"),
        ),
        (
            json!({"metadata": {"annotations": {"k": "{{ "}}}),
            "could not execute template: could not execute template: unable to execute template at key k: unable to parse template at key k: template: k:1: unclosed action".to_owned(),
        ),
        (
            json!({"templateFrom": [{"literal": "{{ .nope }}"}]}),
            "error fetching templateFrom data: unable to execute template at key {{ .nope }}: unable to execute template at key {{ .nope }}: template: {{ .nope }}:1:3: executing \"{{ .nope }}\" at <.nope>: map has no entry for key \"nope\"".to_owned(),
        ),
        (json!({"templateFrom": [{"configMap": items("tpl", "none")}]}), "error fetching templateFrom data: error in configmap tpl: missing key none".to_owned()),
        (json!({"templateFrom": [{"secret": items("tpl", "none")}]}), "error fetching templateFrom data: error in secret tpl: missing key none".to_owned()),
        (json!({"templateFrom": [{"secret": items("gone", "k")}]}), "error fetching templateFrom data: Secret \"gone\" not found".to_owned()),
        (json!({"templateFrom": [{"literal": "k: {{ .user }}", "valuesDecodingStrategy": "Base64"}]}), "error fetching templateFrom data: failed to decode rendered template value for key k: illegal base64 data at input byte 0".to_owned()),
        (json!({"templateFrom": [{"literal": "k: [1]"}]}), "error fetching templateFrom data: could not unmarshal template to 'map[string][]byte': error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type string".to_owned()),
        (json!({"templateFrom": [{"literal": "k: v", "target": ""}]}), "error fetching templateFrom data: invalid path \"\": empty segment".to_owned()),
        (json!({"engineVersion": "v1"}), "unsupported template engine version: v1".to_owned()),
        (json!({"type": "bootstrap.kubernetes.io/token"}), "template.type=\"bootstrap.kubernetes.io/token\" is not allowed".to_owned()),
        (
            json!({"templateFrom": [{"literal": "k: v", "target": "spec.x"}]}),
            "templateFrom target=\"spec.x\" is not allowed when targeting a Secret, must be one of \"Data\", \"Annotations\" or \"Labels\"".to_owned(),
        ),
    ];
    for (template, want) in cases {
        let text = rendered(template.clone()).unwrap_err().text;
        assert_eq!(text, format!("could not apply template: {want}"), "{template}");
    }
}

#[test]
fn our_own_words_name_field_line_column_and_hint_and_no_value() {
    let cases = [
        (
            json!({"data": {"k": "x\n  {{ .pasword }}"}}),
            "spec.target.template.data[k]: line 2, column 6: there is no key \"pasword\"; did you mean .password?",
        ),
        (
            json!({"metadata": {"labels": {"k": "{{ .User }}"}}}),
            "spec.target.template.metadata.labels[k]: line 1, column 4: there is no key \"User\"; did you mean .user?",
        ),
        (
            json!({"templateFrom": [{"literal": "a: b"}, {"configMap": {"name": "tpl", "items": [{"key": "bad"}]}}]}),
            "spec.target.template.templateFrom[1].configMap.items[bad]: line 1, column 4: there is no key \"pasword\"; did you mean .password?",
        ),
        (
            json!({"templateFrom": [{"literal": "{{ .user | uper }}"}]}),
            "spec.target.template.templateFrom[0].literal: line 1, column 12: function \"uper\" not defined; did you mean the function upper?",
        ),
        (
            json!({"templateFrom": [{"secret": {"name": "gone", "items": []}}]}),
            "spec.target.template.templateFrom[0].secret.name",
        ),
        (
            json!({"data": {"k": "{{ .password | toDecimal | fail }}"}}),
            "spec.target.template.data[k]: line 1, column 28: it can't be executed; the event tells why",
        ),
        (json!({"data": {"k": "{{ fail .password }}"}}), "spec.target.template.data[k]: line 1, column 4: fail failed"),
    ];
    for (template, want) in cases {
        assert_eq!(rendered(template.clone()).unwrap_err().summary(), want, "{template}");
    }
}

#[test]
fn a_failure_shows_no_value() {
    let templates = [
        "{{ fail .password }}",
        "{{ index .password 99 }}",
        "{{ range .password }}{{ end }}",
        "{{ .password | semver }}",
        "{{ .password | b64dec | fail }}",
        "{{ .password | upper | lower | fail }}",
    ];
    for text in templates {
        let failure = rendered(json!({"data": {"k": text}}))
            .map(|made| format!("{made:?}"))
            .unwrap_or_else(|f| format!("{f:?} {}", f.summary()));
        assert!(!failure.contains("hunter2"), "{text}: {failure}");
    }
    let templates = rendered(
        json!({"templateFrom": [{"secret": {"name": "tpl", "items": [{"key": "bad", "templateAs": "KeysAndValues"}]}}]}),
    );
    let failure = templates.unwrap_err();
    assert!(!failure.text.contains("{{ .pasword }}"), "a Secret's template is a secret: {}", failure.text);
}

#[test]
fn many_large_templates_come_to_an_end() {
    let entries: Vec<Value> =
        (0..20).map(|index| json!({"literal": format!("k{index}: {{{{ repeat 1000000 \"x\" }}}}")})).collect();
    let failure = rendered(json!({"templateFrom": entries})).unwrap_err();
    assert!(failure.text.ends_with("the templates of one target make more than 16777216 bytes; make them smaller"));
    assert!(failure.summary().starts_with("spec.target.template.templateFrom[16].literal"), "{}", failure.summary());
}

#[test]
fn a_rendering_can_be_compared() {
    let digest = |text: &str| rendered(json!({"data": {"k": text}})).unwrap().digest();
    assert_eq!(digest("a"), digest("a"));
    assert_ne!(digest("a"), digest("b"));
}

#[test]
fn no_template_renders_nothing() {
    let (engine, env) = engine();
    let spec = ExternalSecretSpec::default();
    assert_eq!(render(&spec, &data(), &Sources::default(), &engine, &env), Ok(None));
}

#[test]
fn a_pushed_secret_keeps_its_keys_and_knows_one_engine() {
    let (engine, env) = engine();
    let template =
        serde_json::from_value(json!({"engineVersion": "v1", "data": {"user": "{{ .user | upper }}"}})).unwrap();
    let made = render_pushed(&template, &data(), &sources(), &engine, &env).unwrap();
    assert_eq!(
        json!(shown(&made.data)),
        json!({"password": "hunter2", "user": "ADA", "b64": "aGk=", "yaml": "k: v\n"})
    );
    let template = serde_json::from_value(json!({"data": {"k": "{{ .nope }}"}})).unwrap();
    let failure = render_pushed(&template, &data(), &sources(), &engine, &env).unwrap_err();
    assert!(
        failure.text.starts_with("could not execute template: could not execute template: unable to"),
        "{}",
        failure.text
    );
}

fn generic(target: Value, live: Option<&Value>) -> Result<Manifest, Failure> {
    let (engine, env) = engine();
    let mut wish = json!({"manifest": {"apiVersion": "example.io/v1", "kind": "Thing"}});
    wish.as_object_mut().unwrap().extend(target.as_object().unwrap().clone());
    let spec: ExternalSecretSpec = serde_json::from_value(json!({"target": wish})).unwrap();
    let owner: ObjectMeta = serde_json::from_value(json!({
        "name": "es", "namespace": "shop", "uid": "u", "labels": {"team": "a"}, "annotations": {"note": "n"},
    }))
    .unwrap();
    wished(&owner, &spec, &data(), live, &sources(), &engine, &env)
}

/// The object's fields but for its metadata.
fn content(object: &Manifest) -> Value {
    let mut object = object.expose().clone();
    object.as_object_mut().unwrap().remove("metadata");
    object
}

#[test]
fn a_generic_target_is_built_on_what_its_policy_says() {
    let fetched = json!({"password": "hunter2", "user": "ada", "b64": "aGk=", "yaml": "k: v\n"});
    let config_map = json!({"manifest": {"apiVersion": "v1", "kind": "ConfigMap"}});
    let live = json!({"apiVersion": "example.io/v1", "kind": "Thing", "metadata": {"name": "es", "labels": {"l": "1"}}, "spec": {"keep": 1}, "status": {}});
    let cases = [
        (json!({}), None, json!({"apiVersion": "example.io/v1", "kind": "Thing", "spec": {"data": fetched}})),
        (config_map, None, json!({"apiVersion": "v1", "kind": "ConfigMap", "data": fetched})),
        (json!({}), Some(&live), json!({"apiVersion": "example.io/v1", "kind": "Thing", "spec": {"data": fetched}})),
        (
            json!({"creationPolicy": "Merge"}),
            Some(&live),
            json!({"apiVersion": "example.io/v1", "kind": "Thing", "spec": {"keep": 1, "data": fetched}, "status": {}}),
        ),
        (
            json!({"creationPolicy": "CreateOrMerge", "template": {"templateFrom": [{"literal": "a: {{ .user }}", "target": "spec.new"}], "data": {"d": "{{ .user }}"}}}),
            Some(&live),
            json!({"apiVersion": "example.io/v1", "kind": "Thing", "spec": {"keep": 1, "new": {"a": "ada"}}, "data": {"d": "ada"}, "status": {}}),
        ),
        // Items are rendered twice, and only into data.
        (
            json!({"template": {"templateFrom": [
                {"configMap": {"name": "tpl", "items": [{"key": "twice"}]}},
                {"secret": {"name": "tpl", "items": [{"key": "url"}]}, "target": "spec.x"},
                {"secret": {"name": "tpl", "items": [{"key": "url"}]}, "target": "Labels"},
            ]}}),
            None,
            json!({"apiVersion": "example.io/v1", "kind": "Thing", "spec": {}, "data": {"twice": "ada"}}),
        ),
    ];
    for (target, live, want) in cases {
        let made = generic(target.clone(), live).unwrap();
        assert_eq!(content(&made), want, "{target}");
        assert_eq!(is_intact(api::CreationPolicy::Owner, Some(made.expose())), Ok(true), "{target}");
    }
}

#[test]
fn a_generic_target_is_labelled_hashed_and_owned() {
    let made = generic(json!({"name": "other"}), None).unwrap();
    let metadata = &made.expose()["metadata"];
    assert_eq!((&metadata["name"], &metadata["namespace"]), (&json!("other"), &json!("shop")));
    assert_eq!((&metadata["labels"]["team"], &metadata["annotations"]["note"]), (&json!("a"), &json!("n")));
    assert_eq!(metadata["labels"]["reconcile.external-secrets.io/managed"], json!("true"));
    assert_eq!(metadata["ownerReferences"][0]["name"], json!("es"));
    assert_eq!(
        metadata["annotations"]["reconcile.external-secrets.io/data-hash"],
        json!(content_hash(made.expose()).unwrap())
    );

    // A template's labels are taken as they are written, and no others.
    let made =
        generic(json!({"creationPolicy": "Orphan", "template": {"metadata": {"labels": {"l": "{{ .user }}"}}}}), None)
            .unwrap();
    let metadata = &made.expose()["metadata"];
    assert_eq!(metadata["labels"], json!({"l": "{{ .user }}", "reconcile.external-secrets.io/managed": "true"}));
    assert_eq!(metadata.get("ownerReferences"), None);
    assert_eq!(format!("{made:?}"), "Manifest(Thing)");
}

#[test]
fn a_generic_target_fails_in_the_reference_s_words() {
    let rival = json!({"metadata": {"name": "es", "ownerReferences": [{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "rival", "uid": "r", "controller": true}]}, "kind": "Thing", "spec": {}});
    let bare = json!({"metadata": {"name": "es"}, "kind": "Thing"});
    let missing = "unable to execute template at key k: unable to execute template at key k: template: k:1:3: executing \"k\" at <.nope>: map has no entry for key \"nope\"";
    let cases = [
        (json!({"template": {"engineVersion": "v3"}}), None, "failed to get template engine: unsupported template engine version: v3".to_owned()),
        (json!({"template": {"data": {"k": "{{ .nope }}"}}}), None, format!("failed to execute template.data: {missing}")),
        (json!({"template": {"templateFrom": [{"literal": "k: v", "target": "a["}]}}), None, "failed to execute literal template: invalid path \"a[\": unterminated '['".to_owned()),
        (json!({"template": {"templateFrom": [{"configMap": {"name": "tpl", "items": [{"key": "none"}]}}]}}), None, "failed to merge configmap template: error in configmap tpl: missing key none".to_owned()),
        (json!({"template": {"templateFrom": [{"secret": {"name": "gone", "items": []}}]}}), None, "failed to merge secret template: Secret \"gone\" not found".to_owned()),
        (json!({"creationPolicy": "Merge", "template": {}}), Some(&bare), "failed to hash target \"\" content: generic target content does not have a spec or data field for content hashing".to_owned()),
        (json!({"creationPolicy": "Merge"}), Some(&rival), "secret is owned by another ExternalSecret: rival".to_owned()),
    ];
    for (target, live, want) in cases {
        assert_eq!(generic(target.clone(), live).unwrap_err().text, want, "{target}");
    }
    assert_eq!(
        is_intact(
            api::CreationPolicy::Owner,
            Some(&json!({"metadata": {"labels": {"reconcile.external-secrets.io/managed": "true"}}}))
        ),
        Err("failed to hash target: generic target content does not have a spec or data field for content hashing"
            .to_owned())
    );
    assert_eq!(is_intact(api::CreationPolicy::Orphan, None), Ok(true));
    assert_eq!(is_intact(api::CreationPolicy::Owner, None), Ok(false));
}
