//! Finding secrets by name, tags and path.
//!
//! Lives here: which call finds what, and what is done when the calls that read many secrets at once aren't allowed.
//! Names are whole names: `prefix` has no part in finding.

use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType};
use futures::StreamExt;
use futures::stream;
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::{SecretBytes, SecretMap};

use super::super::error::{lacks_credentials, of_page_without_list, of_sdk};
use super::batch::SIZE;
use super::read::{NEWEST, content};
use super::{BATCH, GET, LIST, SecretsManager};
use crate::name_pattern::NamePattern;

/// Names in one page of a list, the most that AWS gives.
const PAGE: i32 = 100;
/// Calls of one find at a time.
const AT_A_TIME: usize = 4;

/// What it means that one secret of many may not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Refused {
    /// The find fails, as in the reference where it reads secrets one by one.
    Fails,
    /// The secret is left out, as in the reference where AWS gives many at once. If none may be read, the find fails.
    LeftOut,
}

/// Finds by name, by tags, or both; within `path`, a prefix of names.
///
/// Source: AWS Secrets Manager API, "ListSecrets" and "BatchGetSecretValue". Their filters compare beginnings, and each
/// tag's key and value by themselves.
///
/// # Errors
/// None of them is `NotFound`: what isn't there isn't found.
pub(super) async fn find(store: &SecretsManager, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name, tags } = find;
    if name.is_none() && tags.is_empty() {
        let text = "unexpected find operator: Secrets Manager finds by name or tags; set find.name.regexp or find.tags";
        return Err(Error::new(ErrorKind::Invalid, LIST, text));
    }
    let mut search = Search {
        store,
        calls,
        pattern: NamePattern::of(find)?,
        filters: filters(find),
        found: Gathered::default(),
        refusal: None,
    };
    let whole = path.is_none() && name.is_some();
    if whole {
        search.list(Refused::Fails).await?;
    } else if !search.batches().await? {
        search.list(Refused::LeftOut).await?;
    }
    match search.refusal {
        // Nothing but refusals is trouble with a policy, and must not empty anyone's Secret.
        Some(refusal) if search.found.is_empty() => Err(refusal),
        Some(_) | None => Ok(search.found.into_values()),
    }
}

fn filters(find: &Find) -> Vec<Filter> {
    let filter = |key, value: &str| Filter::builder().key(key).values(value).build();
    let mut filters = Vec::new();
    for (key, value) in &find.tags {
        filters.push(filter(FilterNameStringType::TagKey, key));
        filters.push(filter(FilterNameStringType::TagValue, value));
    }
    filters.extend(find.path.as_deref().map(|path| filter(FilterNameStringType::Name, path)));
    filters
}

/// Whether another call may do where this one wasn't taken: not allowed, or not known to a double of AWS.
fn may_do_without(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::AccessDenied
        | ErrorKind::Unsupported
        | ErrorKind::Invalid
        | ErrorKind::Malformed
        | ErrorKind::NotFound => true,
        ErrorKind::Unauthenticated
        | ErrorKind::Throttled
        | ErrorKind::Unavailable
        | ErrorKind::Timeout
        | ErrorKind::BadProperty => false,
    }
}

/// A secret's name and, if it has one, its value.
type Named = (String, Option<SecretBytes>);

struct Search<'s> {
    store: &'s SecretsManager,
    calls: &'s dyn Calls,
    pattern: NamePattern,
    filters: Vec<Filter>,
    found: Gathered,
    /// A secret that may not be read and was left out.
    refusal: Option<Error>,
}

