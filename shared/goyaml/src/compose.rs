//! Tokens to a tree of nodes: the grammar, as a machine with a stack of its own, so that no nesting can exhaust the thread's.
//!
//! Only the first document is read. Deliberately not here: what scalars mean and what aliases stand for (see `decode`).

use std::collections::HashMap;

use crate::MAX_DEPTH;
use crate::scan::{Kind, Problem, Scan, Scanner};

/// The place of a node in [`Tree::nodes`].
pub(crate) type Id = usize;

pub(crate) enum Node {
    Scalar {
        text: String,
        tag: String,
        /// Whether the text says what it is: it is plain and has no tag but `!`.
        implicit: bool,
    },
    Sequence(Vec<Id>),
    /// Keys and values by turns.
    Mapping(Vec<Id>),
    Alias {
        name: String,
        target: Id,
    },
}

pub(crate) struct Tree {
    pub(crate) nodes: Vec<Node>,
    /// `None` if there is no document.
    pub(crate) root: Option<Id>,
}

enum State {
    BlockNode,
    BlockSequence,
    /// A sequence that is indented like the key it belongs to.
    FlushSequence,
    BlockKey,
    BlockValue,
    FlowSequence {
        first: bool,
    },
    /// A pair inside a flow sequence, which is a mapping of its own.
    PairKey,
    PairValue,
    PairEnd,
    FlowKey {
        first: bool,
    },
    FlowValue,
    /// The value that a lone key of a flow mapping doesn't have.
    NoValue,
}

#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<String>,
}

struct Composer {
    scanner: Scanner,
    /// What to do next, the last one first. An unfinished collection is one of them.
    states: Vec<State>,
    tags: HashMap<String, String>,
    nodes: Vec<Node>,
    open: Vec<Id>,
    anchors: HashMap<String, Id>,
    root: Option<Id>,
}

/// Reads the first document.
pub(crate) fn compose(scanner: Scanner) -> Result<Tree, Problem> {
    let mut composer = Composer {
        scanner,
        states: Vec::new(),
        tags: HashMap::new(),
        nodes: Vec::new(),
        open: Vec::new(),
        anchors: HashMap::new(),
        root: None,
    };
    composer.document()?;
    Ok(Tree { nodes: composer.nodes, root: composer.root })
}

impl Composer {
    fn kind(&mut self) -> Scan<&Kind> {
        Ok(&self.scanner.peek()?.kind)
    }

    /// An error at the next token. In contrast to the scanner's, its line counts from 0.
    fn problem<T>(&mut self, text: &'static str) -> Scan<T> {
        let line = self.scanner.peek()?.line;
        Err(Problem { line, text: text.into() })
    }

    fn document(&mut self) -> Scan<()> {
        if *self.kind()? == Kind::StreamEnd {
            return Ok(());
        }
        self.directives()?;
        match self.kind()? {
            Kind::DocumentStart => {
                self.scanner.take();
                match self.kind()? {
                    Kind::Version { .. }
                    | Kind::TagDirective { .. }
                    | Kind::DocumentStart
                    | Kind::DocumentEnd
                    | Kind::StreamEnd => self.empty()?,
                    _ => self.states.push(State::BlockNode),
                }
            }
            _ => self.states.push(State::BlockNode),
        }
        while let Some(state) = self.states.pop() {
            self.step(state)?;
        }
        // What comes after it isn't read, but has to be a token.
        self.kind().map(|_| ())
    }

    fn directives(&mut self) -> Scan<()> {
        let mut version_seen = false;
        let mut any = false;
        loop {
            match self.kind()? {
                Kind::Version { major, minor } => {
                    let known = (*major, *minor) == (1, 1);
                    if version_seen {
                        return self.problem("found duplicate %YAML directive");
                    }
                    if !known {
                        return self.problem("found incompatible YAML document");
                    }
                    version_seen = true;
                }
                Kind::TagDirective { handle, prefix } => {
                    let (handle, prefix) = (handle.clone(), prefix.clone());
                    if self.tags.contains_key(&handle) {
                        return self.problem("found duplicate %TAG directive");
                    }
                    self.tags.insert(handle, prefix);
                }
                _ => break,
            }
            any = true;
            self.scanner.take();
        }
        self.tags.entry("!".into()).or_insert_with(|| "!".into());
        self.tags.entry("!!".into()).or_insert_with(|| "tag:yaml.org,2002:".into());
        if any && *self.kind()? != Kind::DocumentStart {
            return self.problem("did not find expected <document start>");
        }
        Ok(())
    }

