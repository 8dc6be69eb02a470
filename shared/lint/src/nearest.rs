//! "Did you mean": the known word that is nearest to one that isn't known.

/// The nearest of the known words, if it is near enough to be what was meant: another spelling of case, or a third of the
/// letters at most.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (strsim::levenshtein(&lower, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let known = ["secretStoreRef", "refreshInterval", "data", "dataFrom", "target"];
        let cases = [
            ("secretStoreref", Some("secretStoreRef")),
            ("secretStore", Some("secretStoreRef")),
            ("refreshIntervall", Some("refreshInterval")),
            ("datas", Some("data")),
            ("dataform", Some("dataFrom")),
            ("schedule", None),
            ("x", None),
            ("", None),
        ];
        for (word, want) in cases {
            assert_eq!(nearest(word, known), want, "{word:?}");
        }
    }
}
