//! Cases about keys, values, hashes and times.

use std::collections::BTreeMap;

use api::{ConversionStrategy, DecodingStrategy, GoDuration, RefreshPolicy, SyncWindows};
use jiff::tz::TimeZone;
use plan::refresh::{Due, RefreshInput};
use plan::{decode, keys, refresh, sync_window};
use secret::SecretBytes;
use serde_json::{Value, json};

use super::Answer;
use super::values::{bytes, field, map, shown, shown_map, text, time, typed};

pub(super) fn hash(input: &Value) -> Answer {
    Ok(json!(plan::hash::data(&map(field(input, "data"))?)))
}

pub(super) fn sync_version(input: &Value) -> Answer {
    version(input).map(Value::String)
}

fn version(input: &Value) -> Result<String, String> {
    let generation = field(input, "generation").as_i64().unwrap_or_default();
    let labels: BTreeMap<String, String> = typed(input, "labels")?;
    let annotations: BTreeMap<String, String> = typed(input, "annotations")?;
    Ok(plan::hash::sync_version(generation, &labels, &annotations))
}

pub(super) fn convert(input: &Value) -> Answer {
    let name = text(input, "strategy");
    let strategy = ConversionStrategy::ALL.iter().copied().find(|strategy| strategy.as_str() == name);
    if strategy.is_none() && !name.is_empty() {
        // What the reference does with a strategy that the CRD doesn't admit: nothing.
        return Ok(shown_map(&map(field(input, "data"))?));
    }
    keys::convert(strategy, map(field(input, "data"))?).map(|map| shown_map(&map))
}

pub(super) fn reverse(input: &Value) -> Answer {
    let data = map(field(input, "data"))?;
    let reversed = if text(input, "strategy") == "ReverseUnicode" { keys::reverse_unicode(data)? } else { data };
    Ok(shown_map(&reversed))
}

pub(super) fn validate_keys(input: &Value) -> Answer {
    keys::validate(map(field(input, "data"))?).map(|map| shown_map(&map))
}

pub(super) fn decode(input: &Value) -> Answer {
    let name = text(input, "strategy");
    let strategy = DecodingStrategy::ALL.iter().copied().find(|strategy| strategy.as_str() == name);
    if strategy.is_none() && !name.is_empty() {
        return Err(format!("decoding strategy {name} is not supported"));
    }
    if input.get("data").is_some() {
        return decode::map(strategy, map(field(input, "data"))?).map(|map| shown_map(&map));
    }
    let value = SecretBytes::new(bytes(field(input, "value"))?);
    decode::value(strategy, value).map(|value| shown(value.expose()))
}

pub(super) fn duration(input: &Value) -> Answer {
    let duration: GoDuration =
        text(input, "text").parse().map_err(|error: api::ParseDurationError| error.to_string())?;
    Ok(json!(duration.as_nanos()))
}

pub(super) fn sync_window(input: &Value) -> Answer {
    let windows: Option<SyncWindows> = typed(input, "syncWindows")?;
    let at = time(input, "at")?.ok_or("at is missing")?;
    Ok(json!(windows.is_none_or(|windows| sync_window::allowed(&windows, at, &TimeZone::UTC))))
}

pub(super) fn refresh(input: &Value) -> Answer {
    let policy: Option<RefreshPolicy> = match text(input, "refreshPolicy") {
        "" => None,
        _ => typed(input, "refreshPolicy")?,
    };
    let windows: Option<SyncWindows> = typed(input, "syncWindows")?;
    let decided = refresh::due(
        &RefreshInput {
            policy,
            interval: typed(input, "refreshInterval")?,
            sync_windows: windows.as_ref(),
            zone: &TimeZone::UTC,
            sync_version: &version(input)?,
            synced_resource_version: text(input, "syncedResourceVersion"),
            refresh_time: time(input, "refreshTime")?,
            secret_valid: true,
            kept_by: None,
        },
        time(input, "now")?.ok_or("now is missing")?,
    );
    Ok(json!(match decided {
        Due::Now(_) => true,
        Due::Wait => false,
    }))
}
