//! The values of pipelines, commands and operands, and the checks that Go makes before it calls a function.
//!
//! Deliberately not here: actions and control structures (see `exec`).

use std::sync::Arc;

use super::{At, Done, Last, MissingKey, Operand, State, Stop};
use crate::builtin;
use crate::function::{Failure, Function};
use crate::gofmt::show;
use crate::node::{Arg, Command, Number, Pipe};
use crate::text::quoted;
use crate::value::{Type, Value};

impl<'t> State<'t, '_> {
    pub(super) fn pipeline(&mut self, dot: &Operand, pipe: &'t Pipe) -> Done<Operand> {
        self.at = At::Pipe(pipe);
        let mut last: Last = None;
        for command in &pipe.commands {
            let mut value = self.command(dot, command, last)?;
            value.boxed = false;
            last = Some(value);
        }
        let value = last.unwrap_or_else(|| Operand::of(Value::Nil));
        for name in &pipe.decl {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push((name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Operand, command: &'t Command, last: Last) -> Done<Operand> {
        self.step()?;
        let Some((first, rest)) = command.args.split_first() else { return Ok(Operand::of(Value::Nil)) };
        match first {
            Arg::Field { path, .. } => {
                self.at = At::Arg(first);
                return self.fields(dot, dot.clone(), At::Arg(first), path, rest, last);
            }
            Arg::Chain { of, path, .. } => {
                let of = self.chain_head(dot, first, of)?;
                return self.fields(dot, of, At::Arg(first), path, rest, last);
            }
            Arg::Identifier { name, .. } => {
                self.at = At::Arg(first);
                return self.function(dot, name, At::Command(command), rest, last);
            }
            Arg::Pipe(pipe) => {
                self.no_arguments(first, rest, &last)?;
                return self.pipeline(dot, pipe);
            }
            Arg::Variable { path, .. } => return self.variable(dot, first, path, rest, last),
            Arg::Dot { .. } | Arg::Nil { .. } | Arg::Bool { .. } | Arg::Number { .. } | Arg::Str { .. } => {}
        }
        self.at = At::Arg(first);
        self.no_arguments(first, rest, &last)?;
        match first {
            Arg::Dot { .. } => Ok(dot.clone()),
            Arg::Nil { .. } => self.error("nil is not a command"),
            _ => self.literal(dot, first),
        }
    }

    fn no_arguments(&self, first: &Arg, rest: &[Arg], last: &Last) -> Done<()> {
        if rest.is_empty() && last.is_none() {
            return Ok(());
        }
        self.error(&format!("can't give argument to non-function {first}"))
    }

    fn chain_head(&mut self, dot: &Operand, chain: &'t Arg, of: &'t Arg) -> Done<Operand> {
        self.at = At::Arg(chain);
        if matches!(of, Arg::Nil { .. }) {
            return self.error(&format!("indirection through explicit nil in {chain}"));
        }
        self.bare(dot, of)
    }

    fn variable(
        &mut self,
        dot: &Operand,
        node: &'t Arg,
        path: &'t [Arc<str>],
        args: &'t [Arg],
        last: Last,
    ) -> Done<Operand> {
        self.at = At::Arg(node);
        let Some((name, fields)) = path.split_first() else { return Ok(Operand::of(Value::Nil)) };
        let found = self.vars.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let Some(value) = found else { return self.error(&format!("undefined variable: {name}")) };
        if fields.is_empty() {
            self.no_arguments(node, args, &last)?;
            return Ok(value);
        }
        self.fields(dot, value, At::Arg(node), fields, args, last)
    }

    fn fields(
        &mut self,
        dot: &Operand,
        mut receiver: Operand,
        node: At<'t>,
        path: &'t [Arc<str>],
        args: &'t [Arg],
        last: Last,
    ) -> Done<Operand> {
        let Some((name, before)) = path.split_last() else { return Ok(receiver) };
        for name in before {
            receiver = self.field(dot, name, node, &[], None, receiver)?;
        }
        self.field(dot, name, node, args, last, receiver)
    }

    fn field(
        &mut self,
        dot: &Operand,
        name: &str,
        node: At<'t>,
        args: &'t [Arg],
        last: Last,
        receiver: Operand,
    ) -> Done<Operand> {
        if receiver.is_invalid() {
            if self.options.missing_key == MissingKey::Error {
                return self.error(&format!("nil data; no entry for key {}", quoted(name.as_bytes())));
            }
            return Ok(Operand::of(Value::Nil));
        }
        match &receiver.value {
            Value::Nil => return self.error(&format!("nil pointer evaluating {}.{name}", receiver.type_text())),
            Value::Object(object) => {
                if let Some(method) = object.method(name) {
                    return self.invoke(dot, &method, Some(&receiver.value), name, node, args, last);
                }
                if let Some(value) = object.field(name) {
                    if !args.is_empty() || last.is_some() {
                        return self.error(&format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Operand::of(value));
                }
            }
            Value::Map(map) => {
                if !args.is_empty() || last.is_some() {
                    return self.error(&format!("{name} is not a method but has arguments"));
                }
                if let Some(value) = map.get(name.as_bytes()) {
                    return Ok(Operand::element(value, map.elem()));
                }
                return match self.options.missing_key {
                    MissingKey::Default => Ok(Operand::of(Value::Nil)),
                    MissingKey::Zero => Ok(Operand::element(map.elem().zero(), map.elem())),
                    MissingKey::Error => {
                        let text = format!("map has no entry for key {}", quoted(name.as_bytes()));
                        let mut fault = self.fault(&text);
                        fault.missing_key = Some(name.to_owned());
                        fault.of_root = matches!(self.root, Value::Map(root) if root.is(map));
                        Err(Stop::Error(Box::new(fault)))
                    }
                };
            }
            _ => {}
        }
        self.error(&format!("can't evaluate field {name} in type {}", receiver.type_text()))
    }

    fn function(&mut self, dot: &Operand, name: &str, node: At<'t>, args: &'t [Arg], last: Last) -> Done<Operand> {
        let Some(function) = self.functions.get(name).copied() else {
            return self.error_in(name, &format!("{} is not a defined function", quoted(name.as_bytes())));
        };
        self.invoke(dot, &function, None, name, node, args, last)
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of a call as Go's evaluator has them")]
    fn invoke(
        &mut self,
        dot: &Operand,
        function: &Function,
        receiver: Option<&Value>,
        name: &str,
        node: At<'t>,
        args: &'t [Arg],
        last: Last,
    ) -> Done<Operand> {
        let params = function.params;
        let count = args.len() + usize::from(last.is_some());
        let fixed = if function.variadic { params.len() - 1 } else { params.len() };
        if function.variadic {
            if count < fixed {
                let got = args.len();
                return self
                    .error_in(name, &format!("wrong number of args for {name}: want at least {fixed} got {got}"));
            }
        } else if count != fixed {
            return self.error_in(name, &format!("wrong number of args for {name}: want {fixed} got {count}"));
        }
        if builtin::is_short_circuit(function) {
            let mut value = Operand::of(Value::Nil);
            for arg in args {
                value = self.argument(dot, Type::Raw, arg)?;
                if value.value.truth() == (name == "or") {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let param = |i: usize| params.get(i).or(params.last()).copied().unwrap_or(Type::Any);
        let mut values = Vec::with_capacity(count + 1);
        values.extend(receiver.cloned());
        for (i, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, param(i), arg)?.value);
        }
        if let Some(last) = last {
            values.push(self.fit(last, param(args.len()))?.value);
        }
        if builtin::is_call(function) {
            let shown = match args.first() {
                Some(arg) => arg.to_string(),
                None => values.first().map(show).unwrap_or_default(),
            };
            values.insert(0, Value::str(shown));
        }
        // A function reads its arguments in time linear to their size.
        let read: usize = values.iter().map(|v| if let Value::Str(s) = v { s.len() } else { 0 }).sum();
        let steps = self.call.step(u64::try_from(read / 256).unwrap_or(u64::MAX));
        self.within(steps)?;
        let answer = (function.call)(&mut self.call, &values).and_then(|value| {
            self.call.charge(match &value {
                Value::Str(s) => s.len(),
                Value::List(l) => l.items().len() * 32,
                _ => 0,
            })?;
            if value.depth() > self.options.limits.depth { Err(self.call.too_deep()) } else { Ok(value) }
        });
        match answer {
            Ok(value) => Ok(Operand::of(value)),
            Err(Failure(text)) => {
                self.at = node;
                self.error_in(name, &format!("error calling {name}: {text}"))
            }
        }
    }

    /// An error that a function or its call is to blame for.
    fn error_in<T>(&self, function: &str, text: &str) -> Done<T> {
        let mut fault = self.fault(text);
        fault.function = Some(function.to_owned());
        Err(Stop::Error(Box::new(fault)))
    }

    /// An operand without a wanted type: the head of a chain.
    fn bare(&mut self, dot: &Operand, arg: &'t Arg) -> Done<Operand> {
        self.at = At::Arg(arg);
        match arg {
            Arg::Dot { .. } => Ok(dot.clone()),
            Arg::Field { path, .. } => self.fields(dot, dot.clone(), At::Arg(arg), path, &[], None),
            Arg::Variable { path, .. } => self.variable(dot, arg, path, &[], None),
            Arg::Pipe(pipe) => self.pipeline(dot, pipe),
            Arg::Identifier { name, .. } => self.function(dot, name, At::Arg(arg), &[], None),
            Arg::Chain { of, path, .. } => {
                let of = self.chain_head(dot, arg, of)?;
                self.fields(dot, of, At::Arg(arg), path, &[], None)
            }
            Arg::Nil { .. } | Arg::Bool { .. } | Arg::Number { .. } | Arg::Str { .. } => self.literal(dot, arg),
        }
    }

    fn argument(&mut self, dot: &Operand, wanted: Type, arg: &'t Arg) -> Done<Operand> {
        self.step()?;
        self.at = At::Arg(arg);
        match arg {
            Arg::Dot { .. }
            | Arg::Field { .. }
            | Arg::Variable { .. }
            | Arg::Pipe(_)
            | Arg::Identifier { .. }
            | Arg::Chain { .. } => {
                let operand = self.bare(dot, arg)?;
                return self.fit(operand, wanted);
            }
            Arg::Nil { .. } if can_be_nil(wanted) => return Ok(Operand::of(wanted.zero())),
            Arg::Nil { .. } => return self.error(&format!("cannot assign nil to {wanted}")),
            Arg::Bool { .. } | Arg::Number { .. } | Arg::Str { .. } => {}
        }
        let number = match arg {
            Arg::Number { number, .. } => Some(number),
            _ => None,
        };
        let (value, expected) = match wanted {
            Type::Any | Type::Raw => return self.literal(dot, arg),
            Type::Bool => (matches!(arg, Arg::Bool { .. }).then(|| self.literal(dot, arg)).transpose()?, "bool"),
            Type::Str | Type::Text(_) => {
                (matches!(arg, Arg::Str { .. }).then(|| self.literal(dot, arg)).transpose()?, "string")
            }
            Type::Int(kind) => (number.and_then(|n| n.int).map(|n| Operand::of(Value::Int(kind, n))), "integer"),
            Type::Uint(kind) => {
                (number.and_then(|n| n.uint).map(|n| Operand::of(Value::Uint(kind, n))), "unsigned integer")
            }
            Type::Float(kind) => (number.and_then(|n| n.float).map(|n| Operand::of(Value::Float(kind, n))), "float"),
            Type::Complex => {
                let complex = number.and_then(|n| n.complex);
                (complex.map(|(re, im)| Operand::of(Value::Complex(re, im))), "complex")
            }
            Type::List(_) | Type::Map(_) | Type::Func | Type::Object(_) => {
                return self.error(&format!("can't handle {arg} for arg of type {wanted}"));
            }
        };
        match value {
            Some(value) => Ok(value),
            None => self.error(&format!("expected {expected}; found {arg}")),
        }
    }

    fn literal(&mut self, dot: &Operand, arg: &'t Arg) -> Done<Operand> {
        self.at = At::Arg(arg);
        match arg {
            Arg::Bool { value, .. } => Ok(Operand::of(Value::Bool(*value))),
            Arg::Str { value, .. } => Ok(Operand::of(value.clone())),
            Arg::Number { number, .. } => self.ideal(number),
            Arg::Dot { .. } => Ok(dot.clone()),
            _ => self.error(&format!("can't evaluate command {}", quoted(arg.to_string().as_bytes()))),
        }
    }

    fn ideal(&self, number: &Number) -> Done<Operand> {
        let text = number.text.as_str();
        if let Some((re, im)) = number.complex {
            return Ok(Operand::of(Value::Complex(re, im)));
        }
        let hex_int = text.len() > 2 && text.starts_with("0x") | text.starts_with("0X") && !text.contains(['p', 'P']);
        let rune = text.starts_with('\'');
        match (number.float, number.int) {
            (Some(f), _) if !hex_int && !rune && text.contains(['.', 'e', 'E', 'p', 'P']) => {
                Ok(Operand::of(Value::float(f)))
            }
            (_, Some(n)) => Ok(Operand::of(Value::int(n))),
            (_, None) => self.error(&format!("{text} overflows int")),
        }
    }

    /// Go's `validateType`: whether the value can be passed as `wanted`.
    fn fit(&self, operand: Operand, wanted: Type) -> Done<Operand> {
        if operand.is_invalid() {
            if can_be_nil(wanted) {
                return Ok(Operand::of(wanted.zero()));
            }
            return self.error(&format!("invalid value; expected {wanted}"));
        }
        if matches!(wanted, Type::Any | Type::Raw) {
            return Ok(operand);
        }
        if operand.value.type_of() == Some(wanted) {
            return Ok(Operand::of(operand.value));
        }
        let got = match (&operand.value, operand.boxed) {
            (Value::Nil, true) => Type::Any.to_string(),
            (value, _) => value.type_text(),
        };
        self.error(&format!("wrong type for value; expected {wanted}; got {got}"))
    }
}

fn can_be_nil(wanted: Type) -> bool {
    match wanted {
        Type::Any | Type::Raw | Type::List(_) | Type::Map(_) | Type::Func => true,
        Type::Object(name) => name.starts_with('*'),
        Type::Bool | Type::Int(_) | Type::Uint(_) | Type::Float(_) | Type::Complex | Type::Str | Type::Text(_) => false,
    }
}
