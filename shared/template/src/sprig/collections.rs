//! Lists and dicts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::strings::nil_panic;
use super::{ANY, STR, int, kind, strval};
use crate::builtin::bytes;
use crate::function::{Answer, Call, Failure, Function};
use crate::object::Object;
use crate::semver::Version;
use crate::value::{DICT, INT, LIST, List, Map, Type, Value};

macro_rules! both {
    ($name:literal, $must:literal, $params:expr, $f:expr) => {
        [Function::new($name, $params, $f), Function::new($must, $params, $f)]
    };
}

pub(super) const TABLE: &[Function] = &{
    let [a, b] = both!("append", "mustAppend", &[ANY, ANY], push);
    let [c, d] = both!("push", "mustPush", &[ANY, ANY], push);
    let [e, f] = both!("prepend", "mustPrepend", &[ANY, ANY], prepend);
    let [g, h] = both!("first", "mustFirst", &[ANY], |_, a| {
        Ok(items("first", &a[0], "Cannot find")?.first().cloned().unwrap_or(Value::Nil))
    });
    let [i, j] = both!("last", "mustLast", &[ANY], |_, a| {
        Ok(items("last", &a[0], "Cannot find")?.last().cloned().unwrap_or(Value::Nil))
    });
    let [k, l] = both!("rest", "mustRest", &[ANY], |_, a| {
        Ok(items("rest", &a[0], "Cannot find")?.get(1..).map_or_else(|| LIST.zero(), |r| Value::list(r.to_vec())))
    });
    let [m, n] = both!("initial", "mustInitial", &[ANY], |_, a| {
        let list = items("initial", &a[0], "Cannot find")?;
        Ok(match list.len().checked_sub(1) {
            Some(n) => Value::list(list[..n].to_vec()),
            None => LIST.zero(),
        })
    });
    let [o, p] = both!("reverse", "mustReverse", &[ANY], |_, a| {
        Ok(Value::list(items("reverse", &a[0], "Cannot find")?.iter().rev().cloned().collect()))
    });
    let [q, r] = both!("uniq", "mustUniq", &[ANY], uniq);
    let [s, t] = both!("compact", "mustCompact", &[ANY], |_, a| {
        let list = list_of(&a[0], |k| format!("Cannot compact on type {k}"))?;
        Ok(Value::list(list.iter().filter(|v| v.truth()).cloned().collect()))
    });
    let [u, v] = both!("chunk", "mustChunk", &[INT, ANY], chunk);
    let [w, x] = both!("has", "mustHas", &[ANY, ANY], has);
    let [y, z] = both!("deepCopy", "mustDeepCopy", &[ANY], |call, a| {
        if matches!(a[0], Value::Nil) {
            Err("reflect: call of reflect.Value.Type on zero Value".into())
        } else {
            copy(call, &a[0], 0)
        }
    });
    [
        a,
        b,
        c,
        d,
        e,
        f,
        g,
        h,
        i,
        j,
        k,
        l,
        m,
        n,
        o,
        p,
        q,
        r,
        s,
        t,
        u,
        v,
        w,
        x,
        y,
        z,
        Function::variadic("slice", &[ANY, ANY], slice),
        Function::variadic("mustSlice", &[ANY, ANY], slice),
        Function::variadic("without", &[ANY, ANY], without),
        Function::variadic("mustWithout", &[ANY, ANY], without),
        Function::variadic("list", &[ANY], |_, a| Ok(Value::list(a.to_vec()))),
        Function::variadic("tuple", &[ANY], |_, a| Ok(Value::list(a.to_vec()))),
        Function::variadic("concat", &[ANY], |_, a| {
            let mut all = Vec::new();
            for arg in a {
                all.extend_from_slice(list_of(arg, |k| format!("Cannot concat type {k} as list"))?);
            }
            Ok(if all.is_empty() { LIST.zero() } else { Value::list(all) })
        }),
        Function::variadic("dict", &[ANY], dict),
        Function::new("get", &[DICT, STR], |_, a| Ok(map(&a[0]).get(bytes(&a[1])).unwrap_or_else(|| Value::str("")))),
        Function::new("set", &[DICT, STR, ANY], |call, a| {
            call.set(map(&a[0]), bytes(&a[1]), a[2].clone())?;
            Ok(a[0].clone())
        }),
        Function::new("unset", &[DICT, STR], |_, a| {
            map(&a[0]).remove(bytes(&a[1]));
            Ok(a[0].clone())
        }),
        Function::new("hasKey", &[DICT, STR], |_, a| Ok(Value::Bool(map(&a[0]).get(bytes(&a[1])).is_some()))),
        Function::variadic("pluck", &[STR, DICT], |_, a| {
            Ok(Value::list(a[1..].iter().filter_map(|d| map(d).get(bytes(&a[0]))).collect()))
        }),
        Function::variadic("keys", &[DICT], |_, a| {
            let keys = a.iter().flat_map(|d| map(d).entries().into_keys()).map(Value::Str);
            Ok(Value::List(List::new(&Type::Str, keys.collect())))
        }),
        Function::new("values", &[DICT], |_, a| Ok(Value::list(map(&a[0]).entries().into_values().collect()))),
        Function::variadic("pick", &[DICT, STR], |_, a| {
            let entries = a[1..].iter().filter_map(|k| Some((Arc::from(bytes(k)), map(&a[0]).get(bytes(k))?)));
            Ok(Value::dict(entries.collect()))
        }),
        Function::variadic("omit", &[DICT, STR], |_, a| {
            let mut entries = map(&a[0]).entries();
            for key in &a[1..] {
                entries.remove(bytes(key));
            }
            Ok(Value::dict(entries))
        }),
        Function::variadic("merge", &[DICT, DICT], |c, a| merge_all(c, a, false)),
        Function::variadic("mustMerge", &[DICT, DICT], |c, a| merge_all(c, a, false)),
        Function::variadic("mergeOverwrite", &[DICT, DICT], |c, a| merge_all(c, a, true)),
        Function::variadic("mustMergeOverwrite", &[DICT, DICT], |c, a| merge_all(c, a, true)),
        Function::variadic("dig", &[ANY], dig),
    ]
};

