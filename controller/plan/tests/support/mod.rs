//! An engine for tests in which clock and chance don't matter.

use plan::template::{Delims, Engine, Env, Functions, Limits};

/// An engine with fixed clock and chance.
pub(crate) fn engine() -> (Engine, Env) {
    let engine = Engine::new(Functions::eso(), Delims::default(), Limits::default());
    (engine, Env::new(jiff::Timestamp::UNIX_EPOCH, |buffer| buffer.fill(7)))
}
