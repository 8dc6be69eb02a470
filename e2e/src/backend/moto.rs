//! moto's server, which stands for AWS: Secrets Manager, Parameter Store, Certificate Manager and STS at one address. It checks no signature.

use std::collections::BTreeMap;
use std::path::Path;

use reqwest::Client;
use serde_json::{Value, json};

use super::{answering, http_client, json_of};
use crate::deps;
use crate::error::{Context, Result};
use crate::guarded::{Guarded, Launch};
use crate::ports;

/// A running moto server.
pub struct Moto {
    address: String,
    client: Client,
    server: Option<Guarded>,
}

impl Moto {
    /// The region that the helpers below write to.
    pub const REGION: &str = "eu-central-1";

    /// Starts a server; its log goes to `folder`.
    ///
    /// # Errors
    /// If it can't be installed or doesn't answer.
    pub async fn start(folder: &Path) -> Result<Self> {
        let [port] = ports::free()?;
        let address = format!("http://127.0.0.1:{port}");
        let mut server = Launch::new("moto", deps::backends()?.join("moto_server"), folder)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .spawn()?;
        let client = http_client()?;
        answering(&client, &format!("{address}/moto-api/"), &mut server).await?;
        Ok(Self { address, client, server: Some(server) })
    }

    /// Speaks to a server that runs already, such as the demo's.
    ///
    /// # Errors
    /// If no HTTP client can be made.
    pub fn at(address: &str) -> Result<Self> {
        Ok(Self { address: address.to_owned(), client: http_client()?, server: None })
    }

    /// Its URL.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// How many API calls there were so far, by the server's own log; none for one that ran already.
    pub fn calls(&self) -> usize {
        self.server.as_ref().map_or(0, |server| server.log().matches("\"POST / HTTP/").count())
    }

    /// The environment that sends a program's AWS calls here, as the reference documents it.
    pub fn environment(&self) -> Vec<(String, String)> {
        [
            ("AWS_SECRETSMANAGER_ENDPOINT", self.address.as_str()),
            ("AWS_SSM_ENDPOINT", &self.address),
            ("AWS_ACM_ENDPOINT", &self.address),
            ("AWS_STS_ENDPOINT", &self.address),
            ("AWS_EC2_METADATA_DISABLED", "true"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Creates a secret of Secrets Manager.
    ///
    /// # Errors
    /// If the server refuses, for one if it exists.
    pub async fn create(&self, name: &str, value: &str) -> Result<()> {
        self.call("CreateSecret", json!({"Name": name, "SecretString": value})).await?;
        Ok(())
    }

    /// Creates a secret of Secrets Manager in another account than everybody's: only who assumed a role of it sees it.
    ///
    /// # Errors
    /// If the server refuses, for one if it exists.
    pub async fn create_in(&self, account: &str, name: &str, value: &str) -> Result<()> {
        let body = json!({"Name": name, "SecretString": value});
        self.call_in(Some(account), "secretsmanager", "secretsmanager.CreateSecret", body).await?;
        Ok(())
    }

    /// Gives a secret a new value; the former one becomes `AWSPREVIOUS`.
    ///
    /// # Errors
    /// If there is no such secret.
    pub async fn rotate(&self, name: &str, value: &str) -> Result<()> {
        self.call("PutSecretValue", json!({"SecretId": name, "SecretString": value})).await?;
        Ok(())
    }

    /// Deletes a secret for good.
    ///
    /// # Errors
    /// If there is no such secret.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.call("DeleteSecret", json!({"SecretId": name, "ForceDeleteWithoutRecovery": true})).await?;
        Ok(())
    }

    /// Calls an operation of Secrets Manager.
    ///
    /// # Errors
    /// If the answer isn't a success.
    pub async fn call(&self, operation: &str, body: Value) -> Result<Value> {
        self.call_service("secretsmanager", &format!("secretsmanager.{operation}"), body).await
    }

    /// Creates a parameter of Parameter Store: `SecureString`, with tags.
    ///
    /// # Errors
    /// If the server refuses, for one if it exists.
    pub async fn put_parameter(&self, name: &str, value: &str, tags: &[(&str, &str)]) -> Result<()> {
        let tags: Vec<Value> = tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect();
        let body = json!({"Name": name, "Value": value, "Type": "SecureString", "Tags": tags});
        self.call_service("ssm", "AmazonSSM.PutParameter", body).await?;
        Ok(())
    }

    /// A parameter of Parameter Store, decrypted, as the API describes it.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub async fn parameter(&self, name: &str) -> Result<Value> {
        let body = json!({"Name": name, "WithDecryption": true});
        Ok(self.call_service("ssm", "AmazonSSM.GetParameter", body).await?["Parameter"].clone())
    }

    /// The tags of a parameter.
    ///
    /// # Errors
    /// If there is no such parameter.
    pub async fn parameter_tags(&self, name: &str) -> Result<BTreeMap<String, String>> {
        let body = json!({"ResourceType": "Parameter", "ResourceId": name});
        let answer = self.call_service("ssm", "AmazonSSM.ListTagsForResource", body).await?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let tags = answer["TagList"].as_array().cloned().unwrap_or_default();
        Ok(tags.iter().map(|tag| (text(&tag["Key"]), text(&tag["Value"]))).collect())
    }

    /// Requests a certificate that can be exported, and returns its ARN.
    ///
    /// # Errors
    /// If the answer isn't a success.
    pub async fn certificate(&self, domain: &str, export: bool) -> Result<String> {
        let export = if export { "ENABLED" } else { "DISABLED" };
        let body = json!({"DomainName": domain, "Options": {"Export": export}});
        let answer = self.call_service("acm", "CertificateManager.RequestCertificate", body).await?;
        Ok(answer["CertificateArn"].as_str().unwrap_or_default().to_owned())
    }

    async fn call_service(&self, service: &str, target: &str, body: Value) -> Result<Value> {
        self.call_in(None, service, target, body).await
    }

    async fn call_in(&self, account: Option<&str>, service: &str, target: &str, body: Value) -> Result<Value> {
        let what = format!("moto {target}");
        let scope = format!("20260101/{}/{service}/aws4_request", Self::REGION);
        let mut request = self.client.post(&self.address);
        if let Some(account) = account {
            request = request.header("X-Moto-Account-Id", account);
        }
        let request = request
            .header("X-Amz-Target", target)
            .header(
                "Authorization",
                format!("AWS4-HMAC-SHA256 Credential=e2e/{scope}, SignedHeaders=host, Signature=e2e"),
            )
            .header("Content-Type", "application/x-amz-json-1.1")
            .body(body.to_string());
        json_of(request.send().await.context(&what)?, &what).await
    }
}
