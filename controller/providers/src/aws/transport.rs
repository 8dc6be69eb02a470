//! Puts AWS's SDK on this crate's HTTP layer, so that its calls get the same time-outs, proxies, trust, and limit of the
//! body as everything else.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::{HeaderName, HeaderValue, Method};
use secret::SecretBytes;

use crate::http::{Answer, Failure, Http, Request, TOTAL_TIMEOUT};

/// An SDK client's HTTP client.
pub(super) fn client(http: Http) -> SharedHttpClient {
    http_client_fn(move |settings, _| {
        SharedHttpConnector::new(Connector { http: http.clone(), timeout: timeout(settings) })
    })
}

/// The SDK asks for less where a long wait makes no sense, such as at the instance metadata service.
fn timeout(settings: &HttpConnectorSettings) -> Duration {
    let asked = settings.read_timeout().map(|read| read + settings.connect_timeout().unwrap_or_default());
    asked.unwrap_or(TOTAL_TIMEOUT).min(TOTAL_TIMEOUT)
}

#[derive(Debug)]
struct Connector {
    http: Http,
    timeout: Duration,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (http, timeout) = (self.http.clone(), self.timeout);
        HttpConnectorFuture::new(async move {
            let request = outgoing(&request, timeout).ok_or_else(|| failed(Failure::Unsendable))?;
            http.send(request).await.map_err(failed).and_then(incoming)
        })
    }
}

fn outgoing(request: &HttpRequest, timeout: Duration) -> Option<Request> {
    let mut out = Request::new(Method::from_bytes(request.method().as_bytes()).ok()?, request.uri().parse().ok()?);
    for (name, value) in request.headers() {
        out.headers.append(HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?);
    }
    let body = request.body().bytes()?;
    out.body = (!body.is_empty()).then(|| SecretBytes::new(body.to_vec()));
    out.timeout = timeout;
    Some(out)
}

fn incoming(answer: Answer) -> Result<HttpResponse, ConnectorError> {
    let Answer { status, headers, body } = answer;
    let status = status.as_u16().try_into().map_err(|_| failed(Failure::Broken))?;
    // Not `SdkBody::from(bytes)`: the SDK's trace log prints such a body before it knows that it is sensitive.
    let mut out = HttpResponse::new(status, SdkBody::from_body_1_x(reqwest::Body::from(body.expose().to_vec())));
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            out.headers_mut().append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(out)
}

/// The SDK tries again after what might pass; the failure itself is found again in the chain of causes.
fn failed(failure: Failure) -> ConnectorError {
    let source = Box::new(failure);
    match failure {
        Failure::TimedOut(_) => ConnectorError::timeout(source),
        Failure::Unresolved | Failure::Refused | Failure::Unreachable | Failure::Unconnected | Failure::Closed => {
            ConnectorError::io(source)
        }
        Failure::Tls(_) | Failure::Redirected | Failure::TooLarge | Failure::Broken => {
            ConnectorError::other(source, None)
        }
        Failure::Unsendable => ConnectorError::user(source),
    }
}
