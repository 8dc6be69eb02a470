//! Values as a template sees them: Go's kinds and types on top of byte strings, so that `typeOf`, `%T` and Go's errors
//! about wrong types are possible.
//!
//! Deliberately not here: how values print (see `gofmt`) and what functions do with them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::function::Function;
use crate::object::Object;

/// A Go type, printed as `%T` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`.
    Any,
    /// `bool`.
    Bool,
    /// `int`, `int8` … `int64`.
    Int(Int),
    /// `uint`, `uint8` … `uint64`.
    Uint(Uint),
    /// `float32` or `float64`.
    Float(Float),
    /// `complex128`.
    Complex,
    /// `string`.
    Str,
    /// A string type with a name of its own: only literals are assignable to it.
    Text(&'static str),
    /// A slice of the element type.
    List(&'static Type),
    /// A map from `string` to the element type.
    Map(&'static Type),
    /// A function.
    Func,
    /// A type with methods, such as `time.Time`.
    Object(&'static str),
    /// A parameter that takes the value as it is, nil included: Go's `reflect.Value`.
    Raw,
}

/// Go's signed integer kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Int {
    /// `int`, 64 bits.
    Int,
    /// `int8`.
    I8,
    /// `int16`.
    I16,
    /// `int32`.
    I32,
    /// `int64`.
    I64,
}

/// Go's unsigned integer kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Uint {
    /// `uint`, 64 bits.
    Uint,
    /// `uint8`.
    U8,
    /// `uint16`.
    U16,
    /// `uint32`.
    U32,
    /// `uint64`.
    U64,
}

/// Go's float kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Float {
    /// `float32`.
    F32,
    /// `float64`.
    F64,
}

/// `int`.
pub(crate) const INT: Type = Type::Int(Int::Int);
/// `float64`.
pub(crate) const FLOAT64: Type = Type::Float(Float::F64);
/// `[]interface {}`.
pub(crate) const LIST: Type = Type::List(&Type::Any);
/// `[]string`.
pub(crate) const STRINGS: Type = Type::List(&Type::Str);
/// `map[string]interface {}`.
pub(crate) const DICT: Type = Type::Map(&Type::Any);

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("interface {}"),
            Self::Bool => f.write_str("bool"),
            Self::Int(kind) => f.write_str(match kind {
                Int::Int => "int",
                Int::I8 => "int8",
                Int::I16 => "int16",
                Int::I32 => "int32",
                Int::I64 => "int64",
            }),
            Self::Uint(kind) => f.write_str(match kind {
                Uint::Uint => "uint",
                Uint::U8 => "uint8",
                Uint::U16 => "uint16",
                Uint::U32 => "uint32",
                Uint::U64 => "uint64",
            }),
            Self::Float(Float::F32) => f.write_str("float32"),
            Self::Float(Float::F64) => f.write_str("float64"),
            Self::Complex => f.write_str("complex128"),
            Self::Str => f.write_str("string"),
            Self::List(elem) => write!(f, "[]{elem}"),
            Self::Map(elem) => write!(f, "map[string]{elem}"),
            Self::Func => f.write_str("func()"),
            Self::Text(name) | Self::Object(name) => f.write_str(name),
            Self::Raw => f.write_str("reflect.Value"),
        }
    }
}

impl Type {
    /// The kind, as `kindOf` names it.
    pub fn kind(&self) -> String {
        match self {
            Self::Any => "interface".into(),
            Self::List(_) => "slice".into(),
            Self::Map(_) => "map".into(),
            Self::Func => "func".into(),
            Self::Object(name) => Object::kind_of(name).into(),
            Self::Raw => "struct".into(),
            Self::Text(_) => "string".into(),
            Self::Bool | Self::Int(_) | Self::Uint(_) | Self::Float(_) | Self::Complex | Self::Str => self.to_string(),
        }
    }

    /// The zero value.
    pub(crate) fn zero(self) -> Value {
        match self {
            Self::Any | Self::Func | Self::Raw | Self::Object(_) => Value::Nil,
            Self::Bool => Value::Bool(false),
            Self::Int(kind) => Value::Int(kind, 0),
            Self::Uint(kind) => Value::Uint(kind, 0),
            Self::Float(kind) => Value::Float(kind, 0.0),
            Self::Complex => Value::Complex(0.0, 0.0),
            Self::Str | Self::Text(_) => Value::str(b""),
            Self::List(elem) => Value::List(List { elem, items: None, depth: 1 }),
            Self::Map(elem) => Value::Map(Map { elem, cell: None }),
        }
    }
}

/// A value. Clones are cheap; a map that is cloned is the same map.
#[derive(Debug, Clone)]
pub enum Value {
    /// No value: Go's nil interface.
    Nil,
    /// `true` or `false`.
    Bool(bool),
    /// A signed integer.
    Int(Int, i64),
    /// An unsigned integer.
    Uint(Uint, u64),
    /// A float.
    Float(Float, f64),
    /// A complex number: real and imaginary part.
    Complex(f64, f64),
    /// A string: any bytes.
    Str(Arc<[u8]>),
    /// A slice.
    List(List),
    /// A map with string keys.
    Map(Map),
    /// A function.
    Func(Function),
    /// A value with methods.
    Object(Object),
}

/// A slice, possibly nil. No template function changes a slice in place, hence neither does this.
#[derive(Debug, Clone)]
pub struct List {
    elem: &'static Type,
    items: Option<Arc<Vec<Value>>>,
    depth: u32,
}

impl List {
    /// A slice of `items`, which must all be of the element type.
    pub fn new(elem: &'static Type, items: Vec<Value>) -> Self {
        let depth = 1 + items.iter().map(Value::depth).max().unwrap_or(0);
        Self { elem, items: Some(Arc::new(items)), depth }
    }

