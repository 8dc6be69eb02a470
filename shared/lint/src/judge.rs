//! One document: is it ours, does it read, what do the schema and crate `validate` say. Not here: files.

use crate::finding::{Finding, Severity};
use crate::nearest::nearest;
use crate::yaml::{Content, Node};
use crate::{metadata, shape};
use api::generator;
use api::{ClusterExternalSecret, ClusterPushSecret, ClusterSecretStore, ExternalSecret, PushSecret, SecretStore};
use serde::de::DeserializeOwned;
use serde_json::Value;
use validate::{Code, Store, advice};

/// The schemas of all kinds.
#[derive(Clone, Debug)]
pub struct Linter {
    kinds: Vec<Kind>,
}

#[derive(Clone, Debug)]
struct Kind {
    group: String,
    name: String,
    /// The stored version first.
    versions: Vec<String>,
    schema: Value,
}

impl Default for Linter {
    fn default() -> Self {
        Self::new()
    }
}

impl Linter {
    /// A linter for all kinds of crate `api`.
    pub fn new() -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let kinds = api::crd::all().into_iter().map(|crd| {
            let spec = &crd.document["spec"];
            let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
            Kind {
                group: text(&spec["group"]),
                name: text(&spec["names"]["kind"]),
                versions: versions.iter().map(|version| text(&version["name"])).collect(),
                schema: versions
                    .first()
                    .map(|version| version["schema"]["openAPIV3Schema"].clone())
                    .unwrap_or_default(),
            }
        });
        Self { kinds: kinds.collect() }
    }

    /// What there is to say about a document, a verdict an object: a `List` holds several. Nothing for objects of other
    /// groups.
    pub fn document(&self, document: &Node) -> Vec<Option<Vec<Finding>>> {
        if document.text("kind") == Some("List")
            && document.text("apiVersion") == Some("v1")
            && let Some(Content::List(items)) = document.get("items").map(|items| &items.content)
        {
            return items.iter().map(|item| self.object(item)).collect();
        }
        vec![self.object(document)]
    }

    fn object(&self, object: &Node) -> Option<Vec<Finding>> {
        let (group, version) = object.text("apiVersion")?.split_once('/')?;
        if group != api::GROUP && group != generator::GROUP {
            return None;
        }
        let kind = match self.find(object, group, version) {
            Ok(kind) => kind,
            Err(finding) => return Some(vec![finding]),
        };
        let mut findings: Vec<Finding> = kind.old_version(object, version).into_iter().collect();
        findings.extend(metadata::check(object));
        findings.extend(shape::check(object, &kind.schema));
        let shaped = findings.iter().all(|finding| finding.severity != Severity::Error);
        let value = object.to_value();
        match rules(&kind.name, &value) {
            Ok(said) => findings.extend(said.into_iter().map(|finding| at(object, finding))),
            // Where the schema objects already, the decoder would only repeat it.
            Err(_) if !shaped => {}
            Err(Undecodable { path, text }) => findings.push(Finding {
                line: object.line_of(&path),
                path,
                severity: if JUDGED.contains(&kind.name.as_str()) { Severity::Error } else { Severity::Warning },
                text,
                code: "unreadable",
            }),
        }
        findings.sort_by_key(|finding| finding.line);
        Some(findings)
    }

    /// The kind of an object, if it exists in this group and version.
    fn find(&self, object: &Node, group: &str, version: &str) -> Result<&Kind, Finding> {
        let refuse = |path: &str, code, text| Finding {
            line: object.line_of(path),
            path: path.to_owned(),
            severity: Severity::Error,
            text,
            code,
        };
        let Some(name) = object.text("kind") else {
            return Err(refuse("kind", "unknown-kind", "is required and must be a text".to_owned()));
        };
        let Some(kind) = self.kinds.iter().find(|kind| kind.name == name && kind.group == group) else {
            let elsewhere = self.kinds.iter().find(|kind| kind.name == name);
            if let Some(elsewhere) = elsewhere {
                let text = format!("{name} is not of this group; write {}", elsewhere.stored());
                return Err(refuse("apiVersion", "not-served", text));
            }
            let meant = nearest(name, self.kinds.iter().map(|kind| kind.name.as_str()));
            let meant = meant.map_or_else(String::new, |meant| format!("; did you mean \"{meant}\"?"));
            return Err(refuse("kind", "unknown-kind", format!("there is no kind {name} in {group}{meant}")));
        };
        if !kind.versions.iter().any(|served| served == version) {
            let text = format!("{name} has no version {version}; write {}", kind.stored());
            return Err(refuse("apiVersion", "not-served", text));
        }
        Ok(kind)
    }
}

impl Kind {
    fn stored(&self) -> String {
        format!("{}/{}", self.group, self.versions.first().map_or("", String::as_str))
    }

    fn old_version(&self, object: &Node, version: &str) -> Option<Finding> {
        let old = self.versions.first().is_some_and(|stored| stored != version);
        old.then(|| Finding {
            line: object.line_of("apiVersion"),
            path: "apiVersion".to_owned(),
            severity: Severity::Warning,
            text: format!("{version} is deprecated; write {}, which has the same fields", self.stored()),
            code: "old-version",
        })
    }
}

