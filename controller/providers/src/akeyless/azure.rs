//! Tokens of Azure for Akeyless: of which identity, and of which cloud.
//!
//! Deliberately not here: the requests (`crate::entra`).
//!
//! Source: Akeyless's own <https://github.com/akeylesslabs/akeyless-go-cloud-id>; Azure SDK for Go, "DefaultAzureCredential".

use std::sync::Arc;
use std::time::Duration;

use api::ServiceAccountSelector;
use provider::{Credentials, Error, ErrorKind};
use reqwest::Url;
use secret::SecretBytes;
use tokio::sync::OnceCell;

use super::AUTH_FIELD;
use crate::OpenContext;
use crate::entra::{
    self, Authority, CLIENT_ANNOTATION, CLIENT_OF_ACCOUNT, CLIENT_OF_POD, Client, METADATA, Node, Proof, Said,
    TENANT_ANNOTATION, TENANT_OF_ACCOUNT, TENANT_OF_POD, check_ids, cloud_of_node, is_id,
};
use crate::environment::AzureEnvironment;
use crate::http::{Http, TlsSettings, url};

/// What a service account's token is asked to live; it is used at once.
const JWT_LIFETIME: Duration = Duration::from_secs(600);
const AUTHORITY: &str = "the environment variable AZURE_AUTHORITY_HOST";
const NODE: &str = "the environment variable AZURE_POD_IDENTITY_AUTHORITY_HOST";

/// One of Azure's clouds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cloud {
    Public,
    UsGovernment,
    China,
}

impl Cloud {
    /// By a name that Azure's tools give it.
    fn named(name: &str) -> Option<Self> {
        match name.trim().to_ascii_lowercase().as_str() {
            "azurecloud" | "azurepubliccloud" => Some(Self::Public),
            "azureusgovernment" | "azureusgovernmentcloud" => Some(Self::UsGovernment),
            "azurechinacloud" | "azurechinacloud21vianet" => Some(Self::China),
            _ => None,
        }
    }

    fn with_login(host: &str) -> Option<Self> {
        match host {
            "login.microsoftonline.com" => Some(Self::Public),
            "login.microsoftonline.us" => Some(Self::UsGovernment),
            "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Some(Self::China),
            _ => None,
        }
    }

    fn login(self) -> &'static str {
        match self {
            Self::Public => "https://login.microsoftonline.com",
            Self::UsGovernment => "https://login.microsoftonline.us",
            Self::China => "https://login.chinacloudapi.cn",
        }
    }

    /// Whom tokens for Akeyless are for: the Resource Manager.
    fn resource(self) -> &'static str {
        match self {
            Self::Public => "https://management.azure.com",
            Self::UsGovernment => "https://management.usgovcloudapi.net",
            Self::China => "https://management.chinacloudapi.cn",
        }
    }
}

/// Whose token it is.
enum Who {
    /// A Kubernetes service account, and the client that it stands for unless its annotations say it.
    Account { account: ServiceAccountSelector, client: Option<String> },
    /// An identity of the node, by its object.
    Object(String),
    /// The controller's.
    Own,
}

/// An identity at Azure.
pub(super) struct Azure {
    http: Http,
    credentials: Arc<dyn Credentials>,
    environment: AzureEnvironment,
    authority: Option<Authority>,
    metadata: Url,
    who: Who,
    /// The cloud, once the node was asked for it.
    found: OnceCell<Cloud>,
}

fn invalid(text: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, "Open", text)
}

/// Its value isn't shown: whoever reads the error need not be one who may read the Secret.
fn check_given(id: &str) -> Result<(), Error> {
    let text = "spec.provider.akeyless.authSecretRef.secretRef.accessTypeParam: the Secret's value is not the id of an \
                identity at Azure";
    if is_id(id) { Ok(()) } else { Err(invalid(text)) }
}

impl Azure {
    pub(super) fn new(
        id: Option<String>,
        account: Option<ServiceAccountSelector>,
        cx: &OpenContext<'_>,
    ) -> Result<Self, Error> {
        let environment = cx.environment.azure.clone();
        // With a service account its annotation may go before it.
        if account.is_none()
            && let Some(id) = &id
        {
            check_given(id)?;
        }
        let authority = environment.authority_host.as_deref();
        let authority = authority.map(|host| url(host, AUTHORITY)).transpose()?;
        Ok(Self {
            http: cx.http.get(&TlsSettings::default())?,
            credentials: Arc::clone(&cx.credentials),
            authority: authority.map(|url| Authority { url, setting: AUTHORITY }),
            metadata: url(environment.metadata_host.as_deref().unwrap_or(METADATA), NODE)?,
            who: match (account, id) {
                (Some(account), client) => Who::Account { account, client },
                (None, Some(object)) => Who::Object(object),
                (None, None) => Who::Own,
            },
            environment,
            found: OnceCell::new(),
        })
    }

