//! The bounds of one evaluation: nesting, bytes looked at, bytes produced.
//!
//! Lives here: the figures and the counters. Deliberately not here: what happens when one is exceeded; callers get
//! [`Limit`] and stop. A path such as `[@this,@this]|[@this,@this]|…` doubles with each step, and `@dig` is quadratic
//! in the depth of the document; without bounds one manifest could stop the process for everybody.

use crate::error::Limit;

/// Deepest nesting of path components, sub-queries, modifiers and of documents that a modifier walks.
pub(crate) const MAX_DEPTH: usize = 200;
/// Bytes that one evaluation may look at: some 60 passes over the largest Kubernetes Secret.
const MAX_SCANNED: usize = 64 << 20;
/// Bytes that one evaluation may produce, intermediate results included.
const MAX_PRODUCED: usize = 32 << 20;

pub(crate) struct Budget {
    depth: usize,
    scanned: usize,
    produced: usize,
}

impl Budget {
    pub(crate) fn new() -> Self {
        Self { depth: 0, scanned: 0, produced: 0 }
    }

    pub(crate) fn scan(&mut self, bytes: usize) -> Result<(), Limit> {
        self.scanned = self.scanned.saturating_add(bytes.max(1));
        if self.scanned > MAX_SCANNED { Err(Limit::Scanned) } else { Ok(()) }
    }

    pub(crate) fn produce(&mut self, bytes: usize) -> Result<(), Limit> {
        self.produced = self.produced.saturating_add(bytes);
        if self.produced > MAX_PRODUCED { Err(Limit::Produced) } else { Ok(()) }
    }

    /// Goes one level deeper. An evaluation that met a limit is given up, so only success needs [`Budget::leave`].
    pub(crate) fn enter(&mut self) -> Result<(), Limit> {
        if self.depth >= MAX_DEPTH {
            return Err(Limit::Depth);
        }
        self.depth += 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth -= 1;
    }
}

/// Appends to `out` what the budget allows.
pub(crate) fn append(budget: &mut Budget, out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Limit> {
    budget.produce(bytes.len())?;
    out.extend_from_slice(bytes);
    Ok(())
}
