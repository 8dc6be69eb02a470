//! `spec.retrySettings` as numbers. Deliberately not here: each provider's defaults, and the retrying itself.

use std::time::Duration;

use api::{GoDuration, RetrySettings};
use provider::{Error, ErrorKind};

/// What a store says about retries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    /// `maxRetries`.
    pub(crate) max: Option<u32>,
    /// `retryInterval`.
    pub(crate) interval: Option<Duration>,
}

impl Retries {
    /// Checks the settings.
    ///
    /// # Errors
    /// `Invalid`, naming the field.
    pub(crate) fn of(settings: &RetrySettings) -> Result<Self, Error> {
        let RetrySettings { max_retries, retry_interval } = settings;
        let invalid = |text: String| Error::new(ErrorKind::Invalid, "Open", text);
        let max = match max_retries {
            None => None,
            Some(n) => Some(u32::try_from(*n).map_err(|_| {
                invalid(format!("spec.retrySettings.maxRetries: {n} is negative; write 0 for no retries"))
            })?),
        };
        let interval =
            match retry_interval.as_deref().filter(|text| !text.is_empty()) {
                None => None,
                Some(text) => {
                    let GoDuration(nanoseconds) =
                        text.parse().map_err(|e| invalid(format!("spec.retrySettings.retryInterval: {e}")))?;
                    Some(u64::try_from(nanoseconds).map(Duration::from_nanos).map_err(|_| {
                        invalid(format!("spec.retrySettings.retryInterval: {text} must not be negative"))
                    })?)
                }
            };
        Ok(Self { max, interval })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_become_numbers_or_an_error_that_names_the_field() {
        let of = |max_retries, interval: Option<&str>| {
            Retries::of(&RetrySettings { max_retries, retry_interval: interval.map(str::to_owned) })
        };
        assert_eq!(of(None, None).unwrap(), Retries::default());
        let want = Retries { max: Some(5), interval: Some(Duration::from_millis(1500)) };
        assert_eq!(of(Some(5), Some("1.5s")).unwrap(), want);
        for (max, interval, field) in [
            (Some(-1), None, "maxRetries"),
            (None, Some("soon"), "retryInterval"),
            (None, Some("-1s"), "retryInterval"),
        ] {
            let error = of(max, interval).unwrap_err();
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
