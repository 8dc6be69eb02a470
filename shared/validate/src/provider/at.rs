//! The steps that the providers' rules are made of, with the finding's path put together. Not here: any provider.

use super::reference::{Form, Reference};
use crate::finding::{Code, Finding};
use crate::store::Store;
use api::{SecretKeySelector, ServiceAccountSelector, StoreKind, ValueOrSecretRef};

/// One provider's settings in one store. Fields are named from the provider down, such as `auth.secretRef`.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'a> {
    store: &'a Store<'a>,
    provider: &'static str,
}

impl<'a> At<'a> {
    /// The settings below `spec.provider.<provider>`.
    pub(super) const fn new(store: &'a Store<'a>, provider: &'static str) -> Self {
        Self { store, provider }
    }

    /// SecretStore or ClusterSecretStore.
    pub(super) const fn kind(self) -> StoreKind {
        self.store.kind
    }

    /// Why a file can't be read, if the caller found so.
    pub(super) fn unreadable(self, path: &str) -> Option<&'a str> {
        self.store.unreadable.filter(|file| file.path == path).map(|file| file.reason)
    }

    fn path(self, field: &str) -> String {
        let dot = if field.is_empty() { "" } else { "." };
        format!("spec.provider.{}{dot}{field}", self.provider)
    }

    /// A finding that refuses the store.
    pub(super) fn error(self, field: &str, code: Code, text: impl Into<String>) -> Finding {
        Finding::error(self.path(field), code, text)
    }

    /// A finding that doesn't.
    pub(super) fn warning(self, field: &str, code: Code, text: impl Into<String>) -> Finding {
        Finding::warning(self.path(field), code, text)
    }

    /// Refuses an empty text. Absent and empty are the same.
    pub(super) fn filled(self, field: &str, value: &str, text: &str) -> Result<(), Finding> {
        if value.is_empty() { Err(self.error(field, Code::SettingMissing, text)) } else { Ok(()) }
    }

    /// Refuses a reference without a name.
    pub(super) fn name(self, field: &str, selector: &SecretKeySelector, text: &str) -> Result<(), Finding> {
        self.part(field, "name", selector.name.as_deref(), text)
    }

    /// Refuses a reference without a key.
    pub(super) fn key(self, field: &str, selector: &SecretKeySelector, text: &str) -> Result<(), Finding> {
        self.part(field, "key", selector.key.as_deref(), text)
    }

    fn part(self, field: &str, part: &str, value: Option<&str>, text: &str) -> Result<(), Finding> {
        let empty = value.unwrap_or_default().is_empty();
        if empty { Err(self.error(&format!("{field}.{part}"), Code::ReferenceIncomplete, text)) } else { Ok(()) }
    }

    /// Refuses a namespace that a reference to a Secret may not name, or lacks. `prefix` begins the text.
    pub(super) fn secret(
        self,
        field: &str,
        prefix: &str,
        selector: &SecretKeySelector,
        form: Form,
    ) -> Result<(), Finding> {
        Reference::secret(&self.path(field), prefix, selector).check(self.store, form)
    }

    /// The same, where the whole reference may be missing.
    pub(super) fn optional_secret(
        self,
        field: &str,
        prefix: &str,
        selector: Option<&SecretKeySelector>,
        form: Form,
    ) -> Result<(), Finding> {
        selector.map_or(Ok(()), |selector| self.secret(field, prefix, selector, form))
    }

    /// The same for a service account.
    pub(super) fn account(
        self,
        field: &str,
        prefix: &str,
        selector: Option<&ServiceAccountSelector>,
        form: Form,
    ) -> Result<(), Finding> {
        let path = self.path(field);
        selector.map_or(Ok(()), |it| Reference::service_account(&path, prefix, it).check(self.store, form))
    }

    /// Refuses a credential that is both given and referenced, or neither. Gives the reference, if that is it.
    pub(super) fn one_of_both<'v>(
        self,
        field: &str,
        credential: &'v ValueOrSecretRef,
    ) -> Result<Option<&'v SecretKeySelector>, Finding> {
        let ValueOrSecretRef { value, secret_ref } = credential;
        self.value_or_reference(field, value.as_deref(), secret_ref.as_ref())
    }

    /// [`Self::one_of_both`] for the types that aren't a [`ValueOrSecretRef`].
    pub(super) fn value_or_reference<'v>(
        self,
        field: &str,
        value: Option<&str>,
        reference: Option<&'v SecretKeySelector>,
    ) -> Result<Option<&'v SecretKeySelector>, Finding> {
        let text = match (value.unwrap_or_default().is_empty(), reference) {
            (false, Some(_)) => "cannot specify both value and reference",
            (true, None) => "must specify either value or reference",
            (true, Some(_)) | (false, None) => return Ok(reference),
        };
        Err(self.error(field, Code::ValueOrReference, text))
    }

    /// Refuses a reference that may not name its namespace, or names no Secret or no key in it.
    pub(super) fn whole_reference(self, field: &str, reference: Option<&SecretKeySelector>) -> Result<(), Finding> {
        let Some(selector) = reference else { return Ok(()) };
        let field = format!("{field}.secretRef");
        self.secret(&field, "", selector, Form::Referent)?;
        self.name(&field, selector, "must specify a secret name")?;
        self.key(&field, selector, "must specify a secret key")
    }
}
