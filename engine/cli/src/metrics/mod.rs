//! Metrics for Prometheus, and an answer for whoever asks whether the node is well.
//!
//! ```text
//!   --metrics, [instrumentation] ─▶ [settings] ─▶ [server]  GET /metrics   OpenMetrics
//!                                                           GET /health    200, or 503 when a shard is gone
//! ```

mod server;
mod settings;

pub(crate) use server::MetricsServer;
pub(crate) use settings::{MetricsArgs, Settings, check_address, words};