    /// A fresh token.
    ///
    /// # Errors
    /// What is missing, by name, and the kinds of a refused login.
    pub(super) async fn token(&self) -> Result<SecretBytes, Error> {
        let AzureEnvironment {
            client_id,
            tenant_id,
            federated_token_file,
            client_secret,
            metadata_host: _,
            cloud_names: _,
            authority_host: _,
        } = &self.environment;
        let pod = tenant_id.as_deref().zip(client_id.as_deref());
        match (&self.who, pod, client_secret, federated_token_file) {
            (Who::Account { account, client }, _, _, _) => self.of_account(account, client.as_deref()).await,
            (Who::Object(id), _, _, _) => self.of_node(Node::Object(id)).await,
            (Who::Own, Some((tenant, client)), Some(secret), _) => {
                let hint = "check the environment variables AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET";
                let (tenant, client) = ((tenant, TENANT_OF_POD), (client, CLIENT_OF_POD));
                self.of_client(tenant, client, Proof::Secret(secret.clone()), hint).await
            }
            (Who::Own, Some((tenant, client)), None, Some(file)) => {
                let hint = "check the label azure.workload.identity/use of the controller's pod, its service account, and \
                            the federated credential (issuer, subject, audience)";
                let (tenant, client) = ((tenant, TENANT_OF_POD), (client, CLIENT_OF_POD));
                self.of_client(tenant, client, entra::of_file(file).await?, hint).await
            }
            (Who::Own, _, _, _) => self.of_node(client_id.as_deref().map_or(Node::Own, Node::Client)).await,
        }
    }

    async fn of_account(&self, account: &ServiceAccountSelector, client: Option<&str>) -> Result<SecretBytes, Error> {
        let annotations = self.credentials.service_account_annotations(account).await?;
        let annotated = |name: &str| annotations.get(name).map(String::as_str).filter(|id| !id.is_empty());
        let client = match (annotated(CLIENT_ANNOTATION), client) {
            (Some(client), _) => (client, CLIENT_OF_ACCOUNT),
            (None, Some(client)) => {
                check_given(client)?;
                (client, AUTH_FIELD)
            }
            (None, None) => {
                return Err(invalid(format!(
                    "missing Azure client ID: set accessTypeParam or annotate the service account with {CLIENT_ANNOTATION}"
                )));
            }
        };
        let annotated = annotated(TENANT_ANNOTATION).map(|tenant| (tenant, TENANT_OF_ACCOUNT));
        let own = self.environment.tenant_id.as_deref().map(|tenant| (tenant, TENANT_OF_POD));
        let tenant = annotated.or(own).ok_or_else(|| {
            invalid(format!(
                "missing Azure tenant ID: annotate the service account with {TENANT_ANNOTATION} or set AZURE_TENANT_ID"
            ))
        })?;
        let proof = entra::of_account(account, JWT_LIFETIME, self.credentials.as_ref()).await?;
        let hint = "check the service account's annotations and the federated credential (issuer, subject, audience)";
        self.of_client(tenant, client, proof, hint).await
    }

    async fn of_client(
        &self,
        tenant: Said<'_>,
        client: Said<'_>,
        proof: Proof,
        hint: &str,
    ) -> Result<SecretBytes, Error> {
        check_ids(tenant, client)?;
        let ((tenant, _), (client, _)) = (tenant, client);
        let cloud = self.cloud().await;
        let known = Authority { url: url(cloud.login(), AUTHORITY)?, setting: AUTHORITY };
        let authority = self.authority.as_ref().unwrap_or(&known);
        let client = Client { authority, tenant, id: client, hint };
        Ok(entra::log_in(&self.http, &client, proof, cloud.resource()).await?.token)
    }

    async fn of_node(&self, node: Node<'_>) -> Result<SecretBytes, Error> {
        // The metadata service takes the resource as it is written, and this one has a slash.
        let resource = format!("{}/", self.cloud().await.resource());
        let settings = (AUTH_FIELD, "the object id in accessTypeParam, or the environment variable AZURE_CLIENT_ID");
        Ok(entra::managed_identity(&self.http, &self.metadata, node, &resource, settings).await?.token)
    }

    /// As the environment says, else the node, unless it may be another's than the identity's.
    async fn cloud(&self) -> Cloud {
        let host = self.authority.as_ref().and_then(|authority| authority.url.host_str());
        let said = self.environment.cloud_names.iter().find_map(|name| Cloud::named(name));
        match (said.or_else(|| host.and_then(Cloud::with_login)), &self.who) {
            (Some(cloud), _) => cloud,
            (None, Who::Account { account: _, client: _ }) => Cloud::Public,
            (None, Who::Object(_) | Who::Own) => {
                // Only an answer is kept: a node that can't tell now is asked again with the next login.
                let ask = async || match cloud_of_node(&self.http, &self.metadata).await {
                    Some(name) => Ok(Cloud::named(&name).unwrap_or(Cloud::Public)),
                    None => Err(()),
                };
                self.found.get_or_try_init(ask).await.copied().unwrap_or(Cloud::Public)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_has_several_names_and_one_login() {
        let cases = [
            ("AzureCloud", Some(Cloud::Public)),
            (" azurepubliccloud\n", Some(Cloud::Public)),
            ("AzureUSGovernment", Some(Cloud::UsGovernment)),
            ("AzureUSGovernmentCloud", Some(Cloud::UsGovernment)),
            ("AzureChinaCloud", Some(Cloud::China)),
            ("AzureChinaCloud21Vianet", Some(Cloud::China)),
            ("AzureStackHub", None),
            ("", None),
        ];
        for (name, want) in cases {
            assert_eq!(Cloud::named(name), want, "{name}");
            if let Some(cloud) = want {
                let host = cloud.login().trim_start_matches("https://");
                assert_eq!(Cloud::with_login(host), want);
            }
        }
        assert_eq!(Cloud::with_login("login.example.org"), None);
    }
}
