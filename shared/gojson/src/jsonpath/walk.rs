//! Following a path through a document, within a number of steps. Deliberately not here: the syntax.

use super::{Expression, Fault, Selected, Step};
use crate::document::{Document, Item, NodeId, Numbers};
use crate::text::parse_float;
use crate::write::Html;

/// How many values may be looked at: some tenths of a second.
const MAX_STEPS: usize = 5_000_000;

/// Where Go's slice ends that has no end.
const NO_END: i64 = i32::MAX as i64;

pub(super) fn select(steps: &[Step], document: &Document<'_>) -> Result<Selected, Fault> {
    let mut walk = Walk { document, left: MAX_STEPS };
    let root = document.root();
    if steps.iter().any(Step::is_ambiguous) {
        walk.first(steps, root, None).map(Selected::FirstOf)
    } else {
        walk.only(steps, root, None).map(Selected::One)
    }
}

/// What an expression gives. Texts are those of the path or of the document.
#[derive(Clone, Copy)]
enum Value<'v> {
    Null,
    Bool(bool),
    Number(f64),
    Text(&'v str),
    Container(NodeId),
    /// The matches of an ambiguous path. Nothing is asked of them but that they equal no value.
    Matches,
}

struct Walk<'d> {
    document: &'d Document<'d>,
    left: usize,
}

impl<'d> Walk<'d> {
    fn spend(&mut self, steps: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(steps).ok_or(Fault::TooManySteps)?;
        Ok(())
    }

    /// The one value of an unambiguous path. `current` is what `@` means in its brackets before the first step.
    fn only(&mut self, steps: &[Step], from: NodeId, current: Option<NodeId>) -> Result<NodeId, Fault> {
        let mut at = from;
        for step in steps {
            match step {
                Step::Key(key) => at = self.child(key, at)?,
                // Not reached: who has such a path asks for its first match.
                Step::Keys(_) | Step::All | Step::Below | Step::Slice { .. } | Step::Filter(_) => {
                    return self.first(steps, from, current)?.ok_or(Fault::InvalidKey);
                }
            }
        }
        Ok(at)
    }

    /// The first match below `at`.
    fn first(&mut self, steps: &[Step], at: NodeId, current: Option<NodeId>) -> Result<Option<NodeId>, Fault> {
        self.spend(1)?;
        let Some((step, rest)) = steps.split_first() else { return Ok(Some(at)) };
        match step {
            Step::Key(key) => match found(self.child(key, at))? {
                Some(child) => self.first(rest, child, current),
                None => Ok(None),
            },
            Step::Keys(keys) => {
                for key in keys {
                    if let Some(child) = found(self.child(key, at))?
                        && let Some(first) = self.first(rest, child, current)?
                    {
                        return Ok(Some(first));
                    }
                }
                Ok(None)
            }
            Step::All => self.first_of(self.children(at), rest, current),
            Step::Below => {
                let mut open = vec![at];
                while let Some(at) = open.pop() {
                    if let Some(first) = self.first(rest, at, current)? {
                        return Ok(Some(first));
                    }
                    let before = open.len();
                    open.extend(self.children(at));
                    open.get_mut(before..).unwrap_or_default().reverse();
                    self.spend(open.len() - before)?;
                }
                Ok(None)
            }
            Step::Slice { from, to, step } => {
                let Item::Array(items) = self.document.item(at) else { return Ok(None) };
                let mut bound = |bound: &Option<Expression>, default: i64| match bound {
                    None => Ok(Some(default)),
                    Some(bound) => found(self.value(bound, Some(at)).and_then(integer)),
                };
                let (Some(from), Some(to), Some(step)) = (bound(from, 0)?, bound(to, NO_END)?, bound(step, 1)?) else {
                    return Ok(None);
                };
                self.first_of(slice(items, from, to, step), rest, current)
            }
            Step::Filter(filter) => {
                for child in self.children(at) {
                    self.spend(1)?;
                    let passes = found(self.value(filter, Some(child)))?.is_some_and(truth);
                    if passes && let Some(first) = self.first(rest, child, current)? {
                        return Ok(Some(first));
                    }
                }
                Ok(None)
            }
        }
    }

    fn first_of(
        &mut self,
        children: impl IntoIterator<Item = NodeId>,
        rest: &[Step],
        current: Option<NodeId>,
    ) -> Result<Option<NodeId>, Fault> {
        for child in children {
            if let Some(first) = self.first(rest, child, current)? {
                return Ok(Some(first));
            }
        }
        Ok(None)
    }

