//! Pipelines, commands and operands.
//!
//! Deliberately not here: the actions that they stand in (see `parse`) and numeric literals (see `number`).

use std::sync::Arc;

use super::number::number;
use super::{Parsed, Parser};
use crate::lex::Kind;
use crate::node::{Arg, Command, Pipe};
use crate::text::quoted;
use crate::value::Value;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Parsed<Pipe> {
        let mut pipe = Pipe { pos: self.peek_non_space().pos, decl: Vec::new(), assign: false, commands: Vec::new() };
        loop {
            let variable = self.peek_non_space();
            if variable.kind != Kind::Variable {
                break;
            }
            self.next();
            let after = self.peek();
            let next = self.peek_non_space();
            match next.kind {
                Kind::Assign | Kind::Declare => {
                    pipe.assign = next.kind == Kind::Assign;
                    self.next_non_space();
                    let name: Arc<str> = Arc::from(&*variable.text);
                    pipe.decl.push(name.clone());
                    self.tree.vars.push(name);
                    break;
                }
                Kind::Char if &*next.text == "," => {
                    self.next_non_space();
                    let name: Arc<str> = Arc::from(&*variable.text);
                    pipe.decl.push(name.clone());
                    self.tree.vars.push(name);
                    if context == "range" && pipe.decl.len() < 2 {
                        match self.peek_non_space().kind {
                            Kind::Variable | Kind::RightDelim | Kind::RightParen => continue,
                            _ => return self.error("range can only initialize variables"),
                        }
                    }
                    return self.error(&format!("too many declarations in {context}"));
                }
                _ if after.kind == Kind::Space => {
                    self.tree.tokens[1] = Some(after);
                    self.tree.tokens[2] = Some(variable);
                    self.tree.peeked = 3;
                    break;
                }
                _ => {
                    self.backup2(variable);
                    break;
                }
            }
        }
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => {
                    self.check(&pipe, context)?;
                    return Ok(pipe);
                }
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.backup();
                    let command = self.command()?;
                    // Most pipelines are of one command, and there may be many.
                    if pipe.commands.is_empty() {
                        pipe.commands.reserve_exact(1);
                    }
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
    }

    fn check(&self, pipe: &Pipe, context: &str) -> Parsed<()> {
        if pipe.commands.is_empty() {
            return self.error(&format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if let Some(Arg::Bool { .. } | Arg::Dot { .. } | Arg::Nil { .. } | Arg::Number { .. } | Arg::Str { .. }) =
                command.args.first()
            {
                return self.error(&format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(())
    }

    fn command(&mut self) -> Parsed<Command> {
        let mut command = Command { pos: self.peek_non_space().pos, args: Vec::new() };
        loop {
            self.peek_non_space();
            if let Some(arg) = self.operand()? {
                if command.args.is_empty() {
                    command.args.reserve_exact(1);
                }
                command.args.push(arg);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => continue,
                Kind::RightDelim | Kind::RightParen => self.backup(),
                Kind::Pipe => {}
                _ => return self.unexpected(&token, "operand"),
            }
            break;
        }
        if command.args.is_empty() {
            return self.error("empty command");
        }
        Ok(command)
    }

    fn operand(&mut self) -> Parsed<Option<Arg>> {
        let Some(term) = self.term()? else { return Ok(None) };
        self.part()?;
        let first = self.peek();
        if first.kind != Kind::Field {
            return Ok(Some(term));
        }
        let pos = first.pos;
        let mut more: Vec<Arc<str>> = Vec::new();
        while self.peek().kind == Kind::Field {
            let token = self.next();
            more.push(token.text.get(1..).unwrap_or_default().into());
        }
        Ok(Some(match term {
            Arg::Field { mut path, .. } => {
                path.append(&mut more);
                Arg::Field { pos, path }
            }
            Arg::Variable { mut path, .. } => {
                path.append(&mut more);
                Arg::Variable { pos, path }
            }
            Arg::Bool { .. } | Arg::Str { .. } | Arg::Number { .. } | Arg::Nil { .. } | Arg::Dot { .. } => {
                return self.error(&format!("unexpected . after term {}", quoted(term.to_string().as_bytes())));
            }
            Arg::Pipe(_) | Arg::Identifier { .. } | Arg::Chain { .. } => {
                Arg::Chain { pos, of: Box::new(term), path: more }
            }
        }))
    }

    fn term(&mut self) -> Parsed<Option<Arg>> {
        let token = self.next_non_space();
        let pos = token.pos;
        Ok(Some(match token.kind {
            Kind::Identifier => {
                if !self.names.defines(&token.text) {
                    let mut fault = self.fault(&format!("function {} not defined", quoted(token.text.as_bytes())));
                    fault.function = Some(token.text.to_string());
                    return Err(fault);
                }
                Arg::Identifier { pos, name: Arc::from(&*token.text) }
            }
            Kind::Dot => Arg::Dot { pos },
            Kind::Nil => Arg::Nil { pos },
            Kind::Variable => {
                if !self.tree.vars.iter().any(|name| **name == *token.text) {
                    return self.error(&format!("undefined variable {}", quoted(token.text.as_bytes())));
                }
                Arg::Variable { pos, path: vec![Arc::from(&*token.text)] }
            }
            Kind::Field => Arg::Field { pos, path: vec![token.text.get(1..).unwrap_or_default().into()] },
            Kind::Bool => Arg::Bool { pos, value: &*token.text == "true" },
            Kind::CharConstant | Kind::Complex | Kind::Number => match number(&token) {
                Ok(number) => Arg::Number { pos, number },
                Err(text) => return self.error(&text),
            },
            Kind::LeftParen => {
                self.deeper()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                Arg::Pipe(pipe)
            }
            Kind::String | Kind::RawString => {
                let value = Value::str(self.string(&token)?);
                Arg::Str { pos, literal: Arc::from(&*token.text), value }
            }
            _ => {
                self.backup();
                return Ok(None);
            }
        }))
    }
}
