//! Clock and chance for templates.

use template::Env;

use crate::clock;

/// An environment in which it is now.
pub(crate) fn env() -> Env {
    Env::new(clock::now(), random_bytes)
}

/// Fills a buffer with chance that nobody can guess.
pub fn random_bytes(buffer: &mut [u8]) {
    if rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(buffer).is_err() {
        // Passwords and nonces are made of it: rather none than one that can be guessed.
        tracing::error!("the system gives no randomness");
        std::process::abort();
    }
}
