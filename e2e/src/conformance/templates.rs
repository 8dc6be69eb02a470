//! Cases about templates and rewriting: an engine with fixed clock and chance, and `plan`'s own functions.

use std::sync::LazyLock;

use api::{DecodingStrategy, Rewrite};
use jiff::Timestamp;
use plan::rewrite;
use plan::template::{Delims, Engine, Env, Functions, Job, Limits, Manifest, Output, Rendered};
use serde_json::Value;

use super::Answer;
use super::values::{bytes, field, map, shown_map, text, typed};

static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(Functions::eso(), Delims::default(), Limits::default()));

/// Chance must vary within a template: some cases look for a value that differs from another.
fn env() -> Env {
    let mut state = 7_u64;
    Env::new(Timestamp::UNIX_EPOCH, move |buffer: &mut [u8]| {
        for byte in buffer {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = state.to_be_bytes()[0];
        }
    })
}

pub(super) fn rewrite(input: &Value) -> Answer {
    let operations: Vec<Rewrite> = typed(input, "ops")?;
    rewrite::apply(&operations, map(field(input, "data"))?, &ENGINE, &env()).map(|map| shown_map(&map))
}

pub(super) fn template(input: &Value) -> Answer {
    let mut output = Rendered::default();
    fill(input, &mut output)?;
    let written = match text(input, "target").to_lowercase().as_str() {
        "labels" => output.labels,
        "annotations" => output.annotations,
        _ => output.data,
    };
    Ok(shown_map(&written))
}

pub(super) fn template_target(input: &Value) -> Answer {
    let mut output = Manifest::new(field(input, "object").clone());
    fill(input, &mut output)?;
    Ok(output.into_inner())
}

fn fill(input: &Value, output: &mut dyn Output) -> Result<(), String> {
    let name = text(input, "decoding");
    let decoding = DecodingStrategy::ALL.iter().copied().find(|strategy| strategy.as_str() == name);
    let data = map(field(input, "data"))?;
    let env = env();
    let job = Job::new(&data, &ENGINE, &env);
    for (key, template) in field(input, "template").as_object().into_iter().flatten() {
        let (template, target) = (bytes(template)?, text(input, "target"));
        let done = match text(input, "scope") {
            "Values" => job.value(key, &template, target, decoding, output),
            "KeysAndValues" => job.pairs(&template, target, decoding, output),
            // The CRD admits no other scope and no other strategy, so `plan` knows none.
            other => return Err(format!("unknown scope '{other}': expected 'Values' or 'KeysAndValues'")),
        };
        done.map_err(|failure| failure.text)?;
        if decoding.is_none() && !name.is_empty() {
            return Err(format!(
                "failed to decode rendered template value for key {key}: decoding strategy {name} is not supported"
            ));
        }
    }
    Ok(())
}
