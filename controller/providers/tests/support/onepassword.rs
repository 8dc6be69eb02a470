//! A Connect server that keeps vaults, items and files, as its OpenAPI document describes them.
//!
//! Deliberately not here: misbehaviour, but for writes that show late.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use reqwest::Url;
use serde_json::{Value, json};

use super::{Lookup, Opening, Reply, Seen};

/// An id in Connect's form.
pub(crate) fn id(kind: &str, number: usize) -> String {
    format!("{kind}{number:0>width$}", width = 26 - kind.len())
}

/// A field with a label and a value.
pub(crate) fn field(label: &str, value: &str) -> Value {
    json!({"id": format!("{label}-id"), "type": "CONCEALED", "label": label, "value": value})
}

/// An item of the category LOGIN.
pub(crate) fn item(title: &str, fields: &[(&str, &str)]) -> Value {
    let fields: Vec<Value> = fields.iter().map(|(label, value)| field(label, value)).collect();
    json!({"title": title, "category": "LOGIN", "fields": fields})
}

/// The store's spec.
pub(crate) fn spec(url: &str, vaults: Value) -> Value {
    let token = json!({"connectTokenSecretRef": {"name": "creds", "key": "token"}});
    json!({"onepassword": {"connectHost": url, "vaults": vaults, "auth": {"secretRef": token}}})
}

/// A store with a good token.
pub(crate) fn opening(url: &str, vaults: Value) -> Opening {
    Opening::of(spec(url, vaults), Lookup::of(&[("creds/token", "good\n")]))
}

#[derive(Default)]
pub(crate) struct State {
    /// Ids and names.
    pub(crate) vaults: Vec<(String, String)>,
    /// Vaults out of the token's scope, by id.
    pub(crate) denied: Vec<String>,
    /// Whole items; each names its vault.
    pub(crate) items: Vec<Value>,
    /// Contents by the file's id.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// How many requests that look a write takes to show.
    pub(crate) lag: usize,
    hidden: Option<(usize, Vec<Value>)>,
    made: usize,
}

/// The server; clones share what it keeps.
#[derive(Clone, Default)]
pub(crate) struct Connect(pub(crate) Arc<Mutex<State>>);

fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"status": status, "message": message}))
}

impl Connect {
    /// Vaults by name with their items. Item n of all has the id `id("item", n)`, vault n `id("vault", n)`, from 0.
    pub(crate) fn with(vaults: &[(&str, Vec<Value>)]) -> Self {
        let mut state = State::default();
        for (number, (name, items)) in vaults.iter().enumerate() {
            let vault = id("vault", number);
            state.vaults.push((vault.clone(), (*name).to_owned()));
            for item in items {
                state.add(&vault, item.clone());
            }
        }
        Self(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn handler(&self) -> impl Fn(&Seen) -> Reply + Send + Sync + 'static {
        let state = Arc::clone(&self.0);
        move |seen| state.lock().unwrap().answer(seen)
    }

    pub(crate) fn items(&self) -> Vec<Value> {
        self.0.lock().unwrap().items.clone()
    }
}

impl State {
    fn add(&mut self, vault: &str, mut item: Value) -> Value {
        let members = item.as_object_mut().unwrap();
        members.insert("id".to_owned(), json!(id("item", self.made)));
        members.insert("vault".to_owned(), json!({"id": vault}));
        members.insert("version".to_owned(), json!(1));
        self.made += 1;
        self.items.push(item.clone());
        item
    }

    fn write(&mut self) {
        if self.lag > 0 {
            self.hidden = Some((self.lag, self.items.clone()));
        }
    }

    /// The items as a request that looks sees them.
    fn shown(&mut self) -> Vec<Value> {
        match self.hidden.take() {
            Some((left, before)) if left > 0 => {
                self.hidden = Some((left - 1, before.clone()));
                before
            }
            _ => self.items.clone(),
        }
    }

