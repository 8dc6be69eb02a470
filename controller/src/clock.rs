//! The one place that reads clocks, and whose clocks they are.

use std::path::Path;

use jiff::tz::TimeZone;

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the controller's one reading of the wall clock; decisions are handed the result"
)]
pub(crate) fn now() -> jiff::Timestamp {
    #[cfg(test)]
    if let Some(now) = paused::now() {
        return now;
    }
    jiff::Timestamp::now()
}

/// For tests with a paused clock in which days go by: the wall clock goes along with tokio's.
#[cfg(test)]
pub(crate) mod paused {
    use std::cell::Cell;

    use tokio::time::Instant;

    thread_local! {
        static START: Cell<Option<(jiff::Timestamp, Instant)>> = const { Cell::new(None) };
    }

    /// From now on, on this thread.
    pub(crate) fn follow(from: jiff::Timestamp) {
        START.set(Some((from, Instant::now())));
    }

    pub(super) fn now() -> Option<jiff::Timestamp> {
        START.get().map(|(from, start)| from + start.elapsed())
    }
}

/// Tokio's clock, so that tests can pause it.
pub(crate) fn instant() -> std::time::Instant {
    tokio::time::Instant::now().into_std()
}

/// The time zone that this process lives in, read once at its start: of `TZ`, else of /etc/localtime, else UTC.
pub(crate) fn zone() -> TimeZone {
    let Some(name) = std::env::var_os("TZ") else { return TimeZone::try_system().unwrap_or(TimeZone::UTC) };
    let name = name.to_string_lossy();
    zone_of(&name).unwrap_or_else(|error| {
        tracing::warn!(
            TZ = %name, error,
            "TZ names no time zone that can be read, so sync windows begin by UTC; set it to a name such as Europe/Berlin, or unset it"
        );
        TimeZone::UTC
    })
}

/// What `TZ` means, as Go has it: a name or an absolute path, perhaps after a colon; nothing is UTC.
fn zone_of(text: &str) -> Result<TimeZone, String> {
    let name = text.strip_prefix(':').unwrap_or(text);
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    if !Path::new(name).is_absolute() {
        return TimeZone::get(name).map_err(|error| error.to_string());
    }
    let data = std::fs::read(name).map_err(|error| error.to_string())?;
    TimeZone::tzif(name, &data).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tz_is_a_name_or_a_path() {
        let offset = |zone: &TimeZone| zone.to_offset(jiff::Timestamp::UNIX_EPOCH).seconds();
        for utc in ["", ":", "UTC", ":UTC"] {
            assert_eq!(zone_of(utc).map(|zone| offset(&zone)), Ok(0), "{utc}");
        }
        for wrong in ["Nowhere/Land", "/nowhere", "../etc/passwd", "/dev/null", "9"] {
            assert!(zone_of(wrong).is_err(), "{wrong}");
        }
        // The smallest file there is: one zone, an hour east, for ever.
        let mut file = b"TZif2".to_vec();
        file.extend([0; 15]);
        let counts = [0_u32, 0, 0, 0, 1, 4].map(u32::to_be_bytes).concat();
        let block = [&counts[..], &3600_i32.to_be_bytes(), &[0, 0], b"CET\0"].concat();
        let header = file.clone();
        file = [&header[..], &block, &header, &block, b"\nCET-1\n"].concat();
        let path = std::env::temp_dir().join(format!("zone-{}", std::process::id()));
        std::fs::write(&path, file).unwrap();
        let read = zone_of(path.to_str().unwrap());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read.map(|zone| offset(&zone)), Ok(3600));
    }
}
