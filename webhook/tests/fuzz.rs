//! Damaged reviews and damaged objects: whatever comes, there is a verdict that echoes the uid or a refusal, soon, and
//! both ways in which an object is read agree. So with a default store that is filled in.
//!
//! Runs for two seconds; `FUZZ_SECONDS=60` makes it longer and `FUZZ_SEED` repeats a run, whose seed a failure names.

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::{Duration, Instant};

    use fuzz::{Dice, for_a_while};
    use serde_json::{Value, json};
    use webhook::admit::{self, Subject};
    use webhook::mutate::{self, Need};
    use webhook::review::{self, Verdict};

    const SUBJECTS: [Subject; 3] = [Subject::ExternalSecret, Subject::SecretStore, Subject::ClusterSecretStore];

    /// A review takes less than a millisecond; this allows for a machine that compiles beside it.
    const BOUND: Duration = Duration::from_secs(2);

    /// Every accepted and refused object of the shared corpus that a path judges.
    fn samples() -> Vec<(Subject, Value)> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/validate/testdata");
        let mut samples = Vec::new();
        for folder in ["accept", "reject"] {
            for file in std::fs::read_dir(corpus.join(folder)).unwrap() {
                let file = file.unwrap().path();
                if file.extension().is_none_or(|extension| extension != "yaml") {
                    continue;
                }
                let text = std::fs::read_to_string(&file).unwrap();
                // Some samples are unreadable on purpose.
                let Ok(object) = serde_saphyr::from_str::<Value>(&text) else { continue };
                if let Some(subject) = SUBJECTS.into_iter().find(|subject| object["kind"] == subject.as_str()) {
                    samples.push((subject, object));
                }
            }
        }
        assert!(samples.len() > 20, "the corpus is gone: {}", samples.len());
        samples
    }

    /// What a field is replaced by: other types, and texts that a rule may trip over.
    fn odd_values() -> Vec<Value> {
        let mut values = vec![
            Value::Null,
            json!(true),
            json!(0),
            json!(-1),
            json!(u64::MAX),
            json!(i64::MIN),
            json!(1.5),
            json!({}),
            json!([]),
            json!([null]),
            json!({"": ""}),
            json!("x".repeat(100_000)),
            json!("(".repeat(2_000)),
            json!("(a{1000}){1000}"),
            json!("a*".repeat(500)),
            json!("[".repeat(5_000)),
            json!("{{".repeat(2_000)),
            json!("9".repeat(400)),
        ];
        let texts = [
            "",
            " ",
            "\0",
            "\u{feff}",
            "é",
            "\u{10ffff}",
            "%",
            "%zz",
            "/",
            "..",
            "1d",
            "-1h",
            "1h",
            "9223372036854775808ns",
            "+",
            ".",
            "[",
            "(?P<n>",
            "\\",
            "\\p{Greek}",
            "(?i)x{2,1}",
            "http://[::1",
            "http://%41:80:80/",
            "https://h:99999/",
            "{{ .a",
            "{{ end }}",
            "{{ if }}",
            "{{ range $i, $v := . }}{{",
            "-----BEGIN CERTIFICATE-----",
            "*.*",
            "::",
            "arn:aws:",
            "SecretStore",
            "ClusterSecretStore",
            "Owner",
            "None",
            "Delete",
            "v1",
            "v2",
        ];
        values.extend(texts.map(|text| json!(text)));
        values
    }

    /// A random place in a tree.
    fn place<'a>(tree: &'a mut Value, dice: &mut Dice) -> &'a mut Value {
        let stop = dice.below(4) == 0;
        let below = match tree {
            Value::Object(map) => map.len(),
            Value::Array(list) => list.len(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        };
        if below == 0 || stop {
            return tree;
        }
        let chosen = dice.below(below);
        match tree {
            Value::Object(map) => place(map.values_mut().nth(chosen).unwrap(), dice),
            Value::Array(list) => place(&mut list[chosen], dice),
            leaf => leaf,
        }
    }

    fn damage_tree(tree: &mut Value, other: &Value, odd: &[Value], dice: &mut Dice) {
        let mut other = other.clone();
        let graft = place(&mut other, dice).clone();
        let here = place(tree, dice);
        match dice.below(4) {
            0 => *here = dice.pick(odd).clone(),
            1 => *here = graft,
            2 => match here {
                Value::Object(map) => {
                    let key = map.keys().nth(dice.below(map.len().max(1))).cloned();
                    if let Some(removed) = key.and_then(|key| map.remove(&key)) {
                        map.insert("surprise".to_owned(), removed);
                    }
                }
                Value::Array(list) => list.extend(list.first().cloned()),
                leaf => *leaf = json!([leaf.take()]),
            },
            _ => {
                let value = dice.pick(odd).clone();
                if let Value::Object(map) = here {
                    map.extend(graft.as_object().cloned().unwrap_or_default());
                    map.insert("x".to_owned(), value);
                } else {
                    *here = value;
                }
            }
        }
    }

    fn damage_bytes(body: &mut Vec<u8>, dice: &mut Dice) {
        for _ in 0..=dice.below(4) {
            let at = dice.below(body.len().max(1)).min(body.len());
            match dice.below(5) {
                0 => body.truncate(at),
                1 => body.insert(at, *dice.pick(b"\"{}[],:\\\0\x80\xff0-e.")),
                2 => drop(body.drain(at..(at + dice.below(9)).min(body.len()))),
                3 => body.splice(at..at, [*dice.pick(b"[{\" "); 300]).for_each(drop),
                _ => {
                    if let Some(byte) = body.get_mut(at) {
                        *byte = u8::try_from(dice.below(256)).unwrap();
                    }
                }
            }
        }
    }

    fn body(subject: Subject, object: &Value) -> String {
        let kind = json!({"group": "external-secrets.io", "version": "v1", "kind": subject.as_str()});
        let mut review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {
            "uid": "u-1", "kind": kind, "operation": "CREATE", "namespace": "shop", "name": "x"}});
        review["request"]["object"] = object.clone();
        review.to_string()
    }

    /// The verdict as it is answered, or why there is none.
    fn answer(subject: Subject, body: &[u8]) -> Result<Value, review::BadReview> {
        let start = Instant::now();
        let judged = admit::judge(subject, body);
        let took = start.elapsed();
        assert!(took < BOUND, "took {took:?}: {}", String::from_utf8_lossy(body));
        let (review, verdict) = judged?;
        let answer: Value = serde_json::from_slice(&review.answer(&verdict).unwrap()).unwrap();
        assert_eq!(answer["response"]["uid"], *review.request.uid);
        assert!(answer["response"]["allowed"].is_boolean());
        Ok(answer)
    }

    /// Forces the way by a tree: the first of two equal keys makes the direct way fail, and says nothing.
    fn by_tree(body: &str) -> String {
        body.replacen("\"object\":{", "\"object\":{\"status\":null,\"status\":null,", 1)
    }

    #[test]
    fn damaged_objects_get_a_verdict_and_both_ways_of_reading_agree() {
        let (samples, odd) = (samples(), odd_values());
        for_a_while(|dice| {
            let (subject, mut object) = dice.pick(&samples).clone();
            for _ in 0..=dice.below(3) {
                damage_tree(&mut object, &dice.pick(&samples).1, &odd, dice);
            }
            let body = body(subject, &object);
            let direct = answer(subject, body.as_bytes());
            if object.as_object().is_some_and(|map| !map.is_empty() && !map.contains_key("status")) {
                assert_eq!(direct, answer(subject, by_tree(&body).as_bytes()), "{body}");
            }
        });
    }

    #[test]
    fn a_default_store_is_filled_in_or_the_object_is_left_alone() {
        let (samples, odd) = (samples(), odd_values());
        for_a_while(|dice| {
            let mut object = dice.pick(&samples).1.clone();
            damage_tree(&mut object, &dice.pick(&samples).1, &odd, dice);
            let Need::Store { kind } = mutate::need(&object) else { return };
            let verdict = mutate::fill(&object, kind.as_deref(), "shop", Some("ClusterSecretStore/vault"));
            if let Verdict::Allowed { warnings: _, patch: Some(patch) } = verdict {
                json_patch::patch(&mut object, &patch).unwrap();
                assert_eq!(mutate::need(&object), Need::None, "{object}");
            }
        });
    }

    #[test]
    fn damaged_reviews_get_a_verdict_or_a_refusal() {
        let samples = samples();
        for_a_while(|dice| {
            let (subject, object) = dice.pick(&samples);
            let mut body = body(*subject, object).into_bytes();
            damage_bytes(&mut body, dice);
            if let Err(refused) = answer(*subject, &body) {
                assert!(!refused.to_string().is_empty());
            }
        });
    }
}
