//! Pushing secrets: one is read and compared before anything is written.
//!
//! Lives here: the calls and their order. Deliberately not here: what is wished for (`desired.rs`), which tags differ
//! (`tags.rs`).
//!
//! Source: AWS Secrets Manager API, "CreateSecret", "PutSecretValue", "TagResource", "PutResourcePolicy",
//! "ReplicateSecretToRegions", "DeleteSecret".

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{ReplicaRegionType, Tag};
use aws_smithy_types::Blob;
use provider::{Beside, Calls, Error, ErrorKind, Place, Push, Pushed, Removed, Write};
use secret::SecretBytes;

use super::super::error::{of_empty_answer, of_sdk};
use super::super::tags::Changes;
use super::desired::{Desired, deletion, is_same, policy_text, wished};
use super::read::NEWEST;
use super::{DESCRIBE, GET, SecretsManager};
use crate::ownership::{foreign, is_ours};
use crate::property::{Rest, without};

const PUSH: &str = "PushSecret";
const CREATE: &str = "CreateSecret";
const PUT: &str = "PutSecretValue";
const DELETE: &str = "DeleteSecret";
const TAG: &str = "TagResource";
const UNTAG: &str = "UntagResource";
const GET_POLICY: &str = "GetResourcePolicy";
const PUT_POLICY: &str = "PutResourcePolicy";
const DELETE_POLICY: &str = "DeleteResourcePolicy";
const REPLICATE: &str = "ReplicateSecretToRegions";
const UNREPLICATE: &str = "RemoveRegionsFromReplication";
/// The version that creating a secret makes, always the same one: a creation that is repeated is the same creation.
const FIRST_VERSION: &str = "00000000-0000-0000-0000-000000000001";

/// A secret's newest value, and whether AWS keeps it as text.
struct Held {
    value: SecretBytes,
    is_text: bool,
}

/// A secret as AWS describes it.
struct Described {
    arn: String,
    tags: BTreeMap<String, String>,
    regions: BTreeSet<String>,
    key: Option<String>,
    being_deleted: bool,
    has_versions: bool,
}

