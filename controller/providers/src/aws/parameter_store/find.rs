//! Finding parameters by name or tags, below a path. Names are whole names: `prefix` has no part in finding.

use aws_sdk_ssm::types::ParameterStringFilter;
use futures::{StreamExt, stream};
use provider::{Calls, Error, ErrorKind, Find, Gathered};
use secret::{SecretBytes, SecretMap};

use super::super::error::{of_page_without_list, of_sdk};
use super::{BY_PATH, DESCRIBE, DESCRIBE_CALL, GET, ParameterStore};
use crate::name_pattern::NamePattern;

/// Parameters in one page of GetParametersByPath and of DescribeParameters, the most that AWS gives.
const VALUES: i32 = 10;
const NAMES: i32 = 50;
/// Calls of one find at a time.
const AT_A_TIME: usize = 4;

/// Finds by name, else by tags, as in the reference; without `path` from the root. Without the right to
/// GetParametersByPath, names are listed and read one by one.
///
/// Source: AWS Systems Manager API, "GetParametersByPath", "DescribeParameters", "GetParameter".
///
/// # Errors
/// None of them is `NotFound`: what isn't there isn't found.
pub(super) async fn find(store: &ParameterStore, find: &Find, calls: &dyn Calls) -> Result<SecretMap, Error> {
    let Find { path, name, tags } = find;
    let pattern = NamePattern::of(find)?;
    if name.is_none() {
        if tags.is_empty() {
            let text = "unexpected find operator: Parameter Store finds by name or tags; set find.name.regexp or \
                        find.tags";
            return Err(Error::new(ErrorKind::Invalid, BY_PATH, text));
        }
        let by_tag = tags.iter().map(|(key, value)| filter(&format!("tag:{key}"), "Equals", value));
        let filters = by_tag.chain(path.as_deref().map(below)).collect::<Result<_, _>>()?;
        return by_description(store, filters, &pattern, calls).await;
    }
    let path = path.as_deref().unwrap_or("/");
    match by_path(store, path, &pattern, calls).await {
        Err(error) if error.kind() == ErrorKind::AccessDenied => {
            by_description(store, vec![below(path)?], &pattern, calls).await
        }
        Err(error) => Err(error.context(format!("fetching parameters by path {path}"))),
        found => found,
    }
}

fn filter(key: &str, option: &str, value: &str) -> Result<ParameterStringFilter, Error> {
    let built = ParameterStringFilter::builder().key(key).option(option).values(value).build();
    built.map_err(|_| {
        Error::new(ErrorKind::Invalid, DESCRIBE, "the filter can't be built; check find.tags and find.path")
    })
}

fn below(path: &str) -> Result<ParameterStringFilter, Error> {
    filter("Path", "Recursive", path)
}

async fn by_path(
    store: &ParameterStore,
    path: &str,
    pattern: &NamePattern,
    calls: &dyn Calls,
) -> Result<SecretMap, Error> {
    let (mut found, mut next) = (Gathered::default(), None);
    loop {
        let request = store.client.get_parameters_by_path().path(path).recursive(true).with_decryption(true);
        let sent = request.max_results(VALUES).set_next_token(next).send().await;
        calls.made(BY_PATH, sent.is_ok());
        let page = sent.map_err(|e| of_sdk(&e, BY_PATH, &store.target))?;
        for parameter in page.parameters.ok_or_else(|| of_page_without_list(BY_PATH, &store.target))? {
            if let (Some(name), Some(value)) = (parameter.name, parameter.value)
                && pattern.matches(&name)
            {
                found.insert(BY_PATH, name, SecretBytes::from(value))?;
            }
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found.into_values());
        }
    }
}

async fn by_description(
    store: &ParameterStore,
    filters: Vec<ParameterStringFilter>,
    pattern: &NamePattern,
    calls: &dyn Calls,
) -> Result<SecretMap, Error> {
    let (mut found, mut next) = (Gathered::default(), None);
    loop {
        let request = store.client.describe_parameters().set_parameter_filters(Some(filters.clone()));
        let sent = request.max_results(NAMES).set_next_token(next).send().await;
        calls.made(DESCRIBE_CALL, sent.is_ok());
        let page = sent.map_err(|e| of_sdk(&e, DESCRIBE, &store.target))?;
        let listed = page.parameters.ok_or_else(|| of_page_without_list(DESCRIBE, &store.target))?;
        let names = listed.into_iter().filter_map(|parameter| parameter.name);
        let names: Vec<String> = names.filter(|name| pattern.matches(name)).collect();
        for _ in &names {
            found.announce(DESCRIBE)?;
        }
        let mut values = stream::iter(names).map(|name| value_of(store, calls, name)).buffer_unordered(AT_A_TIME);
        while let Some(read) = values.next().await {
            match read {
                Ok((name, Some(value))) => found.insert(GET, name, value)?,
                Ok((_, None)) => {}
                // It went away meanwhile.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        next = page.next_token.filter(|token| !token.is_empty());
        if next.is_none() {
            return Ok(found.into_values());
        }
    }
}

async fn value_of(
    store: &ParameterStore,
    calls: &dyn Calls,
    name: String,
) -> Result<(String, Option<SecretBytes>), Error> {
    let sent = store.client.get_parameter().name(&name).with_decryption(true).send().await;
    calls.made(GET, sent.is_ok());
    let answer = sent.map_err(|e| of_sdk(&e, GET, &store.target))?;
    Ok((name, answer.parameter.and_then(|parameter| parameter.value).map(SecretBytes::from)))
}