/// The map that the evaluator has made sure of.
fn map(value: &Value) -> &Map {
    static NONE: std::sync::LazyLock<Map> = std::sync::LazyLock::new(|| Map::new(&Type::Any, BTreeMap::new()));
    match value {
        Value::Map(map) => map,
        _ => &NONE,
    }
}

fn list_of(value: &Value, complaint: impl FnOnce(String) -> String) -> Result<&[Value], Failure> {
    match value {
        Value::List(list) => Ok(list.items()),
        Value::Nil => Err(nil_panic()),
        other => Err(complaint(kind(other)).into()),
    }
}

fn items<'v>(what: &str, value: &'v Value, verb: &str) -> Result<&'v [Value], Failure> {
    list_of(value, |k| format!("{verb} {what} on type {k}"))
}

fn push(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let mut list = list_of(&a[0], |k| format!("Cannot push on type {k}"))?.to_vec();
    call.charge(list.len() * 32)?;
    list.push(a[1].clone());
    Ok(Value::list(list))
}

fn prepend(_: &mut Call<'_>, a: &[Value]) -> Answer {
    let list = list_of(&a[0], |k| format!("Cannot prepend on type {k}"))?;
    Ok(Value::list(std::iter::once(&a[1]).chain(list).cloned().collect()))
}

