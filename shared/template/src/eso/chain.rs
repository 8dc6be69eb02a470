//! Certificate chains put in order, and alternative names.
//!
//! Deliberately not here: trust. The order is that of key identifiers alone.

use std::collections::HashMap;

use super::STR;
use crate::builtin::bytes;
use crate::function::{Answer, Call, Function};
use crate::pki::pem::{self, Block, CERTIFICATE};
use crate::pki::x509::{self, Certificate};
use crate::value::Value;

pub(super) const TABLE: &[Function] =
    &[Function::new("filterCertChain", &[STR, STR], filter), Function::new("certSANs", &[STR], names)];

/// Leaf first, root last, if they are one chain.
///
/// # Errors
///
/// The reference's texts.
pub(super) fn ordered<'c, 'a>(found: &'c [Certificate<'a>]) -> Result<Vec<&'c Certificate<'a>>, &'static str> {
    // For each subject key the first two certificates: a certificate isn't its own parent.
    let mut by_key: HashMap<&[u8], (usize, Option<usize>)> = HashMap::new();
    for (i, certificate) in found.iter().enumerate() {
        by_key
            .entry(certificate.subject_key)
            .and_modify(|(_, second)| *second = second.or(Some(i)))
            .or_insert((i, None));
    }
    let parent = |i: usize| -> Option<usize> {
        let (first, second) = by_key.get(found[i].authority.unwrap_or_default())?;
        if *first == i { *second } else { Some(*first) }
    };
    let parents: Vec<Option<usize>> = (0..found.len()).map(parent).collect();
    let mut is_parent = vec![false; found.len()];
    for parent in parents.iter().flatten() {
        is_parent[*parent] = true;
    }
    let mut leaves = is_parent.iter().enumerate().filter(|(_, is)| !**is).map(|(i, _)| i);
    let mut next = Some(leaves.next().ok_or("no leaf certificate found")?);
    if leaves.next().is_some() {
        return Err("found multiple leaf or disjunct certificates");
    }
    let mut chain = Vec::new();
    while let Some(i) = next {
        if chain.len() == found.len() {
            return Err("constructing chain resulted in cycle");
        }
        chain.push(&found[i]);
        next = parents[i];
    }
    Ok(chain)
}

fn is_root(certificate: &Certificate<'_>) -> bool {
    certificate.authority.is_none_or(|a| a == certificate.subject_key)
}

fn filter(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let (kind, mut rest) = (bytes(&a[0]), bytes(&a[1]));
    call.charge(rest.len().saturating_mul(2))?;
    let mut blocks: Vec<Block> = Vec::new();
    while let Some((block, after)) = pem::decode(rest) {
        call.charge(1024)?;
        rest = after;
        blocks.push(block);
    }
    let found: Result<Vec<_>, String> = blocks.iter().map(|b| x509::certificate(&b.data)).collect();
    let found = found?;
    let chain = ordered(&found)?;
    let mut out = Vec::new();
    let (first, last) = (chain.first().copied(), chain.last().copied());
    let chosen: Vec<&Certificate<'_>> = match kind {
        b"leaf" => first.filter(|c| !is_root(c)).into_iter().collect(),
        b"intermediate" => chain.into_iter().skip(1).take_while(|c| !is_root(c)).collect(),
        b"root" => last.filter(|c| is_root(c)).into_iter().collect(),
        _ => Vec::new(),
    };
    for certificate in chosen {
        pem::encode(&mut out, CERTIFICATE, certificate.raw);
    }
    Ok(Value::str(out))
}

fn names(call: &mut Call<'_>, a: &[Value]) -> Answer {
    let text = bytes(&a[0]);
    call.charge(text.len().saturating_mul(2))?;
    let (block, _) = pem::decode(pem::trimmed(text)).ok_or("failed to decode PEM block")?;
    let found = x509::certificate(&block.data).map_err(|e| format!("failed to parse certificate: {e}"))?;
    let names = found.alternative_names();
    call.charge(names.len().saturating_mul(32))?;
    Ok(Value::strings(names))
}
