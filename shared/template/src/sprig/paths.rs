//! Slash-separated paths. On the reference's system the `os` forms are the same.

use super::STR;
use crate::builtin::bytes;
use crate::function::Function;
use crate::value::Value;

pub(super) const TABLE: &[Function] = &[
    Function::new("base", &[STR], |_, a| Ok(Value::str(base(bytes(&a[0]))))),
    Function::new("osBase", &[STR], |_, a| Ok(Value::str(base(bytes(&a[0]))))),
    Function::new("dir", &[STR], |_, a| Ok(Value::str(dir(bytes(&a[0]))))),
    Function::new("osDir", &[STR], |_, a| Ok(Value::str(dir(bytes(&a[0]))))),
    Function::new("clean", &[STR], |_, a| Ok(Value::str(clean(bytes(&a[0]))))),
    Function::new("osClean", &[STR], |_, a| Ok(Value::str(clean(bytes(&a[0]))))),
    Function::new("ext", &[STR], |_, a| Ok(Value::str(ext(bytes(&a[0]))))),
    Function::new("osExt", &[STR], |_, a| Ok(Value::str(ext(bytes(&a[0]))))),
    Function::new("isAbs", &[STR], |_, a| Ok(Value::Bool(bytes(&a[0]).starts_with(b"/")))),
    Function::new("osIsAbs", &[STR], |_, a| Ok(Value::Bool(bytes(&a[0]).starts_with(b"/")))),
];

fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|b| *b != b'/').map_or(0, |i| i + 1);
    let name = path[..end].rsplit(|b| *b == b'/').next().unwrap_or_default();
    if name.is_empty() { b"/" } else { name }
}

fn dir(path: &[u8]) -> Vec<u8> {
    clean(&path[..path.iter().rposition(|b| *b == b'/').map_or(0, |i| i + 1)])
}

fn ext(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    name.iter().rposition(|b| *b == b'.').map_or(b"", |i| &name[i..])
}

fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if parts.last().is_some_and(|p| *p != b"..") => {
                parts.pop();
            }
            b".." if rooted => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join(&b'/');
    match (rooted, joined.is_empty()) {
        (true, _) => [b"/".as_slice(), &joined].concat(),
        (false, true) => b".".to_vec(),
        (false, false) => joined,
    }
}