    /// Puts a node into the collection that is open.
    fn add(&mut self, node: Node, anchor: Option<String>) -> Id {
        let id = self.nodes.len();
        self.nodes.push(node);
        match self.open.last().map(|&parent| &mut self.nodes[parent]) {
            Some(Node::Sequence(items) | Node::Mapping(items)) => items.push(id),
            Some(Node::Scalar { .. } | Node::Alias { .. }) | None => self.root = Some(id),
        }
        if let Some(anchor) = anchor {
            self.anchors.insert(anchor, id);
        }
        id
    }

    fn begin(&mut self, node: Node, anchor: Option<String>, state: State) -> Scan<()> {
        let id = self.add(node, anchor);
        self.open.push(id);
        self.states.push(state);
        if self.open.len() > MAX_DEPTH {
            return Err(self.scanner.problem(format!("exceeded max depth of {MAX_DEPTH}")));
        }
        Ok(())
    }

    fn end(&mut self, take: bool) {
        self.open.pop();
        if take {
            self.scanner.take();
        }
    }

    fn empty(&mut self) -> Scan<()> {
        self.add(Node::Scalar { text: String::new(), tag: String::new(), implicit: true }, None);
        Ok(())
    }

    fn step(&mut self, state: State) -> Scan<()> {
        match state {
            State::BlockNode => self.node(true, false),
            State::BlockSequence => match self.kind()? {
                Kind::BlockEntry => {
                    self.scanner.take();
                    self.states.push(State::BlockSequence);
                    match self.kind()? {
                        Kind::BlockEntry | Kind::BlockEnd => self.empty(),
                        _ => self.node(true, false),
                    }
                }
                Kind::BlockEnd => {
                    self.end(true);
                    Ok(())
                }
                _ => self.problem("did not find expected '-' indicator"),
            },
            State::FlushSequence => match self.kind()? {
                Kind::BlockEntry => {
                    self.scanner.take();
                    self.states.push(State::FlushSequence);
                    match self.kind()? {
                        Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd => self.empty(),
                        _ => self.node(true, false),
                    }
                }
                _ => {
                    self.end(false);
                    Ok(())
                }
            },
            State::BlockKey => match self.kind()? {
                Kind::Key => {
                    self.scanner.take();
                    self.states.push(State::BlockValue);
                    self.block_part()
                }
                Kind::BlockEnd => {
                    self.end(true);
                    Ok(())
                }
                _ => self.problem("did not find expected key"),
            },
            State::BlockValue => {
                self.states.push(State::BlockKey);
                match self.kind()? {
                    Kind::Value => {
                        self.scanner.take();
                        self.block_part()
                    }
                    _ => self.empty(),
                }
            }
            State::FlowSequence { first } => self.flow_item(first),
            State::PairKey => {
                self.states.push(State::PairValue);
                match self.kind()? {
                    Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd => {
                        // So does Go, and loses the indicator.
                        self.scanner.take();
                        self.empty()
                    }
                    _ => self.node(false, false),
                }
            }
            State::PairValue => {
                self.states.push(State::PairEnd);
                if *self.kind()? == Kind::Value {
                    self.scanner.take();
                    if !matches!(self.kind()?, Kind::FlowEntry | Kind::FlowSequenceEnd) {
                        return self.node(false, false);
                    }
                }
                self.empty()
            }
            State::PairEnd => {
                self.kind()?;
                self.end(false);
                Ok(())
            }
            State::FlowKey { first } => self.flow_key(first),
            State::FlowValue => {
                self.states.push(State::FlowKey { first: false });
                if *self.kind()? == Kind::Value {
                    self.scanner.take();
                    if !matches!(self.kind()?, Kind::FlowEntry | Kind::FlowMappingEnd) {
                        return self.node(false, false);
                    }
                }
                self.empty()
            }
            State::NoValue => {
                self.kind()?;
                self.states.push(State::FlowKey { first: false });
                self.empty()
            }
        }
    }

    /// A key or a value of a block mapping, after its indicator.
    fn block_part(&mut self) -> Scan<()> {
        match self.kind()? {
            Kind::Key | Kind::Value | Kind::BlockEnd => self.empty(),
            _ => self.node(true, true),
        }
    }

