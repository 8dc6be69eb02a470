//! Reads of one store that wait for their turn: in which order they go, and when they wait for others to share a call with.
//!
//! Deliberately not here: how many calls there may be at a time (`desk.rs`).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use provider::{Error, Payload, ReadKey};
use tokio::sync::oneshot;

use crate::flights::Began;

/// How long a read waits at most for others to share its call, where the backend takes many keys in one.
pub const LINGER: Duration = Duration::from_secs(1);

/// A read that waits.
pub(super) struct Waiting {
    pub(super) key: ReadKey,
    pub(super) began: Began,
    pub(super) came: Instant,
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Payload, Error>>,
}

/// Every so many reads one of those that aren't urgent goes first, so that a wave of urgent ones doesn't starve them.
const AGEING_TURNS: u32 = 4;

/// Reads in the order of their turns: those of urgent askers go before all others, but for [`AGEING_TURNS`].
#[derive(Default)]
pub(super) struct Line {
    urgent: VecDeque<Waiting>,
    usual: VecDeque<Waiting>,
    turns: u32,
    /// What the last one to come said: whether others are about to.
    followed: bool,
}

impl Line {
    pub(super) fn push(&mut self, waiting: Waiting, urgent: bool, followed: bool) {
        self.followed = followed;
        if urgent { self.urgent.push_back(waiting) } else { self.usual.push_back(waiting) }
    }

    pub(super) fn first(&self) -> Option<&Waiting> {
        self.urgent.front().or_else(|| self.usual.front())
    }

    /// The first reads that somebody still waits for.
    pub(super) fn take(&mut self, most: usize) -> Vec<Waiting> {
        let in_order = std::iter::from_fn(|| {
            self.turns = self.turns.wrapping_add(1);
            let (first, then) = match self.turns.is_multiple_of(AGEING_TURNS) {
                true => (&mut self.usual, &mut self.urgent),
                false => (&mut self.urgent, &mut self.usual),
            };
            first.pop_front().or_else(|| then.pop_front())
        });
        in_order.filter(|waiting| !waiting.answer.is_closed()).take(most).collect()
    }

    /// Whether those that wait should go on waiting: the call could hold more than they are, and others are about to come.
    pub(super) fn lingers(&self, most: usize, now: Instant) -> bool {
        let oldest = [self.urgent.front(), self.usual.front()].into_iter().flatten().map(|waiting| waiting.came).min();
        self.followed
            && self.urgent.len() + self.usual.len() < most
            && oldest.is_some_and(|came| now.saturating_duration_since(came) < LINGER)
    }
}