impl Described {
    fn of(output: DescribeSecretOutput) -> Option<Self> {
        let tags = output.tags.unwrap_or_default().into_iter();
        let replicas = output.replication_status.unwrap_or_default().into_iter();
        Some(Self {
            arn: output.arn?,
            tags: tags.map(|tag| (tag.key.unwrap_or_default(), tag.value.unwrap_or_default())).collect(),
            regions: replicas.filter_map(|replica| replica.region).collect(),
            key: output.kms_key_id,
            being_deleted: output.deleted_date.is_some(),
            has_versions: output.version_ids_to_stages.is_some_and(|versions| !versions.is_empty()),
        })
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

fn replicas(regions: &BTreeSet<String>, key: Option<&str>) -> Option<Vec<ReplicaRegionType>> {
    let replica =
        |region: &String| ReplicaRegionType::builder().region(region).set_kms_key_id(key.map(str::to_owned)).build();
    Some(regions.iter().map(replica).collect()).filter(|list: &Vec<_>| !list.is_empty())
}

/// The value as AWS takes it: text or bytes.
fn content(value: &SecretBytes, as_text: bool) -> Result<(Option<String>, Option<Blob>), Error> {
    if !as_text {
        return Ok((None, Some(Blob::new(value.expose()))));
    }
    let text = value.expose_str().ok_or_else(|| {
        let text = "the value isn't text (UTF-8): set secretPushFormat to binary, or encode the value in a template";
        Error::new(ErrorKind::Invalid, PUSH, text)
    })?;
    Ok((Some(text.to_owned()), None))
}

impl SecretsManager {
    fn id(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    async fn describe(&self, id: &str, calls: &dyn Calls) -> Result<Option<Described>, Error> {
        let sent = self.client.describe_secret().secret_id(id).send().await;
        calls.made(DESCRIBE, sent.is_ok());
        match sent {
            Ok(output) => {
                let described = Described::of(output);
                described.map(Some).ok_or_else(|| of_empty_answer(DESCRIBE, &self.target))
            }
            Err(error) if error.as_service_error().is_some_and(|said| said.is_resource_not_found_exception()) => {
                Ok(None)
            }
            Err(error) => Err(of_sdk(&error, DESCRIBE, &self.target)),
        }
    }

    /// The newest value; `None` if there is no version yet.
    async fn held(&self, id: &str, calls: &dyn Calls) -> Result<Option<Held>, Error> {
        let sent = self.client.get_secret_value().secret_id(id).version_stage(NEWEST).send().await;
        calls.made(GET, sent.is_ok());
        match sent.map_err(|error| of_sdk(&error, GET, &self.target)) {
            Ok(output) => {
                let is_text = output.secret_string.is_some();
                match super::read::content(output.secret_string, output.secret_binary) {
                    Some(value) => Ok(Some(Held { value, is_text })),
                    None if output.arn.is_some() => Ok(None),
                    None => Err(of_empty_answer(GET, &self.target)),
                }
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn create(
        &self,
        id: &str,
        value: &SecretBytes,
        desired: &Desired,
        policy: Option<&str>,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let (text, binary) = content(value, desired.as_text)?;
        let regions = desired.regions.as_ref().and_then(|regions| replicas(regions, Some(&desired.key)));
        let request = self.client.create_secret().name(id).set_secret_string(text).set_secret_binary(binary);
        let request = request.description(&desired.description).kms_key_id(&desired.key);
        let request = request.set_tags(Some(tag_list(&desired.all_tags()))).set_add_replica_regions(regions);
        let sent = request.client_request_token(FIRST_VERSION).send().await;
        calls.made(CREATE, sent.is_ok());
        let created = sent.map_err(|error| of_sdk(&error, CREATE, &self.target))?;
        let arn = created.arn().ok_or_else(|| of_empty_answer(CREATE, &self.target))?;
        match policy.filter(|policy| !policy.is_empty()) {
            None => Ok(()),
            Some(policy) => self.put_policy(arn, policy, desired, calls).await,
        }
    }

    async fn put(
        &self,
        id: &str,
        value: &SecretBytes,
        as_text: bool,
        token: Option<&str>,
        calls: &dyn Calls,
    ) -> Result<(), Error> {
        let (text, binary) = content(value, as_text)?;
        let request = self.client.put_secret_value().secret_id(id).set_secret_string(text).set_secret_binary(binary);
        // Without a token of ours the SDK makes one, the same for all tries of this call.
        let sent = request.set_client_request_token(token.map(str::to_owned)).send().await;
        calls.made(PUT, sent.is_ok());
        let put = sent.map_err(|error| of_sdk(&error, PUT, &self.target))?;
        put.arn().map(|_| ()).ok_or_else(|| of_empty_answer(PUT, &self.target))
    }

    /// Whether any tag was changed.
    async fn sync_tags(&self, held: &Described, desired: &Desired, calls: &dyn Calls) -> Result<bool, Error> {
        if desired.tags.is_none() {
            return Ok(false);
        }
        let changes = Changes::between(&held.tags, &desired.all_tags());
        let changed = changes != Changes::default();
        let Changes { remove, set } = changes;
        if !remove.is_empty() {
            let sent = self.client.untag_resource().secret_id(&held.arn).set_tag_keys(Some(remove)).send().await;
            calls.made(UNTAG, sent.is_ok());
            sent.map_err(|error| of_sdk(&error, UNTAG, &self.target))?;
        }
        if !set.is_empty() {
            let sent = self.client.tag_resource().secret_id(&held.arn).set_tags(Some(tag_list(&set))).send().await;
            calls.made(TAG, sent.is_ok());
            sent.map_err(|error| of_sdk(&error, TAG, &self.target))?;
        }
        Ok(changed)
    }

    async fn put_policy(&self, id: &str, policy: &str, desired: &Desired, calls: &dyn Calls) -> Result<(), Error> {
        let block = desired.policy.as_ref().and_then(|policy| policy.block_public);
        let request = self.client.put_resource_policy().secret_id(id).resource_policy(policy);
        let sent = request.set_block_public_policy(block).send().await;
        calls.made(PUT_POLICY, sent.is_ok());
        let failed = |error: Error| error.context("failed to put resource policy");
        sent.map(|_| ()).map_err(|error| failed(of_sdk(&error, PUT_POLICY, &self.target)))
    }

    async fn delete_policy(&self, id: &str, calls: &dyn Calls) -> Result<(), Error> {
        let sent = self.client.delete_resource_policy().secret_id(id).send().await;
        calls.made(DELETE_POLICY, sent.is_ok());
        let failed = |error: Error| error.context("failed to delete resource policy");
        sent.map(|_| ()).map_err(|error| failed(of_sdk(&error, DELETE_POLICY, &self.target)))
    }

    /// Whether the policy was changed. None, or an empty one, shall not be there.
    async fn sync_policy(
        &self,
        id: &str,
        policy: Option<&str>,
        desired: &Desired,
        calls: &dyn Calls,
    ) -> Result<bool, Error> {
        let policy = policy.filter(|policy| !policy.is_empty());
        let sent = self.client.get_resource_policy().secret_id(id).send().await;
        calls.made(GET_POLICY, sent.is_ok());
        let held = match sent.map_err(|error| of_sdk(&error, GET_POLICY, &self.target)) {
            Ok(output) => output.resource_policy.filter(|policy| !policy.is_empty()),
            // The reference needs no right to look where there shall be none: it deletes at each push.
            Err(error) if policy.is_none() && error.kind() == ErrorKind::AccessDenied => {
                return match self.delete_policy(id, calls).await {
                    // Who may do neither has put none either.
                    Err(error) if error.kind() == ErrorKind::AccessDenied => Ok(false),
                    deleted => deleted.map(|()| false),
                };
            }
            Err(error) if policy.is_none() && error.kind() == ErrorKind::Unsupported => return Ok(false),
            Err(error) => return Err(error.context("failed to get current resource policy")),
        };
        match (held, policy) {
            (None, None) => Ok(false),
            (Some(held), Some(policy)) if gojson::equal(held.as_bytes(), policy.as_bytes()) => Ok(false),
            (Some(_), None) => self.delete_policy(id, calls).await.map(|()| true),
            (_, Some(policy)) => self.put_policy(id, policy, desired, calls).await.map(|()| true),
        }
    }

    async fn unreplicate(&self, id: &str, regions: BTreeSet<String>, calls: &dyn Calls) -> Result<(), Error> {
        if regions.is_empty() {
            return Ok(());
        }
        let request = self.client.remove_regions_from_replication().secret_id(id);
        let sent = request.set_remove_replica_regions(Some(regions.into_iter().collect())).send().await;
        calls.made(UNREPLICATE, sent.is_ok());
        let failed = |error: Error| error.context("failed to remove regions from secret replication");
        sent.map(|_| ()).map_err(|error| failed(of_sdk(&error, UNREPLICATE, &self.target)))
    }

    /// Whether a replica was made or removed.
    async fn sync_replicas(&self, held: &Described, desired: &Desired, calls: &dyn Calls) -> Result<bool, Error> {
        let Some(regions) = &desired.regions else { return Ok(false) };
        let stale: BTreeSet<String> = held.regions.difference(regions).cloned().collect();
        let new: BTreeSet<String> = regions.difference(&held.regions).cloned().collect();
        let changed = !stale.is_empty() || !new.is_empty();
        self.unreplicate(&held.arn, stale, calls).await?;
        if let Some(new) = replicas(&new, held.key.as_deref()) {
            let request = self.client.replicate_secret_to_regions().secret_id(&held.arn);
            let sent = request.set_add_replica_regions(Some(new)).send().await;
            calls.made(REPLICATE, sent.is_ok());
            let failed = |error: Error| error.context("failed to replicate existing secret to regions");
            sent.map_err(|error| failed(of_sdk(&error, REPLICATE, &self.target)))?;
        }
        Ok(changed)
    }

    async fn delete_whole(&self, described: &Described, calls: &dyn Calls) -> Result<Removed, Error> {
        let (force, days) = deletion(&self.deletion)?;
        self.unreplicate(&described.arn, described.regions.clone(), calls).await?;
        let request = self.client.delete_secret().secret_id(&described.arn).set_recovery_window_in_days(days);
        let sent = request.set_force_delete_without_recovery(force.then_some(true)).send().await;
        calls.made(DELETE, sent.is_ok());
        match sent {
            Ok(_) => Ok(Removed::Deleted),
            Err(error) if error.as_service_error().is_some_and(|said| said.is_resource_not_found_exception()) => {
                Ok(Removed::Absent)
            }
            Err(error) => Err(of_sdk(&error, DELETE, &self.target)),
        }
    }
}

#[async_trait]
impl Write for SecretsManager {
    async fn push(&self, push: &Push, calls: &dyn Calls) -> Result<Pushed, Error> {
        self.push_with(push, None, calls).await
    }

    fn beside(&self, push: &Push) -> Result<Option<Beside>, Error> {
        Ok(Desired::of(push)?.policy.map(|policy| policy.source))
    }

    async fn push_with(&self, push: &Push, beside: Option<&SecretBytes>, calls: &dyn Calls) -> Result<Pushed, Error> {
        let desired = Desired::of(push)?;
        let Place { key, property } = &push.place;
        let id = self.id(key);
        let policy = match &desired.policy {
            None => None,
            Some(policy) => Some(policy_text(policy, beside)?),
        };
        let Some(described) = self.describe(&id, calls).await? else {
            self.create(&id, &wished(None, push)?, &desired, policy.as_deref(), calls).await?;
            return Ok(Pushed::Written);
        };
        if !is_ours(&described.tags) {
            return Err(foreign(PUSH));
        }
        if described.being_deleted {
            let text = format!(
                "secret {id} is scheduled for deletion: restore it (RestoreSecret), delete it for good, or push to another key"
            );
            return Err(Error::new(ErrorKind::Invalid, PUSH, text));
        }
        let held = if described.has_versions { self.held(&id, calls).await? } else { None };
        let wished = wished(held.as_ref().map(|held| &held.value), push)?;
        let same = held.as_ref().is_some_and(|held| is_same(&held.value, &wished, property.as_ref()));
        if !same {
            // Before anything is changed.
            content(&wished, desired.as_text)?;
        }
        let tags = self.sync_tags(&described, &desired, calls).await?;
        let policy = self.sync_policy(&described.arn, policy.as_deref(), &desired, calls).await?;
        let replicas = self.sync_replicas(&described, &desired, calls).await?;
        if !same {
            let token = if described.has_versions { None } else { Some(FIRST_VERSION) };
            self.put(&described.arn, &wished, desired.as_text, token, calls).await?;
        }
        Ok(if !same || tags || policy || replicas { Pushed::Written } else { Pushed::Unchanged })
    }

    /// A secret that is scheduled for deletion counts as deleted.
    async fn delete(&self, place: &Place, calls: &dyn Calls) -> Result<Removed, Error> {
        let Place { key, property } = place;
        let id = self.id(key);
        let Some(described) = self.describe(&id, calls).await?.filter(|described| !described.being_deleted) else {
            return Ok(Removed::Absent);
        };
        if !is_ours(&described.tags) {
            return Ok(Removed::Foreign);
        }
        if let Some(property) = property
            && let Some(held) = self.held(&id, calls).await?
        {
            match without(&held.value, property) {
                Rest::Same => return Ok(Removed::Absent),
                Rest::Nothing => {}
                Rest::Value(rest) => {
                    self.put(&described.arn, &rest, held.is_text, None, calls).await?;
                    return Ok(Removed::Deleted);
                }
            }
        }
        self.delete_whole(&described, calls).await
    }

    async fn exists(&self, place: &Place, calls: &dyn Calls) -> Result<bool, Error> {
        let Place { key, property } = place;
        let held = self.held(&self.id(key), calls).await?;
        Ok(match (held, property) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(held), Some(property)) => gojson::property::dotted_first(held.value.expose(), property).is_some(),
        })
    }
}