/// The kinds that a webhook judges. Objects of the others are accepted even if the controller can't read them.
const JUDGED: &[&str] = &[ExternalSecret::KIND, SecretStore::KIND, ClusterSecretStore::KIND];

fn at(object: &Node, finding: validate::Finding) -> Finding {
    let validate::Finding { path, code, severity, text } = finding;
    Finding { line: object.line_of(&path), path, severity, text, code: code.as_str() }
}

/// Why an object isn't of its type.
struct Undecodable {
    path: String,
    text: String,
}

fn read<T: DeserializeOwned>(value: &Value) -> Result<T, Undecodable> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        Undecodable { path: if path == "." { String::new() } else { path }, text: error.into_inner().to_string() }
    })
}

/// What crate `validate` says, in the same calls as the webhook's, and its advice, which the webhook doesn't give.
fn rules(kind: &str, value: &Value) -> Result<Vec<validate::Finding>, Undecodable> {
    fn typed<T: DeserializeOwned>(value: &Value) -> Result<Vec<validate::Finding>, Undecodable> {
        read::<T>(value).map(|_| Vec::new())
    }
    match kind {
        "ExternalSecret" => {
            let object: ExternalSecret = read(value)?;
            let mut said = validate::external_secret(&object);
            said.extend(advice::external_secret(&object.spec, "spec"));
            Ok(said)
        }
        "SecretStore" => {
            let object: SecretStore = read(value)?;
            let mut said = validate::secret_store(&object);
            if object.metadata.namespace.is_none() {
                said.iter_mut().for_each(namespace_left_open);
            }
            said.extend(advice::store(&object.spec, &Store::of_namespace(&object)));
            Ok(said)
        }
        "ClusterSecretStore" => {
            let object: ClusterSecretStore = read(value)?;
            let mut said = validate::cluster_secret_store(&object);
            said.extend(advice::store(&object.spec, &Store::of_cluster(&object)));
            Ok(said)
        }
        "ClusterExternalSecret" => read(value).map(|object: ClusterExternalSecret| copied(&object)),
        "PushSecret" => read(value).map(|object: PushSecret| advice::push_secret(&object.spec, "spec")),
        "ClusterPushSecret" => read(value)
            .map(|object: ClusterPushSecret| advice::push_secret(&object.spec.push_secret_spec, "spec.pushSecretSpec")),
        "ACRAccessToken" => typed::<generator::AcrAccessToken>(value),
        "BeyondtrustWorkloadCredentialsDynamicSecret" => typed::<generator::BeyondtrustDynamicSecret>(value),
        "CloudsmithAccessToken" => typed::<generator::CloudsmithAccessToken>(value),
        "ClusterGenerator" => read(value).map(|object: generator::ClusterGenerator| {
            let webhook = object.spec.generator.webhook.iter();
            webhook.flat_map(|spec| advice::webhook_generator(spec, "spec.generator.webhookSpec")).collect()
        }),
        "ECRAuthorizationToken" => typed::<generator::EcrAuthorizationToken>(value),
        "Fake" => typed::<generator::Fake>(value),
        "GCRAccessToken" => typed::<generator::GcrAccessToken>(value),
        "GeneratorState" => typed::<generator::GeneratorState>(value),
        "GithubAccessToken" => typed::<generator::GithubAccessToken>(value),
        "GitlabDeployToken" => typed::<generator::GitlabDeployToken>(value),
        "Grafana" => typed::<generator::Grafana>(value),
        "MFA" => typed::<generator::Mfa>(value),
        "Password" => typed::<generator::Password>(value),
        "QuayAccessToken" => typed::<generator::QuayAccessToken>(value),
        "SSHKey" => typed::<generator::SshKey>(value),
        "STSSessionToken" => typed::<generator::StsSessionToken>(value),
        "UUID" => typed::<generator::Uuid>(value),
        "VaultDynamicSecret" => typed::<generator::VaultDynamicSecret>(value),
        "Webhook" => read(value).map(|object: generator::Webhook| advice::webhook_generator(&object.spec, "spec")),
        _ => Ok(Vec::new()),
    }
}

/// A manifest without a namespace may be applied to the very one that a reference names.
fn namespace_left_open(finding: &mut validate::Finding) {
    if finding.code == Code::NamespaceForeign {
        finding.severity = Severity::Warning;
        finding.text += "; the manifest names no namespace, so this depends on where it is applied";
    }
}

/// What would be said about the ExternalSecrets that a ClusterExternalSecret makes. The object itself is accepted, so errors
/// are only warnings here.
fn copied(object: &ClusterExternalSecret) -> Vec<validate::Finding> {
    let copy = ExternalSecret::new("", object.spec.external_secret_spec.clone());
    let path = "spec.externalSecretSpec";
    let mut said: Vec<_> = validate::external_secret(&copy)
        .into_iter()
        .map(|finding| validate::Finding {
            path: finding.path.replacen("spec", path, 1),
            severity: finding.severity.min(Severity::Warning),
            ..finding
        })
        .collect();
    said.extend(advice::external_secret(&copy.spec, path));
    said
}
