//! The thread that serves metrics: a small HTTP server of one request at a time.

use std::sync::Arc;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use ringwire::Handle;
use ringwire::metrics::OpenMetrics;
use serde_json::json;
use tiny_http::{Header, Method, Request, Response, Server};
use tracing::{info, warn};

use super::Settings;
use crate::failure::Failure;
use crate::node::Node;
use crate::threads;

/// The media type of OpenMetrics 1.0.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The media type of everything else.
const JSON: &str = "application/json; charset=utf-8";

/// A running server. Dropped, it takes no more requests.
pub(crate) struct MetricsServer(Arc<Server>);

impl MetricsServer {
    /// Listens, and serves from now on.
    ///
    /// # Errors
    /// Nobody can listen there.
    pub(crate) fn serve(settings: &Settings, node: &Node) -> Result<Self, Failure> {
        let server = Server::http(settings.addr).map_err(|error| {
            let addr = settings.addr;
            Failure::new(format!("metrics: cannot listen on {addr}: {error}"))
        })?;
        let server = Arc::new(server);
        info!("metrics at http://{}/metrics", server.server_addr());
        let mut registry = Registry::default();
        let labels = registry.sub_registry_with_label((
            "chain_id".into(),
            node.config().engine.network.clone().into(),
        ));
        OpenMetrics::new(node.handle())
            .namespace(&settings.namespace)
            .peers_max(settings.peers_max)
            .register(labels);
        let (serving, handle) = (Arc::clone(&server), node.handle());
        threads::spawn("rw-metrics", move || {
            for request in serving.incoming_requests() {
                answer(request, &registry, &handle);
            }
        })?;
        Ok(MetricsServer(server))
    }
}

impl Drop for MetricsServer {
    fn drop(&mut self) {
        // Nobody waits for the thread: it may be in the middle of an answer.
        self.0.unblock();
    }
}

fn answer(request: Request, registry: &Registry, handle: &Handle) {
    let path = request.url().split('?').next().unwrap_or_default();
    let (status, kind, body) = match (request.method(), path) {
        (Method::Get | Method::Head, "/metrics") => metrics(registry),
        (Method::Get | Method::Head, "/health") => health(handle),
        (Method::Get | Method::Head, _) => (
            404,
            JSON,
            json!({ "error": "there are /metrics and /health" }).to_string(),
        ),
        _ => (
            405,
            JSON,
            json!({ "error": "GET is all that is answered" }).to_string(),
        ),
    };
    let kind = Header::from_bytes("Content-Type", kind).expect("plain ASCII");
    let response = Response::from_string(body)
        .with_status_code(status)
        .with_header(kind)
        // With its length, however long: who scrapes by hand needs to put no pieces together.
        .with_chunked_threshold(usize::MAX);
    // Whoever asked may be gone.
    let _ = request.respond(response);
}

fn metrics(registry: &Registry) -> (u16, &'static str, String) {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => (200, OPEN_METRICS, text),
        Err(error) => {
            warn!("metrics could not be written: {error}");
            (500, JSON, json!({ "error": error.to_string() }).to_string())
        }
    }
}

/// A node is well while each of its shards answers. How many peers it has is for others to judge.
fn health(handle: &Handle) -> (u16, &'static str, String) {
    let answered = handle.counters_blocking().len();
    let wanted = usize::from(handle.shard_count());
    let is_well = answered == wanted && !handle.is_stopping();
    let body = json!({
        "status": if is_well { "ok" } else { "failing" },
        "shards": wanted,
        "shards_that_answer": answered,
        "peers": handle.peer_count(),
    });
    (if is_well { 200 } else { 503 }, JSON, body.to_string())
}
