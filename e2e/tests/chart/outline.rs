//! Rendered manifests in few lines: what a reviewer of the chart wants to see change, and nothing else.

use std::fmt::Write as _;

use serde_json::Value;

/// The objects in their order: definitions as one line, roles with their rules, deployments with their flags.
pub(crate) fn outline(objects: &[Value]) -> String {
    let mut out = definitions(objects);
    for object in objects.iter().filter(|it| it["kind"] != "CustomResourceDefinition") {
        describe(object, &mut out).unwrap_or_default();
    }
    out
}

fn definitions(objects: &[Value]) -> String {
    let all: Vec<&Value> = objects.iter().filter(|it| it["kind"] == "CustomResourceDefinition").collect();
    let kept = all.iter().filter(|it| it["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep").count();
    let old = |it: &&Value| it["spec"]["versions"].as_array().is_some_and(|all| all.iter().any(is_served_beta));
    let beta = all.iter().copied().filter(|it| old(it)).count();
    format!("CustomResourceDefinitions: {}, kept {kept}, serving v1beta1 {beta}\n", all.len())
}

fn is_served_beta(version: &Value) -> bool {
    version["name"] == "v1beta1" && version["served"] == true
}

fn describe(object: &Value, out: &mut String) -> std::fmt::Result {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
    let namespace = object["metadata"]["namespace"].as_str().map(|it| format!("{it}/")).unwrap_or_default();
    writeln!(out, "{kind} {namespace}{name}")?;
    if let Some(annotations) = object["metadata"].get("annotations") {
        writeln!(out, "  annotations {annotations}")?;
    }
    let labels: Vec<&String> = object["metadata"]["labels"].as_object().into_iter().flatten().map(|(k, _)| k).collect();
    let usual = ["app.kubernetes.io/", "helm.sh/chart", "external-secrets.io/component"];
    for label in labels.iter().filter(|label| !usual.iter().any(|it| label.starts_with(it))) {
        writeln!(out, "  label {label}: {}", text(&object["metadata"]["labels"][label.as_str()]))?;
    }
    let list =
        |value: &Value| -> String { value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>().join(" ") };
    for rule in object["rules"].as_array().into_iter().flatten() {
        let names = rule.get("resourceNames").map(|it| format!(" named {}", list(it))).unwrap_or_default();
        writeln!(out, "  {}: {}{names}", list(&rule["verbs"]), list(&rule["resources"]))?;
    }
    if let Some(role) = object.get("roleRef") {
        let subjects = object["subjects"].as_array().into_iter().flatten();
        let subjects: Vec<String> =
            subjects.map(|it| format!("{}/{}", text(&it["namespace"]), text(&it["name"]))).collect();
        writeln!(out, "  {} {} for {}", text(&role["kind"]), text(&role["name"]), subjects.join(" "))?;
    }
    for hook in object["webhooks"].as_array().into_iter().flatten() {
        let service = &hook["clientConfig"]["service"];
        let (namespace, name, path) = (text(&service["namespace"]), text(&service["name"]), text(&service["path"]));
        let except = list(&hook["namespaceSelector"]["matchExpressions"][0]["values"]);
        let policy = text(&hook["failurePolicy"]);
        writeln!(out, "  {}: {policy}, {namespace}/{name}{path}, not in {except}", text(&hook["name"]))?;
    }
    match kind.as_str() {
        "Deployment" => deployment(&object["spec"], out),
        "PodDisruptionBudget"
        | "HorizontalPodAutoscaler"
        | "NetworkPolicy"
        | "Service"
        | "Certificate"
        | "ServiceMonitor" => writeln!(out, "  {}", object["spec"]),
        _ => Ok(()),
    }
}

fn deployment(spec: &Value, out: &mut String) -> std::fmt::Result {
    writeln!(out, "  replicas {}, strategy {}", spec["replicas"], spec["strategy"])?;
    writeln!(out, "  pod labels {}", spec["template"]["metadata"]["labels"])?;
    let pod = &spec["template"]["spec"];
    for (field, value) in pod.as_object().into_iter().flatten().filter(|(field, _)| *field != "containers") {
        writeln!(out, "  {field} {value}")?;
    }
    for container in pod["containers"].as_array().into_iter().flatten() {
        writeln!(out, "  container {}", container["name"])?;
        for (field, value) in container.as_object().into_iter().flatten() {
            match field.as_str() {
                "name" => {}
                "args" => {
                    for arg in value.as_array().into_iter().flatten().filter_map(Value::as_str) {
                        writeln!(out, "    {arg}")?;
                    }
                }
                _ => writeln!(out, "    {field} {value}")?,
            }
        }
    }
    Ok(())
}
