//! One JSON object a line on standard error, with the keys that the reference's logs have: level, ts, logger, msg.

use std::fmt;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Sends `tracing` events to standard error as JSON lines.
///
/// `component` is the `logger` key; `level` is the value of `--loglevel` (`debug`, `info`, `warn`, `error`), and
/// anything else counts as `info`. `RUST_LOG` overrides it. A second call does nothing.
///
/// Below `debug`, the HTTP, TLS and SDK crates are held at `warn`: their trace output prints headers and bodies.
pub fn init_logs(component: &'static str, level: &str) {
    let level = match level {
        "debug" | "trace" => "debug",
        "warn" => "warn",
        "error" | "dpanic" | "panic" | "fatal" => "error",
        _ => "info",
    };
    let directives = format!(
        "{level},hyper=warn,hyper_util=warn,h2=warn,rustls=warn,tower=warn,reqwest=warn,kube_client=warn,kube_runtime=warn,\
         aws_config=warn,aws_runtime=warn,aws_smithy_runtime=warn,aws_smithy_runtime_api=warn,aws_sdk_secretsmanager=warn,aws_sdk_sts=warn"
    );
    let filter = EnvFilter::new(directives);
    let outcome = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .event_format(JsonLine { component })
        .try_init();
    if outcome.is_err() {
        tracing::debug!("logs are set up already");
    }
}

struct JsonLine {
    component: &'static str,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Map::new();
        line.insert("level".into(), level_name(event.metadata().level()).into());
        line.insert("ts".into(), now_seconds().into());
        line.insert("logger".into(), self.component.into());
        event.record(&mut Fields(&mut line));
        writeln!(writer, "{}", Value::Object(line))
    }
}

fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG | Level::TRACE => "debug",
    }
}

#[expect(clippy::disallowed_methods, reason = "a log line is stamped when it is written")]
fn now_seconds() -> f64 {
    jiff::Timestamp::now().as_microsecond() as f64 / 1e6
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: Value) {
        let key = if field.name() == "message" { "msg" } else { field.name() };
        self.0.insert(key.to_owned(), value);
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }
}