    /// The elements' static type.
    pub fn elem(&self) -> &'static Type {
        self.elem
    }

    /// The elements.
    pub fn items(&self) -> &[Value] {
        self.items.as_ref().map_or(&[], |i| i.as_slice())
    }

    /// Whether this is a nil slice, which prints like an empty one but is `null` in JSON.
    pub fn is_nil(&self) -> bool {
        self.items.is_none()
    }
}

/// The entries of a map in key order.
pub type Entries = BTreeMap<Arc<[u8]>, Value>;

#[derive(Debug)]
struct Cell {
    entries: Mutex<Entries>,
    depth: AtomicU32,
}

/// A map with string keys, shared by its clones and possibly nil.
#[derive(Debug, Clone)]
pub struct Map {
    elem: &'static Type,
    cell: Option<Arc<Cell>>,
}

impl Map {
    /// A map with these entries, whose values must all be of the element type.
    pub fn new(elem: &'static Type, entries: Entries) -> Self {
        let depth = 1 + entries.values().map(Value::depth).max().unwrap_or(0);
        Self { elem, cell: Some(Arc::new(Cell { entries: Mutex::new(entries), depth: AtomicU32::new(depth) })) }
    }

    /// The values' static type.
    pub fn elem(&self) -> &'static Type {
        self.elem
    }

    /// Whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.cell.is_none()
    }

    fn lock(&self) -> Option<MutexGuard<'_, Entries>> {
        self.cell.as_ref().map(|c| c.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A copy of the entries; the lock is not held while the caller works with them.
    pub fn entries(&self) -> Entries {
        self.lock().map(|e| e.clone()).unwrap_or_default()
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.lock().map_or(0, |e| e.len())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.lock()?.get(key).cloned()
    }

    /// Sets a key; false on a nil map. `Call::set` is what functions use: it also sees to cycles.
    pub(crate) fn insert(&self, key: Arc<[u8]>, value: Value) -> bool {
        let Some(cell) = &self.cell else { return false };
        cell.depth.fetch_max(value.depth().saturating_add(1), Ordering::Relaxed);
        cell.entries.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        true
    }

    /// Removes a key.
    pub(crate) fn remove(&self, key: &[u8]) {
        let removed = self.lock().and_then(|mut e| e.remove(key));
        drop(removed);
    }

    /// Takes all entries away.
    pub(crate) fn clear(&self) {
        let taken = self.lock().map(|mut e| std::mem::take(&mut *e));
        drop(taken);
    }

    /// Whether both are the same map.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (&self.cell, &other.cell) {
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }
}

impl Value {
    /// A string.
    pub fn str(bytes: impl AsRef<[u8]>) -> Self {
        Self::Str(Arc::from(bytes.as_ref()))
    }

    /// An `int`.
    pub fn int(n: i64) -> Self {
        Self::Int(Int::Int, n)
    }

    /// An `int64`.
    pub(crate) fn int64(n: i64) -> Self {
        Self::Int(Int::I64, n)
    }

    /// A `float64`.
    pub fn float(n: f64) -> Self {
        Self::Float(Float::F64, n)
    }

    /// A `[]interface {}`.
    pub fn list(items: Vec<Self>) -> Self {
        Self::List(List::new(&Type::Any, items))
    }

    /// A `[]string`.
    pub fn strings<T: AsRef<[u8]>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(List::new(&Type::Str, items.into_iter().map(Self::str).collect()))
    }

    /// A `map[string]interface {}`.
    pub fn dict(entries: Entries) -> Self {
        Self::Map(Map::new(&Type::Any, entries))
    }

    /// A `map[string]string`: what External Secrets hands to a template as dot.
    pub fn string_map<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let entries = entries.into_iter().map(|(k, v)| (Arc::from(k.as_ref()), Self::str(v))).collect();
        Self::Map(Map::new(&Type::Str, entries))
    }

    /// The dynamic type; `None` for nil.
    pub fn type_of(&self) -> Option<Type> {
        Some(match self {
            Self::Nil => return None,
            Self::Bool(_) => Type::Bool,
            Self::Int(kind, _) => Type::Int(*kind),
            Self::Uint(kind, _) => Type::Uint(*kind),
            Self::Float(kind, _) => Type::Float(*kind),
            Self::Complex(..) => Type::Complex,
            Self::Str(_) => Type::Str,
            Self::List(list) => Type::List(list.elem),
            Self::Map(map) => Type::Map(map.elem),
            Self::Func(_) => Type::Func,
            Self::Object(object) => Type::Object(object.type_name()),
        })
    }

    /// The dynamic type's text; `<nil>` for nil.
    pub fn type_text(&self) -> String {
        self.type_of().map_or_else(|| "<nil>".into(), |t| t.to_string())
    }

    /// How deep containers nest below here, this one included. A map that grew later may count too little.
    pub(crate) fn depth(&self) -> u32 {
        match self {
            Self::List(list) => list.depth,
            Self::Map(map) => map.cell.as_ref().map_or(1, |c| c.depth.load(Ordering::Relaxed)),
            Self::Nil
            | Self::Bool(_)
            | Self::Int(..)
            | Self::Uint(..)
            | Self::Float(..)
            | Self::Complex(..)
            | Self::Str(_)
            | Self::Func(_)
            | Self::Object(_) => 0,
        }
    }

    /// Whether `if` takes it for true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(_, n) => *n != 0,
            Self::Uint(_, n) => *n != 0,
            Self::Float(_, n) => *n != 0.0,
            Self::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Self::Str(s) => !s.is_empty(),
            Self::List(list) => !list.items().is_empty(),
            Self::Map(map) => !map.is_empty(),
            Self::Func(_) => true,
            Self::Object(object) => object.truth(),
        }
    }
}