    fn answer(&mut self, seen: &Seen) -> Reply {
        if seen.header("authorization") != Some("Bearer good") {
            return error(401, "Invalid token signature");
        }
        let url: Url = format!("http://connect{}", seen.path).parse().unwrap();
        let filter = url.query_pairs().find(|(name, _)| name == "filter").map(|(_, filter)| filter.into_owned());
        let path: Vec<&str> = url.path_segments().unwrap().collect();
        match (seen.method.as_str(), path.as_slice()) {
            ("GET", ["v1", "vaults"]) => {
                let seen = self.vaults.iter().filter(|(id, _)| !self.denied.contains(id));
                let vaults = seen.map(|(id, name)| json!({"id": id, "name": name})).collect();
                filtered(vaults, "name", filter.as_deref())
            }
            ("GET", ["v1", "vaults", vault]) => match self.refusal(vault) {
                Some(refusal) => refusal,
                None => Reply::json(200, json!({"id": vault, "name": "x"})),
            },
            (method, ["v1", "vaults", vault, "items", rest @ ..]) => match self.refusal(vault) {
                Some(refusal) => refusal,
                None => self.items_of(vault, method, rest, filter.as_deref(), &seen.body),
            },
            _ => Reply::text(404, "404 page not found"),
        }
    }

    fn refusal(&self, vault: &str) -> Option<Reply> {
        if vault.len() != 26 {
            return Some(error(400, "Invalid Vault UUID"));
        }
        if self.denied.iter().any(|denied| denied == vault) {
            return Some(error(403, &format!("vault {vault} is not in scope")));
        }
        let known = self.vaults.iter().any(|(id, _)| id == vault);
        (!known).then(|| error(404, &format!("vault {vault} not found")))
    }

    fn items_of(&mut self, vault: &str, method: &str, path: &[&str], filter: Option<&str>, body: &str) -> Reply {
        let here = |item: &Value| item["vault"]["id"] == vault;
        let missing = |item: &str| error(404, &format!("item {item} not found"));
        match (method, path) {
            ("GET", []) => {
                let mut items: Vec<Value> = self.shown().into_iter().filter(here).collect();
                for item in items.iter_mut().filter_map(Value::as_object_mut) {
                    item.retain(|name, _| !matches!(name.as_str(), "fields" | "sections" | "files"));
                }
                filtered(items, "title", filter)
            }
            ("GET", [item]) => {
                let found = self.shown().into_iter().filter(here).find(|one| one["id"] == *item);
                found.map_or_else(|| missing(item), |item| Reply::json(200, item))
            }
            ("GET", [_, "files", file, "content"]) => match self.files.get(*file) {
                Some(content) => Reply::Answer { status: 200, headers: Vec::new(), body: content.clone() },
                None => error(404, &format!("file {file} not found")),
            },
            ("POST", []) => {
                let mut item: Value = serde_json::from_str(body).unwrap();
                if item["vault"]["id"] != vault || !item["category"].is_string() {
                    return error(400, "Unable to create item due to invalid input");
                }
                for (number, field) in item["fields"].as_array_mut().into_iter().flatten().enumerate() {
                    assert!(field["type"].is_string(), "{field}");
                    field["id"] = json!(format!("new-{number}"));
                }
                item["sections"] = json!([{"id": ""}]);
                self.write();
                Reply::json(200, self.add(vault, item))
            }
            ("PUT", [id]) => {
                let mut item: Value = serde_json::from_str(body).unwrap();
                self.write();
                let Some(held) = self.items.iter_mut().find(|one| here(one) && one["id"] == *id) else {
                    return missing(id);
                };
                if item["id"] != *id || item["vault"]["id"] != vault {
                    return error(400, "The item doesn't belong there");
                }
                item["version"] = json!(held["version"].as_u64().unwrap() + 1);
                *held = item.clone();
                Reply::json(200, item)
            }
            ("DELETE", [id]) => {
                self.write();
                let before = self.items.len();
                self.items.retain(|one| !(here(one) && one["id"] == *id));
                if self.items.len() < before { Reply::text(204, "") } else { missing(id) }
            }
            _ => Reply::text(404, "404 page not found"),
        }
    }
}

fn filtered(all: Vec<Value>, attribute: &str, filter: Option<&str>) -> Reply {
    let Some(filter) = filter else { return Reply::json(200, json!(all)) };
    let wanted = filter.strip_prefix(&format!("{attribute} eq \"")).and_then(|rest| rest.strip_suffix('"'));
    match wanted {
        Some(wanted) => {
            Reply::json(200, json!(all.into_iter().filter(|one| one[attribute] == wanted).collect::<Vec<_>>()))
        }
        None => error(400, "Invalid filter"),
    }
}
