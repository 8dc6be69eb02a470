//! The provider `fake`: every value has a key and a value, and the result of a validation is a byte.

use crate::finding::{Code, Finding};
use api::{FakeData, FakeProvider};

pub(super) fn rules(provider: &FakeProvider) -> Result<(), Finding> {
    let FakeProvider { data, validation_result } = provider;
    if let Some(number) = validation_result.filter(|number| u8::try_from(*number).is_err()) {
        let field = "spec.provider.fake.validationResult";
        // Go's decoder, whose type for it is a byte.
        let text = format!(
            "json: cannot unmarshal number {number} into Go struct field FakeProvider.{field} of type v1.ValidationResult"
        );
        return Err(Finding::error(field, Code::ProviderUnreadable, text));
    }
    let wrong = data.iter().enumerate().find_map(|(index, FakeData { key, value, version: _ })| {
        let path = format!("spec.provider.fake.data[{index}]");
        if key.is_empty() {
            return Some(Finding::error(path + ".key", Code::FakeData, format!("key must be set in data {index}")));
        }
        let text = format!("at least one value must be set in data {index}");
        value.is_empty().then(|| Finding::error(path + ".value", Code::FakeData, text))
    });
    wrong.map_or(Ok(()), Err)
}