impl Search<'_> {
    /// Reads whatever passes the filters, many at once. False if that call can't be used.
    async fn batches(&mut self) -> Result<bool, Error> {
        let mut next = None;
        loop {
            let request = self.store.client.batch_get_secret_value();
            let sent = request.set_filters(Some(self.filters.clone())).set_next_token(next.clone()).send().await;
            self.calls.made(BATCH, sent.is_ok());
            let page = match sent.map_err(|e| of_sdk(&e, BATCH, &self.store.target)) {
                Ok(page) => page,
                Err(error) if next.is_none() && may_do_without(&error) => return Ok(false),
                Err(error) => return Err(error),
            };
            if page.secret_values.is_none() && page.errors.is_none() {
                return Err(of_page_without_list(BATCH, &self.store.target));
            }
            let apart = page.errors.unwrap_or_default().into_iter().filter_map(|error| error.secret_id).collect();
            for entry in page.secret_values.unwrap_or_default() {
                if let Some(name) = entry.name.filter(|name| self.pattern.matches(name)) {
                    self.keep((name, content(entry.secret_string, entry.secret_binary)))?;
                }
            }
            self.read_one_by_one(apart, Refused::LeftOut).await?;
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(true);
            }
        }
    }

    /// Lists what passes the filters, and reads what matches of each page before the next.
    async fn list(&mut self, refused: Refused) -> Result<(), Error> {
        let mut next = None;
        loop {
            let request = self.store.client.list_secrets().max_results(PAGE);
            let filters = Some(self.filters.clone()).filter(|filters| !filters.is_empty());
            let sent = request.set_filters(filters).set_next_token(next).send().await;
            self.calls.made(LIST, sent.is_ok());
            let page = sent.map_err(|e| of_sdk(&e, LIST, &self.store.target))?;
            let listed = page.secret_list.ok_or_else(|| of_page_without_list(LIST, &self.store.target))?;
            let names = listed.into_iter().filter_map(|entry| entry.name);
            let names: Vec<String> = names.filter(|name| self.pattern.matches(name)).collect();
            for _ in &names {
                self.found.announce(LIST)?;
            }
            self.read(names, refused).await?;
            next = page.next_token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(());
            }
        }
    }

    /// Reads secrets by name, many at once if that is allowed.
    async fn read(&mut self, names: Vec<String>, refused: Refused) -> Result<(), Error> {
        let (store, calls) = (self.store, self.calls);
        if names.len() == 1 || !store.batches.allowed() {
            return self.read_one_by_one(names, refused).await;
        }
        let batches: Vec<Vec<String>> = names.chunks(SIZE).map(<[String]>::to_vec).collect();
        let mut answers =
            stream::iter(batches).map(|batch| read_batch(store, calls, batch)).buffer_unordered(AT_A_TIME);
        let mut apart = Vec::new();
        while let Some(answer) = answers.next().await {
            let (values, left) = answer?;
            apart.extend(left);
            values.into_iter().try_for_each(|named| self.keep(named))?;
        }
        self.read_one_by_one(apart, refused).await
    }

    async fn read_one_by_one(&mut self, ids: Vec<String>, refused: Refused) -> Result<(), Error> {
        let (store, calls) = (self.store, self.calls);
        let mut answers = stream::iter(ids).map(|id| read_one(store, calls, id)).buffer_unordered(AT_A_TIME);
        while let Some(answer) = answers.next().await {
            match answer {
                // What AWS couldn't give in a batch is known by its ARN, and by its name only now.
                Ok(named) if self.pattern.matches(&named.0) => self.keep(named)?,
                Ok(_) => {}
                // It went away meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) if error.kind() == ErrorKind::AccessDenied && refused == Refused::LeftOut => {
                    self.refusal = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn keep(&mut self, (name, value): Named) -> Result<(), Error> {
        match value {
            Some(value) => self.found.insert(BATCH, name, value),
            None => Ok(()),
        }
    }
}

/// Reads up to [`SIZE`] secrets. Those that AWS has trouble with, or all if it doesn't take the call, are left for
/// a call of their own.
async fn read_batch(
    store: &SecretsManager,
    calls: &dyn Calls,
    names: Vec<String>,
) -> Result<(Vec<Named>, Vec<String>), Error> {
    let sent = store.client.batch_get_secret_value().set_secret_id_list(Some(names.clone())).send().await;
    calls.made(BATCH, sent.is_ok());
    let answer = match sent {
        Ok(answer) => answer,
        Err(failed) => {
            let error = of_sdk(&failed, BATCH, &store.target);
            if lacks_credentials(&failed) || !may_do_without(&error) {
                return Err(error);
            }
            store.batches.refuse(BATCH, &error);
            return Ok((Vec::new(), names));
        }
    };
    let values: Vec<Named> = answer
        .secret_values
        .unwrap_or_default()
        .into_iter()
        .filter_map(|entry| Some((entry.name?, content(entry.secret_string, entry.secret_binary))))
        .collect();
    let left = names.into_iter().filter(|name| !values.iter().any(|(read, _)| read == name)).collect();
    Ok((values, left))
}

async fn read_one(store: &SecretsManager, calls: &dyn Calls, id: String) -> Result<Named, Error> {
    let sent = store.client.get_secret_value().secret_id(&id).version_stage(NEWEST).send().await;
    calls.made(GET, sent.is_ok());
    let answer = sent.map_err(|e| of_sdk(&e, GET, &store.target))?;
    Ok((answer.name.unwrap_or(id), content(answer.secret_string, answer.secret_binary)))
}
