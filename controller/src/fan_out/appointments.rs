//! When the objects of one ClusterExternalSecret fall due, by the clock that timers go by: the very same instant for all of
//! them, so that a read that begins then is fresh enough for each.
//!
//! Plain data that is handed the time. Deliberately not here: which moment of the day it is ([`plan::refresh`]).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The two clocks may run apart by so much before an appointment is made anew.
const TOLERANCE: Duration = Duration::from_secs(1);

/// The last appointment of each ClusterExternalSecret.
#[derive(Debug, Default)]
pub(crate) struct Appointments {
    made: Mutex<HashMap<Box<str>, (Timestamp, Instant)>>,
}

impl Appointments {
    /// The instant of the moment `at`, seen from `now`, which both clocks tell.
    pub(crate) fn at(&self, declaration: &str, at: Timestamp, now: (Timestamp, Instant)) -> Instant {
        let wait = Duration::try_from(at.duration_since(now.0)).unwrap_or_default();
        let mine = now.1 + wait;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((moment, instant)) = made.get(declaration)
            && *moment == at
            // One that is over came before its moment did.
            && *instant > now.1
            && instant.max(&mine).duration_since(*instant.min(&mine)) < TOLERANCE
        {
            return *instant;
        }
        made.insert(declaration.into(), (at, mine));
        mine
    }

    /// Nobody asks for this one any more.
    pub(crate) fn forget(&self, declaration: &str) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).remove(declaration);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_get_the_instant_of_the_first_unless_the_clocks_went_apart() {
        let appointments = Appointments::default();
        let (start, moment) = (Instant::now(), Timestamp::UNIX_EPOCH + Duration::from_secs(100));
        // When one asks: by the wall's clock, by the other one, both in milliseconds; and for when it is told to come.
        let cases = [
            ("a", 0, 0, 100_000),
            ("a", 50_003, 50_000, 100_000),
            ("b", 50_003, 50_000, 99_997),
            ("a", 60_000, 62_000, 102_000),
            // The timer came, the moment hasn't yet.
            ("a", 99_990, 102_000, 102_010),
            ("a", 99_995, 102_003, 102_010),
            // It is over.
            ("a", 100_005, 102_015, 102_015),
        ];
        for (name, wall, other, want) in cases {
            let now = (Timestamp::UNIX_EPOCH + Duration::from_millis(wall), start + Duration::from_millis(other));
            let got = appointments.at(name, moment, now).duration_since(start);
            assert_eq!(got.as_millis(), want, "{name} at {wall}");
        }
    }
}