    fn children(&self, at: NodeId) -> Box<dyn Iterator<Item = NodeId> + 'd> {
        match self.document.item(at) {
            Item::Array(items) => Box::new(items.iter().copied()),
            Item::Object(members) => Box::new(members.values().copied()),
            Item::Null | Item::Bool(_) | Item::Number(_) | Item::Text(_) => Box::new(std::iter::empty()),
        }
    }

    fn child(&mut self, key: &Expression, at: NodeId) -> Result<NodeId, Fault> {
        self.spend(1)?;
        let go_type = match self.document.item(at) {
            Item::Array(items) => {
                let index = integer(self.value(key, Some(at))?)?;
                let index = usize::try_from(index).map_err(|_| Fault::OutOfBounds)?;
                return items.get(index).copied().ok_or(Fault::OutOfBounds);
            }
            Item::Object(members) => {
                let name = match self.value(key, Some(at))? {
                    Value::Text(text) => text.to_owned(),
                    Value::Number(number) => number.to_string(),
                    Value::Bool(value) => value.to_string(),
                    Value::Null | Value::Container(_) | Value::Matches => return Err(Fault::InvalidKey),
                };
                let literal = match key {
                    Expression::Text(text) => Some(text.clone()),
                    Expression::Null
                    | Expression::Bool(_)
                    | Expression::Number(_)
                    | Expression::Root(_)
                    | Expression::Current(_)
                    | Expression::Negative(_)
                    | Expression::Comparison { .. } => None,
                };
                return members.get(&name).copied().ok_or(Fault::UnknownKey(literal));
            }
            Item::Null => "<nil>",
            Item::Bool(_) => "bool",
            Item::Number(_) => "float64",
            Item::Text(_) => "string",
        };
        Err(Fault::NoContainer(go_type))
    }

    fn value<'v>(&mut self, expression: &'v Expression, current: Option<NodeId>) -> Result<Value<'v>, Fault>
    where
        'd: 'v,
    {
        self.spend(1)?;
        Ok(match expression {
            Expression::Null => Value::Null,
            Expression::Bool(value) => Value::Bool(*value),
            Expression::Number(number) => Value::Number(*number),
            Expression::Text(text) => Value::Text(text),
            Expression::Root(steps) => self.at_path(steps, self.document.root(), current)?,
            Expression::Current(steps) => {
                let from = current.ok_or(Fault::InvalidKey)?;
                self.at_path(steps, from, current)?
            }
            Expression::Negative(inner) => Value::Number(-float(self.value(inner, current)?)?),
            Expression::Comparison { left, right, equal } => {
                let (left, right) = (self.value(left, current)?, self.value(right, current)?);
                Value::Bool(self.same(left, right)? == *equal)
            }
        })
    }

    fn at_path(&mut self, steps: &[Step], from: NodeId, current: Option<NodeId>) -> Result<Value<'d>, Fault> {
        if steps.iter().any(Step::is_ambiguous) {
            return Ok(Value::Matches);
        }
        let at = self.only(steps, from, current)?;
        Ok(match self.document.item(at) {
            Item::Null => Value::Null,
            Item::Bool(value) => Value::Bool(value),
            Item::Number(literal) => Value::Number(parse_float(literal.as_bytes())),
            Item::Text(text) => Value::Text(text),
            Item::Array(_) | Item::Object(_) => Value::Container(at),
        })
    }

    fn same(&mut self, left: Value<'_>, right: Value<'_>) -> Result<bool, Fault> {
        Ok(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            (Value::Number(a), Value::Number(b)) => a == b,
            (Value::Text(a), Value::Text(b)) => {
                self.spend(a.len().min(b.len()) / 64)?;
                a == b
            }
            (Value::Container(a), Value::Container(b)) => {
                self.spend(self.document.raw(a).len() + self.document.raw(b).len())?;
                let json = |id| self.document.compact(id, Numbers::Float64, Html::Keep);
                matches!((json(a), json(b)), (Ok(a), Ok(b)) if a == b)
            }
            (
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Container(_) | Value::Matches,
                _,
            ) => false,
        })
    }
}

/// On the way to matches whatever isn't there is passed over.
fn found<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(Fault::TooManySteps) => Err(Fault::TooManySteps),
        Err(
            Fault::Syntax { .. }
            | Fault::TooLong
            | Fault::UnknownKey(_)
            | Fault::OutOfBounds
            | Fault::InvalidKey
            | Fault::NoContainer(_),
        ) => Ok(None),
    }
}

fn float(value: Value<'_>) -> Result<f64, Fault> {
    match value {
        Value::Number(number) => Ok(number),
        Value::Text(text) => text.parse().map_err(|_| Fault::InvalidKey),
        Value::Null | Value::Bool(_) | Value::Container(_) | Value::Matches => Err(Fault::InvalidKey),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a number that is no index is cut, as in Go, and then out of bounds"
)]
fn integer(value: Value<'_>) -> Result<i64, Fault> {
    float(value).map(|number| number as i64)
}

/// What Go's gval takes for true.
fn truth(value: Value<'_>) -> bool {
    match value {
        Value::Bool(value) => value,
        Value::Text("true" | "TRUE") => true,
        Value::Text(_) | Value::Number(_) => float(value).is_ok_and(|number| number != 0.0),
        Value::Null | Value::Container(_) | Value::Matches => false,
    }
}

/// Go's order of checks: bounds that are crossed before negative ones are counted from the end give nothing.
fn slice(items: &[NodeId], from: i64, to: i64, step: i64) -> Vec<NodeId> {
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let place = |bound: i64| if bound < 0 { bound.saturating_add(length).max(0) } else { bound.min(length) };
    if from > to {
        return Vec::new();
    }
    let (from, to) = (place(from), place(to));
    let within = items.get(usize::try_from(from).unwrap_or(0)..usize::try_from(to).unwrap_or(0)).unwrap_or_default();
    let stride = usize::try_from(step.unsigned_abs()).unwrap_or(usize::MAX).max(1);
    if step < 0 {
        within.iter().rev().step_by(stride).copied().collect()
    } else {
        within.iter().step_by(stride).copied().collect()
    }
}
