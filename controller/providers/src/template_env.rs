//! Clock and chance for the templates of store settings. Nothing else in this crate reads either.

use jiff::Timestamp;
use template::Env;

/// An environment in which it is now.
#[expect(clippy::disallowed_methods, reason = "a request is made now; no decision depends on it")]
pub(crate) fn env() -> Env {
    Env::new(Timestamp::now(), fill)
}

fn fill(buffer: &mut [u8]) {
    if rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(buffer).is_err() {
        // Passwords and nonces are made of it: rather none than one that can be guessed.
        tracing::error!("the system gives no randomness");
        std::process::abort();
    }
}
