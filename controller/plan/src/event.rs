//! What is told as a Kubernetes Event: the closed vocabulary of reasons.

/// An event's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// `Normal`.
    Normal,
    /// `Warning`.
    Warning,
}

impl Severity {
    /// The Event's `type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// An event's reason, in the reference's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventReason {
    /// The target Secret was created.
    Created,
    /// The target Secret was written.
    Updated,
    /// A Secret was deleted.
    Deleted,
    /// A sync failed.
    UpdateFailed,
    /// A remote key is missing and the deletion policy skips it.
    MissingProviderSecret,
    /// A store works.
    Valid,
    /// A store can't work.
    InvalidProviderConfig,
    /// A store's state can't be told.
    ValidationUnknown,
    /// A store's provider has no maintainer.
    StoreUnmaintained,
    /// A store says something that no provider is needed to refuse.
    InvalidStoreConfiguration,
    /// A store that is being deleted is still used. The reference has no such event.
    StoreInUse,
    /// A PushSecret is in sync.
    Synced,
    /// A push, or what a ClusterPushSecret does, failed.
    Errored,
    /// The source of a PushSecret is gone, and what was pushed too.
    SourceDeleted,
    /// Something isn't pushed back to where it came from. The reference has no such event.
    NotPushedBack,
    /// Something at a provider isn't deleted because it isn't this operator's. The reference has no such event.
    NotDeleted,
}

impl EventReason {
    /// The Event's `reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "Created",
            Self::Updated => "Updated",
            Self::Deleted => "Deleted",
            Self::UpdateFailed => "UpdateFailed",
            Self::MissingProviderSecret => "MissingProviderSecret",
            Self::Valid => "Valid",
            Self::InvalidProviderConfig => "InvalidProviderConfig",
            Self::ValidationUnknown => "ValidationUnknown",
            Self::StoreUnmaintained => "StoreUnmaintained",
            Self::InvalidStoreConfiguration => "InvalidStoreConfiguration",
            Self::StoreInUse => "StoreInUse",
            Self::Synced => "Synced",
            Self::Errored => "Errored",
            Self::SourceDeleted => "SourceDeleted",
            Self::NotPushedBack => "NotPushedBack",
            Self::NotDeleted => "NotDeleted",
        }
    }

    /// Whether it tells of something that was done, each time anew. Anything else tells how things stand, and is worth
    /// telling once for as long as they do.
    pub fn is_deed(self) -> bool {
        match self {
            Self::Created | Self::Updated | Self::Deleted | Self::SourceDeleted | Self::NotDeleted => true,
            Self::UpdateFailed
            | Self::MissingProviderSecret
            | Self::Valid
            | Self::InvalidProviderConfig
            | Self::ValidationUnknown
            | Self::StoreUnmaintained
            | Self::InvalidStoreConfiguration
            | Self::StoreInUse
            | Self::Synced
            | Self::Errored
            | Self::NotPushedBack => false,
        }
    }
}

/// One event to write. Its text holds no secret value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// `Normal` or `Warning`.
    pub severity: Severity,
    /// Why.
    pub reason: EventReason,
    /// What happened.
    pub message: String,
}

impl Note {
    /// A `Normal` event.
    pub fn normal(reason: EventReason, message: impl Into<String>) -> Self {
        Self { severity: Severity::Normal, reason, message: message.into() }
    }

    /// A `Warning` event.
    pub fn warning(reason: EventReason, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, reason, message: message.into() }
    }
}