/// `reflect.DeepEqual`, bounded.
pub(super) fn deep_equal(call: &mut Call<'_>, a: &Value, b: &Value, depth: u32) -> Result<bool, Failure> {
    call.step(1)?;
    if depth > call.limits.depth {
        return Err(call.too_deep());
    }
    if a.type_text() != b.type_text() {
        return Ok(false);
    }
    Ok(match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(_, a), Value::Int(_, b)) => a == b,
        (Value::Uint(_, a), Value::Uint(_, b)) => a == b,
        (Value::Float(_, a), Value::Float(_, b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::List(a), Value::List(b)) => {
            if a.is_nil() != b.is_nil() || a.items().len() != b.items().len() {
                return Ok(false);
            }
            for (x, y) in a.items().iter().zip(b.items()) {
                if !deep_equal(call, x, y, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            let (a, b) = (a.entries(), b.entries());
            if a.len() != b.len() {
                return Ok(false);
            }
            for (key, x) in &a {
                match b.get(key) {
                    Some(y) if deep_equal(call, x, y, depth + 1)? => {}
                    Some(_) | None => return Ok(false),
                }
            }
            true
        }
        (Value::Object(a), Value::Object(b)) => a.same(b) || a.text() == b.text(),
        _ => false,
    })
}

fn contains(call: &mut Call<'_>, list: &[Value], wanted: &Value) -> Result<bool, Failure> {
    for item in list {
        if deep_equal(call, item, wanted, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let mut kept = Vec::new();
    for item in list_of(&a[0], |k| format!("Cannot find uniq on type {k}"))? {
        if !contains(call, &kept, item)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn without(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let mut kept = Vec::new();
    for item in list_of(&a[0], |k| format!("Cannot find without on type {k}"))? {
        if !contains(call, &a[1..], item)? {
            kept.push(item.clone());
        }
    }
    Ok(Value::list(kept))
}

fn has(call: &mut Call<'_>, a: &[Value]) -> Answer {
    if matches!(a[1], Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let list = list_of(&a[1], |k| format!("Cannot find has on type {k}"))?;
    contains(call, list, &a[0]).map(Value::Bool)
}

fn chunk(_: &mut Call<'_>, a: &[Value]) -> Answer {
    let list = list_of(&a[1], |k| format!("Cannot chunk type {k}"))?;
    let Some(size) = usize::try_from(int(&a[0])).ok().filter(|n| *n > 0) else {
        return Err("runtime error: makeslice: len out of range".into());
    };
    let chunks = list.chunks(size).map(|c| Value::list(c.to_vec())).collect();
    Ok(Value::List(List::new(&LIST, chunks)))
}

fn slice(_: &mut Call<'_>, a: &[Value]) -> Answer {
    let Value::List(list) = &a[0] else {
        return match &a[0] {
            Value::Nil => Err(nil_panic()),
            other => Err(format!("list should be type of slice or array but {}", kind(other)).into()),
        };
    };
    let items = list.items();
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let bound = |i: usize, default: i64| a.get(i).map_or(default, super::math::to_int64);
    let (from, to) = (bound(1, 0), bound(2, i64::try_from(items.len()).unwrap_or(0)));
    let range = usize::try_from(from).ok().zip(usize::try_from(to).ok()).and_then(|(f, t)| items.get(f..t));
    match range {
        Some(part) => Ok(Value::List(List::new(list.elem(), part.to_vec()))),
        None => Err("reflect.Value.Slice: slice index out of bounds".into()),
    }
}

fn dict(_: &mut Call<'_>, a: &[Value]) -> Answer {
    let entries = a.chunks(2).map(|pair| {
        let key = Arc::from(strval(&pair[0]).as_slice());
        (key, pair.get(1).cloned().unwrap_or_else(|| Value::str("")))
    });
    Ok(Value::dict(entries.collect()))
}

fn merge_all(call: &mut Call<'_>, a: &[Value], overwrite: bool) -> Answer {
    for source in &a[1..] {
        merge(call, map(&a[0]), map(source), overwrite, 0)?;
    }
    Ok(a[0].clone())
}

fn merge(call: &mut Call<'_>, into: &Map, from: &Map, overwrite: bool, depth: u32) -> Result<(), Failure> {
    if depth > call.limits.depth {
        return Err(call.too_deep());
    }
    for (key, value) in from.entries() {
        call.step(1)?;
        match (into.get(&key), &value) {
            (Some(Value::Map(old)), Value::Map(new)) => merge(call, &old, new, overwrite, depth + 1)?,
            (Some(old), _) if old.truth() && !overwrite => {}
            (Some(old), new)
                if overwrite && !new.truth() && matches!(old, Value::Map(_)) && matches!(new, Value::Map(_)) => {}
            _ => call.set(into, &key, value)?,
        }
    }
    Ok(())
}

pub(super) fn copy(call: &mut Call<'_>, value: &Value, depth: u32) -> Answer {
    call.step(1)?;
    call.charge(32)?;
    if depth > call.limits.depth {
        return Err(call.too_deep());
    }
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            let mut items = Vec::with_capacity(list.items().len());
            for item in list.items() {
                items.push(copy(call, item, depth + 1)?);
            }
            Value::List(List::new(list.elem(), items))
        }
        Value::Map(map) if !map.is_nil() => {
            let mut entries = BTreeMap::new();
            for (key, item) in map.entries() {
                entries.insert(key, copy(call, &item, depth + 1)?);
            }
            Value::Map(Map::new(map.elem(), entries))
        }
        // The library copies exported fields, and a version has none.
        Value::Object(Object::Version(_)) => {
            let (original, pre, meta) = (String::new(), String::new(), String::new());
            Value::Object(Object::Version(Arc::new(Version { original, numbers: [0; 3], pre, meta })))
        }
        other => other.clone(),
    })
}

fn dig(_: &mut Call<'_>, a: &[Value]) -> Answer {
    let [path @ .., default, data] = a else { return Err("dig needs at least three arguments".into()) };
    if path.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let wrong = |v: &Value, want: &str| -> Failure {
        let got = if matches!(v, Value::Nil) { "nil".to_owned() } else { v.type_text() };
        format!("interface conversion: interface {{}} is {got}, not {want}").into()
    };
    let mut at = data.clone();
    for key in path {
        let Value::Map(dict) = at.clone() else { return Err(wrong(&at, "map[string]interface {}")) };
        if at.type_of() != Some(DICT) {
            return Err(wrong(&at, "map[string]interface {}"));
        }
        let Value::Str(key) = key else { return Err(wrong(key, "string")) };
        match dict.get(key) {
            Some(value) => at = value,
            None => return Ok(default.clone()),
        }
    }
    Ok(at)
}
