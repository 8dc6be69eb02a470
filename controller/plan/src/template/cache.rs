//! Parsed templates, kept so that the same text isn't parsed again at each reconcile.
//!
//! Bounded by the size of the texts: two generations, of which the older is dropped when the younger is full. What was
//! used since then moves to the younger one and stays.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;

use template::Template;

/// What a template needs beside its text, in bytes; an estimate.
const OVERHEAD: usize = 256;

/// A parsed template with what it was parsed from.
#[derive(Debug)]
pub(super) struct Parsed {
    plain: bool,
    text: String,
    pub(super) template: Template,
}

impl Parsed {
    /// `plain`: with default delimiters, whatever the engine's are.
    pub(super) fn new(plain: bool, text: &str, template: Template) -> Self {
        Self { plain, text: text.to_owned(), template }
    }

    fn is(&self, plain: bool, name: &str, text: &str) -> bool {
        self.plain == plain && self.template.name() == name && self.text == text
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Cache {
    /// How many bytes of text a generation may hold.
    room: usize,
    used: usize,
    young: HashMap<u64, Arc<Parsed>>,
    old: HashMap<u64, Arc<Parsed>>,
    hasher: RandomState,
}

impl Cache {
    /// A cache that holds up to `bytes` of text.
    pub(super) fn new(bytes: usize) -> Self {
        let (young, old) = (HashMap::new(), HashMap::new());
        Self { room: bytes / 2, used: 0, young, old, hasher: RandomState::new() }
    }

    /// The template of this name and text, if it is known.
    pub(super) fn get(&mut self, plain: bool, name: &str, text: &str) -> Option<Arc<Parsed>> {
        let hash = self.hasher.hash_one((plain, name, text));
        if let Some(found) = self.young.get(&hash).filter(|parsed| parsed.is(plain, name, text)) {
            return Some(Arc::clone(found));
        }
        let found = self.old.remove(&hash).filter(|parsed| parsed.is(plain, name, text))?;
        self.keep(hash, &found);
        Some(found)
    }

    /// Keeps a template, if it isn't larger than a generation.
    pub(super) fn put(&mut self, parsed: &Arc<Parsed>) {
        let hash = self.hasher.hash_one((parsed.plain, parsed.template.name(), parsed.text.as_str()));
        self.keep(hash, parsed);
    }

    fn keep(&mut self, hash: u64, parsed: &Arc<Parsed>) {
        let size = parsed.text.len() + parsed.template.name().len() + OVERHEAD;
        if size > self.room {
            return;
        }
        if self.used + size > self.room {
            self.old = std::mem::take(&mut self.young);
            self.used = 0;
        }
        self.used += size;
        self.young.insert(hash, Arc::clone(parsed));
    }

    /// How many templates are known.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }
}

#[cfg(test)]
mod tests {
    use template::{Delims, Functions};

    use super::*;

    fn put(cache: &mut Cache, plain: bool, name: &str, text: &str) {
        let template = template::parse(name, text, &Delims::default(), &Functions::builtin()).unwrap();
        cache.put(&Arc::new(Parsed::new(plain, text, template)));
    }

    #[test]
    fn a_template_is_found_by_name_text_and_delimiters() {
        let mut cache = Cache::new(1 << 20);
        put(&mut cache, false, "k", "{{ .a }}");
        assert!(cache.get(false, "k", "{{ .a }}").is_some());
        for (plain, name, text) in [(true, "k", "{{ .a }}"), (false, "l", "{{ .a }}"), (false, "k", "{{ .b }}")] {
            assert!(cache.get(plain, name, text).is_none(), "{plain} {name} {text}");
        }
    }

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_in_use() {
        let mut cache = Cache::new(20 * (OVERHEAD + 6));
        put(&mut cache, false, "k", "in use");
        for round in 0..1000 {
            put(&mut cache, false, "k", &format!("{round:05}"));
            assert!(cache.get(false, "k", "in use").is_some(), "{round}");
            assert!(cache.len() <= 22, "{round}: {}", cache.len());
        }
        assert!(cache.get(false, "k", "00000").is_none());
    }

    #[test]
    fn a_template_that_is_larger_than_all_room_is_not_kept() {
        let mut cache = Cache::new(1000);
        put(&mut cache, false, "k", "small");
        put(&mut cache, false, "k", &"x".repeat(1000));
        assert_eq!(cache.len(), 1);
        assert!(cache.get(false, "k", "small").is_some());
    }
}