    fn flow_item(&mut self, first: bool) -> Scan<()> {
        if *self.kind()? != Kind::FlowSequenceEnd {
            if !first {
                if *self.kind()? != Kind::FlowEntry {
                    return self.problem("did not find expected ',' or ']'");
                }
                self.scanner.take();
            }
            match self.kind()? {
                Kind::Key => {
                    self.scanner.take();
                    self.states.push(State::FlowSequence { first: false });
                    return self.begin(Node::Mapping(Vec::new()), None, State::PairKey);
                }
                Kind::FlowSequenceEnd => {}
                _ => {
                    self.states.push(State::FlowSequence { first: false });
                    return self.node(false, false);
                }
            }
        }
        self.end(true);
        Ok(())
    }

    fn flow_key(&mut self, first: bool) -> Scan<()> {
        if *self.kind()? != Kind::FlowMappingEnd {
            if !first {
                if *self.kind()? != Kind::FlowEntry {
                    return self.problem("did not find expected ',' or '}'");
                }
                self.scanner.take();
            }
            match self.kind()? {
                Kind::Key => {
                    self.scanner.take();
                    self.states.push(State::FlowValue);
                    return match self.kind()? {
                        Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd => self.empty(),
                        _ => self.node(false, false),
                    };
                }
                Kind::FlowMappingEnd => {}
                _ => {
                    self.states.push(State::NoValue);
                    return self.node(false, false);
                }
            }
        }
        self.end(true);
        Ok(())
    }

    /// The anchor and the tag before a node, in any order.
    fn properties(&mut self) -> Scan<Properties> {
        let mut properties = Properties::default();
        let mut tag = None;
        loop {
            let line = self.scanner.peek()?.line;
            match &self.scanner.peek()?.kind {
                Kind::Anchor(_) if properties.anchor.is_some() => break,
                Kind::Tag { .. } if tag.is_some() => break,
                Kind::Anchor(name) => properties.anchor = Some(name.clone()),
                Kind::Tag { handle, suffix } => tag = Some((handle.clone(), suffix.clone(), line)),
                _ => break,
            }
            self.scanner.take();
        }
        properties.tag = match tag {
            None => None,
            Some((handle, suffix, _)) if handle.is_empty() => Some(suffix),
            Some((handle, suffix, line)) => match self.tags.get(&handle).map(|prefix| format!("{prefix}{suffix}")) {
                Some(tag) if !tag.is_empty() => Some(tag),
                Some(_) | None => return Err(Problem { line, text: "found undefined tag handle".into() }),
            },
        };
        Ok(properties)
    }

    fn node(&mut self, block: bool, flush_sequence: bool) -> Scan<()> {
        if let Kind::Alias(name) = self.kind()? {
            let name = name.clone();
            let Some(&target) = self.anchors.get(&name) else {
                return Err(Problem { line: 0, text: format!("unknown anchor '{name}' referenced").into() });
            };
            self.scanner.take();
            self.add(Node::Alias { name, target }, None);
            return Ok(());
        }
        let line = self.scanner.peek()?.line;
        let Properties { anchor, tag } = self.properties()?;
        match self.kind()? {
            Kind::BlockEntry if flush_sequence => self.begin(Node::Sequence(Vec::new()), anchor, State::FlushSequence),
            Kind::Scalar { .. } => {
                let Some(Kind::Scalar { text, plain }) = self.scanner.take().map(|token| token.kind) else {
                    return Ok(());
                };
                let tag = tag.unwrap_or_default();
                let implicit = tag.is_empty() && plain || tag == "!";
                self.add(Node::Scalar { text, tag, implicit }, anchor);
                Ok(())
            }
            Kind::FlowSequenceStart => {
                self.scanner.take();
                self.begin(Node::Sequence(Vec::new()), anchor, State::FlowSequence { first: true })
            }
            Kind::FlowMappingStart => {
                self.scanner.take();
                self.begin(Node::Mapping(Vec::new()), anchor, State::FlowKey { first: true })
            }
            Kind::BlockSequenceStart if block => {
                self.scanner.take();
                self.begin(Node::Sequence(Vec::new()), anchor, State::BlockSequence)
            }
            Kind::BlockMappingStart if block => {
                self.scanner.take();
                self.begin(Node::Mapping(Vec::new()), anchor, State::BlockKey)
            }
            _ if anchor.is_some() || tag.as_ref().is_some_and(|tag| !tag.is_empty()) => {
                let tag = tag.unwrap_or_default();
                let implicit = tag.is_empty();
                self.add(Node::Scalar { text: String::new(), tag, implicit }, anchor);
                Ok(())
            }
            _ => {
                let at = self.scanner.peek()?.line;
                let line = if at == 0 { line } else { at };
                Err(Problem { line, text: "did not find expected node content".into() })
            }
        }
    }
}
