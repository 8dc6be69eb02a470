//! `Retry-After`: seconds, or a date that is measured against the answer's own `Date`, so that no clock is needed here.

use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};
use provider::{Error, ErrorKind, Retry};

/// A backend that asks for more than this is asked again after this.
const LONGEST: Duration = Duration::from_secs(3600);

/// How long the answer asks to wait, if it does in a form that can be understood.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let now = http_date(headers.get(DATE)?.to_str().ok()?)?;
            let then = http_date(text)?;
            Duration::from_secs(u64::try_from(then - now).unwrap_or_default())
        }
    };
    Some(wait.min(LONGEST))
}

/// An error that is worth a later try is tried again when the backend said, if it did.
pub(crate) fn waiting(error: Error, wait: Option<Duration>) -> Error {
    match (error.kind(), wait) {
        (ErrorKind::Throttled | ErrorKind::Unavailable, Some(wait)) => error.retry(Retry::After(wait)),
        _ => error,
    }
}

/// Seconds since the epoch of a date such as `Wed, 21 Oct 2015 07:28:00 GMT`.
fn http_date(text: &str) -> Option<i64> {
    let at = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    Some(at.as_second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_are_understood() {
        let date = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        let cases = [
            ("120", None, Some(120)),
            (" 0 ", None, Some(0)),
            ("999999", None, Some(3600)),
            ("Wed, 21 Oct 2015 07:29:30 GMT", date, Some(90)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", date, Some(0)),
            ("Wed, 21 Oct 2015 07:29:30 GMT", None, None),
            ("soon", date, None),
            ("-1", date, None),
        ];
        for (value, date, want) in cases {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().unwrap());
            if let Some(date) = date {
                headers.insert(DATE, date.parse().unwrap());
            }
            assert_eq!(retry_after(&headers), want.map(Duration::from_secs), "{value} at {date:?}");
        }
    }
}
