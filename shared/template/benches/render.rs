//! A template of 1 KB with ten keys: parsed and rendered, and rendered again. `make bench-template` sets the figures
//! beside Go's for the same template and values.

use criterion::{Criterion, criterion_group, criterion_main};
use jiff::Timestamp;
use template::{Delims, Env, Functions, Options, Value, parse};

const TEXT: &str = include_str!("settings.tmpl");

fn render(c: &mut Criterion) {
    let functions = Functions::eso();
    let env = Env::new(Timestamp::UNIX_EPOCH, |buffer: &mut [u8]| buffer.fill(1));
    let options = Options::default();
    let data = Value::string_map((0..10).map(|i| (format!("key{i}"), format!("value-{i}-{}", i * 7919))));
    let delims = Delims::default();
    c.bench_function("parse_and_render", |b| {
        b.iter(|| {
            let parsed = parse("bench", TEXT, &delims, &functions).map_err(|e| e.to_string())?;
            parsed.render(&data, &functions, &env, &options).map_err(|e| e.to_string())
        });
    });
    let parsed = parse("bench", TEXT, &delims, &functions);
    c.bench_function("render", |b| {
        b.iter(|| parsed.as_ref().map(|p| p.render(&data, &functions, &env, &options)).map_err(ToString::to_string));
    });
}

criterion_group!(benches, render);
criterion_main!(benches);
